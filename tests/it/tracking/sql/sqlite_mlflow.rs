//! SQLite stores that are shared with MLflow itself: with clients of MLflow 3 and 2, and with
//! databases at revisions in between.

use std::path::Path;
use std::process::Command;

use mlrun::internals::entities::{RunStatus, UnixMillis, tag};
use mlrun::internals::tracking::{ExperimentSelector, NewRun, RunEnd, TrackingStore};

use super::sqlite::Database;
use crate::harness::assert_contains;
use crate::harness::{Requirement, assert_starts_with, require};
use crate::tracking::suite::{StoreFixture, store_suite};

/// Prints what MLflow sees of a run, and of the store around it.
const READ_RUN: &str = r#"
import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
run = client.get_run(sys.argv[2])
print(run.info.status, run.info.run_name, run.info.user_id, run.info.artifact_uri)
print(sorted(run.data.params.items()))
print(sorted(run.data.tags.items()))
print(client.get_experiment("0").name, client.get_experiment(run.info.experiment_id).name)
client.log_param(run.info.run_id, "logged", "later")
client.log_metric(run.info.run_id, "metric", 1.5)
"#;

/// Makes a store with an experiment and a run.
const MAKE_STORE: &str = r#"
import sys
from mlflow import MlflowClient
client = MlflowClient(sys.argv[1])
experiment_id = client.create_experiment("theirs", artifact_location="s3://bucket/path/?key=value")
run = client.create_run(experiment_id, tags={"mlflow.user": "grace"})
client.log_param(run.info.run_id, "alpha", "1")
print(run.info.run_id)
"#;

/// Prints the revision of a store's schema.
const READ_REVISION: &str = r#"
import sys, sqlalchemy
with sqlalchemy.create_engine(sys.argv[1]).connect() as connection:
    print(connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version")).scalar())
"#;

/// Makes a database at each of the named revisions.
const MAKE_REVISIONS: &str = r#"
import sys, sqlalchemy
from alembic import command
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base
for revision, uri in zip(sys.argv[1::2], sys.argv[2::2]):
    engine = sqlalchemy.create_engine(uri)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config = _get_alembic_config(uri)
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
"#;

/// Makes a database with the tables that MLflow's migrations begin with.
const MAKE_FIRST_TABLES: &str = r#"
import sys, sqlalchemy
from mlflow.store.tracking.dbmodels.initial_models import Base
Base.metadata.create_all(sqlalchemy.create_engine(sys.argv[1]))
"#;

/// Brings databases to MLflow's own revision and prints the status and name of a run in each.
const UPGRADE_AND_READ: &str = r#"
import sys, sqlalchemy
from mlflow import MlflowClient
from mlflow.store.db.utils import _upgrade_db
for uri, run_id in zip(sys.argv[1::2], sys.argv[2::2]):
    _upgrade_db(sqlalchemy.create_engine(uri))
    run = MlflowClient(uri).get_run(run_id)
    print(run.info.status, run.data.tags["mlflow.runName"], run.data.params["alpha"])
"#;

fn python(environment: &Path, directory: &Path, script: &str, arguments: &[&str]) -> String {
    let output = Command::new(environment.join("bin/python"))
        .current_dir(directory)
        .args(["-c", script])
        .args(arguments)
        .env_remove("MLFLOW_TRACKING_URI")
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    stdout
}

async fn create_run(store: &dyn TrackingStore, experiment: ExperimentSelector) -> mlrun::RunInfo {
    let pairs = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    store
        .create_run(NewRun {
            experiment_id: store.experiment(&experiment).await.unwrap(),
            user: "ada".to_owned(),
            name: Some("ours".to_owned()),
            start_time: UnixMillis::now(),
            tags: pairs(&[(tag::USER, "ada"), (tag::SOURCE_TYPE, "PROJECT")]),
            params: pairs(&[("alpha", "0.5"), ("ü", "ß'\"")]),
        })
        .await
        .unwrap()
}

async fn end_run(store: &dyn TrackingStore, run: &mlrun::RunInfo, status: RunStatus) -> RunStatus {
    let end = RunEnd {
        status,
        end_time: UnixMillis::now(),
        keep_failure: true,
    };
    store.end_run(&run.run_id, end).await.unwrap()
}

async fn mlflow_upgrades_and_reads_our_store(environment: &Path) {
    let theirs = Database::new();
    python(
        environment,
        theirs.directory(),
        MAKE_FIRST_TABLES,
        &[&theirs.uri().for_child()],
    );
    let mut database = Database::new();
    let store = database.open().await;
    // The one difference: a run may end as KILLED.
    let with_killed =
        |table: String| table.replace("'FINISHED', 'RUNNING'))", "'FINISHED', 'RUNNING', 'KILLED'))");
    let theirs: Vec<_> = theirs.tables().await.into_iter().map(with_killed).collect();
    assert_eq!(database.tables().await, theirs);

    let ended = create_run(store.as_ref(), ExperimentSelector::Name("ours".to_owned())).await;
    assert_eq!(
        end_run(store.as_ref(), &ended, RunStatus::Finished).await,
        RunStatus::Finished
    );
    let running = create_run(store.as_ref(), ExperimentSelector::Default).await;

    // Upgrades the schema while our store is open, as an entry point does.
    let uri = database.uri().for_child();
    let seen = python(
        environment,
        database.directory(),
        READ_RUN,
        &[&uri, ended.run_id.as_str()],
    );
    let seen: Vec<_> = seen.lines().collect();
    assert_eq!(seen[0], format!("FINISHED ours ada {}", ended.artifact_uri));
    assert_eq!(seen[1], r#"[('alpha', '0.5'), ('ü', 'ß\'"')]"#);
    assert_eq!(
        seen[2],
        "[('mlflow.runName', 'ours'), ('mlflow.source.type', 'PROJECT'), ('mlflow.user', 'ada')]"
    );
    assert_eq!(seen[3], "Default ours");

    // The schema has changed under the open store.
    assert_eq!(
        end_run(store.as_ref(), &running, RunStatus::Killed).await,
        RunStatus::Killed
    );
    let seen = python(
        environment,
        database.directory(),
        READ_RUN,
        &[&uri, running.run_id.as_str()],
    );
    assert_starts_with(&seen, "KILLED ours ada ");
    database.look_for_killed().await;
    store_suite(&database).await;
}

async fn we_use_a_store_of_mlflow(environment: &Path) {
    let mut database = Database::new();
    let uri = database.uri().for_child();
    let theirs = python(environment, database.directory(), MAKE_STORE, &[&uri]);
    database.look_for_killed().await;

    let store = database.open().await;
    let run = create_run(store.as_ref(), ExperimentSelector::Name("theirs".to_owned())).await;
    assert_eq!(
        run.artifact_uri,
        format!("s3://bucket/path/{}/artifacts?key=value", run.run_id)
    );
    assert_eq!(
        end_run(store.as_ref(), &run, RunStatus::Failed).await,
        RunStatus::Failed
    );
    let seen = python(
        environment,
        database.directory(),
        READ_RUN,
        &[&uri, run.run_id.as_str()],
    );
    assert_starts_with(&seen, "FAILED ours ada s3://bucket/path/");
    assert_contains(&seen, "Default theirs");

    let theirs = store.run(&mlrun::RunId::new(theirs.trim())).await.unwrap();
    assert_eq!(theirs.status, RunStatus::Running);
    assert!(!theirs.run_name.is_empty());
    store_suite(&database).await;
}

async fn we_use_every_revision(environment: &Path, revisions: &[&str]) {
    let mut databases: Vec<_> = revisions.iter().map(|_| Database::new()).collect();
    let directory = databases[0].directory().to_owned();
    let uris: Vec<_> = databases
        .iter()
        .map(|database| database.uri().for_child())
        .collect();
    let arguments: Vec<_> = revisions
        .iter()
        .zip(&uris)
        .flat_map(|(revision, uri)| [*revision, uri.as_str()])
        .collect();
    python(environment, &directory, MAKE_REVISIONS, &arguments);

    let mut arguments = Vec::new();
    for (database, uri) in databases.iter_mut().zip(&uris) {
        database.look_for_killed().await;
        let tables = database.tables().await;
        store_suite(database).await;
        assert_eq!(database.tables().await, tables, "the schema is left as it is");
        let store = database.open().await;
        let run = create_run(store.as_ref(), ExperimentSelector::Default).await;
        end_run(store.as_ref(), &run, RunStatus::Finished).await;
        arguments.extend([uri.clone(), run.run_id.to_string()]);
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let seen = python(environment, &directory, UPGRADE_AND_READ, &arguments);
    assert_eq!(
        seen.lines().filter(|line| *line == "FINISHED ours 0.5").count(),
        revisions.len(),
        "{seen}"
    );
}

const VERSIONS: [Requirement; 3] = [Requirement::Mlflow3, Requirement::Mlflow2, Requirement::Mlflow318];

/// The revision of the newest schema that is known here: that of MLflow 3.18.
const NEWEST_REVISION: &str = "f4a9b2c7d1e6";

#[tokio::test]
async fn every_mlflow_upgrades_and_reads_our_store() {
    for environment in VERSIONS.into_iter().filter_map(require) {
        mlflow_upgrades_and_reads_our_store(&environment).await;
    }
}

#[tokio::test]
async fn we_use_a_store_of_every_mlflow() {
    for environment in VERSIONS.into_iter().filter_map(require) {
        we_use_a_store_of_mlflow(&environment).await;
    }
}

#[test]
fn the_newest_revision_is_known() {
    let Some(environment) = require(Requirement::Mlflow318) else {
        return;
    };
    let database = Database::new();
    let (directory, uri) = (database.directory(), database.uri().for_child());
    python(&environment, directory, MAKE_STORE, &[&uri]);
    let revision = python(&environment, directory, READ_REVISION, &[&uri]);
    assert_eq!(revision.trim(), NEWEST_REVISION);
}

/// The revisions around each change that the store looks at.
#[tokio::test]
async fn we_use_databases_of_revisions_in_between() {
    if let Some(environment) = require(Requirement::Mlflow3) {
        let revisions = ["451aebb31d03", "cfd24bdc0731", "97727af70f4d", "1b5f0d9ad7c1"];
        we_use_every_revision(&environment, &revisions).await;
    }
}
