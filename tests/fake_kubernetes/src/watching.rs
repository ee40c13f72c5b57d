//! Answers that go on: watches and followed logs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Response, StatusCode};
use serde_json::json;
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use crate::answer::{Refusal, object};
use crate::logs::LogRequest;
use crate::selector::Selector;
use crate::server::Shared;
use crate::store::Kind;

/// How often a watch without news gets a bookmark.
const BOOKMARKS: Duration = Duration::from_millis(300);
/// How long a watch lasts where the client does not say.
const LONGEST: u64 = 1800;

type Piece = Result<Bytes, std::io::Error>;

struct Watch {
    shared: Arc<Shared>,
    changed: Receiver<u64>,
    kind: Kind,
    namespace: String,
    selector: Selector,
    version: u64,
    expirations: u64,
    has_bookmarks: bool,
    until: Instant,
    is_over: bool,
}

/// A stream of changes after a resource version.
pub(crate) fn watch(
    shared: &Arc<Shared>,
    kind: Kind,
    namespace: &str,
    selector: Selector,
    query: &HashMap<String, String>,
) -> Result<Response<Body>, Refusal> {
    let text = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
    let version: u64 = match text("resourceVersion") {
        "" | "0" => 0,
        version => version
            .parse()
            .map_err(|_| Refusal::new(400, "BadRequest", "invalid resourceVersion"))?,
    };
    let state = shared.lock();
    if version != 0 && version < state.store.compacted {
        // A watch that is too old begins well, and is then ended by an event.
        let event = json!({"type": "ERROR", "object": Refusal::of_code(410).status()});
        return Ok(object(StatusCode::OK, &event));
    }
    if version > state.store.version {
        return Err(Refusal::new(504, "Timeout", "Too large resource version"));
    }
    let expirations = state.expirations;
    drop(state);
    let seconds = text("timeoutSeconds").parse().unwrap_or(LONGEST);
    let watch = Watch {
        shared: Arc::clone(shared),
        changed: shared.changed.subscribe(),
        kind,
        namespace: namespace.to_owned(),
        selector,
        version,
        expirations,
        has_bookmarks: text("allowWatchBookmarks").eq_ignore_ascii_case("true"),
        until: Instant::now() + Duration::from_secs(seconds),
        is_over: false,
    };
    let stream = futures_util::stream::unfold(watch, |watch| async move {
        let (piece, watch) = watch.next().await?;
        Some((Piece::Ok(piece), watch))
    });
    Ok(streamed("application/json", Body::from_stream(stream)))
}

impl Watch {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if self.is_over {
            return None;
        }
        loop {
            // From here on changes wake it up.
            self.changed.borrow_and_update();
            let mut lines = String::new();
            {
                let state = self.shared.lock();
                if state.expirations != self.expirations {
                    let event = json!({"type": "ERROR", "object": Refusal::of_code(410).status()});
                    self.is_over = true;
                    lines = format!("{event}\n");
                } else {
                    for change in state
                        .store
                        .since(self.version, self.kind, &self.namespace, &self.selector)
                    {
                        self.version = change.version;
                        lines += &format!("{}\n", json!({"type": change.what, "object": change.object}));
                    }
                }
            }
            if !lines.is_empty() {
                return Some((lines.into(), self));
            }
            let limit = self.until.min(Instant::now() + BOOKMARKS);
            if tokio::time::timeout_at(limit, self.changed.changed())
                .await
                .is_err()
            {
                if Instant::now() >= self.until {
                    return None;
                }
                if self.has_bookmarks {
                    self.version = self.version.max(self.shared.lock().store.version);
                    let (_, api_version, kind) = self.kind.names();
                    let event = json!({"type": "BOOKMARK", "object": {
                        "kind": kind, "apiVersion": api_version,
                        "metadata": {"resourceVersion": self.version.to_string()},
                    }});
                    return Some((format!("{event}\n").into(), self));
                }
            }
        }
    }
}

/// A log, which goes on until its container ends where it is followed.
pub(crate) fn log(shared: &Arc<Shared>, request: LogRequest, follows: bool) -> Response<Body> {
    if !follows {
        let (bytes, ..) = shared.lock().logs.read(&request, 0);
        return streamed("text/plain", Body::from(bytes));
    }
    let start = (Arc::clone(shared), shared.changed.subscribe(), request, 0, false);
    let stream = futures_util::stream::unfold(
        start,
        |(shared, mut changed, request, from, is_over)| async move {
            if is_over {
                return None;
            }
            let mut from = from;
            loop {
                changed.borrow_and_update();
                let (bytes, to, has_ended) = shared.lock().logs.read(&request, from);
                from = from.max(to);
                if !bytes.is_empty() {
                    let next = (shared, changed, request, from, has_ended);
                    return Some((Piece::Ok(Bytes::from(bytes)), next));
                }
                if has_ended || changed.changed().await.is_err() {
                    return None;
                }
            }
        },
    );
    streamed("text/plain", Body::from_stream(stream))
}

fn streamed(content_type: &str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, content_type.parse().expect("a valid header"));
    response
}
