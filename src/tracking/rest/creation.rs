//! Runs and experiments are created once, also by a server that loses its answers.

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::timeout;

use super::RestStore;
use super::client::Client;
use super::error::RestError;
use super::wire::{
    CreateRun, CreatedExperiment, FoundRuns, Nothing, Pair, PairKind, Run, RunAnswer, search_runs,
};
use crate::http::{Attempt, Call, Tries};
use crate::run::{ExperimentId, tag};
use crate::tracking::{NewRun, TrackingError};

/// More runs than this are never of one creation.
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
            match creation.next::<CreatedExperiment>().await {
                Ok(Some(created)) => return Ok(ExperimentId::new(created.experiment_id.0)),
                Ok(None) => {
                    if let Some(id) = self.experiment_by_name(name).await? {
                        return Ok(id);
                    }
                }
                // Another client was faster.
                Err(error) if matches!(error.refusal(), Some((_, "RESOURCE_ALREADY_EXISTS", _))) => {
                    let found = self.experiment_by_name(name).await?;
                    return found.ok_or_else(|| self.about("experiment", name, "write to", error));
                }
                // Databricks tells so of the directory that the experiment shall be in.
                Err(error) if error.is_not_found() => {
                    let message = error.refusal().map_or("", |(_, _, message)| message);
                    return Err(self.refused(&format!("the experiment '{name}'"), message));
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
    ) -> Result<Run, TrackingError> {
        let experiment_id = new_run.experiment_id.as_str();
        let name = new_run.name.as_deref().filter(|name| !name.is_empty());
        // Servers before MLflow 2 take the name from the tag alone.
        tags.extend(name.map(|name| Pair::from((tag::RUN_NAME.to_owned(), name.to_owned()))));
        let body = CreateRun {
            experiment_id,
            user_id: &new_run.user,
            run_name: name,
            start_time: new_run.start_time.0,
            tags,
        };
        let mark = Mark::of(&body);
        let mut creation = Creation::new(&self.client, "/api/2.0/mlflow/runs/create", &body);
        let refused = |error| self.about("experiment", experiment_id, "write to", error);
        loop {
            let found = match creation.next::<RunAnswer>().await {
                Ok(Some(answer)) => {
                    if creation.was_unclear {
                        self.remove_twins(&mark, &answer.run).await;
                    }
                    return Ok(answer.run);
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

    /// Looks for runs that this creation made.
    async fn marked_runs(&self, mark: &Mark<'_>) -> Result<Vec<Run>, TrackingError> {
        let experiment_id = mark.body.experiment_id;
        let body = search_runs(experiment_id, &mark.filter, MOST_TWINS, None);
        let found = self
            .client
            .post::<FoundRuns>("/api/2.0/mlflow/runs/search", &body);
        let failed = |error| self.about("experiment", experiment_id, "read", error);
        let runs = found.await.map_err(failed)?.runs.unwrap_or_default().into_iter();
        Ok(runs.filter(|run| mark.is_on(run)).collect())
    }

    /// Deletes what an earlier try created after it had been looked for. Nobody knows of it yet.
    async fn remove_twins(&self, mark: &Mark<'_>, created: &Run) {
        if mark.tag.is_none() {
            // It may be another one's.
            return;
        }
        let runs = match self.marked_runs(mark).await {
            Ok(runs) => runs,
            Err(error) => {
                tracing::debug!(%error, "looking for a second run");
                return;
            }
        };
        for twin in runs.iter().map(Run::id).filter(|id| *id != created.id()) {
            let body = json!({ "run_id": twin });
            let deleted = self.client.post::<Nothing>("/api/2.0/mlflow/runs/delete", &body);
            if let Err(error) = deleted.await {
                tracing::warn!("the run '{twin}' was created by mistake and could not be deleted: {error}");
            }
        }
    }
}

/// By what a run is found that the server may have created, although it could not say so: the tag of its
/// creation or of the process that carries it out, if it has one, else the time of its start.
struct Mark<'a> {
    body: &'a CreateRun<'a>,
    tag: Option<&'a Pair>,
    /// In MLflow's filter language.
    filter: String,
}

impl<'a> Mark<'a> {
    fn of(body: &'a CreateRun<'a>) -> Self {
        // The language has no escapes.
        let is_writable = |tag: &&Pair| !tag.value.contains(['\'', '\\']);
        let tag = [tag::CREATION, tag::PROJECT_PROCESS]
            .iter()
            .find_map(|key| body.tags.iter().find(|tag| tag.key == *key))
            .filter(is_writable);
        let filter = match tag {
            Some(tag) => format!("tags.`{}` = '{}'", tag.key, tag.value),
            None => format!("attributes.start_time = {}", body.start_time),
        };
        Self { body, tag, filter }
    }

    /// Whether the run is as it was to be created.
    fn is_on(&self, run: &Run) -> bool {
        let has = |tag: &Pair| run.value(PairKind::Tag, &tag.key) == Some(&tag.value);
        match self.tag {
            Some(tag) => has(tag) && run.has_start_time(self.body.start_time),
            // The server may add a name.
            None => {
                let is_asked_for =
                    |key: &str| key == tag::RUN_NAME || self.body.tags.iter().any(|tag| tag.key == key);
                run.has_start_time(self.body.start_time)
                    && self.body.tags.iter().all(has)
                    && run.tag_keys().all(is_asked_for)
            }
        }
    }

    /// The error with a hint that tells how a person finds the run.
    fn told_in(&self, error: TrackingError) -> TrackingError {
        match error {
            TrackingError::Unusable {
                action,
                store,
                hint,
                may_pass,
                source,
            } => {
                let first = hint.map_or_else(String::new, |hint| format!("{hint}; "));
                let hint = format!(
                    "{first}the server may have created the run without saying so: search experiment {} for {}",
                    self.body.experiment_id, self.filter
                );
                TrackingError::Unusable {
                    action,
                    store,
                    hint: Some(hint),
                    may_pass,
                    source,
                }
            }
            error => error,
        }
    }
}

/// A request that creates something, and must not do so twice. An answer may be lost, or be an error
/// although the server has done its work: it is for the caller then to look whether it is there, before
/// the request is sent again. One that the server has not answered in time is not sent again at all: it may
/// stand in a queue there, and be worked on later.
struct Creation<'a> {
    client: &'a Client,
    call: Call<'a>,
    tries: Tries,
    /// The request that is on its way.
    sent: Option<BoxFuture<'a, Result<Attempt, RestError>>>,
    /// Whether an earlier try may have created it too.
    was_unclear: bool,
    /// What came last, when there is no further try.
    given_up: Option<RestError>,
}

impl<'a> Creation<'a> {
    fn new(client: &'a Client, endpoint: &'a str, body: &impl Serialize) -> Self {
        let retry = client.settings().retry;
        Self {
            client,
            call: Call {
                patience: retry.max_retries.saturating_add(1),
                ..Call::json(endpoint, body)
            },
            tries: retry.tries(),
            sent: None,
            was_unclear: false,
            given_up: None,
        }
    }

    /// Sends the request, or sends it again after a pause. `None` if nobody can say whether the server
    /// has done it: look, and call again if it is not there.
    ///
    /// # Errors
    /// The server refuses, or there were enough tries.
    async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, RestError> {
        loop {
            if let Some(error) = self.given_up.take() {
                return Err(error);
            }
            let mut sent = self.sent.take().unwrap_or_else(|| {
                let (client, call) = (self.client, self.call.clone());
                Box::pin(async move { client.attempt(&call).await })
            });
            let Ok(attempt) = timeout(self.client.settings().timeout, &mut sent).await else {
                self.was_unclear = true;
                self.sent = Some(sent);
                return Ok(None);
            };
            let (answer, is_unclear) = match attempt? {
                Attempt::Answered(answer) => {
                    let is_unclear = answer.status.is_success();
                    (Ok(answer), is_unclear)
                }
                Attempt::Failed(failure) => {
                    let is_unclear = failure.is_unclear();
                    if !failure.is_timeout() && self.client.pause(&mut self.tries, &failure).await {
                        self.was_unclear |= is_unclear;
                        match is_unclear {
                            true => return Ok(None),
                            false => continue,
                        }
                    }
                    (failure.into_outcome(self.tries.count()), is_unclear)
                }
            };
            let result = match answer {
                Ok(answer) => self.client.read(self.call.path, answer, self.tries.count()).await,
                Err(error) => Err(error.into()),
            };
            match result {
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
