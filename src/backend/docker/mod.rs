//! A container on this machine: `docker run` and its cleanup.

mod container;
mod mounts;
mod run_arguments;

pub(super) use self::mounts::is_this_machine;
pub(super) use self::run_arguments::command_words;

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tempfile::TempDir;

use self::container::RunningContainer;
use self::run_arguments::RunCall;
use super::output_log::TeedOutput;
use super::{BackendError, LaunchPlan, SubmittedRun};
use crate::env_vars::MLFLOW_TRACKING_URI;
use crate::environment::Container;
use crate::events::Progress;
use crate::process::{Ended, ProcessGroup, ProgramCall, ProgramExit, Signals};
use crate::redact::without_credentials;

/// The exit code of an engine that failed itself.
const ENGINE_FAILED: ProgramExit = ProgramExit::Code(125);

/// The engine's command line for a plan's run, without the values of variables.
pub(crate) fn container_command_line(plan: &LaunchPlan) -> Option<Vec<String>> {
    let container = plan.environment.container.as_ref()?;
    let call = RunCall::new(plan, container);
    let mut files = Vec::new();
    if !call.filed.is_empty() {
        files = ["--env-file", "<file>"].map(str::to_owned).to_vec();
    }
    let mut words = vec![container.engine.program().to_owned()];
    words.extend(call.arguments(&files));
    Some(words)
}

pub(super) fn launch(
    plan: &LaunchPlan,
    container: &Container,
    progress: &dyn Progress,
) -> Result<DockerRun, BackendError> {
    let run = RunCall::new(plan, container);
    warn_of_local_server(plan, &run, progress);
    make_artifact_directory(&plan.run.artifact_uri, progress);
    if plan
        .workspace
        .as_ref()
        .is_some_and(|workspace| workspace.is_of_login)
    {
        progress.warning(
            "the container gets an access token of your `databricks` login, which expires after about an hour; use \
            a personal access token or a service principal for longer runs",
        );
    }
    let failed = |source| BackendError::Temporary { source };
    let temporary = tempfile::Builder::new()
        .prefix("mlrun-docker-")
        .tempdir()
        .map_err(failed)?;
    let (files, id_file) = write_files(&run, temporary.path()).map_err(failed)?;
    let call = ProgramCall::new(container.engine.program())
        .arguments(run.arguments(&files))
        .variables(run.passed.iter().cloned())
        .directory(&plan.directory);
    plan.tell_start(&call.whole_command_line(), progress);
    let (client, output) = TeedOutput::spawn(&call, plan.output_log.as_ref())?;
    Ok(DockerRun {
        client,
        output,
        container: RunningContainer {
            engine: container.engine.clone(),
            name: run.own_value("name").unwrap_or(&run.name).to_owned(),
            id_file: run
                .own_value("cidfile")
                .map_or(id_file, |file| plan.directory.join(file)),
        },
        _temporary: temporary,
    })
}

/// Writes the file with variables, if needed, and returns the arguments that name the files.
fn write_files(run: &RunCall, directory: &Path) -> io::Result<(Vec<String>, PathBuf)> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let id_file = directory.join("container-id");
    let mut arguments = vec!["--cidfile".to_owned(), text(&id_file)];
    if !run.filed.is_empty() {
        let path = directory.join("variables");
        let mut file = File::create_new(&path)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        for (name, value) in &run.filed {
            writeln!(file, "{name}={value}")?;
        }
        arguments.extend(["--env-file".to_owned(), text(&path)]);
    }
    Ok((arguments, id_file))
}

/// Creates the directory of the run's artifacts, which would otherwise belong to root.
fn make_artifact_directory(artifact_uri: &str, progress: &dyn Progress) {
    let Some(directory) = mounts::local_directory(artifact_uri) else {
        return;
    };
    if let Err(error) = fs::create_dir_all(&directory) {
        progress.warning(&format!(
            "cannot create the artifact directory '{}': {error}; the container engine will create it, perhaps as \
            another user",
            directory.display()
        ));
    }
}

fn warn_of_local_server(plan: &LaunchPlan, run: &RunCall, progress: &dyn Progress) {
    let url = plan.variable(MLFLOW_TRACKING_URI).unwrap_or_default();
    let is_on_host = ["network", "net"]
        .iter()
        .any(|option| run.own_value(option) == Some("host"));
    if mounts::is_this_machine(url) && !is_on_host {
        progress.warning(&format!(
            "the container cannot reach the tracking server {} on this machine; pass -A network=host, or set \
            MLFLOW_TRACKING_URI to an address that containers can reach",
            without_credentials(url)
        ));
    }
}

#[derive(Debug)]
pub(super) struct DockerRun {
    /// The engine's program, which exits with the container.
    client: ProcessGroup,
    output: TeedOutput,
    container: RunningContainer,
    /// The files that the program's arguments name.
    _temporary: TempDir,
}

#[async_trait]
impl SubmittedRun for DockerRun {
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        let ended = self.client.wait_or_signal(signals).await;
        if let Ended::Interrupted(_) = ended {
            self.container.end(&mut self.client, signals).await;
        }
        self.output.finish(progress).await;
        if ended == Ended::Done(ENGINE_FAILED) && !self.container.was_made() {
            return Err(BackendError::NoContainer {
                program: self.container.engine.program().to_owned(),
            });
        }
        Ok(ended)
    }
}
