//! The `git` program, where it fetches instead of mlrun and where it knows what mlrun does not:
//! credentials, and Git LFS.

use git2::{Config, Oid};

use super::origin::Depth;
use super::problem::GitProblem;
use super::references::References;
use super::task::Task;
use crate::env_vars;
use crate::process::ProgramCall;

/// The name of the remote that exists for one call of `git` alone.
const REMOTE: &str = "mlrun";

/// Variables that would have `git` work on another repository than the one it is started in.
const OF_A_REPOSITORY: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// A call of `git` that asks nobody anything and speaks English.
pub(super) fn git() -> ProgramCall {
    let call = ProgramCall::new("git")
        .variable(env_vars::GIT_TERMINAL_PROMPT, "0")
        .variable("GCM_INTERACTIVE", "never")
        .variable("LC_ALL", "C")
        .without_variable(env_vars::SSH_ASKPASS);
    OF_A_REPOSITORY
        .iter()
        .fold(call, |call, variable| call.without_variable(*variable))
}

/// Adds settings to those that variables hold already. Arguments could be seen by anyone on this
/// machine; variables cannot.
pub(super) fn with_settings(mut call: ProgramCall, settings: &[(String, String)]) -> ProgramCall {
    let known = env_vars::non_empty(env_vars::GIT_CONFIG_COUNT);
    let mut count: usize = known.and_then(|count| count.parse().ok()).unwrap_or(0);
    for (key, value) in settings {
        call = call
            .variable(format!("GIT_CONFIG_KEY_{count}"), key)
            .variable(format!("GIT_CONFIG_VALUE_{count}"), value);
        count += 1;
    }
    call.variable(env_vars::GIT_CONFIG_COUNT, count.to_string())
}

/// A repository that the `git` program fetches from.
pub(super) struct ProgramOrigin {
    settings: [(String, String); 1],
}

impl ProgramOrigin {
    /// The repository behind a URL, which may hold credentials.
    pub(super) fn new(url: &str) -> Self {
        Self {
            settings: [(format!("remote.{REMOTE}.url"), url.to_owned())],
        }
    }

    pub(super) fn references(&self, task: &Task<'_>) -> Result<References, GitProblem> {
        let call = self
            .call()
            .arguments(["ls-remote", "--symref", "--quiet", REMOTE]);
        let listing = task.wait(call.capture())??;
        References::from_listing(&listing.text())
    }

    pub(super) fn fetch(
        &self,
        repository: &git2::Repository,
        wants: &[Oid],
        depth: Depth,
        task: &Task<'_>,
    ) -> Result<(), GitProblem> {
        let mut call = self.call().directory(repository.path()).arguments([
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
        ]);
        if depth == Depth::One {
            call = call.argument("--depth=1");
        }
        call = call
            .argument(REMOTE)
            .arguments(wants.iter().map(ToString::to_string));
        task.wait(call.capture())??;
        Ok(())
    }

    fn call(&self) -> ProgramCall {
        let call = with_settings(git(), &self.settings);
        // An SSH command that someone chose is left as it is.
        let is_chosen = [env_vars::GIT_SSH_COMMAND, env_vars::GIT_SSH]
            .into_iter()
            .any(|variable| env_vars::non_empty(variable).is_some());
        let is_configured =
            || Config::open_default().is_ok_and(|config| config.get_string("core.sshCommand").is_ok());
        if is_chosen || is_configured() {
            call
        } else {
            call.variable(env_vars::GIT_SSH_COMMAND, "ssh -o BatchMode=yes")
        }
    }
}
