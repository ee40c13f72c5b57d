//! How to reach the cluster: by a context of the kubeconfig, or by the service account of the pod that mlrun runs in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use openssl::x509::X509;

use super::api_error::{ApiProblem, ProblemKind};
use super::credentials::Credentials;
use crate::backend::error::ServiceError;
use crate::env_vars::{self, HOME, KUBECONFIG, KUBERNETES_SERVICE_HOST};
use crate::nearest::nearest;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const RENEW: &str = "get a new kubeconfig for the cluster (for kubeadm: `kubeadm certs renew all`)";

#[derive(Clone)]
pub(super) struct Cluster {
    pub(super) client: Client,
    /// The kubeconfig's context; `None` for the service account of this pod.
    pub(super) context: Option<String>,
    pub(super) server: String,
    pub(super) credentials: Credentials,
}

impl std::fmt::Display for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.context {
            Some(context) => write!(f, "the cluster of context '{context}' ({})", self.server),
            None => write!(f, "this pod's cluster ({})", self.server),
        }
    }
}

impl Cluster {
    /// Reads the configuration of the cluster. Sends no request.
    pub(super) async fn find(context: Option<&str>) -> Result<Self, ServiceError> {
        let (mut config, context) = configuration(context).await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        // Callers must know about each attempt: one whose answer was lost may have had an effect.
        config.default_retry = false;
        if config.root_cert.is_none() && config.cluster_url.scheme_str() == Some("https") {
            config.root_cert = system_certificates();
        }
        let server = config.cluster_url.to_string();
        let credentials = Credentials::of(&mut config.auth_info, &server)?;
        let client = Client::try_from(config).map_err(|error| {
            let source = ApiProblem::from(error);
            if source.lacks_credentials {
                credentials.problem(&server, source)
            } else {
                unreadable(
                    format!("cannot connect to the Kubernetes API at {server}"),
                    source,
                )
            }
        })?;
        Ok(Self {
            client,
            context,
            server,
            credentials,
        })
    }

    pub(super) fn namespace(&self) -> &str {
        self.client.default_namespace()
    }

    pub(super) fn problem(&self, doing: &str, source: ApiProblem) -> ServiceError {
        if source.lacks_credentials {
            return self.credentials.problem(&self.server, source);
        }
        let (reason, hint) = match self.credentials.expired() {
            // The API server answers 401; a proxy that checks certificates closes the connection.
            Some(date) if source.kind == ProblemKind::Unauthorized || source.is_of_certificate() => (
                format!(": the client certificate of the kubeconfig expired on {date}"),
                Some(RENEW),
            ),
            _ => (String::new(), source.hint()),
        };
        let problem = format!("cannot {doing} on {self}{reason}");
        ServiceError::failed(problem, hint.map(str::to_owned), Some(source.into()))
    }
}

async fn configuration(context: Option<&str>) -> Result<(Config, Option<String>), ServiceError> {
    let (files, mut tried) = kubeconfig_files();
    let kubeconfig = read(&files)?;
    let contexts = kubeconfig.contexts.iter();
    let known: Vec<String> = contexts.map(|context| context.name.clone()).collect();
    let current = kubeconfig.current_context.clone();
    let current = || current.filter(|name| !name.is_empty());
    let name = context.map(str::to_owned).or_else(current);
    if let Some(name) = name {
        if known.contains(&name) {
            let options = KubeConfigOptions {
                context: Some(name.clone()),
                ..KubeConfigOptions::default()
            };
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
            let problem = || format!("cannot use context '{name}' of the kubeconfig");
            let config = config.map_err(|error| unreadable(problem(), kube::Error::from(error).into()))?;
            return Ok((config, Some(name)));
        }
        tried.push(format!("context '{name}' (not in the kubeconfig)"));
        if env_vars::non_empty(KUBERNETES_SERVICE_HOST).is_none() {
            return Err(no_context(&name, &known, &files));
        }
    } else if !files.is_empty() {
        tried.push("the kubeconfig's current context (not set)".to_owned());
    }
    match Config::incluster() {
        Ok(config) => Ok((config, None)),
        Err(error) => {
            tried.push(format!("a pod's service account ({error})"));
            let tried = tried.join("; ");
            Err(ServiceError::setup(
                format!("no Kubernetes cluster found; tried: {tried}"),
                "set KUBECONFIG to a kubeconfig file, or choose a context: kubectl config use-context NAME",
            ))
        }
    }
}

/// An unusable kubeconfig, or part of it.
fn unreadable(problem: String, source: ApiProblem) -> ServiceError {
    let hint = "check it with `kubectl config view`".to_owned();
    ServiceError::failed(problem, Some(hint), Some(source.into()))
}

fn no_context(name: &str, known: &[String], files: &[PathBuf]) -> ServiceError {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let place = match files.as_slice() {
        [] => ": there is no kubeconfig".to_owned(),
        files => format!(" in {}", files.join(", ")),
    };
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean '{meant}'?"),
        None if files.is_empty() => "set KUBECONFIG to a kubeconfig file".to_owned(),
        None if known.is_empty() => {
            "the kubeconfig has no contexts; set KUBECONFIG to another file".to_owned()
        }
        None => format!("use one of: {}", known.join(", ")),
    };
    ServiceError::setup(format!("unknown context '{name}'{place}"), hint)
}

/// The existing kubeconfig files, and texts about the missing ones.
fn kubeconfig_files() -> (Vec<PathBuf>, Vec<String>) {
    let named = std::env::var_os(KUBECONFIG).filter(|value| !value.is_empty());
    let (paths, origin) = match &named {
        Some(value) => (std::env::split_paths(value).collect(), " (of KUBECONFIG)"),
        None => match env_vars::non_empty(HOME) {
            Some(home) => (vec![Path::new(&home).join(".kube/config")], ""),
            None => (Vec::new(), ""),
        },
    };
    let (there, missing): (Vec<PathBuf>, Vec<PathBuf>) = paths
        .into_iter()
        .filter(|path| !path.as_os_str().is_empty())
        .partition(|path| path.exists());
    let tried = missing
        .iter()
        .map(|path| format!("{}{origin}: file not found", path.display()));
    (there, tried.collect())
}

/// Reads the files as kubectl does: the first value wins.
fn read(files: &[PathBuf]) -> Result<Kubeconfig, ServiceError> {
    files.iter().try_fold(Kubeconfig::default(), |whole, path| {
        let read = Kubeconfig::read_from(path).and_then(|file| whole.merge(file));
        let problem = || format!("cannot use the kubeconfig '{}'", path.display());
        read.map_err(|error| unreadable(problem(), kube::Error::from(error).into()))
    })
}

/// The system's trusted certificates, for a server without a configured authority.
fn system_certificates() -> Option<Vec<Vec<u8>>> {
    let file = openssl_probe::probe().cert_file?;
    let certificates = X509::stack_from_pem(&std::fs::read(file).ok()?).ok()?;
    let certificates = certificates.iter().map(|certificate| certificate.to_der().ok());
    certificates.collect()
}
