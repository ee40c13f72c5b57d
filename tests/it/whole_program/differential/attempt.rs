//! One case in the hands of one program.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;
use std::sync::OnceLock;

use super::case::{Case, Step, Store};
use super::fields::{Call, Fields, PROBE, anonymous, store_fields, unique};
use crate::harness::{MlflowServer, Reference, Request, Sandbox, StoreContents};

/// The two programs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Reference,
    Mlrun,
}

/// What a program did with a case.
pub(super) struct Outcome {
    /// What is compared.
    pub(super) fields: Fields,
    /// Standard error of all calls, for a person.
    pub(super) stderr: String,
}

/// One case in the hands of one program.
pub(super) struct Attempt<'a> {
    case: &'a Case,
    store: Store,
    program: Program,
    reference: &'a Reference,
    sandbox: Sandbox,
    /// Start a real process for the reference too, instead of asking the one that is there.
    pub(super) in_own_process: bool,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(case: &'a Case, store: Store, program: Program, reference: &'a Reference) -> Self {
        Self {
            case,
            store,
            program,
            reference,
            sandbox: Sandbox::new(),
            in_own_process: false,
        }
    }

    /// Sets the sandbox up, goes through the steps and returns the anonymous fields of all.
    pub(super) fn run(self) -> Outcome {
        self.set_up();
        let before = self.sandbox.files();
        let mut fields = Fields::new();
        let default = [Step::Call {
            arguments: ["run", &self.case.uri, "--env-manager", "local"]
                .map(str::to_owned)
                .into(),
            environment: Vec::new(),
        }];
        let steps = if self.case.steps.is_empty() {
            &default[..]
        } else {
            &self.case.steps
        };
        let (mut calls, mut stderr) = (0, String::new());
        for step in steps {
            match step {
                Step::Call {
                    arguments,
                    environment,
                } => {
                    calls += 1;
                    let prefix = if calls == 1 {
                        String::new()
                    } else {
                        format!("call{calls}.")
                    };
                    let (seen, errors) = self.call(arguments, environment);
                    stderr.push_str(&errors);
                    fields.extend(
                        seen.into_iter()
                            .map(|(name, value)| (format!("{prefix}{name}"), value)),
                    );
                }
                Step::Client(text) => self.client(text),
            }
        }
        let contents = self.contents();
        for path in self
            .sandbox
            .files()
            .difference(&before)
            .filter(|path| !is_store(path))
        {
            // Tags of mlrun's own in a file store.
            if !path.contains("/tags/mlrun.") {
                fields.insert(format!("file.{path}"), "new".to_owned());
            }
        }
        fields.extend(store_fields(&contents));
        let fields = anonymous(fields, &self.sandbox, &contents, self.store);
        Outcome {
            fields,
            stderr: self.sandbox.anonymous(&stderr),
        }
    }

    fn set_up(&self) {
        fs::write(self.sandbox.root().join("probe.sh"), PROBE).unwrap();
        fs::create_dir(self.sandbox.work().join("project")).unwrap();
        for (path, contents, executable) in &self.case.files {
            let contents = self.sandbox.expand(contents);
            if *executable {
                self.sandbox.write_executable(path, &contents);
            } else {
                self.sandbox.write(path, contents);
            }
        }
        self.sandbox.link_program(
            "python",
            &self.reference.venv().join("bin/python").canonicalize().unwrap(),
        );
        for script in &self.case.setup {
            self.sandbox.shell(&self.sandbox.expand(script));
        }
        let is_seeded = self.case.seeded || (self.program == Program::Reference && !self.case.fresh);
        if self.store == Store::Default && self.case.database.is_none() && is_seeded {
            let directory = self.sandbox.work().join(self.case.directory);
            seed(self.reference, &directory);
        }
    }

    /// The variables of the program, but for a step's own.
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = self.sandbox.environment();
        let root = self.sandbox.root().to_str().unwrap();
        environment.push(("BASH_ENV".to_owned(), format!("{root}/probe.sh")));
        environment.push(("MLRUN_TEST_PROBE".to_owned(), format!("{root}/probe")));
        environment.push(("MLRUN_TEST_TOOL".to_owned(), self.program_path()));
        match self.store {
            Store::Default => {}
            Store::Directory => {
                environment.push((
                    "MLFLOW_TRACKING_URI".to_owned(),
                    format!("file://{root}/work/store"),
                ));
                environment.push(("MLFLOW_ALLOW_FILE_STORE".to_owned(), "true".to_owned()));
            }
            Store::Server => {
                let server =
                    MlflowServer::shared().expect("a server of the MLflow that the reference is from");
                environment.push(("MLFLOW_TRACKING_URI".to_owned(), server.url().to_owned()));
            }
        }
        for (name, value) in &self.case.environment {
            environment.retain(|(other, _)| other != name);
            environment.push(((*name).to_owned(), self.expand(value)));
        }
        environment
    }

    fn program_path(&self) -> String {
        match self.program {
            Program::Reference => self
                .reference
                .venv()
                .join("bin/mlflow")
                .to_str()
                .unwrap()
                .to_owned(),
            Program::Mlrun => env!("CARGO_BIN_EXE_mlrun").to_owned(),
        }
    }

    fn call(&self, arguments: &[String], more: &[(&'static str, String)]) -> (Fields, String) {
        let arguments: Vec<String> = arguments.iter().map(|argument| self.expand(argument)).collect();
        let mut environment = self.environment();
        environment.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), self.expand(value))),
        );
        let root = self.sandbox.root();
        let probe = root.join("probe");
        let _ = fs::remove_dir_all(&probe);
        let [stdin, stdout, stderr] = ["stdin", "stdout", "stderr"].map(|name| root.join(name));
        fs::write(&stdin, self.case.stdin).unwrap();
        let directory = self.sandbox.work().join(self.case.directory);
        let code = if self.program == Program::Reference && !self.in_own_process {
            let streams = [&*stdin, &*stdout, &*stderr];
            self.reference.run(
                &Request {
                    directory: &directory,
                    environment: &environment,
                    streams,
                },
                &arguments,
            )
        } else {
            let mut command = Command::new(self.program_path());
            command
                .args(arguments)
                .current_dir(directory)
                .env_clear()
                .envs(environment.iter().cloned());
            command.stdin(fs::File::open(&stdin).unwrap());
            command
                .stdout(fs::File::create(&stdout).unwrap())
                .stderr(fs::File::create(&stderr).unwrap());
            let status = command.status().unwrap();
            status
                .code()
                .or_else(|| status.signal().map(|signal| -signal))
                .unwrap()
        };
        let [stdout, stderr] =
            [stdout, stderr].map(|path| String::from_utf8(fs::read(path).unwrap()).unwrap());
        if self.program == Program::Mlrun {
            assert_nothing_temporary(self.case.name, &self.sandbox, &stderr);
        }
        let call = Call {
            code,
            stdout,
            stderr,
            environment: &environment,
            probe: &probe,
        };
        (call.fields(), call.stderr)
    }

    fn client(&self, text: &str) {
        let root = self.sandbox.root();
        let stderr = root.join("client-stderr");
        let environment = self.environment();
        let streams = ["/dev/null".as_ref(), "/dev/null".as_ref(), &*stderr];
        let directory = self.sandbox.work().join(self.case.directory);
        let request = Request {
            directory: &directory,
            environment: &environment,
            streams,
        };
        let code = self.reference.script(&request, &self.expand(text));
        assert_eq!(
            code,
            0,
            "{}: {text}\n{}",
            self.case.name,
            fs::read_to_string(&stderr).unwrap()
        );
    }

    /// The text with all names in angle brackets replaced.
    fn expand(&self, text: &str) -> String {
        let mut text = self
            .sandbox
            .expand(text)
            .replace("<unique>", &unique(&self.sandbox));
        if text.contains("<run ") || text.contains("<experiment ") {
            let contents = self.contents();
            for (index, run) in contents.runs.iter().enumerate() {
                text = text.replace(&format!("<run {}>", index + 1), &run.run_id);
            }
            for experiment in &contents.experiments {
                text = text.replace(
                    &format!("<experiment {}>", experiment.name),
                    &experiment.experiment_id,
                );
            }
        }
        text
    }

    fn contents(&self) -> StoreContents {
        let work = self.sandbox.work();
        if let Some(path) = self.case.database {
            return StoreContents::of_sqlite(&work.join(path));
        }
        if let Some(path) = self.case.store_directory {
            return StoreContents::of_directory(&work.join(path));
        }
        match self.store {
            Store::Default => StoreContents::of_sqlite(&work.join(self.case.directory).join("mlflow.db")),
            Store::Directory => StoreContents::of_directory(&work.join("store")),
            Store::Server => {
                let server = MlflowServer::shared().expect("the server that the program used");
                let mut contents = StoreContents::of_sqlite(&server.database());
                let mark = unique(&self.sandbox);
                contents
                    .runs
                    .retain(|run| run.tags.values().any(|value| value.contains(&mark)));
                contents.experiments.retain(|experiment| {
                    experiment.name.contains(&mark)
                        || contents
                            .runs
                            .iter()
                            .any(|run| run.experiment_id == experiment.experiment_id)
                });
                contents
            }
        }
    }
}

/// Whether the file is the store itself, which is read otherwise.
fn is_store(path: &str) -> bool {
    path.ends_with(".db") || path.starts_with("store/")
}

/// mlrun leaves nothing behind in the temporary directory.
fn assert_nothing_temporary(name: &str, sandbox: &Sandbox, stderr: &str) {
    let left: BTreeSet<_> = fs::read_dir(sandbox.root().join("tmp"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "{name}: mlrun left {left:?} in TMPDIR\n{stderr}");
}

/// Puts an empty store that the reference made into a directory as `mlflow.db`.
fn seed(reference: &Reference, directory: &std::path::Path) {
    static SEED: OnceLock<Vec<u8>> = OnceLock::new();
    let bytes = SEED.get_or_init(|| {
        let sandbox = Sandbox::new();
        let stderr = sandbox.root().join("stderr");
        let request = Request {
            directory: &sandbox.work(),
            environment: &sandbox.environment(),
            streams: ["/dev/null".as_ref(), "/dev/null".as_ref(), &stderr],
        };
        let code = reference.script(&request, "client.search_experiments()");
        assert_eq!(code, 0, "{}", fs::read_to_string(&stderr).unwrap());
        fs::read(sandbox.work().join("mlflow.db")).unwrap()
    });
    let path = directory.join("mlflow.db");
    fs::write(&path, bytes).unwrap();
    StoreContents::move_sqlite(&path, directory);
}
