//! What an answer of a tracking server means, also one that no MLflow server would give.

use reqwest::StatusCode;
use serde::de::DeserializeOwned;

use super::database_text::{is_overload, tells_overload};
use super::error::RestError;
use super::transport::Response;
use crate::http::{code_and_message, excerpt};

/// The value that the answer holds, or what the server has to say instead. `credentials` tells
/// where the ones come from that were sent.
pub(super) fn read<T: DeserializeOwned>(
    endpoint: &str,
    response: &Response,
    tries: u32,
    credentials: Option<&str>,
) -> Result<T, RestError> {
    let is_good = response.status == StatusCode::OK;
    // Some servers answer so where MLflow's own answers with an empty object.
    let is_empty = matches!(response.body.trim_ascii(), b"" | b"200 OK");
    let body: &[u8] = if is_good && is_empty {
        b"{}"
    } else {
        &response.body
    };
    if is_good && body.trim_ascii_start().starts_with(b"{") {
        return serde_json::from_slice(body).map_err(|error| RestError::Malformed {
            endpoint: endpoint.to_owned(),
            reason: error.to_string(),
        });
    }
    let status = response.status.as_u16();
    match code_and_message(body).filter(|_| !is_good) {
        Some((code, message)) => Err(RestError::Refused {
            status,
            code,
            message,
            tries,
            credentials: credentials.map(str::to_owned),
        }),
        None => Err(RestError::NotMlflow {
            endpoint: endpoint.to_owned(),
            status,
            excerpt: excerpt(&response.body),
            tries,
            credentials: credentials.map(str::to_owned),
        }),
    }
}

/// What a refusal says that only means that the server or its database has too much to do.
pub(super) fn overload(response: &Response) -> Option<String> {
    let status = response.status;
    let is_verdict = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND
    );
    if !(status.is_client_error() || status.is_server_error()) || is_verdict {
        return None;
    }
    match code_and_message(&response.body) {
        Some((code, message)) => tells_overload(&code, &message).then_some(message),
        None => Some(excerpt(&response.body)).filter(|text| is_overload(text)),
    }
    .map(|message| first_line(&message))
}

/// The statement and its values, which may follow, are not for a log.
fn first_line(message: &str) -> String {
    excerpt(message.lines().next().unwrap_or_default().as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn message(status: u16, body: &str) -> String {
        let response = Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: reqwest::header::HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        };
        match read::<serde_json::Map<String, Value>>("/api/x", &response, 1, None) {
            Ok(map) => format!("ok {}", Value::Object(map)),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn answers_are_understood_or_told_in_one_line() {
        let long = "x".repeat(3000);
        for (status, body, expected) in [
            (200, "{\"a\":1}", "ok {\"a\":1}".to_owned()),
            (200, "", "ok {}".to_owned()),
            (200, "200 OK\n", "ok {}".to_owned()),
            (
                200,
                "{\"a\":",
                "the answer of /api/x is not as MLflow gives it: EOF while parsing a value at line 1 column 5".to_owned(),
            ),
            (200, "[1]", "/api/x answered 200 OK: [1]".to_owned()),
            (
                200,
                "<!doctype html><TITLE lang='en'>\n Log  in </TITLE>",
                "/api/x answered 200 OK: a page titled 'Log in'".to_owned(),
            ),
            (404, "<html></html>", "/api/x answered 404 Not Found: a page".to_owned()),
            (
                404,
                "{\"error_code\":\"RESOURCE_DOES_NOT_EXIST\",\"message\":\"No run\"}",
                "RESOURCE_DOES_NOT_EXIST: No run".to_owned(),
            ),
            (
                400,
                "{\"error_code\":\"BAD\",\"message\":\"BAD: it is\"}",
                "BAD: it is".to_owned(),
            ),
            (500, "{\"error_code\":1}", "1: ".to_owned()),
            (
                404,
                "{\"detail\":\"Not Found\"}",
                "/api/x answered 404 Not Found: {\"detail\":\"Not Found\"}".to_owned(),
            ),
            (
                502,
                "bad\r\n\u{1b}[31mgateway",
                "/api/x answered 502 Bad Gateway: bad [31mgateway".to_owned(),
            ),
            (599, &long, format!("/api/x answered 599: {}…", &long[..200])),
        ] {
            assert_eq!(message(status, body), expected);
        }
        let error = format!("{{\"error_code\":\"E\",\"message\":\"{long}\"}}");
        assert_eq!(message(500, &error), format!("E: {}…", &long[..1500]));
    }
}
