//! How S3 is asked: signatures, refusals, and what they teach.

use async_trait::async_trait;
use reqwest::header::HeaderMap;
use reqwest::{Client, Request, StatusCode, Url};

use super::super::exchange::{Content, Service, text};
use super::answer::Refusal;
use super::{Endpoint, NAME, S3, StoreError, locked};
use crate::aws::{AwsError, Payload};

#[async_trait]
impl Service for S3 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn client(&self) -> &Client {
        &self.client
    }

    async fn authorize(&self, request: &mut Request, content: &Content) -> Result<(), StoreError> {
        let Some(provider) = self.provider.as_ref().filter(|_| locked(&self.without).is_none()) else {
            return Ok(());
        };
        let credentials = match provider.credentials().await {
            Ok(credentials) => credentials,
            // Some buckets are open to everybody.
            Err(error @ AwsError::NotFound { .. }) => {
                *locked(&self.without) = Some(error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let (method, url) = (request.method().clone(), request.url().clone());
        // Over plain HTTP only a signature keeps the body as it is.
        let payload = match content {
            Content::Bytes(bytes) if url.scheme() == "http" => Payload::Bytes(bytes),
            Content::Bytes(_) | Content::File(_) => Payload::Unsigned,
            Content::Nothing => Payload::Bytes(&[]),
        };
        let service = ("s3", self.region());
        credentials
            .sign(
                (service.0, &service.1),
                &method,
                &url,
                request.headers_mut(),
                payload,
            )
            .await?;
        Ok(())
    }

    async fn asker(&self) -> String {
        if let Some(reason) = locked(&self.without).clone() {
            return format!("a request without credentials ({reason})");
        }
        let Some(provider) = &self.provider else {
            return "a request without credentials".to_owned();
        };
        match provider.credentials().await {
            Ok(credentials) => format!("the credentials from {}", credentials.source),
            Err(error) => error.to_string(),
        }
    }

    fn said(&self, body: &str) -> Option<String> {
        refusal_of_storage(body)
    }

    async fn learn(&self, status: StatusCode, headers: &HeaderMap, body: &str) -> bool {
        if !matches!(status.as_u16(), 301 | 307 | 400 | 403) {
            return false;
        }
        let refusal: Option<Refusal> = quick_xml::de::from_str(body).ok();
        let named = text(headers, "x-amz-bucket-region")
            .map(str::to_owned)
            .or_else(|| refusal.and_then(|refusal| refusal.region));
        let mut region = locked(&self.region);
        match named {
            Some(named) if named != *region => {
                tracing::debug!(region = named, "the bucket is in another region");
                *region = named;
                true
            }
            _ => false,
        }
    }

    fn url(&self, url: &Url) -> Url {
        let mut url = url.clone();
        if matches!(self.endpoint, Endpoint::Amazon { .. })
            && let Ok(base) = self.base()
        {
            // It has a host, since the address was made of such a base.
            let _ = url.set_host(base.host_str());
        }
        url
    }
}

/// The code and message in a refusal, which Azure's and Google's storage write in the same way.
pub(in crate::data::store) fn refusal_of_storage(body: &str) -> Option<String> {
    let refusal: Refusal = quick_xml::de::from_str(body).ok()?;
    let message = refusal.message.filter(|message| !message.is_empty());
    Some(match message {
        Some(message) => format!("{}: {message}", refusal.code),
        None => refusal.code,
    })
}
