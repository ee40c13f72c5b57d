//! A cluster of one machine: this one. Its files lie below a directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::jobs::{JobState, Output, ShellCommandTask, SparkPythonTask};
use crate::{TOKEN, Workspace};

/// The directories at the root of a cluster's file system that commands name.
const ROOTS: [&str; 4] = ["/dbfs/", "/Volumes/", "/Workspace/", "/databricks/"];

/// Copies as a cluster's `rsync -a -v --ignore-existing FILE DIRECTORY` does.
const RSYNC: &str = "#!/bin/sh\n[ \"$1 $2 $3\" = '-a -v --ignore-existing' ] || { echo \"rsync: unexpected $*\" >&2; exit 1; }\n\
    [ -e \"$5/${4##*/}\" ] || cp \"$4\" \"$5\"\n";

/// Where the commands of jobs run.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The directory that holds the cluster's files.
    pub root: PathBuf,
    /// Variables of all commands; `PATH` should hold `python`, `mlflow` and the usual programs.
    pub variables: Vec<(String, String)>,
}

pub(crate) enum Task {
    Shell(ShellCommandTask),
    Python(SparkPythonTask),
}

impl Cluster {
    /// Writes the files of the workspace to where a cluster sees them.
    pub(crate) fn bring_files(&self, workspace: &Workspace) {
        let below = |root: &str, path: &str| self.root.join(root).join(path.trim_start_matches('/'));
        let dbfs = workspace.dbfs.files();
        let dbfs = dbfs
            .iter()
            .map(|(path, contents)| (below("dbfs", path), contents));
        let volumes = workspace
            .volumes
            .files
            .iter()
            .map(|(path, contents)| (below("", path), contents));
        let files = workspace
            .files
            .files
            .iter()
            .map(|(path, contents)| (below("Workspace", path), contents));
        for (path, contents) in dbfs.chain(volumes).chain(files) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let rsync = self.root.join("bin/rsync");
        fs::create_dir_all(self.root.join("bin")).unwrap();
        fs::write(&rsync, RSYNC).unwrap();
        fs::set_permissions(&rsync, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The text with the cluster's paths as they are on this machine.
    fn local(&self, text: &str) -> String {
        ROOTS.iter().fold(text.to_owned(), |text, root| {
            let here = format!("{}{root}", self.root.display());
            // Not inside a longer path.
            [' ', '\'', '"', '=', '\n', '(']
                .iter()
                .fold(text, |text, before| {
                    text.replace(&format!("{before}{root}"), &format!("{before}{here}"))
                })
        })
    }

    /// Runs a task to its end.
    pub(crate) fn run(&self, task: &Task, url: &str, is_canceled: &dyn Fn() -> bool) -> (JobState, Output) {
        let mut command = match task {
            Task::Shell(task) => {
                let mut words = task.command.iter().map(|word| self.local(word));
                let mut command = Command::new(words.next().unwrap_or_default());
                command.args(words).envs(&task.env_vars);
                command
            }
            Task::Python(task) => {
                let file = self.python_file(&task.python_file);
                let mut command = Command::new("python3");
                command
                    .arg(file)
                    .args(task.parameters.iter().map(|text| self.local(text)));
                command
            }
        };
        let log = self.root.join("log");
        let output = fs::File::create(&log).unwrap();
        command
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .env("DATABRICKS_HOST", url)
            .env("DATABRICKS_TOKEN", TOKEN)
            .env("DB_HOME", self.root.join("databricks"))
            .current_dir(&self.root)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        let path = self
            .variables
            .iter()
            .find(|(name, _)| name == "PATH")
            .map(|(_, value)| value.as_str());
        command.env(
            "PATH",
            format!(
                "{}:{}",
                self.root.join("bin").display(),
                path.unwrap_or("/usr/bin:/bin")
            ),
        );
        let mut child = command.spawn().unwrap();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if is_canceled() {
                let _ = Command::new("kill")
                    .args(["-KILL", "--", &format!("-{}", child.id())])
                    .status();
                let _ = child.wait();
                let state = JobState::end("TERMINATED", Some("CANCELED"), "Run cancelled.");
                return (state, Output::default());
            }
            thread::sleep(Duration::from_millis(50));
        };
        let logs = fs::read_to_string(&log).unwrap_or_default();
        let mut output = Output {
            logs: Some(logs),
            ..Output::default()
        };
        if status.success() {
            return (JobState::end("TERMINATED", Some("SUCCESS"), ""), output);
        }
        let error = format!("Command ended with {status}");
        output.error = Some(error.clone());
        (JobState::end("TERMINATED", Some("FAILED"), &error), output)
    }

    /// The program with the cluster's paths as they are here.
    fn python_file(&self, name: &str) -> PathBuf {
        let path = match name.strip_prefix("dbfs:/") {
            Some(rest) => self.root.join("dbfs").join(rest),
            None => self.root.join(name.trim_start_matches('/')),
        };
        let text = fs::read_to_string(&path).unwrap_or_default();
        let file = self.root.join(Path::new(path.file_name().unwrap()));
        fs::write(&file, self.local(&text)).unwrap();
        file
    }
}
