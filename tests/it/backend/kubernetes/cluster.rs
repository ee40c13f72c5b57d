//! A project, a cluster, and a run that a test can inspect while it is in progress.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use fake_kubernetes::{Options, Server};
use serde_json::json;

use crate::harness::running::send;
use crate::harness::{Project, StoredRun, assert_contains};

/// An image that nobody pulls.
pub(crate) const IMAGE: &str = "registry.example.com/team/base:1";

/// The shortest possible template.
pub(crate) const TEMPLATE: &str = "spec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - {}\n";

/// A project with a kubeconfig for a cluster.
pub(crate) struct ClusterProject {
    pub(crate) server: Server,
    pub(crate) project: Project,
}

impl ClusterProject {
    /// A project whose command is never really run, with [`TEMPLATE`].
    pub(crate) fn new() -> Self {
        Self::with(TEMPLATE, Options::default())
    }

    /// As [`ClusterProject::new`], with another template and server.
    pub(crate) fn with(template: &str, options: Options) -> Self {
        let server = Server::start(options);
        let kubeconfig = server.kubeconfig(json!({}), json!({}), None);
        Self::on(server, template, &kubeconfig)
    }

    /// As [`ClusterProject::with`], with a kubeconfig.
    pub(crate) fn on(server: Server, template: &str, kubeconfig: &str) -> Self {
        let mlproject = format!(
            r"name: My Project
docker_env:
  image: {IMAGE}
entry_points:
  main:
    command: python train.py 'a b' --x 1
"
        );
        let project = Project::new()
            .mlproject(&mlproject)
            .env("KUBECONFIG", "<sandbox>/work/kubeconfig");
        let sandbox = project.sandbox();
        sandbox.write("kubeconfig", kubeconfig);
        sandbox.write("job.yaml", template);
        sandbox.write(
            "config.json",
            r#"{"repository-uri": "registry.example.com/team/project", "kube-job-template-path": "job.yaml"}"#,
        );
        Self { server, project }
    }

    /// As [`Project::env`].
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.project = std::mem::replace(&mut self.project, Project::new()).env(name, value);
        self
    }

    /// Starts `mlrun run` on the cluster with these arguments after it.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running<'_> {
        let all = [
            "run",
            "project",
            "-b",
            "kubernetes",
            "-c",
            "config.json",
            "--no-build-image",
        ];
        let all: Vec<&str> = all.into_iter().chain(arguments.iter().copied()).collect();
        self.start_mlrun(&all)
    }

    /// Starts `mlrun` with these arguments.
    pub(crate) fn start_mlrun(&self, arguments: &[&str]) -> Running<'_> {
        self.spawn(self.project.sandbox().mlrun(), arguments)
    }

    /// Starts a program that becomes `mlrun`, whose path and arguments come after its own.
    pub(crate) fn start_below(&self, program: &Path, own: &[&str], arguments: &[&str]) -> Running<'_> {
        let mut command = self.project.sandbox().command(program);
        command.args(own).arg(env!("CARGO_BIN_EXE_mlrun"));
        self.spawn(command, arguments)
    }

    fn spawn(&self, mut command: Command, arguments: &[&str]) -> Running<'_> {
        let sandbox = self.project.sandbox();
        let number = sandbox
            .files()
            .iter()
            .filter(|file| file.starts_with("stderr"))
            .count();
        let (stdout, stderr) = (format!("stdout{number}"), format!("stderr{number}"));
        let (stdout, stderr) = (sandbox.work().join(stdout), sandbox.work().join(stderr));
        command
            .args(arguments)
            .env_clear()
            .envs(self.project.environment())
            .stdout(File::create(&stdout).unwrap())
            .stderr(File::create(&stderr).unwrap());
        Running {
            child: command.spawn().unwrap(),
            cluster: self,
            stdout,
            stderr,
        }
    }

    /// Has the API go away for this time, and does something in the meantime.
    pub(crate) fn while_away(&self, time: Duration, work: impl FnOnce()) {
        self.server.while_away(time, work);
    }

    /// The one run in the default store.
    pub(crate) fn run(&self) -> StoredRun {
        self.project.store().run().clone()
    }
}

/// A run in progress.
pub(crate) struct Running<'a> {
    child: Child,
    cluster: &'a ClusterProject,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// What a run gave.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Running<'_> {
    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// Waits until standard error has this text.
    #[track_caller]
    pub(crate) fn wait_for_stderr(&self, text: &str) {
        self.wait_for(text, || self.stderr().contains(text));
    }

    /// Waits until standard output has this text.
    #[track_caller]
    pub(crate) fn wait_for_stdout(&self, text: &str) {
        self.wait_for(text, || self.stdout().contains(text));
    }

    #[track_caller]
    fn wait_for(&self, what: &str, condition: impl Fn() -> bool) {
        let begun = Instant::now();
        while !condition() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{what:?} must come\n--- stdout\n{}--- stderr\n{}--- requests\n{:#?}",
                self.stdout(),
                self.stderr(),
                self.cluster
                    .server
                    .requests()
                    .iter()
                    .map(|request| format!(
                        "{} {}?{} {}",
                        request.method, request.path, request.query, request.code
                    ))
                    .collect::<Vec<_>>()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal to mlrun alone.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        send(&self.child, signal);
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(90) {
                let _ = self.child.kill();
                panic!(
                    "mlrun must end\n--- stdout\n{}--- stderr\n{}",
                    self.stdout(),
                    self.stderr()
                );
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Ended {
            code: status
                .code()
                .or_else(|| status.signal().map(|signal| 128 + signal))
                .unwrap(),
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

impl Ended {
    /// Fails the test with all that was written where the exit code is another one.
    #[track_caller]
    pub(crate) fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "\n--- stdout\n{}--- stderr\n{}",
            self.stdout, self.stderr
        );
        self
    }

    /// As [`Ended::expect_code`], for a result that is kept.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        self.expect_code(code);
        self
    }

    /// Fails the test where standard error lacks a text.
    #[track_caller]
    pub(crate) fn expect_stderr(&self, text: &str) -> &Self {
        assert_contains(&self.stderr, text);
        self
    }
}
