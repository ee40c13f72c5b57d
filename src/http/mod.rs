//! What all HTTP clients of mlrun share: trusted certificates, proxies, netrc files, retries, redirects, and
//! what the failures of a connection mean.

mod api_client;
mod api_error;
mod authorization;
mod certificates;
mod client;
mod connection;
mod download;
mod excerpt;
mod fault;
pub(crate) mod netrc;
mod proxies;
mod redirect;
mod retry;
mod sent_file;
pub(crate) mod signing;
mod token_cache;
mod variables;

pub(crate) use api_client::{Api, ApiClient, Attempt, Call};
pub(crate) use api_error::ApiError;
pub(crate) use authorization::{basic, bearer};
pub(crate) use certificates::Verification;
pub(crate) use client::{ClientError, READ_TIMEOUT, RequestSigner, ServerAccess, client, local_client};
pub(crate) use connection::{Answer, Connection, ConnectionSettings, Content, FileContent};
pub(crate) use download::{DownloadError, download};
pub(crate) use excerpt::{code_and_message, excerpt, shown_status};
pub(crate) use fault::{Fault, classify, in_words, innermost};
pub(crate) use redirect::{MOST_REDIRECTS, may_see_credentials, redirect_target};
pub(crate) use retry::{Tries, pauses};
pub(crate) use sent_file::{FileChanged, SentFile, counted_body};
pub(crate) use token_cache::{Token, TokenAnswer, TokenCache};
pub(crate) use variables::{VariableError, boolean, seconds};
