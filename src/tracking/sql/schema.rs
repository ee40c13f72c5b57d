//! MLflow's tables.
//!
//! A new store gets MLflow's oldest schema, that of release 0.9.1: five tables and no mark of a
//! revision; only the status `KILLED`, which later revisions allow, is allowed from the beginning.
//! Since 1.8 at the latest, a release that opens such a database for the first time brings it up to
//! its own revision by itself (1.2 asks for `mlflow db upgrade`). An existing store is used as it is:
//! of the tables and columns that later revisions added this program needs few, and looks whether
//! they are there.

use std::time::Duration;

use super::driver::{Connection, SqlError, Transaction, TransactionKind, Value};
use crate::entities::UnixMillis;
use crate::tracking::artifact_uri::append_to_uri_path;

/// The experiment that every store has.
pub(super) const DEFAULT_EXPERIMENT_ID: i64 = 0;
const DEFAULT_EXPERIMENT_NAME: &str = "Default";
/// The workspace of all that belongs to no other one, in revisions that know workspaces.
const DEFAULT_WORKSPACE: &str = "default";

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
    if transaction
        .rows("SELECT experiment_id FROM experiments LIMIT 1", &[])
        .await?
        .is_empty()
    {
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
    Err(SqlError {
        hint: Some(
            "make them: `mlflow db upgrade` with this address, or start `mlflow server` once with it"
                .to_owned(),
        ),
        ..SqlError::new(message)
    })
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

/// The experiment with this name; in revisions that know workspaces, the one in the default one.
pub(super) async fn experiment_named(
    transaction: &mut dyn Transaction,
    name: &str,
) -> Result<Option<(i64, String)>, SqlError> {
    let columns = ExperimentColumns::look_up(transaction).await?;
    let mut sql = "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = ?".to_owned();
    let mut values = vec![Value::Text(name)];
    if columns.workspace {
        sql.push_str(" AND workspace = ?");
        values.push(Value::Text(DEFAULT_WORKSPACE));
    }
    let rows = transaction.rows(&sql, &values).await?;
    let Some([id, stage]) = rows
        .into_iter()
        .next()
        .and_then(|row| <[_; 2]>::try_from(row).ok())
    else {
        return Ok(None);
    };
    Ok(id.as_int().map(|id| (id, stage.into_text())))
}

/// Creates the default experiment, which must not exist.
pub(super) async fn create_default_experiment(
    transaction: &mut dyn Transaction,
    artifact_root: &str,
) -> Result<(), SqlError> {
    let location = append_to_uri_path(artifact_root, &[&DEFAULT_EXPERIMENT_ID.to_string()]);
    insert_experiment(
        transaction,
        DEFAULT_EXPERIMENT_NAME,
        Some((DEFAULT_EXPERIMENT_ID, &location)),
    )
    .await
}

/// Creates an experiment, of whose name there must be none, and returns its id.
pub(super) async fn create_experiment(
    transaction: &mut dyn Transaction,
    name: &str,
    artifact_root: &str,
) -> Result<i64, SqlError> {
    // The database chooses the id, and the location holds it.
    insert_experiment(transaction, name, None).await?;
    let (id, _) = experiment_named(transaction, name)
        .await?
        .ok_or_else(|| SqlError::new(format!("the experiment '{name}' cannot be read back")))?;
    let location = append_to_uri_path(artifact_root, &[&id.to_string()]);
    let sql = "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?";
    transaction
        .execute(sql, &[Value::Text(&location), Value::Int(id)])
        .await?;
    Ok(id)
}

async fn insert_experiment(
    transaction: &mut dyn Transaction,
    name: &str,
    id_and_location: Option<(i64, &str)>,
) -> Result<(), SqlError> {
    let columns = ExperimentColumns::look_up(transaction).await?;
    let now = Value::Int(UnixMillis::now().0);
    let mut row = vec![
        ("name", Value::Text(name)),
        ("lifecycle_stage", Value::Text("active")),
    ];
    if let Some((id, location)) = id_and_location {
        row.push(("experiment_id", Value::Int(id)));
        row.push(("artifact_location", Value::Text(location)));
    }
    if columns.creation_time {
        row.push(("creation_time", now));
    }
    if columns.last_update_time {
        row.push(("last_update_time", now));
    }
    if columns.workspace {
        row.push(("workspace", Value::Text(DEFAULT_WORKSPACE)));
    }
    let (names, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
    let placeholders = vec!["?"; names.len()].join(", ");
    let sql = format!(
        "INSERT INTO experiments ({}) VALUES ({placeholders})",
        names.join(", ")
    );
    transaction.execute(&sql, &values).await.map(drop)
}

/// Which columns this revision of the table `experiments` has beyond the first ones.
struct ExperimentColumns {
    /// Since revision `97727af70f4d`.
    creation_time: bool,
    /// Since revision `97727af70f4d`.
    last_update_time: bool,
    /// Since revision `1b5f0d9ad7c1` of MLflow 3.10.
    workspace: bool,
}

impl ExperimentColumns {
    async fn look_up(transaction: &mut dyn Transaction) -> Result<Self, SqlError> {
        let columns = transaction.columns("experiments").await?;
        let has = |name| columns.iter().any(|column| column == name);
        Ok(Self {
            creation_time: has("creation_time"),
            last_update_time: has("last_update_time"),
            workspace: has("workspace"),
        })
    }
}
