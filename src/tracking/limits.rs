//! What every tracking store can take: the rules for keys and the lengths of values.
//!
//! The rules are MLflow's own (`mlflow.utils.validation`, 3.17, observed). A store that MLflow's
//! clients share must not hold what they refuse, so all stores here keep the same ones.

use crate::env_vars;

/// The longest key of a parameter or tag, in characters.
pub(crate) const MAX_KEY_LENGTH: usize = 250;
/// The longest value of a parameter, in characters.
pub(crate) const MAX_PARAM_VALUE_LENGTH: usize = 6000;
/// The longest value of a tag, in characters.
pub(crate) const MAX_TAG_VALUE_LENGTH: usize = 8000;
/// The longest name of an experiment, in characters.
pub(crate) const MAX_EXPERIMENT_NAME_LENGTH: usize = 500;

/// How much of a value a warning shows, in characters.
const SHOWN_LENGTH: usize = 100;

/// What a key or value belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    /// A parameter of a run.
    Param,
    /// A tag of a run.
    Tag,
}

impl Entity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Param => "parameter",
            Self::Tag => "tag",
        }
    }
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a store cannot take a key, a value or a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    #[error("a {entity} has an empty key")]
    EmptyKey { entity: Entity },
    /// The key holds a character that is not allowed.
    #[error("the {entity} key '{}' holds {}", key.escape_debug(), shown(*character))]
    KeyCharacter {
        entity: Entity,
        key: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// The key, read as a path, does not name itself.
    #[error("the {entity} key '{key}' is not a plain relative path; it resolves to '{resolved}'")]
    KeyPath {
        entity: Entity,
        key: String,
        resolved: String,
    },
    #[error("the {entity} key '{key}' has {length} characters; a tracking store takes {MAX_KEY_LENGTH}")]
    KeyLength {
        entity: Entity,
        key: String,
        length: usize,
    },
    #[error("the {entity} key '{key}' is given twice")]
    DuplicateKey { entity: Entity, key: String },
    /// The value has too many characters and must not be cut.
    #[error("the value of the {entity} '{key}' has {length} characters; a tracking store takes {limit}")]
    ValueLength {
        entity: Entity,
        key: String,
        length: usize,
        limit: usize,
    },
    #[error("the experiment name is empty")]
    EmptyExperimentName,
    /// The experiment's name has too many characters.
    #[error(
        "the experiment name has {length} characters; a tracking store takes {MAX_EXPERIMENT_NAME_LENGTH}"
    )]
    ExperimentNameLength { length: usize },
}

impl LimitError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::KeyCharacter { .. } => Some(
                "a key may hold letters, digits, underscores, dashes, periods, spaces, colons and slashes"
                    .to_owned(),
            ),
            Self::KeyPath { .. } => Some(
                "write the key without a leading or doubled slash and without '.' or '..' as a part"
                    .to_owned(),
            ),
            Self::ValueLength { .. } => Some(format!(
                "unset {} to have long values cut",
                env_vars::MLFLOW_TRUNCATE_LONG_VALUES
            )),
            _ => None,
        }
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

/// Checks that a store can take parameters with these keys: allowed characters, length, no key that
/// names another one when read as a path, none twice. Has no side effect, so it can be asked before
/// anything is created.
///
/// # Errors
/// The first key that a store refuses.
pub(crate) fn check_param_keys<'a>(keys: impl IntoIterator<Item = &'a str>) -> Result<(), LimitError> {
    let mut seen = std::collections::HashSet::new();
    for key in keys {
        check_key(Entity::Param, key)?;
        if !seen.insert(key) {
            return Err(LimitError::DuplicateKey {
                entity: Entity::Param,
                key: key.to_owned(),
            });
        }
    }
    Ok(())
}

/// Checks parameters and cuts values that are too long, telling `warn` of each cut.
///
/// # Errors
/// A key that a store refuses, or a value that is too long and must not be cut.
pub(crate) fn fit_params(
    params: Vec<(String, String)>,
    long_values: LongValues,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<(String, String)>, LimitError> {
    check_param_keys(params.iter().map(|(key, _)| key.as_str()))?;
    fit_values(Entity::Param, MAX_PARAM_VALUE_LENGTH, params, long_values, warn)
}

/// Checks tags and cuts values that are too long, telling `warn` of each cut.
///
/// # Errors
/// A key that a store refuses, or a value that is too long and must not be cut.
pub(crate) fn fit_tags(
    tags: Vec<(String, String)>,
    long_values: LongValues,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<(String, String)>, LimitError> {
    for (key, _) in &tags {
        check_key(Entity::Tag, key)?;
    }
    fit_values(Entity::Tag, MAX_TAG_VALUE_LENGTH, tags, long_values, warn)
}

/// Checks that a store can take an experiment of this name.
///
/// # Errors
/// An empty name, or one that is too long.
pub(crate) fn check_experiment_name(name: &str) -> Result<(), LimitError> {
    let length = name.chars().count();
    match length {
        0 => Err(LimitError::EmptyExperimentName),
        1..=MAX_EXPERIMENT_NAME_LENGTH => Ok(()),
        _ => Err(LimitError::ExperimentNameLength { length }),
    }
}

/// Cuts values that are longer than `limit` characters, telling `warn` of each cut: a store may take
/// less than the newest ones do.
///
/// # Errors
/// A value that is too long and must not be cut.
pub(crate) fn fit_values(
    entity: Entity,
    limit: usize,
    pairs: Vec<(String, String)>,
    long_values: LongValues,
    warn: &mut dyn FnMut(String),
) -> Result<Vec<(String, String)>, LimitError> {
    pairs
        .into_iter()
        .map(|(key, mut value)| {
            // A text has at least as many bytes as characters, so most values need no counting.
            let length = if value.len() > limit { value.chars().count() } else { value.len() };
            if length > limit {
                if long_values == LongValues::Refuse {
                    return Err(LimitError::ValueLength {
                        entity,
                        key,
                        length,
                        limit,
                    });
                }
                let shown: String = value.chars().take(SHOWN_LENGTH).collect();
                warn(format!(
                    "the value of the {entity} '{key}', '{shown}...' ({length} characters), is cut to {limit} \
                     characters for the tracking store"
                ));
                if let Some((end, _)) = value.char_indices().nth(limit) {
                    value.truncate(end);
                }
            }
            Ok((key, value))
        })
        .collect()
}

fn check_key(entity: Entity, key: &str) -> Result<(), LimitError> {
    if key.is_empty() {
        return Err(LimitError::EmptyKey { entity });
    }
    if let Some(character) = key.chars().find(|character| !is_key_character(*character)) {
        return Err(LimitError::KeyCharacter {
            entity,
            key: key.to_owned(),
            character,
        });
    }
    let resolved = normalized(key);
    // MLflow refuses every key that begins with two periods, also a harmless one such as "..a".
    if resolved != key || key == "." || key.starts_with("..") || key.starts_with('/') {
        return Err(LimitError::KeyPath {
            entity,
            key: key.to_owned(),
            resolved,
        });
    }
    let length = key.chars().count();
    if length > MAX_KEY_LENGTH {
        return Err(LimitError::KeyLength {
            entity,
            key: key.to_owned(),
            length,
        });
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

    #[test]
    fn keys_are_accepted_and_refused_as_mlflow_does() {
        let longest = "k".repeat(250);
        for key in [
            "a", "a/b", "a..", "ü", "日本", "a:b", "a b ", " ", "²", "A-b_c.d", &longest,
        ] {
            assert_eq!(check_param_keys([key]), Ok(()), "{key:?}");
        }
        for key in [
            "a//b", "a/", "./a", "../a", "..a", ".", "..", "...", "/a", "//a", "a/../b", "a/./b",
        ] {
            let error = check_param_keys([key]).unwrap_err();
            assert!(matches!(error, LimitError::KeyPath { .. }), "{key:?}: {error}");
        }
        for key in [
            "a'b", "a,b", "a@b", "a=b", "a\nb", "a\u{a0}b", "a\u{301}", "--x y'",
        ] {
            let error = check_param_keys([key]).unwrap_err();
            assert!(
                matches!(error, LimitError::KeyCharacter { .. }),
                "{key:?}: {error}"
            );
        }
        assert!(matches!(check_param_keys([""]), Err(LimitError::EmptyKey { .. })));
        let too_long = "ü".repeat(251);
        assert!(matches!(
            check_param_keys([too_long.as_str()]),
            Err(LimitError::KeyLength { length: 251, .. })
        ));
        assert!(matches!(
            check_param_keys(["a", "b", "a"]),
            Err(LimitError::DuplicateKey { .. })
        ));
    }

    #[test]
    fn errors_name_the_key_and_the_character() {
        let message = |key| check_param_keys([key]).unwrap_err().to_string();
        assert_eq!(
            message("it's"),
            "the parameter key 'it\\'s' holds the character '''"
        );
        assert_eq!(
            message("a\tb"),
            "the parameter key 'a\\tb' holds the control character U+0009"
        );
        assert_eq!(
            message("a//b"),
            "the parameter key 'a//b' is not a plain relative path; it resolves to 'a/b'"
        );
    }

    #[test]
    fn long_values_are_cut_by_characters() {
        let mut warnings = Vec::new();
        let pairs = vec![
            ("fits".to_owned(), "ü".repeat(6000)),
            ("long".to_owned(), "ü".repeat(6001)),
        ];
        let fitted = fit_params(pairs.clone(), LongValues::Cut, &mut |warning| {
            warnings.push(warning)
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

        let refused = fit_params(pairs, LongValues::Refuse, &mut |_| ()).unwrap_err();
        assert!(matches!(refused, LimitError::ValueLength { length: 6001, .. }));

        let tags = vec![("long".to_owned(), "x".repeat(9000))];
        let fitted = fit_tags(tags, LongValues::Cut, &mut |_| ()).unwrap();
        assert_eq!(fitted[0].1.len(), 8000);
    }

    #[test]
    fn experiment_names_have_a_length() {
        assert_eq!(check_experiment_name(&"ü".repeat(500)), Ok(()));
        assert!(check_experiment_name("").is_err());
        assert!(check_experiment_name(&"n".repeat(501)).is_err());
    }
}
