//! Virtual environments by Python's own `venv`, filled by pip.

use super::{PythonPlan, install};
use crate::environment::EnvironmentError;
use crate::environment::cache::BuildCalls;
use crate::events::Progress;
use crate::process::ProgramCall;

/// Makes the environment where nothing is.
pub(super) async fn build(
    plan: &PythonPlan,
    calls: &BuildCalls<'_>,
    progress: &dyn Progress,
) -> Result<(), EnvironmentError> {
    let found = plan.interpreter(calls, progress).await?;
    let directory = &plan.entry.directory;
    progress.info(&format!(
        "Creating the environment {} with Python {} ({})",
        directory.display(),
        found.version,
        found.path.display()
    ));
    let venv = ProgramCall::new(&found.path)
        .arguments(["-m", "venv"])
        .argument(directory);
    calls
        .prepare(venv)
        .stream(&mut |line| progress.program_line(line))
        .await?;
    let pip = ProgramCall::new(directory.join("bin/python"))
        .arguments(["-m", "pip", "install"])
        // Nobody could answer.
        .variable("PIP_NO_INPUT", "1")
        .variable("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    let pip = plan.inside(pip, calls);
    install::install(&pip, calls, &plan.python_env, &plan.project, progress).await
}
