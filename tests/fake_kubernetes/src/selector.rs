//! Label and field selectors, as far as clients of Jobs use them.

use serde_json::Value;

/// Which objects are meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selector {
    labels: Vec<(String, String)>,
    fields: Vec<(String, String)>,
}

impl Selector {
    /// Reads `a=b,c=d`. A form that is not known is an error.
    pub(crate) fn parse(labels: Option<&str>, fields: Option<&str>) -> Result<Self, String> {
        Ok(Self {
            labels: pairs(labels)?,
            fields: pairs(fields)?,
        })
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        self.labels
            .iter()
            .all(|(key, value)| object["metadata"]["labels"][key] == value.as_str())
            && self.fields.iter().all(|(path, value)| {
                let found = path.split('.').fold(object, |object, key| &object[key]);
                found.as_str().unwrap_or_default() == value
            })
    }
}

fn pairs(text: Option<&str>) -> Result<Vec<(String, String)>, String> {
    let parts = text
        .unwrap_or_default()
        .split(',')
        .filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((key, value)) if !key.ends_with('!') => {
                Ok((key.to_owned(), value.trim_start_matches('=').to_owned()))
            }
            _ => Err(format!("unable to parse requirement: {part}")),
        })
        .collect()
}
