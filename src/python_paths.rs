//! Paths and URIs as in Python's `os.path` and `urllib.parse`.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The characters that stay unchanged in a signed request: the unreserved ones of RFC 3986.
pub(crate) const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// [`UNRESERVED`] and the slash between the parts of a path.
pub(crate) const UNRESERVED_PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// The scheme of a URI and the text after its colon; `None` for a path.
pub(crate) fn split_scheme(value: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = value.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// The authority and the path in the text after a scheme's colon.
pub(crate) fn split_authority(rest: &str) -> (&str, &str) {
    match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    }
}

/// The absolute path from a directory, without `.`, `..` and double slashes, as in Python's `os.path.abspath`.
/// Symbolic links are not resolved.
pub(crate) fn abspath(directory: &Path, path: impl AsRef<Path>) -> PathBuf {
    let joined = directory.join(path);
    let bytes = joined.as_os_str().as_bytes();
    // In POSIX, exactly two leading slashes have a meaning of their own.
    let root = if bytes.starts_with(b"//") && !bytes.starts_with(b"///") {
        "//"
    } else {
        "/"
    };
    let mut parts = Vec::new();
    for component in joined.components() {
        match component {
            Component::Normal(part) => parts.push(part),
            Component::ParentDir => {
                parts.pop();
            }
            _ => {}
        }
    }
    let mut absolute = OsString::from(root);
    absolute.push(parts.join(OsStr::new("/")));
    absolute.into()
}

/// The path with a leading `~/` replaced by this home directory, as in Python's `os.path.expanduser`.
pub(crate) fn expand_user(path: &str, home: impl AsRef<Path>) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home.as_ref().join(rest),
        None => PathBuf::from(path),
    }
}

/// Like Python's `urllib.parse.quote`.
pub(crate) fn quote(path: &str) -> impl fmt::Display {
    utf8_percent_encode(path, UNRESERVED_PATH)
}

/// Like [`quote`], for a single part of a path or a query.
pub(crate) fn quote_part(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, UNRESERVED)
}

/// Like Python's `urllib.parse.unquote`.
pub(crate) fn unquote(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute() {
        for (path, expected) in [
            ("data.csv", "/home/here/data.csv"),
            ("./a//b/", "/home/here/a/b"),
            ("../x", "/home/x"),
            ("../../../x", "/x"),
            ("/abs/../x", "/x"),
            ("//two/x", "//two/x"),
            ("///three", "/three"),
            (".", "/home/here"),
            ("~/x", "/home/here/~/x"),
        ] {
            let absolute = abspath(Path::new("/home/here"), path);
            assert_eq!(absolute.as_os_str(), expected, "{path}");
        }
    }
}
