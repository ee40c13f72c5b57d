//! Requests to a workspace.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::Request;
use reqwest::header::{AUTHORIZATION, HeaderValue};

use super::error::{DatabricksError, unreadable};
use super::session::Session;
use crate::http::{Answer, Api, ApiClient, ApiError, Call, Content, SentFile};

/// A client of one workspace.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    session: Arc<Session>,
    pub(super) api: ApiClient<Arc<Session>>,
}

impl Client {
    /// A client for this workspace.
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self {
            api: session.client(Arc::clone(&session)),
            session,
        }
    }

    /// The workspace.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// Sends a file of this machine, with what goes before and after it. `sent` counts its bytes.
    pub(super) async fn send_file(
        &self,
        local: &Path,
        (head, tail): (Bytes, Bytes),
        sent: &Arc<AtomicU64>,
        call: Call<'_>,
    ) -> Result<Answer, DatabricksError> {
        let content = Content {
            head,
            file: Some(SentFile::open(local).map_err(unreadable(local))?),
            tail,
            sent: Arc::clone(sent),
        };
        match self.api.call(Call { content, ..call }).await {
            Err(DatabricksError::Api(ApiError::Content(source))) => Err(unreadable(local)(source)),
            outcome => outcome,
        }
    }
}

#[async_trait]
impl Api for Arc<Session> {
    type Error = DatabricksError;
    const NAME: &'static str = "Databricks";
    const SERVER: &'static str = "the Databricks workspace";

    fn credentials(&self) -> Option<String> {
        Some(self.source())
    }

    async fn authorize(&self, request: &mut Request, _body: &[u8]) -> Result<(), DatabricksError> {
        let authorization = self.authorization().await?;
        request.headers_mut().insert(AUTHORIZATION, authorization);
        Ok(())
    }

    async fn renew(&self, refused: &HeaderValue) -> bool {
        Session::renew(self, refused).await
    }

    fn forbids_redirects(&self) -> Option<&'static str> {
        Some("which is not followed")
    }

    async fn redacted(&self, body: Vec<u8>) -> Vec<u8> {
        self.redact(&String::from_utf8_lossy(&body)).await.into_bytes()
    }
}
