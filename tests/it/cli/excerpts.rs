//! The line that an error or a remark is about: in every kind of file, on terminals of several widths,
//! and without secrets.

use std::process::{Command, Stdio};

use console::measure_text_width;

use crate::harness::{Finished, Project, assert_contains};

/// The lines after the one that names the place, up to the next thing that is said.
fn excerpt(shown: &str) -> String {
    let is_excerpt = |line: &&str| {
        line.trim_start_matches(|first: char| first == ' ' || first.is_ascii_digit())
            .starts_with('|')
    };
    let lines = shown.lines().skip_while(|line| !is_excerpt(line));
    lines.take_while(is_excerpt).collect::<Vec<_>>().join("\n")
}

fn assert_excerpt(finished: &Finished<'_>, place: &str, lines: &[&str]) {
    let shown = finished.expect_code(1).stderr();
    let (before, _) = shown.split_once("\n   |\n").unwrap_or_else(|| panic!("{shown}"));
    let last = before.lines().last().unwrap();
    assert!(last.contains(place), "{shown}");
    assert_eq!(excerpt(shown), format!("   |\n{}", lines.join("\n")), "{shown}");
}

#[test]
fn each_kind_of_file_is_shown() {
    let project = Project::new()
        .mlproject(
            r"python_env: env.yaml
entry_points:
  main:
    parameters:
      rate: float
    command: echo {rate}
",
        )
        .file("env.yaml", "python: '3.11'\ndependencies:\n- numpy\n- 5\n")
        .file("conda.yaml", "name: x\nversion: 1\ndependencies: numpy\n")
        .file("params.yaml", "rate: 1\n\n\n\n\n\n\n\n\nlist: [1, 2]\n")
        .file("params.json", "{\"rate\": 1,\n \"größe\": x}")
        .file("backend.json", "{\n  \"a\": 1\n  \"b\": 2\n}\n");
    assert_excerpt(
        &project.run(["-P", "rate=fast"]),
        "/MLproject:5:7",
        &[" 5 |       rate: float", "   |       ^^^^"],
    );
    assert_excerpt(
        &project.mlrun(&["run", "project", "-P", "rate=1", "--env-manager", "virtualenv"]),
        "/env.yaml:4:3: each item of 'dependencies' must be text",
        &[" 4 | - 5", "   |   ^"],
    );
    assert_excerpt(
        &project.run(["--params-file", "project/params.yaml"]),
        "/params.yaml:10:7",
        &["10 | list: [1, 2]", "   |       ^"],
    );
    assert_excerpt(
        &project.run(["--params-file", "project/params.json"]),
        "/params.json:2:11",
        &[" 2 |  \"größe\": x}", "   |           ^"],
    );
    assert_excerpt(
        &project.run(["-c", "project/backend.json"]),
        "/backend.json:3:3",
        &[" 3 |   \"b\": 2", "   |   ^^^"],
    );
    let conda = project.mlproject("conda_env: conda.yaml\nentry_points: {main: {command: echo}}\n");
    assert_excerpt(
        &conda.mlrun(&["run", "project", "--env-manager", "uv"]),
        "/conda.yaml:3:15: 'dependencies' must be a list",
        &[" 3 | dependencies: numpy", "   |               ^^^^^"],
    );
}

/// The clone is removed before the error is shown.
#[test]
fn a_fetched_project_s_line_is_shown() {
    let project = Project::new().mlproject("entry_points:\n  main: echo\n");
    project
        .sandbox()
        .shell("cd project && git init -q && git add . && git commit -qm first");
    assert_excerpt(
        &project.mlrun(&["run", &project.sandbox().expand("file://<sandbox>/work/project")]),
        "/MLproject:2:9",
        &[" 2 |   main: echo", "   |         ^^^^"],
    );
}

#[test]
fn the_mark_is_under_the_place() {
    for (line, column, shown, marks) in [
        (
            "漢字: [漢, {1: 2}, *x]",
            17,
            "漢字: [漢, {1: 2}, *x]",
            "                   ^",
        ),
        ("tab:\t*x", 5, "tab:    *x", "    ^^^^"),
        ("e\u{301}\u{1f600}: *x", 6, "e\u{301}\u{1f600}: *x", "     ^"),
        ("bell: a\u{7}", 8, "bell: a\\u{7}", "       ^^^^^"),
        ("\u{202e}: *x", 4, "\\u{202e}: *x", "          ^"),
        ("long: !x", 7, "long: !x", "      ^"),
    ] {
        let project = Project::new().mlproject(&format!("# first\r\n{line}\r\n"));
        assert_excerpt(
            &project.run([]),
            &format!("/MLproject:2:{column}"),
            &[&format!(" 2 | {shown}"), &format!("   | {marks}")],
        );
    }
}

#[test]
fn no_secret_is_shown() {
    let mlproject = |line: &str| {
        format!(
            r"docker_env:
  image: a
  {line}
unknown: x
entry_points: {{main: {{command: 'echo {{undeclared}}'}}}}
"
        )
    };
    for line in [
        "environment: [['PLAIN', 'geheim'], 5]",
        "environment: {PLAIN: geheim}",
        "enviroment: [[PLAIN, geheim]]",
        "environment:\n  - - PLAIN\n    - geheim\n  - 5",
        "environment: geheim",
        "unknown: {token: geheim}",
        "unknown: https://me:geheim@host/path",
        "unknown: [https://me:x,=geheim@host/path]",
        "unknown: hf_0123456789abcdefgeheim",
        "\"api_key\": 'geheim', [",
    ] {
        let project = Project::new().mlproject(&mlproject(line));
        for finished in [project.mlrun(&["lint", "project"]), project.run([])] {
            let shown = finished.expect_code(1).stdout().to_owned() + finished.stderr();
            assert!(shown.contains(" | "), "{line}: {shown}");
            assert!(!shown.contains("geheim"), "{line}: {shown}");
        }
    }
    let project = Project::new()
        .mlproject("entry_points: {main: {command: echo}}\n")
        .file("backend.json", "{\"token\": \"geheim\" \"other\": 1}")
        .file("params.yaml", "password:\n  - geheim\n")
        .file("params.json", "{\"password\": \"geheim\", \"a\": [}");
    for (arguments, expected) in [
        (["--params-file", "project/params.yaml"], " 2 |   - ****\n"),
        (
            ["--params-file", "project/params.json"],
            " 1 | {\"password\": \"****\n",
        ),
        (["-c", "project/backend.json"], " 1 | {\"token\": \"****\n"),
    ] {
        let finished = project.run(arguments);
        let shown = finished.expect_code(1).stderr();
        assert!(shown.contains(expected) && !shown.contains("geheim"), "{shown}");
    }
}

#[test]
fn json_lines_hold_no_excerpt() {
    let project = Project::new().mlproject("entry_points: [\n");
    let finished = project.mlrun(&["run", "project", "--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(finished.expect_code(1).stderr().trim()).unwrap();
    assert_eq!(line["line"], 2);
    assert!(
        line["file"].as_str().unwrap().ends_with("/project/MLproject"),
        "{line}"
    );
    let text = line.to_string();
    assert!(!text.contains('|') && !text.contains("-->"), "{text}");
}

/// What is shown on a terminal with so many columns.
fn on_terminal(project: &Project, columns: usize, variables: &[(&str, &str)], call: &str) -> String {
    let call = format!(
        "command -p stty cols {columns} && exec {} {call}",
        env!("CARGO_BIN_EXE_mlrun")
    );
    let mut script: Command = project.sandbox().command("/usr/bin/script");
    let output = script
        .args(["-qec", &call, "/dev/null"])
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_long_line_is_shortened_to_the_terminal_s_width() {
    let words = |count| "wört ".repeat(count);
    let project = Project::new().mlproject(&format!(
        "entry_points:\n  main: {{command: '{}{{wrnog}} {}'}}\n",
        words(400),
        words(400)
    ));
    for columns in [60, 80, 120] {
        let shown = on_terminal(&project, columns, &[], "lint project");
        let plain = console::strip_ansi_codes(&shown);
        let lines: Vec<&str> = plain
            .lines()
            .skip_while(|line| !line.starts_with("   |"))
            .collect();
        assert!(
            lines[1].starts_with(" 2 | ...") && lines[1].ends_with("..."),
            "{plain}"
        );
        assert!(lines[1].contains("{wrnog}"), "{plain}");
        let width = measure_text_width(lines[1]);
        assert!(
            (columns - 8..=columns).contains(&width),
            "{width} of {columns}: {plain}"
        );
        let (start, marks) = (lines[1].find("{wrnog}").unwrap(), lines[2].find('^').unwrap());
        assert_eq!(measure_text_width(&lines[1][..start]), marks, "{plain}");
        assert!(lines[2].ends_with("^^^^^^^"), "{plain}");
    }
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let project = Project::new().mlproject("entry_points: [\n");
    let is_coloured = |shown: &str| {
        assert_contains(shown, "entry_points: [");
        shown.contains("\u{1b}[")
    };
    for call in ["lint project", "run project"] {
        assert!(is_coloured(&on_terminal(&project, 80, &[], call)));
        assert!(!is_coloured(&on_terminal(
            &project,
            80,
            &[("NO_COLOR", "1")],
            call
        )));
        assert!(!is_coloured(&on_terminal(
            &project,
            80,
            &[("TERM", "dumb")],
            call
        )));
    }
    assert!(!is_coloured(project.run([]).stderr()));
    let forced = project.env("CLICOLOR_FORCE", "1");
    assert!(is_coloured(forced.run([]).stderr()));
}
