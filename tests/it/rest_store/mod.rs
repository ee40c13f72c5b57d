//! The REST store: against scripted servers that fail in every way, and against real MLflow servers.

mod calls;
mod faults;
mod lost_answers;
mod overload;
mod real_server;
mod refused;
mod request_count;
mod settings;
mod signers;
mod suite;
mod tls;

use mlrun::internals::entities::{ExperimentId, UnixMillis};
use mlrun::internals::tracking::{NewRun, RestSettings, RestStore, TrackingError};

/// A store with these variables on top of ones that let failing tests end soon.
fn store(url: &str, variables: &[(&str, &str)]) -> Result<RestStore, TrackingError> {
    let settings = RestSettings::from_variables(&|name| {
        let quick = [
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0"),
        ];
        let mut known = variables.iter().chain(&quick);
        known
            .find(|(other, _)| *other == name)
            .map(|(_, value)| (*value).to_owned())
    })
    .expect("the variables of a test are valid");
    RestStore::new(url, &settings)
}

fn new_run(params: &[(&str, &str)]) -> NewRun {
    NewRun {
        experiment_id: ExperimentId::new("0"),
        user: "anna".to_owned(),
        name: Some("trial".to_owned()),
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
