//! Log lines for programs: every line is an object, and says in fields what its text says in words.

use serde_json::Value;

use crate::harness::{Finished, Project};

/// The lines of a run, each of which must be an object with the fields that all have.
#[track_caller]
fn lines(finished: &Finished<'_>) -> Vec<Value> {
    let read = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(
            value["time"].is_f64() && value["level"].is_string() && value["message"].is_string(),
            "{line}"
        );
        value
    };
    finished.stderr().lines().map(read).collect()
}

#[track_caller]
fn event<'a>(lines: &'a [Value], name: &str) -> &'a Value {
    let mut found = lines.iter().filter(|line| line["event"] == name);
    let first = found.next().unwrap_or_else(|| panic!("no {name} in {lines:#?}"));
    assert!(found.next().is_none(), "two {name} in {lines:#?}");
    first
}

fn project(command: &str) -> Project {
    Project::new().command(command)
}

#[test]
fn a_run_is_told_in_fields() {
    for (command, status, level, exit_code, signal) in [
        ("true", "FINISHED", "info", Some(0), None),
        ("exit 3", "FAILED", "error", Some(3), None),
        ("kill -9 $$", "FAILED", "error", None, Some(9)),
    ] {
        let project = project(command);
        let finished = project.run(["--log-format", "json", "--color", "always"]);
        let lines = lines(&finished);
        let started = event(&lines, "run_started");
        assert_eq!(started["command"], command);
        assert_eq!(started["experiment_id"], "0");
        let ended = event(&lines, "run_ended");
        assert_eq!(ended["run_id"], started["run_id"]);
        assert_eq!(ended["run_id"], finished.store().run().run_id);
        assert_eq!(
            (&ended["status"], &ended["level"]),
            (&status.into(), &level.into())
        );
        assert_eq!(ended["exit_code"], exit_code.map_or(Value::Null, Value::from));
        assert_eq!(ended["signal"], signal.map_or(Value::Null, Value::from));
        assert!(
            ended["duration"].as_f64().is_some_and(|seconds| seconds > 0.0),
            "{ended}"
        );
    }
}

#[test]
fn a_failure_is_told_in_fields() {
    let project = Project::new()
        .mlproject("entry_points:\n  main:\n    parameters: {rate: float}\n    command: \"true {rate}\"\n");
    let [failure] = lines(&project.run(["--log-format", "json"])).try_into().unwrap();
    assert_eq!(failure["level"], "error");
    assert_eq!(
        failure["message"],
        "No value given for missing parameters: 'rate'"
    );
    assert_eq!(failure["hint"], "pass -P rate=...");
    assert_eq!((&failure["line"], &failure["column"]), (&3.into(), &18.into()));
    let [failure] = lines(&project.run(["--log-format", "json", "-c", "missing.json"]))
        .try_into()
        .unwrap();
    assert_eq!(
        failure["causes"],
        serde_json::json!(["No such file or directory (os error 2)"])
    );
    for usage in [
        &["run", "--log-format", "json"][..],
        &["run", "--log-format=json", "--nope", "."],
    ] {
        let [failure] = lines(&project.mlrun(usage)).try_into().unwrap();
        assert_eq!(failure["level"], "error");
        assert!(
            !failure["message"].as_str().unwrap().starts_with("error"),
            "{failure}"
        );
    }
}

#[test]
fn traces_are_told_in_fields() {
    let project = project("true")
        .env("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        .env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0");
    let finished = project.run(["--log-format", "json", "--verbose"]);
    let lines = lines(finished.expect_code(1));
    assert!(lines.iter().any(|line| line["level"] == "debug"), "{lines:#?}");
    let text = project.run(["--verbose"]);
    assert!(text.stderr().contains("DEBUG hyper_util::"), "{}", text.stderr());
}
