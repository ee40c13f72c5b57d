//! `mlrun` runs [MLflow Projects](https://mlflow.org/docs/latest/ml/projects/): it fetches a
//! project, prepares the environment that the project asks for, runs one of its entry points and
//! records the run in an MLflow tracking store. It is a drop-in for `mlflow run` that needs no
//! Python of its own.
//!
//! The data's way through the modules:
//!
//! ```text
//! arguments -> RunRequest -> ProjectUri -> WorkDir -> Project -> EntryPoint + parameters -> command
//!   -> run in the TrackingStore -> prepared environment -> Backend -> status -> exit code
//! ```
//!
//! [`run()`] is all of it but the arguments and the exit code, for programs; `examples/rust_driver.rs` shows
//! its use.
//!
//! Modules import downwards only: [`cli`] knows all others; [`runner`] knows all but [`cli`]; [`backend`]
//! knows what [`environment`] prepared, and whose storage [`data`] says a URI names; [`lint`] knows
//! [`project`] and the names that [`environment`] gives; [`fetch`], [`data`], [`tracking`] and
//! [`environment`] do not know each other; [`project`], [`project_uri`] and [`mod@run`] are plain values;
//! [`process`], `http`, [`aws`], `databricks`, [`yaml`], `ini`, [`redact`], [`env_vars`] and [`events`] know
//! nothing of MLflow Projects.

pub mod aws;
pub mod backend;
pub mod cli;
pub mod data;
mod databricks;
pub mod env_vars;
pub mod environment;
pub mod events;
pub mod fetch;
mod http;
mod ini;
pub mod lint;
mod nearest;
pub mod process;
pub mod project;
pub mod project_uri;
pub mod redact;
pub mod run;
pub mod runner;
mod temporary;
pub mod tracking;
pub mod yaml;

pub use runner::{run, run_with};
