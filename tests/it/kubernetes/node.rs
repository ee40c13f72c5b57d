//! A node: what a Job's container really does, run by Docker from the image in its registry.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use fake_kubernetes::Server;
use serde_json::Value;

use crate::docker::engine::Docker;

/// Runs the first container of the next pod as a node would, and ends the Job as it ends. Gives the Job.
pub(super) fn run_pod(server: &Server, docker: &Docker) -> Value {
    let pod = server.pod(0);
    let job = server.jobs().remove(0);
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let image = container["image"].as_str().unwrap();
    // From the registry, not what this machine has by chance.
    docker.output(&["pull", "--quiet", image]);
    let words: Vec<String> = words(&container["command"]).map(|word| expanded(&word)).collect();
    let mut arguments = vec![
        "run".to_owned(),
        "--rm".to_owned(),
        "--network".to_owned(),
        "host".to_owned(),
    ];
    for variable in container["env"].as_array().into_iter().flatten() {
        let text = |key: &str| variable[key].as_str().unwrap_or_default().to_owned();
        arguments.extend([
            "-e".to_owned(),
            format!("{}={}", text("name"), expanded(&text("value"))),
        ]);
    }
    arguments.extend(["--entrypoint".to_owned(), words[0].clone(), image.to_owned()]);
    arguments.extend_from_slice(&words[1..]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut container = docker.call(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    server.start_pod(&pod);
    let mut output = BufReader::new(container.stdout.take().unwrap());
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).unwrap() > 0 {
        server.log_bytes(&pod, &line);
        line.clear();
    }
    let code = container.wait().unwrap().code().unwrap();
    server.end_pod(&pod, code.into(), if code == 0 { "Completed" } else { "Error" });
    let failure = (code != 0).then_some((
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    ));
    server.end_job(failure);
    job
}

fn words(value: &Value) -> impl Iterator<Item = String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|word| word.as_str().unwrap().to_owned())
}

/// As Kubernetes expands words, for words that name no variable.
fn expanded(text: &str) -> String {
    text.replace("$$", "$")
}
