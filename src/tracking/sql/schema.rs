//! MLflow's tables.
//!
//! A new store gets MLflow's oldest schema, of release 0.9.1: five tables without a revision, except that the status
//! `KILLED` of later revisions is allowed. Since 1.8 at the latest, MLflow upgrades such a database to its own
//! revision when it opens it (1.2 requires `mlflow db upgrade`). An existing store is used at its revision: mlrun
//! needs few of the later tables and columns, and checks whether they exist.

use std::time::Duration;

use super::driver::{Connection, SqlError, Transaction, TransactionKind};
use super::experiments::create_default_experiment;

/// How long to wait for another program that is creating the schema, or is about to. MLflow checks which tables exist,
/// then creates them one by one, and fails if another program has created one in the meantime.
const BEGUN_SCHEMA_GRACE: Duration = Duration::from_secs(5);
const NEW_DATABASE_GRACE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(10);

/// A table's name, and its columns and constraints.
type Table = (&'static str, &'static [&'static str]);

/// The tables in the order of their creation.
const BASE_TABLES: [Table; 5] = [
    (
        "experiments",
        &[
            "experiment_id INTEGER NOT NULL",
            "name VARCHAR(256) NOT NULL",
            "artifact_location VARCHAR(256)",
            "lifecycle_stage VARCHAR(32)",
            "CONSTRAINT experiment_pk PRIMARY KEY (experiment_id)",
            "CONSTRAINT experiments_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted'))",
            "UNIQUE (name)",
        ],
    ),
    (
        "runs",
        &[
            "run_uuid VARCHAR(32) NOT NULL",
            "name VARCHAR(250)",
            "source_type VARCHAR(20)",
            "source_name VARCHAR(500)",
            "entry_point_name VARCHAR(50)",
            "user_id VARCHAR(256)",
            "status VARCHAR(20)",
            "start_time BIGINT",
            "end_time BIGINT",
            "source_version VARCHAR(50)",
            "lifecycle_stage VARCHAR(20)",
            "artifact_uri VARCHAR(200)",
            "experiment_id INTEGER",
            "CONSTRAINT run_pk PRIMARY KEY (run_uuid)",
            "CONSTRAINT source_type CHECK (source_type IN ('NOTEBOOK', 'JOB', 'LOCAL', 'UNKNOWN', 'PROJECT'))",
            "CONSTRAINT status CHECK (status IN ('SCHEDULED', 'FAILED', 'FINISHED', 'RUNNING', 'KILLED'))",
            "CONSTRAINT runs_lifecycle_stage CHECK (lifecycle_stage IN ('active', 'deleted'))",
            "FOREIGN KEY(experiment_id) REFERENCES experiments (experiment_id)",
        ],
    ),
    (
        "tags",
        &[
            r#""key" VARCHAR(250) NOT NULL"#,
            "value VARCHAR(250)",
            "run_uuid VARCHAR(32) NOT NULL",
            r#"CONSTRAINT tag_pk PRIMARY KEY ("key", run_uuid)"#,
            "FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)",
        ],
    ),
    (
        "metrics",
        &[
            r#""key" VARCHAR(250) NOT NULL"#,
            "value FLOAT NOT NULL",
            "timestamp BIGINT NOT NULL",
            "run_uuid VARCHAR(32) NOT NULL",
            r#"CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, run_uuid)"#,
            "FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)",
        ],
    ),
    (
        "params",
        &[
            r#""key" VARCHAR(250) NOT NULL"#,
            "value VARCHAR(250) NOT NULL",
            "run_uuid VARCHAR(32) NOT NULL",
            r#"CONSTRAINT param_pk PRIMARY KEY ("key", run_uuid)"#,
            "FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)",
        ],
    ),
];

/// Ensures that the tables exist: creates all of them in one step if there are none. `is_new_elsewhere`: another
/// program seems to have just created the database, and not yet its tables.
pub(super) async fn ensure(
    connection: &mut dyn Connection,
    is_new_elsewhere: bool,
    artifact_root: &str,
) -> Result<(), SqlError> {
    let begin = tokio::time::Instant::now();
    loop {
        let missing = missing_tables(connection.begin(TransactionKind::Read).await?.as_mut()).await?;
        let grace = match missing.len() {
            0 => return Ok(()),
            some if some < BASE_TABLES.len() => BEGUN_SCHEMA_GRACE,
            _ if is_new_elsewhere => NEW_DATABASE_GRACE,
            _ => break,
        };
        if begin.elapsed() >= grace {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    let mut transaction = connection.begin(TransactionKind::Write).await?;
    // Another program may have been faster. With the lock, nothing can change now.
    for table in missing_tables(transaction.as_mut()).await? {
        transaction.execute(&create_table(table), &[]).await?;
    }
    // Older releases create the default experiment only in an empty store, so it must be created before the first
    // one with a name.
    let any = transaction.rows("SELECT experiment_id FROM experiments LIMIT 1", &[]);
    if any.await?.is_empty() {
        create_default_experiment(transaction.as_mut(), artifact_root).await?;
    }
    transaction.commit().await
}

/// Checks that the tables exist. On a server they are not created, because an empty database may have another purpose,
/// and because the tables must match that server's MLflow.
pub(super) async fn check(connection: &mut dyn Connection) -> Result<(), SqlError> {
    let missing = missing_tables(connection.begin(TransactionKind::Read).await?.as_mut()).await?;
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = if names.len() == BASE_TABLES.len() {
        "the database has no MLflow tables".to_owned()
    } else {
        format!(
            "the database is not a complete MLflow store; missing tables: {}",
            names.join(", ")
        )
    };
    Err(SqlError::with_hint(
        message,
        "create them with `mlflow db upgrade ADDRESS`, or start `mlflow server --backend-store-uri ADDRESS` once",
    ))
}

/// The revision that MLflow's migrations have brought the tables to; `None` where none has begun.
pub(super) async fn revision(transaction: &mut dyn Transaction) -> Result<Option<String>, SqlError> {
    const TABLE: &str = "alembic_version";
    if !transaction.tables().await?.iter().any(|table| table == TABLE) {
        return Ok(None);
    }
    let revisions = transaction
        .texts("SELECT version_num FROM alembic_version", &[])
        .await?;
    Ok(revisions.into_iter().next())
}

/// The statement that creates a table, byte for byte like MLflow's. SQLite keeps the text, and MLflow's migrations
/// find the checks by its lines.
fn create_table((name, lines): Table) -> String {
    format!("CREATE TABLE {name} (\n\t{}\n)", lines.join(", \n\t"))
}

async fn missing_tables(transaction: &mut dyn Transaction) -> Result<Vec<Table>, SqlError> {
    let tables = transaction.tables().await?;
    Ok(BASE_TABLES
        .into_iter()
        .filter(|(name, _)| !tables.iter().any(|table| table == name))
        .collect())
}
