//! Authentication: credentials from the URL, the environment, and the files that MLflow and Python's `requests` read.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use async_trait::async_trait;
use reqwest::header::HeaderValue;
use reqwest::{Request, Url};

use super::error::{RestError, unsendable};
use super::kubernetes::KubernetesAccount;
use crate::aws::{CredentialsProvider, Payload, Signing};
use crate::env_vars;
use crate::http::{RequestSigner, basic, bearer, netrc_login};
use crate::ini::IniFile;
use crate::python_paths::unquote;

/// The `Authorization` header, and its source.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    /// `None` if the value is invalid in a header.
    header: Option<HeaderValue>,
    pub(super) is_token: bool,
    /// Where they were found, for the message if the server rejects them.
    pub(super) source: String,
}

impl Credentials {
    /// Reads MLflow's variables and its credentials file. Variables have precedence over the file, and a user name
    /// with a password over a token.
    pub(super) fn from_variables(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, RestError> {
        let (user, password) = (
            variable(env_vars::MLFLOW_TRACKING_USERNAME),
            variable(env_vars::MLFLOW_TRACKING_PASSWORD),
        );
        let [file_user, file_password] = if user.is_none() || password.is_none() {
            read_credentials(variable)?
        } else {
            [None, None]
        };
        let source = match (&user, &password) {
            (Some(_), Some(_)) => "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
            (None, None) => "~/.mlflow/credentials",
            (Some(_), None) => "MLFLOW_TRACKING_USERNAME and ~/.mlflow/credentials",
            (None, Some(_)) => "~/.mlflow/credentials and MLFLOW_TRACKING_PASSWORD",
        };
        if let (Some(user), Some(password)) = (user.or(file_user), password.or(file_password)) {
            return Ok(Some(Self::basic(&user, &password, source)));
        }
        Ok(variable(env_vars::MLFLOW_TRACKING_TOKEN).map(|token| Self {
            header: bearer(&token),
            is_token: true,
            source: env_vars::MLFLOW_TRACKING_TOKEN.to_owned(),
        }))
    }

    /// The user and password of a URL; the password may be empty. Like Python's `requests`, it ignores a user without a
    /// password. `text` is the original URL, because the parsed one loses an empty password.
    pub(super) fn from_url(url: &Url, text: &str) -> Option<Self> {
        let has_empty_password = || text.contains(&format!("//{}:@", url.username()));
        let password = match url.password() {
            Some(password) => unquote(password),
            None if has_empty_password() => String::new(),
            None => return None,
        };
        let user = unquote(url.username());
        Some(Self::basic(&user, &password, "the tracking URI"))
    }

    /// The entry for `host` in the first netrc file that exists.
    pub(super) fn from_netrc(files: &[PathBuf], host: &str) -> Option<Self> {
        let (user, password, source) = netrc_login(files, host)?;
        Some(Self::basic(&user, &password, &source))
    }

    fn basic(user: &str, password: &str, source: &str) -> Self {
        Self {
            header: basic(user, password),
            is_token: false,
            source: source.to_owned(),
        }
    }

    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> Result<HeaderValue, RestError> {
        self.header.clone().ok_or_else(|| unsendable(&self.source))
    }
}

/// The user and password in MLflow's section of its credentials file, or in the section for defaults.
fn read_credentials(variable: &dyn Fn(&str) -> Option<String>) -> Result<[Option<String>; 2], RestError> {
    let path = variable(env_vars::HOME).map(|home| Path::new(&home).join(".mlflow/credentials"));
    let Some(path) = path.filter(|path| path.exists()) else {
        return Ok([None, None]);
    };
    let bytes = std::fs::read(&path).map_err(|source| RestError::File { path, source })?;
    let file = IniFile::parse(&String::from_utf8_lossy(&bytes));
    let keys = ["mlflow_tracking_username", "mlflow_tracking_password"];
    Ok(keys.map(|key| {
        let mut sections = ["mlflow", "DEFAULT"].into_iter();
        let value = sections.find_map(|section| file.value(section, key))?;
        Some(value.replace("%%", "%"))
    }))
}

/// The service name for requests to Amazon's gateways.
const SERVICE: &str = "execute-api";

/// Creates new credentials for every request.
#[derive(Clone)]
pub(super) enum Signer {
    /// Signature Version 4 (`MLFLOW_TRACKING_AWS_SIGV4`).
    Aws(CredentialsProvider),
    /// The token of a Kubernetes service account or user (`MLFLOW_TRACKING_AUTH`).
    Kubernetes(KubernetesAccount),
}

impl Signer {
    /// The source of the credentials, for messages.
    pub(super) fn source(&self) -> &'static str {
        match self {
            Self::Aws(_) => "the AWS settings",
            Self::Kubernetes(_) => "the Kubernetes account",
        }
    }

    /// Adds the headers to a request with this SHA-256 of its body.
    pub(super) async fn add_to(&self, request: &mut Request, body: &[u8; 32]) -> Result<(), RestError> {
        match self {
            Self::Aws(provider) => sign_for_aws(provider, request, body).await,
            Self::Kubernetes(account) => account.add_to(request.headers_mut()),
        }
    }
}

#[async_trait]
impl RequestSigner for Signer {
    fn signs_body(&self) -> bool {
        matches!(self, Self::Aws(_))
    }

    async fn sign(&self, request: &mut Request, body: &[u8; 32]) -> Result<(), String> {
        let signed = self.add_to(request, body).await;
        signed.map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Signer {
    /// Omits the settings, which may contain keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.source()).finish()
    }
}

async fn sign_for_aws(
    provider: &CredentialsProvider,
    request: &mut Request,
    body: &[u8; 32],
) -> Result<(), RestError> {
    let credentials = provider.credentials().await?;
    let region = provider.settings().named_region().map(str::to_owned);
    let region = region
        .or_else(|| region_of(request.url()))
        .ok_or_else(|| RestError::Setup {
            text: "cannot sign requests to the tracking server for AWS: no region is configured".to_owned(),
            hint: "set AWS_DEFAULT_REGION, or 'region' in the AWS profile",
        })?;
    // A plus sign means a space in a form, but itself in a signature.
    if let Some(query) = request.url().query().filter(|query| query.contains('+')) {
        let query = query.replace('+', "%20");
        request.url_mut().set_query(Some(&query));
    }
    let signing = Signing {
        credentials: &credentials,
        region: &region,
        service: SERVICE,
        time: SystemTime::now(),
    };
    let (method, url) = (request.method().clone(), request.url().clone());
    Ok(signing.sign(&method, &url, request.headers_mut(), Payload::Sha256(body))?)
}

/// The region in a gateway's host name: `ID.execute-api.REGION.amazonaws.com`.
fn region_of(url: &Url) -> Option<String> {
    let mut parts = url.host_str()?.split('.');
    parts.find(|part| *part == SERVICE)?;
    parts.next().map(str::to_owned)
}
