//! Creates runs and experiments exactly once, even if responses are lost.

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;
use tokio::time::timeout;

use super::RestStore;
use super::client::Client;
use super::error::RestError;
use super::runs::condition;
use super::wire::{Experiment, Pair, RunAnswer, pair};
use crate::entities::{ExperimentId, RunData, RunId, tag};
use crate::http::{Call, Outcome};
use crate::tracking::store::{StoreRules as _, has_tags};
use crate::tracking::{NewRun, TrackingError};

/// A creation never leaves more runs than this.
const MOST_TWINS: usize = 10;

impl RestStore {
    /// The experiment with this name, which is created if it does not exist.
    pub(super) async fn experiment_found_or_made(&self, name: &str) -> Result<ExperimentId, TrackingError> {
        if let Some(id) = self.experiment_by_name(name).await? {
            return Ok(id);
        }
        let body = json!({ "name": name });
        let mut creation = Creation::new(&self.client, "/api/2.0/mlflow/experiments/create", &body);
        loop {
            match creation.next::<Experiment>().await {
                Ok(Some(created)) => return Ok(ExperimentId::new(created.experiment_id)),
                Ok(None) => {
                    if let Some(id) = self.experiment_by_name(name).await? {
                        return Ok(id);
                    }
                }
                // Another client has just created it.
                Err(error) if matches!(error.refusal(), Some((_, "RESOURCE_ALREADY_EXISTS", _))) => {
                    let found = self.experiment_by_name(name).await?;
                    return found.ok_or_else(|| self.about("experiment", name, "write to", error));
                }
                // Databricks reports a missing directory of the experiment like this.
                Err(error) if error.is_not_found() => {
                    let message = error.refusal().map_or("", |(_, _, message)| message);
                    return Err(self.refused(format!("the experiment '{name}'"), message));
                }
                Err(error) => return Err(self.about("experiment", name, "write to", error)),
            }
        }
    }

    /// Creates a run without its parameters.
    pub(super) async fn created_run(
        &self,
        new_run: &NewRun,
        mut tags: Vec<Pair>,
    ) -> Result<RunData, TrackingError> {
        let experiment_id = new_run.experiment_id.as_str();
        let mut body = json!({
            "experiment_id": experiment_id,
            "user_id": new_run.user,
            "start_time": new_run.start_time.0,
        });
        if let Some(name) = new_run.name.as_deref().filter(|name| !name.is_empty()) {
            body["run_name"] = name.into();
            // Servers before MLflow 2 read the name only from the tag.
            tags.push((tag::RUN_NAME.to_owned(), name.to_owned()));
        }
        body["tags"] = tags.iter().map(pair).collect();
        let mark = Mark::of(new_run, &tags);
        let mut creation = Creation::new(&self.client, "/api/2.0/mlflow/runs/create", &body);
        let refused = |error| self.about("experiment", experiment_id, "write to", error);
        loop {
            let found = match creation.next::<RunAnswer>().await {
                Ok(Some(answer)) => {
                    let run = self.data_of(&answer.run)?;
                    if creation.was_unclear {
                        self.remove_twins(&mark, &run.info.run_id).await;
                    }
                    return Ok(run);
                }
                Ok(None) => self.marked_runs(&mark).await,
                Err(error) if creation.was_unclear => return Err(mark.told_in(refused(error))),
                Err(error) => return Err(refused(error)),
            };
            match found {
                Ok(mut runs) => {
                    if let Some(run) = runs.pop() {
                        return Ok(run);
                    }
                }
                Err(error) => {
                    return Err(mark.told_in(creation.given_up.take().map_or(error, refused)));
                }
            }
        }
    }

    /// Finds the runs of this creation.
    async fn marked_runs(&self, mark: &Mark<'_>) -> Result<Vec<RunData>, TrackingError> {
        let id = mark.new_run.experiment_id.as_str();
        let (mut runs, _) = self.search(&[id], &mark.filter, MOST_TWINS, "").await?;
        runs.retain(|run| mark.is_on(run));
        Ok(runs)
    }

    /// Deletes a duplicate that an earlier attempt created after the search for it. Nothing refers to it yet.
    async fn remove_twins(&self, mark: &Mark<'_>, created: &RunId) {
        if mark.tag.is_none() {
            // It may belong to another creation.
            return;
        }
        let runs = match self.marked_runs(mark).await {
            Ok(runs) => runs,
            Err(error) => {
                tracing::debug!(%error, "looking for a second run");
                return;
            }
        };
        let twins = runs.iter().map(|run| &run.info.run_id);
        for twin in twins.filter(|id| *id != created) {
            let body = json!({ "run_id": twin.as_str() });
            let deleted = self
                .client
                .post::<IgnoredAny>("/api/2.0/mlflow/runs/delete", &body);
            if let Err(error) = deleted.await {
                tracing::warn!("cannot delete the run '{twin}', a duplicate from a lost response: {error}");
            }
        }
    }
}

/// Identifies a run that the server may have created although the response was lost: by the tag of the creation or
/// of the process, otherwise by the start time.
struct Mark<'a> {
    new_run: &'a NewRun,
    tags: &'a [Pair],
    tag: Option<&'a Pair>,
    /// In MLflow's filter language.
    filter: String,
}

impl<'a> Mark<'a> {
    fn of(new_run: &'a NewRun, tags: &'a [Pair]) -> Self {
        let found = [tag::CREATION, tag::PROJECT_PROCESS].iter().find_map(|wanted| {
            let tag = tags.iter().find(|(key, _)| key == wanted)?;
            Some((tag, condition(tag)?))
        });
        let (tag, filter) = match found {
            Some((tag, condition)) => (Some(tag), condition),
            None => (None, format!("attributes.start_time = {}", new_run.start_time.0)),
        };
        Self {
            new_run,
            tags,
            tag,
            filter,
        }
    }

    /// Whether the run is the one to create.
    fn is_on(&self, run: &RunData) -> bool {
        if run.start_time != Some(self.new_run.start_time) {
            return false;
        }
        match self.tag {
            Some(tag) => has_tags(run, std::slice::from_ref(tag)),
            None => {
                // The server may add a name.
                let is_asked_for =
                    |key: &str| key == tag::RUN_NAME || self.tags.iter().any(|(asked, _)| asked == key);
                has_tags(run, self.tags) && run.tags.iter().all(|(key, _)| is_asked_for(key))
            }
        }
    }

    /// Adds a hint how to find the run.
    fn told_in(&self, mut error: TrackingError) -> TrackingError {
        if let TrackingError::Unusable { hint, .. } = &mut error {
            let first = hint.take().map_or_else(String::new, |hint| format!("{hint}; "));
            *hint = Some(format!(
                "{first}the server may have created the run anyway; search experiment {} for {}",
                self.new_run.experiment_id, self.filter
            ));
        }
        error
    }
}

/// A request that creates something, and must not do so twice. A response may be lost, or be an error although the
/// server succeeded; then the caller must look for the result before the request is sent again. A request that has
/// timed out is not sent again, because the server may have queued it.
struct Creation<'a> {
    client: &'a Client,
    call: Call<'a>,
    /// The number of the next attempt.
    tries: u32,
    /// The pending request.
    sent: Option<BoxFuture<'a, Result<Outcome, RestError>>>,
    /// Whether an earlier attempt may have created it too.
    was_unclear: bool,
    /// The last error, if no attempts are left.
    given_up: Option<RestError>,
}

impl<'a> Creation<'a> {
    fn new(client: &'a Client, endpoint: &'a str, body: &impl Serialize) -> Self {
        Self {
            client,
            call: Call {
                patience: client.settings().retry.max_retries.saturating_add(1),
                ..Call::json(endpoint, body)
            },
            tries: 1,
            sent: None,
            was_unclear: false,
            given_up: None,
        }
    }

    /// Sends the request, or sends it again after a pause. `None` if the outcome is unknown: the caller must look for
    /// the result, and call this again if there is none.
    ///
    /// # Errors
    /// The server refused, or no attempts are left.
    async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RestError> {
        loop {
            if let Some(error) = self.given_up.take() {
                return Err(error);
            }
            let mut sent = self.sent.take().unwrap_or_else(|| {
                let (client, call, tries) = (self.client, self.call.clone(), self.tries);
                Box::pin(async move { client.attempt(&call, tries).await })
            });
            let Ok(outcome) = timeout(self.client.settings().timeout, &mut sent).await else {
                self.was_unclear = true;
                self.sent = Some(sent);
                return Ok(None);
            };
            let outcome = outcome?;
            let is_unclear = outcome.is_unclear();
            if !outcome.is_timeout() && self.client.pause(&mut self.tries, &outcome).await {
                self.was_unclear |= is_unclear;
                if is_unclear { return Ok(None) } else { continue }
            }
            match self.client.read(self.call.path, outcome).await {
                Err(error) if is_unclear => {
                    self.was_unclear = true;
                    self.given_up = Some(error);
                    return Ok(None);
                }
                result => return result.map(Some),
            }
        }
    }
}
