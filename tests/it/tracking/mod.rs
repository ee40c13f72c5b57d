//! The tracking stores: each by itself, all of them by one [`suite`], and beside real clients.

mod away;
mod clients;
mod file;
mod rest;
mod sql;
pub(crate) mod suite;
mod uris;

use mlrun::internals::entities::{ExperimentId, RunStatus, UnixMillis};
use mlrun::internals::tracking::{NewRun, RunEnd, TrackingError};

fn new_run(experiment_id: &str, params: &[(&str, &str)]) -> NewRun {
    NewRun {
        experiment_id: ExperimentId::new(experiment_id),
        user: "anna".to_owned(),
        name: Some("trial: 1".to_owned()),
        start_time: UnixMillis(1_700_000_000_123),
        tags: vec![
            ("mlflow.user".to_owned(), "anna".to_owned()),
            ("mlflow.source.name".to_owned(), "a 'project' \u{fc}".to_owned()),
        ],
        params: params
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
    }
}

fn ended(status: RunStatus, keep_failure: bool) -> RunEnd {
    RunEnd {
        status,
        end_time: UnixMillis(1_700_000_001_000),
        keep_failure,
    }
}

/// The whole chain of an error in one line, and its hint.
fn told(error: &TrackingError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text += &format!(": {cause}");
        source = cause.source();
    }
    match error.hint() {
        Some(hint) => format!("{text}\nhint: {hint}"),
        None => text,
    }
}
