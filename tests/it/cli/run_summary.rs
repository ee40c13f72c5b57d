//! What a person at a terminal reads when a run has ended.

use crate::harness::terminal::{CTRL_C, Session, Step, run_on_terminal};
use crate::harness::{
    MlflowServer, Project, Requirement, assert_contains, assert_contains_all, assert_lacks, mlflow3, require,
};

/// The lines from the summary's first one on, with the run's id, its name and times replaced by names.
fn summary(project: &Project, session: &Session) -> String {
    let run = project.store().runs.pop().unwrap();
    let (_, summary) = session
        .shown
        .split_once("\nrun        ")
        .unwrap_or_else(|| panic!("{}", session.shown));
    let summary = project.sandbox().anonymous(&format!("run        {summary}"));
    let summary = summary.replace(&run.run_id, "<id>").replace(&run.name, "<name>");
    let line = |line: &str| match line.split_once(" in ").or_else(|| line.split_once(" after ")) {
        Some((status, rest)) if line.starts_with("status") => {
            let rest = rest.split_once(" (").map(|(_, rest)| format!(" ({rest}"));
            format!("{status} <time>{}\n", rest.unwrap_or_default())
        }
        _ => format!("{line}\n"),
    };
    summary.lines().map(line).collect()
}

#[test]
fn a_run_that_succeeds_fails_or_takes_too_long_is_summed_up() {
    for (command, arguments, code, status) in [
        ("true", &[][..], 0, "FINISHED <time>"),
        ("exit 3", &[], 1, "FAILED <time> (exit code 3)"),
        ("kill -9 $$", &[], 1, "FAILED <time> (signal 9 (SIGKILL))"),
        (
            "sleep 1000",
            &["--timeout", "1s"],
            124,
            "KILLED <time> (exceeded its 1s timeout)",
        ),
    ] {
        let project = Project::new().command(command);
        let Some(session) = run_on_terminal(&project, 80, arguments, &[]) else {
            return;
        };
        assert_eq!(session.code, code, "{}", session.shown);
        let expected = format!(
            "run        <name>\nstatus     {status}\nview       mlflow ui --backend-store-uri sqlite:///mlflow.db\n\
             \x20          mlrun status <id>\n"
        );
        assert_eq!(summary(&project, &session), expected);
    }
}

#[test]
fn an_interrupted_run_is_summed_up() {
    let project = Project::new().command("echo begun; sleep 1000");
    let steps = [Step::See("begun\r\n"), CTRL_C];
    let Some(session) = run_on_terminal(&project, 80, &[], &steps) else {
        return;
    };
    assert_eq!(session.code, 130, "{}", session.shown);
    assert_contains(
        &summary(&project, &session),
        "status     KILLED <time> (SIGINT)\n",
    );
}

#[test]
fn nothing_is_added_off_a_terminal_or_where_it_is_not_wanted() {
    let project = Project::new().command("true");
    let finished = project.run([]).with_code(0);
    assert_eq!(finished.stderr().lines().count(), 2, "{}", finished.stderr());
    for option in [&["--quiet"][..], &["--log-format", "json"]] {
        let Some(session) = run_on_terminal(&project, 80, option, &[]) else {
            return;
        };
        assert_lacks(&session.shown, "mlflow ui");
    }
}

const LOGS: &str = "import mlflow
with mlflow.start_run():
    mlflow.log_metrics({'accuracy': 0.93125, 'loss': 1e-05, 'steps': 12000, 'undefined': float('nan')})
    mlflow.log_metric('validation/a name that is much longer than the terminal is wide/f1', 0.5)
    mlflow.log_text('x', 'model.txt')
";

#[test]
fn metrics_and_artifacts_are_shown_at_every_width() {
    let Some(venv) = require(Requirement::Mlflow3) else {
        return;
    };
    let command = format!("{}/bin/python -B -W ignore train.py", venv.display());
    for (columns, expected) in [
        (
            60,
            "metrics    accuracy                                  0.93125
           loss                                      1e-5
           steps                                     12000
           undefined                                 nan
           validation/a name th…terminal is wide/f1  0.5
artifacts
  mlruns/0/<id>/artifacts
",
        ),
        (
            120,
            "metrics    accuracy                                  0.93125
           loss                                      1e-5
           steps                                     12000
           undefined                                 nan
           validation/a name th…terminal is wide/f1  0.5
artifacts  mlruns/0/<id>/artifacts
",
        ),
    ] {
        let project = Project::new()
            .command(&command)
            .file("train.py", LOGS)
            .env("MLFLOW_DISABLE_TELEMETRY", "true");
        let Some(session) = run_on_terminal(&project, columns, &[], &[]) else {
            return;
        };
        assert_contains(&summary(&project, &session), expected);
        let widest = session
            .shown
            .lines()
            .skip_while(|line| !line.starts_with("run  "))
            .map(|line| line.chars().count());
        assert!(
            widest.max().unwrap() <= usize::try_from(columns).unwrap(),
            "{}",
            session.shown
        );
    }
}

#[test]
fn a_store_elsewhere_is_named_as_a_person_reaches_it() {
    let project = Project::new()
        .command("true")
        .env("MLFLOW_TRACKING_URI", "<sandbox>/home/my runs");
    let Some(session) = run_on_terminal(&project, 120, &[], &[]) else {
        return;
    };
    let expected = project.sandbox().expand(
        "view       MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri '<sandbox>/home/my runs'\n",
    );
    assert_contains(&session.shown, &expected);
    let Some(venv) = mlflow3() else { return };
    let server = MlflowServer::start(&venv);
    let project = Project::new()
        .command("true")
        .env("MLFLOW_TRACKING_URI", server.url());
    let Some(session) = run_on_terminal(&project, 120, &["--run-name", "trial \u{1b}[2J"], &[]) else {
        return;
    };
    let page = format!("\nview       {}/#/experiments/0/runs/", server.url());
    assert_contains_all(&session.shown, &[&page, "\nrun        trial \\u{1b}[2J\n"]);
    assert_eq!(session.shown.matches("/runs/").count(), 1, "{}", session.shown);
}

#[test]
fn a_run_that_is_reused_tells_when_it_was() {
    let project = Project::new().command("true");
    project
        .sandbox()
        .shell("cd project && git init -q && git add . && git commit -qm x");
    project.run([]).expect_code(0);
    let Some(session) = run_on_terminal(&project, 80, &["--reuse"], &[]) else {
        return;
    };
    assert_contains(&session.shown, "(reused; it ended ");
}
