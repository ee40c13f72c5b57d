//! SQLite.

use std::fs::{File, Metadata};
use std::future::pending;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::error::ErrorKind;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection as _, Row as _, Sqlite, SqliteConnection};
use tokio::time::sleep;

use super::driver::{Cell, Connection, SqlError, Transaction, TransactionKind, Value};
use super::sqlx_driver::{other_error, transaction};
use crate::process::{file_size_exhausted, open_files_exhausted, start_hint};
use crate::quantity;
use crate::retrying::how_to_stop;

/// How long to wait for other writers. MLflow waits 20 seconds, but many runs may begin and end at the same time here,
/// and MLflow may be running a migration.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// The wait for other programs after which the log mentions it.
const LONG_WAIT: Duration = Duration::from_secs(2);

/// The age up to which an empty file counts as being filled by another program.
const NEW_FILE_AGE: Duration = Duration::from_secs(2);

/// An open database file.
pub(super) struct SqliteDatabase(SqliteConnection);

impl SqliteDatabase {
    /// Opens the file, or creates it and its directories. An existing file keeps its journal mode. The flag says
    /// whether another program seems to have just created the file.
    pub(super) async fn open(path: &Path) -> Result<(Self, bool), SqlError> {
        let metadata = std::fs::metadata(path).ok();
        if metadata.as_ref().is_some_and(Metadata::is_dir) {
            return Err(SqlError::with_hint(
                format!("'{}' is a directory", path.display()),
                "add the name of a file in it, for example mlflow.db",
            ));
        }
        let is_new_elsewhere = metadata.is_some_and(|metadata| {
            let age = metadata.modified().map(|modified| modified.elapsed());
            metadata.len() == 0 && matches!(age, Ok(Ok(age)) if age < NEW_FILE_AGE)
        });
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(|error| {
                let message = format!("cannot create the directory '{}': {error}", directory.display());
                SqlError::with_hint(message, ELSEWHERE)
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .disable_statement_logging();
        let connection = options.connect().await.map_err(sql_error)?;
        Ok((Self(connection), is_new_elsewhere))
    }

    /// The version of the library.
    pub(super) async fn library_version() -> Result<String, SqlError> {
        let options = SqliteConnectOptions::new()
            .in_memory(true)
            .disable_statement_logging();
        let mut database = Self(options.connect().await.map_err(sql_error)?);
        let mut transaction = database.begin(TransactionKind::Read).await?;
        let versions = transaction.texts("SELECT sqlite_version()", &[]).await?;
        Ok(versions.concat())
    }

    /// Opens an existing file for reading, without changing it or its directory.
    pub(super) async fn open_to_read(path: &Path) -> Result<Self, SqlError> {
        // With a write-ahead log SQLite creates files even for readers, unless the database is declared immutable.
        // Without an existing log, nobody is writing to it.
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .immutable(has_write_ahead_log(path) && !Path::new(&log).exists())
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        options.connect().await.map(Self).map_err(sql_error)
    }
}

/// Whether the file's header declares a write-ahead log. Source: the SQLite file format, bytes 18 and 19.
fn has_write_ahead_log(path: &Path) -> bool {
    let mut header = [0; 20];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[18..] == [2, 2]
}

#[async_trait]
impl Connection for SqliteDatabase {
    async fn begin(&mut self, access: TransactionKind) -> Result<Box<dyn Transaction + '_>, SqlError> {
        let begun = async {
            match access {
                TransactionKind::Read => self.0.begin().await,
                // Takes the write lock at once. A transaction that asks for it only after it has read
                // fails without waiting when another one wrote in between.
                TransactionKind::Write => self.0.begin_with("BEGIN IMMEDIATE").await,
            }
        };
        let told = async {
            sleep(LONG_WAIT).await;
            tracing::warn!(
                "another program has locked the database; waiting for it, for up to {}{}",
                quantity::duration(BUSY_TIMEOUT - LONG_WAIT),
                how_to_stop()
            );
            pending().await
        };
        let transaction = tokio::select! {
            biased;
            transaction = begun => transaction,
            never = told => never,
        };
        Ok(Box::new(SqliteTransaction(transaction.map_err(sql_error)?)))
    }
}

transaction! {
    SqliteTransaction of Sqlite, SqliteArguments, SqliteRow;
    text: str::to_owned, cell: cell, error: sql_error,
    tables: "SELECT name FROM sqlite_master WHERE type = 'table'",
    columns: "SELECT name FROM pragma_table_info(?)",
    // SQLite ignores the length of text columns.
    text_limit: None,
}

/// SQLite's columns may contain values of any type, so this uses the type of each value.
fn cell(row: &SqliteRow, index: usize, kind: &str) -> Result<Cell, sqlx::Error> {
    match kind {
        "INTEGER" => row.try_get(index).map(Cell::Int),
        "REAL" => row.try_get(index).map(Cell::Real),
        _ => row.try_get(index).map(Cell::Text),
    }
}

const ELSEWHERE: &str = "set MLFLOW_TRACKING_URI to a store with write permission";

/// The result codes with a hint; <https://www.sqlite.org/rescode.html>.
mod code {
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const IOERR: i32 = 10;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const PROTOCOL: i32 = 15;
    pub(super) const NOTADB: i32 = 26;
}

fn sql_error(error: sqlx::Error) -> SqlError {
    let error = match error {
        sqlx::Error::Database(error) => error,
        // The driver starts a thread.
        sqlx::Error::Io(source) => {
            return SqlError {
                hint: start_hint(&source),
                ..other_error(&sqlx::Error::Io(source))
            };
        }
        error => return other_error(&error),
    };
    let extended = error.code().and_then(|code| code.parse().ok()).unwrap_or(0_i32);
    let code = extended & 0xff;
    let limit = match code {
        code::CANTOPEN => open_files_exhausted(),
        code::IOERR | code::FULL => file_size_exhausted(),
        _ => None,
    };
    let hint = match code {
        code::BUSY | code::LOCKED => format!(
            "stop the program that has locked the database for {}; if there is none, move the database to a file \
            system with working locks",
            quantity::duration(BUSY_TIMEOUT)
        ),
        code::READONLY | code::PERM | code::CANTOPEN => {
            format!("make the file and its directory writable, or {ELSEWHERE}")
        }
        code::FULL => "free some space, or set MLFLOW_TRACKING_URI to a store on another disk".to_owned(),
        code::NOTADB => "set MLFLOW_TRACKING_URI to an MLflow database, or to a file that does not exist yet".to_owned(),
        code::CORRUPT => "restore the database from a backup, or set MLFLOW_TRACKING_URI to another one".to_owned(),
        code::IOERR | code::PROTOCOL => {
            "the file system may be full, over quota or without locks; set MLFLOW_TRACKING_URI to a store on another disk"
                .to_owned()
        }
        _ => String::new(),
    };
    SqlError {
        message: error.message().to_owned(),
        // A limit does not pass by itself.
        may_pass: limit.is_none() && matches!(code, code::BUSY | code::LOCKED | code::FULL | code::IOERR),
        hint: limit.or(Some(hint)).filter(|hint| !hint.is_empty()),
        is_crowded: false,
        breaks_check: matches!(error.kind(), ErrorKind::CheckViolation),
        lost_race: matches!(error.kind(), ErrorKind::UniqueViolation),
    }
}
