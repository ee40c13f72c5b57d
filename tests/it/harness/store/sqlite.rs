//! The SQLite store, at any revision of its schema: only columns that all revisions have are read.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{Connection, Row};

use super::{StoreContents, StoredExperiment, StoredRun};
use crate::harness::block_on;

pub(super) fn read(path: &Path) -> StoreContents {
    block_on(async {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let contents = read_all(&mut connection).await;
        connection.close().await.unwrap();
        contents
    })
}

async fn read_all(connection: &mut SqliteConnection) -> StoreContents {
    let experiments = sqlx::query("SELECT * FROM experiments ORDER BY experiment_id")
        .fetch_all(&mut *connection)
        .await
        .unwrap()
        .iter()
        .map(|row| StoredExperiment {
            experiment_id: row.get::<i64, _>("experiment_id").to_string(),
            name: row.get("name"),
            artifact_location: text(row, "artifact_location"),
            lifecycle_stage: text(row, "lifecycle_stage"),
        })
        .collect();
    let rows = sqlx::query("SELECT * FROM runs ORDER BY start_time, rowid")
        .fetch_all(&mut *connection)
        .await
        .unwrap();
    let mut runs = Vec::new();
    for row in &rows {
        let run_id: String = row.get("run_uuid");
        let params = pairs(
            connection,
            "SELECT key, value FROM params WHERE run_uuid = ?",
            &run_id,
        )
        .await;
        let tags = pairs(
            connection,
            "SELECT key, value FROM tags WHERE run_uuid = ?",
            &run_id,
        )
        .await;
        runs.push(StoredRun {
            run_id,
            experiment_id: row.get::<i64, _>("experiment_id").to_string(),
            name: text(row, "name"),
            status: text(row, "status"),
            start_time: row.get("start_time"),
            end_time: row.get("end_time"),
            lifecycle_stage: text(row, "lifecycle_stage"),
            artifact_uri: text(row, "artifact_uri"),
            user: text(row, "user_id"),
            source: ["source_type", "source_name", "source_version", "entry_point_name"]
                .map(|column| text(row, column)),
            params,
            tags,
        });
    }
    StoreContents { experiments, runs }
}

async fn pairs(
    connection: &mut SqliteConnection,
    query: &'static str,
    run_id: &str,
) -> BTreeMap<String, String> {
    let rows = sqlx::query(query)
        .bind(run_id)
        .fetch_all(connection)
        .await
        .unwrap();
    rows.iter()
        .map(|row| (row.get("key"), text(row, "value")))
        .collect()
}

fn text(row: &SqliteRow, column: &str) -> String {
    row.get::<Option<String>, _>(column).unwrap_or_default()
}

/// Gives the default experiment of a store its artifact location below another directory.
pub(super) fn set_default_artifact_location(path: &Path, location: &str) {
    block_on(async {
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let query = "UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0";
        sqlx::query(query)
            .bind(location)
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    });
}
