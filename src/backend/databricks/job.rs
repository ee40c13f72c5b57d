//! The job: the request to Databricks, and the commands that the cluster runs.
//!
//! Directories, programs and variables are those of MLflow's own client (3.17), so both submit the same jobs.

use serde_json::{Map, Value, json};

use super::archive::ROOT;
use super::config::{JobConfig, pypi};
use super::upload_path::UploadPath;
use crate::backend::LaunchPlan;
use crate::backend::error::ServiceError;
use crate::env_vars;
use crate::project::{DatabricksSparkJob, quote};

/// Where the cluster keeps archives and projects.
const ARCHIVES: &str = "/databricks/mlflow/project-tars";
const PROJECTS: &str = "/databricks/mlflow/projects";

/// The key of an existing run for `mlflow run`.
const RUN_ID_KEY: &str = "_mlflow_local_backend_run_id";

/// The body that submits the project: the cluster runs `mlflow run` on it.
pub(super) fn project_job(
    plan: &LaunchPlan,
    config: &JobConfig,
    location: &UploadPath,
    hash: &str,
    idempotency_token: &str,
) -> Value {
    let command = format!(
        "{}export PATH=$PATH:$DB_HOME/python/bin\nmlflow --version\n{}\n",
        unpack_command(location, hash),
        run_command(plan, hash)
    );
    json!({
        "run_name": run_name(plan),
        "new_cluster": config.new_cluster,
        "shell_command_task": { "command": ["bash", "-c", command], "env_vars": variables(plan) },
        "libraries": config.libraries_with_mlflow(),
        "idempotency_token": idempotency_token,
    })
}

pub(super) fn spark_job(
    plan: &LaunchPlan,
    config: &JobConfig,
    spark: &DatabricksSparkJob,
    python_file: &str,
    parameters: &[String],
    idempotency_token: &str,
) -> Value {
    let mut libraries = config.libraries.clone();
    libraries.extend(spark.python_libraries.iter().map(|package| pypi(package)));
    json!({
        "run_name": run_name(plan),
        "new_cluster": config.new_cluster,
        "libraries": libraries,
        "spark_python_task": { "python_file": python_file, "parameters": parameters },
        "idempotency_token": idempotency_token,
    })
}

fn run_name(plan: &LaunchPlan) -> String {
    format!("MLflow Run for {}", plan.call.uri)
}

fn variables(plan: &LaunchPlan) -> Map<String, Value> {
    // `mlflow run` on the cluster sets this one itself.
    let kept = |name: &str| name != env_vars::MLFLOW_RUN_ID;
    let mut variables = Map::new();
    variables.insert(
        env_vars::MLFLOW_TRACKING_URI.to_owned(),
        json!(tracking_uri(plan)),
    );
    for (name, value) in plan.variables.iter().filter(|(name, _)| kept(name)) {
        variables.entry(name.clone()).or_insert_with(|| json!(value));
    }
    variables
}

/// The tracking URI for a program in the workspace, which needs no profile.
fn tracking_uri(plan: &LaunchPlan) -> &str {
    match plan.variable(env_vars::MLFLOW_TRACKING_URI).unwrap_or_default() {
        uri if uri.starts_with("databricks") => "databricks",
        uri => uri,
    }
}

fn project_directory(hash: &str) -> String {
    format!("{PROJECTS}/{hash}")
}

pub(super) fn archive_name(hash: &str) -> String {
    format!("{hash}.tar.gz")
}

/// Unpacks the project into its directory, atomically. Does not copy an archive again that the cluster already has.
fn unpack_command(location: &UploadPath, hash: &str) -> String {
    let name = archive_name(hash);
    let source = location.path_on_cluster(&name);
    let directory = project_directory(hash);
    format!(
        "set -e
mkdir -p {ARCHIVES} {PROJECTS}
rsync -a -v --ignore-existing {} {ARCHIVES}
unpacked=$(mktemp -d)
tar --no-same-owner -C \"$unpacked\" -xzvf {ARCHIVES}/{name}
mv -T \"$unpacked/{ROOT}\" {directory}
",
        quote(&source)
    )
}

fn run_command(plan: &LaunchPlan, hash: &str) -> String {
    let call = &plan.call;
    let mut words = vec![
        "mlflow".to_owned(),
        "run".to_owned(),
        project_directory(hash),
        "--entry-point".to_owned(),
        call.entry_point.clone(),
    ];
    if let Some(manager) = call.env_manager {
        words.extend(["--env-manager".to_owned(), manager.to_string()]);
    }
    let run_id = Value::from(plan.run.run_id.as_str());
    words.extend(["-c".to_owned(), format!("{{\"{RUN_ID_KEY}\": {run_id}}}")]);
    for (name, value) in &call.parameters {
        words.extend(["-P".to_owned(), format!("{name}={value}")]);
    }
    let words: Vec<_> = words.iter().map(|word| quote(word)).collect();
    words.join(" ")
}

/// The Python file of a Spark job and its arguments.
pub(super) fn python_call(
    plan: &LaunchPlan,
    spark: &DatabricksSparkJob,
) -> Result<(String, Vec<String>), ServiceError> {
    if let Some(file) = &spark.python_file {
        return Ok((file.clone(), spark.parameters.clone()));
    }
    let refused = || {
        let command = &plan.command;
        ServiceError::setup(
            format!(
                "a Databricks Spark job must run a Python file, but the entry point's command is '{command}'"
            ),
            "change the command to: python FILE ARGUMENTS",
        )
    };
    let words = shlex::split(&plan.command).ok_or_else(refused)?;
    match words.as_slice() {
        [program, file, parameters @ ..]
            if matches!(program.as_str(), "python" | "python3") && !file.starts_with('-') =>
        {
            Ok((file.clone(), parameters.to_vec()))
        }
        _ => Err(refused()),
    }
}

/// The start program of the Spark job: it unpacks the project and runs its file.
pub(super) fn spark_program(plan: &LaunchPlan, location: &UploadPath, hash: &str, file: &str) -> String {
    let variables = json!({
        env_vars::MLFLOW_TRACKING_URI: tracking_uri(plan),
        env_vars::MLFLOW_EXPERIMENT_ID: plan.run.experiment_id.as_str(),
        env_vars::MLFLOW_RUN_ID: plan.run.run_id.as_str(),
    });
    // JSON strings are also Python strings.
    let text = |text: &str| Value::from(text).to_string();
    format!(
        "import os
import runpy
import subprocess
import sys

os.environ.update({variables})
subprocess.check_call([\"bash\", \"-c\", {}])
os.chdir({})
sys.argv[0] = {file}
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
runpy.run_path(sys.argv[0], init_globals=globals(), run_name=\"__main__\")
",
        text(&unpack_command(location, hash)),
        text(&project_directory(hash)),
        file = text(file),
    )
}
