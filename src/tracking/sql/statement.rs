//! Statements that are put together from parts.

use super::driver::{Cell, SqlError, Transaction, Value};
use crate::entities::{RunId, tag};

/// How many rows go into one statement; databases limit the number of parameters.
const ROWS_PER_STATEMENT: usize = 100;

/// The first row, which has as many cells as the caller asked for columns.
pub(super) fn first<const N: usize>(rows: Vec<Vec<Cell>>) -> Option<[Cell; N]> {
    rows.into_iter().next().and_then(|row| row.try_into().ok())
}

/// Inserts rows, whose values follow each other.
pub(super) async fn insert(
    transaction: &mut dyn Transaction,
    table: &str,
    columns: &[&str],
    values: &[Value<'_>],
) -> Result<(), SqlError> {
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    let rows = vec![row; values.len() / columns.len()].join(", ");
    let sql = format!("INSERT INTO {table} ({}) VALUES {rows}", columns.join(", "));
    transaction.execute(&sql, values).await.map(drop)
}

/// Inserts tags or parameters that a run does not have yet.
pub(super) async fn insert_pairs(
    transaction: &mut dyn Transaction,
    table: &str,
    run_id: &RunId,
    pairs: &[(String, String)],
) -> Result<(), SqlError> {
    for chunk in pairs.chunks(ROWS_PER_STATEMENT) {
        let values: Vec<_> = chunk
            .iter()
            .flat_map(|(key, value)| [Value::Text(run_id.as_str()), Value::Text(key), Value::Text(value)])
            .collect();
        insert(transaction, table, &["run_uuid", "\"key\"", "value"], &values).await?;
    }
    Ok(())
}

/// Sets a tag, whether the run has it or not, and renames the run by that of its name.
pub(super) async fn set_tag(
    transaction: &mut dyn Transaction,
    run_id: &RunId,
    key: &str,
    value: &str,
) -> Result<(), SqlError> {
    let run = Value::Text(run_id.as_str());
    if key == tag::RUN_NAME {
        let sql = "UPDATE runs SET name = ? WHERE run_uuid = ?";
        transaction.execute(sql, &[Value::Text(value), run]).await?;
    }
    // Asked first: in MySQL an update that finds no row keeps others from inserting theirs near it.
    let of_run = "run_uuid = ? AND \"key\" = ?";
    let sql = format!("SELECT value FROM tags WHERE {of_run}");
    let found = transaction.rows(&sql, &[run, Value::Text(key)]).await?;
    if found.is_empty() {
        return insert_pairs(transaction, "tags", run_id, &[(key.to_owned(), value.to_owned())]).await;
    }
    let sql = format!("UPDATE tags SET value = ? WHERE {of_run}");
    let values = [Value::Text(value), run, Value::Text(key)];
    transaction.execute(&sql, &values).await.map(drop)
}
