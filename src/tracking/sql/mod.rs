//! Tracking stores in SQL databases.
//!
//! The store and MLflow's tables are written once, in SQL that every database understands; a
//! database is one more [driver](driver) in a file of its own.

mod address;
mod creation;
mod driver;
mod models;
mod mysql;
mod of_sqlx;
mod postgres;
mod read;
mod schema;
mod server;
mod sqlite;
mod statement;
mod store;

pub(crate) use self::server::ServerKind;
pub(crate) use self::store::SqlStore;
