//! The settings of Git for connections by HTTP: certificates, proxy, further headers.

use git2::Config;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{ClientBuilder, NoProxy, Proxy, RequestBuilder, Url};

use super::super::problem::GitProblem;
use crate::env_vars;
use crate::http::Verification;
use crate::redact::{Secret, without_credentials};

/// What `http.*` and `http.<url>.*` say for a URL.
pub(super) struct HttpSettings {
    /// The file with the trusted certificates, and which setting names it.
    certificates: Option<(&'static str, String)>,
    checks_certificate: bool,
    proxy: Option<Secret>,
    headers: Vec<Secret>,
}

impl HttpSettings {
    /// Reads the variables and the configuration.
    pub(super) fn read(config: &Config, url: &Url) -> Self {
        let values = |name: &str| http_values(config, name, url);
        let value = |name: &str| values(name).pop();
        let from_variable = env_vars::non_empty(env_vars::GIT_SSL_CAINFO);
        Self {
            certificates: match from_variable {
                Some(path) => Some((env_vars::GIT_SSL_CAINFO, path)),
                None => value("sslcainfo")
                    .filter(|path| !path.is_empty())
                    .map(|path| ("http.sslCAInfo", with_home(&path))),
            },
            checks_certificate: std::env::var_os(env_vars::GIT_SSL_NO_VERIFY).is_none()
                && value("sslverify")
                    .and_then(|text| Config::parse_bool(text).ok())
                    .unwrap_or(true),
            proxy: value("proxy").map(Secret::new),
            headers: values("extraheader").into_iter().map(Secret::new).collect(),
        }
    }

    /// Puts the settings into a client that is being built for a URL.
    pub(super) fn configure(
        &self,
        mut builder: ClientBuilder,
        url: &Url,
    ) -> Result<ClientBuilder, GitProblem> {
        if url.scheme() == "http" {
            // To read the system's certificates takes longer than a small fetch.
            builder = builder.tls_certs_only([]);
        } else if let Some((name, path)) = &self.certificates {
            let bundle = Verification::Bundle {
                path: path.into(),
                variable: name,
            };
            builder = bundle.configure(builder).map_err(|error| GitProblem::Setting {
                name,
                value: path.clone(),
                reason: error.reason(),
            })?;
        }
        if !self.checks_certificate {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        let Some(proxy) = &self.proxy else {
            // The variables of common use count.
            return Ok(builder);
        };
        if proxy.expose().is_empty() {
            return Ok(builder.no_proxy());
        }
        let proxy = Proxy::all(proxy.expose()).map_err(|error| GitProblem::Setting {
            name: "http.proxy",
            value: without_credentials(proxy.expose()),
            reason: error.without_url().to_string(),
        })?;
        Ok(builder.proxy(proxy.no_proxy(NoProxy::from_env())))
    }

    /// Adds the further headers that the configuration asks for.
    pub(super) fn with_headers(&self, mut request: RequestBuilder) -> RequestBuilder {
        // An empty one takes those before it away.
        let start = self
            .headers
            .iter()
            .rposition(|header| header.expose().is_empty())
            .map_or(0, |last| last + 1);
        for header in &self.headers[start..] {
            if let Some((name, value)) = header.expose().split_once(':')
                && let (Ok(name), Ok(mut value)) = (
                    HeaderName::from_bytes(name.trim().as_bytes()),
                    HeaderValue::from_str(value.trim()),
                )
            {
                value.set_sensitive(true);
                request = request.header(name, value);
            }
        }
        request
    }
}

/// The values of `http.<name>`: those for a part of the URL win over those for all, and those for a
/// longer part over those for a shorter one. From `git-config`, without its wildcards.
fn http_values(config: &Config, name: &str, url: &Url) -> Vec<String> {
    let mut best: (usize, Vec<String>) = (0, Vec::new());
    let Ok(mut entries) = config.entries(Some(&format!(r"^http\.(.*\.)?{name}$"))) else {
        return Vec::new();
    };
    while let Some(Ok(entry)) = entries.next() {
        let key = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        let value = String::from_utf8_lossy(entry.value_bytes()).into_owned();
        let part = key
            .strip_prefix("http.")
            .and_then(|key| key.strip_suffix(name))
            .unwrap_or_default()
            .trim_end_matches('.');
        let length = match Url::parse(part) {
            Ok(part) if begins(url, &part) => part.as_str().len(),
            _ if part.is_empty() => 0,
            _ => continue,
        };
        if length > best.0 {
            best = (length, vec![value]);
        } else if length == best.0 {
            best.1.push(value);
        }
    }
    best.1
}

/// Whether `part` names the URL's host, and its path or one above it.
fn begins(url: &Url, part: &Url) -> bool {
    let above = part.path().trim_end_matches('/');
    let below = url.path().strip_prefix(above);
    url.origin() == part.origin() && below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

fn with_home(path: &str) -> String {
    match (path.strip_prefix("~/"), env_vars::non_empty(env_vars::HOME)) {
        (Some(below), Some(home)) => format!("{home}/{below}"),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_part_of_the_url_wins() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config");
        std::fs::write(
            &file,
            "[http]\n sslVerify = false\n proxy = http://all\n[http \"https://host\"]\n proxy = http://one\n extraHeader = a: b\n extraHeader = c: d\n\
             [http \"https://host/org\"]\n proxy = http://two\n[http \"https://host:8443\"]\n proxy = http://three\n",
        )
        .unwrap();
        let config = Config::open(&file).unwrap();
        for (url, name, expected) in [
            ("https://other/x", "proxy", &["http://all"][..]),
            ("https://host/x", "proxy", &["http://one"]),
            ("https://host/org/x", "proxy", &["http://two"]),
            ("https://host/organisation", "proxy", &["http://one"]),
            ("https://host:8443/org", "proxy", &["http://three"]),
            ("https://host/x", "extraheader", &["a: b", "c: d"]),
            ("https://other/x", "extraheader", &[]),
            ("https://host/x", "sslverify", &["false"]),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(http_values(&config, name, &url), expected, "{name} of {url}");
        }
    }
}
