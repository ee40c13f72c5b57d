//! The interface between the store, which uses MLflow's tables, and the drivers for databases.
//!
//! A driver executes standard SQL: parameters are written `?`, and the reserved name `"key"` is quoted. The driver
//! configures its database to understand that.

use async_trait::async_trait;

use crate::tracking::error::StoreFault;

/// A parameter of a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Int(i64),
    Null,
}

/// A value in a query's result.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Text(String),
    Int(i64),
    Real(f64),
    Null,
}

impl Cell {
    /// The text; empty for anything else.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            _ => String::new(),
        }
    }

    /// The number; `None` for anything else.
    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The number, which is not one (NaN) for anything else.
    pub(super) fn as_real(&self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "metrics are of this precision")]
            Self::Int(number) => *number as f64,
            Self::Real(number) => *number,
            _ => f64::NAN,
        }
    }
}

/// The kind of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionKind {
    /// Only reads.
    Read,
    /// Writes; the data that it reads must not change before that.
    Write,
}

/// One connection to a database.
#[async_trait]
pub(super) trait Connection: Send {
    /// Begins a transaction, and waits for others if necessary.
    async fn begin(&mut self, access: TransactionKind) -> Result<Box<dyn Transaction + '_>, SqlError>;
}

/// An open transaction. Dropped without a commit it is rolled back.
#[async_trait]
pub(super) trait Transaction: Send {
    /// Executes a statement and returns the number of changed rows.
    async fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, SqlError>;

    /// Executes a query and returns its rows.
    async fn rows(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Vec<Cell>>, SqlError>;

    /// Executes a query and returns all texts in its rows.
    async fn texts(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<String>, SqlError> {
        let rows = self.rows(sql, values).await?;
        Ok(rows.into_iter().flatten().map(Cell::into_text).collect())
    }

    /// The names of the database's tables.
    async fn tables(&mut self) -> Result<Vec<String>, SqlError>;

    /// The names of a table's columns.
    async fn columns(&mut self, table: &str) -> Result<Vec<String>, SqlError>;

    /// The most characters of a text column, if the database has a limit.
    async fn text_limit(&mut self, table: &str, column: &str) -> Result<Option<usize>, SqlError>;

    /// Rolls back the changes and releases the locks at once. A dropped transaction keeps the locks until the
    /// connection is used again.
    async fn roll_back(self: Box<Self>);

    /// Commits the changes.
    async fn commit(self: Box<Self>) -> Result<(), SqlError>;
}

/// Inserts rows; `values` contains the values of all rows one after another.
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

/// The first row, with as many cells as requested columns.
pub(super) fn first<const N: usize>(rows: Vec<Vec<Cell>>) -> Option<[Cell; N]> {
    rows.into_iter().next().and_then(|row| row.try_into().ok())
}

/// Why an operation of a database failed.
#[derive(Debug, Default, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SqlError {
    pub(super) message: String,
    /// What the user can do about it, if the driver knows.
    pub(super) hint: Option<String>,
    /// Whether a value violated a `CHECK` of its table.
    pub(super) breaks_check: bool,
    /// Whether another program was faster: it inserted a unique row, or the database aborted this transaction in its
    /// favor. The whole transaction may be repeated.
    pub(super) lost_race: bool,
    /// Whether it may pass by itself: the server or connection is gone, or there are too many connections.
    pub(super) may_pass: bool,
    /// Whether the server has too many connections.
    pub(super) is_crowded: bool,
}

impl SqlError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    pub(super) fn with_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..Self::new(message)
        }
    }
}

impl StoreFault for SqlError {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }

    fn may_pass(&self) -> bool {
        self.may_pass || self.lost_race
    }
}
