//! URLs of Git repositories, and of web pages that show a directory of one.

use std::fmt;

use super::error::ProjectUriError;
use crate::python_paths::{split_scheme, unquote};
use crate::redact::shown_url;

/// A Git repository behind a URL. The URL may contain credentials; `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct GitUrl {
    url: String,
    tree: Option<String>,
}

impl GitUrl {
    fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            tree: None,
        }
    }

    /// Reads `http(s)://…`, which may be the address of a page.
    pub(super) fn parse_http(text: &str) -> Result<Self, ProjectUriError> {
        check(text)?;
        Ok(browser_page(text)?.unwrap_or_else(|| Self::new(text)))
    }

    /// Reads the URL of a repository on another machine; `None` if the text is not a URL at all.
    ///
    /// # Errors
    /// The URL is malformed, Git could not fetch from it, or a program could read it as an option or as a
    /// program to run.
    pub fn parse_remote(text: &str) -> Result<Option<Self>, ProjectUriError> {
        if text.starts_with('-') {
            return Err(ProjectUriError::LeadingHyphen {
                given: shown_url(text),
            });
        }
        if let Some(helper) = remote_helper(text) {
            return Err(ProjectUriError::RemoteHelper {
                given: shown_url(text),
                helper: helper.to_owned(),
            });
        }
        match scheme(text) {
            Some("http" | "https" | "ssh" | "git" | "git+ssh" | "ssh+git") => {
                check(text)?;
                Ok(Some(Self::new(text)))
            }
            Some(scheme) => Err(ProjectUriError::UnsupportedScheme {
                scheme: scheme.to_owned(),
                given: shown_url(text),
            }),
            None => Self::parse_scp_like(text),
        }
    }

    /// Reads `user@host:path`, which Git takes for SSH: there is a colon, and no slash before it.
    fn parse_scp_like(text: &str) -> Result<Option<Self>, ProjectUriError> {
        let host_end = if text.contains('[') {
            text.find("]:").map(|end| end + 1)
        } else {
            text.find(':')
        };
        let Some(host_end) = host_end.filter(|end| !text[..*end].contains('/')) else {
            return Ok(None);
        };
        let (authority, path) = (&text[..host_end], &text[host_end + 1..]);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if user.is_none() && path.split('/').next().is_some_and(|first| first.contains('@')) {
            return Err(ProjectUriError::CredentialsWithoutScheme {
                host: path.rsplit_once('@').map_or(path, |(_, host)| host).to_owned(),
            });
        }
        let reason = if user.is_none() && host.len() == 1 {
            "Windows drives are not supported"
        } else if host.is_empty() || user == Some("") {
            "the host or the user before the colon is empty"
        } else if authority.starts_with('-') || host.starts_with('-') || path.starts_with('-') {
            "a user, host or path that begins with '-' would be read as an option"
        } else if path.is_empty() {
            "the path after the colon is missing"
        } else {
            return Ok(Some(Self::new(text)));
        };
        Err(malformed(text, reason))
    }

    /// The repository's own URL, credentials included.
    pub fn expose(&self) -> &str {
        &self.url
    }

    /// What a page of a Git host shows: a branch, tag or commit, and a directory in it, as one text. Only the
    /// repository's branches show where the version ends and the directory begins.
    pub fn tree(&self) -> Option<&str> {
        self.tree.as_deref()
    }
}

/// The repository's URL without credentials.
impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_url(&self.url))
    }
}

impl fmt::Debug for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitUrl")
            .field("url", &shown_url(&self.url))
            .field("tree", &self.tree)
            .finish()
    }
}

/// Checks that `scheme://authority/path` has a host and that no program could read a part of it as an option.
pub(super) fn check(url: &str) -> Result<(), ProjectUriError> {
    let Some((_, rest)) = url.split_once("://") else {
        return Err(malformed(url, "'://' is missing"));
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = match host.rfind(']') {
        Some(end) => host.split_at(end + 1),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_digits = port.strip_prefix(':').unwrap_or(port);
    let reason = if host.is_empty() {
        "the host is missing"
    } else if host.starts_with('-') || user.starts_with('-') {
        "a user or host that begins with '-' would be read as an option"
    } else if !port_digits.is_empty() && port_digits.parse::<u16>().is_err() {
        "the port is not a number up to 65535"
    } else if path.trim_matches('/').is_empty() {
        "the repository after the host is missing"
    } else if path.starts_with("/-") {
        "a path that begins with '-' would be read as an option"
    } else {
        return Ok(());
    };
    Err(malformed(url, reason))
}

fn malformed(url: &str, reason: &'static str) -> ProjectUriError {
    ProjectUriError::MalformedUrl {
        given: shown_url(url),
        reason,
    }
}

/// The helper in `helper::address`, which makes Git run the program `git-remote-helper`.
fn remote_helper(text: &str) -> Option<&str> {
    let (helper, _) = text.split_once("::")?;
    let is_name = !helper.is_empty()
        && helper
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.'));
    is_name.then_some(helper)
}

/// Reads the address of a web page that shows a directory: `…/tree/version/directory` (GitHub, GitLab
/// and their kin), `…/src/branch/version/directory` (Gitea and Forgejo),
/// `…/src/version/directory` (Bitbucket), and `…/blob/…/MLproject`.
fn browser_page(url: &str) -> Result<Option<GitUrl>, ProjectUriError> {
    let location = url.split_once('?').map_or(url, |(location, _)| location);
    let Some(path_start) = location
        .find("://")
        .and_then(|end| location[end + 3..].find('/').map(|slash| end + 3 + slash))
    else {
        return Ok(None);
    };
    let (site, path) = location.split_at(path_start);
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let Some((repository, kind, mut shown_path)) = split_page(site, &segments) else {
        return Ok(None);
    };
    if kind == "blob" {
        match shown_path.split_last() {
            Some((file, directory)) if file.eq_ignore_ascii_case("MLproject") && !directory.is_empty() => {
                shown_path = directory;
            }
            _ => {
                return Err(ProjectUriError::PageOfFile {
                    given: shown_url(url),
                });
            }
        }
    }
    let tree = unquote(&shown_path.join("/"));
    if tree.chars().any(char::is_control) {
        return Err(ProjectUriError::ControlCharacter {
            given: shown_url(url),
        });
    }
    Ok(Some(GitUrl {
        url: format!("{site}/{}", repository.join("/")),
        tree: Some(tree),
    }))
}

/// The repository's path, the kind of page, and the rest of the path.
fn split_page<'a, 'b>(
    site: &str,
    segments: &'b [&'a str],
) -> Option<(&'b [&'a str], &'a str, &'b [&'a str])> {
    let is_page = |kind: &str| matches!(kind, "tree" | "blob");
    let (repository_end, kind_at, rest) =
        if let Some(dash) = segments.iter().position(|segment| *segment == "-") {
            // GitLab puts `/-/` behind the repository, which may be nested in groups.
            (dash, dash + 1, dash + 2)
        } else {
            let gitea = matches!(segments.get(3), Some(&("branch" | "tag" | "commit")));
            match *segments.get(2)? {
                "src" if gitea => (2, 2, 4),
                "src" if site.ends_with("//bitbucket.org") || site.ends_with("@bitbucket.org") => (2, 2, 3),
                kind if is_page(kind) => (2, 2, 3),
                _ => return None,
            }
        };
    let kind = *segments.get(kind_at)?;
    let known = is_page(kind) || kind == "src";
    (known && repository_end >= 2 && rest < segments.len())
        .then(|| (&segments[..repository_end], kind, &segments[rest..]))
}

/// The scheme of `scheme://…`, if the text begins with one. Schemes are written in lower case here
/// as everywhere in Git.
pub(super) fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = split_scheme(text)?;
    rest.starts_with("//").then_some(scheme)
}
