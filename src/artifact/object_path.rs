//! Names in flat stores, where a directory is only the beginning of its objects' names.

use crate::artifact::repository_error::RepositoryError;

/// The path of a local file below a directory, for a name that begins with the directory's. Nothing
/// for the directory itself. A name that ends with a slash is that of an object which stands for a
/// directory.
///
/// As in MLflow doubled slashes and single dots count for nothing.
pub(super) fn path_below(prefix: &str, key: &str) -> Result<Option<String>, RepositoryError> {
    let Some(rest) = key.strip_prefix(prefix).filter(|rest| !rest.is_empty()) else {
        return Ok(None);
    };
    let parts: Vec<&str> = rest
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") || rest.contains('\0') {
        let name = key.replace('\0', "\\0");
        let problem = format!("the name '{name}' in it is no path below it");
        return Err(RepositoryError::Other(problem));
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// The beginning of the names of all objects in a directory.
pub(super) fn directory_prefix(key: &str) -> String {
    match key.trim_end_matches('/') {
        "" => String::new(),
        key => format!("{key}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_below_the_directory() {
        for (prefix, key, expected) in [
            ("a/", "a/b/c d.txt", Some("b/c d.txt")),
            ("a/", "a/b//c/./d", Some("b/c/d")),
            ("", "a/b", Some("a/b")),
            ("a/", "a/", None),
            ("a/", "b/c", None),
        ] {
            let path = path_below(prefix, key).unwrap();
            assert_eq!(path.as_deref(), expected, "{prefix} {key}");
        }
        for key in ["a/../b", "a/b/..", "a/x\0y"] {
            assert!(path_below("a/", key).is_err(), "{key}");
        }
    }
}
