//! A program to run: its file, arguments, variables and directory.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::io::Errno;
use rustix::process::Pid;

use super::error::ProcessError;
use super::group::ProcessGroup;
use super::lines::without_secrets;
use super::tee::{Copies, Tee};
use super::{children, inherited};

/// Where programs are looked for when PATH is not set, as the C library does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";
/// How many characters of an argument an error shows.
const SHOWN_ARGUMENT: usize = 200;

/// A program with its arguments, changes to its environment variables and its directory.
///
/// The program inherits all variables of this one but for the changes. It runs in a process group
/// of its own.
#[derive(Debug, Clone)]
pub struct ProgramCall {
    program: OsString,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, Option<OsString>)>,
    directory: Option<PathBuf>,
}

impl ProgramCall {
    /// A call of `program`, which is looked for on the PATH that the program itself will have
    /// unless it holds a slash.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            directory: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable. The last setting of a name counts.
    #[must_use]
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), Some(value.into())));
        self
    }

    /// Sets environment variables in their order.
    #[must_use]
    pub fn variables<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        let variables = variables.into_iter();
        self.variables
            .extend(variables.map(|(name, value)| (name.into(), Some(value.into()))));
        self
    }

    /// Takes an inherited environment variable away.
    #[must_use]
    pub fn without_variable(mut self, name: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), None));
        self
    }

    /// Sets the directory that the program runs in.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Starts the program with this program's standard streams and without waiting for it.
    ///
    /// On Linux, orphans of the program's tree then become children of this process if it
    /// [owns all its children](super::own_all_children), so that [`ProcessGroup::wait`] can end them too. Install
    /// [`Signals`](super::Signals) before.
    ///
    /// # Errors
    /// The program or the directory is missing, the arguments are too long, or the system refuses.
    pub fn spawn_group(&self) -> Result<ProcessGroup, ProcessError> {
        let strangers = children::adopt_orphans();
        let child = self.spawn(Stdio::inherit(), Stdio::inherit)?;
        Ok(ProcessGroup::new(Pid::from_child(&child), strangers))
    }

    /// As [`spawn_group`](Self::spawn_group), but what the program writes goes into files too. Its standard
    /// output and standard error are pipes then, and no terminal.
    ///
    /// # Errors
    /// As of [`spawn_group`](Self::spawn_group).
    pub fn spawn_group_teed(&self, tee: Tee) -> Result<(ProcessGroup, Copies), ProcessError> {
        let strangers = children::adopt_orphans();
        let mut child = self.spawn(Stdio::inherit(), Stdio::piped)?;
        let group = ProcessGroup::new(Pid::from_child(&child), strangers);
        let copies = Copies::begin(&mut child, tee).map_err(|source| self.explain(source, None))?;
        Ok((group, copies))
    }

    /// The program and its arguments for a person: quoted as for a shell, without the credentials
    /// of URLs, long arguments cut.
    pub fn command_line(&self) -> String {
        self.shown(SHOWN_ARGUMENT)
    }

    /// As [`command_line`](Self::command_line), with every argument whole.
    pub fn whole_command_line(&self) -> String {
        self.shown(usize::MAX)
    }

    /// The command line with that many characters of each argument.
    fn shown(&self, length: usize) -> String {
        let words = std::iter::once(&self.program).chain(&self.arguments);
        words
            .map(|word| quoted(word, length))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Starts the program in a new process group. `output` makes what it writes to.
    pub(super) fn spawn(&self, stdin: Stdio, output: fn() -> Stdio) -> Result<Child, ProcessError> {
        let directory = self.directory.as_deref();
        let Some(file) = find_program(&self.program, self.path().as_deref(), directory) else {
            return Err(self.explain(io::ErrorKind::NotFound.into(), None));
        };
        // A file with its directory also keeps the standard library on its fast way to spawn,
        // which it leaves when it has to search a changed PATH.
        let mut command = Command::new(&file);
        // Programs show the name that they were called by in their messages.
        command.arg0(&self.program).args(&self.arguments).process_group(0);
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(directory) = directory {
            command.current_dir(directory);
        }
        command.stdin(stdin).stdout(output()).stderr(output());
        if children::owns_all() {
            inherited::keep_inherited_files();
        }
        children::spawn(&mut command).map_err(|source| self.explain(source, Some(&file)))
    }

    /// The PATH that the program will have.
    fn path(&self) -> Option<OsString> {
        match self.variables.iter().rev().find(|(name, _)| name == "PATH") {
            Some((_, value)) => value.clone(),
            None => env::var_os("PATH"),
        }
    }

    /// Finds out what went wrong, which the system's error alone does not say.
    fn explain(&self, source: io::Error, file: Option<&Path>) -> ProcessError {
        let program = self.program.to_string_lossy().into_owned();
        if let Some(directory) = self.directory.as_deref().filter(|directory| !directory.is_dir()) {
            return ProcessError::NoDirectory {
                program,
                directory: directory.to_owned(),
            };
        }
        if source.raw_os_error() == Some(Errno::TOOBIG.raw_os_error()) {
            let lengths = self.arguments.iter().map(|argument| argument.len());
            return ProcessError::TooLong {
                program,
                argument_bytes: lengths.clone().sum(),
                longest_bytes: lengths.max().unwrap_or_default(),
            };
        }
        // A script whose interpreter is missing is "not found" too.
        if source.kind() == io::ErrorKind::NotFound && !file.is_some_and(Path::exists) {
            return ProcessError::Missing { program };
        }
        ProcessError::Start {
            command_line: self.command_line(),
            source,
        }
    }
}

/// An argument as a person would type it in a shell.
fn quoted(argument: &OsStr, length: usize) -> String {
    let text = without_secrets(&argument.to_string_lossy());
    let text = match text.char_indices().nth(length) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_@%+=:,./-".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The file that `program` names: itself when it holds a slash, else the first executable file of
/// that name in the directories of `path`. Relative directories count from `directory`, in which
/// the program will run.
fn find_program(program: &OsStr, path: Option<&OsStr>, directory: Option<&Path>) -> Option<PathBuf> {
    if program.as_encoded_bytes().contains(&b'/') {
        return Some(PathBuf::from(program));
    }
    env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH)))
        .map(|entry| {
            let file = entry.join(program);
            match directory {
                Some(directory) => directory.join(file),
                None if file.is_absolute() => file,
                None => Path::new(".").join(file),
            }
        })
        .find(|file| is_executable(file))
}

/// The first program of this name on PATH; absolute.
pub(crate) fn program_on_path(name: &str) -> Option<PathBuf> {
    programs_on_path(name).into_iter().next()
}

/// All programs of this name on PATH, in its order; absolute.
pub(crate) fn programs_on_path(name: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into());
    env::split_paths(&path)
        .filter_map(|entry| std::path::absolute(entry.join(name)).ok())
        .filter(|file| is_executable(file))
        .collect()
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_command_line_can_be_shown_to_anyone() {
        for (arguments, expected) in [
            (&["fetch", "--depth=1"][..], "git fetch --depth=1".to_owned()),
            (&["it's", "", "a b"], r"git 'it'\''s' '' 'a b'".to_owned()),
            (
                &["clone", "https://user:token@host/x"],
                "git clone https://host/x".to_owned(),
            ),
            (
                &["--index-url=https://user:token@host/x"],
                "git --index-url=https://host/x".to_owned(),
            ),
            (
                &["-c", "curl https://user:token@host/x | sh -s a@b"],
                "git -c 'curl https://host/x | sh -s a@b'".to_owned(),
            ),
            (&["é".repeat(201).as_str()], format!("git '{}…'", "é".repeat(200))),
        ] {
            let call = ProgramCall::new("git").arguments(arguments.iter().copied());
            assert_eq!(call.command_line(), expected);
        }
    }

    #[test]
    fn what_cannot_be_started_is_told_apart() {
        let long = "x".repeat(3_000_000);
        for (call, expected) in [
            (
                ProgramCall::new("no-such-program"),
                "the program 'no-such-program' was not found",
            ),
            (
                ProgramCall::new("sh").variable("PATH", "/nowhere"),
                "the program 'sh' was not found",
            ),
            (
                ProgramCall::new("/no/such/program"),
                "the program '/no/such/program' was not found",
            ),
            (
                ProgramCall::new("sh").directory("/no/such/directory"),
                "cannot run 'sh' in '/no/such/directory': no such directory",
            ),
            (
                ProgramCall::new("sh").argument("-c").argument(&long),
                "cannot run 'sh': its arguments (3000002 bytes, the longest 3000000) and environment variables \
                 exceed what the system can pass to a program",
            ),
            (ProgramCall::new("/etc/passwd"), "cannot start `/etc/passwd`"),
            (
                ProgramCall::new("sh").argument("a\0b"),
                "cannot start `sh 'a\0b'`",
            ),
        ] {
            let error = call.spawn(Stdio::null(), Stdio::piped).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn programs_are_found_as_the_system_finds_them() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for (name, mode) in [("a/tool", 0o644), ("b/tool", 0o755), ("c/tool", 0o755)] {
            let file = root.join(name);
            fs::create_dir(file.parent().unwrap()).unwrap();
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir_all(root.join("d/tool")).unwrap();
        let path = |entries: &[&str]| env::join_paths(entries.iter().map(|entry| root.join(entry))).unwrap();
        for (program, path, expected) in [
            ("tool", path(&["a", "d", "b", "c"]), Some(root.join("b/tool"))),
            ("tool", path(&["c", "b"]), Some(root.join("c/tool"))),
            ("tool", path(&["a", "d"]), None),
            ("tool", "b".into(), Some(root.join("b/tool"))),
            ("./tool", path(&["b"]), Some(PathBuf::from("./tool"))),
        ] {
            assert_eq!(
                find_program(OsStr::new(program), Some(&path), Some(root)),
                expected,
                "{program} {path:?}"
            );
        }
        assert!(find_program(OsStr::new("sh"), None, None).is_some());
    }
}
