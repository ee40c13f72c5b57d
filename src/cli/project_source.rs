//! A project that is only looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::printer::Printer;
use crate::cli::report::{Failure, Outcome};
use crate::events::Progress;
use crate::fetch::{self, FetchOptions, WorkDir};
use crate::process::{Interruptible, Signals, until_signal};
use crate::project::{Location, Project};
use crate::project_uri::{self, ProjectUri};
use crate::runner::{RunError, in_background};

/// A project's directory for as long as it is looked at.
pub(crate) struct ProjectSource {
    pub(crate) uri: ProjectUri,
    pub(crate) work_dir: WorkDir,
    current_directory: PathBuf,
}

impl ProjectSource {
    /// Where the project's files are, for a person: relative to the directory that the program was called
    /// in where they lie below it, and to the project's where that is a temporary one.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let base = if self.work_dir.is_temporary() {
            self.work_dir.path()
        } else {
            &self.current_directory
        };
        let shown = path.strip_prefix(base).unwrap_or(path);
        shown.display().to_string()
    }

    /// A place in a file, for a person.
    pub(crate) fn shown_location(&self, location: &Location) -> String {
        let position = location.position;
        format!(
            "{}:{}:{}",
            self.shown(location.file.path()),
            position.line,
            position.column
        )
    }
}

/// The project in a directory on this machine that the URI names. Fetches nothing; whatever is wrong with it is no
/// matter here.
pub(crate) fn at_hand(uri: &str) -> Option<Project> {
    let current_directory = std::env::current_dir().ok()?;
    let uri = ProjectUri::parse(uri, &current_directory).ok()?;
    let project_uri::Location::Directory(directory) = uri.location() else {
        return None;
    };
    let directory = match uri.subdirectory() {
        Some(subdirectory) => subdirectory.below(directory),
        None => directory.clone(),
    };
    Project::load(&directory).ok()
}

/// Fetches a project and looks at it. What had to be fetched is removed again, also after a signal, which
/// ends the look at once.
pub(crate) async fn look_at(
    uri: &str,
    version: Option<String>,
    printer: &Printer,
    look: impl FnOnce(&ProjectSource) -> Result<Outcome, Failure> + Send + 'static,
) -> Result<Outcome, Failure> {
    let mut signals = Signals::install()?;
    let current_directory =
        std::env::current_dir().map_err(|source| RunError::NoCurrentDirectory { source })?;
    let uri = ProjectUri::parse(uri, &current_directory).map_err(RunError::from)?;
    let options = FetchOptions { version, keep: false };
    let progress = Warnings(printer);
    let work_dir = match until_signal(&mut signals, fetch::fetch(&uri, &options, &progress)).await {
        Interruptible::Done(fetched) => fetched.map_err(RunError::from)?,
        Interruptible::Interrupted(signal) => return Ok(Outcome::Interrupted(signal.number())),
    };
    let source = Arc::new(ProjectSource {
        uri,
        work_dir,
        current_directory,
    });
    let looked_at = Arc::clone(&source);
    let look = in_background(move || look(&looked_at));
    match until_signal(&mut signals, look).await {
        Interruptible::Done(outcome) => outcome?,
        Interruptible::Interrupted(signal) => {
            // The look itself has the source until the program has ended.
            source.work_dir.remove_temporary();
            Ok(Outcome::Interrupted(signal.number()))
        }
    }
}

/// Shows warnings and transfers, but not the normal course of a fetch.
struct Warnings<'a>(&'a Printer);

impl Progress for Warnings<'_> {
    fn info(&self, _line: &str) {}

    fn warning(&self, line: &str) {
        self.0.warning(line);
    }

    fn output(&self, bytes: &[u8]) {
        self.0.output(bytes);
    }

    fn transfer(&self, transfer: crate::events::Transfer<'_>) {
        self.0.transfer(transfer);
    }
}
