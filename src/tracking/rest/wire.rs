//! The bodies of requests and answers, as far as mlrun uses them.
//!
//! Servers other than MLflow's own write numbers as text or text as numbers, and older ones leave
//! fields out; what is read here bears both.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::run::{ExperimentId, LifecycleStage, RunData, RunId, RunInfo, RunStatus, UnixMillis};
use crate::tracking::search::sorted;
use crate::tracking::status_number;

/// A key with a value: a tag or a parameter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pair {
    #[serde(default, deserialize_with = "text")]
    pub(super) key: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) value: String,
}

/// What a [`Pair`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairKind {
    Param,
    Tag,
}

impl From<Pair> for (String, String) {
    fn from(pair: Pair) -> Self {
        (pair.key, pair.value)
    }
}

impl From<(String, String)> for Pair {
    fn from((key, value): (String, String)) -> Self {
        Self { key, value }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct CreateRun<'a> {
    pub(super) experiment_id: &'a str,
    pub(super) user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run_name: Option<&'a str>,
    pub(super) start_time: i64,
    pub(super) tags: Vec<Pair>,
}

#[derive(Debug, Serialize)]
pub(super) struct LogBatch<'a> {
    pub(super) run_id: &'a str,
    #[serde(skip_serializing_if = "<[Pair]>::is_empty")]
    pub(super) params: &'a [Pair],
    #[serde(skip_serializing_if = "<[Pair]>::is_empty")]
    pub(super) tags: &'a [Pair],
}

/// The newest active runs of an experiment that fit the filter, as a request for one page.
pub(super) fn search_runs(experiment_id: &str, filter: &str, most: usize, page_token: Option<&str>) -> Value {
    let mut body = json!({
        "experiment_ids": [experiment_id],
        "filter": filter,
        "run_view_type": "ACTIVE_ONLY",
        "max_results": most,
        "order_by": ["attributes.start_time DESC"],
    });
    if let Some(token) = page_token {
        body["page_token"] = token.into();
    }
    body
}

#[derive(Debug, Deserialize)]
pub(super) struct FoundRuns {
    #[serde(default)]
    pub(super) runs: Option<Vec<Run>>,
    #[serde(default)]
    pub(super) next_page_token: Text,
}

/// An answer that says nothing.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

#[derive(Debug, Deserialize)]
pub(super) struct ServerInfo {
    #[serde(default)]
    pub(super) workspaces_enabled: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct CreatedExperiment {
    pub(super) experiment_id: Text,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentAnswer {
    pub(super) experiment: Experiment,
}

#[derive(Debug, Deserialize)]
pub(super) struct Experiment {
    pub(super) experiment_id: Text,
    #[serde(default)]
    pub(super) lifecycle_stage: Text,
    #[serde(default)]
    pub(super) artifact_location: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunAnswer {
    pub(super) run: Run,
}

#[derive(Debug, Deserialize)]
pub(super) struct Run {
    pub(super) info: Info,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    run_id: Text,
    run_uuid: Text,
    run_name: Text,
    experiment_id: Text,
    status: Text,
    artifact_uri: Text,
    user_id: Text,
    start_time: Text,
    end_time: Text,
    pub(super) lifecycle_stage: Text,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(default)]
    tags: Option<Vec<Pair>>,
    #[serde(default)]
    params: Option<Vec<Pair>>,
}

impl Run {
    /// The run's id; empty where the server gives none.
    pub(super) fn id(&self) -> &str {
        match &*self.info.run_id {
            "" => &self.info.run_uuid,
            id => id,
        }
    }

    pub(super) fn tag_keys(&self) -> impl Iterator<Item = &str> {
        let tags = self.data.as_ref().and_then(|data| data.tags.as_deref());
        tags.unwrap_or_default().iter().map(|tag| tag.key.as_str())
    }

    pub(super) fn has_start_time(&self, time: i64) -> bool {
        milliseconds(&self.info.start_time) == milliseconds(&time.to_string())
    }

    /// The value that a parameter or a tag has.
    pub(super) fn value(&self, kind: PairKind, key: &str) -> Option<&str> {
        let data = self.data.as_ref()?;
        let pairs = match kind {
            PairKind::Param => data.params.as_deref(),
            PairKind::Tag => data.tags.as_deref(),
        };
        pairs?
            .iter()
            .find(|pair| pair.key == key)
            .map(|pair| pair.value.as_str())
    }

    /// All of the run, or what is missing.
    pub(super) fn into_data(mut self) -> Result<RunData, String> {
        let info = &mut self.info;
        let user = std::mem::take(&mut info.user_id.0);
        let [start_time, end_time] = [&info.start_time, &info.end_time].map(|text| milliseconds(text));
        let lifecycle_stage = LifecycleStage::from_name(&info.lifecycle_stage);
        let list = |pairs: Option<&Vec<Pair>>| {
            let pairs = pairs.into_iter().flatten().cloned();
            sorted(pairs.map(<(String, String)>::from).collect())
        };
        let data = self.data.as_ref();
        Ok(RunData {
            user,
            start_time,
            end_time,
            lifecycle_stage,
            tags: list(data.and_then(|data| data.tags.as_ref())),
            params: list(data.and_then(|data| data.params.as_ref())),
            info: self.into_info()?,
        })
    }

    /// The run's plain values, or what is missing.
    pub(super) fn into_info(self) -> Result<RunInfo, String> {
        let run_id = self.id().to_owned();
        if run_id.is_empty() {
            return Err("the run has no id".to_owned());
        }
        // Servers before MLflow 2 keep the name among the tags alone.
        let run_name = match &*self.info.run_name {
            "" => self
                .value(PairKind::Tag, crate::run::tag::RUN_NAME)
                .unwrap_or_default(),
            name => name,
        };
        let (run_name, info) = (run_name.to_owned(), self.info);
        let status = status(&info.status).ok_or_else(|| format!("unknown status '{}'", &*info.status))?;
        Ok(RunInfo {
            run_id: RunId::new(run_id),
            experiment_id: ExperimentId::new(info.experiment_id.0),
            run_name,
            artifact_uri: info.artifact_uri.0,
            status,
        })
    }
}

/// A time; zero, which some servers write for none, is none.
fn milliseconds(text: &str) -> Option<UnixMillis> {
    let number = text.parse().ok().filter(|number| *number != 0);
    number.map(UnixMillis)
}

/// A status by its name or by its number in MLflow's protocol; a run without one goes on.
fn status(text: &str) -> Option<RunStatus> {
    match text {
        "" => Some(RunStatus::Running),
        name => RunStatus::from_name(name).or_else(|| status_number::status(name.parse().ok()?)),
    }
}

/// Text, also where the server writes a number or nothing.
#[derive(Debug, Default)]
pub(super) struct Text(pub(super) String);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Null => Ok(Self::default()),
            Value::Number(number) => Ok(Self(number.to_string())),
            other => Err(serde::de::Error::custom(format!("expected text, got {other}"))),
        }
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Text::deserialize(deserializer).map(|text| text.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(json: &str) -> Result<RunInfo, String> {
        let answer: RunAnswer = serde_json::from_str(json).map_err(|error| error.to_string())?;
        answer.run.into_info()
    }

    #[test]
    fn runs_are_read_from_all_kinds_of_servers() {
        let full = r#"{"run":{"info":{"run_id":"a","run_uuid":"a","run_name":"n","experiment_id":"1","status":"FAILED",
            "artifact_uri":"s3://b","lifecycle_stage":"active","start_time":1,"new":{}},"data":{"params":[{"key":"k"}]},"inputs":{}}}"#;
        let expected = RunInfo {
            run_id: RunId::new("a"),
            experiment_id: ExperimentId::new("1"),
            run_name: "n".to_owned(),
            artifact_uri: "s3://b".to_owned(),
            status: RunStatus::Failed,
        };
        assert_eq!(run(full).unwrap(), expected);
        let old = r#"{"run":{"info":{"run_uuid":"a","experiment_id":1,"status":4,"artifact_uri":"s3://b"},
            "data":{"tags":[{"key":"x","value":null},{"key":"mlflow.runName","value":"n"}]}}}"#;
        assert_eq!(run(old).unwrap(), expected);
        let least = run(r#"{"run":{"info":{"run_id":"a"}}}"#).unwrap();
        assert_eq!(least.status, RunStatus::Running);
    }

    #[test]
    fn what_is_no_run_is_an_error() {
        for (json, expected) in [
            (r#"{}"#, "missing field `run` at line 1 column 2"),
            (r#"{"run":{"info":{}}}"#, "the run has no id"),
            (
                r#"{"run":{"info":{"run_id":"a","status":"LOST"}}}"#,
                "unknown status 'LOST'",
            ),
            (
                r#"{"run":{"info":{"run_id":["a"]}}}"#,
                "expected text, got [\"a\"] at line 1 column 31",
            ),
        ] {
            assert_eq!(run(json).unwrap_err(), expected, "{json}");
        }
    }
}
