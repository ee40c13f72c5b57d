//! Where redirects lead, and what may go there.

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{StatusCode, Url};

/// As many redirects as Python's `requests` follows.
pub(crate) const MOST_REDIRECTS: usize = 30;

/// Where an answer to a request for `from` sends the client.
pub(crate) fn redirect_target(from: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Url> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = String::from_utf8_lossy(headers.get(LOCATION)?.as_bytes()).into_owned();
    from.join(&location).ok()
}

/// Whether a redirect with this status asks for the same request, not for a `GET`.
pub(super) fn keeps_method(status: StatusCode) -> bool {
    matches!(status.as_u16(), 307 | 308)
}

/// Whether a redirect stays with the server that the credentials are for: the same host, port and
/// scheme, or the step from HTTP to HTTPS on their usual ports. As Python's `requests` decides it.
pub(crate) fn may_see_credentials(from: &Url, to: &Url) -> bool {
    if from.host_str() != to.host_str() {
        return false;
    }
    let (from_port, to_port) = (from.port_or_known_default(), to.port_or_known_default());
    let is_upgrade = from.scheme() == "http" && to.scheme() == "https";
    (is_upgrade && from_port == Some(80) && to_port == Some(443))
        || (from.scheme() == to.scheme() && from_port == to_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_with_their_server() {
        for (from, to, expected) in [
            ("http://a/x", "http://a/y", true),
            ("http://a/x", "http://a:80/y", true),
            ("http://a/x", "https://a/y", true),
            ("http://a:5000/x", "https://a/y", false),
            ("http://a:5000/x", "http://a:5001/y", false),
            ("https://a/x", "http://a/y", false),
            ("http://a/x", "http://b/y", false),
        ] {
            let (from, to) = (Url::parse(from).unwrap(), Url::parse(to).unwrap());
            assert_eq!(may_see_credentials(&from, &to), expected, "{from} {to}");
        }
    }
}
