//! What all HTTP clients of mlrun share: trusted certificates, proxies, netrc files, and what the
//! failures of a connection mean.

mod certificates;
mod client;
mod download;
mod excerpt;
mod fault;
pub(crate) mod netrc;
mod proxies;
mod retry;
mod sent_file;
pub(crate) mod signing;
mod variables;

pub use certificates::CertificateError;
pub(crate) use certificates::{Verification, read as read_certificates};
pub use client::{ClientError, ServerAccess};
pub(crate) use client::{
    MOST_REDIRECTS, READ_TIMEOUT, RequestSigner, client, configured_client, local_client, may_see_credentials,
};
pub use download::DownloadError;
pub(crate) use download::download;
pub(crate) use excerpt::{after_tries, code_and_message, cut, excerpt, shown_excerpt, shown_status};
pub use fault::Fault;
pub(crate) use fault::{classify, in_words, innermost};
pub use proxies::ProxyError;
pub(crate) use proxies::ProxySettings;
pub(crate) use retry::{RetryPolicy, random_fraction};
pub(crate) use sent_file::{FileChanged, SentFile, counted_body};
pub use variables::VariableError;
pub(crate) use variables::{boolean, seconds, whole_number};
