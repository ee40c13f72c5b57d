//! What a process that this one starts needs to reach a workspace as this one does.
//!
//! The variables are those that MLflow's own client sets (`get_databricks_env_vars`, MLflow 3.17): only
//! the credentials in use are handed on, not the whole file of profiles.

use super::credentials::{Credentials, Kind};
use super::error::DatabricksError;
use super::session::Session;
use crate::env_vars::{self, DATABRICKS_CONFIG_PROFILE, DATABRICKS_VARIABLES};
use crate::redact::Secret;

/// A workspace with its credentials, as environment variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceAccess {
    /// Names and values. The tracking URI is among them, since a profile may be known here only.
    pub variables: Vec<(&'static str, Secret)>,
    /// Variables of this process that tell of other credentials, and must not reach the other one.
    pub others: Vec<&'static str>,
    /// Whether the credentials are a token of a login by the `databricks` program, which expires.
    /// Processes of the same user on this machine can ask that program themselves.
    pub is_of_login: bool,
}

impl Session {
    /// The workspace for another process.
    pub(crate) async fn access(&self) -> Result<WorkspaceAccess, DatabricksError> {
        let credentials = self.credentials();
        let is_of_login = credentials.kind == Kind::Program;
        let login = match is_of_login {
            true => Some(self.access_token(&credentials).await?),
            false => None,
        };
        let variables = self.variables(&credentials, login);
        let is_set = |name: &str| variables.iter().any(|(other, _)| *other == name);
        let mut others: Vec<_> = DATABRICKS_VARIABLES
            .into_iter()
            .filter(|name| !credentials.is_of_environment && !is_set(name))
            .collect();
        let inherited = env_vars::non_empty(DATABRICKS_CONFIG_PROFILE);
        if inherited.is_some() && inherited != self.profile_name() {
            others.push(DATABRICKS_CONFIG_PROFILE);
        }
        Ok(WorkspaceAccess {
            variables,
            others,
            is_of_login,
        })
    }

    fn variables(&self, credentials: &Credentials, login: Option<Secret>) -> Vec<(&'static str, Secret)> {
        let mut variables = vec![
            (env_vars::MLFLOW_TRACKING_URI, Secret::new("databricks")),
            (env_vars::DATABRICKS_HOST, Secret::new(self.address())),
        ];
        variables.extend(
            self.workspace_id()
                .map(|id| ("DATABRICKS_WORKSPACE_ID", Secret::new(id))),
        );
        match &credentials.kind {
            Kind::Token(token) => variables.push(("DATABRICKS_TOKEN", token.clone())),
            Kind::Basic { user, password } => variables.extend([
                ("DATABRICKS_USERNAME", Secret::new(user)),
                ("DATABRICKS_PASSWORD", password.clone()),
            ]),
            Kind::OAuth {
                client_id,
                client_secret,
            } => variables.extend([
                ("DATABRICKS_CLIENT_ID", Secret::new(client_id)),
                ("DATABRICKS_CLIENT_SECRET", client_secret.clone()),
            ]),
            Kind::Program => variables.extend(login.map(|token| ("DATABRICKS_TOKEN", token))),
        }
        if credentials.is_insecure {
            variables.push(("DATABRICKS_INSECURE", Secret::new("True")));
        }
        variables
    }
}
