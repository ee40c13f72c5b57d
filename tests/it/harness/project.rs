//! A project in a sandbox, run by the binary under test.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::{Sandbox, StoreContents, StoredRun};

/// A project in the sandbox's `work/project`, and how it is run.
pub(crate) struct Project {
    sandbox: Sandbox,
    environment: Vec<(String, String)>,
    stdin: Option<String>,
}

impl Project {
    /// Makes an empty project directory.
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        std::fs::create_dir(sandbox.work().join("project")).unwrap();
        Self {
            sandbox,
            environment: Vec::new(),
            stdin: None,
        }
    }

    /// Writes the project's `MLproject`.
    pub(crate) fn mlproject(self, text: &str) -> Self {
        self.file("MLproject", text)
    }

    /// Writes an `MLproject` with one entry point, `main`, of this command.
    pub(crate) fn command(self, command: &str) -> Self {
        let command = serde_json::to_string(command).unwrap();
        self.mlproject(&format!("entry_points:\n  main:\n    command: {command}\n"))
    }

    /// Writes a file of the project.
    pub(crate) fn file(self, path: &str, contents: &str) -> Self {
        self.sandbox.write(format!("project/{path}"), contents);
        self
    }

    /// Writes a file of the project that can be executed.
    pub(crate) fn executable(self, path: &str, contents: &str) -> Self {
        self.sandbox.write_executable(format!("project/{path}"), contents);
        self
    }

    /// Sets a variable; `<sandbox>` in the value is replaced by the sandbox's path.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        let value = self.sandbox.expand(value);
        self.environment.push((name.to_owned(), value));
        self
    }

    /// Gives the program this text as its standard input; there is none otherwise.
    pub(crate) fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// All variables that the program gets.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.sandbox.environment();
        environment.extend(self.environment.iter().cloned());
        environment
    }

    /// The directory of this test, for set-up beyond the methods here.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Runs `mlrun run project --env-manager local` with these arguments after it.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> Finished<'_> {
        let mut all = vec!["run", "project", "--env-manager", "local"];
        all.extend(arguments);
        self.mlrun(&all)
    }

    /// `mlrun` with these arguments, for a test that starts it and signals it. What it writes is lost, unless
    /// the test says otherwise.
    pub(crate) fn started(&self, arguments: &[&str]) -> Command {
        let mut command = self.sandbox.interruptible_mlrun();
        command.args(arguments);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The default store in the work directory.
    pub(crate) fn store(&self) -> StoreContents {
        StoreContents::of_sqlite(&self.sandbox.work().join("mlflow.db"))
    }

    /// What `--run-info info.json` wrote.
    pub(crate) fn run_info(&self) -> Value {
        let text = std::fs::read_to_string(self.sandbox.work().join("info.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn call_line(&self, arguments: &[&str]) -> String {
        let variables = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = arguments.iter().map(|argument| quoted(argument));
        variables
            .chain(["mlrun".to_owned()])
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs `mlrun` with these arguments; `<sandbox>` in them is replaced.
    pub(crate) fn mlrun(&self, arguments: &[&str]) -> Finished<'_> {
        let mut command = self.sandbox.mlrun();
        command.args(arguments.iter().map(|argument| self.sandbox.expand(argument)));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if self.stdin.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        if let (Some(text), Some(mut stdin)) = (&self.stdin, child.stdin.take()) {
            // A program that does not read its input closes the pipe, which is no failure.
            let _ = stdin.write_all(text.as_bytes());
        }
        Finished {
            output: child.wait_with_output().unwrap(),
            sandbox: &self.sandbox,
            call: self.call_line(arguments),
        }
    }
}

/// A word as one types it in a shell.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-=./:,@%+<>".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{word}'")
    }
}

/// What a run of the binary gave.
pub(crate) struct Finished<'a> {
    output: Output,
    sandbox: &'a Sandbox,
    /// The call as one types it, with the variables that the test set.
    call: String,
}

impl Finished<'_> {
    /// The exit code; 128 + N for a program that signal N ended.
    pub(crate) fn code(&self) -> i32 {
        let status = self.output.status;
        status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap()
    }

    /// Standard output.
    pub(crate) fn stdout(&self) -> &str {
        std::str::from_utf8(&self.output.stdout).unwrap()
    }

    /// Standard error.
    pub(crate) fn stderr(&self) -> &str {
        std::str::from_utf8(&self.output.stderr).unwrap()
    }

    /// The default store in the work directory.
    pub(crate) fn store(&self) -> StoreContents {
        StoreContents::of_sqlite(&self.sandbox.work().join("mlflow.db"))
    }

    /// Fails the test with all that the program wrote where the exit code is another one.
    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code(),
            code,
            "{}\n{}",
            self.call,
            super::sandbox::describe(&self.output)
        );
        self
    }

    /// As [`Finished::expect_code`], for a result that is kept.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        self.expect_code(code);
        self
    }

    /// The whole result as a golden text: arguments, exit code, both outputs, with the sandbox's
    /// path, run ids, generated run names and times replaced by names.
    pub(crate) fn transcript(&self) -> String {
        let runs = self.store().runs;
        let mut text = format!("$ {}\nexit code: {}\n", self.call, self.code());
        for (name, output) in [("stdout", self.stdout()), ("stderr", self.stderr())] {
            if !output.is_empty() {
                let end = if output.ends_with('\n') {
                    ""
                } else {
                    "<no newline>\n"
                };
                text.push_str(&format!("--- {name}\n{output}{end}"));
            }
        }
        anonymous(&text, self.sandbox, &runs)
    }
}

/// The text with what differs from run to run replaced by names.
fn anonymous(text: &str, sandbox: &Sandbox, runs: &[StoredRun]) -> String {
    let mut text = sandbox.anonymous(text);
    for (index, run) in runs.iter().enumerate() {
        text = text.replace(&run.run_id, &format!("<run {}>", index + 1));
        if super::is_generated_name(&run.name) {
            text = text.replace(&run.name, &format!("<name {}>", index + 1));
        }
    }
    super::without_temporary_names(&text)
}
