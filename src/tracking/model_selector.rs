//! Selects a model in the model registry, to find its artifacts.

use std::fmt;

/// The stage of deleted versions.
pub(super) const DELETED_STAGE: &str = "Deleted_Internal";

/// The model in a `models:/` URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSelector {
    /// A version of a registered model, by its number.
    Version { name: String, version: String },
    /// The newest version of a registered model, in this stage or in any.
    Latest { name: String, stage: Option<String> },
    /// The version of a registered model with this alias.
    Alias { name: String, alias: String },
    /// A logged model, even if it is not registered.
    Logged { id: String },
}

impl ModelSelector {
    /// Parses `name/version`, `name/stage`, `name/latest`, `name@alias` or the id of a logged model.
    pub fn parse(text: &str) -> Self {
        if let Some((name, suffix)) = text.split_once('/') {
            let (name, suffix) = (name.to_owned(), suffix.to_owned());
            if suffix.bytes().all(|byte| byte.is_ascii_digit()) {
                return Self::Version {
                    name,
                    version: suffix,
                };
            }
            let stage = Some(suffix).filter(|stage| !stage.eq_ignore_ascii_case("latest"));
            return Self::Latest { name, stage };
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

/// Whether `of_version` is this stage (ignoring case), or any stage is wanted.
pub(super) fn is_in_stage(of_version: &str, stage: Option<&str>) -> bool {
    match stage {
        Some(stage) => of_version.eq_ignore_ascii_case(stage),
        None => of_version != DELETED_STAGE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_read() {
        for (text, expected) in [
            ("m/12", r#"Version { name: "m", version: "12" }"#),
            ("m/Latest", r#"Latest { name: "m", stage: None }"#),
            (
                "m/Production",
                r#"Latest { name: "m", stage: Some("Production") }"#,
            ),
            ("m@best", r#"Alias { name: "m", alias: "best" }"#),
            ("m-0123", r#"Logged { id: "m-0123" }"#),
        ] {
            assert_eq!(format!("{:?}", ModelSelector::parse(text)), expected, "{text}");
        }
    }
}
