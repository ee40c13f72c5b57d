//! Answers as Kubernetes words them.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use serde_json::{Value, json};

/// An object as JSON.
pub(crate) fn object(code: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, "application/json".parse().expect("a valid header"));
    response
}

/// A failure, as a `Status` object.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// Fields, and what is wrong with each.
    pub(crate) causes: Vec<(String, String)>,
    /// The reason of these causes.
    cause: &'static str,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            causes: Vec::new(),
            cause: "FieldValueInvalid",
        }
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{what} \"{name}\" not found"))
    }

    /// What the admission of a namespace that is being deleted answers.
    pub(crate) fn terminating(job: &str, namespace: &str) -> Self {
        let message = format!(
            "jobs.batch \"{job}\" is forbidden: unable to create new content in namespace {namespace} because it is \
             being terminated"
        );
        Self {
            causes: vec![(
                "metadata.namespace".to_owned(),
                format!("namespace {namespace} is being terminated"),
            )],
            cause: "NamespaceTerminating",
            ..Self::new(403, "Forbidden", message)
        }
    }

    /// The reason that Kubernetes gives for a status code that a test asks for.
    pub(crate) fn of_code(code: u16) -> Self {
        let (reason, message) = match code {
            401 => ("Unauthorized", "Unauthorized"),
            403 => (
                "Forbidden",
                "jobs.batch is forbidden: User \"tester\" cannot create resource \"jobs\" in API group \"batch\" in the \
                 namespace \"default\"",
            ),
            404 => ("NotFound", "the server could not find the requested resource"),
            410 => (
                "Expired",
                "The resourceVersion for the provided watch is too old.",
            ),
            429 => ("TooManyRequests", "Too many requests, please try again later."),
            500 => (
                "InternalError",
                "Internal error occurred: etcdserver: leader changed",
            ),
            503 => (
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            ),
            504 => (
                "Timeout",
                "Timeout: request did not complete within the requested timeout",
            ),
            _ => ("", "a fault of the test"),
        };
        Self::new(code, reason, message)
    }

    pub(crate) fn status(&self) -> Value {
        let causes: Vec<Value> = self
            .causes
            .iter()
            .map(|(field, message)| json!({"reason": self.cause, "message": message, "field": field}))
            .collect();
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
            "details": {"causes": causes},
        })
    }

    pub(crate) fn response(&self) -> Response<Body> {
        object(
            StatusCode::from_u16(self.code).expect("a status code"),
            &self.status(),
        )
    }
}
