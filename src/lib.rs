//! `mlrun` runs [MLflow Projects](https://mlflow.org/docs/latest/ml/projects/): it fetches a
//! project, prepares the environment that the project asks for, runs one of its entry points and
//! records the run in an MLflow tracking store. It is a drop-in for `mlflow run` that needs no
//! Python of its own.
//!
//! The data's way through the modules:
//!
//! ```text
//! arguments -> RunSettings -> ProjectUri -> WorkDir -> Project -> EntryPoint + parameters -> command
//!   -> run in the TrackingStore -> prepared environment -> Backend -> status -> exit code
//! ```
//!
//! Modules import downwards only: [`cli`] knows all others; [`backend`] knows what [`environment`]
//! prepared; [`lint`] knows [`project`] and the names that [`environment`] gives; [`fetch`], [`data`], [`tracking`] and [`environment`] do not know each other; [`project`],
//! [`project_uri`] and [`run`] are plain values; [`process`], [`http`], [`yaml`], [`redact`], [`env_vars`]
//! and [`events`] know nothing of MLflow Projects.

pub mod backend;
pub mod cli;
pub mod data;
pub mod env_vars;
pub mod environment;
pub mod events;
pub mod fetch;
pub mod http;
pub mod lint;
mod nearest;
pub mod process;
pub mod project;
pub mod project_uri;
pub mod redact;
pub mod run;
pub mod tracking;
pub mod yaml;
