//! What all HTTP clients of mlrun share: trusted certificates, proxies, netrc files, retries, redirects, and
//! what the failures of a connection mean.

mod api_client;
mod api_error;
mod certificates;
mod client;
mod connection;
mod content;
mod download;
mod excerpt;
mod fault;
pub(crate) mod netrc;
mod proxies;
mod retry;
pub(crate) mod signing;
mod token_cache;
mod variables;

pub(crate) use api_client::{Api, ApiClient, Outcome};
pub(crate) use api_error::ApiError;
pub(crate) use certificates::Verification;
pub(crate) use client::{
    MOST_REDIRECTS, READ_TIMEOUT, RequestSigner, ServerAccess, basic, bearer, client, local_client,
    may_see_credentials, redirect_target,
};
pub(crate) use connection::{ApiResponse, Call, Connection, ConnectionSettings};
pub(crate) use content::{Content, FileChanged, SentFile};
pub(crate) use download::{DownloadError, download};
pub(crate) use excerpt::{code_and_message, excerpt, shown_status};
pub(crate) use fault::{ClientError, Fault, classify, in_words, innermost};
pub(crate) use retry::{is_transient_status, pauses};
pub(crate) use token_cache::{Token, TokenCache, TokenResponse};
pub(crate) use variables::{VariableError, boolean, seconds};
