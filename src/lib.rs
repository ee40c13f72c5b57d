//! `mlrun` runs [MLflow Projects](https://mlflow.org/docs/latest/ml/projects/): it fetches a
//! project, prepares the environment that the project asks for, runs one of its entry points and
//! records the run in an MLflow tracking store. It is a drop-in for `mlflow run` that needs no
//! Python of its own.
//!
//! How data flows through the modules:
//!
//! ```text
//! arguments -> RunRequest -> ProjectUri -> WorkDir -> Project -> EntryPoint + parameters -> command
//!   -> run in the TrackingStore -> prepared environment -> Backend -> status -> exit code
//! ```
//!
//! [`run()`] does all of this except for the arguments and the exit code; see `examples/rust_driver.rs`.
//!
//! The modules are rooms on floors. A room imports only from floors below its own, never from a room on the
//! same floor, and no two files import each other. A test compares this drawing with the sources.
//!
//! ```text
//! floor 8: cli
//! floor 7: runner
//! floor 6: backend lint
//! floor 5: artifact environment fetch tracking
//! floor 4: aws databricks scaffold
//! floor 3: http project
//! floor 2: process project_uri retrying temporary yaml
//! floor 1: entities env_vars events ini nearest python_paths quantity redact
//! ```
//!
//! - `cli` is the program: arguments, messages, exit codes. Only it writes to the terminal.
//! - `runner` takes a run from its request to its recorded end.
//! - `backend` runs entry points: on this machine, in Docker, on Databricks, on Kubernetes. `lint` finds mistakes in
//!   a project's files.
//! - `fetch` fetches projects, `environment` prepares environments, `artifact` transfers data, `tracking`
//!   stores runs.
//! - `scaffold` writes new projects.
//! - `aws` and `databricks` authenticate at these services; `http` sends requests. `project` interprets
//!   MLproject files.
//! - The floors below know nothing about MLflow Projects except project URIs and the entities of a tracking store.

#![cfg_attr(test, allow(clippy::too_many_lines, reason = "many tests are tables"))]

mod artifact;
mod aws;
mod backend;
mod cli;
mod databricks;
mod entities;
mod env_vars;
mod environment;
mod events;
mod fetch;
mod http;
mod ini;
mod lint;
mod nearest;
mod process;
mod project;
mod project_uri;
mod python_paths;
mod quantity;
mod redact;
mod retrying;
mod runner;
mod scaffold;
mod temporary;
mod tracking;
mod yaml;

pub use backend::BackendConfig;
pub use entities::{ExperimentId, RunData, RunId, RunInfo, RunStatus, UnixMillis};
pub use environment::EnvManager;
pub use events::{Build, BuildDisplay, Event, Progress, Transfer, TransferUnit};
pub use process::{ProgramExit, Signals, TerminationSignal, own_all_children};
pub use runner::{ImageChoice, Launched, RunEnding, RunError, RunRequest, SubmittedRun, run, run_with};
pub use tracking::{ExperimentSelector, RunEnd};

/// Internals for the program and its tests. They change without notice.
#[doc(hidden)]
pub mod internals {
    pub use crate::cli::main;
    pub use crate::process::{dismiss_guard, guard_main};

    pub mod artifact {
        pub use crate::artifact::{DataContext, upload};
    }
    pub mod aws {
        pub use crate::aws::{AwsSettings, Credentials, Payload, Signing};
    }
    pub mod entities {
        pub use crate::entities::{
            ExperimentId, LifecycleStage, RunData, RunId, RunInfo, RunStatus, UnixMillis, tag,
        };
    }
    pub mod events {
        pub use crate::events::{Progress, Silent, Transfer};
    }
    pub mod fetch {
        pub use crate::fetch::{FetchError, FetchOptions, Source, WorkDir, fetch};
    }
    pub mod lint {
        pub use crate::lint::{Code, Severity, check};
    }
    pub mod process {
        pub use crate::process::{
            Ended, ProcessError, ProcessIdentity, ProgramCall, ProgramExit, Signals, own_all_children,
            processes_with_variable,
        };
    }
    pub mod project {
        pub use crate::project::{
            EnvironmentEntry, ParameterContext, Project, ProjectEnvironment, ProjectError, ProjectProblem,
            TemplateError, format_template,
        };
    }
    pub mod project_uri {
        pub use crate::project_uri::ProjectUri;
    }
    pub mod redact {
        pub use crate::redact::{Secret, without_credentials};
    }
    pub mod tracking {
        pub use crate::tracking::{
            ExperimentSelector, FileStore, FinishedRuns, NewRun, RestSettings, RestStore, RunEnd,
            TrackingError, TrackingStore, TrackingUri, open, server_access,
        };
    }
    pub mod yaml {
        pub use crate::yaml::{Node, Timestamp, Value, parse};
    }
}
