//! The settings for a tracking server in MLflow's environment variables.

use std::path::PathBuf;

use super::auth::{Credentials, Signer};
use super::error::RestError;
use super::kubernetes::KubernetesAccount;
use crate::aws::{AwsSettings, CredentialsProvider};
use crate::env_vars::{self, boolean};
use crate::http::{ConnectionSettings, Verification, netrc_files};

/// The settings of a tracking server, except its URL.
#[derive(Debug, Clone)]
pub struct RestSettings {
    pub(super) credentials: Option<Credentials>,
    /// Creates new credentials for every request.
    pub(super) signer: Option<Signer>,
    /// The netrc files, which are used if neither the URL nor a variable contains credentials.
    pub(super) netrc: Vec<PathBuf>,
    pub(super) connection: ConnectionSettings,
    pub(super) follows_redirects: bool,
    pub(super) workspace: Option<String>,
}

impl RestSettings {
    /// Reads the variables of MLflow and Python's `requests` from the environment.
    ///
    /// # Errors
    /// A variable with an invalid value, which MLflow would refuse too, or an unsupported value.
    pub fn from_environment() -> Result<Self, RestError> {
        Self::from_variables(&env_vars::non_empty)
    }

    /// Like [`RestSettings::from_environment`], with other variables. `variable` gives `None` for an unset or empty
    /// one.
    ///
    /// # Errors
    /// Those of [`RestSettings::from_environment`].
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

/// The signer, if a variable requires one. As in MLflow, signing for AWS has precedence over a plug-in.
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
            hint: "unset it and use MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN, ~/.netrc or MLFLOW_TRACKING_AWS_SIGV4; the supported plug-ins are kubernetes and kubernetes-namespaced",
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
                hint: "unset one of them",
            });
        }
        (true, None) => Verification::Off,
        (false, Some(bundle)) => bundle,
        (false, None) => settings.verification,
    };
    settings.client_certificate = variable(env_vars::MLFLOW_TRACKING_CLIENT_CERT_PATH).map(PathBuf::from);
    Ok(settings)
}
