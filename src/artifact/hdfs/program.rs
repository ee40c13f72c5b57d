//! `hdfs://` and `viewfs://` by Hadoop's own program, which knows its configuration, Kerberos and all.

use std::path::Path;

use crate::artifact::download::Brought;
use crate::artifact::landing::parent_of;
use crate::artifact::local;
use crate::artifact::repository_error::RepositoryError;
use crate::process::{ProcessError, ProgramCall, program_on_path};

/// The program.
const PROGRAM: &str = "hdfs";

/// Whether the program is there.
pub(in crate::artifact) fn is_there() -> bool {
    program_on_path(PROGRAM).is_some()
}

/// Why nothing can be had that only the program can reach.
pub(in crate::artifact) fn missing() -> RepositoryError {
    RepositoryError::Program(ProcessError::Missing {
        program: PROGRAM.to_owned(),
    })
}

/// The URI for the program, which takes some characters of names for patterns.
fn literal(uri: &str) -> String {
    let mut literal = String::with_capacity(uri.len());
    for character in uri.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            literal.push('\\');
        }
        literal.push(character);
    }
    literal
}

/// Whether the URI is that of a directory.
pub(in crate::artifact) async fn is_directory(uri: &str) -> Result<bool, RepositoryError> {
    let call = ProgramCall::new(PROGRAM)
        .arguments(["dfs", "-stat", "%F"])
        .argument(literal(uri));
    match call.capture().await {
        Ok(captured) => Ok(captured.text().trim() == "directory"),
        Err(ProcessError::Failed { last_lines, .. })
            if last_lines
                .iter()
                .any(|line| line.contains("No such file or directory")) =>
        {
            Err(RepositoryError::Missing {
                said: last_lines.join(" "),
            })
        }
        Err(error) => Err(error.into()),
    }
}

/// Puts a file to a URI, where it appears when it is whole, and makes the directories above it.
pub(in crate::artifact) async fn put(file: &Path, uri: &str) -> Result<(), RepositoryError> {
    let (directory, _) = uri.rsplit_once('/').unwrap_or_default();
    let make = ProgramCall::new(PROGRAM)
        .arguments(["dfs", "-mkdir", "-p"])
        .argument(literal(directory));
    make.capture().await?;
    let put = ProgramCall::new(PROGRAM)
        .arguments(["dfs", "-put", "-f"])
        .argument(file.as_os_str())
        .argument(literal(uri));
    put.capture().await?;
    Ok(())
}

/// Brings it to this path, where it appears when it is whole.
pub(in crate::artifact) async fn bring(uri: &str, target: &Path) -> Result<Brought, RepositoryError> {
    let place = tempfile::Builder::new()
        .prefix(".incomplete-")
        .tempdir_in(parent_of(target))
        .map_err(RepositoryError::unwritable)?;
    let copy = place.path().join("copy");
    let call = ProgramCall::new(PROGRAM)
        .arguments(["dfs", "-get"])
        .argument(literal(uri))
        .argument(copy.as_os_str());
    call.capture().await?;
    local::rename(&copy, target)
}
