//! Virtual environments by Python's own `venv`, filled by pip.

use super::{PythonPlan, install, interpreter};
use crate::environment::EnvironmentError;
use crate::events::Progress;
use crate::process::ProgramCall;

/// Makes the environment where nothing is.
pub(super) async fn build(plan: &PythonPlan, progress: &dyn Progress) -> Result<(), EnvironmentError> {
    let found = interpreter::find(&plan.version, progress).await?;
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
    plan.entry
        .build_call(venv)
        .stream(&mut |line| progress.program_line(line))
        .await?;
    let pip = ProgramCall::new(directory.join("bin/python"))
        .arguments(["-m", "pip", "install"])
        // Nobody could answer.
        .variable("PIP_NO_INPUT", "1")
        .variable("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    install::install(&plan.inside(pip), &plan.python_env, &plan.project, progress).await
}
