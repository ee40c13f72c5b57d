//! How many requests a whole run of each program sends to a real server, and over how many connections.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::harness::{MlflowServer, Printed, Project, mlflow3};

/// Passes bytes on to a server and keeps what the clients sent, a text a connection.
struct Proxy {
    address: SocketAddr,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Proxy {
    fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&sent);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let upstream = TcpStream::connect(server).unwrap();
                let index = {
                    let mut sent = shared.lock().unwrap();
                    sent.push(Vec::new());
                    sent.len() - 1
                };
                let shared = Arc::clone(&shared);
                let (from, to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                std::thread::spawn(move || {
                    pass(from, to, |bytes| {
                        shared.lock().unwrap()[index].extend_from_slice(bytes)
                    })
                });
                std::thread::spawn(move || pass(upstream, client, |_| {}));
            }
        });
        Self { address, sent }
    }

    /// The first lines of all requests since the last look, and the number of connections that had any.
    fn taken(&self) -> (Vec<String>, usize) {
        let sent = std::mem::take(&mut *self.sent.lock().unwrap());
        let lines: Vec<Vec<String>> = sent
            .iter()
            .map(|bytes| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let lines = text.lines().filter(|line| line.contains(" HTTP/1.1"));
                // A body has no line break before the next request.
                lines
                    .map(|line| {
                        line[line
                            .find("GET ")
                            .or(line.find("POST "))
                            .or(line.find("PATCH "))
                            .unwrap_or(0)..]
                            .to_owned()
                    })
                    .collect()
            })
            .collect();
        let connections = lines.iter().filter(|lines| !lines.is_empty()).count();
        (lines.concat(), connections)
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut seen: impl FnMut(&[u8])) {
    let mut chunk = [0; 65536];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        seen(&chunk[..length]);
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

#[test]
fn a_whole_run_takes_fewer_requests_than_the_reference_s() {
    let Some(venv) = mlflow3() else { return };
    let server = MlflowServer::start(&venv);
    let proxy = Proxy::start(server.url().strip_prefix("http://").unwrap().parse().unwrap());
    let uri = format!("http://{}", proxy.address);
    let project = Project::new()
        .mlproject("entry_points:\n  main:\n    parameters: {a: {default: 1}, b: {default: 2}}\n    command: echo {a} {b}\n")
        .env("MLFLOW_TRACKING_URI", &uri);
    project.run([]).expect_code(0);
    let (ours, connections) = proxy.taken();
    let mut reference = project.sandbox().command(venv.join("bin/mlflow"));
    reference.args(["run", "project", "--env-manager", "local"]);
    reference.envs([
        ("MLFLOW_TRACKING_URI", uri.as_str()),
        ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ]);
    reference.printed();
    let (theirs, their_connections) = proxy.taken();
    eprintln!(
        "a whole run: mlrun {} requests over {connections} connection(s), mlflow run {} over {their_connections}\n{}\n--\n{}",
        ours.len(),
        theirs.len(),
        ours.join("\n"),
        theirs.join("\n")
    );
    assert!(ours.len() <= 4, "{ours:?}");
    assert_eq!(connections, 1);
    assert!(ours.len() < theirs.len(), "{theirs:?}");
}
