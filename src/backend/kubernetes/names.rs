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
    let mut name = if words.is_empty() {
        FALLBACK.to_owned()
    } else {
        words.join("-")
    };
    name.truncate(longest);
    name.trim_end_matches('-').to_owned()
}

/// A Job's name: the project's, the time in UTC as `mlflow run` writes it (to the second), and
/// something that no other Job has.
pub(super) fn job_name(project: &str, now: Timestamp, unique: &str, longest: usize) -> String {
    let unique: String = unique
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(UNIQUE)
        .collect();
    let end = format!(
        "{}-{}",
        now.strftime("%Y-%m-%d-%H-%M-%S"),
        unique.to_ascii_lowercase()
    );
    let room = longest.saturating_sub(end.len() + 1);
    format!("{}-{end}", label(project, room))
}

/// The text as a label's value: letters, digits, and `-`, `_` and `.` between them. Nothing where
/// nothing is left of it.
pub(super) fn label_value(text: &str) -> Option<String> {
    let value: String = text
        .chars()
        .map(|character| match character {
            '-' | '_' | '.' => character,
            _ if character.is_ascii_alphanumeric() => character,
            _ => '-',
        })
        .skip_while(|character| !character.is_ascii_alphanumeric())
        .take(LONGEST_LABEL)
        .collect();
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
            ("My Project", 63, "my-project-2026-01-02-03-04-05-0123abcd"),
            ("abcdefghij", 39, "abcdefghij-2026-01-02-03-04-05-0123abcd"),
            ("abcdefghi-j", 39, "abcdefghi-2026-01-02-03-04-05-0123abcd"),
        ] {
            let name = job_name(project, now, "0123ABCD-ef", longest);
            assert_eq!(name, expected);
            assert!(name.len() <= longest);
        }
        let name = job_name(&"y".repeat(300), now, "0123abcdef", LONGEST_LABEL);
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
