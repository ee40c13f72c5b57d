//! Why a run on Kubernetes failed or could not be started.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::api_problem::{ApiProblem, ProblemKind};
use crate::nearest::nearest;
use crate::project::Location;
use crate::run::RunStatus;

/// Why a run on Kubernetes failed or could not be started.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesError {
    /// There is no configuration.
    #[error("the kubernetes backend needs --backend-config")]
    NoConfig,
    /// The configuration is no JSON object.
    #[error("the backend config must be a JSON object")]
    ConfigNoObject,
    /// Keys are missing.
    #[error("the backend config lacks '{}'", keys.join("' and '"))]
    ConfigMissing {
        /// Their names.
        keys: Vec<&'static str>,
        /// A key that may have been meant to be one of them, as a sentence.
        instead: Option<String>,
    },
    /// A value has the wrong type.
    #[error("'{key}' of the backend config must be text, not {value}")]
    ConfigNoText {
        /// The key.
        key: &'static str,
        /// The value, as JSON.
        value: String,
    },
    /// The repository's name is no name of an image without a tag.
    #[error("'{repository}' (repository-uri) cannot be the name of an image's repository")]
    Repository {
        /// The value.
        repository: String,
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
    /// The template is not one.
    #[error("{problem}")]
    Template {
        /// Where.
        place: Location,
        /// What is wrong.
        problem: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The project has no container.
    #[error("only projects with a docker_env run on Kubernetes")]
    NoContainer,
    /// Data would be downloaded where no pod sees it.
    #[error("the data of a parameter of type path would be downloaded to this machine, where no pod sees it")]
    LocalData,
    /// Nothing says where a cluster is.
    #[error("there is no Kubernetes cluster to run on; tried: {}", tried.join("; "))]
    NoCluster {
        /// What was looked at, and what was wrong with it.
        tried: Vec<String>,
    },
    /// There is no such context.
    #[error("there is no context '{name}' in {}", files_text(files))]
    NoContext {
        /// Its name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
        /// The kubeconfig files.
        files: Vec<PathBuf>,
    },
    /// A kubeconfig cannot be read.
    #[error("cannot use the kubeconfig '{}'", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: ApiProblem,
    },
    /// A context cannot be used.
    #[error("cannot use the context '{name}' of the kubeconfig")]
    Context {
        /// Its name.
        name: String,
        /// What is wrong.
        #[source]
        source: ApiProblem,
    },
    /// No client can be made of what the kubeconfig says.
    #[error("cannot make a connection to the Kubernetes API at {server}")]
    NoClient {
        /// The server.
        server: String,
        /// What is wrong.
        #[source]
        source: ApiProblem,
    },
    /// The kubeconfig's credentials cannot be had or used.
    #[error("cannot use the credentials of the kubeconfig for {server}")]
    Credentials {
        /// The server.
        server: String,
        /// What is wrong.
        #[source]
        source: ApiProblem,
    },
    /// The kubeconfig's client certificate is no longer valid.
    #[error("cannot {doing}: the client certificate of the kubeconfig expired on {date}")]
    Expired {
        /// What was to be done and where.
        doing: String,
        /// When it expired.
        date: String,
        /// What the API answered.
        #[source]
        source: ApiProblem,
    },
    /// The kubeconfig's program gives no credentials.
    #[error("the program '{program}', which the kubeconfig names, gives no credentials for the cluster")]
    Plugin {
        /// The program.
        program: String,
        /// What to do: what the kubeconfig says about its installation, if it does.
        hint: String,
        /// What is wrong.
        #[source]
        source: ApiProblem,
    },
    /// A request failed.
    #[error("cannot {doing} on {cluster}")]
    Request {
        /// What was to be done, as in "create the Job".
        doing: String,
        /// Where.
        cluster: String,
        /// Why not.
        #[source]
        source: ApiProblem,
    },
    /// The API does not take the Job.
    #[error("the cluster does not take the Job: {problem}")]
    Refused {
        /// Its words.
        problem: String,
        /// The place in the template, where it named a field.
        place: Option<Location>,
    },
    /// A rule of the cluster forbids the Job.
    #[error("cannot create the Job in the namespace '{namespace}': {rule}")]
    Denied {
        /// The Job's namespace.
        namespace: String,
        /// What the rule is.
        rule: &'static str,
        /// What to do.
        hint: &'static str,
        /// The cluster's words.
        #[source]
        source: ApiProblem,
    },
    /// The entry point cannot start, however long one waits.
    #[error("the entry point cannot start: {reason}")]
    CannotStart {
        /// Why not.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
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
    /// The entry point did not start in time.
    #[error("the entry point has not started within {}: {reason}", seconds(*after))]
    NotStarted {
        /// How long it was waited for.
        after: Duration,
        /// Why, as far as it is known.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The Job failed for another reason than the entry point's own exit code.
    #[error("{reason}")]
    Failed {
        /// The reason.
        reason: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The API could not be asked for so long that it was given up.
    #[error("the Job '{job}' goes on, but {cluster} has not answered for {}", seconds(*after))]
    Lost {
        /// Its name.
        job: String,
        /// The cluster.
        cluster: String,
        /// For how long.
        after: Duration,
        /// The last answer.
        #[source]
        source: ApiProblem,
    },
}

impl KubernetesError {
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
            Self::Template { place, .. } => Some(place),
            Self::Refused { place, .. } => place.as_ref(),
            _ => None,
        }
    }

    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoConfig | Self::ConfigNoObject => {
                "name a JSON file with repository-uri and kube-job-template-path: -c config.json".to_owned()
            }
            Self::ConfigMissing {
                instead: Some(instead),
                ..
            } => instead.clone(),
            Self::ConfigMissing { .. } => {
                "\"repository-uri\" is where the image is pushed to, \"kube-job-template-path\" the YAML file of the Job"
                    .to_owned()
            }
            Self::ConfigNoText { .. } => "put it into quotes".to_owned(),
            Self::Repository { .. } => {
                "write [host/]name without a tag, such as registry.example.com/team/project".to_owned()
            }
            Self::TemplateUnreadable { .. } => {
                "a relative path is looked for in the current directory, then beside the backend config".to_owned()
            }
            Self::Template { hint, .. }
            | Self::NotStarted { hint, .. }
            | Self::CannotStart { hint, .. }
            | Self::Failed { hint, .. } => return hint.clone(),
            Self::NoContainer => "write `docker_env:` with an image into the MLproject file".to_owned(),
            Self::LocalData => {
                "declare the parameter as `uri`, so that the entry point gets the address itself".to_owned()
            }
            Self::NoCluster { .. } => {
                "set KUBECONFIG to a kubeconfig file, or choose a context: kubectl config use-context NAME".to_owned()
            }
            Self::NoContext { name, known, .. } => match nearest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean '{meant}'?"),
                None if known.is_empty() => "the kubeconfig has no contexts; set KUBECONFIG to one that has".to_owned(),
                None => format!("there are: {}", known.join(", ")),
            },
            Self::Kubeconfig { .. } | Self::Context { .. } | Self::NoClient { .. } => {
                "`kubectl config view` shows how it is read".to_owned()
            }
            Self::Credentials { .. } => {
                "correct the user of the context: `kubectl config view --minify` shows it".to_owned()
            }
            Self::Expired { .. } => {
                "get a new kubeconfig for the cluster; `kubeadm certs renew` renews certificates of kubeadm".to_owned()
            }
            Self::Plugin { hint, .. } => hint.clone(),
            Self::Denied { hint, .. } => (*hint).to_owned(),
            Self::Request { source, .. } => return hint_of(source),
            Self::Refused { place, .. } => match place {
                Some(_) => "mlrun replaces the first container's name, image, command and variables; all else is the template's".to_owned(),
                None => return None,
            },
            Self::Deleted { namespace, .. } => {
                format!("`mlrun cancel` and `kubectl delete job` do that; `kubectl get events -n {namespace}` may say more")
            }
            Self::NoJob { .. } => {
                "it was deleted, maybe by its ttlSecondsAfterFinished; how it ended is not known any more".to_owned()
            }
            Self::Lost { .. } => "`mlrun wait RUN_ID` follows it again".to_owned(),
        })
    }
}

fn hint_of(problem: &ApiProblem) -> Option<String> {
    Some(match problem.kind {
        ProblemKind::Unreachable => {
            "check that the cluster runs and that this machine reaches it: kubectl cluster-info".to_owned()
        }
        ProblemKind::Unauthorized => "log in to the cluster again: kubectl auth whoami shows who you are".to_owned(),
        ProblemKind::Denied(denial) => denial.hint().to_owned(),
        ProblemKind::Transient if problem.is_of_silent_webhook() => {
            "the webhook is a part of the cluster that does not answer; try again later, or tell its administrators".to_owned()
        }
        ProblemKind::Forbidden if !problem.is_of_roles() => {
            "a rule of the cluster forbids it; its administrators know which one".to_owned()
        }
        ProblemKind::Forbidden => {
            "the user or service account needs a role that may create, get, list, watch and delete jobs, list and \
             watch pods and events, and get pods/log"
                .to_owned()
        }
        ProblemKind::NotFound => "create the namespace, or name another one in the template".to_owned(),
        _ => return None,
    })
}

fn files_text(files: &[PathBuf]) -> String {
    match files {
        [] => "any kubeconfig: there is none".to_owned(),
        files => {
            let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            files.join(", ")
        }
    }
}

/// A length of time for a person.
pub(super) fn seconds(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds >= 120 && seconds.is_multiple_of(60) => format!("{} minutes", seconds / 60),
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    }
}
