//! A loopback server that passes requests on to a real one, and may lose or replace what that answers.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::scripted::{Seen, read_request};

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// The real server's answer comes back.
    Pass,
    /// The real server gets it, and the connection is closed instead of an answer.
    Lose,
    /// The real server gets it when this many further requests have come, as if it had stood in a queue.
    Late(usize),
    /// The real server gets it, and another answer comes back: a status and a body.
    Replace(u16, String),
    /// The real server does not get it, and this comes back: a status and a body.
    Refuse(u16, String),
}

impl Fate {
    /// An error in MLflow's form.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self::Refuse(status, mlflow_error(code, message))
    }

    /// As [`Fate::error`], after the real server has done what it was asked for.
    pub(crate) fn error_instead(status: u16, code: &str, message: &str) -> Self {
        Self::Replace(status, mlflow_error(code, message))
    }
}

fn mlflow_error(code: &str, message: &str) -> String {
    serde_json::json!({"error_code": code, "message": message}).to_string()
}

type Decide = dyn Fn(&Seen, usize) -> Fate + Send + Sync;

/// The running relay; its threads end with the test program.
pub(crate) struct Relay {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Relay {
    /// Stands before the server at this URL. `decide` gets each request, and how many with the same path
    /// came before.
    pub(crate) fn start(url: &str, decide: impl Fn(&Seen, usize) -> Fate + Send + Sync + 'static) -> Self {
        let server: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (shared, decide): (_, Arc<Decide>) = (Arc::clone(&seen), Arc::new(decide));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, decide) = (Arc::clone(&shared), Arc::clone(&decide));
                std::thread::spawn(move || answer(&stream, server, &seen, decide.as_ref()));
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests had this end of their path.
    pub(crate) fn count(&self, path: &str) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.path().ends_with(path)).count()
    }
}

/// Answers one request and closes the connection.
fn answer(stream: &TcpStream, server: SocketAddr, seen: &Mutex<Vec<Seen>>, decide: &Decide) {
    let Some(request) = read_request(&mut BufReader::new(stream)) else {
        return;
    };
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.iter().filter(|other| other.path() == request.path()).count() - 1
    };
    let fate = decide(&request, before);
    let real = match fate {
        Fate::Refuse(..) => Vec::new(),
        Fate::Late(others) => {
            let until = seen.lock().unwrap().len() + others;
            while seen.lock().unwrap().len() < until {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            exchange(server, &request)
        }
        _ => exchange(server, &request),
    };
    let bytes = match fate {
        Fate::Pass | Fate::Late(_) => real,
        Fate::Lose => Vec::new(),
        Fate::Replace(status, body) | Fate::Refuse(status, body) => format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes(),
    };
    let mut out = stream;
    let _ = out.write_all(&bytes);
    let _ = out.shutdown(Shutdown::Both);
}

fn exchange(server: SocketAddr, request: &Seen) -> Vec<u8> {
    let mut upstream = TcpStream::connect(server).unwrap();
    let mut head = format!("{} HTTP/1.1\r\nConnection: close\r\n", request.line());
    for (name, value) in request.headers.iter().filter(|(name, _)| *name != "connection") {
        head += &format!("{name}: {value}\r\n");
    }
    upstream
        .write_all(format!("{head}\r\n{}", request.body).as_bytes())
        .unwrap();
    let mut bytes = Vec::new();
    upstream.read_to_end(&mut bytes).unwrap();
    bytes
}
