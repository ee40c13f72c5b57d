//! The encoding of Python source.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

/// The text, in the encoding that its first lines declare. Source: PEP 263.
pub(super) fn decoded(bytes: &[u8]) -> Result<String, String> {
    match Encoding::for_bom(bytes) {
        Some((encoding, length)) if encoding == UTF_8 => return utf8(&bytes[length..]),
        Some((encoding, _)) => return Err(format!("it is {}, which Python does not read", encoding.name())),
        None if bytes.contains(&0) => return Err("it is not a text file".to_owned()),
        None => {}
    }
    let head = bytes.splitn(3, |byte| *byte == b'\n').take(2);
    let declared = head
        .filter_map(|line| declared_encoding(&String::from_utf8_lossy(line)))
        .next();
    match declared {
        None => utf8(bytes),
        Some(label) => {
            let encoding = Encoding::for_label(label.as_bytes())
                .ok_or_else(|| format!("it declares the unknown encoding '{label}'"))?;
            encoding
                .decode_without_bom_handling_and_without_replacement(bytes)
                .map(Cow::into_owned)
                .ok_or_else(|| format!("it is not valid {}", encoding.name()))
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} is not valid UTF-8")
    })?;
    Ok(text.to_owned())
}

/// The encoding in a comment such as `# -*- coding: latin-1 -*-`.
fn declared_encoding(line: &str) -> Option<String> {
    let comment = line.trim_start().strip_prefix('#')?;
    let (_, after) = comment.split_once("coding")?;
    let name = after.strip_prefix([':', '='])?.trim_start();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let end = name.find(|letter| !is_part(letter)).unwrap_or(name.len());
    let name = name[..end].to_ascii_lowercase().replace('_', "-");
    // Python's own names of two that the web calls otherwise.
    let name = match name.as_str() {
        "utf8" | "utf-8-sig" => "utf-8".to_owned(),
        "latin-1" | "latin1" | "iso-latin-1" => "iso-8859-1".to_owned(),
        _ => name,
    };
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_are_those_of_python() {
        for (bytes, expected) in [
            (&b"x = 1"[..], Ok("x = 1")),
            (b"\xef\xbb\xbfx", Ok("x")),
            (
                b"# -*- coding: latin-1 -*-\n\xe9",
                Ok("# -*- coding: latin-1 -*-\né"),
            ),
            (
                b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n\x80",
                Ok("#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\n€"),
            ),
            (b"x\n\xff", Err("line 2 is not valid UTF-8")),
            (b"\xff\xfex\0", Err("it is UTF-16LE, which Python does not read")),
            (
                b"# coding: klingon\n",
                Err("it declares the unknown encoding 'klingon'"),
            ),
            (b"\x7fELF\0", Err("it is not a text file")),
        ] {
            let decoded = decoded(bytes);
            assert_eq!(decoded.as_deref().map_err(String::as_str), expected);
        }
    }
}
