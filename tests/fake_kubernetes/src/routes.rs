//! The paths of the API.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::answer::{Refusal, object};
use crate::controller;
use crate::logs::{LogRequest, parse_since};
use crate::schema;
use crate::selector::Selector;
use crate::server::Shared;
use crate::store::{Kind, list_object};
use crate::watching;

type Parameters = Query<HashMap<String, String>>;
type Answer = Result<Response<Body>, Refusal>;

impl axum::response::IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        self.response()
    }
}

/// All paths.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/version", get(version))
        .route(
            "/apis/batch/v1/namespaces/{namespace}/jobs",
            post(create_job).get(list_jobs),
        )
        .route(
            "/apis/batch/v1/namespaces/{namespace}/jobs/{name}",
            get(get_job).delete(delete_job),
        )
        .route(
            "/apis/batch/v1/namespaces/{namespace}/jobs/{name}/status",
            get(get_job),
        )
        .route("/api/v1/namespaces/{namespace}/pods", get(list_pods))
        .route("/api/v1/namespaces/{namespace}/pods/{name}", get(get_pod))
        .route("/api/v1/namespaces/{namespace}/pods/{name}/log", get(log))
        .route("/api/v1/namespaces/{namespace}/events", get(list_events))
        .fallback(|| async { Refusal::of_code(404).response() })
        .with_state(shared)
}

async fn version() -> Response<Body> {
    let version = json!({"major": "1", "minor": "33", "gitVersion": "v1.33.0-fake", "gitCommit": "", "gitTreeState": "",
        "buildDate": "", "goVersion": "", "compiler": "", "platform": "linux/amd64"});
    object(StatusCode::OK, &version)
}

async fn create_job(
    State(shared): State<Arc<Shared>>,
    Path(namespace): Path<String>,
    Query(query): Parameters,
    body: Bytes,
) -> Answer {
    let sent: Value = serde_json::from_slice(&body)
        .map_err(|error| Refusal::new(400, "BadRequest", format!("the body is no JSON: {error}")))?;
    for key in query.keys() {
        if !["dryRun", "fieldManager", "fieldValidation", "pretty"].contains(&key.as_str()) {
            return Err(Refusal::new(
                400,
                "BadRequest",
                format!("unknown parameter {key}"),
            ));
        }
    }
    let (mut job, unknown) = schema::take_job(&sent)?;
    let warns = shared.options.unknown_fields_are_warned_of
        && query.get("fieldValidation").is_none_or(|how| how == "Warn");
    if let (Some(field), false) = (unknown.first(), warns) {
        let message = format!("strict decoding error: unknown field \"{field}\"");
        return Err(Refusal::new(400, "BadRequest", message));
    }
    let mut state = shared.lock();
    if !state.namespaces.contains(&namespace) {
        return Err(Refusal::not_found("namespaces", &namespace));
    }
    let sent_namespace = &job["metadata"]["namespace"];
    if !sent_namespace.is_null() && *sent_namespace != namespace.as_str() {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::new(400, "BadRequest", message));
    }
    let name = job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    if state.terminating.contains(&namespace) {
        return Err(Refusal::terminating(&name, &namespace));
    }
    if query.contains_key("dryRun") {
        if state.store.get(Kind::Job, &namespace, &name).is_ok() {
            return Err(Refusal::new(
                409,
                "AlreadyExists",
                format!("jobs.batch \"{name}\" already exists"),
            ));
        }
        controller::complete(&mut job, "00000000-0000-4000-8000-000000000000");
    } else {
        job = state.store.create(Kind::Job, &namespace, job)?;
        let uid = job["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let completed = state.store.change(Kind::Job, &namespace, &name, |job| {
            controller::complete(job, &uid)
        });
        job = completed.unwrap_or(job);
        if job["spec"]["suspend"] != true {
            controller::sync_job(&mut state, &name);
        }
    }
    drop(state);
    shared.notify();
    let mut response = object(StatusCode::CREATED, &job);
    for field in unknown {
        let warning = format!("299 - \"unknown field \\\"{field}\\\"\"");
        let warning = warning.parse().expect("a valid header");
        response.headers_mut().append("warning", warning);
    }
    Ok(response)
}

async fn list_jobs(shared: State<Arc<Shared>>, namespace: Path<String>, query: Parameters) -> Answer {
    list(Kind::Job, &shared, &namespace, &query)
}

async fn list_pods(shared: State<Arc<Shared>>, namespace: Path<String>, query: Parameters) -> Answer {
    list(Kind::Pod, &shared, &namespace, &query)
}

async fn list_events(shared: State<Arc<Shared>>, namespace: Path<String>, query: Parameters) -> Answer {
    list(Kind::Event, &shared, &namespace, &query)
}

fn list(kind: Kind, shared: &Arc<Shared>, namespace: &str, query: &HashMap<String, String>) -> Answer {
    let text = |key: &str| query.get(key).map(String::as_str);
    let selector = Selector::parse(text("labelSelector"), text("fieldSelector"))
        .map_err(|message| Refusal::new(400, "BadRequest", message))?;
    if text("watch").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return watching::watch(shared, kind, namespace, selector, query);
    }
    let state = shared.lock();
    let items = state.store.list(kind, namespace, &selector);
    Ok(object(
        StatusCode::OK,
        &list_object(kind, state.store.version, items),
    ))
}

async fn get_job(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Answer {
    let state = shared.lock();
    Ok(object(
        StatusCode::OK,
        state.store.get(Kind::Job, &namespace, &name)?,
    ))
}

async fn get_pod(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
) -> Answer {
    let state = shared.lock();
    Ok(object(
        StatusCode::OK,
        state.store.get(Kind::Pod, &namespace, &name)?,
    ))
}

async fn delete_job(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    Query(query): Parameters,
    body: Bytes,
) -> Answer {
    let options: Value = if body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(&body).map_err(|error| Refusal::new(400, "BadRequest", error.to_string()))?
    };
    schema::check_delete_options(&options)?;
    let job = shared.lock().store.get(Kind::Job, &namespace, &name)?.clone();
    let uid = &options["preconditions"]["uid"];
    if !uid.is_null() && *uid != job["metadata"]["uid"] {
        let message = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            job["metadata"]["uid"]
        );
        return Err(Refusal::new(409, "Conflict", message));
    }
    let of_query = query.get("propagationPolicy").map(String::as_str);
    match options["propagationPolicy"].as_str().or(of_query) {
        Some("Foreground") => controller::delete_in_foreground(&shared, &namespace, &name),
        Some("Background") => controller::remove_job(&shared, &name),
        // The pods are left alone.
        _ => {
            shared.lock().store.delete(Kind::Job, &namespace, &name);
            shared.notify();
        }
    }
    Ok(object(
        StatusCode::OK,
        &json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": name, "group": "batch", "kind": "jobs"},
        }),
    ))
}

async fn log(
    State(shared): State<Arc<Shared>>,
    Path((namespace, name)): Path<(String, String)>,
    Query(query): Parameters,
) -> Answer {
    let bad = |message: String| Refusal::new(400, "BadRequest", message);
    let pod = shared.lock().store.get(Kind::Pod, &namespace, &name)?.clone();
    let container = match query.get("container") {
        Some(container) => container.clone(),
        None => pod["spec"]["containers"][0]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    };
    let statuses = pod["status"]["containerStatuses"].as_array();
    let status = statuses
        .into_iter()
        .flatten()
        .find(|status| status["name"] == container.as_str());
    let is_waiting = status.is_none_or(|status| !status["state"]["waiting"].is_null());
    if is_waiting {
        let message =
            format!("container \"{container}\" in pod \"{name}\" is waiting to start: ContainerCreating");
        return Err(bad(message));
    }
    let is_true = |key: &str| {
        query
            .get(key)
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    };
    let mut restarts = status
        .and_then(|status| status["restartCount"].as_i64())
        .unwrap_or_default();
    if is_true("previous") {
        if restarts == 0 {
            return Err(bad(format!(
                "previous terminated container \"{container}\" in pod \"{name}\" not found"
            )));
        }
        restarts -= 1;
    }
    let request = LogRequest {
        pod: name,
        restarts,
        since: query
            .get("sinceTime")
            .map(|text| parse_since(text))
            .transpose()
            .map_err(bad)?,
        timestamps: is_true("timestamps"),
        tail: query.get("tailLines").and_then(|text| text.parse().ok()),
    };
    Ok(watching::log(&shared, request, is_true("follow")))
}
