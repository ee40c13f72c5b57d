//! Bytes to characters: the encoding, and the characters that YAML allows.

use super::error::{Problem, YamlError};
use super::node::Position;
use super::scanner::{Cursor, is_break};

/// Decodes a file's bytes: UTF-16 by its byte order mark, UTF-8 otherwise.
///
/// A byte order mark stays in the result, where the scanner skips it.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<char>, YamlError> {
    let characters = match bytes {
        [0xff, 0xfe, ..] => decode_utf16(bytes, u16::from_le_bytes)?,
        [0xfe, 0xff, ..] => decode_utf16(bytes, u16::from_be_bytes)?,
        _ => decode_utf8(bytes)?,
    };
    match characters.iter().position(|&character| !is_allowed(character)) {
        Some(index) => Err(YamlError::new(
            Problem::ControlCharacter {
                code: u32::from(characters[index]),
            },
            position_after(characters[..index].to_vec()),
        )),
        None => Ok(characters),
    }
}

fn decode_utf8(bytes: &[u8]) -> Result<Vec<char>, YamlError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.chars().collect()),
        Err(error) => {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            Err(YamlError::new(
                Problem::Encoding { encoding: "UTF-8" },
                position_after(valid.chars().collect()),
            ))
        }
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Vec<char>, YamlError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut decoded = char::decode_utf16(pairs.iter().map(|&pair| unit(pair))).peekable();
    let characters = std::iter::from_fn(|| decoded.next_if(Result::is_ok)?.ok()).collect();
    if decoded.peek().is_none() && rest.is_empty() {
        return Ok(characters);
    }
    Err(YamlError::new(
        Problem::Encoding { encoding: "UTF-16" },
        position_after(characters),
    ))
}

/// Whether YAML allows the character in a text without an escape.
fn is_allowed(character: char) -> bool {
    matches!(character,
        '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The lines of a file, as YAML counts them, whatever its bytes are.
pub(crate) fn lines(bytes: &[u8]) -> Vec<String> {
    // The byte order mark decides here too.
    let (text, ..) = encoding_rs::UTF_8.decode(bytes);
    text.replace("\r\n", "\n")
        .split(is_break)
        .map(str::to_owned)
        .collect()
}

/// The place after these characters.
fn position_after(characters: Vec<char>) -> Position {
    let length = characters.len();
    let mut cursor = Cursor::new(characters);
    cursor.skip(length);
    cursor.mark().position()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(bytes).collect()
        };
        for text in ["", "a: é\n", "a: \u{1f600}", "\u{feff}a"] {
            let expected: Vec<char> = text.chars().collect();
            assert_eq!(decode(text.as_bytes()).unwrap(), expected, "{text}");
        }
        for text in ["\u{feff}a: é", "\u{feff}a: \u{1f600}"] {
            let expected: Vec<char> = text.chars().collect();
            assert_eq!(
                decode(&utf16(text, u16::to_le_bytes)).unwrap(),
                expected,
                "{text}"
            );
            assert_eq!(
                decode(&utf16(text, u16::to_be_bytes)).unwrap(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        for (bytes, line, column) in [
            (&b"a\n\xff"[..], 2, 1),
            (b"\xef\xbb\xbfab\xc3", 1, 3),
            (b"a\r\nb\0c", 2, 2),
            (b"\x1b[0m", 1, 1),
            (b"a\r\x7f", 2, 1),
            ("é\u{80}".as_bytes(), 1, 2),
            ("\u{ffff}".as_bytes(), 1, 1),
            (b"\xff\xfea\0b", 1, 2),
            (b"\xfe\xff\xd8\x00\0a", 1, 1),
            (b"\xff\xfe\0", 1, 1),
        ] {
            let error = decode(bytes).unwrap_err();
            assert_eq!(
                error.position,
                Some(Position { line, column }),
                "{bytes:?}: {error}"
            );
        }
    }
}
