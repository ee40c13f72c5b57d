//! What S3 answers: lists, and the headers of objects.

use percent_encoding::percent_decode_str;
use quick_xml::escape::escape;
use reqwest::header::HeaderMap;

use super::super::exchange::text;
use crate::data::checksum::{Algorithm, Checksum};

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
    use super::plain_names;

    #[test]
    fn names_in_listings_are_plain() {
        for (listing, expected) in [
            (
                "<EncodingType>url</EncodingType><Key>+%C3%BC%2B%01</Key><A/><Key>a%0A%3Cb%3E%0D</Key>",
                "<EncodingType>url</EncodingType><Key>&#32;ü+\u{1}</Key><A/><Key>a&#10;&lt;b&gt;&#13;</Key>",
            ),
            ("<Key> a+&lt;%20</Key>", "<Key>&#32;a+&lt;%20</Key>"),
        ] {
            assert_eq!(plain_names(listing), expected);
        }
    }
}
