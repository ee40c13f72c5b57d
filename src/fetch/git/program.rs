//! Runs the `git` program: without prompts, with English messages, only on our repository, and with credentials in
//! environment variables, because everyone on this machine can see arguments.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;

use super::progress::ProgressDisplay;
use super::remote::Remote;
use super::words;
use crate::env_vars;
use crate::events::Progress;
use crate::fetch::FetchError;
use crate::process::{ProgramCall, program_on_path};

/// Variables that would make `git` use another repository, or behave in another way.
const MISLEADING: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DEFAULT_HASH",
    "GIT_DEFAULT_REF_FORMAT",
    "GIT_DIR",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
    // Prompts in a window.
    env_vars::SSH_ASKPASS,
];

/// Settings of every call: none of the user's hooks and helpers for lasting repositories, and no background work.
const SETTINGS: &[(&str, &str)] = &[
    ("advice.detachedHead", "false"),
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("gc.auto", "0"),
    ("init.defaultObjectFormat", "sha1"),
    ("maintenance.auto", "false"),
    ("protocol.ext.allow", "never"),
    ("submodule.recurse", "false"),
];

/// More processes do not make a disk faster.
const MOST_WORKERS: usize = 4;

/// The variables that hold a URL's credentials for [`CREDENTIAL_HELPER`].
const USER: &str = "MLRUN_GIT_USER";
const PASSWORD: &str = "MLRUN_GIT_PASSWORD";

/// A credential helper that reads these variables.
const CREDENTIAL_HELPER: &str = r#"!f() { test "$1" != get || printf 'username=%s\npassword=%s\n' "$MLRUN_GIT_USER" "$MLRUN_GIT_PASSWORD"; }; f"#;

pub(super) fn is_installed() -> bool {
    program_on_path("git").is_some()
}

/// The `git` program in a directory, for one remote repository.
#[derive(Clone)]
pub(super) struct Git<'a> {
    /// The repository that messages name.
    pub(super) remote: Remote,
    pub(super) directory: PathBuf,
    settings: Vec<(String, String)>,
    pub(super) variables: Vec<(&'static str, String)>,
    pub(super) progress: &'a dyn Progress,
}

impl<'a> Git<'a> {
    /// Runs in an existing directory, with the settings that the remote repository needs.
    pub(super) async fn new(remote: &Remote, directory: &Path, progress: &'a dyn Progress) -> Self {
        let mut git = Self {
            remote: remote.clone(),
            directory: directory.to_owned(),
            settings: Vec::new(),
            variables: Vec::new(),
            progress,
        }
        .with(SETTINGS);
        if let Some(credentials) = &remote.credentials {
            let key = |name: &str| format!("credential.{}.{name}", credentials.site);
            let user = credentials.user.expose().to_owned();
            if let Some(password) = &credentials.password {
                // The empty value removes the user's helpers.
                git.settings.push((key("helper"), String::new()));
                git.settings.push((key("helper"), CREDENTIAL_HELPER.to_owned()));
                git.variables.push((PASSWORD, password.expose().to_owned()));
                git.variables.push((USER, user));
            } else {
                git.settings.push((key("username"), user));
            }
        }
        let known = [
            "config",
            "--get-regexp",
            r"^(core\.sshcommand|checkout\.workers)$",
        ];
        let known = git.run(known).await.unwrap_or_default();
        let configured = |key: &str| {
            let mut lines = known.lines().rev();
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
        };
        if let Some(command) = ssh_command(configured("core.sshcommand")) {
            git.variables.push((env_vars::GIT_SSH_COMMAND, command));
        }
        if configured("checkout.workers").is_none() {
            let most = thread::available_parallelism().map_or(1, usize::from);
            let workers = most.min(MOST_WORKERS).to_string();
            git.settings.push(("checkout.workers".to_owned(), workers));
        }
        if let Some(bundle) = git.certificates().await {
            git.variables.push((env_vars::GIT_SSL_CAINFO, bundle));
        }
        git
    }

    /// A copy with more settings.
    pub(super) fn with(&self, settings: &[(&str, &str)]) -> Self {
        let mut git = self.clone();
        let owned = settings
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        git.settings.extend(owned);
        git
    }

    /// Runs a command and gives its output. Dropping the future kills all its processes.
    pub(super) async fn run<A: Into<OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String, FetchError> {
        let call = self.call().arguments(arguments).directory(&self.directory);
        self.finish(match self.directory.parent() {
            // The temporary directory may be inside a repository.
            Some(parent) => call.variable("GIT_CEILING_DIRECTORIES", parent),
            None => call,
        })
        .await
    }

    /// Like [`run`](Self::run), for a command that connects to a server. It runs in our current directory, because
    /// paths in the user's variables may be relative to it.
    pub(super) async fn talk<A: Into<OsString>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String, FetchError> {
        let repository = self.directory.join(".git");
        let call = self.call().arguments(arguments);
        self.finish(call.variable("GIT_DIR", repository)).await
    }

    async fn finish(&self, call: ProgramCall) -> Result<String, FetchError> {
        let mut display = ProgressDisplay::default();
        let progress = self.progress;
        let mut watch = |piece: &[u8]| display.feed(piece, &mut |transfer| progress.transfer(transfer));
        match call.capture_watched(&mut watch).await {
            Ok(captured) => Ok(captured.text().trim_end().to_owned()),
            Err(error) => Err(words::of_program(error, &self.remote)),
        }
    }

    fn call(&self) -> ProgramCall {
        let mut call = ProgramCall::new("git")
            .variable(env_vars::GIT_TERMINAL_PROMPT, "0")
            .variable("GCM_INTERACTIVE", "never")
            .variable("LC_ALL", "C");
        for variable in MISLEADING {
            call = call.without_variable(*variable);
        }
        // After the settings in the user's variables.
        let known = env_vars::non_empty(env_vars::GIT_CONFIG_COUNT);
        let known: usize = known.and_then(|count| count.parse().ok()).unwrap_or(0);
        for (index, (key, value)) in self.settings.iter().enumerate() {
            call = call
                .variable(format!("GIT_CONFIG_KEY_{}", known + index), key)
                .variable(format!("GIT_CONFIG_VALUE_{}", known + index), value);
        }
        let count = known + self.settings.len();
        call.variable(env_vars::GIT_CONFIG_COUNT, count.to_string())
            .variables(self.variables.iter().map(|(name, value)| (*name, value)))
    }

    /// The certificates of OpenSSL's variable, which `git` reads only if it is built with OpenSSL.
    async fn certificates(&self) -> Option<String> {
        let file = env_vars::non_empty(env_vars::SSL_CERT_FILE)?;
        let url = &*self.remote.url();
        let is_needed = url.starts_with("https://")
            && env_vars::non_empty(env_vars::GIT_SSL_CAINFO).is_none()
            && self
                .run(["config", "--get-urlmatch", "http.sslCAInfo", url])
                .await
                .is_err();
        is_needed.then_some(file)
    }
}

/// The SSH command without prompts for a password or passphrase. `configured` is the user's setting.
fn ssh_command(configured: Option<&str>) -> Option<String> {
    let chosen = env_vars::non_empty(env_vars::GIT_SSH_COMMAND);
    let command = match (
        chosen.as_deref().or(configured),
        env_vars::non_empty(env_vars::GIT_SSH),
    ) {
        (Some(command), _) => command,
        (None, Some(_)) => return None,
        (None, None) => "ssh",
    };
    let program = command.split_whitespace().next().map(Path::new);
    let is_openssh = program
        .and_then(Path::file_name)
        .is_some_and(|name| name == "ssh")
        && env_vars::non_empty(env_vars::GIT_SSH_VARIANT)
            .is_none_or(|variant| matches!(variant.as_str(), "ssh" | "auto"));
    is_openssh.then(|| format!("{command} -o BatchMode=yes"))
}
