//! A file that is put to S3 in parts. From Amazon's pages on "Multipart upload".

use futures_util::TryStreamExt as _;
use percent_encoding::utf8_percent_encode;
use quick_xml::escape::escape;
use reqwest::{Method, StatusCode};

use super::super::exchange::{Content, FIRST_PAUSE, MOST_TRIES, Service as _, text};
use super::super::parts::{at_once, part_size, parts, why_not_aborted};
use super::answer::{BegunAnswer, Refusal};
use super::{NAME, S3, StoreError, locked, strange};
use crate::aws::UNRESERVED;
use crate::http::SentFile;

/// No upload may have more parts.
const MOST_PARTS: u64 = 10_000;

/// An upload in parts that has begun. Its parts cost money until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unfinished {
    key: String,
    id: String,
}

impl Unfinished {
    fn query(&self) -> String {
        format!("uploadId={}", utf8_percent_encode(&self.id, UNRESERVED))
    }
}

impl S3 {
    /// Puts a file in parts, which become an object when all of them are there.
    pub(super) async fn put_in_parts(&self, key: &str, file: &SentFile) -> Result<(), StoreError> {
        let begun = self.ask_to_put(Method::POST, key, "uploads")?.text(self).await?;
        let begun: BegunAnswer =
            quick_xml::de::from_str(&begun).map_err(|_| strange("no id of an upload".to_owned()))?;
        let upload = Unfinished {
            key: key.to_owned(),
            id: begun.upload_id,
        };
        locked(&self.unfinished).push(upload.clone());
        let put = async {
            let tags = self.send_parts(&upload, file).await?;
            // Until here nobody sees the object.
            file.check().map_err(StoreError::unreadable)?;
            self.complete(&upload, &tags, file.length()).await
        };
        match put.await {
            Ok(()) => {
                locked(&self.unfinished).retain(|other| *other != upload);
                Ok(())
            }
            Err(problem) => {
                self.abort_unfinished().await;
                Err(problem)
            }
        }
    }

    /// Sends all parts and gives what the store calls them.
    async fn send_parts(&self, upload: &Unfinished, file: &SentFile) -> Result<Vec<String>, StoreError> {
        let size = part_size(file.length(), MOST_PARTS);
        let mut tags = parts(file, size, None)
            .map_ok(|part| async move {
                let query = format!("partNumber={}&{}", part.index + 1, upload.query());
                let mut ask = self
                    .ask_about(Method::PUT, &upload.key, &query)?
                    .header("content-md5", &part.md5.to_base64());
                ask.content = Content::Bytes(part.bytes);
                let answer = ask.send(self).await?;
                let tag = text(answer.headers(), "etag").map(str::to_owned);
                let tag = tag.ok_or_else(|| strange("no ETag of a part".to_owned()))?;
                Ok((part.index, tag))
            })
            .try_buffer_unordered(at_once(size))
            .try_collect::<Vec<_>>()
            .await?;
        tags.sort();
        Ok(tags.into_iter().map(|(_, tag)| tag).collect())
    }

    /// Makes the object of the parts.
    async fn complete(&self, upload: &Unfinished, tags: &[String], length: u64) -> Result<(), StoreError> {
        let mut ask = self
            .ask_about(Method::POST, &upload.key, &upload.query())?
            .header("content-type", "application/xml");
        ask.content = Content::Bytes(part_list(tags).into());
        let mut tries = 1;
        loop {
            let problem = match ask.text_once(self).await {
                Ok(answer) if answer.contains("<CompleteMultipartUploadResult") => return Ok(()),
                // The store had said 200 already when it failed.
                Ok(answer) => match quick_xml::de::from_str::<Refusal>(&answer) {
                    Ok(refusal) => self.late_refusal(&refusal, &answer).await,
                    Err(_) => strange("it does not say that the parts became an object".to_owned()),
                },
                // The answer to an earlier try may have been lost.
                Err(StoreError::Missing { .. }) if self.is_there(upload, tags, length).await => return Ok(()),
                Err(problem) => problem,
            };
            if tries == MOST_TRIES || !problem.is_transient() {
                return Err(problem);
            }
            tokio::time::sleep(FIRST_PAUSE * 2u32.pow(tries - 1)).await;
            tries += 1;
        }
    }

    /// A refusal in an answer whose status says that all is well.
    async fn late_refusal(&self, refusal: &Refusal, answer: &str) -> StoreError {
        let status = match refusal.code.as_str() {
            "InternalError" => StatusCode::INTERNAL_SERVER_ERROR,
            "SlowDown" | "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "RequestTimeout" => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::OK,
        };
        StoreError::Refused {
            store: NAME,
            status: status.as_u16(),
            said: self.said(answer),
            credentials: self.asker().await,
        }
    }

    /// Whether the object is the one of these parts.
    async fn is_there(&self, upload: &Unfinished, tags: &[String], length: u64) -> bool {
        let Ok(ask) = self.ask_about(Method::HEAD, &upload.key, "") else {
            return false;
        };
        let Ok(answer) = ask.send(self).await else {
            return false;
        };
        let of_parts = format!("-{}\"", tags.len());
        text(answer.headers(), "content-length") == Some(length.to_string().as_str())
            && text(answer.headers(), "etag").is_some_and(|tag| tag.ends_with(&of_parts))
    }

    /// Removes the parts of the uploads that have not ended.
    pub(super) async fn abort_unfinished(&self) {
        let unfinished = std::mem::take(&mut *locked(&self.unfinished));
        for upload in unfinished {
            let aborted = async {
                let ask = self.ask_about(Method::DELETE, &upload.key, &upload.query())?;
                ask.send(self).await
            };
            let Some(problem) = why_not_aborted(aborted).await else {
                continue;
            };
            tracing::warn!(
                "the parts of '{}' that have been put to the bucket '{}' could not be removed: {problem}",
                upload.key,
                self.bucket
            );
        }
    }
}

/// What an upload consists of.
fn part_list(tags: &[String]) -> String {
    let mut list = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    for (index, tag) in tags.iter().enumerate() {
        list.push_str(&format!(
            "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>",
            index + 1,
            escape(tag)
        ));
    }
    list.push_str("</CompleteMultipartUpload>");
    list
}
