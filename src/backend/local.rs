//! This machine.

use async_trait::async_trait;

use super::output_log::TeedOutput;
use super::{Backend, BackendError, Launch, LaunchPlan, SubmittedRun, docker};
use crate::events::Progress;
use crate::process::{Ended, ProcessGroup, ProgramCall, Signals};

/// The value of `--backend`.
pub(super) const NAME: &str = "local";

/// Runs entry points as processes below this one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Local;

#[async_trait]
impl Backend for Local {
    fn name(&self) -> &'static str {
        NAME
    }

    fn runs_here(&self) -> bool {
        true
    }

    async fn launch(
        &self,
        plan: LaunchPlan,
        _signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Launch, BackendError> {
        if let Some(container) = &plan.environment.container {
            let run = docker::launch(&plan, container, progress)?;
            return Ok(Launch::Done(Box::new(run)));
        }
        let command = plan.environment.command(&plan.command);
        plan.tell_start(&command, progress);
        let mut call = ProgramCall::new("bash")
            .argument("-c")
            .argument(command)
            .variables(plan.variables)
            .directory(plan.directory);
        if let Some(workspace) = plan.workspace.filter(|workspace| !workspace.is_of_login) {
            for name in workspace.others {
                call = call.without_variable(name);
            }
            let variables = workspace.variables.iter();
            call = call.variables(variables.map(|(name, value)| (*name, value.expose())));
        }
        let (group, output) = TeedOutput::spawn(&call, plan.output_log.as_ref())?;
        Ok(Launch::Done(Box::new(LocalRun { group, output })))
    }
}

/// An entry point that runs on this machine.
#[derive(Debug)]
struct LocalRun {
    group: ProcessGroup,
    output: TeedOutput,
}

#[async_trait]
impl SubmittedRun for LocalRun {
    async fn wait(&mut self, signals: &mut Signals, progress: &dyn Progress) -> Result<Ended, BackendError> {
        let ended = self.group.wait(signals).await;
        self.output.finish(progress).await;
        Ok(ended)
    }
}
