//! What S3 answers: lists, refusals, and the headers of objects.

use percent_encoding::percent_decode_str;
use quick_xml::escape::escape;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use super::super::exchange::text;
use crate::data::checksum::{Algorithm, Checksum};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) message: Option<String>,
    pub(super) region: Option<String>,
}

/// The code and message in a refusal, which Azure's and Google's storage write in the same way.
pub(in crate::data::store) fn refusal_of_storage(body: &str) -> Option<String> {
    let refusal: Refusal = quick_xml::de::from_str(body).ok()?;
    let message = refusal.message.filter(|message| !message.is_empty());
    Some(match message {
        Some(message) => format!("{}: {message}", refusal.code),
        None => refusal.code,
    })
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

/// A listing in which the names stand as they are: most services encode them on their way, since XML cannot
/// carry all of them. White space is written so that no reader drops it.
pub(super) fn plain_names(listing: &str) -> String {
    let is_encoded = listing.contains("<EncodingType>url</EncodingType>");
    let mut parts = listing.split("<Key>");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("</Key>").unwrap_or((part, ""));
        let name = match is_encoded {
            true => {
                let name = name.replace('+', " ");
                escape(percent_decode_str(&name).decode_utf8_lossy()).into_owned()
            }
            false => name.to_owned(),
        };
        plain.push_str("<Key>");
        for letter in name.chars() {
            match letter {
                ' ' | '\t' | '\n' | '\r' => plain.push_str(&format!("&#{};", u32::from(letter))),
                _ => plain.push(letter),
            }
        }
        plain.push_str("</Key>");
        plain.push_str(rest);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listing {
        contents: Vec<Entry>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Entry {
        key: String,
    }

    #[test]
    fn names_in_listings_are_read() {
        for (encoded, expected) in [
            ("a%2Fx+y%26z", "a/x y&z"),
            ("+%C3%BC%2B%25+", " ü+% "),
            ("a%0A%09%3Cb%3E%0D", "a\n\t<b>\r"),
            ("%01%22%27", "\u{1}\"'"),
        ] {
            let listing = format!(
                "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>{encoded}</Key></Contents>\
                 <Contents><Key>b</Key></Contents></ListBucketResult>"
            );
            let listing: Listing = quick_xml::de::from_str(&plain_names(&listing)).unwrap();
            let names: Vec<&str> = listing.contents.iter().map(|entry| entry.key.as_str()).collect();
            assert_eq!(names, [expected, "b"], "{encoded}");
        }
        let plain = "<ListBucketResult><Contents><Key> a+&lt; </Key></Contents></ListBucketResult>";
        let listing: Listing = quick_xml::de::from_str(&plain_names(plain)).unwrap();
        assert_eq!(listing.contents[0].key, " a+< ");
    }

    #[test]
    fn refusals_are_read() {
        let refusal = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message><Region>eu-west-1</Region></Error>";
        assert_eq!(
            refusal_of_storage(refusal).as_deref(),
            Some("AccessDenied: Access Denied")
        );
        let refusal: Refusal = quick_xml::de::from_str(refusal).unwrap();
        assert_eq!(refusal.region.as_deref(), Some("eu-west-1"));
    }
}
