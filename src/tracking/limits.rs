//! The limits of all tracking stores: the rules for keys and the lengths of values.
//!
//! The rules are MLflow's (`mlflow.utils.validation`, 3.17, observed). MLflow's clients share the stores, so no store
//! may contain what they refuse.

use std::collections::HashSet;

use crate::env_vars;

/// The longest key of a parameter or tag, in characters.
const MAX_KEY_LENGTH: usize = 250;
/// The longest name of an experiment, in characters.
const MAX_EXPERIMENT_NAME_LENGTH: usize = 500;

/// The most characters of a value in a warning.
const SHOWN_LENGTH: usize = 100;

/// The kind of a key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entity {
    Param,
    Tag,
}

impl Entity {
    /// The name of the list in MLflow's protocol, and of the table.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Param => "params",
            Self::Tag => "tags",
        }
    }

    /// The longest value, in characters.
    fn max_value_length(self) -> usize {
        match self {
            Self::Param => 6000,
            Self::Tag => 8000,
        }
    }
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Param => "parameter",
            Self::Tag => "tag",
        })
    }
}

/// Why a key, value or name is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct LimitError {
    text: String,
    hint: Option<String>,
}

impl LimitError {
    fn new(text: String) -> Self {
        Self { text, hint: None }
    }

    fn with_hint(text: String, hint: &str) -> Self {
        let hint = Some(hint.to_owned());
        Self { text, hint }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

fn shown(character: char) -> String {
    if character.is_control() {
        format!("the control character U+{:04X}", u32::from(character))
    } else {
        format!("the character '{character}'")
    }
}

/// What to do with a value that is too long for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LongValues {
    /// Truncate it, with a warning.
    #[default]
    Cut,
    /// Fail.
    Refuse,
}

impl LongValues {
    /// Reads `MLFLOW_TRUNCATE_LONG_VALUES`; the default is to truncate.
    pub(crate) fn from_environment() -> Self {
        match env_vars::non_empty(env_vars::MLFLOW_TRUNCATE_LONG_VALUES) {
            Some(value) if value == "0" || value.eq_ignore_ascii_case("false") => Self::Refuse,
            _ => Self::Cut,
        }
    }
}

/// Checks parameters or tags, and truncates long values with a warning to `warn`. It has no side effects, so it can be
/// called before anything is created.
///
/// # Errors
/// An invalid key, a duplicate parameter, or a long value that must not be truncated.
pub(crate) fn fit(
    entity: Entity,
    pairs: Vec<(String, String)>,
    long_values: LongValues,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<(String, String)>, LimitError> {
    let mut seen = HashSet::new();
    for (key, _) in &pairs {
        check_key(entity, key)?;
        if entity == Entity::Param && !seen.insert(key) {
            return Err(LimitError::new(format!(
                "the {entity} key '{key}' is given twice"
            )));
        }
    }
    fit_values(entity, entity.max_value_length(), pairs, long_values, warn)
}

/// Truncates values that are longer than `limit` characters, with a warning to `warn`. Older stores have lower limits.
///
/// # Errors
/// A long value that must not be truncated.
pub(super) fn fit_values(
    entity: Entity,
    limit: usize,
    mut pairs: Vec<(String, String)>,
    long_values: LongValues,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<(String, String)>, LimitError> {
    // A text has at least as many bytes as characters, so most values do not need counting.
    for (key, value) in pairs.iter_mut().filter(|(_, value)| value.len() > limit) {
        let Some((end, _)) = value.char_indices().nth(limit) else {
            continue;
        };
        let length = value.chars().count();
        if long_values == LongValues::Refuse {
            return Err(LimitError::with_hint(
                format!("the value of the {entity} '{key}' has {length} characters; the limit is {limit}"),
                &format!(
                    "unset {} to truncate long values",
                    env_vars::MLFLOW_TRUNCATE_LONG_VALUES
                ),
            ));
        }
        let shown: String = value.chars().take(SHOWN_LENGTH).collect();
        warn(format!(
            "the value of the {entity} '{key}', '{shown}...' ({length} characters), was truncated to {limit} characters \
             for the tracking store"
        ));
        value.truncate(end);
    }
    Ok(pairs)
}

/// Checks the name of an experiment.
///
/// # Errors
/// An empty or too long name.
pub(super) fn check_experiment_name(name: &str) -> Result<(), LimitError> {
    match name.chars().count() {
        0 => Err(LimitError::new("the experiment name is empty".to_owned())),
        1..=MAX_EXPERIMENT_NAME_LENGTH => Ok(()),
        length => Err(LimitError::new(format!(
            "the experiment name has {length} characters; the limit is {MAX_EXPERIMENT_NAME_LENGTH}"
        ))),
    }
}

/// Checks the key of a parameter or tag.
///
/// # Errors
/// A store refuses it.
pub(crate) fn check_key(entity: Entity, key: &str) -> Result<(), LimitError> {
    if key.is_empty() {
        return Err(LimitError::new(format!("a {entity} has an empty key")));
    }
    if let Some(character) = key.chars().find(|character| !is_key_character(*character)) {
        return Err(LimitError::with_hint(
            format!(
                "the {entity} key '{}' contains {}",
                key.escape_debug(),
                shown(character)
            ),
            "keys may contain letters, digits, underscores, dashes, periods, spaces, colons and slashes",
        ));
    }
    let resolved = normalized(key);
    // MLflow refuses every key that begins with two periods, even a harmless one such as "..a".
    if resolved != key || key == "." || key.starts_with("..") || key.starts_with('/') {
        return Err(LimitError::with_hint(
            format!("the {entity} key '{key}' is not a plain relative path; it resolves to '{resolved}'"),
            "remove leading and doubled slashes, and '.' and '..' as parts of the key",
        ));
    }
    let length = key.chars().count();
    if length > MAX_KEY_LENGTH {
        return Err(LimitError::new(format!(
            "the {entity} key '{key}' has {length} characters; the limit is {MAX_KEY_LENGTH}"
        )));
    }
    Ok(())
}

/// MLflow's `[/\w.\- :]`, with slightly more letters, because Python's `\w` has no combining vowel signs.
fn is_key_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '/' | '.' | '-' | ' ' | ':')
}

/// The path without empty parts, `.` and `..`, like Python's POSIX `normpath`.
fn normalized(path: &str) -> String {
    let root = match path {
        _ if path.starts_with("//") && !path.starts_with("///") => "//",
        _ if path.starts_with('/') => "/",
        _ => "",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if !root.is_empty() => {}
            _ => parts.push(part),
        }
    }
    match format!("{root}{}", parts.join("/")) {
        empty if empty.is_empty() => ".".to_owned(),
        resolved => resolved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(keys: &[&str]) -> Result<(), String> {
        let pairs = keys
            .iter()
            .map(|key| ((*key).to_owned(), String::new()))
            .collect();
        let fitted = fit(Entity::Param, pairs, LongValues::Cut, &mut drop);
        fitted.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_accepted_and_refused_as_mlflow_does() {
        let longest = "k".repeat(250);
        for key in [
            "a", "a/b", "a..", "ü", "日本", "a:b", "a b ", " ", "²", "A-b_c.d", &longest,
        ] {
            assert_eq!(check(&[key]), Ok(()), "{key:?}");
        }
        for key in [
            "a//b", "a/", "./a", "../a", "..a", ".", "..", "...", "/a", "//a", "a/../b", "a/./b",
        ] {
            let error = check(&[key]).unwrap_err();
            assert!(error.contains("is not a plain relative path"), "{key:?}: {error}");
        }
        for key in [
            "a'b", "a,b", "a@b", "a=b", "a\nb", "a\u{a0}b", "a\u{301}", "--x y'",
        ] {
            let error = check(&[key]).unwrap_err();
            assert!(error.contains("' contains the "), "{key:?}: {error}");
        }
        let too_long = "ü".repeat(251);
        for (keys, expected) in [
            (&[""][..], "a parameter has an empty key"),
            (&[&too_long], "has 251 characters; the limit is 250"),
            (&["a", "b", "a"], "the parameter key 'a' is given twice"),
            (&["it's"], "the parameter key 'it\\'s' contains the character '''"),
            (
                &["a\tb"],
                "the parameter key 'a\\tb' contains the control character U+0009",
            ),
            (
                &["a//b"],
                "the parameter key 'a//b' is not a plain relative path; it resolves to 'a/b'",
            ),
        ] {
            let error = check(keys).unwrap_err();
            assert!(error.ends_with(expected), "{keys:?}: {error}");
        }
    }

    #[test]
    fn long_values_are_cut_by_characters() {
        let mut warnings = Vec::new();
        let pairs = vec![
            ("fits".to_owned(), "ü".repeat(6000)),
            ("long".to_owned(), "ü".repeat(6001)),
        ];
        let fitted = fit(Entity::Param, pairs.clone(), LongValues::Cut, &mut |warning| {
            warnings.push(warning);
        })
        .unwrap();
        assert_eq!(fitted[0].1.chars().count(), 6000);
        assert_eq!(fitted[1].1.chars().count(), 6000);
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].starts_with("the value of the parameter 'long', 'üü"),
            "{}",
            warnings[0]
        );
        assert!(
            warnings[0].contains("(6001 characters), was truncated to 6000 characters"),
            "{}",
            warnings[0]
        );

        let refused = fit(Entity::Param, pairs, LongValues::Refuse, &mut drop).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the value of the parameter 'long' has 6001 characters; the limit is 6000"
        );

        let tags = vec![("long".to_owned(), "x".repeat(9000))];
        let fitted = fit(Entity::Tag, tags, LongValues::Cut, &mut drop).unwrap();
        assert_eq!(fitted[0].1.len(), 8000);
    }

    #[test]
    fn experiment_names_have_a_length() {
        assert_eq!(check_experiment_name(&"ü".repeat(500)), Ok(()));
        assert!(check_experiment_name("").is_err());
        assert!(check_experiment_name(&"n".repeat(501)).is_err());
    }
}
