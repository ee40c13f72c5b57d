//! What every tracking store can take: the rules for keys and the lengths of values.
//!
//! The rules are MLflow's own (`mlflow.utils.validation`, 3.17, observed). A store that MLflow's
//! clients share must not hold what they refuse, so all stores here keep the same ones.

use std::collections::HashSet;

use crate::env_vars;

/// The longest key of a parameter or tag, in characters.
const MAX_KEY_LENGTH: usize = 250;
/// The longest name of an experiment, in characters.
const MAX_EXPERIMENT_NAME_LENGTH: usize = 500;

/// How much of a value a warning shows, in characters.
const SHOWN_LENGTH: usize = 100;

/// What a key or value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entity {
    Param,
    Tag,
}

impl Entity {
    /// The name of their list in MLflow's protocol, and of their table.
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

/// Why a store cannot take a key, a value or a name.
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

    /// What the person can do about it.
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

/// What happens to a value that is longer than a store can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LongValues {
    /// It is cut, with a warning.
    #[default]
    Cut,
    /// It is an error.
    Refuse,
}

impl LongValues {
    /// As `MLFLOW_TRUNCATE_LONG_VALUES` says; cut where it says nothing.
    pub(crate) fn from_environment() -> Self {
        match env_vars::non_empty(env_vars::MLFLOW_TRUNCATE_LONG_VALUES) {
            Some(value) if value == "0" || value.eq_ignore_ascii_case("false") => Self::Refuse,
            _ => Self::Cut,
        }
    }
}

/// Checks parameters or tags, and cuts values that are too long, telling `warn` of each cut. Has no side effects,
/// so it can be called before anything is created.
///
/// # Errors
/// A key that a store refuses, a parameter that is given twice, or a value that is too long and must not be cut.
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

/// Cuts values that are longer than `limit` characters, telling `warn` of each cut: a store may take
/// less than the newest ones do.
///
/// # Errors
/// A value that is too long and must not be cut.
pub(super) fn fit_values(
    entity: Entity,
    limit: usize,
    mut pairs: Vec<(String, String)>,
    long_values: LongValues,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<(String, String)>, LimitError> {
    // A text has at least as many bytes as characters, so most values need no counting.
    for (key, value) in pairs.iter_mut().filter(|(_, value)| value.len() > limit) {
        let Some((end, _)) = value.char_indices().nth(limit) else {
            continue;
        };
        let length = value.chars().count();
        if long_values == LongValues::Refuse {
            return Err(LimitError::with_hint(
                format!(
                    "the value of the {entity} '{key}' has {length} characters; a tracking store takes {limit}"
                ),
                &format!(
                    "unset {} to have long values cut",
                    env_vars::MLFLOW_TRUNCATE_LONG_VALUES
                ),
            ));
        }
        let shown: String = value.chars().take(SHOWN_LENGTH).collect();
        warn(format!(
            "the value of the {entity} '{key}', '{shown}...' ({length} characters), is cut to {limit} characters \
             for the tracking store"
        ));
        value.truncate(end);
    }
    Ok(pairs)
}

/// Checks that a store can take an experiment of this name.
///
/// # Errors
/// An empty name, or one that is too long.
pub(super) fn check_experiment_name(name: &str) -> Result<(), LimitError> {
    match name.chars().count() {
        0 => Err(LimitError::new("the experiment name is empty".to_owned())),
        1..=MAX_EXPERIMENT_NAME_LENGTH => Ok(()),
        length => Err(LimitError::new(format!(
            "the experiment name has {length} characters; a tracking store takes {MAX_EXPERIMENT_NAME_LENGTH}"
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
                "the {entity} key '{}' holds {}",
                key.escape_debug(),
                shown(character)
            ),
            "a key may hold letters, digits, underscores, dashes, periods, spaces, colons and slashes",
        ));
    }
    let resolved = normalized(key);
    // MLflow refuses every key that begins with two periods, also a harmless one such as "..a".
    if resolved != key || key == "." || key.starts_with("..") || key.starts_with('/') {
        return Err(LimitError::with_hint(
            format!("the {entity} key '{key}' is not a plain relative path; it resolves to '{resolved}'"),
            "write the key without a leading or doubled slash and without '.' or '..' as a part",
        ));
    }
    let length = key.chars().count();
    if length > MAX_KEY_LENGTH {
        return Err(LimitError::new(format!(
            "the {entity} key '{key}' has {length} characters; a tracking store takes {MAX_KEY_LENGTH}"
        )));
    }
    Ok(())
}

/// MLflow's `[/\w.\- :]`. Letters are a little more here than in Python's `\w`, which has no
/// combining vowel signs.
fn is_key_character(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '_' | '/' | '.' | '-' | ' ' | ':')
}

/// The path with empty parts and `.` removed and `..` resolved, as POSIX's `normpath` of Python does it.
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
            assert!(error.contains("' holds the "), "{key:?}: {error}");
        }
        let too_long = "ü".repeat(251);
        for (keys, expected) in [
            (&[""][..], "a parameter has an empty key"),
            (&[&too_long], "has 251 characters; a tracking store takes 250"),
            (&["a", "b", "a"], "the parameter key 'a' is given twice"),
            (&["it's"], "the parameter key 'it\\'s' holds the character '''"),
            (
                &["a\tb"],
                "the parameter key 'a\\tb' holds the control character U+0009",
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
            warnings[0].contains("(6001 characters), is cut to 6000 characters"),
            "{}",
            warnings[0]
        );

        let refused = fit(Entity::Param, pairs, LongValues::Refuse, &mut drop).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the value of the parameter 'long' has 6001 characters; a tracking store takes 6000"
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
