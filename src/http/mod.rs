//! The parts that all HTTP clients share: trusted certificates, proxies, netrc files, retries, redirects and error
//! messages.

mod api_client;
mod certificates;
mod client;
mod connection;
mod content;
mod download;
mod error;
mod retry;
mod server_access;
pub(crate) mod signing;
mod token_cache;

pub(crate) use api_client::{Api, ApiClient, Outcome};
pub(crate) use certificates::Verification;
pub(crate) use client::{MOST_REDIRECTS, READ_TIMEOUT, client, local_client};
pub(crate) use connection::{ApiResponse, Call, Connection, ConnectionSettings};
pub(crate) use content::{Content, FileChanged, SentFile};
pub(crate) use download::{DownloadError, download};
pub(crate) use error::{
    ApiError, ClientError, Fault, classify, code_and_message, excerpt, innermost, shown_status,
};
pub(crate) use retry::{MOST_ATTEMPTS, is_transient_status, pauses};
pub(crate) use server_access::{
    RequestSigner, ServerAccess, basic, bearer, may_see_credentials, netrc_files, netrc_login,
    redirect_target,
};
pub(crate) use token_cache::{Token, TokenCache, TokenResponse};
