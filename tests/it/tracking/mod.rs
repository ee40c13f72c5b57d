//! The tracking stores: each by itself, all of them by one [`suite`], and beside real clients.

mod away;
mod clients;
mod file;
mod rest;
mod sql;
pub(crate) mod suite;
mod uris;
