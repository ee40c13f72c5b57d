//! `s3://`: Amazon S3, and compatible services (`r2://`, `b2://`).

mod arguments;
mod service;

use std::fmt::Display;
use std::net::Ipv4Addr;
use std::sync::Mutex;

use opendal::{Metadata, services};
use reqwest::header::{CONTENT_RANGE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use crate::artifact::checksum::{Algorithm, Checksum};
use crate::artifact::error::{RepositoryError, Result};
use crate::artifact::http_request::text;
use crate::artifact::object_repository::{ObjectRepository, ObjectService};
use crate::artifact::repository::{ArtifactRepository, locked};
use crate::artifact::s3::arguments::ExtraArguments;
use crate::aws::{AwsSettings, CredentialsProvider, regional_address};
use crate::env_vars;
use crate::http::{self, Verification};
use crate::python_paths::quote_part;

const NAME: &str = "S3";

/// The library builds requests for this address, which are then given the real one. By itself it would mistake the
/// beginning of some addresses for the bucket, and it supports only one region.
const NOMINAL_ENDPOINT: &str = "https://s3.invalid";
const NOMINAL_BUCKET: &str = "bucket";

/// An object, or a prefix of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::artifact) struct S3Uri {
    pub(in crate::artifact) bucket: String,
    pub(in crate::artifact) key: String,
    server: Option<Server>,
}

/// A service in the URI.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    url: Url,
    /// Whether the bucket is part of the host name.
    is_virtual: bool,
    region: Option<String>,
}

impl S3Uri {
    /// Reads the part after the scheme: `//bucket/key`, or `//bucket@host/key` for `r2` and `b2`. As in MLflow, a
    /// query is not part of the key.
    pub(in crate::artifact) fn parse(scheme: &str, rest: &str) -> Result<Self, String> {
        // There is no query after a `#`.
        let rest = match rest.find(['?', '#']) {
            Some(at) if rest[at..].starts_with('?') => &rest[..at],
            _ => rest,
        };
        let rest = rest.strip_prefix("//").unwrap_or_default();
        let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
        let (bucket, server) = match (scheme, authority.split_once('@')) {
            ("r2" | "b2", Some((bucket, host))) if !host.is_empty() => {
                let server = Server::of_host(scheme, host);
                let server = server.ok_or_else(|| format!("'{host}' is not a valid host"))?;
                (bucket, Some(server))
            }
            ("r2" | "b2", _) => return Err(format!("write {scheme}://BUCKET@HOST/PATH")),
            _ => (authority, None),
        };
        if bucket.is_empty() {
            return Err("it contains no bucket".to_owned());
        }
        if bucket.contains(['@', ':']) {
            return Err("it must not contain credentials".to_owned());
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

pub(in crate::artifact) struct S3 {
    client: Client,
    provider: CredentialsProvider,
    /// Why requests have no credentials, if they have none.
    without: Mutex<Option<String>>,
    /// The region; corrected by the first refusal if the bucket is in another one.
    region: Mutex<String>,
    /// The address of another service than Amazon's.
    endpoint: Option<Url>,
    /// Whether the bucket is part of the host name.
    is_virtual: bool,
    bucket: String,
    arguments: ExtraArguments,
    /// The checksum of the last described object.
    described: Mutex<Option<Checksum>>,
    /// The bytes of the current upload that the service has received.
    sent: Mutex<u64>,
}

impl S3 {
    /// The place, with the settings of the environment. This sends no requests.
    pub(in crate::artifact) fn open(place: &S3Uri) -> Result<Box<dyn ArtifactRepository>> {
        let variable = &env_vars::non_empty;
        let settings = AwsSettings::read(variable)?;
        let style = variable(env_vars::MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE)
            .or_else(|| settings.of_profile("s3.addressing_style").map(str::to_owned))
            .unwrap_or_default();
        let (endpoint, is_virtual) = match (&place.server, endpoint(&settings)?) {
            (Some(server), _) => (Some(server.url.clone()), server.is_virtual),
            (None, Some(url)) => (Some(url), style == "virtual"),
            (None, None) => (None, style != "path" && can_be_host(&place.bucket)),
        };
        let verification = if ignores_tls() {
            Verification::Off
        } else {
            settings.verification()
        };
        let is_tls = endpoint.as_ref().is_none_or(|url| url.scheme() == "https");
        let version = env_vars::MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION;
        let is_unsigned = variable(version).is_some_and(|value| value.eq_ignore_ascii_case("unsigned"));
        let region = place.server.as_ref().and_then(|server| server.region.clone());
        let service = Self {
            client: http::client(is_tls.then_some(&verification), Policy::none())?,
            region: Mutex::new(region.unwrap_or_else(|| settings.region().to_owned())),
            provider: CredentialsProvider::new(settings),
            without: Mutex::new(is_unsigned.then(|| format!("{version} is unsigned"))),
            endpoint,
            is_virtual,
            bucket: place.bucket.clone(),
            arguments: ExtraArguments::read()?,
            described: Mutex::default(),
            sent: Mutex::default(),
        };
        service.base()?;
        let builder = services::S3::default()
            .endpoint(NOMINAL_ENDPOINT)
            .bucket(NOMINAL_BUCKET)
            .region("us-east-1")
            .disable_config_load()
            .skip_signature();
        Ok(Box::new(ObjectRepository::new(service, builder, &place.key)?))
    }

    fn region(&self) -> String {
        locked(&self.region).clone()
    }

    fn base(&self) -> Result<Url> {
        let mut url = match &self.endpoint {
            Some(url) => url.clone(),
            None => {
                let region = self.region();
                Url::parse(&regional_address("s3", &region))
                    .map_err(|error| strange(format_args!("region '{region}': {error}")))?
            }
        };
        let path = url.path().trim_end_matches('/').to_owned();
        if self.is_virtual {
            let host = format!("{}.{}", self.bucket, url.host_str().unwrap_or_default());
            url.set_host(Some(&host)).map_err(strange)?;
            url.set_path(&format!("{path}/"));
        } else {
            let bucket = quote_part(&self.bucket);
            url.set_path(&format!("{path}/{bucket}/"));
        }
        Ok(url)
    }
}

impl ObjectService for S3 {
    fn place(&self) -> String {
        format!("the bucket '{}'", self.bucket)
    }

    fn listed_checksum(&self, _about: &Metadata) -> Option<Checksum> {
        locked(&self.described).take()
    }

    fn checksum(&self, headers: &HeaderMap) -> Option<Checksum> {
        if headers.contains_key(CONTENT_RANGE) {
            md5_of_tag(headers, text(headers, "etag")?)
        } else {
            checksum(headers)
        }
    }
}

/// The address in the settings instead of Amazon's.
fn endpoint(settings: &AwsSettings) -> Result<Option<Url>> {
    let own = env_vars::non_empty(env_vars::MLFLOW_S3_ENDPOINT_URL);
    let (name, address) = match (&own, settings.endpoint_url("s3")) {
        (Some(own), _) => (env_vars::MLFLOW_S3_ENDPOINT_URL, own.as_str()),
        (None, Some(address)) => ("the endpoint of S3", address),
        (None, None) => return Ok(None),
    };
    let url = Url::parse(address).ok().filter(Url::has_host);
    url.map(Some).ok_or_else(|| {
        let what = format!("{name} '{}'", crate::redact::without_credentials(address));
        RepositoryError::settings(what, "not a URL such as https://HOST:9000")
    })
}

/// Whether a bucket can be the first part of a host name. It must not contain dots, which certificates do not cover.
fn can_be_host(bucket: &str) -> bool {
    let is_plain = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    (3..=63).contains(&bucket.len())
        && bucket.bytes().all(is_plain)
        && !bucket.starts_with('-')
        && !bucket.ends_with('-')
}

/// Whether `MLFLOW_S3_IGNORE_TLS` disables the check of certificates.
pub(super) fn ignores_tls() -> bool {
    env_vars::non_empty(env_vars::MLFLOW_S3_IGNORE_TLS)
        .is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
}

fn strange(reason: impl Display) -> RepositoryError {
    RepositoryError::strange(NAME, reason)
}

/// The checksum of a whole object: the writer's choice, otherwise the MD5 in its entity tag.
pub(super) fn checksum(headers: &HeaderMap) -> Option<Checksum> {
    [
        ("x-amz-checksum-crc64nvme", Algorithm::Crc64Nvme),
        ("x-amz-checksum-crc32c", Algorithm::Crc32c),
        ("x-amz-checksum-crc32", Algorithm::Crc32),
        ("x-amz-checksum-sha256", Algorithm::Sha256),
        ("x-amz-checksum-sha1", Algorithm::Sha1),
    ]
    .into_iter()
    .find_map(|(name, algorithm)| Checksum::from_base64(algorithm, text(headers, name)?))
    // For an object in parts the value may be a checksum of the parts' checksums.
    .filter(|_| {
        let is_whole = text(headers, "x-amz-checksum-type") == Some("FULL_OBJECT");
        is_whole || !text(headers, "etag").is_some_and(|tag| tag.contains('-'))
    })
    .or_else(|| md5_of_tag(headers, text(headers, "etag")?))
}

/// The tag of an object uploaded in one request is its MD5, unless Amazon's key service encrypts it.
pub(super) fn md5_of_tag(headers: &HeaderMap, tag: &str) -> Option<Checksum> {
    let encryption = text(headers, "x-amz-server-side-encryption");
    let is_other = encryption.is_some_and(|encryption| encryption.starts_with("aws:kms"))
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    (!is_other).then(|| Checksum::from_tag(tag)).flatten()
}
