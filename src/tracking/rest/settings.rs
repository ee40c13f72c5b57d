//! How a tracking server is reached: what MLflow's environment variables say about it.

use std::path::PathBuf;

use super::auth::Credentials;
use super::error::RestError;
use super::kubernetes::KubernetesAccount;
use super::signer::Signer;
use crate::env_vars;
use crate::http::{ConnectionSettings, Verification, boolean, netrc};

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
            netrc: netrc::files(variable),
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
        return Signer::aws(variable).map(Some);
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<RestSettings, RestError> {
        RestSettings::from_variables(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_variables_the_reference_s_defaults_hold() {
        let settings = settings(&[]).unwrap();
        assert_eq!(settings.connection.timeout, Duration::from_secs(120));
        assert_eq!(settings.connection.retry.max_retries, 7);
        assert_eq!(settings.connection.retry.backoff_factor, 2);
        assert!((settings.connection.retry.jitter - 1.0).abs() < f64::EPSILON);
        assert!(settings.connection.retry.respects_retry_after);
        assert!(settings.follows_redirects);
        assert!(settings.credentials.is_none());
        assert!(matches!(
            settings.connection.verification,
            Verification::SystemRoots
        ));
    }

    #[test]
    fn a_bad_value_is_named_with_what_is_expected() {
        for (name, value, expected) in [
            (
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
                "abc",
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES is 'abc', but must be a whole number from 0 to 10",
            ),
            (
                "_MLFLOW_HTTP_REQUEST_MAX_RETRIES_LIMIT",
                "5",
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES is '7', but must be a whole number from 0 to 5",
            ),
            (
                "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER",
                "nan",
                "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER is 'nan', but must be a number of seconds, not negative",
            ),
            (
                "MLFLOW_TRACKING_AWS_SIGV4",
                "yes",
                "MLFLOW_TRACKING_AWS_SIGV4 is 'yes', but must be true, false, 1 or 0",
            ),
            (
                "MLFLOW_TRACKING_AUTH",
                "my-company",
                "the authentication plug-in 'my-company' (MLFLOW_TRACKING_AUTH) is Python code, which mlrun cannot load",
            ),
        ] {
            let error = settings(&[(name, value)]).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert!(error.hint().is_some(), "{name}");
        }
    }

    #[test]
    fn values_are_read_as_the_reference_reads_them() {
        let settings = settings(&[
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", " 3 "),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0"),
            ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "1e-3"),
            ("MLFLOW_HTTP_REQUEST_TIMEOUT", "7"),
            ("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "False"),
            ("MLFLOW_TRACKING_AWS_SIGV4", "false"),
            ("MLFLOW_ALLOW_HTTP_REDIRECTS", "0"),
            ("MLFLOW_WORKSPACE", " team "),
        ])
        .unwrap();
        assert_eq!(settings.connection.retry.max_retries, 3);
        assert_eq!(settings.connection.retry.backoff_factor, 0);
        assert!((settings.connection.retry.jitter - 0.001).abs() < 1e-9);
        assert_eq!(settings.connection.timeout, Duration::from_secs(7));
        assert!(!settings.connection.retry.respects_retry_after);
        assert!(!settings.follows_redirects);
        assert_eq!(settings.workspace.as_deref(), Some("team"));
    }

    #[test]
    fn the_first_of_the_certificate_variables_counts() {
        let path = |variables: &[(&str, &str)]| match settings(variables).unwrap().connection.verification {
            Verification::Bundle { path, .. } => path.display().to_string(),
            Verification::SystemRoots => "system".to_owned(),
            Verification::Off => "off".to_owned(),
        };
        let requests = ("REQUESTS_CA_BUNDLE", "/r");
        let curl = ("CURL_CA_BUNDLE", "/c");
        let server = ("MLFLOW_TRACKING_SERVER_CERT_PATH", "/s");
        let insecure = ("MLFLOW_TRACKING_INSECURE_TLS", "true");
        assert_eq!(path(&[curl]), "/c");
        assert_eq!(path(&[requests, curl]), "/r");
        assert_eq!(path(&[requests, curl, server]), "/s");
        assert_eq!(path(&[requests, curl, insecure]), "off");
        assert_eq!(
            settings(&[server, insecure]).unwrap_err().to_string(),
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH are both set"
        );
    }
}
