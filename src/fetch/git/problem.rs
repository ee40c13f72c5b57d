//! Why a Git repository could not be fetched.

use super::remote::Remote;
use super::{progress, words};
use crate::fetch::FetchError;
use crate::process::ProcessError;

/// Why a Git repository could not be fetched. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
pub enum GitProblem {
    /// It is known what is wrong.
    #[error("{message}")]
    Known {
        /// What is wrong.
        message: String,
        /// What the person can do about it.
        hint: Option<String>,
        /// Whether another way to fetch the same has no better prospects.
        is_final: bool,
    },
    /// The `git` program failed.
    #[error(transparent)]
    Program(ProcessError),
    /// The library for Git repositories failed.
    #[error("cannot {action}")]
    Library {
        /// What was tried.
        action: &'static str,
        /// The library's answer.
        #[source]
        source: git2::Error,
    },
    /// A submodule could not be fetched.
    #[error("cannot fetch the submodule '{path}'")]
    Submodule {
        /// Its path in the repository.
        path: String,
        /// Why not.
        #[source]
        problem: Box<GitProblem>,
    },
}

impl GitProblem {
    /// A problem of the repository itself.
    pub(super) fn known(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Known {
            message: message.into(),
            hint: Some(hint.into()),
            is_final: false,
        }
    }

    /// Something needs the `git` program, and there is none.
    pub(super) fn needs_program(need: &str) -> Self {
        let message = format!("{need} needs the program 'git', which was not found");
        Self::known(message, words::INSTALL_GIT)
    }

    /// What answers is not Git.
    pub(super) fn no_git_server(remote: &Remote) -> Self {
        let message = format!("the server is not a Git server: '{remote}' does not speak Git's protocol");
        Self::known(message, words::URL)
    }

    /// Whether another way to fetch the same has no better prospects.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Known { is_final: true, .. })
    }

    /// What the failure of the `git` program means, by its words.
    pub(super) fn of_program(mut error: ProcessError, remote: &Remote) -> Self {
        let ProcessError::Failed { last_lines, .. } = &mut error else {
            return Self::Program(error);
        };
        last_lines.retain(|line| !is_noise(line));
        let lines = last_lines.clone();
        words::problem(&lines, &error.to_string(), remote).unwrap_or(Self::Program(error))
    }

    /// For `map_err` on what the library answers.
    pub(super) fn library(action: &'static str) -> impl FnOnce(git2::Error) -> Self {
        move |source| Self::Library { action, source }
    }

    /// For `map_err` on what went wrong with a submodule.
    pub(super) fn in_submodule(path: &str) -> impl FnOnce(Self) -> Self {
        move |problem| Self::Submodule {
            path: path.escape_debug().to_string(),
            problem: Box::new(problem),
        }
    }

    /// The error of the whole fetch; `uri` has no credentials.
    pub(super) fn into_fetch_error(self, uri: String) -> FetchError {
        let problem = Box::new(self);
        FetchError::Git { uri, problem }
    }

    /// What the person can do about it.
    pub(in crate::fetch) fn hint(&self) -> Option<String> {
        match self {
            Self::Known { hint, .. } => hint.clone(),
            Self::Program(error) => error.hint(),
            Self::Library { .. } => None,
            Self::Submodule { problem, .. } => problem.hint(),
        }
    }
}

/// Lines of `git` that tell nothing about a failure.
fn is_noise(line: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "Cloning into '",
        "From ",
        " * ",
        "remote: Total ",
        "Please make sure you have the correct access rights",
        "and the repository exists.",
        "warning: redirecting to ",
    ];
    line.trim().is_empty()
        || progress::parse(line).is_some()
        || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}
