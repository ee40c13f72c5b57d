//! The tracking store in a SQLite file.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use mlrun::internals::entities::{ExperimentId, RunId, RunStatus, UnixMillis};
use mlrun::internals::tracking::{self, ExperimentSelector, NewRun, RunEnd, TrackingStore, TrackingUri};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Row, SqliteConnection};
use tempfile::TempDir;

use crate::harness::running::start_with;
use crate::harness::{Project, assert_contains, assert_starts_with, block_on};
use crate::tracking::suite::{RecordedRun, StoreFixture, store_suite};

/// A database file in a directory of its own.
pub(crate) struct Database {
    directory: TempDir,
    takes_killed: bool,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self {
            directory: TempDir::new().unwrap(),
            takes_killed: true,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("mlflow.db")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn uri(&self) -> TrackingUri {
        TrackingUri::resolve(Some("sqlite:///mlflow.db"), self.directory.path()).unwrap()
    }

    async fn connect(&self) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(self.path())
            .foreign_keys(false)
            .connect()
            .await
            .unwrap()
    }

    async fn execute(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.connect().await)
            .await
            .unwrap();
    }

    async fn create_file(&self) {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true);
        options.connect().await.unwrap();
    }

    async fn count(&self, table_and_condition: &str) -> i64 {
        let sql = format!("SELECT COUNT(*) FROM {table_and_condition}");
        sqlx::query(AssertSqlSafe(sql))
            .fetch_one(&mut self.connect().await)
            .await
            .unwrap()
            .get(0)
    }

    /// The definitions of all tables, in the order of their names.
    pub(crate) async fn tables(&self) -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_master WHERE type = 'table' ORDER BY name";
        let rows = sqlx::query(sql)
            .fetch_all(&mut self.connect().await)
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Looks whether every check of a run's status allows `KILLED`, as the database stands now.
    pub(crate) async fn look_for_killed(&mut self) {
        let tables = self.tables().await;
        let runs = tables
            .iter()
            .find(|sql| sql.contains("run_uuid VARCHAR(32)") && sql.contains("entry_point_name"));
        let runs = runs.unwrap();
        self.takes_killed = runs.matches("status IN (").count() == runs.matches("'KILLED'").count();
    }

    async fn pairs(&self, table: &str, run_id: &RunId) -> std::collections::BTreeMap<String, String> {
        let sql = format!("SELECT key, value FROM {table} WHERE run_uuid = '{run_id}'");
        let rows = sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut self.connect().await)
            .await
            .unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }
}

#[async_trait]
impl StoreFixture for Database {
    async fn open(&self) -> Box<dyn TrackingStore> {
        tracking::open(&self.uri()).await.unwrap()
    }

    async fn recorded(&self, run_id: &RunId) -> RecordedRun {
        let row = sqlx::query("SELECT * FROM runs WHERE run_uuid = ?")
            .bind(run_id.as_str().to_owned())
            .fetch_one(&mut self.connect().await)
            .await
            .unwrap();
        RecordedRun {
            experiment_id: row.get::<i64, _>("experiment_id").to_string(),
            name: row.get("name"),
            user: row.get("user_id"),
            status: row.get("status"),
            start_time: row.get("start_time"),
            end_time: row.get("end_time"),
            artifact_uri: row.get("artifact_uri"),
            tags: self.pairs("tags", run_id).await,
            params: self.pairs("params", run_id).await,
        }
    }

    async fn delete_experiment(&self, id: &ExperimentId) {
        self.execute(&format!(
            "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = {id}"
        ))
        .await;
    }

    async fn delete_run(&self, id: &RunId) {
        self.execute(&format!(
            "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = '{id}'"
        ))
        .await;
    }

    fn takes_killed(&self) -> bool {
        self.takes_killed
    }
}

#[tokio::test]
async fn a_new_database_does_what_every_store_must() {
    store_suite(&Database::new()).await;
}

/// Databases of MLflow before 1.4, and those whose schema nobody has brought up to date since.
#[tokio::test]
async fn a_database_that_knows_no_killed_holds_failed() {
    let new = Database::new();
    new.open().await;
    let mut old = Database::new();
    old.create_file().await;
    for table in new.tables().await {
        old.execute(&table.replace(", 'KILLED'", "")).await;
    }
    old.look_for_killed().await;
    assert!(!old.takes_killed);
    store_suite(&old).await;
}

#[tokio::test]
async fn a_new_database_has_mlflows_first_tables_and_the_default_experiment() {
    let database = Database::new();
    database.open().await;
    let tables = database.tables().await;
    let names: Vec<_> = tables.iter().map(|sql| sql.split(' ').nth(2).unwrap()).collect();
    assert_eq!(names, ["experiments", "metrics", "params", "runs", "tags"]);
    // Older releases of MLflow find a check only on a line of its own.
    for line in tables.iter().flat_map(|sql| sql.lines()) {
        assert!(
            line.matches("CHECK").count() + line.matches("KEY").count() <= 1,
            "{line}"
        );
    }
    let row = sqlx::query("SELECT * FROM experiments")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>("experiment_id"), 0);
    assert_eq!(row.get::<String, _>("name"), "Default");
    assert_eq!(row.get::<String, _>("lifecycle_stage"), "active");
    let location = database.directory().join("mlruns/0");
    assert_eq!(
        row.get::<String, _>("artifact_location"),
        location.to_str().unwrap()
    );
    assert!(
        !location.exists(),
        "artifact directories are made by those who write artifacts"
    );
}

/// What a program of its own does with a database: the body of [`many_programs_begin_at_once`].
#[tokio::test]
#[ignore = "one of the programs that many_programs_begin_at_once starts"]
async fn one_of_many_programs() {
    let Some(directory) = std::env::var_os("MLRUN_TEST_DIRECTORY") else {
        return;
    };
    let uri = TrackingUri::resolve(Some("sqlite:///new/mlflow.db"), Path::new(&directory)).unwrap();
    let store = tracking::open(&uri).await.unwrap();
    let experiment = ExperimentSelector::Name("shared".to_owned());
    let new_run = NewRun {
        experiment_id: store.experiment(&experiment).await.unwrap(),
        user: String::new(),
        name: None,
        start_time: UnixMillis::now(),
        tags: Vec::new(),
        params: vec![("alpha".to_owned(), "1".to_owned())],
    };
    let run = store.create_run(new_run).await.unwrap();
    let end = RunEnd {
        status: RunStatus::Finished,
        end_time: UnixMillis::now(),
        keep_failure: true,
    };
    store.end_run(&run.run_id, end).await.unwrap();
}

#[tokio::test]
async fn many_programs_begin_at_once() {
    let database = Database::new();
    let programs: Vec<_> = (0..50)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "tracking::sql::sqlite::one_of_many_programs",
                    "--ignored",
                ])
                .env("MLRUN_TEST_DIRECTORY", database.directory())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for program in programs {
        let output = program.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
    std::fs::rename(database.directory().join("new/mlflow.db"), database.path()).unwrap();
    assert_eq!(
        database
            .count("runs WHERE status = 'FINISHED' AND experiment_id = 1")
            .await,
        50
    );
    assert_eq!(database.count("params").await, 50);
    assert_eq!(database.count("experiments").await, 2);
}

#[tokio::test]
async fn a_schema_that_another_program_is_creating_is_waited_for() {
    let database = Database::new();
    let finished = Database::new();
    finished.open().await;
    let tables = finished.tables().await;
    database.create_file().await;
    database.execute(&tables[0]).await;
    let (store, ()) = tokio::join!(database.open(), async {
        for table in &tables[1..] {
            tokio::time::sleep(Duration::from_millis(50)).await;
            database.execute(table).await;
        }
    });
    assert_eq!(
        store
            .experiment(&ExperimentSelector::Default)
            .await
            .unwrap()
            .as_str(),
        "0"
    );
    assert_eq!(database.tables().await, tables);
}

#[tokio::test]
async fn a_schema_that_nobody_completes_is_completed() {
    let database = Database::new();
    database.create_file().await;
    database
        .execute("CREATE TABLE params (\"key\" VARCHAR(250), value VARCHAR(250), run_uuid VARCHAR(32))")
        .await;
    database.execute("CREATE TABLE somebody_elses (x)").await;
    store_suite(&database).await;
    assert_eq!(database.tables().await.len(), 6);
}

#[tokio::test]
async fn a_default_experiment_that_is_gone_is_made_again() {
    let database = Database::new();
    let store = database.open().await;
    database.execute("DELETE FROM experiments").await;
    assert_eq!(
        store
            .experiment(&ExperimentSelector::Default)
            .await
            .unwrap()
            .as_str(),
        "0"
    );
    assert_eq!(database.count("experiments WHERE name = 'Default'").await, 1);
}

#[tokio::test]
async fn the_journal_mode_is_the_users() {
    let database = Database::new();
    database.open().await;
    database.execute("PRAGMA journal_mode = WAL").await;
    store_suite(&database).await;
    let row = sqlx::query("PRAGMA journal_mode")
        .fetch_one(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "wal");
}

#[tokio::test]
async fn any_path_names_a_database() {
    let directory = TempDir::new().unwrap();
    for (value, file) in [
        ("sqlite:///with space/ü.db", "with space/ü.db"),
        ("sqlite:///p%20q%3F.db", "p q?.db"),
        ("sqlite:///100%2525.db", "100%25.db"),
        ("sqlite:///x#y.db?timeout=5", "x#y.db"),
        ("sqlite:///file:z.db", "file:z.db"),
    ] {
        let uri = TrackingUri::resolve(Some(value), directory.path()).unwrap();
        tracking::open(&uri).await.unwrap();
        assert!(directory.path().join(file).is_file(), "{value}");
        let uri = TrackingUri::resolve(Some(&uri.for_child()), Path::new("/nowhere")).unwrap();
        tracking::open(&uri).await.unwrap();
        assert!(!Path::new("/nowhere").exists());
    }
}

/// The error, its cause and its hint.
async fn open_error(value: &str, cwd: &Path) -> (String, String, String) {
    let uri = TrackingUri::resolve(Some(value), cwd).unwrap();
    let error = tracking::open(&uri).await.err().unwrap();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    (error.to_string(), cause, error.hint().unwrap())
}

#[tokio::test]
async fn what_is_no_database_is_explained() {
    let directory = TempDir::new().unwrap();
    let cwd = directory.path();
    std::fs::create_dir(cwd.join("directory")).unwrap();
    std::fs::write(cwd.join("text"), "no database ".repeat(20)).unwrap();

    let (error, cause, hint) = open_error("sqlite:///directory", cwd).await;
    assert_eq!(
        error,
        format!(
            "cannot open the tracking store sqlite:///{}/directory",
            cwd.display()
        )
    );
    assert_eq!(cause, format!("'{}/directory' is a directory", cwd.display()));
    assert_eq!(hint, "add the name of a file in it, for example mlflow.db");

    let (_, cause, hint) = open_error("sqlite:///text", cwd).await;
    assert_eq!(cause, "file is not a database");
    assert_eq!(
        hint,
        "set MLFLOW_TRACKING_URI to an MLflow database, or to a file that does not exist yet"
    );

    let (_, cause, hint) = open_error("sqlite:///text/x.db", cwd).await;
    assert_starts_with(
        &cause,
        &format!("cannot create the directory '{}/text': ", cwd.display()),
    );
    assert_eq!(hint, "set MLFLOW_TRACKING_URI to a store with write permission");
}

#[tokio::test]
async fn a_read_only_database_is_explained() {
    use std::os::unix::fs::PermissionsExt;
    let database = Database::new();
    let store = database.open().await;
    let experiment_id = store.experiment(&ExperimentSelector::Default).await.unwrap();
    std::fs::set_permissions(database.path(), std::fs::Permissions::from_mode(0o444)).unwrap();
    if std::fs::OpenOptions::new()
        .write(true)
        .open(database.path())
        .is_ok()
    {
        eprintln!("skipped: a_read_only_database_is_explained (this user may write to any file)");
        return;
    }
    // What can be done without writing still works.
    let store = database.open().await;
    assert_eq!(
        store.experiment(&ExperimentSelector::Default).await.unwrap(),
        experiment_id
    );
    let error = store
        .experiment(&ExperimentSelector::Name("new".to_owned()))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot write to the tracking store sqlite:///"),
        "{error}"
    );
    assert!(
        error
            .hint()
            .unwrap()
            .contains("make the file and its directory writable")
    );
}

#[tokio::test]
async fn experiment_ids_are_integers() {
    let store = Database::new().open().await;
    for id in ["abc", "", "1.0", "99999999999999999999"] {
        let error = store
            .experiment(&ExperimentSelector::Id(ExperimentId::new(id)))
            .await
            .unwrap_err();
        let message = error.to_string();
        assert_contains(
            &message,
            &format!("refused the experiment id '{id}': it is not an integer"),
        );
    }
    let spaced = ExperimentSelector::Id(ExperimentId::new(" 0 "));
    assert_eq!(store.experiment(&spaced).await.unwrap().as_str(), "0");
}

#[tokio::test]
async fn artifacts_go_where_the_experiment_says() {
    let database = Database::new();
    let store = database.open().await;
    for (location, before, after) in [
        ("s3://bucket/x/?a=b", "s3://bucket/x/", "?a=b"),
        ("mlflow-artifacts:/7", "mlflow-artifacts:/7/", ""),
        ("/data/with space/", "/data/with space/", ""),
    ] {
        database
            .execute(&format!(
                "UPDATE experiments SET artifact_location = '{location}'"
            ))
            .await;
        let new_run = NewRun {
            experiment_id: ExperimentId::new("0"),
            user: String::new(),
            name: None,
            start_time: UnixMillis::now(),
            tags: Vec::new(),
            params: Vec::new(),
        };
        let run = store.create_run(new_run).await.unwrap();
        assert_eq!(
            run.artifact_uri,
            format!("{before}{}/artifacts{after}", run.run_id)
        );
    }
}

#[test]
fn a_wait_for_a_locked_database_is_told() {
    let project = Project::new().command("true");
    project.run([]).expect_code(0);
    block_on(async {
        let file = SqliteConnectOptions::new().filename(project.sandbox().work().join("mlflow.db"));
        let mut other = file.connect().await.unwrap();
        let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let mut child = start_with(&project, "", &[]);
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let told = said.find(|line| {
            line.as_ref()
                .unwrap()
                .contains("another program has locked the database")
        });
        assert_contains(&told.unwrap().unwrap(), "; waiting for it, for up to 58s");
        lock.rollback().await.unwrap();
        let rest: Vec<String> = said.map(Result::unwrap).collect();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    });
}
