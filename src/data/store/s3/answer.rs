//! What S3 answers: lists, refusals, and the headers of objects.

use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::super::exchange::text;
use crate::data::checksum::{Algorithm, Checksum};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListAnswer {
    #[serde(default)]
    pub(super) contents: Vec<ListEntry>,
    #[serde(default)]
    pub(super) is_truncated: bool,
    pub(super) next_continuation_token: Option<String>,
    pub(super) encoding_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListEntry {
    pub(super) key: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(rename = "ETag")]
    pub(super) etag: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: Option<String>,
    pub(super) region: Option<String>,
}

/// The answer to the request that begins an upload in parts.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BegunAnswer {
    pub(super) upload_id: String,
}

/// The checksum of a whole object: one that its writer chose, else the MD5 in its entity tag.
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
    // Of an object in parts the value may be that of the parts' checksums.
    .filter(|_| {
        let is_whole = text(headers, "x-amz-checksum-type") == Some("FULL_OBJECT");
        is_whole || !text(headers, "etag").is_some_and(|tag| tag.contains('-'))
    })
    .or_else(|| md5_of_tag(headers, text(headers, "etag")?))
}

/// The tag of an object that was written at once is its MD5, unless Amazon's key service encrypts it.
pub(super) fn md5_of_tag(headers: &HeaderMap, tag: &str) -> Option<Checksum> {
    let encryption = text(headers, "x-amz-server-side-encryption");
    let is_other = encryption.is_some_and(|encryption| encryption.starts_with("aws:kms"))
        || headers.contains_key("x-amz-server-side-encryption-customer-algorithm");
    (!is_other).then(|| Checksum::from_tag(tag)).flatten()
}

/// A name as a list encodes it.
pub(super) fn url_decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text)
        .decode_utf8_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let list = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a%2F</Prefix>
            <KeyCount>2</KeyCount><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>
            <Contents><Key>a%2Fx+y%26z</Key><Size>3</Size><ETag>&quot;0cc175b9c0f1b6a831c399e269772661&quot;</ETag></Contents>
            <Contents><Key>a%2F</Key><Size>0</Size></Contents>
            <NextContinuationToken>t==</NextContinuationToken></ListBucketResult>"#;
        let answer: ListAnswer = quick_xml::de::from_str(list).unwrap();
        assert!(answer.is_truncated);
        assert_eq!(answer.next_continuation_token.as_deref(), Some("t=="));
        assert_eq!(url_decoded(&answer.contents[0].key), "a/x y&z");
        let tag = answer.contents[0].etag.as_deref().unwrap();
        assert_eq!(tag, "\"0cc175b9c0f1b6a831c399e269772661\"");
        assert!(Checksum::from_tag(tag).is_some());
        let refusal = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message><Region>eu-west-1</Region></Error>";
        let refusal: Refusal = quick_xml::de::from_str(refusal).unwrap();
        assert_eq!(
            (refusal.code.as_str(), refusal.region.as_deref()),
            ("AccessDenied", Some("eu-west-1"))
        );
    }
}
