//! `databricks`, `databricks://profile`, `databricks://scope:key`: which workspace is meant.

use super::error::DatabricksError;

/// What a tracking URI says about the workspace and its credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct DatabricksProfile {
    /// The profile of the configuration file; the usual credentials where there is none.
    pub(crate) name: Option<String>,
    /// A scope and the beginning of keys in it: the secrets `<key>-host` and `<key>-token` there hold
    /// the address and the token of the workspace that is meant.
    pub(crate) secret: Option<(String, String)>,
}

impl DatabricksProfile {
    /// The profile that a tracking URI names.
    pub(crate) fn from_uri(uri: &str) -> Result<Self, DatabricksError> {
        let refused = |reason| DatabricksError::Setup {
            text: format!("the URI '{uri}' {reason}"),
            hint: "write databricks, databricks://profile or databricks://scope:key",
        };
        if uri == "databricks" {
            return Ok(Self::default());
        }
        let Some(rest) = uri.strip_prefix("databricks:") else {
            return Err(refused("is not one of a Databricks workspace"));
        };
        let authority = rest.strip_prefix("//").unwrap_or_default();
        let authority = authority.split('/').next().unwrap_or_default();
        let parts: Vec<&str> = authority.split(':').collect();
        if parts.iter().any(|part| part.trim().is_empty()) {
            return Err(refused("names no profile"));
        }
        let (name, secret) = match parts[..] {
            [profile] => (Some(profile), None),
            [scope, key] => (None, Some((scope, key))),
            [profile, scope, key] => (Some(profile), Some((scope, key))),
            _ => return Err(refused("has more than a profile, a scope and a key")),
        };
        Ok(Self {
            name: name.map(str::to_owned),
            secret: secret.map(|(scope, key)| (scope.to_owned(), key.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_name_profiles_and_secrets() {
        let secret = || Some(("scope".to_owned(), "key".to_owned()));
        for (uri, expected) in [
            ("databricks", Some((None, None))),
            ("databricks://dev", Some((Some("dev"), None))),
            ("databricks://dev/", Some((Some("dev"), None))),
            ("databricks://scope:key", Some((None, secret()))),
            ("databricks://dev:scope:key", Some((Some("dev"), secret()))),
            ("databricks://", None),
            ("databricks:/dev", None),
            ("databricks://dev:", None),
            ("databricks://a:b:c:d", None),
            ("databricks-uc", None),
        ] {
            let profile = DatabricksProfile::from_uri(uri).ok();
            let expected = expected.map(|(name, secret)| DatabricksProfile {
                name: name.map(str::to_owned),
                secret,
            });
            assert_eq!(profile, expected, "{uri}");
        }
    }
}
