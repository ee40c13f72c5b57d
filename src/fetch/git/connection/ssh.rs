//! SSH, through the `ssh` program: it brings the user's keys, agent, configuration and known hosts.

use std::path::Path;

use git2::Config;

use super::super::problem::GitProblem;
use super::super::task::Task;
use super::address::SshAddress;
use crate::env_vars;
use crate::process::{Conversation, ProgramCall};

/// What only a shell understands.
const FOR_A_SHELL: &[char] = &[
    '|', '&', ';', '<', '>', '(', ')', '$', '`', '\\', '"', '\'', '\n', '*', '?', '[', '#', '~', '=', '%',
];

/// A connection that the `ssh` program holds.
pub(in crate::fetch::git) struct SshConnection {
    conversation: Option<Conversation>,
}

impl SshConnection {
    pub(super) fn open(address: &SshAddress, config: &Config, task: &Task<'_>) -> Result<Self, GitProblem> {
        let call = ssh_call(config, address);
        let conversation = task.wait(async { call.converse() })??;
        Ok(Self {
            conversation: Some(conversation),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8], task: &Task<'_>) -> Result<(), GitProblem> {
        match &mut self.conversation {
            Some(conversation) => task.wait(conversation.write(bytes)),
            None => Ok(()),
        }
    }

    /// At the end of what the program writes, its failure is the error: a login that is refused is
    /// an end too.
    pub(super) fn read(&mut self, task: &Task<'_>) -> Result<Vec<u8>, GitProblem> {
        let Some(conversation) = &mut self.conversation else {
            return Ok(Vec::new());
        };
        let piece = task.wait(conversation.read())??;
        if piece.is_empty()
            && let Some(conversation) = self.conversation.take()
        {
            task.wait(conversation.finish())??;
        }
        Ok(piece)
    }
}

/// The call that has the server's side of Git run on the other host, as Git itself makes it.
fn ssh_call(config: &Config, address: &SshAddress) -> ProgramCall {
    let command = env_vars::non_empty(env_vars::GIT_SSH_COMMAND).or_else(|| {
        config
            .get_string("core.sshCommand")
            .ok()
            .filter(|command| !command.is_empty())
    });
    let program = env_vars::non_empty(env_vars::GIT_SSH);
    let first_word = command
        .as_deref()
        .map(|command| command.split_whitespace().next().unwrap_or_default());
    let name = first_word.or(program.as_deref()).unwrap_or("ssh");
    let mut arguments = Vec::new();
    let variant = Variant::of(name, config);
    if variant == Variant::OpenSsh {
        // No password and no passphrase is ever asked for.
        arguments.extend(["-o".to_owned(), "BatchMode=yes".to_owned()]);
    }
    if let (Some(port), Some(option)) = (address.port, variant.port_option()) {
        arguments.extend([option.to_owned(), port.to_string()]);
    }
    arguments.push(address.destination.clone());
    arguments.push(format!("git-upload-pack {}", quoted(&address.path)));
    let call = match (&command, program) {
        // As Git does it, a shell is only asked where the command needs one.
        (Some(command), _) if !command.contains(FOR_A_SHELL) => {
            let mut words = command.split_whitespace();
            ProgramCall::new(words.next().unwrap_or("ssh")).arguments(words)
        }
        (Some(command), _) => {
            ProgramCall::new("sh").arguments(["-c".to_owned(), format!("{command} \"$@\""), command.clone()])
        }
        (None, Some(program)) => ProgramCall::new(program),
        (None, None) => ProgramCall::new("ssh"),
    };
    call.arguments(arguments)
}

/// The kinds of `ssh` programs, whose options differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variant {
    OpenSsh,
    Putty,
    Simple,
}

impl Variant {
    fn of(program: &str, config: &Config) -> Self {
        let told =
            env_vars::non_empty(env_vars::GIT_SSH_VARIANT).or_else(|| config.get_string("ssh.variant").ok());
        let name = match told.as_deref() {
            None | Some("auto") => Path::new(program)
                .file_stem()
                .map(|stem| stem.to_string_lossy().to_lowercase())
                .unwrap_or_default(),
            Some(told) => told.to_owned(),
        };
        match name.as_str() {
            "plink" | "putty" | "tortoiseplink" => Self::Putty,
            "simple" => Self::Simple,
            _ => Self::OpenSsh,
        }
    }

    fn port_option(self) -> Option<&'static str> {
        match self {
            Self::OpenSsh => Some("-p"),
            Self::Putty => Some("-P"),
            Self::Simple => None,
        }
    }
}

/// The path for the shell on the other side.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}
