//! The seam between the store, which knows MLflow's tables, and the drivers, which know a database.
//!
//! A driver executes standard SQL: parameters are written `?`, and the one name that some database
//! reserves, `"key"`, is quoted as the standard does. What a database has to be told to understand
//! that, its driver tells it.

use async_trait::async_trait;

use crate::tracking::error::StoreFault;

/// A value that goes into a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Int(i64),
    Null,
}

/// A value that comes out of a query.
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

/// What a transaction is going to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TransactionKind {
    /// It only reads.
    Read,
    /// It writes, and what it reads must not change before it does.
    Write,
}

/// One connection to a database.
#[async_trait]
pub(super) trait Connection: Send {
    /// Begins a transaction, waiting for others where that must be.
    async fn begin(&mut self, access: TransactionKind) -> Result<Box<dyn Transaction + '_>, SqlError>;
}

/// An open transaction. Dropped without a commit it is rolled back.
#[async_trait]
pub(super) trait Transaction: Send {
    /// Executes a statement and returns how many rows it changed.
    async fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, SqlError>;

    /// Executes a query and returns its rows.
    async fn rows(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Vec<Cell>>, SqlError>;

    /// Executes a query for texts and returns all that are in its rows.
    async fn texts(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<String>, SqlError> {
        let rows = self.rows(sql, values).await?;
        Ok(rows.into_iter().flatten().map(Cell::into_text).collect())
    }

    /// The names of the database's tables.
    async fn tables(&mut self) -> Result<Vec<String>, SqlError>;

    /// The names of a table's columns.
    async fn columns(&mut self, table: &str) -> Result<Vec<String>, SqlError>;

    /// How many characters a text column takes, where the database cares.
    async fn text_limit(&mut self, table: &str, column: &str) -> Result<Option<usize>, SqlError>;

    /// Takes the changes back and gives up their locks at once. Dropped, a transaction keeps them until the
    /// connection is used again.
    async fn roll_back(self: Box<Self>);

    /// Makes the changes last.
    async fn commit(self: Box<Self>) -> Result<(), SqlError>;
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

/// The first row, which has as many cells as the caller asked for columns.
pub(super) fn first<const N: usize>(rows: Vec<Vec<Cell>>) -> Option<[Cell; N]> {
    rows.into_iter().next().and_then(|row| row.try_into().ok())
}

/// Why a database did not do what it was asked.
#[derive(Debug, Default, thiserror::Error)]
#[error("{message}")]
pub(crate) struct SqlError {
    pub(super) message: String,
    /// What the person can do about it, where the driver knows.
    pub(super) hint: Option<String>,
    /// Whether a value broke a `CHECK` of its table.
    pub(super) breaks_check: bool,
    /// Whether another program was faster: it made the row that there may be only one of, or the
    /// database gave up this transaction for its sake. All of it may be tried again.
    pub(super) lost_race: bool,
    /// Whether it may pass by itself: the server or the connection is gone, or there are too many.
    pub(super) may_pass: bool,
    /// Whether the server is there and has too many connections for one more.
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
