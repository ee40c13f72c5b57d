//! Docker projects: names, volumes, variables, and secrets in the file.

use super::document::Document;
use super::{Code, Finding};
use crate::environment::{DockerPart, docker_problem, image_name};
use crate::project::EnvironmentEntry;
use crate::redact;
use crate::yaml::Node;

/// The longest name of a Kubernetes job, without the suffix that is added to the project's name.
const LONGEST_JOB_NAME: usize = 63 - "-2026-01-02-03-04-05-000000".len();

/// Words in a name that tell of a secret.
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
/// Words before `key` that tell of a secret.
const BEFORE_KEY: [&str; 7] = [
    "api",
    "access",
    "account",
    "private",
    "secret",
    "storage",
    "encryption",
];
/// Last words of names whose values are only a secret's place or name.
const PLACES: [&str; 7] = ["file", "path", "dir", "url", "uri", "name", "type"];
/// Prefixes of the tokens of well-known services.
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

/// Names that images and jobs cannot have.
pub(super) fn names(document: &Document, findings: &mut Vec<Finding>) {
    if document.section("docker_env").is_none() {
        return;
    }
    let Some(node) = document.top().get("name").filter(|node| !node.is_null()) else {
        return;
    };
    let name = node.value.to_python_str();
    let image = image_name(&name, None);
    if image != name {
        let message =
            format!("'{name}' is not a valid name of an image: `mlflow run` fails, mlrun uses '{image}'");
        findings.push(
            Finding::new(Code::ImageName, document.location(node), message)
                .hint("use lower-case letters and digits, with single '-', '_' or '.' between them"),
        );
    } else if !can_be_job(&name) {
        let message = format!(
            "'{name}' is not a valid name of a Kubernetes job: `mlflow run` fails there, mlrun changes it"
        );
        findings.push(
            Finding::new(Code::JobName, document.location(node), message)
                .hint("use lower-case letters and digits, with '-' between them, at most 36 characters"),
        );
    }
}

/// RFC 1123, as Kubernetes has it.
fn can_be_job(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= LONGEST_JOB_NAME
        && name.bytes().all(|byte| is_letter(byte) || byte == b'-')
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().last().is_some_and(is_letter)
}

/// What a run refuses about the image, the volumes and the variables, whatever the machine has.
pub(super) fn settings(document: &Document, findings: &mut Vec<Finding>) {
    let Some((key, docker)) = document.top().get_entry("docker_env") else {
        return;
    };
    // An empty one counts as not set.
    let Some(docker) = docker.as_mapping().filter(|docker| !docker.is_empty()) else {
        return;
    };
    let mut check = |node: &Node, part: DockerPart<'_>| {
        if let Some(error) = docker_problem(part) {
            findings.push(Finding {
                hint: error.hint(),
                ..Finding::new(Code::InvalidValue, document.location(node), error.to_string())
            });
        }
    };
    let name = document.top().get("name").map(|node| node.value.to_python_str());
    let is_set = document.top().get("name").is_some_and(|node| !node.is_null());
    check(
        key,
        DockerPart::Name(name.as_deref().filter(|name| is_set && !name.is_empty())),
    );
    if let Some(image) = docker.get("image").filter(|image| !image.value.is_collection()) {
        check(image, DockerPart::Image(&image.value.to_python_str()));
    }
    let items = |key: &str| docker.get(key).and_then(Node::as_list).unwrap_or_default();
    for volume in items("volumes") {
        let part = volume.as_str().map(|text| DockerPart::Volume {
            volume: text,
            directory: document.directory(),
        });
        if let Some(part) = part {
            check(volume, part);
        }
    }
    for variable in items("environment") {
        let entry = match (variable.as_str(), variable.as_list()) {
            (Some(name), _) => EnvironmentEntry::Copy(name.to_owned()),
            (_, Some([name, value])) if !name.value.is_collection() && !value.value.is_collection() => {
                EnvironmentEntry::Set(name.value.to_python_str(), value.value.to_python_str())
            }
            _ => continue,
        };
        check(variable, DockerPart::Variable(&entry));
    }
}

/// Secrets that everyone who has the file can read. Their values are never shown.
pub(super) fn secrets(document: &Document, findings: &mut Vec<Finding>) {
    for (name, value) in document.docker_variables() {
        let name = name.value.to_python_str();
        if looks_secret(&name, &value.value.to_python_str()) {
            let message = format!(
                "the variable '{name}' seems to contain a secret, which everyone with the file can read"
            );
            findings.push(
                Finding::new(Code::Secret, document.location(value), message).hint(format!(
                    "write only `- {name}`: a run then copies the value from the machine that starts it"
                )),
            );
        }
    }
}

/// Whether the name, or the value's form, says that the value is a secret. A reference to a variable is not one.
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
