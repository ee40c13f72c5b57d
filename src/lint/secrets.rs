//! Whether a variable seems to hold a secret.

use crate::redact;

/// Words in a name that say so.
const WORDS: [&str; 8] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "credentials",
    "apikey",
];
/// Words that make a secret of the word `key` after them.
const BEFORE_KEY: [&str; 7] = [
    "api",
    "access",
    "account",
    "private",
    "secret",
    "storage",
    "encryption",
];
/// Last words of names whose values only say where a secret is, or how it is called.
const PLACES: [&str; 7] = ["file", "path", "dir", "url", "uri", "name", "type"];
/// What the tokens of well-known services begin with.
const BEGINNINGS: [&str; 8] = [
    "AKIA",
    "ghp_",
    "github_pat_",
    "glpat-",
    "hf_",
    "sk-",
    "xoxb-",
    "dapi",
];
/// Shorter values are placeholders rather than tokens.
const SHORTEST_TOKEN: usize = 16;

/// Whether the name, or the value's form, says that the value is a secret. A reference to a variable
/// is none.
pub(crate) fn looks_secret(name: &str, value: &str) -> bool {
    if value.is_empty() || value.contains('$') {
        return false;
    }
    let is_token = value.len() >= SHORTEST_TOKEN && BEGINNINGS.iter().any(|start| value.starts_with(start));
    is_secret_name(name) || is_token || redact::without_credentials(value) != value
}

fn is_secret_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(['_', '-', '.']).collect();
    if words.last().is_some_and(|last| PLACES.contains(last)) {
        return false;
    }
    words.iter().any(|word| WORDS.contains(word))
        || words
            .windows(2)
            .any(|pair| BEFORE_KEY.contains(&pair[0]) && pair[1] == "key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_tell() {
        for (name, value, expected) in [
            ("AWS_SECRET_ACCESS_KEY", "abc", true),
            ("AWS_ACCESS_KEY_ID", "abc", true),
            ("MLFLOW_TRACKING_PASSWORD", "p", true),
            ("HF_TOKEN", "x", true),
            ("wandb-api-key", "x", true),
            ("OPENAI_APIKEY", "x", true),
            ("DATA", "ghp_0123456789abcdef", true),
            ("DATA", "hf_short", false),
            ("DB", "postgresql://anna:geheim@host/db", true),
            ("HF_TOKEN", "", false),
            ("HF_TOKEN", "$HF_TOKEN", false),
            ("TOKEN_FILE", "/run/token", false),
            ("TOKENIZERS_PARALLELISM", "false", false),
            ("MAX_TOKENS", "100", false),
            ("PUBLIC_KEY", "x", false),
            ("KEYBOARD", "x", false),
            ("MODE", "fast", false),
        ] {
            assert_eq!(looks_secret(name, value), expected, "{name}={value}");
        }
    }
}
