//! Stores in databases: a SQLite file, PostgreSQL, MariaDB.

mod servers;
mod sqlite;
mod sqlite_mlflow;
