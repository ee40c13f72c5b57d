//! An answer.

use axum::body::Body;
use axum::response::Response;
use futures_util::stream;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: value.to_string().into_bytes(),
        }
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self {
            status,
            ..Self::json(&json!({ "error_code": code, "message": message }))
        }
    }

    pub(crate) fn not_found(message: &str) -> Self {
        Self::error(404, "RESOURCE_DOES_NOT_EXIST", message)
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn into_response(self) -> Response {
        let mut response = Response::builder().status(self.status);
        for (name, value) in &self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap()
    }
}

/// The beginning of an answer on a connection that then breaks.
pub(crate) fn broken() -> Response {
    let lost: std::io::Result<Vec<u8>> = Err(std::io::ErrorKind::ConnectionReset.into());
    Response::builder()
        .header("content-length", "1000")
        .body(Body::from_stream(stream::iter([lost])))
        .unwrap()
}
