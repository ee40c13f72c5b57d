//! How a tracking server is reached: what MLflow's environment variables say about it.

use std::path::PathBuf;

use super::auth::{Credentials, Signer};
use super::error::RestError;
use super::kubernetes::KubernetesAccount;
use crate::aws::{AwsSettings, CredentialsProvider};
use crate::env_vars::{self, boolean};
use crate::http::{ConnectionSettings, Verification, netrc_files};

/// Everything about a tracking server that is not part of its URL.
#[derive(Debug, Clone)]
pub struct RestSettings {
    pub(super) credentials: Option<Credentials>,
    /// What makes the credentials of every request anew.
    pub(super) signer: Option<Signer>,
    /// The netrc file, which counts where neither the URL nor a variable gives credentials.
    pub(super) netrc: Vec<PathBuf>,
    pub(super) connection: ConnectionSettings,
    pub(super) follows_redirects: bool,
    pub(super) workspace: Option<String>,
}

impl RestSettings {
    /// Reads MLflow's own variables, and those that Python's `requests` reads, from the environment.
    ///
    /// # Errors
    /// A variable with a value that MLflow would refuse too, and one that asks for something that
    /// is not available.
    pub fn from_environment() -> Result<Self, RestError> {
        Self::from_variables(&env_vars::non_empty)
    }

    /// As [`RestSettings::from_environment`], with the variables that `variable` knows. It gives
    /// `None` for a variable that is not set or empty.
    ///
    /// # Errors
    /// As [`RestSettings::from_environment`].
    pub fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, RestError> {
        Ok(Self {
            credentials: Credentials::from_variables(variable)?,
            signer: signer(variable)?,
            netrc: netrc_files(variable),
            connection: connection(variable)?,
            follows_redirects: boolean(variable, env_vars::MLFLOW_ALLOW_HTTP_REDIRECTS, true)?,
            workspace: variable(env_vars::MLFLOW_WORKSPACE)
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty()),
        })
    }
}

/// What makes the credentials of every request anew, where a variable asks for that. Signing for AWS
/// comes before a plug-in, as for MLflow.
fn signer(variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Signer>, RestError> {
    if boolean(variable, env_vars::MLFLOW_TRACKING_AWS_SIGV4, false)? {
        let provider = CredentialsProvider::new(AwsSettings::read(variable)?);
        return Ok(Some(Signer::Aws(provider)));
    }
    let account = |gives_workspace| Signer::Kubernetes(KubernetesAccount::new(gives_workspace, variable));
    match variable(env_vars::MLFLOW_TRACKING_AUTH).as_deref() {
        None => Ok(None),
        Some("kubernetes") => Ok(Some(account(false))),
        Some("kubernetes-namespaced") => Ok(Some(account(true))),
        Some(name) => Err(RestError::Setup {
            text: format!(
                "the authentication plug-in '{name}' (MLFLOW_TRACKING_AUTH) is Python code, which mlrun cannot load"
            ),
            hint: "set MLFLOW_TRACKING_AUTH to kubernetes or kubernetes-namespaced, or unset it: MLFLOW_TRACKING_USERNAME with MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, ~/.netrc and MLFLOW_TRACKING_AWS_SIGV4 need no plug-in",
        }),
    }
}

fn connection(variable: &dyn Fn(&str) -> Option<String>) -> Result<ConnectionSettings, RestError> {
    let mut settings = ConnectionSettings::from_variables(variable)?;
    let insecure = boolean(variable, env_vars::MLFLOW_TRACKING_INSECURE_TLS, false)?;
    let named = Verification::bundle(env_vars::MLFLOW_TRACKING_SERVER_CERT_PATH, variable);
    settings.verification = match (insecure, named) {
        (true, Some(_)) => {
            return Err(RestError::Setup {
                text: "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set"
                    .to_owned(),
                hint: "set only one of the two",
            });
        }
        (true, None) => Verification::Off,
        (false, Some(bundle)) => bundle,
        (false, None) => settings.verification,
    };
    settings.client_certificate = variable(env_vars::MLFLOW_TRACKING_CLIENT_CERT_PATH).map(PathBuf::from);
    Ok(settings)
}
