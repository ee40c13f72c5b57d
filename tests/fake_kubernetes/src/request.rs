//! A request on its way to its handler: who it is of, what it is, and the faults that hit it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use crate::answer::Refusal;
use crate::fault::{Action, Target};
use crate::routes;
use crate::serve::Connection;
use crate::server::{RecordedRequest, Shared};

/// Answers a request, and records it.
pub(crate) async fn answer(
    shared: Arc<Shared>,
    connection: Connection,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let target = target(&parts.method, &path, &query);
    let authorization = parts
        .headers
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let response = if !is_let_in(&shared, &connection, authorization) {
        Refusal::of_code(401).response()
    } else if let Some(refusal) = forbidden(&shared, &parts.method, &path, &query) {
        refusal.response()
    } else {
        let action = shared.fault(target);
        let request = Request::from_parts(parts.clone(), Body::from(body.clone()));
        with_fault(Arc::clone(&shared), &connection, request, action).await
    };
    let recorded = RecordedRequest {
        method: parts.method.to_string(),
        path,
        query,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        code: response.status().as_u16(),
    };
    shared.lock().requests.push(recorded);
    response
}

fn target(method: &Method, path: &str, query: &str) -> Target {
    let has = |pair: &str| query.split('&').any(|part| part == pair);
    match *method {
        Method::POST if has("dryRun=All") => Target::Check,
        Method::POST => Target::Create,
        Method::DELETE => Target::Delete,
        _ if path.ends_with("/log") => Target::Log,
        _ if has("watch=true") || has("watch=True") => Target::Watch,
        _ => Target::List,
    }
}

fn is_let_in(shared: &Shared, connection: &Connection, authorization: Option<&str>) -> bool {
    let options = &shared.options;
    let has_authority = options
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_authority.is_some());
    if options.tokens.is_empty() && !has_authority {
        return true;
    }
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    connection.has_certificate || token.is_some_and(|token| options.tokens.iter().any(|known| known == token))
}

/// Whether the role of the test's user lacks the verb for the resource.
fn forbidden(shared: &Shared, method: &Method, path: &str, query: &str) -> Option<Refusal> {
    let resource = if path.ends_with("/log") {
        "pods/log"
    } else {
        ["jobs", "pods", "events"]
            .into_iter()
            .find(|name| path.split('/').any(|part| part == *name))?
    };
    let is_one = !path.ends_with(resource) && resource != "pods/log";
    let verb = match target(method, path, query) {
        Target::Create | Target::Check => "create",
        Target::Delete => "delete",
        Target::Watch => "watch",
        Target::Log => "get",
        _ if is_one => "get",
        _ => "list",
    };
    let rule = format!("{verb} {resource}");
    shared.options.forbidden.contains(&rule).then(|| {
        let (group, name) = match resource {
            "jobs" => ("batch", "jobs.batch".to_owned()),
            _ => ("", resource.split('/').next().unwrap_or(resource).to_owned()),
        };
        let mut parts = path.split('/').skip_while(|part| *part != "namespaces").skip(1);
        let namespace = parts.next().unwrap_or_default();
        let object = parts.nth(1).map(|object| format!(" \"{object}\"")).unwrap_or_default();
        let message = format!(
            "{name}{object} is forbidden: User \"tester\" cannot {verb} resource \"{resource}\" in API group \"{group}\" in the \
             namespace \"{namespace}\""
        );
        Refusal::new(403, "Forbidden", message)
    })
}

async fn with_fault(
    shared: Arc<Shared>,
    connection: &Connection,
    request: Request<Body>,
    action: Option<Action>,
) -> Response<Body> {
    match action {
        Some(Action::Status(code)) => return Refusal::of_code(code).response(),
        Some(Action::Refuse(code, reason, message)) => return Refusal::new(code, reason, message).response(),
        Some(Action::Proxy(code)) => return of_proxy(code),
        Some(Action::Slow(time)) => tokio::time::sleep(time).await,
        _ => {}
    }
    let router: Router = routes::router(shared);
    let response = match TowerToHyperService::new(router).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    match action {
        Some(Action::Reset) => {
            connection.cut.notify_one();
            // The connection goes away meanwhile.
            tokio::time::sleep(Duration::from_secs(60)).await;
            response
        }
        Some(Action::ProxyAfter(code)) => of_proxy(code),
        Some(Action::CutAfter(bytes)) => limited(response, bytes, true),
        Some(Action::EndAfter(bytes)) => limited(response, bytes, false),
        _ => response,
    }
}

fn of_proxy(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::from("<html><body>Bad Gateway</body></html>"));
    *response.status_mut() = StatusCode::from_u16(code).expect("a status code");
    response
}

/// The response with the first bytes of its body; then it breaks or ends.
fn limited(response: Response<Body>, bytes: usize, breaks: bool) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove("content-length");
    let mut left = bytes;
    let stream = body.into_data_stream().map(move |piece| {
        let Ok(piece) = piece else {
            return (Bytes::new(), true);
        };
        let taken = piece.slice(..piece.len().min(left));
        left -= taken.len();
        (taken, left == 0)
    });
    let mut is_over = false;
    let pieces = stream.flat_map(move |(piece, ends)| {
        let mut items: Vec<Result<Bytes, std::io::Error>> = Vec::new();
        if !is_over {
            items.push(Ok(piece));
            if ends {
                is_over = true;
                items.push(Err(std::io::Error::other(if breaks { "cut" } else { "end" })));
            }
        }
        futures_util::stream::iter(items)
    });
    if breaks {
        // What has come before is sent first.
        let slow = pieces.then(|item| async move {
            if item.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            item
        });
        Response::from_parts(parts, Body::from_stream(slow))
    } else {
        let whole = pieces.take_while(|item| std::future::ready(item.is_ok()));
        Response::from_parts(parts, Body::from_stream(whole))
    }
}
