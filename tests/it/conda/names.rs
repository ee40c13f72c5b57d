//! The names of environments, beside those that the reference gives.

use super::{ask_reference, environment_name, planned_environment, project_with_empty_conda};
use crate::harness::{Project, Reference};

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
