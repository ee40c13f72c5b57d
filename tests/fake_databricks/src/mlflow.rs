//! MLflow's own API: a real tracking server answers, after what only Databricks checks.

use serde_json::Value;

use crate::reply::Reply;
use crate::request::Request;
use crate::{Shared, lock};

pub(crate) async fn forward(shared: &Shared, request: Request) -> Reply {
    if let Some(refusal) = refusal(&request) {
        return refusal;
    }
    let Some(server) = lock(shared).settings.mlflow.clone() else {
        return Reply::error(404, "ENDPOINT_NOT_FOUND", "this workspace has no tracking server");
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let method = request.method.parse().unwrap();
    let mut call = client
        .request(method, format!("{server}{}", request.target))
        .body(request.body.clone());
    if let Some(kind) = request.header("content-type") {
        call = call.header("content-type", kind);
    }
    match call.send().await {
        Err(error) => Reply::error(503, "TEMPORARILY_UNAVAILABLE", &error.to_string()),
        Ok(answer) => {
            let status = answer.status().as_u16();
            let kind = answer.headers().get("content-type").cloned();
            let body = answer.bytes().await.unwrap_or_default().to_vec();
            let reply = Reply {
                body,
                ..Reply::empty(status)
            };
            match kind.as_ref().and_then(|kind| kind.to_str().ok()) {
                Some(kind) => reply.header("content-type", kind),
                None => reply,
            }
        }
    }
}

fn refusal(request: &Request) -> Option<Reply> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let field = |name: &str| {
        body.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    if request.is("POST", &["2.0"], "mlflow/experiments/create") && !field("name").starts_with('/') {
        let message = format!(
            "Got an invalid experiment name '{}'. An experiment name must be an absolute path within the Databricks workspace, e.g. '/Users/<some-username>/my-experiment'.",
            field("name")
        );
        return Some(Reply::error(400, "INVALID_PARAMETER_VALUE", &message));
    }
    if request.is("POST", &["2.0"], "mlflow/runs/create")
        && matches!(field("experiment_id").as_str(), "" | "0")
    {
        return Some(Reply::not_found(
            "No experiment was found. If using the Python fluent API, you can set an active experiment under which to create runs by calling mlflow.set_experiment(\"experiment_name\") at the start of your program.",
        ));
    }
    None
}
