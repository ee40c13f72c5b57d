//! Tracking stores: the choice of one, and what the entry point gets.

use crate::whole_program::differential::case::Step;
use crate::whole_program::differential::{Case, Deviation, case};

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let mut cases = sqlite();
    cases.extend(directories());
    cases.extend(others());
    cases
}

const TELL: &str = "echo $MLFLOW_TRACKING_URI $MLFLOW_RUN_ID $MLFLOW_EXPERIMENT_ID";

fn sqlite() -> Vec<Case> {
    vec![
        case("a new default store").fresh().command(TELL),
        case("a default store of the newest MLflow")
            .seeded()
            .command(TELL)
            .run(["-P", "a=1"])
            .run(["--experiment-name", "b"]),
        case("an empty tracking URI")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", ""),
        case("a default store in a directory with a space")
            .work_file("a b%c#d/x", "")
            .fresh()
            .command(TELL)
            .directory("a b%c#d")
            .uri("../project")
            .run([])
            .lacks(Deviation::NothingIdleIsMade, "file.a%20b%25c%23d/")
            .differs(
                Deviation::DatabasePathsArePlain,
                "child.environment.MLFLOW_TRACKING_URI",
                "sqlite:///<sandbox>/work/a b%c#d/mlflow.db",
            )
            .differs(
                Deviation::DatabasePathsArePlain,
                "stdout",
                "sqlite:///<sandbox>/work/a b%c#d/mlflow.db <run 1> 0\n",
            ),
        case("a SQLite store by its absolute path")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "sqlite:///<sandbox>/work/own.db")
            .database("own.db"),
        case("a SQLite store by a relative path")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "sqlite:///own.db")
            .database("own.db")
            .like(
                Deviation::TrackingUrisBecomeAbsolute,
                case("")
                    .command(TELL)
                    .env("MLFLOW_TRACKING_URI", "sqlite:///<sandbox>/work/own.db")
                    .database("own.db"),
            )
            .differs(
                Deviation::TrackingUrisBecomeAbsolute,
                "child.environment.MLFLOW_TRACKING_URI",
                "sqlite:///<sandbox>/work/own.db",
            ),
        case("a SQLite store in directories that do not exist")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "sqlite:///<sandbox>/work/no/such/own.db")
            .database("no/such/own.db"),
        case("a default store that is no database")
            .fresh()
            .work_file("mlflow.db", "this is not SQLite, whatever it says")
            .command(TELL)
            .database("other.db"),
    ]
}

fn directories() -> Vec<Case> {
    vec![
        case("a directory that holds experiments is the default")
            .work_file("mlruns/0/meta.yaml", "artifact_location: file://<sandbox>/work/mlruns/0\ncreation_time: 1700000000000\nexperiment_id: '0'\nlast_update_time: 1700000000000\nlifecycle_stage: active\nname: Default\n")
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .fresh()
            .command(TELL)
            .run(["-P", "a=1"])
            .store_directory("mlruns"),
        case("a directory without experiments is not the default").work_file("mlruns/x/y", "").command(TELL),
        case("a directory by its relative path")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "./runs")
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .store_directory("runs")
            .like(
                Deviation::TrackingUrisBecomeAbsolute,
                case("")
                    .command(TELL)
                    .env("MLFLOW_TRACKING_URI", "<sandbox>/work/runs")
                    .env("MLFLOW_ALLOW_FILE_STORE", "true")
                    .store_directory("runs"),
            )
            .differs(
                Deviation::TrackingUrisBecomeAbsolute,
                "child.environment.MLFLOW_TRACKING_URI",
                "<sandbox>/work/runs",
            ),
        case("a directory by its absolute path with a space")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "<sandbox>/work/my runs")
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .store_directory("my runs"),
        case("a directory by a short file URI")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "file:<sandbox>/work/runs")
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .store_directory("runs"),
        case("a directory by a file URI with an escape")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "file://<sandbox>/work/my%20runs")
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .store_directory("my runs"),
        case("a directory without permission to use one")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "file://<sandbox>/work/runs")
            .store_directory("runs")
            .like(
                Deviation::FileStoresAreUsed,
                case("")
                    .command(TELL)
                    .env("MLFLOW_TRACKING_URI", "file://<sandbox>/work/runs")
                    .env("MLFLOW_ALLOW_FILE_STORE", "true")
                    .store_directory("runs"),
            )
            .differs(Deviation::FileStoresAreUsed, "child.environment.MLFLOW_ALLOW_FILE_STORE", "true"),
        case("a directory with an experiment of the newest MLflow")
            .also_in_a_process()
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "file://<sandbox>/work/runs")
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .step(Step::Client("client.create_run(client.create_experiment('old'), run_name='old')"))
            .run(["--experiment-name", "old", "-P", "a=1"])
            .store_directory("runs"),
    ]
}

fn others() -> Vec<Case> {
    vec![
        case("a server that does not answer")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
            .env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
        case("a scheme that no one knows")
            .command(TELL)
            .env("MLFLOW_TRACKING_URI", "gopher://host/x"),
        case("a file of variables")
            .work_file(
                "variables",
                "OWN=from file\nMLFLOW_EXPERIMENT_NAME=\"by file\"\nexport HOME='/other'\n# comment\n",
            )
            .command("echo $OWN")
            .call([
                "--env-file",
                "variables",
                "run",
                "project",
                "--env-manager",
                "local",
            ])
            .differs(Deviation::MessagesGoToStandardError, "stdout", "from file\n"),
        case("a file of variables that does not exist")
            .command(TELL)
            .call(["--env-file", "missing", "run", "project"]),
        case("a directory for downloads")
            .work_file("data.csv", "1")
            .parameters("a: {type: path, default: data.csv}", "echo {a}")
            .run(["--storage-dir", "<sandbox>/work/downloads"])
            .lacks(Deviation::NothingIdleIsMade, "file.downloads/*"),
        case("a directory for downloads by a variable")
            .command(TELL)
            .env("MLFLOW_TMP_DIR", "<sandbox>/work/downloads/deep")
            .lacks(Deviation::NothingIdleIsMade, "file.downloads/*"),
    ]
}
