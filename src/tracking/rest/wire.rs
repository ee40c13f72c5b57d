//! The bodies of requests and answers, as far as mlrun uses them.
//!
//! Servers other than MLflow's own write numbers as text or text as numbers, and older ones leave
//! fields out; what is read here bears both.

use serde::{Deserialize, Deserializer, Serialize};

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
pub(super) struct CreateExperiment<'a> {
    pub(super) name: &'a str,
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
pub(super) struct DeleteRun<'a> {
    pub(super) run_id: &'a str,
}

#[derive(Debug, Serialize)]
pub(super) struct LogBatch<'a> {
    pub(super) run_id: &'a str,
    #[serde(skip_serializing_if = "<[Pair]>::is_empty")]
    pub(super) params: &'a [Pair],
    #[serde(skip_serializing_if = "<[Pair]>::is_empty")]
    pub(super) tags: &'a [Pair],
}

#[derive(Debug, Serialize)]
pub(super) struct UpdateRun<'a> {
    pub(super) run_id: &'a str,
    /// The same under the name that the oldest servers know.
    pub(super) run_uuid: &'a str,
    pub(super) status: &'static str,
    pub(super) end_time: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct SearchRuns<'a> {
    pub(super) experiment_ids: [&'a str; 1],
    pub(super) filter: &'a str,
    pub(super) run_view_type: &'static str,
    pub(super) max_results: usize,
    pub(super) order_by: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FoundRuns {
    #[serde(default)]
    pub(super) runs: Option<Vec<Run>>,
    #[serde(default, deserialize_with = "text")]
    pub(super) next_page_token: String,
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
    #[serde(deserialize_with = "text")]
    pub(super) experiment_id: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentAnswer {
    pub(super) experiment: Experiment,
}

#[derive(Debug, Deserialize)]
pub(super) struct Experiment {
    #[serde(deserialize_with = "text")]
    pub(super) experiment_id: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) lifecycle_stage: String,
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

#[derive(Debug, Deserialize)]
pub(super) struct Info {
    #[serde(default, deserialize_with = "text")]
    run_id: String,
    #[serde(default, deserialize_with = "text")]
    run_uuid: String,
    #[serde(default, deserialize_with = "text")]
    run_name: String,
    #[serde(default, deserialize_with = "text")]
    experiment_id: String,
    #[serde(default, deserialize_with = "text")]
    status: String,
    #[serde(default, deserialize_with = "text")]
    artifact_uri: String,
    #[serde(default, deserialize_with = "text")]
    user_id: String,
    #[serde(default, deserialize_with = "text")]
    start_time: String,
    #[serde(default, deserialize_with = "text")]
    end_time: String,
    #[serde(default, deserialize_with = "text")]
    pub(super) lifecycle_stage: String,
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
        match self.info.run_id.as_str() {
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
        let user = std::mem::take(&mut info.user_id);
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
        let Self { info, data } = self;
        let run_id = match info.run_id.is_empty() {
            true => info.run_uuid,
            false => info.run_id,
        };
        if run_id.is_empty() {
            return Err("the run has no id".to_owned());
        }
        let status = status(&info.status).ok_or_else(|| format!("unknown status '{}'", info.status))?;
        // Servers before MLflow 2 keep the name among the tags alone.
        let run_name = if info.run_name.is_empty() {
            let tags = data.and_then(|data| data.tags).unwrap_or_default();
            let name = tags.into_iter().find(|tag| tag.key == crate::run::tag::RUN_NAME);
            name.map(|tag| tag.value).unwrap_or_default()
        } else {
            info.run_name
        };
        Ok(RunInfo {
            run_id: RunId::new(run_id),
            experiment_id: ExperimentId::new(info.experiment_id),
            run_name,
            artifact_uri: info.artifact_uri,
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
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        serde_json::Value::Null => Ok(String::new()),
        serde_json::Value::Number(number) => Ok(number.to_string()),
        other => Err(serde::de::Error::custom(format!("expected text, got {other}"))),
    }
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
