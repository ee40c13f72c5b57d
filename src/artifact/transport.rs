//! Sends the requests of `opendal` with mlrun's HTTP client and rules.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use opendal::raw::{BoxedStaticFuture, Operation};
use opendal::{
    Buffer, ErrorKind, Execute, Executor, HttpBody, HttpTransport, HttpTransporter, OperationContext,
};
use reqwest::{Response, Url};

use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request::{HttpRequest, Service};
use crate::artifact::repository::locked;
use crate::http::{Content, innermost};

/// Marks a key that begins with a slash, which the library would drop. It is never sent.
const MARK: char = '\u{F8FF}';

/// The mark and the slash in a URL.
const MARKED_SLASHES: [(&str, &str); 2] = [("%EF%A3%BF%2F", "%2F"), ("%EF%A3%BF/", "/")];

/// The texts before a name in a listing, depending on the service.
const BEFORE_NAMES: [&str; 4] = ["<Key>", "<Name>", "\"name\":\"", "\"name\": \""];

pub(super) fn path_of(key: &str) -> String {
    match key.starts_with('/') {
        true => format!("{MARK}{key}"),
        // The library's name for the whole bucket.
        false if key.is_empty() => "/".to_owned(),
        false => key.to_owned(),
    }
}

pub(super) fn key_of(path: &str) -> &str {
    path.strip_prefix(MARK).unwrap_or(path)
}

/// The transport of one operation.
#[derive(Clone)]
pub(super) struct Call {
    service: Arc<dyn Service>,
    /// The response with an object's content; the library passes on too few headers.
    answer: Arc<Mutex<Option<Response>>>,
}

impl Call {
    /// A transport that authorizes requests with this service.
    pub(super) fn new(service: Arc<dyn Service>) -> Self {
        Self {
            service,
            answer: Arc::default(),
        }
    }

    /// The context of the library's operations.
    pub(super) fn context(&self) -> OperationContext {
        OperationContext::new()
            .with_http_transport(HttpTransporter::new(self.clone()))
            .with_executor(Executor::with(Tasks))
    }

    pub(super) fn into_answer(self) -> Option<Response> {
        locked(&self.answer).take()
    }

    async fn exchange(&self, request: http::Request<Buffer>) -> Result<http::Response<HttpBody>> {
        let service = self.service.as_ref();
        let (head, body) = request.into_parts();
        let operation = head.extensions.get::<Operation>().copied();
        let mut request = HttpRequest::new(head.method, url_of(&head.uri, service)?);
        request.headers = head.headers;
        request.content = Content::bytes(body.to_bytes());
        let (status, headers, bytes) = if operation == Some(Operation::Read) {
            let answer = request.send(service).await?;
            let head = (answer.status(), answer.headers().clone(), Bytes::new());
            *locked(&self.answer) = Some(answer);
            head
        } else {
            let (status, headers, mut bytes) = match service.whole(&request).await {
                Some(answer) => answer?,
                None => request.whole(service).await?,
            };
            if operation == Some(Operation::List) {
                // Mark names that begin with a slash.
                let mut text = String::from_utf8_lossy(&bytes).into_owned();
                for start in BEFORE_NAMES {
                    text = text.replace(&format!("{start}/"), &format!("{start}{MARK}/"));
                }
                bytes = text.into();
            }
            (status, headers, bytes)
        };
        let body = HttpBody::new(futures_util::stream::iter([Ok(bytes.into())]), None);
        let mut response = http::Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

fn url_of(uri: &http::Uri, service: &dyn Service) -> Result<Url> {
    let mut text = uri.to_string();
    for (marked, plain) in MARKED_SLASHES {
        text = text.replacen(marked, plain, 1);
    }
    Url::parse(&text).map_err(|error| RepositoryError::strange(service.name(), error))
}

/// Runs concurrent uploads of parts. The library cancels a task by dropping its handle.
struct Tasks;

impl Execute for Tasks {
    fn execute(&self, task: BoxedStaticFuture<()>) {
        drop(tokio::spawn(task));
    }
}

impl HttpTransport for Call {
    async fn fetch(&self, request: http::Request<Buffer>) -> opendal::Result<http::Response<HttpBody>> {
        self.exchange(request).await.map_err(|problem| {
            let error = opendal::Error::new(ErrorKind::Unexpected, "the store's refusal");
            error.set_source(Carried(Mutex::new(Some(problem))))
        })
    }
}

/// Carries an error through the library.
#[derive(Debug, thiserror::Error)]
#[error("the store's refusal")]
struct Carried(Mutex<Option<RepositoryError>>);

/// The transport's error, or why the library cannot read the response.
pub(super) fn problem(store: &'static str, error: opendal::Error) -> RepositoryError {
    let mut link = std::error::Error::source(&error);
    while let Some(source) = link {
        if let Some(Carried(problem)) = source.downcast_ref()
            && let Some(problem) = locked(problem).take()
        {
            return problem;
        }
        link = source.source();
    }
    let source = std::error::Error::source(&error);
    let source = source.map_or_else(String::new, |source| format!(": {}", innermost(source)));
    RepositoryError::strange(store, format_args!("{}{source}", error.message()))
}
