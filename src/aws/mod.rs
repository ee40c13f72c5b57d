//! Credentials, regions and signatures for Amazon's services.
//!
//! Credentials are found in the same variables, files and services, and in the same order, as in Amazon's Python
//! library, which MLflow uses. The crate `reqsign` makes the signatures and calls the credential services. The
//! order, profiles and roles are ours, because `reqsign` supports neither chains of roles nor other addresses of the
//! token service, and does not say where keys were found.

mod provider;
mod services;
mod settings;
mod sign;

use std::error::Error;
use std::io;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

pub(crate) use self::provider::CredentialsProvider;
pub use self::settings::AwsSettings;
pub use self::sign::{Credentials, Payload, Signing};
use crate::http::ClientError;

type Result<T, E = AwsError> = std::result::Result<T, E>;

/// Why there are no credentials or no signature. No variant contains a credential.
#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    #[error("no AWS credentials found: {}", .tried.join("; "))]
    NotFound {
        /// The places that were tried, with the results.
        tried: Vec<String>,
    },
    /// The chosen place has no usable credentials.
    #[error("{what}")]
    Unusable {
        what: String,
        hint: Option<&'static str>,
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl AwsError {
    fn new(what: String) -> Self {
        let (hint, source) = (None, None);
        Self::Unusable { what, hint, source }
    }

    fn with_hint(what: String, hint: &'static str) -> Self {
        let (hint, source) = (Some(hint), None);
        Self::Unusable { what, hint, source }
    }

    fn caused(what: String, source: impl Error + Send + Sync + 'static) -> Self {
        let (hint, source) = (None, Some(source.into()));
        Self::Unusable { what, hint, source }
    }

    fn unreadable(path: &Path, source: io::Error) -> Self {
        Self::caused(format!("cannot read '{}'", path.display()), source)
    }

    fn of_profile(name: &str, reason: &str) -> Self {
        Self::new(format!("the AWS profile '{name}' cannot be used: {reason}"))
    }

    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NotFound { .. } => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or set AWS_PROFILE to a profile"
            }
            Self::Unusable { hint, .. } => (*hint)?,
            Self::Client(error) => return error.hint(),
        };
        Some(text.to_owned())
    }
}

/// The address of a service in a region. China has a separate domain.
pub(crate) fn regional_address(service: &str, region: &str) -> String {
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{service}.{region}.amazonaws.com{country}/")
}

/// The text of the first XML element with this name.
pub(crate) fn element(answer: &str, name: &str) -> Option<String> {
    let mut reader = Reader::from_str(answer);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) if start.name().as_ref() == name => {
                let text = reader.read_text(start.name()).ok()?.into_inner();
                return Some(unescape(text.trim()).ok()?.into_owned());
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// The code and message of an XML error, whose format Azure's and Google's storage share.
pub(crate) fn refusal(answer: &str) -> Option<String> {
    let code = element(answer, "Code")?;
    Some(
        match element(answer, "Message").filter(|message| !message.is_empty()) {
            Some(message) => format!("{code}: {message}"),
            None => code,
        },
    )
}
