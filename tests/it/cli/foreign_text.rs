//! Text from others: whatever it holds, nothing of it acts on the terminal or passes for a line of mlrun's.

use crate::environment::tiny_project;
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Finished, Project};

/// Erases the screen, rings the bell, colours and reverses what follows, hides, and fakes lines.
const HOSTILE: &str = "x\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{8}\u{7f}\u{85}\u{202e}\u{2066}\u{200f}\u{200b}\u{2028}\r\u{feff}y\nerror: faked\n=== Run (ID faked) succeeded ===\nhint: faked\nwarning: faked";

/// The same without line ends, for names of files.
const HOSTILE_NAME: &str = "x\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{200b}y";

/// A text as YAML and JSON have it in double quotes.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|character| match character {
        ' '..='~' => character.to_string(),
        _ => format!("\\u{:04x}", u32::from(character)),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

#[track_caller]
fn assert_harmless(finished: &Finished<'_>) {
    for (name, output) in [("stdout", finished.stdout()), ("stderr", finished.stderr())] {
        let acts = |character: &char| {
            character.is_control() && !matches!(character, '\n' | '\t')
                || matches!(character, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        let found: Vec<char> = output.chars().filter(acts).collect();
        assert!(found.is_empty(), "{found:?} in {name}:\n{output:?}");
        let faked = output.lines().find(|line| {
            [
                "error: faked",
                "=== Run (ID faked",
                "hint: faked",
                "warning: faked",
            ]
            .iter()
            .any(|start| line.starts_with(start))
        });
        assert_eq!(faked, None, "in {name}:\n{output}");
    }
}

/// Asserts that the words are shown harmlessly, and that something of the text is shown at all.
#[track_caller]
fn assert_shown(finished: &Finished<'_>) {
    assert_harmless(finished);
    let output = format!("{}{}", finished.stdout(), finished.stderr());
    let forms = ["\\u{1b}", "\\u001b", "\\x1b"];
    assert!(forms.iter().any(|form| output.contains(form)), "{output}");
}

#[test]
fn names_and_values_of_a_project() {
    let text = quoted(HOSTILE);
    let project = Project::new().mlproject(&format!(
        r"name: {text}
{text}: {text}
entry_points:
  main:
    parameters:
      {text}: {{type: {text}, default: {text}, description: {text}, {text}: 1}}
      rate: {{type: float, default: {text}}}
    command: {command}
  {text}:
    parameters: {{{text}: float}}
    command: {text}
",
        command = quoted(&format!("true {{missing{HOSTILE}}} {HOSTILE}")),
    ));
    for arguments in [
        &["inspect", "project"][..],
        &["inspect", "project", "--json"],
        &["inspect", "project", "-e", HOSTILE],
        &["lint", "project"],
        &["lint", "project", "--json"],
        &["run", "project", "--env-manager", "local"],
        &["run", "project", "--env-manager", "local", "-P", "rate=1"],
        &["run", "project", "--env-manager", "local", "-e", HOSTILE],
        &["run", "project", "--env-manager", "local", "-e", "nope"],
        &[
            "run",
            "project",
            "--env-manager",
            "local",
            "-e",
            "nope",
            "--log-format",
            "json",
        ],
        &[
            "run",
            "project",
            "--env-manager",
            "local",
            "-e",
            "nope",
            "--verbose",
        ],
    ] {
        assert_shown(&project.mlrun(arguments));
    }
    for words in [
        &["__complete", "4", "--", "mlrun", "run", "project", "-e", ""][..],
        &["__complete", "4", "--", "mlrun", "run", "project", "-P", ""],
    ] {
        assert_harmless(&project.mlrun(words));
    }
    let inspected = project.mlrun(&["inspect", "project", "--json"]);
    let value: serde_json::Value = serde_json::from_str(inspected.stdout()).unwrap();
    assert_eq!(value["name"], HOSTILE);
    assert_eq!(value["entry_points"][1]["command"], HOSTILE);
}

#[test]
fn words_of_the_command_line() {
    let project = Project::new()
        .mlproject("entry_points:\n  main:\n    parameters: {rate: float}\n    command: \"true {rate}\"\n")
        .file("params.yaml", &format!("{}: [1]\n", quoted(HOSTILE)))
        .file("params.json", &format!("{{{}: [1]}}\n", quoted(HOSTILE)));
    let option = format!("--{HOSTILE}");
    let value = format!("rate={HOSTILE}");
    let other = format!("{HOSTILE}=1");
    let config = format!("{HOSTILE_NAME}.json");
    let git_uri = format!("file://<sandbox>/{HOSTILE_NAME}");
    // There must be a store to look a run up in.
    project
        .mlrun(&["run", "project", "-P", "rate=1", "--env-manager", "local"])
        .expect_code(0);
    for arguments in [
        &["run", "project", &option][..],
        &["run", "project", "-P", HOSTILE_NAME],
        &["run", "project", "-P", &value],
        &[
            "run",
            "project",
            "-P",
            "rate=1",
            "-P",
            &other,
            "--env-manager",
            "local",
        ],
        &["run", "project", "-P", "rate=1", "-P", &other, "-P", &other],
        &["run", "project", "--params-file", "project/params.yaml"],
        &["run", "project", "--params-file", "project/params.json"],
        &["run", "project", "--params-file", HOSTILE_NAME],
        &["run", "project", "-P", "rate=1", "--backend", HOSTILE],
        &["run", "project", "-P", "rate=1", "--backend-config", &config],
        &["run", "project", "-P", "rate=1", "--env-manager", HOSTILE],
        &["run", HOSTILE],
        &["run", HOSTILE_NAME],
        &["run", &git_uri],
        &["run", "https://127.0.0.1:9/project.git", "--version", HOSTILE],
        &["inspect", HOSTILE_NAME],
        &["lint", HOSTILE_NAME],
        &["env", "rm", HOSTILE],
        &["status", HOSTILE],
        &[HOSTILE],
    ] {
        let finished = project.mlrun(arguments);
        assert_ne!(finished.code(), 0, "{arguments:?}");
        assert_shown(&finished);
    }
    let unknown = project.env("MLFLOW_TRACKING_URI", &format!("nonesuch:{HOSTILE}"));
    assert_shown(unknown.run(["-P", "rate=1"]).expect_code(1));
}

#[test]
fn runs_of_a_project() {
    let text = quoted(HOSTILE);
    let project = Project::new().mlproject(&format!(
        "name: {text}\nentry_points:\n  main:\n    parameters: {{note: {{default: {text}}}}}\n    command: {}\n",
        quoted("test -n {note} # \u{1b}[1m\u{202e}\ncat > copy << END\n=== Run (ID faked) failed ===\nEND\n"),
    ));
    let named = ["--run-name", HOSTILE, "--experiment-name", HOSTILE];
    let finished = project.run(named);
    assert_shown(finished.expect_code(0));
    let [run] = finished.store().runs.try_into().unwrap();
    assert_eq!(run.name, HOSTILE);
    for arguments in [
        &["status", run.run_id.as_str()][..],
        &["status", run.run_id.as_str(), "--json"],
    ] {
        assert_shown(&project.mlrun(arguments));
    }
    for command in ["wait", "cancel"] {
        assert_harmless(&project.mlrun(&[command, &run.run_id]));
    }
    let dry = ["--dry-run", "--run-name", HOSTILE, "--experiment-name", HOSTILE];
    assert_shown(&project.run(dry));
    let finished = project.run(["--dry-run", "--json", "--run-name", HOSTILE]);
    assert_shown(&finished);
    let plan: serde_json::Value = serde_json::from_str(finished.stdout()).unwrap();
    assert_eq!(plan["parameters"][0]["value"], HOSTILE);
    let finished = project.run(["--log-format", "json", "--run-name", HOSTILE]);
    assert_shown(finished.expect_code(0));
    let messages: Vec<serde_json::Value> = finished
        .stderr()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let command = messages
        .iter()
        .find_map(|line| line["message"].as_str()?.strip_prefix("=== Running command '"));
    assert!(
        command.unwrap().contains("\u{1b}[1m\u{202e}\ncat > copy"),
        "{command:?}"
    );
}

#[test]
fn answers_of_a_server() {
    let body = format!(
        "{{\"error_code\": \"PERMISSION_DENIED\", \"message\": {}}}",
        quoted(HOSTILE)
    );
    for step in [
        Step::json(403, &body),
        Step::page(403, &format!("<title>{HOSTILE}</title>")),
        Step::page(404, HOSTILE),
        Step::json(200, &format!("{{{}: 1", quoted(HOSTILE))),
        Step::redirect(302, &format!("/{HOSTILE_NAME}")),
    ] {
        for arguments in [
            &["run", "project", "--env-manager", "local"][..],
            &["run", "project", "--env-manager", "local", "--dry-run"],
            &["status", "abc"],
        ] {
            let server = ScriptedServer::start(vec![step.clone(); 8]);
            let project = Project::new()
                .command("true")
                .env("MLFLOW_TRACKING_URI", &server.url())
                .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
            assert_harmless(&project.mlrun(arguments));
        }
    }
}

#[test]
fn projects_of_environments() {
    let Some(project) = tiny_project() else { return };
    let name = quoted(HOSTILE);
    let project = project.mlproject(&format!(
        "name: {name}\npython_env: python_env.yaml\nentry_points:\n  main:\n    command: \"true\"\n"
    ));
    let finished = project.mlrun(&["run", "project", "--env-manager", "uv"]);
    finished.expect_code(0);
    let listed = project.mlrun(&["env", "list"]);
    assert_shown(&listed);
    assert_eq!(listed.stdout().lines().count(), 2, "{}", listed.stdout());
    let objects = project.mlrun(&["env", "list", "--json"]);
    assert_shown(&objects);
    let value: serde_json::Value = serde_json::from_str(objects.stdout()).unwrap();
    assert_eq!(value[0]["project"], HOSTILE);
}

#[test]
fn letters_of_all_scripts_stay() {
    let text = "é ü\u{301} 漢字 می\u{200c}خواهم \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} ❤\u{fe0f} 1\t2";
    let project = Project::new().mlproject(&format!(
        "name: wörter\nentry_points:\n  main:\n    command: 'true \"{text}\"'\n"
    ));
    let finished = project.run(["--run-name", "字"]);
    let line = format!("=== Running command 'true \"{text}\"' in run with ID '");
    assert!(
        finished.expect_code(0).stderr().contains(&line),
        "{}",
        finished.stderr()
    );
    let inspected = project.mlrun(&["inspect", "project"]);
    assert!(inspected.stdout().contains(&format!("\n  true \"{text}\"\n")));
}
