//! What a text without tag and quotes is: YAML 1.1 as PyYAML resolves it.

use super::graph::Tag;
use super::number;
use super::timestamp::Written;

/// The kind of value that a plain text is.
pub(super) fn resolve(text: &str) -> Tag {
    if text.is_empty() {
        return Tag::Null;
    }
    // PyYAML's patterns also fit before a last line's end, which a text has here only when a lone
    // A '!' precedes a quoted one.
    match text.strip_suffix('\n').unwrap_or(text) {
        "~" | "null" | "Null" | "NULL" => Tag::Null,
        "<<" => Tag::Merge,
        "=" => Tag::DefaultValue,
        text if is_boolean(text) => Tag::Bool,
        text if number::is_float(text) => Tag::Float,
        text if number::is_integer(text) => Tag::Int,
        text if is_timestamp(text) => Tag::Timestamp,
        _ => Tag::Str,
    }
}

fn is_boolean(text: &str) -> bool {
    const BOOLEANS: [&str; 18] = [
        "yes", "Yes", "YES", "no", "No", "NO", "true", "True", "TRUE", "false", "False", "FALSE", "on", "On",
        "ON", "off", "Off", "OFF",
    ];
    BOOLEANS.contains(&text)
}

/// The boolean that a text means in any case; `y` and `n` are none.
pub(super) fn read_boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "on" => Some(true),
        "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Whether a plain text is a date (of ten characters) or a date with a time.
fn is_timestamp(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
        && Written::read(text).is_some_and(|written| written.has_time || text.len() == 10)
}

/// Decodes Base64 as Python's `base64.decodebytes` does: other characters are skipped, and what
/// follows the padding does not count. `None` where characters or the padding are missing.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut group: u32 = 0;
    let mut length = 0;
    let mut padding = 0;
    for character in text.bytes() {
        if character == b'=' {
            padding += 1;
            if length >= 2 && length + padding >= 4 {
                return Some(bytes);
            }
            continue;
        }
        let Some(value) = base64_value(character) else {
            continue;
        };
        padding = 0;
        group = (group << 6 | u32::from(value)) & 0xff_ffff;
        length = (length + 1) % 4;
        // Each character but a group's first completes a byte.
        let complete = match length {
            2 => group >> 4,
            3 => group >> 2,
            0 => group,
            _ => continue,
        };
        bytes.push((complete & 0xff) as u8);
    }
    (length == 0).then_some(bytes)
}

fn base64_value(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("aGk=", Some(b"hi")),
            ("aGkh\n", Some(b"hi!")),
            ("a G\nk = trailing", Some(b"hi")),
            ("aA==", Some(b"h")),
            ("=aA==", Some(b"h")),
            ("a=A==", Some(b"h")),
            ("aA", None),
            ("aA=", None),
            ("aGkha", None),
            ("a===", None),
        ] {
            assert_eq!(decode_base64(text).as_deref(), bytes, "{text:?}");
        }
    }
}
