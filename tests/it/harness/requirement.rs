//! Outside things that some tests need, and what happens where they are missing.

use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Something outside the repository that a test needs; an environment variable says where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Requirement {
    /// A Python virtual environment with the newest MLflow 3 that the tests know.
    Mlflow3,
    /// A Python virtual environment with an MLflow 2.
    Mlflow2,
    /// A Python virtual environment with MLflow 3.18, besides which it has what [`Requirement::Data`] has.
    Mlflow318,
    /// A Python virtual environment with uv.
    Uv,
    /// A Python virtual environment with Databricks' own clients.
    Databricks,
    /// A Python virtual environment with MLflow, the clients of all data stores, and servers of some.
    Data,
    /// A directory with Azurite, as npm installs it.
    Azurite,
    /// A Python virtual environment with an MLflow 3 and the client of Kubernetes.
    Kubernetes,
    /// A conda with a channel of its own, as `tests/conda/make_conda.sh` makes it.
    Conda,
}

impl Requirement {
    /// The variable that holds the path.
    fn variable(self) -> &'static str {
        match self {
            Self::Mlflow3 => "MLRUN_TEST_MLFLOW_VENV",
            Self::Mlflow2 => "MLRUN_TEST_MLFLOW2_VENV",
            Self::Mlflow318 => "MLRUN_TEST_MLFLOW318_VENV",
            Self::Uv => "MLRUN_TEST_UV_VENV",
            Self::Databricks => "MLRUN_TEST_DATABRICKS_VENV",
            Self::Data => "MLRUN_TEST_DATA_VENV",
            Self::Azurite => "MLRUN_TEST_AZURITE",
            Self::Kubernetes => "MLRUN_TEST_KUBERNETES_VENV",
            Self::Conda => "MLRUN_TEST_CONDA_HOME",
        }
    }

    /// What it is, for a person.
    fn what(self) -> &'static str {
        match self {
            Self::Mlflow3 => "a virtual environment with MLflow 3",
            Self::Mlflow2 => "a virtual environment with MLflow 2",
            Self::Mlflow318 => "a virtual environment with MLflow 3.18",
            Self::Uv => "a virtual environment with uv",
            Self::Databricks => "a virtual environment with databricks-sdk and databricks-cli",
            Self::Data => "a virtual environment with moto and others",
            Self::Azurite => "a directory with azurite",
            Self::Kubernetes => "a virtual environment with MLflow 3, kubernetes and docker",
            Self::Conda => "a conda made by tests/conda/make_conda.sh",
        }
    }

    /// What must exist below the path.
    fn mark(self) -> &'static str {
        match self {
            Self::Mlflow3 | Self::Mlflow2 | Self::Mlflow318 | Self::Kubernetes => "bin/mlflow",
            Self::Uv => "bin/uv",
            Self::Databricks => "bin/databricks",
            Self::Data => "bin/moto_server",
            Self::Azurite => "node_modules/azurite/package.json",
            Self::Conda => "bin/conda",
        }
    }

    fn find(self) -> Result<PathBuf, String> {
        let Some(path) = std::env::var_os(self.variable()).filter(|path| !path.is_empty()) else {
            return Err(format!("{} (set {})", self.what(), self.variable()));
        };
        let path = PathBuf::from(path);
        if Path::new(&path).join(self.mark()).exists() {
            Ok(path)
        } else {
            Err(format!(
                "{} ({}={} holds no {})",
                self.what(),
                self.variable(),
                path.display(),
                self.mark()
            ))
        }
    }
}

/// Finds what a test needs. Where it is missing, says so on standard error and returns nothing, and
/// the test returns; under `MLRUN_TEST_REQUIRE_ALL=1` a missing thing fails the test instead.
///
/// # Panics
/// When the thing is missing and everything is required.
pub(crate) fn require(requirement: Requirement) -> Option<PathBuf> {
    found_or_skipped(requirement.find())
}

/// The virtual environment of the newest MLflow 3, which most tests beside the reference need.
pub(crate) fn mlflow3() -> Option<PathBuf> {
    require(Requirement::Mlflow3)
}

/// Finds a program of the machine, also where only administrators have it on their `PATH`.
///
/// # Panics
/// As [`require`].
pub(crate) fn require_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/lib/git-core".into()]);
    let program = directories.find_map(|directory| {
        let program = directory.join(name);
        program.is_file().then_some(program)
    });
    found_or_skipped(program.ok_or_else(|| format!("the program '{name}'")))
}

/// Finds docker, with a daemon that answers.
///
/// # Panics
/// As [`require`].
pub(crate) fn require_docker() -> Option<PathBuf> {
    let program = require_program("docker")?;
    let answer = std::process::Command::new(&program).arg("info").output();
    let is_there = answer.is_ok_and(|output| output.status.success());
    found_or_skipped(if is_there {
        Ok(program)
    } else {
        Err("a Docker daemon that answers".to_owned())
    })
}

fn found_or_skipped(found: Result<PathBuf, String>) -> Option<PathBuf> {
    match found {
        Ok(path) => Some(path),
        Err(what) => {
            missing(&what);
            None
        }
    }
}

/// Says on standard error that a test is skipped because something is missing.
///
/// # Panics
/// When everything is required.
pub(crate) fn missing(what: &str) {
    assert!(
        std::env::var_os("MLRUN_TEST_REQUIRE_ALL").is_none_or(|value| value != "1"),
        "missing: {what}"
    );
    // Not by `eprintln!`, which the test runner keeps to itself where a test passes.
    let _ = writeln!(std::io::stderr(), "skipped: {what}");
}
