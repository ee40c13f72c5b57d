//! `examples/python_driver`: what a program gets that runs projects by it, above all when they fail.

use std::path::Path;

use serde_json::Value;

use crate::harness::{Project, assert_contains, assert_ends_with, assert_starts_with, require_program};

/// Calls `mlrun_projects.run` with the arguments of `CALL`, then the methods that `THEN` names, and prints what
/// each gave, or the exception's text.
const PROGRAM: &str = r#"
import json, os, signal, sys
import mlrun_projects

def told(call):
    try:
        return call()
    except mlrun_projects.ExecutionException as error:
        return {"exception": str(error)}

results = []
submitted = told(lambda: mlrun_projects.run(**json.loads(os.environ["CALL"])))
if isinstance(submitted, dict):
    results.append(submitted)
else:
    results.append(submitted.info["status"])
    for then in os.environ["THEN"].split():
        if then == "kill":
            submitted._process.kill()
            submitted._process.wait()
        elif then == "forget":
            os.environ["MLRUN"] = "/no/such/mlrun"
        else:
            results.append(told(getattr(submitted, then)))
print(json.dumps(results))
"#;

const MLPROJECT: &str = "name: driven
entry_points:
  main: {parameters: {alpha: {type: float, default: 1}}, command: 'true'}
  fail: {command: 'exit 3'}
  crash: {command: 'kill -9 $$'}
  long: {command: 'exec sleep 60 >/dev/null 2>&1'}
  stop: {command: 'kill -TERM $PPID; exec sleep 60'}
";

/// What the program prints; nothing where there is no Python.
fn call(project: &Project, call: &Value, then: &str) -> Option<Vec<Value>> {
    let python = require_program("python3")?;
    let driver = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python_driver");
    let output = project
        .sandbox()
        .command(python)
        .args(["-B", "-c", PROGRAM])
        .env("PYTHONPATH", driver)
        .env("MLRUN", env!("CARGO_BIN_EXE_mlrun"))
        .env("CALL", call.to_string())
        .env("THEN", then)
        .envs(project.environment())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", crate::harness::describe(&output));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn project() -> Project {
    Project::new().mlproject(MLPROJECT)
}

fn exception(value: &Value) -> &str {
    value["exception"]
        .as_str()
        .unwrap_or_else(|| panic!("no exception: {value}"))
}

/// A local run of this entry point, or what is merged into it.
fn arguments(entry_point: &str, is_waited_for: bool, more: Value) -> Value {
    let mut call = serde_json::json!({
        "uri": "project", "entry_point": entry_point, "env_manager": "local", "synchronous": is_waited_for,
    });
    for (name, value) in more.as_object().unwrap() {
        call[name] = value.clone();
    }
    call
}

#[test]
fn what_keeps_a_run_from_starting_is_the_exception() {
    let cases = [
        (
            "main",
            serde_json::json!({"parameters": {"alpha": "x"}}),
            "error: parameter 'alpha' of entry point 'main' must be a float, got 'x'\n  --> ",
            "\nhint: pass a number, for example -P alpha=0.5",
        ),
        (
            "none",
            serde_json::json!({"options": ["--log-format", "json"]}),
            "error: there is no entry point 'none'",
            "'stop'",
        ),
        (
            "main",
            serde_json::json!({"uri": "nowhere"}),
            "error: no such directory: 'nowhere'",
            "user@host:path)",
        ),
        (
            "main",
            serde_json::json!({"options": ["--no-such-option"]}),
            "error: unknown option '--no-such-option' of `mlrun run`",
            "lists the options",
        ),
        (
            "main",
            serde_json::json!({"experiment_name": "a", "experiment_id": "1"}),
            "error: ",
            "",
        ),
        ("main", serde_json::json!({"env_manager": "uv"}), "error: ", ""),
        ("main", serde_json::json!({"backend": "nonesuch"}), "error: ", ""),
    ];
    for (entry_point, more, start, end) in cases {
        for is_waited_for in [true, false] {
            let project = project();
            let call_arguments = arguments(entry_point, is_waited_for, more.clone());
            let Some(results) = call(&project, &call_arguments, "wait") else {
                return;
            };
            let [only] = results.as_slice() else {
                panic!("{results:?}")
            };
            let told = exception(only);
            assert!(told.starts_with(start) && told.ends_with(end), "{more}: {told}");
            assert!(
                told.len() > start.len() && !told.contains("==="),
                "{more}: {told}"
            );
            assert!(!project.sandbox().work().join("mlflow.db").exists(), "{more}");
        }
    }
}

#[test]
fn a_program_that_is_missing_is_told() {
    for (program, expected) in [
        (
            "/no/such/mlrun",
            "cannot start '/no/such/mlrun': No such file or directory; set MLRUN to the path of mlrun",
        ),
        (
            "/etc/passwd",
            "cannot start '/etc/passwd': Permission denied; set MLRUN to the path of mlrun",
        ),
        (
            "",
            "the program 'mlrun' was not found on PATH; set MLRUN to its path",
        ),
    ] {
        for is_waited_for in [true, false] {
            let project = project().env("MLRUN", program);
            let Some(results) = call(
                &project,
                &arguments("main", is_waited_for, serde_json::json!({})),
                "",
            ) else {
                return;
            };
            assert_eq!(exception(&results[0]), expected);
        }
    }
    // It may go away while a run goes on.
    let project = project();
    let call_arguments = arguments("long", false, serde_json::json!({}));
    let Some(results) = call(&project, &call_arguments, "kill forget get_status cancel") else {
        return;
    };
    assert!(
        exception(&results[1]).contains("mlrun was killed by SIGKILL"),
        "{results:?}"
    );
    assert!(
        exception(&results[2]).starts_with("cannot start '/no/such/mlrun'"),
        "{results:?}"
    );
}

/// The run is there by then, and has failed.
#[test]
fn an_environment_that_cannot_be_made_is_the_exception() {
    let text = "python: \"3\"\ndependencies: [a-package-that-nobody-has==0.0.0]\n";
    for is_waited_for in [true, false] {
        let project = project()
            .mlproject(&format!("python_env: python_env.yaml\n{MLPROJECT}"))
            .file("python_env.yaml", text)
            .env("PIP_NO_INDEX", "1");
        let Some(python) = require_program("python3") else {
            return;
        };
        project
            .sandbox()
            .link_program("python3", &python.canonicalize().unwrap());
        let more = serde_json::json!({"env_manager": "virtualenv"});
        let call_arguments = arguments("main", is_waited_for, more);
        let Some(results) = call(&project, &call_arguments, "wait get_status cancel get_status") else {
            return;
        };
        let told = if is_waited_for {
            exception(&results[0])
        } else {
            assert_eq!(results[2..], ["FAILED".into(), Value::Null, "FAILED".into()]);
            exception(&results[1])
        };
        assert!(
            told.contains("python_env.yaml:2:16: cannot install 'a-package-that-nobody-has"),
            "{told}"
        );
    }
}

#[test]
fn a_run_that_fails_is_told() {
    for (entry_point, status, reason) in [
        ("fail", "FAILED", "failed: the entry point ended with exit code 3"),
        ("crash", "FAILED", "failed: the entry point was killed by SIGKILL"),
        ("stop", "KILLED", "was stopped by SIGTERM"),
    ] {
        let project = project();
        let Some(results) = call(&project, &arguments(entry_point, true, serde_json::json!({})), "") else {
            return;
        };
        let told = exception(&results[0]);
        assert_starts_with(told, "run (ID '");
        assert_ends_with(told, &format!("of entry point '{entry_point}' {reason}"));
        let call_arguments = arguments(entry_point, false, serde_json::json!({}));
        let results = call(&project, &call_arguments, "wait get_status cancel wait").unwrap();
        assert_eq!(
            results[1..],
            [false.into(), status.into(), Value::Null, false.into()]
        );
    }
}

/// Nobody has recorded the end of the run then.
#[test]
fn a_killed_program_is_told_until_its_run_is_cancelled() {
    let project = project();
    let call_arguments = arguments("long", false, serde_json::json!({}));
    let then = "get_status kill get_status wait cancel get_status wait";
    let Some(results) = call(&project, &call_arguments, then) else {
        return;
    };
    assert_eq!(results[..2], ["RUNNING", "RUNNING"]);
    for result in &results[2..4] {
        let told = exception(result);
        assert_starts_with(told, "error: mlrun was killed by SIGKILL, so the end of run '");
        assert_contains(told, "\nhint: `mlrun cancel ");
    }
    assert_eq!(results[4..], [Value::Null, "KILLED".into(), false.into()]);
}

#[test]
fn a_run_is_cancelled() {
    let project = project();
    let call_arguments = arguments("long", false, serde_json::json!({}));
    let Some(results) = call(&project, &call_arguments, "cancel get_status wait") else {
        return;
    };
    assert_eq!(results[1..], [Value::Null, "KILLED".into(), false.into()]);
}
