//! How libgit2 talks by HTTP: over the client of all downloads, with its certificates, proxies and netrc
//! files, and so that a fetch can be given up at any moment.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode, Url};
use tokio::runtime::Runtime;

use super::super::blocking::{Cancelled, Reporter};
use super::problem::GitProblem;
use super::remote::Remote;
use crate::env_vars;
use crate::http::{Fault, MOST_REDIRECTS, ServerAccess, Verification, classify, client};

/// How often a wait looks whether the fetch is given up.
const CANCEL_INTERVAL: Duration = Duration::from_millis(50);

const LIST: &str = "/info/refs?service=git-upload-pack";
const LIST_TYPE: &str = "application/x-git-upload-pack-advertisement";
const REQUEST_TYPE: &str = "application/x-git-upload-pack-request";

thread_local! {
    /// The fetch on this thread. libgit2 tells a transport nothing but a URL.
    static FETCH: RefCell<Option<Arc<HttpFetch>>> = const { RefCell::new(None) };
}

/// A fetch that may talk by HTTP.
struct HttpFetch {
    remote: Remote,
    runtime: Runtime,
    is_cancelled: Cancelled,
    problem: Mutex<Option<GitProblem>>,
}

/// Lets libgit2 talk by HTTP on this thread, with the remote repository's credentials, until the value is
/// dropped.
pub(super) fn allow(remote: &Remote, reporter: &Reporter) -> Result<Allowed, GitProblem> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    let broken = |reason: String| GitProblem::Broken { reason };
    let registered = REGISTERED.get_or_init(|| register().map_err(|error| error.to_string()));
    registered.clone().map_err(broken)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    FETCH.set(Some(Arc::new(HttpFetch {
        remote: remote.clone(),
        runtime: runtime.map_err(|error| broken(error.to_string()))?,
        is_cancelled: reporter.cancelled(),
        problem: Mutex::new(None),
    })));
    Ok(Allowed)
}

/// Keeps libgit2 talking.
pub(super) struct Allowed;

impl Allowed {
    /// What the last failure of a connection was.
    pub(super) fn take_problem(&self) -> Option<GitProblem> {
        FETCH.with_borrow(|fetch| {
            let mut problem = fetch.as_ref()?.problem.lock();
            problem.as_mut().ok()?.take()
        })
    }
}

impl Drop for Allowed {
    fn drop(&mut self) {
        FETCH.set(None);
    }
}

fn register() -> Result<(), git2::Error> {
    for scheme in ["http", "https"] {
        let transport = |remote: &git2::Remote<'_>| {
            let fetch = FETCH.with_borrow(Clone::clone);
            let fetch = fetch.ok_or_else(|| git2::Error::from_str("no fetch goes on here"))?;
            let server = Mutex::new(None);
            Transport::smart(remote, true, HttpTransport { fetch, server })
        };
        #[expect(unsafe_code, reason = "libgit2 has no other way to be given a transport")]
        // SAFETY: only fetches make transports, and all of them wait for this first.
        unsafe { git2::transport::register(scheme, transport) }?;
    }
    Ok(())
}

impl HttpFetch {
    /// Waits for something, unless the fetch is given up meanwhile.
    fn wait<T>(&self, url: &Url, future: impl Future<Output = reqwest::Result<T>>) -> io::Result<T> {
        let result = self.runtime.block_on(async {
            let mut future = pin!(future);
            while !self.is_cancelled.get() {
                if let Ok(result) = tokio::time::timeout(CANCEL_INTERVAL, future.as_mut()).await {
                    return result.map_err(|error| in_words(&error.without_url(), url));
                }
            }
            Err(GitProblem::Interrupted)
        });
        result.map_err(|problem| self.keep(problem))
    }

    /// Keeps the problem, which libgit2 cannot hand on, for its caller.
    fn keep(&self, problem: GitProblem) -> io::Error {
        let error = io::Error::other(problem.to_string());
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem);
        error
    }

    fn send(&self, access: &ServerAccess, method: Method, path: &str, body: Vec<u8>) -> io::Result<Response> {
        let url = format!("{}{path}", access.url.as_str().trim_end_matches('/'));
        let mut request = access.client.request(method, url).headers(access.headers.clone());
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, REQUEST_TYPE).body(body);
        }
        let answer = self.wait(&access.url, request.send())?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            status => Err(self.keep(refusal(status, access))),
        }
    }

    /// The server of a repository, which is the remote one or a submodule, and its list of branches and tags.
    fn open(&self, url: &str) -> io::Result<(ServerAccess, Response)> {
        let mut url = Url::parse(url).map_err(io::Error::other)?;
        url.set_query(None);
        if let (Some(known), Ok(remote)) = (self.remote.credentials(), Url::parse(self.remote.expose()))
            && known.site == url.origin().ascii_serialization()
        {
            // Neither fails for a URL that has a host.
            let _ = (
                url.set_username(remote.username()),
                url.set_password(remote.password()),
            );
        }
        let mut access = ServerAccess::of_url(&url).map_err(io::Error::other)?;
        if let Some(bundle) = Verification::bundle(env_vars::GIT_SSL_CAINFO, &env_vars::non_empty)
            && url.scheme() == "https"
        {
            access.client =
                client(Some(&bundle), Policy::limited(MOST_REDIRECTS)).map_err(io::Error::other)?;
        }
        let list = self.send(&access, Method::GET, LIST, Vec::new())?;
        if list
            .headers()
            .get(CONTENT_TYPE)
            .is_none_or(|kind| kind != LIST_TYPE)
        {
            let reason = format!("'{}' does not speak Git's protocol", access.url);
            return Err(self.keep(GitProblem::Protocol { reason }));
        }
        if let Some(Ok(moved)) = list.url().as_str().strip_suffix(LIST).map(Url::parse) {
            access.url = moved;
        }
        Ok((access, list))
    }
}

fn refusal(status: StatusCode, access: &ServerAccess) -> GitProblem {
    let host = Remote::new(access.url.as_str()).host();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => GitProblem::Access {
            host,
            tried: match &access.credentials {
                Some(source) => format!("the user and password in {source}"),
                None => "no credentials, since the program 'git' was not found".to_owned(),
            },
        },
        StatusCode::NOT_FOUND | StatusCode::GONE => GitProblem::NoRepository {
            answer: format!("'{host}' answers {status}"),
        },
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => GitProblem::Unreachable {
            host,
            reason: "the proxy asks for a user and password".to_owned(),
        },
        _ => GitProblem::Refused {
            message: format!("'{host}' answers {status}"),
        },
    }
}

fn in_words(error: &reqwest::Error, url: &Url) -> GitProblem {
    let host = Remote::new(url.as_str()).host();
    let (fault, reason) = classify(error, Duration::ZERO);
    match fault {
        Fault::UnknownHost => GitProblem::UnknownHost { host },
        Fault::Certificate => GitProblem::Certificate { host, reason },
        Fault::Protocol => GitProblem::Protocol {
            reason: format!("'{host}' does not speak the protocol of the URL"),
        },
        Fault::Timeout(_) => GitProblem::Unreachable {
            host,
            reason: "no answer".to_owned(),
        },
        Fault::Refused => GitProblem::Unreachable { host, reason },
        Fault::Broken => GitProblem::Broken { reason },
    }
}

struct HttpTransport {
    fetch: Arc<HttpFetch>,
    server: Mutex<Option<ServerAccess>>,
}

impl SmartSubtransport for HttpTransport {
    fn action(&self, url: &str, action: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answer = None;
        if action == Service::UploadPackLs {
            let opened = self.fetch.open(url);
            let (access, list) = opened.map_err(|error| git2::Error::from_str(&error.to_string()))?;
            *server = Some(access);
            answer = Some(list);
        }
        let access = server.clone();
        Ok(Box::new(Exchange {
            fetch: Arc::clone(&self.fetch),
            access: access.ok_or_else(|| git2::Error::from_str("the list was not asked for"))?,
            request: Vec::new(),
            answer,
            piece: Bytes::new(),
        }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// A request that is written first, and its answer.
struct Exchange {
    fetch: Arc<HttpFetch>,
    access: ServerAccess,
    request: Vec<u8>,
    answer: Option<Response>,
    /// The rest of the last piece of the answer.
    piece: Bytes,
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut answer = match self.answer.take() {
            Some(answer) => answer,
            None => {
                let request = std::mem::take(&mut self.request);
                self.fetch
                    .send(&self.access, Method::POST, "/git-upload-pack", request)?
            }
        };
        if self.piece.is_empty()
            && let Some(piece) = self.fetch.wait(&self.access.url, answer.chunk())?
        {
            self.piece = piece;
        }
        self.answer = Some(answer);
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
