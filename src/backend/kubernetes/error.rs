//! Why a run on Kubernetes failed or could not be started.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::api_problem::{ApiProblem, ProblemKind};
use super::reasons::Reason;
use crate::project::Location;
use crate::run::RunStatus;

/// Why a run on Kubernetes failed or could not be started.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// The configuration, the project or the kubeconfig lacks what a Job needs.
    #[error("{problem}")]
    Setup {
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: String,
    },
    /// The template cannot be read.
    #[error("cannot read the Job's template '{}' (kube-job-template-path)", path.display())]
    TemplateUnreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The template makes no Job, or none that the cluster takes.
    #[error("{problem}")]
    Template {
        /// Where, if that is known.
        place: Option<Location>,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The cluster, or the way to it, does not do what it was asked for.
    #[error("{problem}")]
    Cluster {
        /// What was asked for, and where.
        problem: String,
        /// What to do.
        hint: Option<String>,
        /// Why not.
        #[source]
        source: ApiProblem,
    },
    /// The Job did not start, or failed for another reason than the entry point's own exit code.
    #[error("{}", .0.text)]
    Failed(Reason),
    /// The Job is no longer there.
    #[error("the Job '{job}' in the namespace '{namespace}' was deleted before it had ended")]
    Deleted {
        /// Its name.
        job: String,
        /// Its namespace.
        namespace: String,
    },
    /// There is no such Job.
    #[error("there is no Job '{job}' in the namespace '{namespace}' any more")]
    NoJob {
        /// Its name.
        job: String,
        /// Its namespace.
        namespace: String,
    },
    /// The API could not be asked for so long that it was given up.
    #[error("{problem}")]
    Lost {
        /// Which Job, and for how long.
        problem: String,
        /// The last answer.
        #[source]
        source: ApiProblem,
    },
}

impl KubernetesError {
    pub(super) fn setup(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Setup {
            problem: problem.into(),
            hint: hint.into(),
        }
    }

    /// The project has no container.
    pub(super) fn no_container() -> Self {
        Self::setup(
            "only projects with a docker_env run on Kubernetes",
            "write `docker_env:` with an image into the MLproject file",
        )
    }

    /// The status of a run that went wrong so: `RUNNING` if its Job goes on, `KILLED` if that was deleted.
    pub(in crate::backend) fn run_status(&self) -> RunStatus {
        match self {
            Self::Deleted { .. } => RunStatus::Killed,
            Self::Lost { .. } => RunStatus::Running,
            _ => RunStatus::Failed,
        }
    }

    /// Where in the template it is, if it is there.
    pub fn location(&self) -> Option<&Location> {
        match self {
            Self::Template { place, .. } => place.as_ref(),
            _ => None,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Setup { hint, .. } => hint.clone(),
            Self::TemplateUnreadable { .. } => {
                "a relative path is looked for in the current directory, then beside the backend config"
                    .to_owned()
            }
            Self::Template { hint, .. } | Self::Cluster { hint, .. } => return hint.clone(),
            Self::Failed(reason) => reason.hint?.to_owned(),
            Self::Deleted { namespace, .. } => {
                format!(
                    "`mlrun cancel` and `kubectl delete job` do that; `kubectl get events -n {namespace}` may say more"
                )
            }
            Self::NoJob { .. } => {
                "it was deleted, maybe by its ttlSecondsAfterFinished; how it ended is not known any more"
                    .to_owned()
            }
            Self::Lost { .. } => "`mlrun wait RUN_ID` follows it again".to_owned(),
        })
    }
}

/// What to do about a request that failed.
pub(super) fn hint_of(problem: &ApiProblem) -> Option<&'static str> {
    Some(match problem.kind {
        ProblemKind::Unreachable => {
            "check that the cluster runs and that this machine reaches it: kubectl cluster-info"
        }
        ProblemKind::Unauthorized => "log in to the cluster again: kubectl auth whoami shows who you are",
        ProblemKind::Denied(denial) => denial.hint,
        ProblemKind::Transient if problem.is_of_silent_webhook() => {
            "the webhook is a part of the cluster that does not answer; try again later, or tell its administrators"
        }
        ProblemKind::Forbidden if !problem.is_of_roles() => {
            "a rule of the cluster forbids it; its administrators know which one"
        }
        ProblemKind::Forbidden => {
            "the user or service account needs a role that may create, get, list, watch and delete jobs, list and \
             watch pods and events, and get pods/log"
        }
        ProblemKind::NotFound => "create the namespace, or name another one in the template",
        _ => return None,
    })
}

/// A length of time for a person.
pub(super) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}
