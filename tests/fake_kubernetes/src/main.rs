//! Serves until it is ended, and writes a kubeconfig, so that clients can be tried by hand. Every Job
//! succeeds after a second.

use std::time::Duration;

use fake_kubernetes::{Options, Server};
use serde_json::json;

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "kubeconfig".to_owned());
    let server = Server::start(Options::default());
    std::fs::write(&path, server.kubeconfig(json!({}), json!({}), None))?;
    println!("{}: export KUBECONFIG={path}", server.url());
    let mut done = 0;
    loop {
        let pod = loop {
            std::thread::sleep(Duration::from_millis(100));
            if server.pods().len() > done {
                break server.pod(done);
            }
        };
        std::thread::sleep(Duration::from_secs(1));
        server.start_pod(&pod);
        server.log(&pod, "a line of the fake Kubernetes");
        server.end_pod(&pod, 0, "Completed");
        for job in server.jobs() {
            let name = job["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            println!("{job:#}");
            server.end_job_named(&name);
        }
        done += 1;
    }
}
