//! `mlrun inspect` and `mlrun lint`: what they show as golden texts, and how they end.

use crate::harness::{Project, assert_contains, assert_golden, assert_lacks};

/// A project with everything that can be shown.
fn wine() -> Project {
    Project::new()
        .mlproject(
            r#"name: wine

python_env: python_env.yaml

entry_points:
  main:
    parameters:
      data:
        type: path
        description: "The table of wines: a CSV file with a header, which may be compressed by gzip."
      alpha: {type: float, default: 0.5, description: The weight of the penalty.}
      l1_ratio: {type: float, default: 0.1}
      note: {default: ''}
    command: |-
      python train.py --data {data} --alpha {alpha} --l1-ratio {l1_ratio} --note {note} && \
        python report.py

  validate:
    parameters:
      model: uri
      threshold: {type: float, default: 0.9}
    command: python validate.py {model} {threshold}

  clean:
    command: rm -rf build
"#,
        )
        .file("python_env.yaml", "dependencies: [mlflow]\n")
}

/// A project whose file is full of slips.
fn slips() -> Project {
    Project::new().mlproject(
        r#"name: My Project
conda env: conda.yaml
docker_env:
  image: python:3.12-slim
  volumes: ["$(pwd)/data:/data"]
  environment: [HF_TOKEN, [MODE, fast], [API_KEY, geheim]]
entry_points:
  main:
    parameters:
      alpha: {type:float, default: 0.5}
      rate: {type: float, defulat: 0.000001}
      epochs: {type: int, default: 010}
      shuffle: {default: no}
      seed: {type: flaot, default: 1}
    command: python train.py \
      --alpha {alpha} --rate {rate} \
      --epochs {epoch} --shuffle {shuffle}
"#,
    )
}

#[test]
fn texts_for_a_person() {
    let mut text = String::new();
    let bare = Project::new()
        .file("train.py", "")
        .file("src/clean data.sh", "")
        .file("analysis.R", "")
        .file(".venv/lib/x.py", "")
        .file("env/pyvenv.cfg", "")
        .file("env/lib/y.py", "")
        .file("README.md", "");
    for finished in [
        wine().mlrun(&["inspect", "project"]),
        wine().mlrun(&["inspect", "project", "-e", "validate"]),
        wine().mlrun(&["inspect", "project", "-e", "vaildate"]),
        slips().mlrun(&["inspect", "project"]),
        bare.mlrun(&["inspect", "project"]),
        bare.mlrun(&["inspect", "project", "-e", "src/clean data.sh"]),
        Project::new().mlrun(&["inspect", "project"]),
        Project::new()
            .file("MLproject.yaml", "name: x\n")
            .mlrun(&["inspect", "project"]),
        Project::new()
            .mlproject(
                "databricks_spark_job:\n  python_file: job.py\n  parameters: [a, b]\n  python_libraries: [mlflow]\n",
            )
            .mlrun(&["inspect", "project"]),
        wine().mlrun(&["lint", "project"]),
        slips().mlrun(&["lint", "project"]),
        slips().mlrun(&["lint", "missing"]),
        Project::new().mlproject("a: [\n").mlrun(&["lint", "project"]),
    ] {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&finished.transcript());
    }
    let longest = text
        .lines()
        .filter(|line| !line.contains("<sandbox>") && !line.contains(": "))
        .map(|line| line.chars().count())
        .max();
    assert!(longest <= Some(80), "a line of {longest:?} characters");
    assert_golden("inspect", &text);
}

#[test]
fn objects_for_a_program() {
    let mut text = String::new();
    for finished in [
        wine().mlrun(&["inspect", "project", "--json"]),
        slips().mlrun(&["inspect", "project", "--json"]),
        slips().mlrun(&["lint", "project", "--json"]),
    ] {
        let value: serde_json::Value = serde_json::from_str(finished.stdout()).unwrap();
        assert!(value["findings"].is_array());
        text.push_str(&finished.transcript());
        text.push('\n');
    }
    assert!(!text.contains("geheim"));
    assert_golden("inspect-json", &text);
}

#[test]
fn lint_fails_on_errors_alone() {
    for (text, code) in [
        ("name: a\nentry_points: {main: {command: a}}\n", 0),
        ("name: a\nnmae: b\nentry_points: {main: {command: a}}\n", 0),
        ("entry_points: {main: {command: 'a {b}'}}\n", 1),
        ("entry_points: [\n", 1),
        ("conda_env: missing.yaml\n", 1),
    ] {
        Project::new()
            .mlproject(text)
            .mlrun(&["lint", "project"])
            .expect_code(code);
    }
    Project::new().mlrun(&["lint", "project", "--jsn"]).expect_code(2);
}

/// A project from elsewhere is fetched, looked at and removed again; a local one is only read.
#[test]
fn nothing_is_left_behind() {
    let project = wine();
    let sandbox = project.sandbox();
    sandbox.shell(
        "cd project && git init -q && git add . && git commit -qm first && git tag v1 && rm MLproject",
    );
    let before = sandbox.shell("find \"$HOME\" \"$TMPDIR\" . -path ./project/.git -prune -o -print | sort");
    let tagged = project.mlrun(&["inspect", "project", "-v", "v1", "--json"]);
    tagged.expect_code(0);
    let object: serde_json::Value = serde_json::from_str(tagged.stdout()).unwrap();
    assert_eq!(object["name"], "wine");
    assert_eq!(object["directory"], serde_json::Value::Null);
    assert_eq!(object["file"], "MLproject");
    assert_eq!(object["entry_points"][0]["parameters"][0]["required"], true);
    assert_eq!(object["source"]["commit"].as_str().map(str::len), Some(40));
    let shown = project.mlrun(&["inspect", "project", "-v", "v1"]);
    assert_contains(shown.stdout(), "$ mlrun run project -v v1 -P data=PATH");
    project.mlrun(&["lint", "project", "-v", "v1"]).expect_code(0);
    let after = sandbox.shell("find \"$HOME\" \"$TMPDIR\" . -path ./project/.git -prune -o -print | sort");
    assert_eq!(before, after);
}

/// The README's example is what a reader gets.
#[test]
fn the_readme_shows_what_is_shown() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/sklearn_wine");
    let project = Project::new();
    let sandbox = project.sandbox();
    sandbox.shell(&format!("mkdir examples && cp -r '{example}' examples"));
    let finished = project.mlrun(&["inspect", "examples/sklearn_wine"]);
    let shown = finished.expect_code(0).stdout();
    let (_, entry_point) = shown.split_once("\n\n").unwrap();
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(entry_point), "README.md lacks:\n{entry_point}");
}

/// With `-e` only what is about that entry point, or about the project as a whole, is told.
#[test]
fn findings_are_those_of_the_entry_point_that_is_shown() {
    let project = Project::new().mlproject(
        r"name: a
nmae: b
entry_points:
  main: &main
    parameters: {used: float, idle: flaot}
    command: echo {used} {nope}
    comand: x
  other:
    parameters:
      rate: {type: float, default: abc}
      rate: {type: int, default: 010}
      none: {default: }
    command: |
      python x.py {rate}
        --lost {none}
  empty: {}
  empty: {}
  same: *main
",
    );
    let codes = |arguments: &[&str]| -> Vec<(String, u64)> {
        let finished = project.mlrun(&[&["inspect", "project", "--json"], arguments].concat());
        let value: serde_json::Value = serde_json::from_str(finished.expect_code(0).stdout()).unwrap();
        let findings = value["findings"].as_array().unwrap();
        findings
            .iter()
            .map(|finding| {
                (
                    finding["code"].as_str().unwrap().to_owned(),
                    finding["line"].as_u64().unwrap(),
                )
            })
            .collect()
    };
    let expected = |codes: &[(&str, u64)]| -> Vec<(String, u64)> {
        codes
            .iter()
            .map(|(code, line)| ((*code).to_owned(), *line))
            .collect()
    };
    let main = expected(&[
        ("unknown-key", 2),
        ("unused-parameter", 5),
        ("misspelt-type", 5),
        ("undeclared-placeholder", 6),
        ("unknown-key", 7),
    ]);
    assert_eq!(codes(&["-e", "main"]), main);
    // What an alias repeats is said of each entry point that has it.
    assert_eq!(codes(&["-e", "same"]), main);
    let other = expected(&[
        ("unknown-key", 2),
        ("duplicate-key", 11),
        ("unchecked-type", 11),
        ("value-changes", 11),
        ("empty-default", 12),
        ("trailing-newline", 13),
        ("split-command", 15),
    ]);
    assert_eq!(codes(&["-e", "other"]), other);
    assert_eq!(
        codes(&["-e", "empty"]),
        expected(&[("unknown-key", 2), ("missing-command", 16), ("duplicate-key", 17)])
    );
    assert!(codes(&[]).len() > main.len() + other.len());
    let text = project.mlrun(&["inspect", "project", "-e", "other"]);
    assert_lacks(text.stdout(), "idle");
}

#[test]
fn a_value_written_into_a_name_is_not_shown() {
    let project = Project::new().mlproject(
        r"name: x
docker_env:
  image: busybox
  environment: ['API_KEY=geheim']
entry_points:
  main:
    command: 'true'
",
    );
    for arguments in [
        &["inspect", "project"][..],
        &["inspect", "project", "--json"],
        &["lint", "project"],
        &["run", "project", "--dry-run"],
    ] {
        let finished = project.mlrun(arguments);
        let output = format!("{}{}", finished.stdout(), finished.stderr());
        assert_lacks(&output, "geheim");
        assert!(output.contains("API_KEY") || arguments[0] == "lint", "{output}");
    }
}
