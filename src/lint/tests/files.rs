//! Directories, and the files that describe environments.

use super::{findings, short, summary};
use crate::lint::{Code, check};

#[test]
fn files() {
    for (text, expected) in [
        ("conda_env: conda.yml\n", &["missing-environment-file 1:12"][..]),
        ("python_env: a/b.yaml\n", &["missing-environment-file 1:13"]),
        ("conda_env: conda.yaml\n", &[]),
        ("", &["empty-file 1:1"]),
        ("# nothing\n", &["empty-file 1:1"]),
        ("- a\n", &["invalid-value 1:1"]),
        ("a: [\n", &["invalid-yaml 2:1"]),
        (
            "conda_env: conda.yaml\ndocker_env: {image: a}\nname: x\n",
            &["several-environments 2:1"],
        ),
        ("docker_env: {volumes: []}\nname: x\n", &["invalid-value 1:13"]),
        ("entry_points: {main: echo}\n", &["invalid-value 1:22"]),
        (
            "entry_points: {1: {command: a}, '1': {command: b}}\n",
            &["name-collision 1:33"],
        ),
        ("databricks_spark_job: {}\n", &["invalid-value 1:1"]),
    ] {
        assert_eq!(summary(text), expected, "{text}");
    }
    let found = findings("name: a\n", &["MLproject.yaml", "mlproject"]);
    let messages: Vec<&str> = found.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "ignoring MLproject.yaml: MLproject is the project's file",
            "ignoring mlproject: MLproject is the project's file"
        ]
    );
}

/// A directory that no run can use is an error; one with a script is not.
#[test]
fn directories() {
    for (files, expected, hint) in [
        (
            &[][..],
            Some("missing-mlproject"),
            "name the directory of the project",
        ),
        (&["train.py"], None, ""),
        (
            &["MLproject.yaml"],
            Some("misnamed-file"),
            "rename MLproject.yaml to MLproject",
        ),
        (
            &["MLproject.txt", "train.py"],
            Some("misnamed-file"),
            "rename MLproject.txt to MLproject",
        ),
        (
            &["MLproject.yaml.txt"],
            Some("misnamed-file"),
            "rename MLproject.yaml.txt",
        ),
        (&["ML_project"], Some("misnamed-file"), "rename ML_project"),
        (
            &["MLproject/MLproject"],
            Some("missing-mlproject"),
            "did you mean the directory 'MLproject'?",
        ),
        (
            &["sub/MLproject"],
            Some("missing-mlproject"),
            "did you mean the directory 'sub'?",
        ),
        (
            &["../MLproject"],
            Some("missing-mlproject"),
            "did you mean the directory '..'?",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let project = directory.path().join("repository/project");
        std::fs::create_dir_all(&project).unwrap();
        std::fs::create_dir(directory.path().join(".git")).unwrap();
        for file in files {
            let path = project.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "entry_points: {main: {command: x}}\n").unwrap();
        }
        let found = check(&project).unwrap();
        let codes: Vec<&str> = found.iter().map(|finding| finding.code.name()).collect();
        assert_eq!(codes, expected.into_iter().collect::<Vec<_>>(), "{files:?}");
        if let [finding] = found.as_slice() {
            let text = finding.hint.as_deref().unwrap_or_default();
            assert!(text.starts_with(hint), "{text}");
        }
        assert!(check(&project.join("missing")).is_err());
    }
}

/// Projects that have nothing to run, whatever is asked for.
#[test]
fn nothing_to_run() {
    for (text, expected) in [
        (
            "name: x\n",
            Some("declare one in MLproject: `entry_points: {main: {command: ...}}`"),
        ),
        (
            "entry_pionts: {main: {command: x}}\n",
            Some("did you mean 'entry_points' instead of 'entry_pionts' on line 1?"),
        ),
        ("docker_env: {image: x}\nname: x\n", None),
        ("databricks_spark_job: {python_file: x.py}\n", None),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("MLproject"), text).unwrap();
        let found = check(directory.path()).unwrap();
        let finding = found.iter().find(|finding| finding.code == Code::NothingToRun);
        assert_eq!(
            finding.and_then(|finding| finding.hint.as_deref()),
            expected,
            "{text}"
        );
    }
}

/// The files of environments, with the places of what is wrong in them.
#[test]
fn environment_files() {
    for (key, file, text, expected) in [
        (
            "python_env",
            "python_env.yaml",
            "python: '3.11'\ndependencies: [numpy>=1, -r r.txt]\n",
            &[][..],
        ),
        (
            "python_env",
            "python_env.yaml",
            "",
            &["invalid-environment-file 1:1"],
        ),
        (
            "python_env",
            "python_env.yaml",
            "python: 3.10\ndependencis: [numpy]\ndependencies: [numpy=1, -r no.txt, 'b 1.0']\ndependencies: [x]\n",
            &[
                "invalid-environment-file 1:9",
                "invalid-environment-file 2:1",
                "duplicate-key 4:1",
            ],
        ),
        (
            "python_env",
            "python_env.yaml",
            "dependencies:\n- -r no.txt\n- numpy=>1\n- -r bad.txt\n- -c c.txt # why\n",
            &[
                "requirements-file 2:3",
                "invalid-requirement 3:3",
                "requirements-file 5:3",
                "invalid-requirement 2:3",
            ],
        ),
        (
            "python_env",
            "python_env.yaml",
            "name: x\nchannels: [a]\ndependencies: [python=3.8]\n",
            &["invalid-environment-file 1:1"],
        ),
        (
            "python_env",
            "python_env.yaml",
            "a: [\n",
            &["invalid-environment-file 2:1"],
        ),
        (
            "python_env",
            "requirements.txt",
            "numpy\n",
            &["invalid-environment-file 1:1"],
        ),
        (
            "conda_env",
            "conda.yaml",
            "name: x\ndependencies: [python=3.11, pip, pip: [-r r.txt]]\n",
            &[],
        ),
        (
            "conda_env",
            "conda.yaml",
            "dependancies: [numpy]\nchannels: [a]\nchannels: [b]\n",
            &["unknown-key 1:1", "duplicate-key 3:1"],
        ),
        (
            "conda_env",
            "conda.yaml",
            "python: '3.11'\ndependencies: [x]\n",
            &["invalid-environment-file 1:1"],
        ),
        (
            "conda_env",
            "conda.yaml",
            "dependencies: [3.8]\n",
            &["invalid-environment-file 1:16"],
        ),
        (
            "conda_env",
            "conda.yaml",
            "dependencies: ['python=3.8|3.9']\n",
            &["conda-only 1:16"],
        ),
        (
            "conda_env",
            "conda.yaml",
            "dependencies:\n- pip:\n  - numpy=1\n  - -r no.txt\n",
            &["invalid-requirement 3:5"],
        ),
        (
            "conda_env",
            "conda.yaml",
            "dependencies:\n- pip:\n  - -r no.txt\n",
            &["requirements-file 3:5"],
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mlproject = format!("{key}: {file}\nentry_points: {{main: {{command: x}}}}\n");
        for (name, text) in [
            ("MLproject", mlproject.as_str()),
            (file, text),
            ("r.txt", "pandas\n"),
            ("bad.txt", "pandas\n  pandas 1.0\n"),
        ] {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        let found = check(directory.path()).unwrap();
        assert_eq!(found.iter().map(short).collect::<Vec<_>>(), expected, "{text}");
    }
    for (bytes, expected) in [
        (
            &b"n\0u\0m\0"[..],
            "it looks like UTF-16LE without a byte order mark",
        ),
        (b"a\n\xff", "line 2 is not valid UTF-8"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("python_env.yaml"),
            "dependencies: [-r r.txt]\n",
        )
        .unwrap();
        std::fs::write(directory.path().join("train.py"), "").unwrap();
        std::fs::write(directory.path().join("r.txt"), bytes).unwrap();
        let found = check(directory.path()).unwrap();
        let [finding] = found.as_slice() else {
            panic!("{found:#?}")
        };
        assert_eq!(finding.code, Code::RequirementsFile);
        assert!(finding.message.ends_with(expected), "{finding:?}");
        assert!(finding.location.is_some());
    }
}

/// What a run refuses in `docker_env`.
#[test]
fn docker_settings() {
    for (docker, expected) in [
        ("image: '-x'", &["invalid-value 2:21"][..]),
        ("image: 'a b'", &["invalid-value 2:21"]),
        ("image: a, environment: ['A=secret', B]", &["invalid-value 2:38"]),
        (
            "image: a, volumes: ['/a:b', '$DATA:/b', './x:/y', '$(ls):/x']",
            &["invalid-value 2:34", "invalid-value 2:64"],
        ),
    ] {
        let found = summary(&format!("name: x\ndocker_env: {{{docker}}}\n"));
        assert_eq!(found, expected, "{docker}");
    }
}

/// One mistake does not hide the others, not even one that makes the file unfit.
#[test]
fn errors_come_with_everything_else() {
    let text = "name: a\nnmae: b\nconda_env: missing.yaml\nentry_points:\n  main:\n    parameters: {a: {type:int}, b: {defualt: 010}}\n    \
                command: echo {c}\n  other: [x]\n";
    assert_eq!(
        summary(text),
        [
            "unknown-key 2:1",
            "missing-environment-file 3:12",
            "unused-parameter 6:18",
            "malformed-entry 6:22",
            "unused-parameter 6:33",
            "unknown-key 6:37",
            "undeclared-placeholder 7:19",
            "invalid-value 8:10",
        ]
    );
}
