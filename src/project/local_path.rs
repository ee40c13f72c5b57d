//! What the value of a `path` or `uri` parameter names: a place on this machine, or one elsewhere.

use std::path::Path;

use percent_encoding::percent_decode_str;

/// The local path that a value names, as MLflow's `get_local_path_or_none` reads it: a value
/// without a scheme, or a `file:` URI without a host; `localhost` is none. Percent signs are decoded
/// in both.
pub(super) fn local_path(value: &str) -> Option<String> {
    let path = match split_scheme(value) {
        None => value,
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => {
            let path = match rest.strip_prefix("//") {
                Some(rest) if rest.starts_with("localhost/") => &rest["localhost".len()..],
                Some(rest) if rest.is_empty() || rest.starts_with(['/', '?', '#']) => rest,
                Some(_) => return None,
                None => rest,
            };
            path.split(['?', '#']).next().unwrap_or(path)
        }
        Some(_) => return None,
    };
    Some(percent_decode_str(path).decode_utf8_lossy().into_owned())
}

/// The scheme of a URI and what follows its colon; `None` for a path.
pub(super) fn split_scheme(value: &str) -> Option<(&str, &str)> {
    let uri = value.trim_start_matches(|character| character <= ' ');
    let (scheme, rest) = uri.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some((scheme, rest))
}

/// The path made absolute against a directory and freed of `.`, `..` and doubled slashes, by its
/// text alone, as Python's `os.path.abspath` does. Symbolic links are not looked at.
pub(super) fn absolute(directory: &Path, path: &str) -> String {
    let joined = directory.join(path).to_string_lossy().into_owned();
    // POSIX leaves the meaning of exactly two slashes at the beginning to the system.
    let root = if joined.starts_with("//") && !joined.starts_with("///") {
        "//"
    } else {
        "/"
    };
    let mut parts = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_file_uris_are_local() {
        for (value, expected) in [
            ("data.csv", Some("data.csv")),
            ("./a b/x", Some("./a b/x")),
            ("/abs", Some("/abs")),
            ("//server/x", Some("//server/x")),
            ("~/x", Some("~/x")),
            ("a%20b", Some("a b")),
            ("100%", Some("100%")),
            ("a?b#c", Some("a?b#c")),
            ("2020:01", Some("2020:01")),
            ("./s3:x", Some("./s3:x")),
            ("file:///data/x%20y", Some("/data/x y")),
            ("file:///data/x?q#f", Some("/data/x")),
            ("file:/data/x", Some("/data/x")),
            ("file:x", Some("x")),
            ("FILE:///x", Some("/x")),
            ("file://localhost/data/x", Some("/data/x")),
            ("file://localhost.test/x", None),
            ("file://host/x", None),
            ("s3://bucket/key", None),
            ("https://host/x", None),
            ("models:/m/1", None),
            ("C:\\x", None),
            (" s3://bucket", None),
        ] {
            assert_eq!(local_path(value).as_deref(), expected, "{value}");
        }
    }

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
            assert_eq!(absolute(Path::new("/home/here"), path), expected, "{path}");
        }
    }
}
