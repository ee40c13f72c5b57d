//! Projects whose entry point runs others: the examples, and MLflow's own `mlflow.projects.run`. What
//! they leave is read by the real client.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::Client;
use crate::harness::running::{assert_nothing_lives, send};
use crate::harness::{Printed, Project, Requirement, assert_contains, block_on, require};

/// An empty project with MLflow's Python and `mlrun` on PATH.
fn project() -> Option<Project> {
    let venv = require(Requirement::Mlflow3)?;
    let project = Project::new();
    let sandbox = project.sandbox();
    sandbox.link_program("mlrun", Path::new(env!("CARGO_BIN_EXE_mlrun")));
    let programs = sandbox.environment().remove(0).1;
    let path = format!("{programs}:{}/bin", venv.display());
    Some(
        project
            .env("PATH", &path)
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            // The examples are run where they lie.
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}

fn example(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Runs in the order in which they began, as the real client reads them.
struct Runs(Vec<Value>);

impl Runs {
    fn of(project: &Project) -> Self {
        let uri = format!("sqlite:///{}/mlflow.db", project.sandbox().work().display());
        let read = Client::newest().unwrap().read(&uri);
        Self(read["runs"].as_array().unwrap().clone())
    }

    /// The runs with this entry point.
    fn of_entry_point(&self, name: &str) -> Vec<&Value> {
        self.0
            .iter()
            .filter(|run| run["tags"]["mlflow.project.entryPoint"] == name)
            .collect()
    }

    #[track_caller]
    fn only(&self, entry_point: &str) -> &Value {
        match self.of_entry_point(entry_point).as_slice() {
            [run] => run,
            runs => panic!("{} runs of {entry_point}", runs.len()),
        }
    }

    fn by_id(&self, run_id: &Value) -> &Value {
        self.0.iter().find(|run| run["run_id"] == *run_id).unwrap()
    }

    /// Each run's status and whether it is nested in the first one.
    #[track_caller]
    fn assert_nested(&self) {
        for run in &self.0[1..] {
            assert_eq!(run["tags"]["mlflow.parentRunId"], self.0[0]["run_id"], "{run}");
            assert_eq!(run["experiment"], self.0[0]["experiment"]);
        }
        assert_eq!(self.0[0]["tags"].get("mlflow.parentRunId"), None);
    }

    fn statuses(&self) -> BTreeMap<&str, usize> {
        let mut statuses = BTreeMap::new();
        for run in &self.0 {
            *statuses.entry(run["status"].as_str().unwrap()).or_default() += 1;
        }
        statuses
    }
}

/// The path of an artifact of a run.
fn artifact(run: &Value, name: &str) -> String {
    format!("{}/{name}", run["artifact_uri"].as_str().unwrap())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// The four steps of the workflow, one after the other, each fed with what the one before it made.
#[track_caller]
fn assert_steps(runs: &Runs, source: &str, alpha: &str) {
    let [downloaded, prepared, trained, evaluated] =
        ["download", "prepare", "train", "evaluate"].map(|step| runs.only(step));
    assert_eq!(downloaded["params"]["source"], source);
    assert_eq!(prepared["params"]["raw"], artifact(downloaded, "houses.csv"));
    assert_eq!(trained["params"]["data"], artifact(prepared, "train.csv"));
    assert_eq!(trained["params"]["alpha"], alpha);
    assert_eq!(evaluated["params"]["data"], artifact(prepared, "test.csv"));
    assert_eq!(evaluated["params"]["model"], artifact(trained, "model.json"));
    for (run, name) in [
        (downloaded, "houses.csv"),
        (prepared, "train.csv"),
        (prepared, "test.csv"),
        (trained, "model.json"),
        (evaluated, "scores.txt"),
    ] {
        let path = artifact(run, name);
        assert!(Path::new(&path).is_file(), "{path}");
    }
    assert_eq!(prepared["metrics"]["rows"], 152.0);
    assert_eq!(prepared["metrics"]["dropped"], 8.0);
    assert!(number(&evaluated["metrics"]["r2"]) > 0.9, "{evaluated}");
}

#[test]
fn the_steps_of_a_workflow_are_nested_and_feed_each_other() {
    let Some(project) = project() else { return };
    let source = project.sandbox().root().join("home/measurements.csv");
    std::fs::copy(
        Path::new(&example("multistep_workflow")).join("houses.csv"),
        &source,
    )
    .unwrap();
    let source = source.to_str().unwrap();
    let parameter = format!("source={source}");
    let directory = example("multistep_workflow");
    let arguments = [
        "run",
        &directory,
        "--no-conda",
        "-P",
        "alpha=0.5",
        "-P",
        &parameter,
    ];
    let _finished = project.mlrun(&arguments).with_code(0);
    let runs = Runs::of(&project);
    runs.assert_nested();
    assert_eq!(runs.statuses(), [("FINISHED", 5)].into());
    assert_steps(&runs, source, "0.5");
    let workflow = runs.only("main");
    assert_eq!(workflow["tags"]["model_run"], runs.only("train")["run_id"]);
    assert_eq!(workflow["metrics"], runs.only("evaluate")["metrics"]);
}

#[test]
fn a_step_that_fails_ends_the_workflow() {
    let Some(project) = project() else { return };
    let directory = example("multistep_workflow");
    let finished = project.mlrun(&["run", &directory, "--no-conda", "-P", "source=nowhere.csv"]);
    finished.expect_code(1);
    assert_contains(finished.stderr(), "of entry point 'download' failed");
    let runs = Runs::of(&project);
    runs.assert_nested();
    assert_eq!(runs.statuses(), [("FAILED", 2)].into());
}

#[test]
fn a_shell_script_drives_the_same_workflow() {
    let Some(project) = project() else { return };
    project
        .sandbox()
        .command(format!("{}/workflow.sh", example("multistep_workflow")))
        .arg("0.3")
        .envs(project.environment())
        .printed();
    let runs = Runs::of(&project);
    assert_eq!(runs.statuses(), [("FINISHED", 4)].into());
    assert_steps(&runs, "file:houses.csv", "0.3");
    // No run was there to nest them in.
    assert!(
        runs.0
            .iter()
            .all(|run| run["tags"].get("mlflow.parentRunId").is_none())
    );
}

#[test]
fn a_search_cancels_bad_runs_and_tags_the_best() {
    let Some(project) = project() else { return };
    let directory = example("hyperparameter_tuning");
    let rates = "learning_rates=0.05 0.2 1 5";
    let finished = project.mlrun(&["run", &directory, "--no-conda", "-P", rates, "-P", "parallel=2"]);
    finished.expect_code(0);
    let runs = Runs::of(&project);
    runs.assert_nested();
    let trained = runs.of_entry_point("train");
    let by_rate: BTreeMap<&str, &str> = trained
        .iter()
        .map(|run| {
            let rate = run["params"]["learning_rate"].as_str().unwrap();
            (rate, run["status"].as_str().unwrap())
        })
        .collect();
    // Those two diverge; the slow one may have been given up or not.
    assert_eq!(by_rate["1.0"], "KILLED", "{by_rate:?}");
    assert_eq!(by_rate["5.0"], "KILLED", "{by_rate:?}");
    assert_eq!(by_rate["0.2"], "FINISHED", "{by_rate:?}");
    assert_eq!(by_rate.len(), 4);
    let search = runs.only("main");
    let best = runs.by_id(&search["tags"]["best_run"]);
    assert_eq!(best["params"]["learning_rate"], "0.2");
    assert_eq!(search["tags"]["best_learning_rate"], "0.2");
    assert_eq!(search["metrics"]["best_loss"], best["metrics"]["loss"]);
    assert_eq!(search["status"], "FINISHED");
}

#[test]
fn a_search_that_is_ended_ends_all_its_runs() {
    let Some(project) = project() else { return };
    let mut search = project
        .started(&["run", &example("hyperparameter_tuning"), "--no-conda"])
        .args(["-P", "parallel=2", "-P", "epochs=100000", "-P"])
        .arg("learning_rates=0.05 0.06 0.07")
        .spawn()
        .unwrap();
    let database = project.sandbox().work().join("mlflow.db");
    // MLflow takes its time to start where many do so at once; there is no limit but the search's own.
    while count_of_runs_with_metrics(&database) < 2 {
        assert_eq!(search.try_wait().unwrap(), None);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    send(&search, Signal::TERM);
    assert_eq!(search.wait().unwrap().code(), Some(143));
    assert_nothing_lives(&project);
    let runs = Runs::of(&project);
    runs.assert_nested();
    assert_eq!(runs.statuses(), [("KILLED", 3)].into());
}

/// How many runs of a SQLite store have logged a metric.
fn count_of_runs_with_metrics(database: &Path) -> i64 {
    use sqlx::Connection as _;
    block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(database)
            .read_only(true);
        let Ok(mut connection) = sqlx::sqlite::SqliteConnection::connect_with(&options).await else {
            return 0;
        };
        // The table is not there before MLflow has upgraded the store.
        sqlx::query_scalar("SELECT count(DISTINCT run_uuid) FROM metrics")
            .fetch_one(&mut connection)
            .await
            .unwrap_or(0)
    })
}

#[test]
fn cross_validation_logs_the_mean_of_its_folds() {
    let Some(project) = project() else { return };
    let directory = example("cross_validation");
    let finished = project.mlrun(&[
        "run",
        &directory,
        "--no-conda",
        "-P",
        "folds=3",
        "-P",
        "alpha=0.2",
    ]);
    finished.expect_code(0);
    let runs = Runs::of(&project);
    runs.assert_nested();
    assert_eq!(runs.statuses(), [("FINISHED", 4)].into());
    let mut folds = runs.of_entry_point("fold");
    folds.sort_by_key(|run| run["params"]["fold"].to_string());
    let numbers: Vec<&str> = folds
        .iter()
        .map(|run| run["params"]["fold"].as_str().unwrap())
        .collect();
    assert_eq!(numbers, ["0", "1", "2"]);
    let names: Vec<&str> = folds.iter().map(|run| run["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["fold 0", "fold 1", "fold 2"]);
    let rows: f64 = folds.iter().map(|run| number(&run["metrics"]["rows"])).sum();
    assert_eq!(rows, 442.0);
    let whole = runs.only("main");
    for score in ["rmse", "r2"] {
        let mean = folds
            .iter()
            .map(|run| number(&run["metrics"][score]))
            .sum::<f64>()
            / 3.0;
        let logged = number(&whole["metrics"][format!("{score}_mean")]);
        assert!((logged - mean).abs() < 1e-9, "{score}: {logged}, not {mean}");
    }
    let table = std::fs::read_to_string(artifact(whole, "folds.json")).unwrap();
    let table: Value = serde_json::from_str(&table).unwrap();
    let ids: Vec<&Value> = folds.iter().map(|run| &run["run_id"]).collect();
    assert_eq!(table["run"].as_array().unwrap().iter().collect::<Vec<_>>(), ids);
}

/// A project that runs an entry point of its own by MLflow's own function.
const DRIVER: &str = "import sys, mlflow
with mlflow.start_run():
    submitted = mlflow.projects.run('.', 'child', parameters={'a': 'x y'}, env_manager='local', synchronous=sys.argv[1] == 'waits')
    assert submitted.wait()
";

/// Waiting for it, MLflow runs the child itself; otherwise by the program `mlflow`, its own or mlrun
/// under that name.
#[test]
fn mlflow_projects_run_nests_in_a_run_of_mlrun() {
    for (how, program) in [("waits", ""), ("returns", ""), ("returns", "mlrun")] {
        let Some(project) = project() else { return };
        let project = project
            .mlproject(
                r"entry_points:
  main:
    parameters: {how: string}
    command: python driver.py {how}
  child:
    parameters: {a: string}
    command: echo child {a} in $MLFLOW_RUN_ID
",
            )
            .file("driver.py", DRIVER);
        if program == "mlrun" {
            let mlrun = Path::new(env!("CARGO_BIN_EXE_mlrun"));
            project.sandbox().link_program("mlflow", mlrun);
        }
        let how_parameter = format!("how={how}");
        let finished = project.run(["-P", &how_parameter]).with_code(0);
        let runs = Runs::of(&project);
        assert_eq!(runs.statuses(), [("FINISHED", 2)].into(), "{how} {program}");
        runs.assert_nested();
        let child = runs.only("child");
        assert_eq!(child["tags"]["mlflow.project.backend"], "local");
        let line = format!("child x y in {}\n", child["run_id"].as_str().unwrap());
        assert_eq!(finished.stdout(), line, "{how} {program}");
    }
}
