//! Runs and experiments are created once, also by a server that loses its answers.

use super::RestStore;
use super::error::RestError;
use super::wire::{
    CreateExperiment, CreateRun, CreatedExperiment, DeleteRun, FoundRuns, Nothing, Pair, PairKind, Run,
    RunAnswer, SearchRuns,
};
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
        let body = CreateExperiment { name };
        let mut creation = self.client.creation("/api/2.0/mlflow/experiments/create", &body);
        loop {
            let created: Result<Option<CreatedExperiment>, RestError> = creation.next().await;
            match created {
                Ok(Some(created)) => return Ok(ExperimentId::new(created.experiment_id)),
                Ok(None) => {
                    if let Some(id) = self.experiment_by_name(name).await? {
                        return Ok(id);
                    }
                }
                // Another client was faster.
                Err(error) if error.code() == Some("RESOURCE_ALREADY_EXISTS") => {
                    let found = self.experiment_by_name(name).await?;
                    return found.ok_or_else(|| self.about("experiment", name, "write to", error));
                }
                // Databricks tells so of the directory that the experiment shall be in.
                Err(RestError::Refused { code, message, .. }) if code == "RESOURCE_DOES_NOT_EXIST" => {
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
        let mut creation = self.client.creation("/api/2.0/mlflow/runs/create", &body);
        let refused = |error| self.about("experiment", experiment_id, "write to", error);
        loop {
            let answer: Result<Option<RunAnswer>, RestError> = creation.next().await;
            let found = match answer {
                Ok(Some(answer)) => {
                    if creation.was_unclear() {
                        self.remove_twins(&mark, &answer.run).await;
                    }
                    return Ok(answer.run);
                }
                Ok(None) => self.marked_runs(&mark).await,
                Err(error) if creation.was_unclear() => return Err(mark.told_in(refused(error))),
                Err(error) => return Err(refused(error)),
            };
            match found {
                Ok(mut runs) => {
                    if let Some(run) = runs.pop() {
                        return Ok(run);
                    }
                }
                Err(error) => {
                    return Err(mark.told_in(creation.given_up().map_or(error, refused)));
                }
            }
        }
    }

    /// Looks for runs that this creation made.
    async fn marked_runs(&self, mark: &Mark<'_>) -> Result<Vec<Run>, TrackingError> {
        let experiment_id = mark.body.experiment_id;
        let body = SearchRuns {
            experiment_ids: [experiment_id],
            filter: &mark.filter,
            run_view_type: "ACTIVE_ONLY",
            max_results: MOST_TWINS,
            order_by: ["attributes.start_time DESC"],
            page_token: None,
        };
        let found: Result<FoundRuns, RestError> =
            self.client.post("/api/2.0/mlflow/runs/search", &body).await;
        let found = found.map_err(|error| self.about("experiment", experiment_id, "read", error))?;
        let runs = found.runs.unwrap_or_default().into_iter();
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
            let body = DeleteRun { run_id: twin };
            let deleted: Result<Nothing, RestError> =
                self.client.post("/api/2.0/mlflow/runs/delete", &body).await;
            if let Err(error) = deleted {
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
