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
//! Modules are rooms on floors, and import from lower floors only: rooms of one floor do not know each other.
//! Within a room no two files need each other.
//!
//! ```text
//! floor 8: cli
//! floor 7: runner
//! floor 6: backend lint
//! floor 5: artifact environment fetch tracking
//! floor 4: aws databricks
//! floor 3: http project
//! floor 2: process project_uri temporary yaml
//! floor 1: entities env_vars events ini nearest python_paths redact
//! ```
//!
//! What is below [`project`] knows nothing of MLflow Projects but their URIs and the entities of a tracking store.

pub mod artifact;
pub mod aws;
pub mod backend;
pub mod cli;
mod databricks;
pub mod entities;
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
mod python_paths;
pub mod redact;
pub mod runner;
mod temporary;
pub mod tracking;
pub mod yaml;

pub use backend::BackendConfig;
pub use entities::{ExperimentId, RunData, RunId, RunInfo, RunStatus, UnixMillis};
pub use environment::EnvManager;
pub use events::Progress;
pub use process::{Signals, own_all_children};
pub use runner::{ImageChoice, Launched, RunEnding, RunError, RunRequest, SubmittedRun, run, run_with};
pub use tracking::ExperimentSelector;
