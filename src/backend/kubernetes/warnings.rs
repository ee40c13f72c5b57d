//! What a person may expect of a pod and does not get.

use super::Kubernetes;
use crate::backend::LaunchPlan;
use crate::backend::docker::is_this_machine;
use crate::env_vars::{
    self, KUBE_MLFLOW_TRACKING_URI, MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_URI,
};
use crate::environment::Container;
use crate::events::Progress;
use crate::redact::without_credentials;

impl Kubernetes {
    pub(super) fn tell_what_no_pod_has(
        &self,
        plan: &LaunchPlan,
        container: &Container,
        progress: &dyn Progress,
    ) {
        for warning in self.config.warnings.iter().chain(&self.template.warnings) {
            progress.warning(warning);
        }
        if !container.settings.volumes.is_empty() || !container.settings.mounts.is_empty() {
            progress.warning(
                "the volumes of docker_env are not used on Kubernetes; write volumes into the template",
            );
        }
        if !container.settings.arguments.is_empty() || !container.settings.argument_variables.is_empty() {
            progress.warning("-A/--docker-args is not used on Kubernetes; write it into the template");
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
                    "the tracking store {} is on this machine, where no pod finds it: what the entry point logs is lost; set \
                     MLFLOW_TRACKING_URI to a server that both reach, or KUBE_MLFLOW_TRACKING_URI to its address for the pod",
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
                "{name} is not put into the Job, where everybody who may see it could read it; give it to the first \
                 container in the template by a Secret (env with secretKeyRef, or envFrom)"
            ));
        }
    }

    /// A Databricks workspace lets in nobody without credentials, and a profile is known here only.
    fn tell_of_databricks(&self, plan: &LaunchPlan, container: &Container, progress: &dyn Progress) {
        let uri = plan.variable(MLFLOW_TRACKING_URI).unwrap_or_default();
        let for_pod = env_vars::non_empty(KUBE_MLFLOW_TRACKING_URI).unwrap_or_else(|| uri.to_owned());
        if !for_pod.starts_with("databricks") || self.template_has(env_vars::DATABRICKS_HOST, container) {
            return;
        }
        let of_profile = match for_pod.as_str() {
            "databricks" => "",
            _ => ", and set KUBE_MLFLOW_TRACKING_URI=databricks, since no pod knows the profile",
        };
        progress.warning(&format!(
            "the pod gets no credentials for the Databricks workspace, since everybody who may see the Job could read \
             them; give DATABRICKS_HOST and DATABRICKS_TOKEN to the first container in the template by a Secret (env \
             with secretKeyRef, or envFrom){of_profile}"
        ));
    }

    /// Whether the pod may get a variable from the template or the project.
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
}
