//! A Job on a Kubernetes cluster: built from a template, followed until it finishes, explained if it fails.
//!
//! ```text
//! backend config -> template -> Job -> created -> watched, logs -> end, or the reason of a failure
//! ```
//!
//! The template and the fields set in it are those of `mlflow.projects.kubernetes` (MLflow 3.17).

mod api_error;
mod cluster;
mod config;
mod create;
mod credentials;
mod follow;
mod job;
mod job_api;
mod pod_status;
mod reason;
mod submitted_run;
mod template;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::OnceCell;

use self::api_error::{ApiProblem, ProblemKind};
use self::cluster::Cluster;
use self::config::KubernetesConfig;
use self::follow::StartLimit;
use self::job_api::JobHandle;
use self::reason::Denial;
use self::submitted_run::CreatedJob;
pub(super) use self::submitted_run::KubernetesRun;
use self::template::Template;
use super::docker::is_this_machine;
use super::error::ServiceError;
use super::output_log::RelayedOutput;
use super::{Backend, BackendError, BackendOptions, Launch, LaunchPlan};
use crate::env_vars::{
    self, KUBE_MLFLOW_TRACKING_URI, MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_URI,
};
use crate::environment::{Container, is_repository};
use crate::events::Progress;
use crate::process::{Interruptible, Signals};
use crate::project::ProjectEnvironment;
use crate::redact::without_credentials;

pub(super) const NAME: &str = "kubernetes";

/// The default of `--start-timeout`.
const START_TIMEOUT: Duration = Duration::from_secs(10 * 60);

const WHAT_IS_REPLACED: &str =
    "mlrun sets the first container's name, image, command and variables; the template sets everything else";

/// The cluster of the current context, and the version of its API, in words.
pub(super) async fn look_at_cluster() -> Result<String, BackendError> {
    let cluster = Cluster::find(None).await?;
    let answer = cluster.client.apiserver_version().await;
    let version = answer.map_err(|error| cluster.problem("ask for the version", error.into()))?;
    Ok(format!("{cluster}, Kubernetes {}", version.git_version))
}

pub(super) struct Kubernetes {
    config: KubernetesConfig,
    template: Template,
    waits: bool,
    shows_output: bool,
    start_limit: StartLimit,
    cluster: OnceCell<Cluster>,
}

impl Kubernetes {
    pub(super) fn new(options: BackendOptions<'_>) -> Result<Self, ServiceError> {
        let config = options.config.ok_or_else(|| {
            ServiceError::setup(
                "the kubernetes backend needs --backend-config",
                config::WHAT_IT_IS,
            )
        })?;
        let config = KubernetesConfig::read(config)?;
        let repository = &config.repository;
        if !is_repository(repository) {
            return Err(ServiceError::setup(
                format!("'{repository}' is not a valid image repository (repository-uri)"),
                "use [HOST/]NAME without a tag, for example registry.example.com/team/project",
            ));
        }
        let template = Template::read(&config.template)?;
        Ok(Self {
            config,
            template,
            waits: options.wait.unwrap_or(true),
            shows_output: !options.no_logs,
            start_limit: StartLimit {
                after: options.start_timeout.unwrap_or(START_TIMEOUT),
                is_strict: options.start_timeout.is_some(),
            },
            cluster: OnceCell::new(),
        })
    }

    /// The Job's name, unique for each run and start.
    fn job_name(&self, plan: &LaunchPlan) -> String {
        // An indexed Job gives its pods longer host names.
        let is_indexed = self.template.job["spec"]["completionMode"] == "Indexed";
        let longest = job::LONGEST_LABEL - if is_indexed { 8 } else { 0 };
        let project = plan.call.project_name.as_deref().unwrap_or_default();
        job::job_name(project, longest)
    }

    /// The Job of a plan, and its handle.
    async fn job_to_create(&self, plan: &LaunchPlan) -> Result<(JobHandle, Value), ServiceError> {
        let find = || Cluster::find(self.config.context.as_deref());
        let cluster = self.cluster.get_or_try_init(find).await?;
        let namespace = self.template.namespace().unwrap_or(cluster.namespace());
        let handle = JobHandle {
            cluster: cluster.clone(),
            namespace: namespace.to_owned(),
            name: self.job_name(plan),
            uid: None,
        };
        let place = (&*handle.name, &*handle.namespace);
        let job = job::make(&self.template, plan, container_of(plan)?, place, |_, value| value);
        Ok((handle, job))
    }

    fn refused(&self, handle: &JobHandle, problem: ApiProblem) -> ServiceError {
        match problem.kind {
            ProblemKind::Invalid => {}
            ProblemKind::Denied(denial) => {
                let text = format!(
                    "cannot create the Job in the namespace '{}': {}",
                    handle.namespace, denial.explanation
                );
                return ServiceError::failed(text, Some(denial.hint.to_owned()), Some(problem.into()));
            }
            _ => return handle.cluster.problem("create the Job", problem),
        }
        let field = problem.field.as_deref();
        ServiceError::failed(
            format!("the cluster rejected the Job: {problem}"),
            field.map(|_| WHAT_IS_REPLACED.to_owned()),
            None,
        )
        .at(field.map(|field| self.template.place(field)))
    }

    /// Whether the cluster may accept the Job although the validation failed: a webhook may not support
    /// validation, or a policy may reject an image that is not built or pushed yet and has no digest.
    fn is_judged_too_early(&self, problem: &ApiProblem, container: &Container) -> bool {
        let text = problem.to_string();
        let image = &container.image;
        let tag = image.uri.strip_prefix(self.config.repository.as_str());
        let is_to_be_built =
            image.digest.is_none() && tag.is_some_and(|tag| tag.is_empty() || tag.starts_with(':'));
        text.contains("does not support dry run")
            || (matches!(
                problem.kind,
                ProblemKind::Denied(&Denial::WEBHOOK | &Denial::POLICY)
            ) && is_to_be_built
                && text.to_lowercase().contains("image"))
    }

    /// Warns about settings that have no effect on pods.
    fn tell_what_no_pod_has(&self, plan: &LaunchPlan, container: &Container, progress: &dyn Progress) {
        for warning in self.config.warnings.iter().chain(&self.template.warnings) {
            progress.warning(warning);
        }
        if !container.settings.volumes.is_empty() || !container.settings.mounts.is_empty() {
            progress.warning(
                "ignoring the volumes of docker_env, which Kubernetes does not use; declare them in the Job template",
            );
        }
        if !container.settings.arguments.is_empty() || !container.settings.argument_variables.is_empty() {
            progress.warning(
                "ignoring -A/--docker-args, which Kubernetes does not use; set the same in the Job \
            template",
            );
        }
        if !self.template.container()["args"].is_null() {
            progress.warning(&format!(
                "the args of the template's first container are appended to the entry point's command: {}",
                self.template.place("spec.template.spec.containers[0].args")
            ));
        }
        if env_vars::non_empty(KUBE_MLFLOW_TRACKING_URI).is_none() {
            let uri = plan.variable(MLFLOW_TRACKING_URI).unwrap_or_default();
            if plan.local_store.is_some() || is_this_machine(uri) {
                progress.warning(&format!(
                    "pods cannot reach the tracking store {} on this machine, so what the entry point logs is \
                    lost; set MLFLOW_TRACKING_URI to a server that both can reach, or KUBE_MLFLOW_TRACKING_URI to \
                    its address for pods",
                    without_credentials(uri)
                ));
            }
        }
        self.tell_of_databricks(plan, container, progress);
        let has_credentials = [MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_PASSWORD]
            .into_iter()
            .find(|name| env_vars::non_empty(name).is_some());
        if let Some(name) = has_credentials.filter(|name| !self.template_has(name, container)) {
            progress.warning(&format!(
                "{name} is not passed to the Job, because everyone who may view the Job could read it; pass it \
                from a Secret to the template's first container (env with secretKeyRef, or envFrom)"
            ));
        }
    }

    /// Warns if the pod cannot authenticate at a Databricks workspace: profiles exist only on this machine.
    fn tell_of_databricks(&self, plan: &LaunchPlan, container: &Container, progress: &dyn Progress) {
        let uri = plan.variable(MLFLOW_TRACKING_URI).unwrap_or_default();
        let for_pod = env_vars::non_empty(KUBE_MLFLOW_TRACKING_URI).unwrap_or_else(|| uri.to_owned());
        if !for_pod.starts_with("databricks") || self.template_has(env_vars::DATABRICKS_HOST, container) {
            return;
        }
        let of_profile = match for_pod.as_str() {
            "databricks" => "",
            _ => "; also set KUBE_MLFLOW_TRACKING_URI=databricks, because pods do not have your profile",
        };
        progress.warning(&format!(
            "the pod gets no credentials for the Databricks workspace, because everyone who may view the Job could \
            read them; pass DATABRICKS_HOST and DATABRICKS_TOKEN from a Secret to the template's first container \
            (env with secretKeyRef, or envFrom){of_profile}"
        ));
    }

    /// Whether the template or the project may set a variable.
    fn template_has(&self, name: &str, container: &Container) -> bool {
        let of_template = self.template.container();
        let of_project = container
            .settings
            .variables
            .iter()
            .any(|(other, _)| other == name);
        let mut variables = of_template["env"].as_array().into_iter().flatten();
        of_project
            || of_template.get("envFrom").is_some()
            || variables.any(|variable| variable["name"] == name)
    }

    /// Reports the API's warnings, each with its place in the template.
    fn tell_warnings(&self, warnings: &[String], progress: &dyn Progress) {
        for warning in warnings {
            let field = warning
                .strip_prefix("unknown field \"")
                .and_then(|rest| rest.strip_suffix('"'));
            let place = field.map_or_else(String::new, |field| format!(" ({})", self.template.place(field)));
            progress.warning(&format!("the cluster reports: {warning}{place}"));
        }
    }
}

#[async_trait]
impl Backend for Kubernetes {
    fn name(&self) -> &'static str {
        NAME
    }

    fn waits(&self) -> bool {
        self.waits
    }

    fn check_environment(&self, environment: &ProjectEnvironment) -> Result<(), BackendError> {
        match environment {
            ProjectEnvironment::Docker(_) => Ok(()),
            _ => Err(no_container().into()),
        }
    }

    fn image_repository(&self) -> Option<&str> {
        Some(&self.config.repository)
    }

    async fn check(&self, plan: &LaunchPlan, progress: &dyn Progress) -> Result<(), BackendError> {
        let container = container_of(plan)?;
        if plan.data_directory.is_some() {
            return Err(ServiceError::setup(
                "a parameter of type path would be downloaded to this machine, where pods cannot read it",
                "declare the parameter as `type: uri`, so that the entry point gets the URI itself",
            )
            .into());
        }
        self.tell_what_no_pod_has(plan, container, progress);
        let (handle, job) = self.job_to_create(plan).await?;
        match handle.check(&job).await {
            Ok(warnings) => self.tell_warnings(&warnings, progress),
            Err(problem) if self.is_judged_too_early(&problem, container) => {
                progress.warning(&format!(
                    "the cluster could not validate the Job before the run: {problem}"
                ));
            }
            Err(problem) => return Err(self.refused(&handle, problem).into()),
        }
        Ok(())
    }

    fn preview(&self, plan: &LaunchPlan) -> Result<Vec<(&'static str, String)>, BackendError> {
        let (namespace, cluster) = match self.cluster.get() {
            Some(cluster) => (cluster.namespace(), cluster.to_string()),
            None => ("default", "not contacted".to_owned()),
        };
        let namespace = self.template.namespace().unwrap_or(namespace);
        let name = self.job_name(plan);
        let job = job::make(
            &self.template,
            plan,
            container_of(plan)?,
            (&name, namespace),
            for_a_person,
        );
        let yaml = serde_yaml::to_string(&job).map_err(|error| {
            ServiceError::failed(format!("cannot write the Job as YAML: {error}"), None, None)
        })?;
        Ok(vec![
            ("cluster", cluster),
            ("namespace", namespace.to_owned()),
            ("job", yaml.trim_end().to_owned()),
        ])
    }

    async fn launch(
        &self,
        plan: LaunchPlan,
        signals: &mut Signals,
        progress: &dyn Progress,
    ) -> Result<Launch, BackendError> {
        let output = RelayedOutput::new(self.shows_output, plan.output_log.as_ref())?;
        let (mut handle, job) = self.job_to_create(&plan).await?;
        // The reference's wording.
        let line = format!("=== Creating Job {} ===", handle.name);
        plan.tell_submission(NAME, &handle.name, &line, progress);
        let created = create::create(&handle, &job, signals, progress).await;
        let job = match created.map_err(|problem| self.refused(&handle, problem))? {
            Interruptible::Done(job) => job,
            Interruptible::Interrupted(signal) => return Ok(Launch::Interrupted(signal)),
        };
        handle.uid.clone_from(&job.metadata.uid);
        Ok(Launch::Done(Box::new(KubernetesRun::created(CreatedJob {
            handle,
            job,
            start_limit: self.start_limit,
            output,
        }))))
    }
}

fn container_of(plan: &LaunchPlan) -> Result<&Container, ServiceError> {
    let container = plan.environment.container.as_ref();
    container.ok_or_else(no_container)
}

fn no_container() -> ServiceError {
    ServiceError::setup(
        "only projects with docker_env can run on Kubernetes",
        "add `docker_env:` with an image to the MLproject file",
    )
}

/// A variable's value for display: a value copied from this machine's environment stays hidden.
fn for_a_person(name: &str, value: String) -> String {
    if name == MLFLOW_TRACKING_URI {
        return without_credentials(&value);
    }
    match std::env::var(name) {
        Ok(own) if own == value && !value.is_empty() => format!("<the value of {name} on this machine>"),
        _ => value,
    }
}
