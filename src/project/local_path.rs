//! What the value of a `path` or `uri` parameter names: a place on this machine, or one elsewhere.

use crate::python_paths::{split_scheme, unquote};

/// The local path that a value names, as MLflow's `get_local_path_or_none` reads it: a value
/// without a scheme, or a `file:` URI without a host; `localhost` is none. Percent signs are decoded
/// in both.
pub(super) fn local_path(value: &str) -> Option<String> {
    let path = match split_scheme(without_blanks(value)) {
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
    Some(unquote(path))
}

/// The value without the blanks and control characters before a URI, which Python's `urlsplit` passes over.
pub(super) fn without_blanks(value: &str) -> &str {
    value.trim_start_matches(|character| character <= ' ')
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
}
