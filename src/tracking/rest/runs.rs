//! Requests about runs, except their creation.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::RestStore;
use super::error::RestError;
use super::wire::{FoundExperiments, FoundRuns, Pair, RunAnswer, metrics, pair, run_data};
use crate::entities::{ExperimentId, LifecycleStage, Metric, RunData, RunId, RunStatus, UnixMillis};
use crate::http::ApiError;
use crate::tracking::limits::Entity;
use crate::tracking::store::{PAGE, StoreRules as _, has_tags, last_metrics};
use crate::tracking::{FinishedRuns, TrackingError};

/// The limits for one request: the server's number of pairs, and somewhat fewer bytes than its limit of one million.
const MOST_PAIRS: usize = 100;
const MOST_BYTES: usize = 900_000;

/// How often to repeat a request that failed because of a duplicate row.
const MOST_RACES: u32 = 3;

impl RestStore {
    pub(super) async fn fetch(&self, run_id: &RunId) -> Result<RunData, TrackingError> {
        self.data_of(&self.fetch_value(run_id).await?)
    }

    pub(super) async fn fetch_metrics(&self, run_id: &RunId) -> Result<Vec<Metric>, TrackingError> {
        Ok(last_metrics(metrics(&self.fetch_value(run_id).await?)))
    }

    async fn fetch_value(&self, run_id: &RunId) -> Result<Value, TrackingError> {
        let id = run_id.as_str();
        // The oldest servers know only the second name.
        let query = [("run_id", id), ("run_uuid", id)];
        let answer = self.client.get::<RunAnswer>("/api/2.0/mlflow/runs/get", &query);
        match answer.await {
            Ok(answer) => Ok(answer.run),
            Err(error) => Err(self.about("run", id, "read", error)),
        }
    }

    pub(super) fn data_of(&self, run: &Value) -> Result<RunData, TrackingError> {
        run_data(run).map_err(|reason| {
            let error = ApiError::malformed("MLflow", "/api/2.0/mlflow/runs", reason);
            self.unreadable(error.into())
        })
    }

    pub(super) async fn update(
        &self,
        run_id: &RunId,
        status: RunStatus,
        end_time: UnixMillis,
    ) -> Result<RunStatus, RestError> {
        // The oldest servers know only the second name.
        let body = json!({
            "run_id": run_id.as_str(),
            "run_uuid": run_id.as_str(),
            "status": status.as_str(),
            "end_time": end_time.0,
        });
        let updated = self
            .client
            .post::<IgnoredAny>("/api/2.0/mlflow/runs/update", &body);
        updated.await.map(|_| status)
    }

    /// Requests pages until there are enough runs. Servers compare and sort differently, so the results are checked
    /// again.
    pub(super) async fn find_finished(&self, wanted: &FinishedRuns) -> Result<Vec<RunData>, TrackingError> {
        let tags = self.fit_wanted_tags(wanted)?;
        self.check_workspace().await?;
        let filter = filter(&tags);
        let is_wanted = |run: &RunData| {
            run.info.status == RunStatus::Finished
                && run.lifecycle_stage == LifecycleStage::Active
                && has_tags(run, &tags)
        };
        let (mut found, mut page_token) = (Vec::new(), String::new());
        while found.len() < wanted.limit {
            let id = wanted.experiment_id.as_str();
            let (runs, next_page_token) = self.search(&[id], &filter, PAGE, &page_token).await?;
            found.extend(runs.into_iter().filter(is_wanted));
            if next_page_token.is_empty() {
                break;
            }
            page_token = next_page_token;
        }
        found.truncate(wanted.limit);
        Ok(found)
    }

    /// The experiments that changed last.
    pub(super) async fn search_experiments(
        &self,
        most: usize,
    ) -> Result<Vec<(ExperimentId, String)>, TrackingError> {
        let body = json!({
            "view_type": "ACTIVE_ONLY",
            "max_results": most,
            "order_by": ["last_update_time DESC"],
        });
        let found = self
            .client
            .post::<FoundExperiments>("/api/2.0/mlflow/experiments/search", &body);
        let found = found.await.map_err(|error| self.unreadable(error))?;
        let found = found.experiments.into_iter().flatten();
        Ok(found
            .map(|one| (ExperimentId::new(one.experiment_id), one.name))
            .collect())
    }

    /// A page of the newest active runs of experiments that fit the filter, and the token of the next page.
    pub(super) async fn search(
        &self,
        experiment_ids: &[&str],
        filter: &str,
        most: usize,
        page_token: &str,
    ) -> Result<(Vec<RunData>, String), TrackingError> {
        let mut body = json!({
            "experiment_ids": experiment_ids,
            "filter": filter,
            "run_view_type": "ACTIVE_ONLY",
            "max_results": most,
            "order_by": ["attributes.start_time DESC"],
        });
        if !page_token.is_empty() {
            body["page_token"] = page_token.into();
        }
        let page = self
            .client
            .post::<FoundRuns>("/api/2.0/mlflow/runs/search", &body);
        let failed = |error| self.about("experiment", &experiment_ids.join(", "), "read", error);
        let page = page.await.map_err(failed)?;
        let runs = page.runs.iter().flatten().map(|run| self.data_of(run));
        Ok((runs.collect::<Result<_, _>>()?, page.next_page_token))
    }

    /// Logs parameters or tags. Existing ones with the same value do not change.
    pub(super) async fn log_batches(
        &self,
        run_id: &RunId,
        kind: Entity,
        pairs: &[Pair],
    ) -> Result<(), TrackingError> {
        for batch in batches(pairs) {
            let pairs: Vec<_> = batch.iter().map(pair).collect();
            let body = json!({ "run_id": run_id.as_str(), (kind.plural()): pairs });
            let mut races = 0;
            while let Err(error) = self.log_batch(&body).await {
                if !error.is_duplicate() || races == MOST_RACES {
                    return Err(self.about("run", run_id.as_str(), "write to", error));
                }
                // The request may have been repeated after a lost response, and failed because of its own rows.
                if self.holds(run_id, kind, batch).await? {
                    break;
                }
                races += 1;
            }
        }
        Ok(())
    }

    async fn log_batch(&self, body: &Value) -> Result<IgnoredAny, RestError> {
        self.client.post("/api/2.0/mlflow/runs/log-batch", body).await
    }

    /// Whether the run has all of these values. A parameter with another value is an error.
    async fn holds(&self, run_id: &RunId, kind: Entity, batch: &[Pair]) -> Result<bool, TrackingError> {
        let run = self.fetch(run_id).await?;
        if kind == Entity::Tag {
            // A tag may be replaced.
            return Ok(has_tags(&run, batch));
        }
        for (key, wanted) in batch {
            match run.param(key) {
                Some(value) if value != wanted => {
                    let what = format!("the parameter '{key}' of run '{run_id}'");
                    let reason = format!("it is already logged with the value '{value}', not '{wanted}'");
                    return Err(self.refused(what, reason));
                }
                Some(_) => {}
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Splits pairs into batches for one request each.
fn batches(pairs: &[Pair]) -> impl Iterator<Item = &[Pair]> {
    let mut rest = pairs;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest
            .iter()
            .take(MOST_PAIRS)
            .take_while(|next| {
                bytes += pair(next).to_string().len() + 1;
                bytes <= MOST_BYTES
            })
            .count();
        // A single pair that is too long is left to the server to refuse.
        let (batch, after) = rest.split_at_checked(fitting.max(1))?;
        rest = after;
        Some(batch)
    })
}

/// A filter for finished runs with these tags. Tags that the filter language does not support are checked afterwards.
fn filter(tags: &[Pair]) -> String {
    let status = format!("attributes.status = '{}'", RunStatus::Finished);
    let conditions: Vec<_> = std::iter::once(status)
        .chain(tags.iter().filter_map(condition))
        .collect();
    conditions.join(" and ")
}

/// A condition for this tag, if MLflow's filter language supports its characters; it has no escapes.
pub(super) fn condition((key, value): &Pair) -> Option<String> {
    let forbids = |character: char| character.is_control() || matches!(character, '\'' | '`' | '\\' | '%');
    (!value.contains(forbids)).then(|| format!("tags.`{key}` = '{value}'"))
}
