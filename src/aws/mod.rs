//! What calls of Amazon's services need: who asks, in which region, and the signature.
//!
//! The variables, files and services that credentials come from, and their order, are those of
//! Amazon's Python library, which MLflow uses. Signatures and the services that lend keys are the crate
//! `reqsign`'s; the order, the profiles and the roles are ours, since it knows neither chains of roles nor
//! other addresses of the token service, and does not say where keys come from.

mod error;
mod provider;
mod role;
mod services;
mod settings;
mod sign;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::Event;

pub use self::error::AwsError;
pub use self::provider::CredentialsProvider;
pub use self::settings::AwsSettings;
pub use self::sign::{Credentials, Payload, Signing};

/// What stays as it is in a signed request: the unreserved characters of RFC 3986.
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// As [`UNRESERVED`], and the slash that stands between the parts of a path.
pub(crate) const UNRESERVED_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// The address of a service in a region, which is in a domain of its own in China.
pub(crate) fn regional_address(service: &str, region: &str) -> String {
    let country = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://{service}.{region}.amazonaws.com{country}/")
}

/// The text of the first element of this name in an answer.
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

/// The code and message in a refusal, which Azure's and Google's storage write in the same way.
pub(crate) fn refusal(answer: &str) -> Option<String> {
    let code = element(answer, "Code")?;
    Some(
        match element(answer, "Message").filter(|message| !message.is_empty()) {
            Some(message) => format!("{code}: {message}"),
            None => code,
        },
    )
}
