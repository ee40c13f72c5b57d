//! What `mlrun inspect` shows.

use crate::cli::project_source::ProjectSource;
use crate::lint::Finding;
use crate::project::{EntryPoint, Project};

/// What is shown.
pub(super) struct Inspected<'a> {
    pub(super) source: &'a ProjectSource,
    pub(super) project: &'a Project,
    /// All declared ones, or the one that was asked for.
    pub(super) entry_points: Vec<EntryPoint>,
    /// Scripts that can be run, where nothing is declared and no entry point was asked for.
    pub(super) scripts: Vec<String>,
    pub(super) findings: Vec<Finding>,
    /// What `mlrun run` needs to find the project again.
    pub(super) run_arguments: Vec<String>,
}
