//! The bodies of requests and responses.
//!
//! Other servers than MLflow's write numbers as text or text as numbers, and older ones omit fields. This accepts
//! both.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::entities::{ExperimentId, LifecycleStage, RunData, RunId, RunInfo, RunStatus, UnixMillis};
use crate::tracking::store::in_order;

/// A tag or a parameter: its key and its value.
pub(super) type Pair = (String, String);

/// A pair in a request.
pub(super) fn pair((key, value): &Pair) -> Value {
    json!({ "key": key, "value": value })
}

#[derive(Debug, Deserialize)]
pub(super) struct FoundRuns {
    #[serde(default)]
    pub(super) runs: Option<Vec<Value>>,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) next_page_token: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct FoundExperiments {
    #[serde(default)]
    pub(super) experiments: Option<Vec<Experiment>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentAnswer {
    pub(super) experiment: Experiment,
}

#[derive(Debug, Deserialize)]
pub(super) struct Experiment {
    #[serde(deserialize_with = "lenient")]
    pub(super) experiment_id: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub(super) lifecycle_stage: String,
    #[serde(default)]
    pub(super) artifact_location: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunAnswer {
    pub(super) run: Value,
}

/// Reads a run; the error says what is wrong with it.
pub(super) fn run_data(run: &Value) -> Result<RunData, String> {
    let info = |field: &str| text(&run["info"][field]);
    let id = info("run_id")?;
    let id = if id.is_empty() { info("run_uuid")? } else { id };
    if id.is_empty() {
        return Err("the run has no id".to_owned());
    }
    let status = info("status")?;
    Ok(in_order(RunData {
        info: RunInfo {
            run_id: RunId::new(id),
            experiment_id: ExperimentId::new(info("experiment_id")?),
            run_name: info("run_name")?,
            artifact_uri: info("artifact_uri")?,
            status: known_status(&status).ok_or_else(|| format!("unknown status '{status}'"))?,
        },
        user: info("user_id")?,
        start_time: milliseconds(&info("start_time")?),
        end_time: milliseconds(&info("end_time")?),
        lifecycle_stage: LifecycleStage::from_name(&info("lifecycle_stage")?),
        tags: pairs(&run["data"]["tags"])?,
        params: pairs(&run["data"]["params"])?,
    }))
}

fn pairs(list: &Value) -> Result<Vec<Pair>, String> {
    let list = list.as_array().into_iter().flatten();
    list.map(|pair| Ok((text(&pair["key"])?, text(&pair["value"])?)))
        .collect()
}

/// The last values of a run's metrics. NaN and infinity, which JSON numbers cannot express, are text.
pub(super) fn metrics(run: &Value) -> Vec<(String, f64)> {
    let list = run["data"]["metrics"].as_array().into_iter().flatten();
    let value = |metric: &Value| match &metric["value"] {
        Value::String(text) => text.parse().ok(),
        number => number.as_f64(),
    };
    list.filter_map(|metric| Some((text(&metric["key"]).ok()?, value(metric)?)))
        .collect()
}

/// A time; zero means none on some servers.
fn milliseconds(text: &str) -> Option<UnixMillis> {
    let number = text.parse().ok().filter(|number| *number != 0);
    number.map(UnixMillis)
}

/// A status by its name or its number in MLflow's protocol; a run without one is running.
fn known_status(text: &str) -> Option<RunStatus> {
    match text {
        "" => Some(RunStatus::Running),
        name => RunStatus::from_name(name).or_else(|| RunStatus::from_number(name.parse().ok()?)),
    }
}

/// Text, even if the server writes a number or nothing.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("expected text, got {other}")),
    }
}

fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    text(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}
