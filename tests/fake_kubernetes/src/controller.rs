//! What controllers and nodes make of Jobs and pods, a step at a time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{Shared, State};
use crate::store::{Kind, Store};

/// How long pods take to end when they are deleted.
const TERMINATION: Duration = Duration::from_millis(150);

/// The present time as objects have it.
pub(crate) fn time() -> String {
    crate::logs::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Completes a Job that has just come, as the API server does.
pub(crate) fn complete(job: &mut Value, uid: &str) {
    let name = job["metadata"]["name"].clone();
    job["metadata"]["generation"] = 1.into();
    let spec = &mut job["spec"];
    for (key, value) in [("parallelism", 1), ("completions", 1), ("backoffLimit", 6)] {
        if spec[key].is_null() {
            spec[key] = value.into();
        }
    }
    if spec["suspend"].is_null() {
        spec["suspend"] = false.into();
    }
    if spec["completionMode"].is_null() {
        spec["completionMode"] = "NonIndexed".into();
    }
    spec["selector"] = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}});
    let metadata = &mut spec["template"]["metadata"];
    if !metadata.is_object() {
        *metadata = json!({});
    }
    if !metadata["labels"].is_object() {
        metadata["labels"] = json!({});
    }
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", uid.into()),
        ("batch.kubernetes.io/job-name", name.clone()),
        ("controller-uid", uid.into()),
        ("job-name", name),
    ] {
        metadata["labels"][key] = value;
    }
    let pod = &mut spec["template"]["spec"];
    for (key, value) in [
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        if pod[key].is_null() {
            pod[key] = value;
        }
    }
    job["status"] = json!({});
}

/// Does what a Job's controller does when a pod is missing: makes one, or tells why it cannot.
pub(crate) fn sync_job(state: &mut State, job: &str) {
    let Some(denial) = state.pod_denial.clone() else {
        return make_pod(&mut state.store, job);
    };
    let pod = format!(
        "{}-{:05x}",
        &job[..job.len().min(57)],
        state.store.version % 0xf_ffff
    );
    let message = format!("Error creating: pods \"{pod}\" is forbidden: {denial}");
    make_event(&mut state.store, Kind::Job, job, "FailedCreate", &message);
}

/// Makes a warning about a Job or pod.
pub(crate) fn make_event(store: &mut Store, kind: Kind, name: &str, reason: &str, message: &str) {
    let found = store
        .all(kind)
        .into_iter()
        .find(|object| object["metadata"]["name"] == name);
    let metadata = found.map(|object| object["metadata"].clone()).unwrap_or_default();
    let namespace = metadata["namespace"].as_str().unwrap_or("default").to_owned();
    let (_, api_version, kind) = kind.names();
    let event = json!({
        "metadata": {"name": format!("{name}.{:x}", store.version)},
        "involvedObject": {"kind": kind, "name": name, "namespace": namespace, "apiVersion": api_version, "uid": metadata["uid"]},
        "type": "Warning", "reason": reason, "message": message, "count": 1,
        "firstTimestamp": time(), "lastTimestamp": time(),
    });
    let _ = store.create(Kind::Event, &namespace, event);
}

/// Gives the Job a pod.
fn make_pod(store: &mut Store, job: &str) {
    let Some(job) = store
        .all(Kind::Job)
        .into_iter()
        .find(|other| other["metadata"]["name"] == job)
    else {
        return;
    };
    let namespace = job["metadata"]["namespace"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let template = &job["spec"]["template"];
    let mut pod = json!({"metadata": template["metadata"], "spec": template["spec"]});
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let number = store.version;
    pod["metadata"]["name"] = format!("{}-{:05x}", &name[..name.len().min(57)], number % 0xf_ffff).into();
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": true,
        "blockOwnerDeletion": true,
    }]);
    pod["status"] = json!({"phase": "Pending", "qosClass": "BestEffort"});
    let _ = store.create(Kind::Pod, &namespace, pod);
}

fn statuses(pod: &Value, state: &dyn Fn(&Value) -> Value, restarts: i64) -> Value {
    let containers = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let statuses: Vec<Value> = containers
        .iter()
        .map(|container| {
            json!({
                "name": container["name"], "image": container["image"], "imageID": "", "restartCount": restarts,
                "ready": state(container).get("running").is_some(), "started": true, "state": state(container),
                "lastState": {},
            })
        })
        .collect();
    statuses.into()
}

pub(crate) fn start(pod: &mut Value) {
    pod["spec"]["nodeName"] = "node-1".into();
    let running = json!({"running": {"startedAt": time()}});
    pod["status"] = json!({
        "phase": "Running", "startTime": time(),
        "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containerStatuses": statuses(pod, &|_| running.clone(), 0),
    });
}

fn terminated(code: i64, reason: &str) -> Value {
    json!({"terminated": {
        "exitCode": code, "reason": reason, "startedAt": time(), "finishedAt": time(), "containerID": "containerd://1",
    }})
}

pub(crate) fn end(pod: &mut Value, code: i64, reason: &str) {
    pod["status"]["phase"] = if code == 0 { "Succeeded" } else { "Failed" }.into();
    let all = pod["status"]["containerStatuses"].as_array_mut();
    for (index, status) in all.into_iter().flatten().enumerate() {
        status["state"] = if index == 0 {
            terminated(code, reason)
        } else {
            terminated(0, "Completed")
        };
        status["ready"] = false.into();
    }
}

pub(crate) fn restart(pod: &mut Value, code: i64) {
    let status = &mut pod["status"]["containerStatuses"][0];
    status["lastState"] = terminated(code, "Error");
    status["restartCount"] = (status["restartCount"].as_i64().unwrap_or_default() + 1).into();
    status["state"] = json!({"running": {"startedAt": time()}});
}

pub(crate) fn end_job(job: &mut Value, failure: Option<(&str, &str)>) {
    let condition = match failure {
        None => json!({"type": "Complete", "status": "True", "reason": "CompletionsReached",
            "message": "Reached expected number of succeeded pods"}),
        Some((reason, message)) => {
            json!({"type": "Failed", "status": "True", "reason": reason, "message": message})
        }
    };
    if failure.is_none() {
        job["status"]["completionTime"] = time().into();
        job["status"]["succeeded"] = 1.into();
    } else {
        job["status"]["failed"] = 1.into();
    }
    if let Some(status) = job["status"].as_object_mut() {
        status.remove("active");
        status.remove("ready");
    }
    job["status"]["conditions"] = json!([condition]);
}

/// Marks a pod as being deleted, with the time that it has to end.
pub(crate) fn begin_deletion(pod: &mut Value) {
    let grace = Duration::from_secs(30);
    let deadline = crate::logs::now() + grace;
    pod["metadata"]["deletionTimestamp"] = deadline.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    pod["metadata"]["deletionGracePeriodSeconds"] = grace.as_secs().into();
}

/// Marks a pod as one that the cluster takes away for this reason.
pub(crate) fn disrupt(pod: &mut Value, reason: &str, message: &str) {
    let condition = json!({
        "type": "DisruptionTarget", "status": "True", "reason": reason, "message": message,
        "lastTransitionTime": time(),
    });
    match pod["status"]["conditions"].as_array_mut() {
        Some(conditions) => conditions.push(condition),
        None => pod["status"]["conditions"] = json!([condition]),
    }
}

/// Deletes a Job in the foreground: it stays until its pods have ended.
pub(crate) fn delete_in_foreground(shared: &Arc<Shared>, namespace: &str, name: &str) {
    let now = time();
    let mut state = shared.lock();
    state.store.change(Kind::Job, namespace, name, |job| {
        job["metadata"]["deletionTimestamp"] = now.clone().into();
        job["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
    });
    let pods: Vec<String> = pods_of(&state.store, name);
    for pod in &pods {
        state.store.change(Kind::Pod, namespace, pod, begin_deletion);
    }
    let stays = state.keeps_deleted;
    drop(state);
    shared.notify();
    if !stays {
        let (shared, name) = (Arc::clone(shared), name.to_owned());
        tokio::spawn(async move {
            tokio::time::sleep(TERMINATION).await;
            remove_job(&shared, &name);
        });
    }
}

/// Takes a Job and its pods away.
pub(crate) fn remove_job(shared: &Shared, name: &str) {
    let mut state = shared.lock();
    let job = state
        .store
        .all(Kind::Job)
        .into_iter()
        .find(|job| job["metadata"]["name"] == name);
    let namespace = job
        .and_then(|job| Some(job["metadata"]["namespace"].as_str()?.to_owned()))
        .unwrap_or_default();
    for pod in pods_of(&state.store, name) {
        state.store.delete(Kind::Pod, &namespace, &pod);
        for restarts in 0..10 {
            state.logs.end(&pod, restarts);
        }
    }
    state.store.delete(Kind::Job, &namespace, name);
    drop(state);
    shared.notify();
}

fn pods_of(store: &Store, job: &str) -> Vec<String> {
    let pods = store.all(Kind::Pod).into_iter();
    pods.filter(|pod| pod["metadata"]["labels"]["job-name"] == job)
        .filter_map(|pod| Some(pod["metadata"]["name"].as_str()?.to_owned()))
        .collect()
}
