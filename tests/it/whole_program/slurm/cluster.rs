//! A real Slurm of this machine alone, one for all tests of this process.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::harness::running::wait_until;
use crate::harness::{Project, Sandbox, describe, free_port, require_program};

/// A running cluster. It ends with this process.
pub(super) struct Cluster {
    configuration: PathBuf,
    _process: Child,
}

impl Cluster {
    /// The cluster, started on first use; nothing where Slurm is missing.
    pub(super) fn shared() -> Option<&'static Self> {
        static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
        CLUSTER
            .get_or_init(|| {
                for program in ["sbatch", "slurmctld", "slurmd", "munged"] {
                    require_program(program)?;
                }
                Some(Self::start())
            })
            .as_ref()
    }

    fn start() -> Self {
        let ports = [free_port(), free_port()].map(|port| port.to_string());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/whole_program/slurm/cluster.sh");
        // Whoever runs the tests may ignore signals (as `nohup` does), and jobs would inherit that.
        let mut process = Command::new("env")
            .args(["--default-signal=HUP,INT,TERM", "bash"])
            .arg(script)
            .args(ports)
            .env("TMPDIR", "/tmp")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_ne!(line, "", "Slurm must start");
        Self {
            configuration: line.trim_end().into(),
            _process: process,
        }
    }

    /// Runs one of Slurm's programs and gives what it wrote.
    #[track_caller]
    pub(super) fn call(&self, sandbox: &Sandbox, program: &str, arguments: &[&str]) -> String {
        let program = require_program(program).unwrap();
        let output = sandbox
            .command(program)
            .args(arguments)
            .env("SLURM_CONF", &self.configuration)
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", describe(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Gives a shell command to the queue, as `sbatch --wrap` does. The job sees what the sandbox has.
    #[track_caller]
    pub(super) fn submit<'a>(&'a self, project: &'a Project, options: &[&str], command: &str) -> Job<'a> {
        let sandbox = project.sandbox();
        let mut arguments = vec!["--parsable", "--output=%x.log", "--open-mode=append"];
        arguments.extend(options);
        arguments.extend(["--wrap", command]);
        let id = self.call(sandbox, "sbatch", &arguments);
        Job {
            cluster: self,
            project,
            id,
        }
    }
}

/// A job in the queue.
pub(super) struct Job<'a> {
    cluster: &'a Cluster,
    project: &'a Project,
    pub(super) id: String,
}

impl Job<'_> {
    /// A word of what `scontrol show job` says, such as its `JobState`.
    #[track_caller]
    pub(super) fn shown(&self, name: &str) -> String {
        let text = self.cluster.call(
            self.project.sandbox(),
            "scontrol",
            &["-o", "show", "job", &self.id],
        );
        let value = text
            .split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
    }

    /// Changes something about the job.
    #[track_caller]
    pub(super) fn update(&self, change: &str) {
        let job = format!("JobId={}", self.id);
        self.cluster
            .call(self.project.sandbox(), "scontrol", &["update", &job, change]);
    }

    #[track_caller]
    pub(super) fn cancel(&self, options: &[&str]) {
        let mut arguments = options.to_vec();
        arguments.push(&self.id);
        self.cluster.call(self.project.sandbox(), "scancel", &arguments);
    }

    /// Waits until nothing of the job is in the queue and gives its state.
    #[track_caller]
    pub(super) fn wait(&self) -> String {
        let sandbox = self.project.sandbox();
        let queue = ["-h", "-o", "%A %T", "-j", &self.id];
        wait_until("the job's end", || {
            self.cluster.call(sandbox, "squeue", &queue).is_empty()
        });
        self.shown("JobState")
    }

    /// What the job wrote.
    pub(super) fn log(&self) -> String {
        let path = self.project.sandbox().work().join("wrap.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}
