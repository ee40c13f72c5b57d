//! Names in flat stores, where a directory is only the beginning of its objects' names.

use super::error::StoreError;

/// The path of a local file below a directory, for a name that begins with the directory's. Nothing
/// for the directory itself. A name that ends with a slash is that of an object which stands for a
/// directory.
///
/// As in MLflow doubled slashes and single dots count for nothing.
pub(super) fn path_below(prefix: &str, key: &str) -> Result<Option<String>, StoreError> {
    let Some(rest) = key.strip_prefix(prefix).filter(|rest| !rest.is_empty()) else {
        return Ok(None);
    };
    let mut parts = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                return Err(StoreError::Unsafe { name: key.to_owned() });
            }
            _ if part.contains('\0') => {
                return Err(StoreError::Unsafe {
                    name: key.replace('\0', "\\0"),
                });
            }
            _ => parts.push(part),
        }
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

/// The beginning of the names of all objects in a directory.
pub(super) fn directory_prefix(key: &str) -> String {
    let key = key.trim_end_matches('/');
    if key.is_empty() {
        String::new()
    } else {
        format!("{key}/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_paths_below_the_directory() {
        for (prefix, key, expected) in [
            ("a/", "a/b", Some("b")),
            ("a/", "a/b/c d.txt", Some("b/c d.txt")),
            ("a/", "a/b//c/./d", Some("b/c/d")),
            ("a/", "a//b", Some("b")),
            ("", "a/b", Some("a/b")),
            ("a/", "a/", None),
            ("a/", "a/b/", Some("b")),
            ("a/", "b/c", None),
        ] {
            assert_eq!(
                path_below(prefix, key).unwrap().as_deref(),
                expected,
                "{prefix} {key}"
            );
        }
        for key in ["a/../b", "a/b/..", "a/x\0y"] {
            assert!(path_below("a/", key).is_err(), "{key}");
        }
        assert_eq!(directory_prefix("a/b//"), "a/b/");
        assert_eq!(directory_prefix(""), "");
    }
}
