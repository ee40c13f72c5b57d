//! Programs, their trees and their signals.
//!
//! Signals and waits concern a whole process, so the tests of the library run this test binary once
//! more: its [`driver`] is a small mlrun that runs one command. The others look at mlrun itself while
//! it is interrupted, killed or limited.

mod capture;
mod driver;
mod interrupted;
mod killed;
mod limits;
mod signals;
mod stubborn;
mod terminal;
mod trees;
