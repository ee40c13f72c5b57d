//! The model registry, as far as the location of a model's artifacts is concerned.

use std::fmt;

/// Which model is meant by what stands between `models:/` and the path of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSelector {
    /// A version of a registered model.
    Version {
        /// The model's name.
        name: String,
        /// The version's number.
        version: String,
    },
    /// The newest version of a registered model, in one stage or in any.
    Latest {
        /// The model's name.
        name: String,
        stage: Option<String>,
    },
    /// The version of a registered model that has this alias.
    Alias {
        /// The model's name.
        name: String,
        alias: String,
    },
    /// A logged model, which need not be registered.
    Logged { id: String },
}

impl ModelSelector {
    /// Reads `name/version`, `name/stage`, `name/latest`, `name@alias` or the id of a logged model.
    pub fn parse(text: &str) -> Self {
        if let Some((name, suffix)) = text.split_once('/') {
            let name = name.to_owned();
            return if suffix.bytes().all(|byte| byte.is_ascii_digit()) {
                Self::Version {
                    name,
                    version: suffix.to_owned(),
                }
            } else {
                let stage = (!suffix.eq_ignore_ascii_case("latest")).then(|| suffix.to_owned());
                Self::Latest { name, stage }
            };
        }
        match text.rsplit_once('@') {
            Some((name, alias)) => Self::Alias {
                name: name.to_owned(),
                alias: alias.to_owned(),
            },
            None => Self::Logged { id: text.to_owned() },
        }
    }
}

impl fmt::Display for ModelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { name, version } => write!(f, "{name}/{version}"),
            Self::Latest { name, stage } => write!(f, "{name}/{}", stage.as_deref().unwrap_or("latest")),
            Self::Alias { name, alias } => write!(f, "{name}@{alias}"),
            Self::Logged { id } => f.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read() {
        let name = || "m".to_owned();
        for (text, expected) in [
            (
                "m/12",
                ModelSelector::Version {
                    name: name(),
                    version: "12".to_owned(),
                },
            ),
            (
                "m/Latest",
                ModelSelector::Latest {
                    name: name(),
                    stage: None,
                },
            ),
            (
                "m/Production",
                ModelSelector::Latest {
                    name: name(),
                    stage: Some("Production".to_owned()),
                },
            ),
            (
                "m@best",
                ModelSelector::Alias {
                    name: name(),
                    alias: "best".to_owned(),
                },
            ),
            (
                "m-0123",
                ModelSelector::Logged {
                    id: "m-0123".to_owned(),
                },
            ),
        ] {
            assert_eq!(ModelSelector::parse(text), expected, "{text}");
        }
    }
}
