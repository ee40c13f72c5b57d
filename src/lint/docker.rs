//! Docker projects: names, and secrets in the file.

use super::document::Document;
use super::secrets::looks_secret;
use super::{Code, Finding};
use crate::environment::image_name;
use crate::yaml::Node;

/// The longest name of a Kubernetes job, less what is put after the project's name.
const LONGEST_JOB_NAME: usize = 63 - "-2026-01-02-03-04-05-000000".len();

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
            format!("no image can be called '{name}': `mlflow run` fails, mlrun calls it '{image}'");
        findings.push(
            Finding::new(Code::ImageName, document.location(node), message)
                .hint("take lower-case letters and digits, with single '-', '_' or '.' between them"),
        );
    } else if !can_be_job(&name) {
        let message = format!(
            "no Kubernetes job can be called '{name}': `mlflow run` fails there, mlrun changes the name"
        );
        findings.push(
            Finding::new(Code::JobName, document.location(node), message)
                .hint("take lower-case letters and digits, with '-' between them, at most 36 in all"),
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

/// Secrets that the file gives to everyone who reads it. Their values are never shown.
pub(super) fn secrets(document: &Document, findings: &mut Vec<Finding>) {
    let Some(docker) = document.section("docker_env") else {
        return;
    };
    for pair in docker
        .get("environment")
        .and_then(Node::as_list)
        .unwrap_or_default()
    {
        let [name, value] = pair.as_list().unwrap_or_default() else {
            continue;
        };
        let name = name.value.to_python_str();
        if looks_secret(&name, &value.value.to_python_str()) {
            let message = format!(
                "the variable '{name}' seems to hold a secret, which everyone with the file can read"
            );
            findings.push(
                Finding::new(Code::Secret, document.location(value), message).hint(format!(
                    "write only `- {name}`: its value is then copied from the machine that starts the run"
                )),
            );
        }
    }
}
