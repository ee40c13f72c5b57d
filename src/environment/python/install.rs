//! What pip and uv are given: a requirements file beside everything that its lines may refer to.

use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::python_env::PythonEnv;
use crate::environment::EnvironmentError;
use crate::environment::cache::BuildCalls;
use crate::events::Progress;
use crate::process::ProgramCall;

/// Installs the build dependencies, then the dependencies, by `installer`, a program that takes
/// `-r FILE` as its last arguments.
///
/// The lines go into a file, so that what they hold, such as the password of an index, is seen in no
/// list of processes. They may name files of the project by relative paths, so the file stands in a
/// directory of links to all that the project has, as `mlflow run` does it: the project's own
/// directory may not be writable.
pub(super) async fn install(
    installer: &ProgramCall,
    calls: &BuildCalls<'_>,
    python_env: &PythonEnv,
    project: &Path,
    progress: &dyn Progress,
) -> Result<(), EnvironmentError> {
    for lines in [&python_env.build_dependencies, &python_env.dependencies] {
        if lines.is_empty() {
            continue;
        }
        let directory = linked_directory(project, calls.temporary()).map_err(EnvironmentError::temporary)?;
        let name = format!("requirements.{}.txt", uuid::Uuid::new_v4().simple());
        let file = directory.path().join(&name);
        std::fs::write(&file, lines.join("\n")).map_err(EnvironmentError::cache("write", file))?;
        installer
            .clone()
            .arguments(["-r", &name])
            .directory(directory.path())
            .stream(&mut |line| progress.program_line(line))
            .await?;
    }
    Ok(())
}

fn linked_directory(project: &Path, parent: &Path) -> io::Result<TempDir> {
    let project = std::path::absolute(project)?;
    let directory = tempfile::Builder::new().prefix("mlrun-").tempdir_in(parent)?;
    for entry in std::fs::read_dir(&project)? {
        let entry = entry?;
        symlink(entry.path(), directory.path().join(entry.file_name()))?;
    }
    Ok(directory)
}
