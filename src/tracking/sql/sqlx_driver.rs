//! The common part of the drivers, because sqlx has no type for all its databases.

use std::time::Duration;

use super::driver::SqlError;
use crate::process::limit_hint;
use crate::quantity;

/// Implements [`Transaction`](super::driver::Transaction) for a type that wraps one of sqlx. Each driver provides the
/// conversions of SQL texts, values and errors, and the queries about the database itself.
macro_rules! transaction {
    (
        $transaction:ident of $database:ty, $arguments:ty, $row:ty;
        text: $text:expr, cell: $cell:path, error: $sql_error:path,
        tables: $tables:expr, columns: $columns:expr, text_limit: $text_limit:expr $(,)?
    ) => {
        struct $transaction<'c>(sqlx::Transaction<'c, $database>);

        #[async_trait::async_trait]
        impl super::driver::Transaction for $transaction<'_> {
            async fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, SqlError> {
                let result = query(sql, values).execute(&mut *self.0).await;
                result.map(|done| done.rows_affected()).map_err($sql_error)
            }

            async fn rows(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Vec<Cell>>, SqlError> {
                let rows = query(sql, values).fetch_all(&mut *self.0).await;
                let cells = rows.and_then(|rows| rows.iter().map(cells).collect());
                cells.map_err($sql_error)
            }

            async fn tables(&mut self) -> Result<Vec<String>, SqlError> {
                self.texts($tables, &[]).await
            }

            async fn columns(&mut self, table: &str) -> Result<Vec<String>, SqlError> {
                self.texts($columns, &[Value::Text(table)]).await
            }

            async fn text_limit(&mut self, table: &str, column: &str) -> Result<Option<usize>, SqlError> {
                let sql: Option<&str> = $text_limit;
                let Some(sql) = sql else { return Ok(None) };
                let rows = self.rows(sql, &[Value::Text(table), Value::Text(column)]).await?;
                let limit = rows.into_iter().flatten().find_map(|cell| cell.as_int());
                Ok(limit.and_then(|limit| usize::try_from(limit).ok()))
            }

            async fn roll_back(self: Box<Self>) {
                if let Err(error) = self.0.rollback().await {
                    tracing::debug!(%error, "rolling back a transaction");
                }
            }

            async fn commit(self: Box<Self>) -> Result<(), SqlError> {
                self.0.commit().await.map_err($sql_error)
            }
        }

        fn cells(row: &$row) -> Result<Vec<Cell>, sqlx::Error> {
            use sqlx::{Row as _, TypeInfo as _, ValueRef as _};
            (0..row.len())
                .map(|index| {
                    let value = row.try_get_raw(index)?;
                    if value.is_null() {
                        return Ok(Cell::Null);
                    }
                    $cell(row, index, value.type_info().name())
                })
                .collect()
        }

        fn query<'q>(sql: &str, values: &[Value<'_>]) -> sqlx::query::Query<'q, $database, $arguments> {
            let statement = sqlx::query(sqlx::AssertSqlSafe($text(sql)));
            values.iter().fold(statement, |query, value| match value {
                Value::Text(text) => query.bind((*text).to_owned()),
                Value::Int(number) => query.bind(*number),
                Value::Null => query.bind(None::<i64>),
            })
        }
    };
}
pub(super) use transaction;

/// An error that is not from the database itself.
pub(super) fn other_error(error: &sqlx::Error) -> SqlError {
    use sqlx::Error::{Io, PoolClosed, PoolTimedOut, Protocol, WorkerCrashed};
    let hint = match error {
        Io(source) => limit_hint(source),
        _ => None,
    };
    SqlError {
        hint,
        may_pass: matches!(
            error,
            Io(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed
        ),
        ..SqlError::new(error.to_string())
    }
}

/// Waits for a connection to a host and port, up to the limit. Adds a hint for failed connections.
pub(super) async fn within<T>(
    limit: Option<Duration>,
    connecting: impl Future<Output = Result<T, sqlx::Error>>,
    (host, port): (Option<String>, u16),
    sql_error: fn(sqlx::Error) -> SqlError,
) -> Result<T, SqlError> {
    let connected = match limit {
        None => connecting.await,
        Some(limit) => tokio::time::timeout(limit, connecting).await.unwrap_or_else(|_| {
            Err(sqlx::Error::Io(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                format!("no connection within {}", quantity::duration(limit)),
            )))
        }),
    };
    connected.map_err(|error| {
        let at = format!("{} (port {port})", host.as_deref().unwrap_or("the local server"));
        let hint = server_hint(&error, &at);
        let error = sql_error(error);
        SqlError {
            hint: hint.or_else(|| error.hint.clone()),
            ..error
        }
    })
}

/// The hint for a failed connection. The server's own errors have other hints.
fn server_hint(error: &sqlx::Error, at: &str) -> Option<String> {
    match error {
        sqlx::Error::Io(_) => Some(format!("check that a database server is running at {at}")),
        sqlx::Error::Tls(_) => {
            Some("check the server's certificate and the TLS options in MLFLOW_TRACKING_URI".to_owned())
        }
        _ => None,
    }
}
