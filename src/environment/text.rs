//! The text of environment files.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8};

/// Reads a file that is UTF-8, or UTF-16 that begins with a byte order mark. pip, uv and conda read both.
///
/// # Errors
/// The system's answer, or [`ErrorKind::InvalidData`] for other bytes.
pub(super) fn read(path: &Path) -> io::Result<String> {
    decode(fs::read(path)?)
}

fn decode(bytes: Vec<u8>) -> io::Result<String> {
    let invalid = |reason: String| io::Error::new(ErrorKind::InvalidData, reason);
    if let Some((encoding, length)) = Encoding::for_bom(&bytes).filter(|(encoding, _)| *encoding != UTF_8) {
        return encoding
            .decode_without_bom_handling_and_without_replacement(&bytes[length..])
            .map(|text| text.into_owned())
            .ok_or_else(|| invalid(format!("it is not valid {}", encoding.name())));
    }
    check_mark(&bytes)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
        invalid(format!("line {line} is not valid UTF-8"))
    })
}

/// Refuses UTF-16 without a byte order mark, which nobody reads.
///
/// # Errors
/// [`ErrorKind::InvalidData`].
pub(super) fn check_mark(bytes: &[u8]) -> io::Result<()> {
    match unmarked_utf16(bytes) {
        Some(encoding) => Err(io::Error::new(
            ErrorKind::InvalidData,
            format!("it looks like {encoding} without a byte order mark"),
        )),
        None => Ok(()),
    }
}

/// The UTF-16 that bytes without a mark seem to be: every second byte of most texts is zero then.
fn unmarked_utf16(bytes: &[u8]) -> Option<&'static str> {
    let (pairs, _) = bytes.as_chunks::<2>();
    let is_mostly_zero = |index: usize| {
        let zeros = pairs.iter().filter(|pair| pair[index] == 0).count();
        zeros * 2 > pairs.len()
    };
    match (is_mostly_zero(0), is_mostly_zero(1)) {
        (true, false) => Some("UTF-16BE"),
        (false, true) => Some("UTF-16LE"),
        _ => None,
    }
}

/// What to do about a file that [`read`] refuses; `error` is its answer.
pub(super) fn hint(path: &Path, error: &io::Error) -> Option<String> {
    if error.kind() != ErrorKind::InvalidData {
        return None;
    }
    let reason = error.to_string();
    let known = ["UTF-16LE", "UTF-16BE"];
    let from = known.into_iter().find(|name| reason.contains(name));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Some(format!(
        "save the file as UTF-8, for example with `iconv -f {} -t UTF-8 {name} > new-{name}`",
        from.unwrap_or("LATIN1")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn both_orders_of_utf16_are_read() {
        for order in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            assert_eq!(decode(utf16("\u{feff}numpy\né", order)).unwrap(), "numpy\né");
            let error = decode(utf16("numpy\né", order)).unwrap_err();
            let expected = match order(1) {
                [1, 0] => "it looks like UTF-16LE without a byte order mark",
                _ => "it looks like UTF-16BE without a byte order mark",
            };
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(decode("é\n".into()).unwrap(), "é\n");
        assert_eq!(decode(Vec::new()).unwrap(), "");
        let error = decode(b"a\nb\xff".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "line 2 is not valid UTF-8");
    }
}
