//! A request, wholly read.

use axum::body::to_bytes;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::reply::Reply;

/// The longest request.
const LONGEST: usize = 1 << 31;

/// A request as a test compares it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The method.
    pub method: String,
    /// The decoded path.
    pub path: String,
    /// The decoded query in its order.
    pub query: Vec<(String, String)>,
    /// The headers but those of the connection, in lower case. Never credentials.
    pub headers: Vec<(String, String)>,
    /// The kind of credentials: `Bearer`, `Basic` or nothing.
    pub credentials: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Recorded {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Method and path.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The path and the query as they were sent.
    pub(crate) target: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) async fn read(request: axum::extract::Request) -> Result<Self, Reply> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, LONGEST)
            .await
            .map_err(|error| Reply::error(400, "BAD_REQUEST", &error.to_string()))?;
        let decode = |text: &str| {
            let text = text.replace('+', " ");
            percent_decode_str(&text).decode_utf8_lossy().into_owned()
        };
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self {
            method: parts.method.to_string(),
            path: percent_decode_str(parts.uri.path())
                .decode_utf8_lossy()
                .into_owned(),
            target: parts
                .uri
                .path_and_query()
                .map_or("/", |target| target.as_str())
                .to_owned(),
            query: query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(key), decode(value))
                })
                .collect(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| {
                    let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                    (name.as_str().to_owned(), value)
                })
                .collect(),
            body: body.to_vec(),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether it is this call of any of the API's versions.
    pub(crate) fn is(&self, method: &str, versions: &[&str], call: &str) -> bool {
        self.method == method
            && versions
                .iter()
                .any(|version| self.path == format!("/api/{version}/{call}"))
    }

    /// The body, or the query of a call without one: both are ways that clients take. Unknown fields
    /// are refused by the type.
    pub(crate) fn arguments<T: DeserializeOwned>(&self) -> Result<T, Reply> {
        let value = if self.body.is_empty() {
            let mut map = Map::new();
            for (key, value) in &self.query {
                let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let value = match (value.as_str(), value.parse::<u64>()) {
                    ("true", _) => Value::Bool(true),
                    ("false", _) => Value::Bool(false),
                    (_, Ok(number)) if is_number => Value::from(number),
                    (text, _) => Value::from(text),
                };
                map.insert(key.clone(), value);
            }
            Value::Object(map)
        } else {
            serde_json::from_slice(&self.body).map_err(|error| {
                Reply::error(
                    400,
                    "MALFORMED_REQUEST",
                    &format!("Could not parse request object: {error}"),
                )
            })?
        };
        serde_json::from_value(value).map_err(|error| {
            Reply::error(
                400,
                "MALFORMED_REQUEST",
                &format!("Could not parse request object: {error}"),
            )
        })
    }

    /// The fields of a form. Source: RFC 7578.
    pub(crate) fn form(&self) -> Result<Vec<(String, Vec<u8>)>, Reply> {
        let malformed = |what: &str| Reply::error(400, "MALFORMED_REQUEST", what);
        let kind = self.header("content-type").unwrap_or_default();
        let (_, boundary) = kind
            .split_once("boundary=")
            .ok_or_else(|| malformed("no boundary"))?;
        let boundary = format!("--{}", boundary.trim_matches('"'));
        let mut rest = self
            .body
            .strip_prefix(boundary.as_bytes())
            .ok_or_else(|| malformed("the body does not begin with the boundary"))?;
        let next = format!("\r\n{boundary}").into_bytes();
        let mut fields = Vec::new();
        while !rest.starts_with(b"--") {
            let part = rest
                .strip_prefix(b"\r\n")
                .ok_or_else(|| malformed("no line after a boundary"))?;
            let end = find(part, &next).ok_or_else(|| malformed("no last boundary"))?;
            let split = find(part, b"\r\n\r\n").ok_or_else(|| malformed("a part has no header"))?;
            let header = String::from_utf8_lossy(&part[..split]).into_owned();
            let name = header
                .split("name=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let name = name.ok_or_else(|| malformed("a part has no name"))?;
            fields.push((name.to_owned(), part[split + 4..end].to_vec()));
            rest = &part[end + next.len()..];
        }
        Ok(fields)
    }

    pub(crate) fn recorded(&self) -> Recorded {
        let credentials = self.header("authorization").unwrap_or_default();
        Recorded {
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            headers: self
                .headers
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "authorization" | "host" | "connection"))
                .cloned()
                .collect(),
            credentials: credentials.split(' ').next().unwrap_or_default().to_owned(),
            body: self.body.clone(),
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
