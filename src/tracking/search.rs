//! The search for runs whose work need not be done again.

use super::TrackingError;
use super::limits::{self, LimitError, LongValues};
use crate::entities::{ExperimentId, RunData};

/// Which runs to look for: those of an experiment that are `FINISHED`, not deleted, and have all of
/// these tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedRuns {
    /// The experiment. One that does not exist has no runs.
    pub experiment_id: ExperimentId,
    /// Tags with their values; every key once. Values are compared as [`TrackingStore::set_tags`]
    /// would store them, to the byte.
    ///
    /// [`TrackingStore::set_tags`]: super::TrackingStore::set_tags
    pub tags: Vec<(String, String)>,
    /// How many runs to return at most.
    pub limit: usize,
}

impl FinishedRuns {
    /// The tags as a store with these rules holds them.
    pub(super) fn stored_tags(&self, long_values: LongValues) -> Result<Vec<(String, String)>, LimitError> {
        limits::fit_tags(self.tags.clone(), long_values, &mut drop)
    }
}

/// Whether a run has all of these tags.
pub(super) fn has_tags(run: &RunData, tags: &[(String, String)]) -> bool {
    tags.iter().all(|(key, value)| run.tag(key) == Some(value))
}

/// The pairs in the order of their keys, as [`RunData`] holds them.
pub(super) fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

/// How many runs are read in one go.
pub(super) const PAGE: usize = 100;

/// What a tag that no store can hold means: an error of the store.
pub(super) fn refused(error: LimitError, store: &str) -> TrackingError {
    TrackingError::Refused {
        what: "a tag".to_owned(),
        reason: error.to_string(),
        store: store.to_owned(),
    }
}
