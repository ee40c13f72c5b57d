//! A loopback HTTP server that answers each request as its script says, and remembers what it saw.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use openssl::ssl::{HandshakeError, SslAcceptor};

/// What the server does with one request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Answers and keeps the connection.
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// Closes the connection instead of answering.
    Close,
    /// Sends these bytes as they are and closes the connection.
    Raw(Vec<u8>),
    /// Answers nothing until the client goes away.
    Stall,
    /// Sends a body without end.
    Endless,
}

impl Step {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::with_type(status, "application/json", body)
    }

    pub(crate) fn page(status: u16, body: &str) -> Self {
        Self::with_type(status, "text/html; charset=utf-8", body)
    }

    fn with_type(status: u16, content_type: &str, body: &str) -> Self {
        Self::Answer {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.to_owned(),
        }
    }

    /// An answer with these bytes, of which only the first `sent` arrive.
    pub(crate) fn bytes(head: &str, body: &[u8], sent: usize) -> Self {
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
        Self::Raw([head.as_bytes(), &body[..sent]].concat())
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        Self::page(status, "<title>moved</title>").header("Location", location)
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// A request as it arrived; header names in lower case.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The target without its query.
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

#[derive(Default)]
struct State {
    steps: Mutex<VecDeque<Step>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
}

/// The running server; its threads end with the test program.
pub(crate) struct ScriptedServer {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    scheme: &'static str,
}

impl ScriptedServer {
    pub(crate) fn start(steps: Vec<Step>) -> Self {
        Self::serve(steps, None)
    }

    pub(crate) fn start_tls(steps: Vec<Step>, acceptor: SslAcceptor) -> Self {
        Self::serve(steps, Some(acceptor))
    }

    fn serve(steps: Vec<Step>, acceptor: Option<SslAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let state = Arc::new(State::default());
        state.steps.lock().unwrap().extend(steps);
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let (state, acceptor) = (Arc::clone(&shared), acceptor.clone());
                std::thread::spawn(move || accept(stream, &state, acceptor));
            }
        });
        Self {
            address,
            state,
            scheme,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    /// How many connections were made, and made their TLS handshake.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The steps that nothing has asked for.
    pub(crate) fn steps_left(&self) -> usize {
        self.state.steps.lock().unwrap().len()
    }
}

fn accept(stream: TcpStream, state: &State, acceptor: Option<SslAcceptor>) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let Some(acceptor) = acceptor else {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let closing = stream.try_clone().unwrap();
        converse(&mut BufReader::new(stream), state);
        let _ = closing.shutdown(Shutdown::Both);
        return;
    };
    match acceptor.accept(stream) {
        Ok(mut secured) => {
            state.connections.fetch_add(1, Ordering::SeqCst);
            converse(&mut BufReader::new(&mut secured), state);
            let _ = secured.shutdown();
        }
        // To close it with something unread would take back the alert that says why.
        Err(HandshakeError::Failure(refused)) => {
            let mut stream = refused.get_ref();
            let _ = stream.shutdown(Shutdown::Write);
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        Err(_) => {}
    }
}

/// Answers the requests of one connection until a step or the client ends it.
fn converse<S: Read + Write>(stream: &mut BufReader<S>, state: &State) {
    // The first byte of a TLS handshake, which servers of plain HTTP refuse in their own words.
    if stream.fill_buf().is_ok_and(|bytes| bytes.first() == Some(&0x16)) {
        let _ = stream.get_mut().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        return;
    }
    while let Some(seen) = read_request(stream) {
        state.seen.lock().unwrap().push(seen);
        let unexpected = Step::json(400, r#"{"error_code":"UNEXPECTED","message":"no step left"}"#);
        let step = state.steps.lock().unwrap().pop_front().unwrap_or(unexpected);
        let out = stream.get_mut();
        match step {
            Step::Answer {
                status,
                headers,
                body,
            } => {
                let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
                for (name, value) in headers {
                    head += &format!("{name}: {value}\r\n");
                }
                if out.write_all(format!("{head}\r\n{body}").as_bytes()).is_err() {
                    return;
                }
            }
            Step::Close => return,
            Step::Raw(bytes) => {
                let _ = out.write_all(&bytes);
                return;
            }
            Step::Stall => {
                let _ = stream.read(&mut [0]);
                return;
            }
            Step::Endless => {
                let _ = out.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"a\":\"");
                while out.write_all(&[b'x'; 65536]).is_ok() {}
                return;
            }
        }
    }
}

pub(super) fn read_request(stream: &mut impl BufRead) -> Option<Seen> {
    let mut first = String::new();
    stream.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut words = first.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let length = headers
        .get("content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Seen {
        method,
        target,
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}
