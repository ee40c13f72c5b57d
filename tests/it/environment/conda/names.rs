//! The names of environments, and Python environments that are derived from conda.yaml files, beside those of
//! the reference.
//!
//! The name of a python environment is made of its version of Python and of its dependencies, so
//! equal names say that all of them are equal.

use std::path::Path;

use super::{ask_reference, environment_name, planned_environment, project_with_empty_conda};
use crate::harness::{Project, Reference, assert_contains, assert_lacks};

/// Files of environments that YAML can be read from, each by its name.
const FILES: &[(&str, &str)] = &[
    ("conda.yaml", "name: x\ndependencies:\n  - python=3.11\n"),
    ("empty.yaml", ""),
    ("newline.yaml", "\n"),
    ("comment.yaml", "# nothing\n"),
    ("no-newline.yaml", "dependencies: [python]"),
    ("two-newlines.yaml", "dependencies: [python]\n\n"),
    ("crlf.yaml", "name: x\r\ndependencies:\r\n  - python=3.11\r\n"),
    ("cr.yaml", "name: x\rdependencies: []\r"),
    ("mixed.yaml", "a: 1\r\nb: 2\rc: 3\nd: 4\r\r\n"),
    ("byte-order-mark.yaml", "\u{feff}name: x\n"),
    ("umlaut.yaml", "name: größe\n"),
    ("chinese.yaml", "name: 环境\n"),
    ("emoji.yaml", "name: \"\u{1f40d}\"\n"),
    ("combining.yaml", "name: e\u{301}\n"),
    ("next-line.yaml", "name: 'a\u{85}b'\n"),
    ("line-separator.yaml", "name: 'a\u{2028}b'\n"),
    ("tab.yaml", "name: x # a\ttab\n"),
    ("trailing-space.yaml", "name: x   \n"),
    ("list.yaml", "- python\n- numpy\n"),
    ("text.yaml", "python\n"),
    ("number.yaml", "1\n"),
    ("null.yaml", "~\n"),
    (
        "flow.yaml",
        "{name: x, channels: [a, b], dependencies: [python=3.11, {pip: [mlflow]}]}\n",
    ),
    ("document-start.yaml", "---\nname: x\n"),
    ("document-end.yaml", "name: x\n...\n"),
    ("anchors.yaml", "a: &a [x]\nb: *a\n"),
    ("quoted.yaml", "name: \"a\\tb\"\n"),
    ("block.yaml", "name: |\n  a\n   b\n"),
    ("repeated.yaml", "name: x\nname: y\n"),
    ("environment.yml", "name: x\n"),
    ("no-extension", "name: x\n"),
    ("with space.yaml", "name: x # the same text, another file\n"),
    ("deep/er/conda.yaml", "name: deep\n"),
    ("variables.yaml", "name: x\nvariables: {A: b}\nprefix: /nowhere\n"),
];

/// The name is that of the text, as Python reads a text file.
#[test]
fn as_the_reference_names_them() {
    let Some(reference) = Reference::shared() else {
        return;
    };
    let project = FILES
        .iter()
        .fold(project_with_empty_conda(), |project, (name, text)| {
            project.file(name, text)
        });
    let names: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
    let script = format!(
        "import json\nfrom mlflow.utils.conda import _get_conda_env_name\n\
         print(json.dumps([_get_conda_env_name(name) for name in {names:?}] + [_get_conda_env_name(None)]))"
    );
    let expected = ask_reference(reference, &project, &script);
    for (index, name) in names.iter().enumerate() {
        project.sandbox().write(
            "project/MLproject",
            format!("conda_env: '{name}'\nentry_points: {{main: {{command: echo}}}}\n"),
        );
        assert_eq!(
            planned_name(&project),
            expected[index].as_str().unwrap(),
            "{name}"
        );
    }
    assert!(names.len() >= 30);
    let none = project_with_empty_conda().mlproject("name: x\nentry_points: {main: {command: echo}}\n");
    assert_eq!(planned_name(&none), expected[names.len()].as_str().unwrap());
}

/// Of a file beside the project's directory, and of one that is named by its absolute path.
#[test]
fn of_files_elsewhere() {
    let project = project_with_empty_conda().file("conda.yaml", "name: x\n");
    project.sandbox().write("other/conda.yaml", "name: other\n");
    let absolute = project.sandbox().expand("<sandbox>/work/other/conda.yaml");
    let mut names = Vec::new();
    for path in [
        "conda.yaml",
        "../other/conda.yaml",
        &absolute,
        "./../other/./conda.yaml",
    ] {
        project.sandbox().write(
            "project/MLproject",
            format!("conda_env: {path}\nentry_points: {{main: {{command: echo}}}}\n"),
        );
        names.push(planned_name(&project));
    }
    assert_ne!(names[0], names[1]);
    assert_eq!(names[1], names[2]);
    assert_eq!(names[1], names[3]);
}

fn planned_name(project: &Project) -> String {
    let finished = project.mlrun(&["run", "project", "--env-manager", "conda", "--dry-run"]);
    finished.expect_code(0);
    let environment = planned_environment(finished.stdout());
    assert!(environment[0].ends_with("(to be built)"), "{environment:?}");
    environment_name(&environment[0]).to_owned()
}

/// Bodies of `dependencies: [...]`.
const DEPENDENCIES: &[&str] = &[
    "python=3.11",
    "python==3.11",
    "python<=3.11",
    "python>=3.8.13",
    "python=3.11, pip",
    "python=3.11, pip=23.1, setuptools<=65, wheel!=0.40",
    "python=3.11, pip20",
    "python=3.11, pip=",
    "python=3.11, pip, pip",
    "python=3.11, {pip: [mlflow]}",
    "python=3.11, {pip: [mlflow, 'scikit-learn>=1.4,<2', 'numpy ; python_version > \"3\"']}",
    "python=3.11, {pip: [a]}, {pip: [b, c]}",
    "python=3.11, {pip: [a]}, {pip: }",
    "python=3.11, {pip: [], conda: x}",
    "python=3.11, numpy, conda-forge::scipy=1.0, {pip: [mlflow]}",
    "python=3.11, 'numpy >=1.2'",
    "python=3.11, python=3.10",
    "python=, python=3.10",
    "pip, python=3.9, wheel",
    "\"python=3.9\\n\"",
    "pip",
    "numpy",
    "python=",
    "",
    // What the reference refuses.
    "python",
    "python3.11",
    "python>3.8",
    "python<3.8",
    "python!=3.8",
    "python!=",
    "3.8",
    "null",
    "[python]",
    "{conda: [x]}",
    "{}",
    "python=3.11, {pip: mlflow}",
    "python=3.11, {pip: {a: b}}",
    "true",
    "python, python=3.8",
];

/// Whole files.
const DERIVED_FILES: &[&str] = &[
    "name: x\n",
    "",
    "- python=3.11\n",
    "dependencies:\n",
    "dependencies: 1\n",
    "dependencies: [python=3.11\n",
    "dependencies: !x [python=3.11]\n",
    "dependencies:\n- python=3.11\n- pip:\n  - |\n    a\n",
    "dependencies: [python=3.11]\ndependencies: [python=3.10]\n",
];

/// Prints, for every file, the name of its environment and the packages that are left out, or null
/// where the file is refused.
const SCRIPT: &str = r"
import json, logging
from pathlib import Path
from mlflow.utils.environment import _PythonEnv
from mlflow.utils.virtualenv import _get_virtualenv_name

left_out = []
class Handler(logging.Handler):
    def emit(self, record):
        if 'will not be installed' in record.msg:
            left_out.extend(record.args[0] if isinstance(record.args, tuple) else record.args)
logging.getLogger('mlflow.utils.environment').addHandler(Handler())

found = []
for index in range(COUNT):
    left_out.clear()
    try:
        name = _get_virtualenv_name(_PythonEnv.from_conda_yaml(f'{index}.yaml'), Path('.').resolve())
        found.append([name, ', '.join(left_out)])
    except Exception:
        found.append(None)
print(json.dumps(found))
";

#[test]
fn as_the_reference_derives_them() {
    let Some(reference) = Reference::shared() else {
        return;
    };
    let mut texts: Vec<String> = DEPENDENCIES
        .iter()
        .map(|dependencies| format!("name: x\ndependencies: [{dependencies}]\n"))
        .collect();
    texts.extend(DERIVED_FILES.iter().map(|text| (*text).to_owned()));
    let mut project = Project::new();
    for (index, text) in texts.iter().enumerate() {
        project = project.file(&format!("{index}.yaml"), text);
    }
    // The reference's own Python is the one that it takes where a file names none.
    let sandbox = project.sandbox();
    for name in ["python", "python3"] {
        sandbox.link_program(name, &real_python(reference.venv()));
    }
    // Only where it could install them is there a plan with a Python that this machine lacks.
    sandbox.write_executable("../bin/uv", "#!/bin/sh\necho '<download available>'\n");
    let script = SCRIPT.replace("COUNT", &texts.len().to_string());
    let expected = ask_reference(reference, &project, &script);
    let mut differences = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        project.sandbox().write(
            "project/MLproject",
            format!("conda_env: {index}.yaml\nentry_points: {{main: {{command: echo}}}}\n"),
        );
        let finished = project.mlrun(&["run", "project", "--env-manager", "virtualenv", "--dry-run"]);
        let found = match finished.code() {
            0 => {
                let environment = planned_environment(finished.stdout());
                let left_out = environment
                    .iter()
                    .find_map(|line| line.split_once("will not be installed in the resulting environment: "))
                    .map_or("", |(_, packages)| packages);
                serde_json::json!([environment_name(&environment[0]), left_out])
            }
            _ => {
                let place = format!("/project/{index}.yaml:");
                assert_contains(finished.stderr(), &place);
                serde_json::Value::Null
            }
        };
        if found != expected[index] {
            differences.push(format!(
                "{text}: {found}, expected {}\n{}",
                expected[index],
                finished.stderr()
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What the reference takes for a package that only conda has, so that its environment gets the Python that
/// happens to be there, and what has the same environment.
#[test]
fn versions_of_python_that_the_reference_loses() {
    for (dependency, same) in [
        ("python=3.8.*", "python=3.8"),
        ("python =3.8", "python=3.8"),
        ("python=3.7.13=h6244533_0", "python=3.7.13"),
        ("conda-forge::python=3.8", "python=3.8"),
    ] {
        let names = [dependency, same].map(|dependency| {
            let project = Project::new()
                .mlproject("conda_env: conda.yaml\nentry_points: {main: {command: echo}}\n")
                .file("conda.yaml", &format!("dependencies: ['{dependency}', pip]\n"));
            let sandbox = project.sandbox();
            sandbox.write_executable("../bin/uv", "#!/bin/sh\necho '<download available>'\n");
            ["uv", "virtualenv"].map(|manager| {
                let finished = project.mlrun(&["run", "project", "--env-manager", manager, "--dry-run"]);
                finished.expect_code(0);
                assert_lacks(finished.stdout(), "not be installed");
                environment_name(&planned_environment(finished.stdout())[0]).to_owned()
            })
        });
        assert_eq!(names[0], names[1], "{dependency}");
    }
}

/// The program behind a virtual environment's Python, which does not see its packages.
fn real_python(venv: &Path) -> std::path::PathBuf {
    venv.join("bin/python").canonicalize().unwrap()
}
