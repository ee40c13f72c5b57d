//! Where a server is, taken apart from its URL.

use percent_encoding::percent_decode_str;
use reqwest::Url;

use super::super::problem::GitProblem;
use crate::project_uri::shown;

/// The port of Git's own daemon.
const DAEMON_PORT: u16 = 9418;

/// The address of a repository on a server. May hold credentials.
pub(in crate::fetch::git) enum Address {
    /// `http://` and `https://`, with whatever credentials the URL has.
    Http(Url),
    /// `ssh://` and `user@host:path`.
    Ssh(SshAddress),
    /// `git://`.
    Daemon { host: String, port: u16, path: String },
}

/// A repository behind SSH.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::fetch::git) struct SshAddress {
    /// `host` or `user@host`, as `ssh` takes it.
    pub(super) destination: String,
    pub(super) port: Option<u16>,
    /// The path on the host, as a shell there takes it but unquoted.
    pub(super) path: String,
}

impl Address {
    /// Takes a URL apart that has been checked as a project's or a submodule's.
    pub(in crate::fetch::git) fn parse(text: &str) -> Result<Self, GitProblem> {
        let malformed = || GitProblem::protocol(format!("'{}' is no URL of a repository", shown(text)));
        let Some((scheme, rest)) = text.split_once("://") else {
            let (destination, path) = split_scp_like(text).ok_or_else(malformed)?;
            return Ok(Self::Ssh(SshAddress {
                destination,
                port: None,
                path: path.to_owned(),
            }));
        };
        if matches!(scheme, "http" | "https") {
            return Url::parse(text).map(Self::Http).map_err(|_| malformed());
        }
        let (authority, path) = rest.split_at(rest.find('/').ok_or_else(malformed)?);
        let (user, host) = match authority.rsplit_once('@') {
            // SSH takes no password from a URL.
            Some((user, host)) => (user.split(':').next(), host),
            None => (None, authority),
        };
        let (host, port) = split_port(host);
        let port = match port {
            None | Some("") => None,
            Some(digits) => Some(digits.parse().map_err(|_| malformed())?),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (host, path) = (decoded(host), decoded(path));
        if host.is_empty() || host.starts_with('-') || path.contains('\0') {
            return Err(malformed());
        }
        match scheme {
            "ssh" | "git+ssh" | "ssh+git" => Ok(Self::Ssh(SshAddress {
                destination: match user.filter(|user| !user.is_empty()) {
                    Some(user) if user.starts_with('-') => return Err(malformed()),
                    Some(user) => format!("{}@{host}", decoded(user)),
                    None => host,
                },
                port,
                // `/~user/x` is below a home directory.
                path: path
                    .strip_prefix('/')
                    .filter(|path| path.starts_with('~'))
                    .unwrap_or(&path)
                    .to_owned(),
            })),
            "git" => Ok(Self::Daemon {
                host,
                port: port.unwrap_or(DAEMON_PORT),
                path,
            }),
            _ => Err(malformed()),
        }
    }
}

/// Splits `host:port` and `[host]:port`; brackets go.
fn split_port(host: &str) -> (&str, Option<&str>) {
    if let Some((inner, after)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return (inner, after.strip_prefix(':'));
    }
    match host.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    }
}

/// Splits `user@host:path` and `user@[host]:path`.
fn split_scp_like(text: &str) -> Option<(String, &str)> {
    let (authority, path) = match text.find("]:") {
        Some(end) => (&text[..=end], &text[end + 2..]),
        None => text.split_once(':')?,
    };
    let destination = authority.replace(['[', ']'], "");
    (!destination.is_empty() && !destination.starts_with('-') && !path.is_empty())
        .then_some((destination, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_addresses_are_taken_apart() {
        for (text, destination, port, path) in [
            ("git@host:org/repo.git", "git@host", None, "org/repo.git"),
            ("host:/srv/repo", "host", None, "/srv/repo"),
            ("git@[::1]:repo", "git@::1", None, "repo"),
            ("ssh://host/srv/repo", "host", None, "/srv/repo"),
            (
                "ssh://git@host:2222/srv/a%20b",
                "git@host",
                Some(2222),
                "/srv/a b",
            ),
            ("ssh://git:password@host/x", "git@host", None, "/x"),
            ("git+ssh://git@[::1]:22/~user/x", "git@::1", Some(22), "~user/x"),
        ] {
            match Address::parse(text) {
                Ok(Address::Ssh(address)) => assert_eq!(
                    (address.destination.as_str(), address.port, address.path.as_str()),
                    (destination, port, path),
                    "{text}"
                ),
                _ => panic!("{text}"),
            }
        }
    }

    #[test]
    fn what_would_be_an_option_is_refused() {
        for text in [
            "ssh://-oProxyCommand=x/y",
            "-oProxyCommand=x:y",
            "ssh://%2doProxyCommand=x/y",
            "git://host:x/y",
            "ext::sh -c x",
            "ssh://host",
        ] {
            assert!(
                !matches!(Address::parse(text), Ok(Address::Ssh(address)) if address.destination.starts_with('-')),
                "{text}"
            );
        }
        assert!(Address::parse("git://host:x/y").is_err());
        assert!(Address::parse("ssh://-oProxyCommand=x/y").is_err());
    }

    #[test]
    fn the_daemon_has_its_port() {
        assert!(matches!(
            Address::parse("git://host/x"),
            Ok(Address::Daemon {
                port: DAEMON_PORT,
                ..
            })
        ));
    }
}
