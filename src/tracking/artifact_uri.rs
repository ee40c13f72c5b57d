//! Artifact locations: appends paths to the locations in a store.

use crate::python_paths::split_scheme;

/// The artifact schemes after which Python's `urlunsplit` writes `//` even without an authority: `file:/a` becomes
/// `file:///a`.
const SCHEMES_WITH_AUTHORITY: [&str; 5] = ["file", "ftp", "http", "https", "sftp"];

/// Appends path parts to a path or URI, like MLflow: a trailing slash is not doubled, and the query and fragment
/// stay at the end.
pub(crate) fn append_to_uri_path(uri: &str, parts: &[&str]) -> String {
    let appended = parts.join("/");
    let Some((scheme, rest)) = split_scheme(uri) else {
        return join(uri, &appended);
    };
    let scheme = scheme.to_ascii_lowercase();
    let (before_fragment, fragment) = split_before(rest, &['#']);
    let (before_query, query) = split_before(before_fragment, &['?']);
    let (authority, path) = match before_query.strip_prefix("//") {
        Some(after) => {
            let (authority, path) = split_before(after, &['/']);
            (Some(authority), path)
        }
        None => (None, before_query),
    };
    let slashes = match authority {
        Some(_) => "//",
        None if path.starts_with('/') && SCHEMES_WITH_AUTHORITY.contains(&scheme.as_str()) => "//",
        None => "",
    };
    let mut path = join(path, &appended);
    if authority.is_some_and(|authority| !authority.is_empty()) && !path.starts_with('/') {
        path.insert(0, '/');
    }
    let authority = authority.unwrap_or_default();
    format!("{scheme}:{slashes}{authority}{path}{query}{fragment}")
}

/// Splits before the first of these characters.
fn split_before<'a>(text: &'a str, characters: &[char]) -> (&'a str, &'a str) {
    text.split_at(text.find(characters).unwrap_or(text.len()))
}

fn join(path: &str, appended: &str) -> String {
    match path {
        "" => appended.to_owned(),
        _ if path.ends_with('/') => format!("{path}{appended}"),
        _ => format!("{path}/{appended}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each expected value is what `mlflow.utils.uri.append_to_uri_path` of MLflow 3.17 returns.
    #[test]
    fn paths_are_appended_as_mlflow_does() {
        for (uri, expected) in [
            ("/srv/mlruns/0", "/srv/mlruns/0/RUN/artifacts"),
            ("/srv/mlruns/0/", "/srv/mlruns/0/RUN/artifacts"),
            ("/a b/ü", "/a b/ü/RUN/artifacts"),
            ("relative", "relative/RUN/artifacts"),
            ("", "RUN/artifacts"),
            ("s3://bucket", "s3://bucket/RUN/artifacts"),
            ("s3://bucket/", "s3://bucket/RUN/artifacts"),
            ("s3://bucket/path?x=1", "s3://bucket/path/RUN/artifacts?x=1"),
            (
                "s3://bucket/path/?x=1&y=/z#f",
                "s3://bucket/path/RUN/artifacts?x=1&y=/z#f",
            ),
            ("S3://Bucket/Path", "s3://Bucket/Path/RUN/artifacts"),
            ("file:///a/b", "file:///a/b/RUN/artifacts"),
            ("file:/a/b", "file:///a/b/RUN/artifacts"),
            ("file:a/b", "file:a/b/RUN/artifacts"),
            ("file:///a%20b", "file:///a%20b/RUN/artifacts"),
            ("dbfs:/a", "dbfs:/a/RUN/artifacts"),
            ("mlflow-artifacts:/0", "mlflow-artifacts:/0/RUN/artifacts"),
            (
                "mlflow-artifacts://host:5000/0",
                "mlflow-artifacts://host:5000/0/RUN/artifacts",
            ),
            (
                "wasbs://c@account.example/x",
                "wasbs://c@account.example/x/RUN/artifacts",
            ),
        ] {
            assert_eq!(append_to_uri_path(uri, &["RUN", "artifacts"]), expected, "{uri}");
        }
    }

    /// Older Pythons write `hdfs:/x/…` here, newer ones keep the slashes.
    #[test]
    fn an_empty_authority_is_kept() {
        assert_eq!(append_to_uri_path("hdfs:///x", &["RUN"]), "hdfs:///x/RUN");
    }
}
