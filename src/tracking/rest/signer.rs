//! Credentials that are made anew for every request.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use reqwest::{Request, Url};

use super::error::RestError;
use super::kubernetes::KubernetesAccount;
use crate::aws::{CredentialsProvider, Payload, Signing};
use crate::http::RequestSigner;

/// The service for which Amazon's gateways want requests to be signed.
const SERVICE: &str = "execute-api";

/// Gives every request what says who sends it.
#[derive(Clone)]
pub(super) enum Signer {
    /// By Signature Version 4, as `MLFLOW_TRACKING_AWS_SIGV4` has it.
    Aws(CredentialsProvider),
    /// By the token of a Kubernetes service account or user, as `MLFLOW_TRACKING_AUTH` has it.
    Kubernetes(KubernetesAccount),
}

impl Signer {
    /// Where a person finds the credentials.
    pub(super) fn source(&self) -> &'static str {
        match self {
            Self::Aws(_) => "the AWS settings",
            Self::Kubernetes(_) => "the Kubernetes account",
        }
    }

    /// Adds the headers to a request whose body has this SHA-256.
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
    /// Without the settings, which may hold keys.
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
            text: "requests to the tracking server shall be signed for AWS, but no region is known"
                .to_owned(),
            hint: "set AWS_DEFAULT_REGION, or region in the AWS profile",
        })?;
    // A plus sign stands for a space in a form, and for itself in a signature.
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

/// The region in the name of a gateway's host: `ID.execute-api.REGION.amazonaws.com`.
fn region_of(url: &Url) -> Option<String> {
    let mut parts = url.host_str()?.split('.');
    parts.find(|part| *part == SERVICE)?;
    parts.next().map(str::to_owned)
}
