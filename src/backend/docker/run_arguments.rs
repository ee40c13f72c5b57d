//! The arguments and variables of `docker run`, with the entry point's command as the container gets it.

use std::collections::HashMap;

use super::mounts::ContainerAccess;
use crate::backend::LaunchPlan;
use crate::env_vars::MLFLOW_TRACKING_URI;
use crate::environment::{Container, mount_arguments, must_be_hidden};

/// Words that only a shell understands, not a program.
const SHELL_WORDS: [&str; 27] = [
    "!", ".", ":", "[[", "break", "case", "cd", "command", "continue", "eval", "exec", "exit", "export",
    "for", "function", "if", "read", "return", "set", "shift", "source", "trap", "ulimit", "umask", "unset",
    "until", "while",
];

/// A `docker run` to execute, without its temporary files.
pub(super) struct RunCall {
    pub(super) name: String,
    /// The arguments before the mounts: those of `-A`.
    own_arguments: Vec<String>,
    mounts: Vec<String>,
    /// Variables that the engine's program reads from its own environment.
    pub(super) passed: Vec<(String, String)>,
    /// Variables that would change the engine's own behaviour; they go into a file instead.
    pub(super) filed: Vec<(String, String)>,
    image: String,
    command: Vec<String>,
}

impl RunCall {
    pub(super) fn new(plan: &LaunchPlan, container: &Container) -> Self {
        let tracking_uri = plan.variable(MLFLOW_TRACKING_URI).unwrap_or_default();
        let mut access = ContainerAccess::default();
        access.add_store(plan.local_store.as_ref(), tracking_uri);
        access.add_workspace(plan.workspace.as_ref());
        access.add_artifacts(&plan.run.artifact_uri);
        access.add_data(plan.data_directory.as_deref());
        let settings = &container.settings;
        // The last setting of a name counts, as if all were arguments in this order.
        let mut variables: Vec<(String, String)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        let all = settings.argument_variables.iter().chain(&plan.variables);
        for (name, value) in all.chain(&access.variables).chain(&settings.variables) {
            let place = *places.entry(name).or_insert(variables.len());
            match variables.get_mut(place) {
                Some((_, earlier)) => earlier.clone_from(value),
                None => variables.push((name.clone(), value.clone())),
            }
        }
        let (filed, passed) = variables
            .into_iter()
            .partition(|(name, value)| must_be_hidden(name, value));
        let mut mounts: Vec<String> = Vec::new();
        for (here, inside) in &access.mounts {
            mounts.extend(mount_arguments(here, inside));
        }
        for volume in &settings.volumes {
            mounts.extend(["-v".to_owned(), volume.clone()]);
        }
        for mount in &settings.mounts {
            mounts.extend(["--mount".to_owned(), mount.clone()]);
        }
        Self {
            name: format!("mlrun-{}", plan.run.run_id),
            own_arguments: settings.arguments.clone(),
            mounts,
            passed,
            filed,
            // By the id: another run may give the name to an image of its own meanwhile.
            image: container.image.id.clone(),
            command: command_words(&plan.command),
        }
    }

    /// The arguments. `files` come before those of `-A`, which override them.
    pub(super) fn arguments(&self, files: &[String]) -> Vec<String> {
        let mut arguments = ["run", "--rm", "--name", &self.name].map(str::to_owned).to_vec();
        arguments.extend_from_slice(files);
        arguments.extend_from_slice(&self.own_arguments);
        arguments.extend_from_slice(&self.mounts);
        for (name, _) in &self.passed {
            arguments.extend(["-e".to_owned(), name.clone()]);
        }
        arguments.push(self.image.clone());
        arguments.extend_from_slice(&self.command);
        arguments
    }

    /// The value that `-A` gives an option, by its long name.
    pub(super) fn own_value(&self, option: &str) -> Option<&str> {
        let dashed = format!("--{option}");
        let mut values = self
            .own_arguments
            .iter()
            .enumerate()
            .filter_map(|(at, argument)| match argument.strip_prefix(&dashed)? {
                "" => self.own_arguments.get(at + 1).map(String::as_str),
                rest => rest.strip_prefix('='),
            });
        values.next_back()
    }
}

/// The command's words if it needs no shell, else `sh -c` with the whole command. The shell of this machine
/// never reads it.
pub(in crate::backend) fn command_words(command: &str) -> Vec<String> {
    plain_words(command).unwrap_or_else(|| ["sh", "-c", command].map(str::to_owned).into())
}

fn plain_words(command: &str) -> Option<Vec<String>> {
    if needs_shell(command.trim_end()) {
        return None;
    }
    let words = shlex::split(command.trim_end())?;
    let first = words.first()?;
    let is_assignment = first.contains('=');
    (!is_assignment && !SHELL_WORDS.contains(&first.as_str())).then_some(words)
}

/// Whether the command has a character that a shell interprets: outside quotes, or even inside double quotes.
fn needs_shell(command: &str) -> bool {
    let mut quote = None;
    let mut characters = command.chars();
    let mut is_word_start = true;
    while let Some(character) = characters.next() {
        let begins_word = std::mem::replace(&mut is_word_start, false);
        match (quote, character) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '$' | '`') => return true,
            (_, '\\') => {
                // A line continuation is left to the shell.
                if characters.next().is_none_or(|escaped| escaped == '\n') {
                    return true;
                }
            }
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '[' | '{' | '\n') => return true,
            (None, '#' | '~') if begins_word => return true,
            (None, ' ' | '\t') => is_word_start = true,
            (None, _) => {}
        }
    }
    quote.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_need_no_shell() {
        for (command, expected) in [
            ("python train.py", &["python", "train.py"][..]),
            (
                "python train.py --alpha 0.5 'two words'",
                &["python", "train.py", "--alpha", "0.5", "two words"],
            ),
            ("echo 'a;$b' \"c d\" e\\ f", &["echo", "a;$b", "c d", "e f"]),
            ("echo 'it'\"'\"'s'", &["echo", "it's"]),
            ("echo '' a=b x#y a~\n", &["echo", "", "a=b", "x#y", "a~"]),
        ] {
            assert_eq!(command_words(command), expected, "{command}");
        }
    }

    #[test]
    fn all_else_is_read_by_the_shell_in_the_container() {
        for command in [
            "a && b",
            "a | b",
            "a; b",
            "a > b",
            "echo $HOME",
            "echo \"$HOME\"",
            "echo `id`",
            "echo *.py",
            "ls ~",
            "echo # x",
            "a\nb",
            "a \\\n b",
            "X=1 a",
            "cd x",
            "if true",
            "echo {a,b}",
            "echo 'open",
            "",
        ] {
            assert_eq!(command_words(command), ["sh", "-c", command], "{command}");
        }
    }
}
