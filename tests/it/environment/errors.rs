//! What people read when an environment cannot be had, as golden texts.

use std::fs;

use super::tiny_project;
use crate::harness::{Finished, Project, assert_contains, assert_golden, assert_lacks};

/// The transcript with paths and versions of this machine replaced.
fn text(finished: &Finished<'_>) -> String {
    let mut text = String::new();
    for line in finished.transcript().lines() {
        // Which Pythons the machine has is not the project's business.
        match line.split_once("bin/python3 is ") {
            Some((start, _)) => text.push_str(&format!("{start}bin/python3 is <version>\n")),
            None => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

#[test]
fn environment_files() {
    let mut topic = String::new();
    for file in [
        "python: 3.11\n",
        "python: 3.10\n",
        "python: '^3.9'\n",
        "python: '3.7.13=h6244533_0'\n",
        "name: x\nchannels: [conda-forge]\ndependencies:\n- python=3.8\n- pip: [numpy]\n",
        "dependencies:\n- python=3.8\n- numpy\n",
        "dependencis: [numpy]\n",
        "dependencies: numpy\n",
        "dependencies:\n- pip:\n  - numpy\n",
        "pyhton: '3.11'\n",
        "- numpy\n",
        "",
        "python: [\n",
        "dependencies: ['-r missing.txt']\n",
    ] {
        let project = Project::new()
            .mlproject("python_env: python_env.yaml\nentry_points: {main: {command: 'true'}}\n")
            .file("python_env.yaml", file);
        let finished = project.mlrun(&["run", "project"]).with_code(1);
        assert!(finished.store().runs.is_empty(), "no run is created");
        topic.push_str(&format!("# python_env.yaml: {file:?}\n{}\n", text(&finished)));
    }
    for (key, file, text) in [
        ("python_env", "pyproject.toml", "[project]\nname = 'x'\n"),
        ("python_env", "requirements.txt", "numpy\n"),
        ("python_env", "setup.py", "import x\n"),
        ("python_env", "conda.yaml", "dependencies: [python=3.8, numpy]\n"),
        ("conda_env", "requirements.txt", "numpy>=1\n"),
        ("conda_env", "pyproject.toml", "[project]\nname = 'x'\n"),
        (
            "conda_env",
            "python_env.yaml",
            "python: '3.8'\ndependencies: [numpy]\n",
        ),
        ("conda_env", "conda.yaml", "dependencies: ['python=3.8|3.9']\n"),
    ] {
        for manager in ["virtualenv", "conda"] {
            if (key, manager) == ("python_env", "conda") {
                continue;
            }
            let project = Project::new()
                .mlproject(&format!(
                    "{key}: {file}\nentry_points: {{main: {{command: 'true'}}}}\n"
                ))
                .file(file, text);
            let finished = project.mlrun(&["run", "project", "--env-manager", manager]);
            finished.expect_code(1);
            assert!(finished.store().runs.is_empty(), "no run is created");
            topic.push_str(&format!("# {key}: {file}: {text:?}\n{}\n", self::text(&finished)));
        }
    }
    assert_golden("errors-environment-files", &topic);
}

#[test]
fn files_of_another_encoding() {
    let mut topic = String::new();
    for (file, bytes) in [
        ("python_env.yaml", utf16("python: '3.11'\n")),
        ("requirements.txt", utf16("numpy\n")),
        ("requirements.txt", b"numpy\n# caf\xe9\n".to_vec()),
    ] {
        let project = Project::new()
            .mlproject("python_env: python_env.yaml\nentry_points: {main: {command: 'true'}}\n")
            .file("python_env.yaml", "dependencies: [-r requirements.txt]\n");
        project.sandbox().write(format!("project/{file}"), bytes);
        let finished = project.mlrun(&["run", "project"]).with_code(1);
        assert!(finished.store().runs.is_empty(), "no run is created");
        topic.push_str(&format!("# {file}\n{}\n", text(&finished)));
    }
    assert_golden("errors-environment-encodings", &topic);
}

/// UTF-16 without a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn missing_programs() {
    let Some(project) = tiny_project() else { return };
    let mut topic = String::new();
    let bin = project.sandbox().root().join("bin");
    let project = project.file("python_env.yaml", "python: '3.0'\n");
    // uv has a list of all that it could install; nobody has to ask the network.
    for manager in ["virtualenv", "uv"] {
        let finished = project.mlrun(&["run", "project", "--env-manager", manager]);
        assert!(finished.store().runs.is_empty(), "no run is created");
        topic.push_str(&text(&finished));
        topic.push('\n');
    }
    fs::remove_file(bin.join("uv")).unwrap();
    for arguments in [
        &["run", "project"][..],
        &["run", "project", "--dry-run"],
        &["run", "project", "--env-manager", "uv"],
        &["run", "project", "--env-manager", "conda"],
        &["env", "rm", "mlflow-0"],
        &["env", "prune", "--older-than", "soon"],
    ] {
        topic.push_str(&text(&project.mlrun(arguments)));
        topic.push('\n');
    }
    assert_golden("errors-environments", &topic);
}

#[test]
fn a_failed_installation_shows_its_last_lines() {
    for manager in ["virtualenv", "uv"] {
        let Some(project) = tiny_project() else { return };
        let project = project.file(
            "python_env.yaml",
            "dependencies: [./wheels/missing-1.0-py3-none-any.whl]\n",
        );
        let finished = project.mlrun(&["run", "project", "--env-manager", manager, "-q"]);
        finished.expect_code(1);
        let program = if manager == "uv" {
            "uv pip install"
        } else {
            "pip install"
        };
        let error = project.sandbox().anonymous(finished.stderr());
        let expected = "error: <sandbox>/work/project/python_env.yaml:1:16: cannot install './wheels/missing-1.0-py3-none-any.whl'\n   |\n 1 | dependencies: [./wheels/missing-1.0-py3-none-any.whl]\n";
        assert_contains(&error, expected);
        assert_contains(
            &error,
            &format!("\n  caused by: `{program}` failed with exit code "),
        );
        let (before, hint) = error.split_once("\nhint: the whole output is in ").unwrap();
        assert_contains(
            before.split("caused by").nth(1).unwrap(),
            "missing-1.0-py3-none-any.whl",
        );
        assert_lacks(&error, "requirements.");
        let log = project.sandbox().expand(hint.trim());
        assert_contains(&fs::read_to_string(log).unwrap(), " install -r requirements.");
        assert_eq!(finished.store().run().status, "FAILED");
    }
}
