//! MLflow's tables.
//!
//! A new store gets MLflow's oldest schema, that of release 0.9.1: five tables and no mark of a
//! revision; only the status `KILLED`, which later revisions allow, is allowed from the beginning.
//! Since 1.8 at the latest, a release that opens such a database for the first time brings it up to
//! its own revision by itself (1.2 asks for `mlflow db upgrade`). An existing store is used as it is:
//! of the tables and columns that later revisions added this program needs few, and looks whether
//! they are there.

use std::time::Duration;

use super::driver::{Connection, SqlError, Transaction, TransactionKind};
use super::experiments::create_default_experiment;

/// How long another program is given to complete a schema that it has begun, or that it is about to
/// begin: MLflow looks which tables there are, then creates them one by one, and fails when someone
/// else has created one meanwhile.
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

/// Sees to it that the tables exist: creates all of them in one step where there are none, and
/// leaves them alone where they are. `is_new_elsewhere` says that another program seems to have just
/// made the database and not yet created anything in it.
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
    // Another program may have been faster; nothing can change any more now.
    for table in missing_tables(transaction.as_mut()).await? {
        transaction.execute(&create_table(table), &[]).await?;
    }
    // Older releases create the default experiment only in a store without any, so it has to be
    // there before the first one with a name.
    let any = transaction.rows("SELECT experiment_id FROM experiments LIMIT 1", &[]);
    if any.await?.is_empty() {
        create_default_experiment(transaction.as_mut(), artifact_root).await?;
    }
    transaction.commit().await
}

/// Looks whether the tables are there. On a server a database without them may be meant for something
/// else, and its tables would have to be as that server's MLflow makes them.
pub(super) async fn check(connection: &mut dyn Connection) -> Result<(), SqlError> {
    let missing = missing_tables(connection.begin(TransactionKind::Read).await?.as_mut()).await?;
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    if names.is_empty() {
        return Ok(());
    }
    let message = if names.len() == BASE_TABLES.len() {
        "the database has none of MLflow's tables".to_owned()
    } else {
        format!("the database lacks MLflow's tables {}", names.join(", "))
    };
    Err(SqlError::with_hint(
        message,
        "make them: `mlflow db upgrade` with this address, or start `mlflow server` once with it",
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

/// The statement that creates a table, to the byte as MLflow's own: SQLite keeps the text, and what
/// MLflow's migrations know of the checks in it they find by its lines.
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
