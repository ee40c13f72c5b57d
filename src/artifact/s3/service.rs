//! Requests to S3: signatures, refusals, and features that the library lacks.

use std::mem;

use async_trait::async_trait;
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use quick_xml::escape::escape;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, Method, Request, StatusCode, Url};

use crate::artifact::checksum::md5_of;
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request::{HttpRequest, Service, Whole, text, tried};
use crate::artifact::repository::locked;
use crate::artifact::s3::arguments::Operation;
use crate::artifact::s3::{NAME, NOMINAL_BUCKET, S3, checksum, strange};
use crate::aws::{AwsError, Payload, element, refusal};
use crate::http::Content;

/// Characters that the library does not encode in a query, but that must be encoded in a signed request.
const UNENCODED: &AsciiSet = &CONTROLS
    .add(b'/')
    .add(b'!')
    .add(b'*')
    .add(b'\'')
    .add(b'(')
    .add(b')');

#[async_trait]
impl Service for S3 {
    fn name(&self) -> &'static str {
        NAME
    }

    fn client(&self) -> &Client {
        &self.client
    }

    async fn authorize(&self, request: &mut Request, content: &Content) -> Result<()> {
        let method = request.method().clone();
        let kind = Operation::of(&method, request.url());
        let url = self.real_address(request.url());
        request.url_mut().clone_from(&url);
        let headers = request.headers_mut();
        self.arguments.apply(kind, headers)?;
        let is_whole = kind == Operation::Read && !headers.contains_key("range");
        if is_whole || kind == Operation::Describe {
            headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        }
        if matches!(kind, Operation::Put | Operation::Part) {
            let md5 = md5_of(content.head.clone()).await?;
            headers.insert("content-md5", md5.parse().map_err(strange)?);
        }
        if locked(&self.without).is_some() {
            return Ok(());
        }
        let credentials = match self.provider.credentials().await {
            Ok(credentials) => credentials,
            // Some buckets are public.
            Err(error @ AwsError::NotFound { .. }) => {
                *locked(&self.without) = Some(error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // Over plain HTTP only a signature protects the body.
        let payload = if url.scheme() == "http" || content.length() == 0 {
            Payload::Bytes(&content.head)
        } else {
            Payload::Unsigned
        };
        let region = self.region();
        Ok(credentials.sign(("s3", &region), request, payload).await?)
    }

    async fn asker(&self) -> String {
        if let Some(reason) = locked(&self.without).clone() {
            return format!("a request without credentials ({reason})");
        }
        match self.provider.credentials().await {
            Ok(credentials) => format!("the credentials from {}", credentials.source),
            Err(error) => error.to_string(),
        }
    }

    fn said(&self, body: &str) -> Option<String> {
        refusal(body)
    }

    async fn learn(&self, status: StatusCode, headers: &HeaderMap, body: &str) -> bool {
        if !matches!(status.as_u16(), 301 | 307 | 400 | 403) {
            return false;
        }
        let named = text(headers, "x-amz-bucket-region").map(str::to_owned);
        let named = named.or_else(|| element(body, "Region"));
        let Some(named) = named.filter(|named| *named != self.region()) else {
            return false;
        };
        tracing::debug!(region = named, "the bucket is in another region");
        let before = mem::replace(&mut *locked(&self.region), named);
        if self.base().is_ok() {
            return true;
        }
        *locked(&self.region) = before;
        false
    }

    async fn whole(&self, request: &HttpRequest) -> Option<Result<Whole>> {
        Some(match Operation::of(&request.method, &request.url) {
            Operation::List => self.list(request).await,
            Operation::Describe => self.describe(request).await,
            Operation::Part => {
                *locked(&self.sent) += request.content.length();
                return None;
            }
            Operation::Complete => self.complete(request).await,
            // Some services send only a status of success.
            Operation::Abort => {
                let answer = request.clone().whole(self).await;
                answer.map(|(_, headers, body)| (StatusCode::NO_CONTENT, headers, body))
            }
            Operation::Read | Operation::Put | Operation::Begin => return None,
        })
    }
}

impl S3 {
    /// The real address for a request of the library.
    fn real_address(&self, url: &Url) -> Url {
        // Invalid regions have been refused before.
        let Ok(mut real) = self.base() else {
            return url.clone();
        };
        let below = url.path().trim_start_matches('/');
        let below = below.strip_prefix(NOMINAL_BUCKET).unwrap_or(below);
        let path = format!("{}{}", real.path(), below.strip_prefix('/').unwrap_or(below));
        real.set_path(&path);
        let query = url.query().map(|query| utf8_percent_encode(query, UNENCODED));
        real.set_query(query.map(String::from_iter).as_deref());
        real
    }

    /// A listing with encoded names, because XML does not support all characters.
    async fn list(&self, request: &HttpRequest) -> Result<Whole> {
        let mut request = request.clone();
        request.url.query_pairs_mut().append_pair("encoding-type", "url");
        let (status, headers, body) = request.whole(self).await?;
        let plain = plain_names(&String::from_utf8_lossy(&body));
        Ok((status, headers, plain.into()))
    }

    /// Describes an object. A refusal of this request has no message, so this then requests the object's first byte.
    async fn describe(&self, request: &HttpRequest) -> Result<Whole> {
        let described = request.clone().whole(self).await;
        match &described {
            Ok((_, headers, _)) => *locked(&self.described) = checksum(headers),
            Err(problem) if problem.is_answer() => {
                let first = HttpRequest::new(Method::GET, request.url.clone()).header("range", "bytes=0-0");
                first.send(self).await?;
            }
            Err(_) => {}
        }
        described
    }

    /// Completes an upload in parts: the service may fail after a status of success, and a response may be lost.
    async fn complete(&self, request: &HttpRequest) -> Result<Whole> {
        let mut request = request.clone();
        let list = String::from_utf8_lossy(&request.content.head);
        let (count, length) = (
            list.matches("<Part>").count(),
            mem::take(&mut *locked(&self.sent)),
        );
        let list = list.replace('"', "&quot;").replacen(
            "<CompleteMultipartUpload>",
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
            1,
        );
        request.content = Content::bytes(list);
        request.headers.remove("content-length");
        tried(|| async {
            let problem = match request.whole_once(self).await {
                Ok(answer) => {
                    let body = String::from_utf8_lossy(&answer.2).into_owned();
                    if body.contains("<CompleteMultipartUploadResult") {
                        return Ok(answer);
                    }
                    self.late_refusal(&body).await
                }
                Err(problem) => problem,
            };
            // The response to an earlier attempt may have been lost.
            match problem {
                RepositoryError::Missing(_) if self.is_there(&request, count, length).await => {
                    let done = Bytes::from_static(b"<CompleteMultipartUploadResult/>");
                    Ok((StatusCode::OK, HeaderMap::new(), done))
                }
                problem => Err(problem),
            }
        })
        .await
    }

    /// A refusal in a response with a status of success.
    async fn late_refusal(&self, answer: &str) -> RepositoryError {
        let status = match element(answer, "Code").as_deref() {
            Some("InternalError") => 500,
            Some("SlowDown" | "ServiceUnavailable") => 503,
            Some("RequestTimeout") => 408,
            Some(_) => 200,
            None => return strange("no confirmation that the parts became an object"),
        };
        RepositoryError::refused(NAME, status, refusal(answer), self.asker().await)
    }

    /// Whether the object consists of the upload's parts.
    async fn is_there(&self, complete: &HttpRequest, count: usize, length: u64) -> bool {
        let mut url = complete.url.clone();
        url.set_query(None);
        let Ok(answer) = HttpRequest::new(Method::HEAD, url).send(self).await else {
            return false;
        };
        let of_parts = format!("-{count}\"");
        text(answer.headers(), "content-length") == Some(&length.to_string())
            && text(answer.headers(), "etag").is_some_and(|tag| tag.ends_with(&of_parts))
    }
}

/// Decodes the names in a listing, which most services encode because XML does not support all characters. White space
/// is escaped, so that no reader drops it.
pub(super) fn plain_names(listing: &str) -> String {
    let is_encoded = listing.contains("<EncodingType>url</EncodingType>");
    let mut parts = listing.split("<Key>");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("</Key>").unwrap_or((part, ""));
        let name = if is_encoded {
            let name = name.replace('+', " ");
            escape(percent_decode_str(&name).decode_utf8_lossy()).into_owned()
        } else {
            name.to_owned()
        };
        plain.push_str("<Key>");
        for letter in name.chars() {
            match letter {
                ' ' | '\t' | '\n' | '\r' => plain.push_str(&format!("&#{};", u32::from(letter))),
                _ => plain.push(letter),
            }
        }
        plain.push_str("</Key>");
        plain.push_str(rest);
    }
    plain
}
