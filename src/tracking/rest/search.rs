//! The search for finished runs.

use super::RestStore;
use super::wire::{FoundRuns, Pair, search_runs};
use crate::entities::{LifecycleStage, RunData, RunStatus};
use crate::tracking::search::{PAGE, has_tags, refused};
use crate::tracking::{FinishedRuns, TrackingError};

impl RestStore {
    /// Asks for page after page until there are enough. Servers differ in how they compare and order,
    /// so what they find is looked at again.
    pub(super) async fn find_finished(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        let tags = wanted
            .stored_tags(self.long_values)
            .map_err(|error| refused(error, &self.store()))?;
        self.check_workspace().await?;
        let filter = filter(&tags);
        let mut found: Vec<RunData> = Vec::new();
        let mut page_token = None;
        while found.len() < wanted.limit {
            let id = wanted.experiment_id.as_str();
            let body = search_runs(id, &filter, PAGE, page_token.as_deref());
            let page = self
                .client
                .post::<FoundRuns>("/api/2.0/mlflow/runs/search", &body);
            let failed = |error| self.about("experiment", id, "read", error);
            let answer = page.await.map_err(failed)?;
            for run in answer.runs.iter().flatten() {
                let run = self.data_of(run)?;
                let is_finished = run.info.status == RunStatus::Finished;
                if is_finished && run.lifecycle_stage == LifecycleStage::Active && has_tags(&run, &tags) {
                    found.push(run);
                }
            }
            if answer.next_page_token.is_empty() {
                break;
            }
            page_token = Some(answer.next_page_token);
        }
        found.truncate(wanted.limit);
        Ok(found)
    }
}

/// Finished runs with these tags, in MLflow's filter language. What cannot be written in it is looked at
/// afterwards.
fn filter(tags: &[Pair]) -> String {
    let status = format!("attributes.status = '{}'", RunStatus::Finished);
    let conditions: Vec<_> = std::iter::once(status)
        .chain(tags.iter().filter_map(condition))
        .collect();
    conditions.join(" and ")
}

/// That a run has this tag, if that can be written in MLflow's filter language, which has no escapes.
pub(super) fn condition((key, value): &Pair) -> Option<String> {
    let forbids = |character: char| character.is_control() || matches!(character, '\'' | '`' | '\\' | '%');
    (!value.contains(forbids)).then(|| format!("tags.`{key}` = '{value}'"))
}
