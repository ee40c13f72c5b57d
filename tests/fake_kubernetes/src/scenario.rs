//! What a test makes of Jobs and pods: the steps that controllers, nodes and people take.

use serde_json::Value;

use crate::controller;
use crate::server::Server;
use crate::store::Kind;

impl Server {
    /// Starts all containers of a pod, which gets a node first.
    pub fn start_pod(&self, pod: &str) {
        self.change_pod(pod, controller::start);
        let job = self.job_of(pod);
        self.change_job(&job, |job| {
            job["status"]["startTime"] = controller::time().into();
            job["status"]["active"] = 1.into();
            job["status"]["ready"] = 1.into();
        });
    }

    /// Adds a line to the log of the pod's first container.
    pub fn log(&self, pod: &str, line: &str) {
        self.log_bytes(pod, format!("{line}\n").as_bytes());
    }

    /// Adds a line to the log as it is, with its end or without.
    pub fn log_bytes(&self, pod: &str, line: &[u8]) {
        let restarts = self.restarts(pod);
        self.shared.lock().logs.add(pod, restarts, line);
        self.shared.notify();
    }

    /// Ends the pod's first container with an exit code, and the pod with it.
    pub fn end_pod(&self, pod: &str, code: i64, reason: &str) {
        let restarts = self.restarts(pod);
        self.shared.lock().logs.end(pod, restarts);
        self.change_pod(pod, |pod| controller::end(pod, code, reason));
    }

    /// Ends the pod's first container and starts it again in the same pod.
    pub fn restart_container(&self, pod: &str, code: i64) {
        let restarts = self.restarts(pod);
        self.shared.lock().logs.end(pod, restarts);
        self.change_pod(pod, |pod| controller::restart(pod, code));
    }

    /// Ends the Job as its pod has ended: complete, or failed for this reason.
    pub fn end_job(&self, failure: Option<(&str, &str)>) {
        let job = self.job_name();
        self.change_job(&job, |job| controller::end_job(job, failure));
    }

    /// Completes the Job of this name.
    pub fn end_job_named(&self, name: &str) {
        self.change_job(name, |job| controller::end_job(job, None));
    }

    /// The whole way of a Job that succeeds: start, lines, end.
    pub fn succeed(&self, lines: &[&str]) {
        let pod = self.pod(0);
        self.start_pod(&pod);
        for line in lines {
            self.log(&pod, line);
        }
        self.end_pod(&pod, 0, "Completed");
        self.end_job(None);
    }

    /// The whole way of a Job whose only pod fails.
    pub fn fail(&self, code: i64, reason: &str) {
        let pod = self.pod(0);
        self.start_pod(&pod);
        self.end_pod(&pod, code, reason);
        self.end_job(Some((
            "BackoffLimitExceeded",
            "Job has reached the specified backoff limit",
        )));
    }

    /// Gives the Job another pod, as its controller does after a failure.
    pub fn another_pod(&self) {
        let job = self.job_name();
        let mut state = self.shared.lock();
        controller::sync_job(&mut state, &job);
        drop(state);
        self.shared.notify();
    }

    /// Suspends the Job, whose pods are then taken away, or resumes it, which gives it a pod.
    pub fn suspend_job(&self, is_suspended: bool) {
        let job = self.job_name();
        self.change_job(&job, |job| job["spec"]["suspend"] = is_suspended.into());
        if !is_suspended {
            return self.another_pod();
        }
        for pod in self.pods() {
            self.remove_pod(pod["metadata"]["name"].as_str().unwrap_or_default());
        }
    }

    /// Has the cluster take a pod away for this reason, such as `PreemptionByScheduler`: the pod is told to
    /// end, and has not ended yet.
    pub fn disrupt_pod(&self, pod: &str, reason: &str, message: &str) {
        self.change_pod(pod, |pod| controller::disrupt(pod, reason, message));
        self.change_pod(pod, controller::begin_deletion);
    }

    /// Deletes a pod, as `kubectl delete pod` does: it is told to end, and has not ended yet.
    pub fn delete_pod(&self, pod: &str) {
        self.change_pod(pod, controller::begin_deletion);
    }

    /// Takes a pod away, as it is.
    pub fn remove_pod(&self, name: &str) {
        let mut state = self.shared.lock();
        let pods = state.store.all(Kind::Pod).into_iter();
        let found: Vec<String> = pods
            .filter(|pod| pod["metadata"]["name"] == name)
            .filter_map(|pod| Some(pod["metadata"]["namespace"].as_str()?.to_owned()))
            .collect();
        for namespace in found {
            state.store.delete(Kind::Pod, &namespace, name);
        }
        for restarts in 0..10 {
            state.logs.end(name, restarts);
        }
        drop(state);
        self.shared.notify();
    }

    /// Changes a pod.
    pub fn change_pod(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.change(Kind::Pod, name, change);
    }

    /// Changes a Job.
    pub fn change_job(&self, name: &str, change: impl FnOnce(&mut Value)) {
        self.change(Kind::Job, name, change);
    }

    fn change(&self, kind: Kind, name: &str, change: impl FnOnce(&mut Value)) {
        let mut state = self.shared.lock();
        let found = state
            .store
            .all(kind)
            .into_iter()
            .find(|object| object["metadata"]["name"] == name);
        if let Some(object) = found {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            state.store.change(kind, namespace, name, change);
        }
        drop(state);
        self.shared.notify();
    }

    /// Deletes a Job and its pods at once, as `kubectl delete job` does.
    pub fn delete_job(&self, name: &str) {
        controller::remove_job(&self.shared, name);
    }

    /// Takes a Job away so that nobody is told: no event of a watch has it.
    pub fn lose_job(&self, name: &str) {
        controller::remove_job(&self.shared, name);
        self.shared.lock().store.compact();
    }

    /// Makes a warning about a Job or pod.
    pub fn event(&self, kind: &str, name: &str, reason: &str, message: &str) {
        let mut state = self.shared.lock();
        let kind = if kind == "Job" { Kind::Job } else { Kind::Pod };
        controller::make_event(&mut state.store, kind, name, reason, message);
        drop(state);
        self.shared.notify();
    }

    fn restarts(&self, pod: &str) -> i64 {
        let pods = self.pods();
        let pod = pods.iter().find(|other| other["metadata"]["name"] == pod);
        pod.and_then(|pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64())
            .unwrap_or_default()
    }

    fn job_of(&self, pod: &str) -> String {
        let pods = self.pods();
        let pod = pods.iter().find(|other| other["metadata"]["name"] == pod);
        pod.and_then(|pod| pod["metadata"]["labels"]["job-name"].as_str())
            .unwrap_or_default()
            .to_owned()
    }

    fn job_name(&self) -> String {
        let jobs = self.jobs();
        let name = jobs.first().and_then(|job| job["metadata"]["name"].as_str());
        name.unwrap_or_default().to_owned()
    }
}
