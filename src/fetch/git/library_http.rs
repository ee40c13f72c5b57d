//! HTTP for libgit2: it uses the HTTP client of all downloads, with its certificates, proxies and netrc files, and
//! a fetch can be cancelled at any moment.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode, Url};
use tokio::runtime::Handle;

use super::remote::Remote;
use crate::env_vars;
use crate::fetch::blocking::Reporter;
use crate::http::{Fault, MOST_REDIRECTS, ServerAccess, Verification, classify, client};
use crate::redact::Secret;

const LIST: &str = "/info/refs?service=git-upload-pack";
const LIST_TYPE: &str = "application/x-git-upload-pack-advertisement";
const REQUEST_TYPE: &str = "application/x-git-upload-pack-request";

thread_local! {
    /// The fetch on this thread. libgit2 passes only a URL to a transport.
    static FETCH: RefCell<Option<HttpFetch>> = const { RefCell::new(None) };
}

/// A fetch that may use HTTP.
#[derive(Clone)]
struct HttpFetch {
    remote: Remote,
    reporter: Reporter,
}

/// Allows libgit2 to use HTTP on this thread, with the remote repository's credentials, until the value is dropped.
pub(super) fn allow(remote: &Remote, reporter: &Reporter) -> Result<Allowed, git2::Error> {
    static REGISTERED: OnceLock<Result<(), String>> = OnceLock::new();
    let registered = REGISTERED.get_or_init(|| register().map_err(|error| error.to_string()));
    registered.as_ref().map_err(in_words)?;
    FETCH.set(Some(HttpFetch {
        remote: remote.clone(),
        reporter: reporter.clone(),
    }));
    Ok(Allowed)
}

/// While this value lives, libgit2 may use HTTP on this thread.
pub(super) struct Allowed;

impl Drop for Allowed {
    fn drop(&mut self) {
        FETCH.set(None);
    }
}

/// libgit2 keeps only the text of an error.
fn in_words(error: impl ToString) -> git2::Error {
    git2::Error::from_str(&error.to_string())
}

fn register() -> Result<(), git2::Error> {
    for scheme in ["http", "https"] {
        let transport = |remote: &git2::Remote<'_>| {
            let fetch = FETCH.with_borrow(Clone::clone);
            let fetch = fetch.ok_or_else(|| in_words("no fetch is running on this thread"))?;
            let server = OnceLock::new();
            Transport::smart(remote, true, HttpTransport { fetch, server })
        };
        #[expect(unsafe_code, reason = "libgit2 has no other way to be given a transport")]
        // SAFETY: only fetches create transports, and all of them wait for this first.
        unsafe { git2::transport::register(scheme, transport) }?;
    }
    Ok(())
}

impl HttpFetch {
    /// Waits for the future, unless the fetch is cancelled.
    fn wait<T>(&self, future: impl Future<Output = reqwest::Result<T>>) -> io::Result<T> {
        Handle::current().block_on(async {
            tokio::select! {
                result = future => {
                    result.map_err(|error| io::Error::other(failure(&error.without_url())))
                }
                () = self.reporter.cancelled() => Err(io::Error::other("the fetch was cancelled")),
            }
        })
    }

    fn send(&self, access: &ServerAccess, method: Method, path: &str, body: Vec<u8>) -> io::Result<Response> {
        let url = format!("{}{path}", access.url.as_str().trim_end_matches('/'));
        let mut request = access.client.request(method, url).headers(access.headers.clone());
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, REQUEST_TYPE).body(body);
        }
        let answer = self.wait(request.send())?;
        match answer.status() {
            status if status.is_success() => Ok(answer),
            status => Err(io::Error::other(refusal(status, access))),
        }
    }

    /// The server of the remote repository or a submodule, and its list of branches and tags.
    fn open(&self, url: &str) -> io::Result<(ServerAccess, Response)> {
        let mut url = Url::parse(url).map_err(io::Error::other)?;
        url.set_query(None);
        if let Some(known) = &self.remote.credentials
            && known.site == url.origin().ascii_serialization()
        {
            let password = known.password.as_ref().map(Secret::expose);
            // Neither fails for a URL with a host.
            let _ = (url.set_username(known.user.expose()), url.set_password(password));
        }
        let mut access = ServerAccess::of_url(&url, false).map_err(io::Error::other)?;
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
            let text = format!("'{}' does not speak Git's protocol", access.url);
            return Err(io::Error::other(text));
        }
        if let Some(Ok(moved)) = list.url().as_str().strip_suffix(LIST).map(Url::parse) {
            access.url = moved;
        }
        Ok((access, list))
    }
}

/// Describes a status in words that [`words`](super::words) recognizes.
fn refusal(status: StatusCode, access: &ServerAccess) -> String {
    let host = Remote::new(access.url.as_str()).host();
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let tried = match &access.credentials {
                Some(source) => format!("the user and password in {source}"),
                None => "no credentials (the program 'git', which knows them, was not found)".to_owned(),
            };
            format!("'{host}' refuses access; tried: {tried}")
        }
        _ => format!("'{host}' answers {status}"),
    }
}

/// Describes a failure in the words of `git`.
fn failure(error: &reqwest::Error) -> String {
    match classify(error, Duration::ZERO) {
        (Fault::UnknownHost, _) => "Could not resolve host".to_owned(),
        (Fault::Protocol, _) => "wrong version number".to_owned(),
        (Fault::Timeout(_), _) => "timed out".to_owned(),
        (Fault::Refused, _) => "Connection refused".to_owned(),
        (Fault::Certificate, reason) => reason,
        (Fault::Broken, reason) => format!("RPC failed: {reason}"),
    }
}

struct HttpTransport {
    fetch: HttpFetch,
    server: OnceLock<ServerAccess>,
}

impl SmartSubtransport for HttpTransport {
    fn action(&self, url: &str, action: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let mut answer = None;
        if action == Service::UploadPackLs {
            let (access, list) = self.fetch.open(url).map_err(in_words)?;
            // Every request for the list goes to the same server.
            let _ = self.server.set(access);
            answer = Some(list);
        }
        let access = self.server.get();
        Ok(Box::new(Exchange {
            fetch: self.fetch.clone(),
            access: access
                .cloned()
                .ok_or_else(|| in_words("the list of branches was not requested first"))?,
            request: Vec::new(),
            answer,
            piece: Bytes::new(),
        }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// A request that is collected first, and its response.
struct Exchange {
    fetch: HttpFetch,
    access: ServerAccess,
    request: Vec<u8>,
    answer: Option<Response>,
    /// The unread rest of the response's last piece.
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
            && let Some(piece) = self.fetch.wait(answer.chunk())?
        {
            self.piece = piece;
        }
        self.answer = Some(answer);
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}
