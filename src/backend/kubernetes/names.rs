//! Names that Kubernetes takes, made of those that a project has.
//!
//! Source: "Object Names and IDs" and "Labels and Selectors" of the Kubernetes documentation.

use k8s_openapi::jiff::Timestamp;

/// The longest name of a label, and so of a container, and of a Job whose pods are named after it.
pub(super) const LONGEST_LABEL: usize = 63;

/// How many characters keep the Jobs of one second apart.
const UNIQUE: usize = 8;

/// A container's name where a project has none that could be one.
const FALLBACK: &str = "mlflow-project";

/// The text as an RFC 1123 label: lower-case letters, digits and single `-` between them.
pub(super) fn label(text: &str, longest: usize) -> String {
    let text = text.to_lowercase();
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut name = words.join("-");
    if name.is_empty() {
        name.push_str(FALLBACK);
    }
    name.truncate(longest);
    name.trim_end_matches('-').to_owned()
}

/// A Job's name: the project's, the time in UTC as `mlflow run` writes it (to the second), and
/// something that no other Job of that second has.
pub(super) fn job_name(project: &str, now: Timestamp, longest: usize) -> String {
    let unique = uuid::Uuid::new_v4().simple().to_string();
    let end = format!("{}-{}", now.strftime("%Y-%m-%d-%H-%M-%S"), &unique[..UNIQUE]);
    let room = longest.saturating_sub(end.len() + 1);
    format!("{}-{end}", label(project, room))
}

/// The text as a label's value: letters, digits, and `-`, `_` and `.` between them. Nothing where
/// nothing is left of it.
pub(super) fn label_value(text: &str) -> Option<String> {
    let is_inner = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let value = text.replace(|character| !is_inner(character), "-");
    let mut value = value.trim_start_matches(['-', '_', '.']).to_owned();
    value.truncate(LONGEST_LABEL);
    let value = value.trim_end_matches(['-', '_', '.']);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_valid() {
        let long = "x".repeat(100);
        for (text, longest, expected) in [
            ("docker-example", 63, "docker-example"),
            ("docker example", 63, "docker-example"),
            ("My_Project.v2", 63, "my-project-v2"),
            ("  Größe/№ 1!", 63, "gr-e-1"),
            ("---", 63, "mlflow-project"),
            ("", 6, "mlflow"),
            ("a-b", 2, "a"),
            (&long, 63, &"x".repeat(63)),
        ] {
            let label = label(text, longest);
            assert_eq!(label, expected, "{text}");
            assert!(label.len() <= longest);
        }
    }

    #[test]
    fn jobs_are_named_after_project_and_time() {
        let now: Timestamp = "2026-01-02T03:04:05.678Z".parse().unwrap();
        for (project, longest, expected) in [
            ("My Project", 63, "my-project-2026-01-02-03-04-05-"),
            ("abcdefghij", 39, "abcdefghij-2026-01-02-03-04-05-"),
            ("abcdefghi-j", 39, "abcdefghi-2026-01-02-03-04-05-"),
        ] {
            let name = job_name(project, now, longest);
            assert_eq!(&name[..name.len() - UNIQUE], expected);
        }
        let name = job_name(&"y".repeat(300), now, LONGEST_LABEL);
        assert_eq!(name.len(), LONGEST_LABEL);
    }

    #[test]
    fn label_values_are_valid() {
        let long = format!("{}.", "x".repeat(62));
        for (text, expected) in [
            ("main", Some("main")),
            ("src/train.py", Some("src-train.py")),
            ("_My Project_", Some("My-Project")),
            ("№", None),
            ("", None),
            (&long, Some(&long[..62])),
        ] {
            assert_eq!(label_value(text).as_deref(), expected, "{text}");
        }
    }
}
