//! The repository to fetch from, and the credentials for its server.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use percent_encoding::percent_decode_str;
use reqwest::Url;

use crate::redact::{Secret, shown_url};

/// A repository at a URL or on this machine. Its `Display` never contains a credential.
#[derive(Clone)]
pub(super) struct Remote {
    /// The path, or the URL without credentials. The user name of an SSH URL is not a credential.
    pub(super) location: OsString,
    url: String,
    /// The user and the password in the URL.
    pub(super) credentials: Option<Credentials>,
}

#[derive(Clone)]
pub(super) struct Credentials {
    /// The scheme and host that the credentials are for.
    pub(super) site: String,
    pub(super) user: Secret,
    pub(super) password: Option<Secret>,
}

impl Remote {
    /// A repository at a path or a checked URL, which may contain credentials.
    pub(super) fn new(text: &str) -> Self {
        let url = without_password(text);
        Self {
            location: url.clone().into(),
            url,
            credentials: credentials(text),
        }
    }

    /// A local repository, whose path may be any bytes.
    pub(super) fn of_path(path: &Path) -> Self {
        Self {
            location: path.into(),
            ..Self::new(&path.display().to_string())
        }
    }

    /// The repository of a submodule. A relative URL is resolved against this one.
    pub(super) fn of_submodule(&self, url: &str) -> Self {
        if url.starts_with('.') {
            self.clone()
        } else {
            Self::new(url)
        }
    }

    /// The location as text, for libgit2, which decodes the escapes of a URL.
    pub(super) fn url(&self) -> Cow<'_, str> {
        match (self.location.to_str(), Url::from_file_path(&self.location)) {
            (None, Ok(url)) => Cow::Owned(url.into()),
            _ => Cow::Borrowed(&self.url),
        }
    }

    pub(super) fn is_local(&self) -> bool {
        is_local(&self.url)
    }

    pub(super) fn is_ssh(&self) -> bool {
        match self.url.split_once("://") {
            Some((scheme, _)) => scheme.contains("ssh"),
            None => !self.is_local(),
        }
    }

    /// The server's name for messages, with the port in the URL.
    pub(super) fn host(&self) -> String {
        let url = shown_url(&self.url);
        let (authority, end) = match url.split_once("://") {
            Some((_, rest)) => (rest, '/'),
            None => (url.as_str(), ':'),
        };
        let host = authority.split(end).next().unwrap_or_default();
        host.rsplit('@').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_url(&self.url))
    }
}

/// Whether a path or URL refers to this machine.
pub(super) fn is_local(url: &str) -> bool {
    url.starts_with("file://") || Path::new(url).is_absolute()
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| scheme.contains("ssh")) else {
        return shown_url(url);
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split(':').next().unwrap_or(user);
            format!("{scheme}://{user}@{host}{path}")
        }
        None => url.to_owned(),
    }
}

fn credentials(url: &str) -> Option<Credentials> {
    let url = Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let decoded = |text: &str| Secret::new(percent_decode_str(text).decode_utf8_lossy());
    let has_any = !url.username().is_empty() || url.password().is_some();
    has_any.then(|| Credentials {
        site: url.origin().ascii_serialization(),
        user: decoded(url.username()),
        password: url.password().map(decoded),
    })
}
