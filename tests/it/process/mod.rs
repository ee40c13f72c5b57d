//! Programs, their trees and their signals.
//!
//! Signals and waits concern a whole process, so each of these tests runs this test binary once
//! more: its [`driver`] is a small mlrun that runs one command.

mod capture;
mod driver;
mod interrupted;
mod killed;
mod limits;
mod signals;
mod terminal;
mod trees;
