//! A case: a project, how it is run, and which differences are meant.

use super::Deviation;

/// Where runs are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    /// No tracking URI is given: `mlflow.db` in the current directory.
    Default,
    /// A directory, given by its URI.
    Directory,
    /// An `mlflow server`.
    Server,
}

/// What one step of a case does.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Calls the program with these arguments, and these variables in addition to the case's.
    Call {
        arguments: Vec<String>,
        environment: Vec<(&'static str, String)>,
    },
    /// Changes the store by the real client: Python text with `client` bound.
    Client(&'static str),
}

/// One differential case. In arguments, values of variables and the contents of files `<sandbox>`
/// stands for the sandbox's path and `<unique>` for a word that no other sandbox has; in the
/// arguments and variables of later steps, `<run 1>` stands for the first run's id and
/// `<experiment NAME>` for an experiment's id.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) files: Vec<(String, String, bool)>,
    pub(super) setup: Vec<&'static str>,
    pub(super) uri: String,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) directory: &'static str,
    pub(super) stdin: &'static str,
    pub(super) stores: &'static [Store],
    /// Both programs find no store, where otherwise the reference finds an empty one: making one
    /// takes it two seconds.
    pub(super) fresh: bool,
    /// Both programs find an empty store that the reference made.
    pub(super) seeded: bool,
    /// The SQLite file to read instead of the store's own place, relative to the work directory.
    pub(super) database: Option<&'static str>,
    /// The directory to read instead of the store's own place, relative to the work directory.
    pub(super) store_directory: Option<&'static str>,
    /// Whether the reference is also run in a process of its own, to prove the forks.
    pub(super) also_in_a_process: bool,
    pub(super) steps: Vec<Step>,
    pub(super) exceptions: Vec<Exception>,
    /// What mlrun does the reference does for this case instead.
    pub(super) model: Option<(Deviation, Box<Case>)>,
}

/// A difference that is meant.
#[derive(Debug, Clone)]
pub(super) struct Exception {
    pub(super) deviation: Deviation,
    /// The field, or a prefix of several if it ends in `*`.
    pub(super) field: String,
    /// What mlrun gives.
    pub(super) expected: Expected,
}

impl Exception {
    /// Whether this is about the field.
    pub(super) fn covers(&self, field: &str) -> bool {
        match self.field.strip_suffix('*') {
            Some(beginning) => field.starts_with(beginning),
            None => field == self.field,
        }
    }
}

/// What mlrun gives where the reference gives something else.
#[derive(Debug, Clone)]
pub(super) enum Expected {
    /// Exactly this text.
    Text(String),
    /// No such field.
    Nothing,
    /// A text that is not compared, since it is meant to be each program's own.
    ItsOwn,
}

/// Begins a case with an empty project in `project`, run on the default store.
pub(super) fn case(name: &'static str) -> Case {
    Case {
        name,
        files: Vec::new(),
        setup: Vec::new(),
        uri: "project".to_owned(),
        environment: Vec::new(),
        directory: "",
        stdin: "",
        stores: &[Store::Default],
        fresh: false,
        seeded: false,
        database: None,
        store_directory: None,
        also_in_a_process: false,
        steps: Vec::new(),
        exceptions: Vec::new(),
        model: None,
    }
}

impl Case {
    /// The project's `MLproject`.
    pub(super) fn mlproject(self, text: &str) -> Self {
        self.file("MLproject", text)
    }

    /// A project with one entry point `main` without parameters.
    pub(super) fn command(self, command: &str) -> Self {
        let quoted = serde_json::to_string(command).unwrap();
        self.mlproject(&format!(
            "name: test\nentry_points:\n  main:\n    command: {quoted}\n"
        ))
    }

    /// A project with one entry point `main` with these lines below `parameters:`.
    pub(super) fn parameters(self, parameters: &str, command: &str) -> Self {
        let indented: String = parameters.lines().map(|line| format!("      {line}\n")).collect();
        let quoted = serde_json::to_string(command).unwrap();
        self.mlproject(&format!(
            "entry_points:\n  main:\n    parameters:\n{indented}    command: {quoted}\n"
        ))
    }

    /// A file of the project.
    pub(super) fn file(self, path: &str, contents: &str) -> Self {
        self.work_file(&format!("project/{path}"), contents)
    }

    /// An executable file of the project.
    pub(super) fn executable(mut self, path: &str, contents: &str) -> Self {
        self.files
            .push((format!("project/{path}"), contents.to_owned(), true));
        self
    }

    /// A file of the work directory.
    pub(super) fn work_file(mut self, path: &str, contents: &str) -> Self {
        self.files.push((path.to_owned(), contents.to_owned(), false));
        self
    }

    /// A script that runs in the work directory before all else.
    pub(super) fn setup(mut self, script: &'static str) -> Self {
        self.setup.push(script);
        self
    }

    /// The project URI instead of `project`.
    pub(super) fn uri(mut self, uri: &str) -> Self {
        self.uri = uri.to_owned();
        self
    }

    /// A variable of the program.
    pub(super) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// Where the program starts, relative to the work directory.
    pub(super) fn directory(mut self, directory: &'static str) -> Self {
        self.directory = directory;
        self
    }

    /// The program's standard input.
    pub(super) fn stdin(mut self, text: &'static str) -> Self {
        self.stdin = text;
        self
    }

    /// Runs the case on these stores, one after another.
    pub(super) fn on(mut self, stores: &'static [Store]) -> Self {
        self.stores = stores;
        self
    }

    /// Runs the case on every kind of store.
    pub(super) fn on_every_store(self) -> Self {
        self.on(&[Store::Default, Store::Directory, Store::Server])
    }

    /// Lets both programs make the store.
    pub(super) fn fresh(mut self) -> Self {
        self.fresh = true;
        self
    }

    /// Lets both programs find a store that the reference made.
    pub(super) fn seeded(mut self) -> Self {
        self.seeded = true;
        self
    }

    /// Runs the reference on the last of the stores in a process of its own too, to prove that its
    /// forks do the same.
    pub(super) fn also_in_a_process(mut self) -> Self {
        self.also_in_a_process = true;
        self.env("MLFLOW_DISABLE_TELEMETRY", "true")
    }

    /// Reads this SQLite file (relative to the work directory) at the end.
    pub(super) fn database(mut self, path: &'static str) -> Self {
        self.database = Some(path);
        self
    }

    /// Reads this file store (relative to the work directory) at the end.
    pub(super) fn store_directory(mut self, path: &'static str) -> Self {
        self.store_directory = Some(path);
        self
    }

    /// Calls `run URI --env-manager local` and these arguments. A case without any step does so
    /// without more arguments.
    pub(super) fn run<const N: usize>(self, arguments: [&str; N]) -> Self {
        self.run_with([], arguments)
    }

    /// As [`Case::run`], with any number of arguments.
    pub(super) fn run_all(self, arguments: &[&str]) -> Self {
        let arguments = self.run_arguments(arguments);
        self.step(Step::Call {
            arguments,
            environment: Vec::new(),
        })
    }

    fn run_arguments(&self, arguments: &[&str]) -> Vec<String> {
        ["run", &self.uri, "--env-manager", "local"]
            .iter()
            .chain(arguments)
            .map(|&argument| argument.to_owned())
            .collect()
    }

    /// As [`Case::run`], with more variables for this step.
    pub(super) fn run_with<const E: usize, const N: usize>(
        self,
        environment: [(&'static str, &str); E],
        arguments: [&str; N],
    ) -> Self {
        let uri = self.uri.clone();
        let all = ["run", &uri, "--env-manager", "local"]
            .into_iter()
            .chain(arguments)
            .map(str::to_owned)
            .collect();
        self.step(Step::Call {
            arguments: all,
            environment: environment.map(|(name, value)| (name, value.to_owned())).into(),
        })
    }

    /// Calls the program with exactly these arguments.
    pub(super) fn call<const N: usize>(self, arguments: [&str; N]) -> Self {
        self.step(Step::Call {
            arguments: arguments.map(str::to_owned).into(),
            environment: Vec::new(),
        })
    }

    /// Adds any step.
    pub(super) fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// A field in which mlrun differs, with what it gives.
    pub(super) fn differs(self, deviation: Deviation, field: &str, expected: &str) -> Self {
        self.except(deviation, field, Expected::Text(expected.to_owned()))
    }

    /// A field (or several, `name*`) that the reference gives and mlrun does not.
    pub(super) fn lacks(self, deviation: Deviation, field: &str) -> Self {
        self.except(deviation, field, Expected::Nothing)
    }

    /// A field that is each program's own text.
    pub(super) fn own(self, deviation: Deviation, field: &str) -> Self {
        self.except(deviation, field, Expected::ItsOwn)
    }

    /// A parameter that the reference logs quoted, with its value.
    pub(super) fn logs(self, parameter: &str, value: &str) -> Self {
        self.differs(
            Deviation::ValuesAreLoggedAsTheyAre,
            &format!("run1.param.{parameter}"),
            value,
        )
    }

    /// mlrun finds the error before it creates the run that the reference leaves in state RUNNING.
    pub(super) fn creates_no_run(self, deviation: Deviation) -> Self {
        self.differs(deviation, "runs", "0")
            .lacks(deviation, "run1.*")
            .lacks(deviation, "experiment.Default")
    }

    /// mlrun refuses what the reference runs to its end.
    pub(super) fn refused_for(self, deviation: Deviation) -> Self {
        self.differs(deviation, "exit", "1")
            .does_not_run(deviation)
            .creates_no_run(deviation)
    }

    /// mlrun does not come to run the command.
    pub(super) fn does_not_run(self, deviation: Deviation) -> Self {
        self.lacks(deviation, "child.*").lacks(deviation, "log.*")
    }

    /// mlrun does here what the reference does only for another case: one in which what the
    /// reference does not understand is written as it does. Exceptions apply on top of that.
    pub(super) fn like(mut self, deviation: Deviation, model: Case) -> Self {
        self.model = Some((deviation, Box::new(model)));
        self
    }

    fn except(mut self, deviation: Deviation, field: &str, expected: Expected) -> Self {
        self.exceptions.push(Exception {
            deviation,
            field: field.to_owned(),
            expected,
        });
        self
    }
}
