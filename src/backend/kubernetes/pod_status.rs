//! The state of pods and events, and what it means.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Event, Pod};
use kube::ResourceExt as _;

use super::reason::{self, Denial, Reason, conditions, deadline};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The entry point failed with this exit code, for no other reason.
    ExitCode(i32),
    Other(Reason),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodView {
    pub(super) uid: String,
    pub(super) name: String,
    /// The name of the entry point's container.
    pub(super) container: String,
    pub(super) phase: String,
    /// Whether the entry point's container has ever started.
    pub(super) has_started: bool,
    /// How often that container has restarted.
    pub(super) restarts: i32,
    /// Whether the pod has finished or is being removed: no more output will follow.
    pub(super) is_over: bool,
    /// Whether scheduling gates hold it back.
    pub(super) is_gated: bool,
    pub(super) problem: Option<Reason>,
    /// How it failed, or is about to fail.
    pub(super) failure: Option<Failure>,
    /// Whether it failed because it was deleted, perhaps by the Job itself.
    pub(super) was_deleted: bool,
    pub(super) is_gone: bool,
}

/// The reason of an unscheduled pod with scheduling gates.
const GATED: &str = "SchedulingGated";
const RAISE_MEMORY: &str =
    "raise resources.limits.memory of the first container in the template, or use less";
const IMAGE_NAME: &str = "correct the image name: repository-uri in the backend config, `image` in docker_env, or \
another container in the template";
const LOAD: &str = "load the image onto the node, or set imagePullPolicy: IfNotPresent in the template";
const PULL: &str = "check that the cluster can reach the registry of repository-uri; a private registry needs imagePullSecrets in \
    the template";
const USER: &str =
    "set securityContext.runAsUser in the template to a user other than 0, or runAsNonRoot to false";
const SECRET: &str = "create the Secret or ConfigMap that the template names, in the Job's namespace";
const PROGRAM: &str =
    "the image does not have the command's program; install it in the image, or correct the command";

impl PodView {
    pub(super) fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let phase = status.phase.unwrap_or_else(|| "Pending".to_owned());
        let containers = status.container_statuses.unwrap_or_default();
        let first = pod.spec.as_ref().and_then(|spec| spec.containers.first());
        let container = first.map(|first| first.name.clone()).unwrap_or_default();
        let own = containers.iter().find(|status| status.name == container);
        let has_ended = matches!(phase.as_str(), "Succeeded" | "Failed");
        let disruption = reason::of_disruption(pod);
        Self {
            uid: pod.uid().unwrap_or_default(),
            name: pod.name_any(),
            is_gone: false,
            has_started: own.is_some_and(has_started),
            is_gated: conditions(pod)
                .any(|condition| condition.status == "False" && condition.reason.as_deref() == Some(GATED)),
            restarts: own.map_or(0, |own| own.restart_count),
            is_over: has_ended || own.is_some_and(|own| is_over(own, pod)),
            problem: if has_ended { None } else { problem(pod, own) },
            was_deleted: phase == "Failed"
                && disruption.is_none()
                && own
                    .and_then(terminated)
                    .is_some_and(|own| reason::is_by_deletion(pod, own)),
            failure: match phase.as_str() {
                "Failed" => Some(failure(pod, own)),
                // The Job may count it as failed before its container stops.
                "Succeeded" => None,
                _ if pod.metadata.deletion_timestamp.is_some() => disruption.map(Failure::Other),
                _ => None,
            },
            container,
            phase,
        }
    }

    /// Notes that the pod is gone, and had not finished.
    pub(super) fn lose(&mut self) {
        self.is_gone = true;
        self.problem = None;
        if self.failure.is_none() && self.phase != "Succeeded" {
            self.failure = Some(Failure::Other(reason::deleted(&self.name, self.has_started)));
            self.was_deleted = true;
        }
    }
}

/// Whether the container's program has ever run.
fn has_started(container: &ContainerStatus) -> bool {
    let states = [&container.state, &container.last_state].into_iter().flatten();
    let ends: Vec<_> = states.filter_map(|state| state.terminated.as_ref()).collect();
    let state = container.state.as_ref();
    state.is_some_and(|state| state.running.is_some())
        || (ends.is_empty() && container.restart_count > 0)
        || ends.into_iter().any(|end| !is_start_error(end))
}

/// Whether the container's program could not even be started.
fn is_start_error(terminated: &ContainerStateTerminated) -> bool {
    matches!(
        terminated.reason.as_deref(),
        Some("StartError" | "ContainerCannotRun")
    )
}

/// Whether the container has finished and will not restart.
fn is_over(container: &ContainerStatus, pod: &Pod) -> bool {
    let policy = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    terminated(container).is_some_and(|end| {
        policy == Some("Never")
            || (policy == Some("OnFailure") && end.exit_code == 0)
            || pod.metadata.deletion_timestamp.is_some()
    })
}

fn problem(pod: &Pod, own: Option<&ContainerStatus>) -> Option<Reason> {
    let status = pod.status.as_ref()?;
    let scheduled =
        conditions(pod).find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = scheduled {
        let message = condition.message.as_deref().unwrap_or_default();
        let hint = "request less in the template (resources, nodeSelector, tolerations), or add nodes";
        let is_gated = condition.reason.as_deref() == Some(GATED);
        return (!is_gated).then(|| Reason::told("no node can run the pod", message, Some(hint)));
    }
    let init = status.init_container_statuses.iter().flatten();
    let containers = own
        .into_iter()
        .chain(init)
        .chain(status.container_statuses.iter().flatten());
    let mut problems: Vec<Reason> = containers.filter_map(waiting_reason).collect();
    problems.sort_by_key(|problem| !problem.is_lasting);
    problems.into_iter().next()
}

/// Why a container waits, unless it is just starting.
fn waiting_reason(container: &ContainerStatus) -> Option<Reason> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    let message = waiting.message.as_deref().unwrap_or_default();
    let image = &container.image;
    let name = &container.name;
    let last = container.last_state.as_ref();
    let last = last.and_then(|last| last.terminated.as_ref().filter(|last| is_start_error(last)));
    let failed_start = last.and_then(|last| last.message.as_deref());
    let cannot_start = |reason: &str| format!("cannot start the container '{name}' ({reason})");
    let (what, hint, is_lasting) = match reason {
        "InvalidImageName" => (
            format!("'{image}' is not a valid image name"),
            Some(IMAGE_NAME),
            true,
        ),
        "ErrImageNeverPull" => (
            format!("the image '{image}' is not on the node"),
            Some(LOAD),
            false,
        ),
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => (format!("cannot pull the image '{image}'"), Some(PULL), false),
        "CreateContainerConfigError" => {
            // The image's user cannot change; a Secret may still be created.
            let is_of_user = message.contains("runAsNonRoot") || message.contains("non-root");
            let hint = if is_of_user { USER } else { SECRET };
            let what = format!("the container '{name}' has an invalid configuration");
            (what, Some(hint), is_of_user)
        }
        "CreateContainerError"
        | "RunContainerError"
        | "PreCreateHookError"
        | "PreStartHookError"
        | "PostStartHookError" => {
            return Some(start_failed(
                cannot_start(reason),
                failed_start.unwrap_or(message),
            ));
        }
        "CrashLoopBackOff" => match failed_start {
            Some(message) => return Some(start_failed(cannot_start("StartError"), message)),
            None => (format!("the container '{name}' keeps crashing"), None, false),
        },
        _ => return None,
    };
    Some(Reason::told(format!("{what} ({reason})"), message, hint).lasting_if(is_lasting))
}

/// A program that did not start. If the image lacks it, this fails on every node.
fn start_failed(what: String, message: &str) -> Reason {
    let lacks_program = message.contains("executable file not found")
        || (message.contains("exec: \"") && message.contains("no such file or directory"));
    Reason::told(what, message, lacks_program.then_some(PROGRAM)).lasting_if(lacks_program)
}

/// How a pod failed: its own reason first, then that of the entry point, then that of others.
fn failure(pod: &Pod, own: Option<&ContainerStatus>) -> Failure {
    let status = pod.status.clone().unwrap_or_default();
    if status.reason.as_deref() == Some("DeadlineExceeded") {
        return Failure::Other(pod_deadline(pod));
    }
    if let Some(reason) = reason::of_disruption(pod) {
        return Failure::Other(reason);
    }
    let failed = |container| terminated(container).filter(|end| end.exit_code != 0);
    if let Some(end) = own.and_then(failed) {
        return if reason::is_by_deletion(pod, end) {
            Failure::Other(reason::deleted(&pod.name_any(), true))
        } else {
            of_container(end, pod)
        };
    }
    let init = status.init_container_statuses.iter().flatten();
    let mut others = init.chain(status.container_statuses.iter().flatten());
    let (what, message) = match others.find_map(|other| Some((&other.name, failed(other)?))) {
        Some((name, end)) => {
            let code = end.exit_code;
            let reason = end.reason.as_deref().filter(|reason| *reason != "Error");
            let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
            let what = format!("the container '{name}' failed with exit code {code}{reason}");
            (what, &end.message)
        }
        None => (format!("the pod '{}' failed", pod.name_any()), &status.message),
    };
    let message = message.as_deref().unwrap_or_default();
    Failure::Other(Reason::told(what, message, None))
}

fn terminated(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.state.as_ref()?.terminated.as_ref()
}

fn pod_deadline(pod: &Pod) -> Reason {
    let seconds = pod.spec.as_ref().and_then(|spec| spec.active_deadline_seconds);
    deadline("pod", seconds)
}

fn of_container(terminated: &ContainerStateTerminated, pod: &Pod) -> Failure {
    let message = terminated.message.as_deref().unwrap_or_default();
    match terminated.reason.as_deref() {
        Some("OOMKilled") => {
            let first = pod.spec.as_ref().and_then(|spec| spec.containers.first());
            let limits = first.and_then(|first| first.resources.as_ref()?.limits.as_ref());
            let memory = limits.and_then(|limits| limits.get("memory"));
            let limit = memory.map_or_else(String::new, |memory| format!(" of {}", memory.0));
            let text = format!("the entry point exceeded its memory limit{limit} and was killed (OOMKilled)");
            Failure::Other(Reason::new(text, Some(RAISE_MEMORY)))
        }
        Some("DeadlineExceeded") => Failure::Other(pod_deadline(pod)),
        Some(reason @ ("ContainerCannotRun" | "StartError" | "ContainerStatusUnknown")) => {
            let what = format!("cannot start the entry point ({reason})");
            Failure::Other(start_failed(what, message))
        }
        _ => Failure::ExitCode(terminated.exit_code),
    }
}

/// What only an event says: why no pod can be created, or what the pod waits for.
pub(super) fn of_event(event: &Event) -> Option<Reason> {
    let message = event.message.as_deref().unwrap_or_default().trim();
    if event.type_.as_deref() != Some("Warning") {
        return None;
    }
    let (text, hint) = match event.reason.as_deref()? {
        "FailedCreate" => return Some(of_creation(message)),
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => (
            "cannot mount a volume of the pod",
            Some(
                "create the volume claim, Secret or ConfigMap that the template names, in the Job's namespace",
            ),
        ),
        "FailedCreatePodSandBox" | "FailedPodSandBoxStatus" | "NetworkNotReady" => {
            ("the node cannot start the pod", None)
        }
        _ => return None,
    };
    Some(Reason::told(text, message, hint))
}

fn of_creation(message: &str) -> Reason {
    let message = message
        .strip_prefix("(combined from similar events): ")
        .unwrap_or(message);
    let message = message.strip_prefix("Error creating: ").unwrap_or(message);
    let denial = Denial::of(message);
    let hint = denial.map_or(
        "check the namespace's quotas and policies, and the template's service account",
        |denial| denial.hint,
    );
    Reason::told("cannot create the Job's pod", message, Some(hint))
        .lasting_if(denial.is_some_and(|denial| denial.is_lasting))
}
