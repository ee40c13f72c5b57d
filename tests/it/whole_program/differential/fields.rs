//! What a program did, as named texts that can be compared one by one.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::case::Store;
use crate::harness::{Sandbox, StoreContents, StoredRun, is_generated_name, without_temporary_names};

/// Named texts; a name that is missing is a thing that is missing.
pub(super) type Fields = BTreeMap<String, String>;

/// Written to a file that bash reads before it runs a command: leaves the first command's
/// environment, arguments, directory and open files in the directory `MLRUN_TEST_PROBE`.
pub(super) const PROBE: &str = r#"
if mkdir "$MLRUN_TEST_PROBE" 2>/dev/null; then
  cat "/proc/$$/environ" >"$MLRUN_TEST_PROBE/environment"
  cat "/proc/$$/cmdline" >"$MLRUN_TEST_PROBE/arguments"
  readlink "/proc/$$/cwd" >"$MLRUN_TEST_PROBE/directory"
  ls "/proc/$$/fd" >"$MLRUN_TEST_PROBE/descriptors"
fi
"#;

/// Variables that only the tests use.
const TEST_VARIABLES: [&str; 3] = ["BASH_ENV", "MLRUN_TEST_PROBE", "MLRUN_TEST_TOOL"];

/// The variable that mlrun alone gives to what it starts.
const OWN_VARIABLE: &str = "MLRUN_PROCESS";

/// What one call of a program gave.
pub(super) struct Call<'a> {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// The variables that the program got.
    pub(super) environment: &'a [(String, String)],
    /// Where [`PROBE`] left what it saw.
    pub(super) probe: &'a Path,
}

impl Call<'_> {
    /// The call's fields, still with ids and paths.
    pub(super) fn fields(&self) -> Fields {
        let mut fields = Fields::new();
        fields.insert("exit".to_owned(), self.code.to_string());
        let (urls, stdout) = without_urls(&self.stdout);
        fields.insert("stdout".to_owned(), stdout);
        fields.insert("urls.stdout".to_owned(), urls);
        fields.insert("urls.stderr".to_owned(), without_urls(&self.stderr).0);
        for (name, line) in log_lines(&self.stderr) {
            fields.insert(name.to_owned(), line);
        }
        self.add_child(&mut fields);
        fields
    }

    /// What the probe saw, where a command was run at all.
    fn add_child(&self, fields: &mut Fields) {
        let Ok(environment) = fs::read(self.probe.join("environment")) else {
            return;
        };
        let read =
            |name: &str| String::from_utf8_lossy(&fs::read(self.probe.join(name)).unwrap()).into_owned();
        fields.insert(
            "child.arguments".to_owned(),
            read("arguments").trim_end_matches('\0').replace('\0', "\n"),
        );
        fields.insert(
            "child.directory".to_owned(),
            read("directory").trim_end().to_owned(),
        );
        let descriptors = read("descriptors");
        let descriptors: Vec<&str> = descriptors
            .lines()
            .filter(|number| !is_inherited(number))
            .collect();
        fields.insert("child.descriptors".to_owned(), descriptors.join(" "));
        let environment = String::from_utf8_lossy(&environment);
        let seen: BTreeMap<&str, &str> = environment
            .split('\0')
            .filter_map(|entry| entry.split_once('='))
            .collect();
        let given: BTreeMap<&str, &str> = self
            .environment
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        for (name, value) in &seen {
            let is_compared = *name != OWN_VARIABLE && !TEST_VARIABLES.contains(name);
            if given.get(name) != Some(value) && is_compared {
                fields.insert(format!("child.environment.{name}"), (*value).to_owned());
            }
        }
        for name in given.keys().filter(|name| !seen.contains_key(*name)) {
            fields.insert(format!("child.environment.{name}"), "(removed)".to_owned());
        }
    }
}

/// Whether the tests themselves were started with this file open, and pass it on to every program
/// unless that closes it.
fn is_inherited(descriptor: &str) -> bool {
    const CLOSE_ON_EXEC: i32 = 0o2_000_000;
    let information = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).unwrap_or_default();
    let flags = information.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & CLOSE_ON_EXEC == 0) && !["0", "1", "2"].contains(&descriptor)
}

/// The places where a run or an experiment can be looked at, a line each, and the text without them.
fn without_urls(text: &str) -> (String, String) {
    let (mut urls, mut others) = (String::new(), String::new());
    for line in text.split_inclusive('\n') {
        match line
            .find("View run ")
            .or_else(|| line.find("View experiment at: "))
        {
            Some(start) => urls.push_str(&without_generated_name(&line[start..])),
            None => others.push_str(line),
        }
    }
    (urls, others)
}

/// The line with the run's name replaced, where MLflow made it up.
fn without_generated_name(line: &str) -> String {
    let name = line
        .strip_prefix("View run ")
        .and_then(|rest| rest.split(' ').next());
    name.filter(|name| is_generated_name(name))
        .map_or(line.to_owned(), |name| line.replacen(name, "<name>", 1))
}

/// The log lines whose wording scripts rely on.
fn log_lines(stderr: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for (name, start, end) in [
        ("log.command", "=== Running command '", "' ==="),
        ("log.end", "=== Run (ID '", " ==="),
    ] {
        if let Some(start) = stderr.find(start)
            && let Some(length) = stderr[start..].find(end)
        {
            found.push((name, stderr[start..start + length + end.len()].to_owned()));
        }
    }
    found
}

/// The store's fields: every run, and the experiments that hold runs or have a name of their own.
pub(super) fn store_fields(contents: &StoreContents) -> Fields {
    let mut fields = Fields::new();
    fields.insert("runs".to_owned(), contents.runs.len().to_string());
    for experiment in &contents.experiments {
        let is_used = contents
            .runs
            .iter()
            .any(|run| run.experiment_id == experiment.experiment_id);
        if is_used || experiment.experiment_id != "0" {
            let key = format!("experiment.{}", experiment.name);
            let value = format!("{} {}/", experiment.lifecycle_stage, experiment.artifact_location);
            fields.insert(key, value);
        }
    }
    for (index, run) in contents.runs.iter().enumerate() {
        let number = index + 1;
        for (name, value) in run_fields(run, contents) {
            fields.insert(format!("run{number}.{name}"), value);
        }
    }
    fields
}

fn run_fields(run: &StoredRun, contents: &StoreContents) -> Fields {
    let experiment = contents
        .experiment(&run.experiment_id)
        .map_or("(none)", |experiment| &experiment.name);
    let begins = if run.start_time.is_some_and(|time| time > 1_500_000_000_000) {
        "yes"
    } else {
        "no"
    };
    let ends = match (run.start_time, run.end_time) {
        (Some(start), Some(end)) if end >= start => "after its start",
        (_, Some(_)) => "before its start",
        (_, None) => "never",
    };
    let mut fields: Fields = [
        ("experiment", experiment),
        ("name", &run.name),
        ("status", &run.status),
        ("begins", begins),
        ("ends", ends),
        ("lifecycle_stage", &run.lifecycle_stage),
        ("artifact_uri", &run.artifact_uri),
        ("user", &run.user),
        ("source", &run.source.join("|")),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    fields.extend(
        run.params
            .iter()
            .map(|(key, value)| (format!("param.{key}"), value.clone())),
    );
    fields.extend(
        run.tags
            .iter()
            // Those are mlrun's own.
            .filter(|(key, _)| !key.starts_with("mlrun."))
            .map(|(key, value)| (format!("tag.{key}"), value.clone())),
    );
    fields
}

/// Replaces what differs between two sandboxes: paths, ids, generated names.
pub(super) fn anonymous(fields: Fields, sandbox: &Sandbox, contents: &StoreContents, store: Store) -> Fields {
    let replacements = replacements(sandbox, contents, store);
    let anonymous_text = |text: &str| {
        let replaced = replacements
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        without_temporary_names(&replaced)
    };
    let mut result = Fields::new();
    for (name, text) in fields {
        let experiment = contents
            .experiments
            .iter()
            .find(|experiment| experiment.experiment_id == text);
        let text = match experiment {
            Some(experiment) if store == Store::Server && name.ends_with("MLFLOW_EXPERIMENT_ID") => {
                format!("<experiment {}>", experiment.name)
            }
            _ => text,
        };
        result.insert(anonymous_text(&name), anonymous_text(&text));
    }
    result
}

/// What is replaced, and by what.
fn replacements(sandbox: &Sandbox, contents: &StoreContents, store: Store) -> Vec<(String, String)> {
    let mut replacements = Vec::new();
    for experiment in &contents.experiments {
        let (id, name) = (
            &experiment.experiment_id,
            format!("<experiment {}>", experiment.name),
        );
        // File stores give random ids; a server's depend on what else it was asked.
        if id.len() > 9 {
            replacements.push((id.clone(), name));
        } else if store == Store::Server && id != "0" {
            for (before, after) in [
                ("artifacts:/", "/"),
                ("experiments/", "/"),
                ("experiments/", "\n"),
            ] {
                replacements.push((format!("{before}{id}{after}"), format!("{before}{name}{after}")));
            }
        }
    }
    for (index, run) in contents.runs.iter().enumerate() {
        replacements.push((run.run_id.clone(), format!("<run {}>", index + 1)));
        if is_generated_name(&run.name) {
            replacements.push((run.name.clone(), format!("<name {}>", index + 1)));
        }
    }
    // After the experiments, whose names may hold it.
    replacements.push((
        sandbox.root().to_str().unwrap().to_owned(),
        "<sandbox>".to_owned(),
    ));
    replacements.push((unique(sandbox), "<unique>".to_owned()));
    replacements
}

/// A word that stands for one sandbox: the name of its directory.
pub(super) fn unique(sandbox: &Sandbox) -> String {
    sandbox.root().file_name().unwrap().to_str().unwrap().to_owned()
}
