//! Which bucket a URI names, and on whose service.

use std::net::Ipv4Addr;

use reqwest::Url;

/// An object, or the beginning of the names of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct S3Place {
    pub(in crate::data) bucket: String,
    pub(in crate::data) key: String,
    pub(super) server: Option<Server>,
}

/// A service that the URI names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) url: Url,
    /// Whether a bucket is a part of the host's name.
    pub(super) is_virtual: bool,
    pub(super) region: Option<String>,
}

impl S3Place {
    /// Reads what stands after the scheme: `//bucket/key`, or `//bucket@host/key` for `r2` and `b2`. A
    /// query is no part of the key, as in MLflow.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::data) fn parse(scheme: &str, rest: &str) -> Result<Self, String> {
        // What follows a number sign is no query.
        let rest = match rest.find(['?', '#']) {
            Some(at) if rest[at..].starts_with('?') => &rest[..at],
            _ => rest,
        };
        let rest = rest.strip_prefix("//").unwrap_or_default();
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, server) = match (scheme, authority.split_once('@')) {
            ("r2" | "b2", Some((bucket, host))) if !host.is_empty() => {
                let server = Server::of_host(scheme, host);
                (
                    bucket,
                    Some(server.ok_or_else(|| format!("'{host}' is not a valid host"))?),
                )
            }
            ("r2" | "b2", _) => return Err(format!("it must be {scheme}://<bucket>@<host>/<path>")),
            _ => (authority, None),
        };
        if bucket.is_empty() {
            return Err("it names no bucket".to_owned());
        }
        if bucket.contains(['@', ':']) {
            return Err("credentials cannot stand in it".to_owned());
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            server,
        })
    }
}

impl Server {
    fn of_host(scheme: &str, host: &str) -> Option<Self> {
        let url = Url::parse(&format!("https://{host}")).ok()?;
        let has_only_host = url.username().is_empty() && url.password().is_none() && url.path() == "/";
        let name = url.host_str().filter(|_| has_only_host)?;
        let (is_virtual, region) = match name.strip_prefix("s3.") {
            _ if scheme == "r2" => (name.parse::<Ipv4Addr>().is_err(), Some("auto")),
            Some(rest) => (false, rest.strip_suffix(".backblazeb2.com")),
            None => (false, None),
        };
        Some(Self {
            is_virtual,
            region: region.map(str::to_owned),
            url,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_by_uris() {
        for (scheme, rest, expected) in [
            ("s3", "//b/a#b?c", Ok("b a#b?c")),
            ("s3", "//b//a%20+b//c?x", Ok("b /a%20+b//c")),
            (
                "b2",
                "//b@s3.us-west-004.backblazeb2.com/a",
                Ok("b a https://s3.us-west-004.backblazeb2.com/ us-west-004"),
            ),
            ("r2", "//b@127.0.0.1:9000", Ok("b  https://127.0.0.1:9000/ auto")),
            ("b2", "//b@/a", Err("it must be b2://<bucket>@<host>/<path>")),
            ("b2", "//b@u:p@h/a", Err("'u:p@h' is not a valid host")),
            ("s3", "//b@h/a", Err("credentials cannot stand in it")),
            ("s3", "/b", Err("it names no bucket")),
        ] {
            let parsed = S3Place::parse(scheme, rest).map(|place| {
                let server = place.server.map_or_else(String::new, |server| {
                    format!(" {} {}", server.url, server.region.unwrap_or_default())
                });
                format!("{} {}{server}", place.bucket, place.key)
            });
            let parsed = parsed.as_ref().map(String::as_str).map_err(String::as_str);
            assert_eq!(parsed, expected, "{scheme}:{rest}");
        }
    }
}
