//! A run from its request to its end.

mod failure_hints;
mod library;
mod options;
mod python_driver;
mod reuse;
mod workflows;
