//! Git's smart protocol over HTTP, from Git's `gitprotocol-http`.

use std::time::Duration;

use git2::Config;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};

use super::super::problem::GitProblem;
use super::super::task::Task;
use super::credentials::Credentials;
use super::http_error::{host_of, in_words};
use super::http_settings::HttpSettings;
use crate::project_uri::shown;

/// How long a connection may take to be made.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(60);
/// How long a connection may be silent before it is tested.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// How many redirects of the first request are followed.
const MOST_REDIRECTS: usize = 5;
/// Some servers take only what calls itself Git for Git.
const USER_AGENT: &str = concat!("git/2.0 (mlrun ", env!("CARGO_PKG_VERSION"), ")");

const LIST: &str = "/info/refs?service=git-upload-pack";
const LIST_TYPE: &str = "application/x-git-upload-pack-advertisement";
const REQUEST_TYPE: &str = "application/x-git-upload-pack-request";

/// A repository behind HTTP, and the answer that is being read.
pub(in crate::fetch::git) struct HttpConnection {
    client: Client,
    repository: Repository,
    settings: HttpSettings,
    credentials: Credentials,
    answer: Option<Response>,
}

/// Where the repository is: the first request may be sent on to another place.
struct Repository {
    url: Url,
}

impl HttpConnection {
    /// Asks for the references.
    pub(super) fn open(url: &Url, config: &Config, task: &Task<'_>) -> Result<Self, GitProblem> {
        let mut credentials = Credentials::of(url);
        let mut repository = Repository { url: bare(url) };
        let settings = HttpSettings::read(config, &repository.url);
        let mut client = client(&settings, &repository.url)?;
        let mut redirects = 0;
        loop {
            let list = repository.at(LIST)?;
            let mut request = client.get(list);
            if let Some(value) = credentials.authorization() {
                request = request.header(AUTHORIZATION, value);
            }
            let answer = exchange(settings.with_headers(request), &repository.url, task)?;
            match answer.status() {
                StatusCode::UNAUTHORIZED => {
                    let offers_basic = offers_basic(&answer);
                    credentials.next(&repository.url, offers_basic, task)?;
                }
                status if status.is_redirection() => {
                    redirects += 1;
                    let target = redirect_target(&answer, &repository.url, redirects)?;
                    if target.origin() != repository.url.origin() {
                        credentials = Credentials::default();
                        client = self::client(&settings, &target)?;
                    }
                    repository.url = target;
                }
                _ => {
                    check(&answer, &repository.url, &credentials)?;
                    credentials.approve(&repository.url, task);
                    let connection = Self {
                        client,
                        repository,
                        settings,
                        credentials,
                        answer: Some(answer),
                    };
                    return Ok(connection);
                }
            }
        }
    }

    /// Asks for objects.
    pub(super) fn post(&mut self, request: Vec<u8>, task: &Task<'_>) -> Result<(), GitProblem> {
        // The rest of the last answer is of no use, and its connection is free for this request.
        while !self.read(task)?.is_empty() {}
        let mut post = self
            .client
            .post(self.repository.at("/git-upload-pack")?)
            .header(CONTENT_TYPE, REQUEST_TYPE)
            .body(request);
        if let Some(value) = self.credentials.authorization() {
            post = post.header(AUTHORIZATION, value);
        }
        let answer = exchange(self.settings.with_headers(post), &self.repository.url, task)?;
        if !answer.status().is_success() {
            return Err(refusal(answer.status(), &self.repository.url, &self.credentials));
        }
        self.answer = Some(answer);
        Ok(())
    }

    /// The next piece of the answer; empty at its end.
    pub(super) fn read(&mut self, task: &Task<'_>) -> Result<Vec<u8>, GitProblem> {
        let Some(answer) = &mut self.answer else {
            return Ok(Vec::new());
        };
        let piece = task
            .wait(answer.chunk())?
            .map_err(|error| in_words(&error.without_url(), &self.repository.url))?;
        match piece {
            Some(piece) => Ok(piece.into()),
            None => {
                self.answer = None;
                Ok(Vec::new())
            }
        }
    }
}

impl Repository {
    fn at(&self, path: &str) -> Result<Url, GitProblem> {
        let text = format!("{}{path}", self.url.as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|_| GitProblem::protocol("its URL cannot be asked"))
    }
}

/// The URL without credentials, query and fragment.
fn bare(url: &Url) -> Url {
    let mut url = url.clone();
    // Fails for URLs without a host alone, which have no credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url
}

fn client(settings: &HttpSettings, url: &Url) -> Result<Client, GitProblem> {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(USER_AGENT)
        .http1_only()
        .connect_timeout(CONNECT_LIMIT)
        .tcp_keepalive(KEEPALIVE);
    settings
        .configure(builder, url)?
        .build()
        .map_err(|error| in_words(&error.without_url(), url))
}

fn exchange(request: RequestBuilder, url: &Url, task: &Task<'_>) -> Result<Response, GitProblem> {
    task.wait(request.send())?
        .map_err(|error| in_words(&error.without_url(), url))
}

fn offers_basic(answer: &Response) -> bool {
    let mut offers = answer.headers().get_all(WWW_AUTHENTICATE).iter().peekable();
    offers.peek().is_none()
        || offers.any(|offer| {
            offer
                .to_str()
                .is_ok_and(|offer| offer.to_ascii_lowercase().contains("basic"))
        })
}

/// Where the repository is instead.
fn redirect_target(answer: &Response, from: &Url, count: usize) -> Result<Url, GitProblem> {
    let location = answer
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .unwrap_or_default();
    let refuse = |reason| GitProblem::Redirect {
        target: shown(location),
        reason,
    };
    if count > MOST_REDIRECTS {
        return Err(refuse("after too many other redirects"));
    }
    let base = Url::parse(&format!("{}{LIST}", from.as_str().trim_end_matches('/')))
        .map_err(|_| refuse("which cannot be asked"))?;
    let target = base.join(location).map_err(|_| refuse("which is no URL"))?;
    if from.scheme() == "https" && target.scheme() != "https" {
        return Err(refuse("which is not encrypted"));
    }
    let repository = target.as_str().strip_suffix(LIST);
    let repository = repository.ok_or_else(|| refuse("which is no repository's list of branches"))?;
    let repository = Url::parse(repository).map_err(|_| refuse("which is no URL"))?;
    Ok(bare(&repository))
}

/// Checks that the answer is a list of references.
fn check(answer: &Response, url: &Url, credentials: &Credentials) -> Result<(), GitProblem> {
    if !answer.status().is_success() {
        return Err(refusal(answer.status(), url, credentials));
    }
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or("no content type");
    if kind == LIST_TYPE {
        return Ok(());
    }
    Err(GitProblem::protocol(format!(
        "'{url}' does not speak Git's smart protocol (it sends {kind})"
    )))
}

fn refusal(status: StatusCode, url: &Url, credentials: &Credentials) -> GitProblem {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => GitProblem::Access {
            host: host_of(url),
            tried: credentials.tried(),
        },
        StatusCode::NOT_FOUND | StatusCode::GONE => GitProblem::NoRepository {
            answer: format!("'{}' answers {status}", host_of(url)),
        },
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => GitProblem::Unreachable {
            host: host_of(url),
            reason: "the proxy asks for a user and password".to_owned(),
        },
        _ => GitProblem::Refused {
            message: format!("'{}' answers {status}", host_of(url)),
        },
    }
}
