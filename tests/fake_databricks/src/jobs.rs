//! The Jobs API: runs that are submitted once and go through their states.
//!
//! Source of fields and states: Databricks' reference of the Jobs API 2.0 and 2.1. `shell_command_task` is
//! what MLflow's own client sends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::cluster::Task;
use crate::reply::Reply;
use crate::request::Request;
use crate::{Shared, Workspace, lock};

/// One state of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobState {
    /// Such as `PENDING`.
    pub life_cycle_state: String,
    /// Such as `SUCCESS`.
    pub result_state: Option<String>,
    /// For a person.
    pub state_message: String,
}

impl JobState {
    /// A state of a run that has not ended.
    pub fn on(life_cycle_state: &str, state_message: &str) -> Self {
        Self {
            life_cycle_state: life_cycle_state.to_owned(),
            result_state: None,
            state_message: state_message.to_owned(),
        }
    }

    /// An end.
    pub fn end(life_cycle_state: &str, result_state: Option<&str>, state_message: &str) -> Self {
        Self {
            result_state: result_state.map(str::to_owned),
            ..Self::on(life_cycle_state, state_message)
        }
    }

    /// The states of a run that ends well.
    pub fn success() -> Vec<Self> {
        vec![
            Self::on("PENDING", "Waiting for cluster"),
            Self::on("RUNNING", "In run"),
            Self::end("TERMINATED", Some("SUCCESS"), ""),
        ]
    }

    fn is_end(&self) -> bool {
        matches!(
            self.life_cycle_state.as_str(),
            "TERMINATED" | "SKIPPED" | "INTERNAL_ERROR"
        )
    }
}

/// What a run leaves.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// What it wrote.
    pub logs: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Where it failed.
    pub error_trace: Option<String>,
}

struct Run {
    job_id: u64,
    name: String,
    body: Value,
    token: Option<String>,
    states: Vec<JobState>,
    at: usize,
    output: Output,
    is_canceled: bool,
}

impl Run {
    fn state(&self) -> &JobState {
        &self.states[self.at]
    }
}

#[derive(Default)]
pub(crate) struct Jobs {
    runs: BTreeMap<u64, Run>,
}

impl Jobs {
    pub(crate) fn submitted(&self) -> Vec<Value> {
        self.runs.values().map(|run| run.body.clone()).collect()
    }

    pub(crate) fn states(&self) -> Vec<JobState> {
        self.runs.values().map(|run| run.state().clone()).collect()
    }

    pub(crate) fn is_canceled(&self, run_id: u64) -> bool {
        self.runs.get(&run_id).is_some_and(|run| run.is_canceled)
    }

    /// A run whose command runs on this machine goes into its next state.
    pub(crate) fn enter(&mut self, run_id: u64, state: JobState, output: Option<Output>) {
        if let Some(run) = self.runs.get_mut(&run_id) {
            run.states = vec![state];
            run.at = 0;
            run.output = output.unwrap_or_default();
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields that are only checked")]
struct Submit {
    run_name: Option<String>,
    new_cluster: Option<Map<String, Value>>,
    existing_cluster_id: Option<String>,
    #[serde(default)]
    libraries: Vec<Library>,
    shell_command_task: Option<ShellCommandTask>,
    spark_python_task: Option<SparkPythonTask>,
    notebook_task: Option<Value>,
    #[serde(default)]
    tasks: Vec<TaskSpec>,
    timeout_seconds: Option<u64>,
    idempotency_token: Option<String>,
    access_control_list: Option<Value>,
    email_notifications: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields that are only checked")]
struct TaskSpec {
    task_key: String,
    new_cluster: Option<Map<String, Value>>,
    existing_cluster_id: Option<String>,
    #[serde(default)]
    libraries: Vec<Library>,
    spark_python_task: Option<SparkPythonTask>,
    notebook_task: Option<Value>,
    timeout_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShellCommandTask {
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) env_vars: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SparkPythonTask {
    pub(crate) python_file: String,
    #[serde(default)]
    pub(crate) parameters: Vec<String>,
    #[expect(dead_code, reason = "only checked")]
    source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
#[expect(dead_code, reason = "fields that are only checked")]
enum Library {
    Pypi(Package),
    Jar(String),
    Egg(String),
    Whl(String),
    Requirements(String),
    Maven(Value),
    Cran(Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields that are only checked")]
struct Package {
    package: String,
    repo: Option<String>,
}

/// The fields of a new cluster.
const CLUSTER: [&str; 29] = [
    "num_workers",
    "autoscale",
    "spark_version",
    "spark_conf",
    "aws_attributes",
    "azure_attributes",
    "gcp_attributes",
    "node_type_id",
    "driver_node_type_id",
    "ssh_public_keys",
    "custom_tags",
    "cluster_log_conf",
    "cluster_name",
    "init_scripts",
    "spark_env_vars",
    "autotermination_minutes",
    "enable_elastic_disk",
    "instance_pool_id",
    "driver_instance_pool_id",
    "policy_id",
    "apply_policy_default_values",
    "enable_local_disk_encryption",
    "runtime_engine",
    "data_security_mode",
    "single_user_name",
    "docker_image",
    "workload_type",
    "is_single_node",
    "kind",
];

/// What MLflow's own client leaves in a cluster's specification by mistake, and Databricks ignores.
const LEFTOVERS: [&str; 6] = [
    "ENV_MANAGER",
    "SYNCHRONOUS",
    "DOCKER_ARGS",
    "STORAGE_DIR",
    "build_image",
    "docker_auth",
];

fn check_cluster(cluster: &Map<String, Value>, is_reference: bool) -> Result<(), Reply> {
    let refused = |message: String| Err(Reply::error(400, "INVALID_PARAMETER_VALUE", &message));
    for key in cluster.keys() {
        let is_known = CLUSTER.contains(&key.as_str()) || (is_reference && LEFTOVERS.contains(&key.as_str()));
        if !is_known {
            let message = format!("Could not parse request object: unknown field new_cluster.{key}");
            return Err(Reply::error(400, "MALFORMED_REQUEST", &message));
        }
    }
    if !cluster.get("spark_version").is_some_and(Value::is_string) {
        return refused("Missing required field: settings.cluster_spec.new_cluster.spark_version".to_owned());
    }
    if !cluster.contains_key("num_workers") && !cluster.contains_key("autoscale") {
        return refused("Missing required field: settings.cluster_spec.new_cluster.size".to_owned());
    }
    match cluster.get("node_type_id").and_then(Value::as_str) {
        Some(kind) if kind.starts_with("no-such") => refused(format!(
            "Node type {kind} is not supported. Supported node types: m5.large, i3.xlarge"
        )),
        _ => Ok(()),
    }
}

const VERSIONS: [&str; 3] = ["2.0", "2.1", "2.2"];

pub(crate) fn answer(workspace: &mut Workspace, shared: &Shared, request: &Request) -> Option<Reply> {
    let outcome = if request.is("POST", &VERSIONS, "jobs/runs/submit") {
        submit(workspace, shared, request)
    } else if request.is("GET", &VERSIONS, "jobs/runs/get") {
        get(workspace, request)
    } else if request.is("GET", &VERSIONS, "jobs/runs/get-output") {
        get_output(workspace, request)
    } else if request.is("POST", &VERSIONS, "jobs/runs/cancel") {
        cancel(workspace, request)
    } else if request.is("GET", &VERSIONS, "jobs/runs/list") {
        Ok(list(workspace))
    } else {
        return None;
    };
    Some(outcome.unwrap_or_else(|reply| reply))
}

fn submit(workspace: &mut Workspace, shared: &Shared, request: &Request) -> Result<Reply, Reply> {
    let spec: Submit = request.arguments()?;
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let is_reference = request
        .header("user-agent")
        .is_some_and(|agent| agent.contains("mlflow-python-client"));
    let is_multi = !spec.tasks.is_empty();
    if is_multi == request.is("POST", &["2.0"], "jobs/runs/submit") {
        return Err(Reply::error(
            400,
            "INVALID_PARAMETER_VALUE",
            "Jobs API 2.0 takes one task, 2.1 a list of tasks",
        ));
    }
    for cluster in spec
        .new_cluster
        .iter()
        .chain(spec.tasks.iter().filter_map(|task| task.new_cluster.as_ref()))
    {
        check_cluster(cluster, is_reference)?;
    }
    let forms = [
        spec.shell_command_task.is_some(),
        spec.spark_python_task.is_some(),
        spec.notebook_task.is_some(),
        is_multi,
    ];
    if forms.iter().filter(|form| **form).count() != 1 {
        return Err(Reply::error(
            400,
            "INVALID_PARAMETER_VALUE",
            "One of job_id and settings.task must be specified",
        ));
    }
    if spec
        .idempotency_token
        .as_ref()
        .is_some_and(|token| token.len() > 64)
    {
        return Err(Reply::error(
            400,
            "INVALID_PARAMETER_VALUE",
            "idempotency_token has more than 64 characters",
        ));
    }
    let known = workspace
        .jobs
        .runs
        .iter()
        .find(|(_, run)| run.token.is_some() && run.token == spec.idempotency_token);
    if let Some((run_id, _)) = known {
        return Ok(Reply::json(&json!({ "run_id": run_id })));
    }
    let number = workspace.jobs.runs.len() as u64 + 1;
    let run_id = 9_000_000_000 + number;
    let run = Run {
        job_id: 700 + number,
        name: spec.run_name.clone().unwrap_or_else(|| "Untitled".to_owned()),
        body,
        token: spec.idempotency_token,
        states: workspace.settings.job.clone(),
        at: 0,
        output: workspace.settings.output.clone(),
        is_canceled: false,
    };
    workspace.jobs.runs.insert(run_id, run);
    if let Some(cluster) = workspace.settings.cluster.clone() {
        cluster.bring_files(workspace);
        workspace
            .jobs
            .enter(run_id, JobState::on("PENDING", "Waiting for cluster"), None);
        let task = match (spec.shell_command_task, spec.spark_python_task) {
            (Some(task), _) => Task::Shell(task),
            (_, Some(task)) => Task::Python(task),
            _ => {
                return Err(Reply::error(
                    400,
                    "INVALID_PARAMETER_VALUE",
                    "this task cannot be run here",
                ));
            }
        };
        let (url, shared) = (workspace.url.clone(), Arc::clone(shared));
        thread::spawn(move || {
            lock(&shared)
                .jobs
                .enter(run_id, JobState::on("RUNNING", "In run"), None);
            let is_canceled = || lock(&shared).jobs.is_canceled(run_id);
            let (state, output) = cluster.run(&task, &url, &is_canceled);
            lock(&shared).jobs.enter(run_id, state, Some(output));
        });
    }
    Ok(Reply::json(&json!({ "run_id": run_id, "number_in_job": run_id })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "fields that are only checked")]
struct Get {
    run_id: u64,
    include_history: Option<bool>,
    include_resolved_values: Option<bool>,
    page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunOnly {
    run_id: u64,
}

fn no_run(run_id: u64) -> Reply {
    Reply::error(
        400,
        "INVALID_PARAMETER_VALUE",
        &format!("Run {run_id} does not exist."),
    )
}

fn described(run_id: u64, run: &Run, url: &str) -> Value {
    let state = run.state();
    let mut shown = json!({
        "life_cycle_state": state.life_cycle_state,
        "state_message": state.state_message,
        "user_cancelled_or_timedout": run.is_canceled,
    });
    if let Some(result) = &state.result_state {
        shown["result_state"] = json!(result);
    }
    let mut task = json!({});
    for kind in ["shell_command_task", "spark_python_task", "notebook_task"] {
        if let Some(spec) = run.body.get(kind) {
            task[kind] = spec.clone();
        }
    }
    json!({
        "job_id": run.job_id,
        "run_id": run_id,
        "number_in_job": run_id,
        "original_attempt_run_id": run_id,
        "state": shown,
        "task": task,
        "cluster_spec": { "new_cluster": run.body.get("new_cluster"), "libraries": run.body.get("libraries") },
        "start_time": 1_700_000_000_000_u64,
        "setup_duration": 1000,
        "execution_duration": 2000,
        "cleanup_duration": 0,
        "end_time": if state.is_end() { 1_700_000_003_000_u64 } else { 0 },
        "creator_user_name": crate::USER.0,
        "run_name": run.name,
        "run_page_url": format!("{url}/?o=0#job/{}/run/{run_id}", run.job_id),
        "run_type": "SUBMIT_RUN",
        "format": "SINGLE_TASK",
    })
}

fn get(workspace: &mut Workspace, request: &Request) -> Result<Reply, Reply> {
    let run_id = request.arguments::<Get>()?.run_id;
    let Some(run) = workspace.jobs.runs.get_mut(&run_id) else {
        return Err(no_run(run_id));
    };
    let reply = Reply::json(&described(run_id, run, &workspace.url));
    if run.at + 1 < run.states.len() {
        run.at += 1;
    }
    Ok(reply)
}

fn get_output(workspace: &Workspace, request: &Request) -> Result<Reply, Reply> {
    let RunOnly { run_id } = request.arguments()?;
    let run = workspace.jobs.runs.get(&run_id).ok_or_else(|| no_run(run_id))?;
    let mut output = json!({ "metadata": described(run_id, run, &workspace.url) });
    for (name, value) in [
        ("logs", &run.output.logs),
        ("error", &run.output.error),
        ("error_trace", &run.output.error_trace),
    ] {
        if let Some(value) = value {
            output[name] = json!(value);
        }
    }
    if run.output.logs.is_some() {
        output["logs_truncated"] = json!(false);
    }
    Ok(Reply::json(&output))
}

fn cancel(workspace: &mut Workspace, request: &Request) -> Result<Reply, Reply> {
    let RunOnly { run_id } = request.arguments()?;
    let Some(run) = workspace.jobs.runs.get_mut(&run_id) else {
        return Err(no_run(run_id));
    };
    if !run.state().is_end() {
        run.is_canceled = true;
        run.states = vec![
            JobState::on("TERMINATING", "Run cancelled."),
            JobState::end("TERMINATED", Some("CANCELED"), "Run cancelled."),
        ];
        run.at = 0;
    }
    Ok(Reply::json(&json!({})))
}

fn list(workspace: &Workspace) -> Reply {
    let runs: Vec<Value> = workspace
        .jobs
        .runs
        .iter()
        .map(|(run_id, run)| described(*run_id, run, &workspace.url))
        .collect();
    Reply::json(&json!({ "runs": runs, "has_more": false }))
}
