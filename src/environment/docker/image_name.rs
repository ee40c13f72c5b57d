//! The name of the image that is built for a project.

const LONGEST_NAME: usize = 255;
/// The name of an image whose project's name has nothing that an image's name could have.
const FALLBACK: &str = "docker-project";
const COMMIT_LENGTH: usize = 7;

/// The image's name: the project's, and the beginning of the commit that its files are from.
///
/// `mlflow run` names it so too, but for project names that no image can have: those are made valid.
pub(crate) fn image_name(project: &str, commit: Option<&str>) -> String {
    let tag = commit.map(|commit| commit.get(..COMMIT_LENGTH).unwrap_or(commit));
    let is_tagged_already = tag.is_none()
        && project
            .rsplit_once(':')
            .is_some_and(|(name, tag)| is_valid(name) && is_valid_tag(tag));
    let name = if is_valid(project) || is_tagged_already {
        project.to_owned()
    } else {
        made_valid(project)
    };
    match tag {
        Some(tag) => format!("{name}:{tag}"),
        None => name,
    }
}

/// The name that an image is pushed by: the repository, and the beginning of the commit that the
/// project's files are from, as `mlflow run` has it.
pub(super) fn pushed_name(repository: &str, commit: Option<&str>) -> String {
    match commit {
        Some(commit) => format!("{repository}:{}", commit.get(..COMMIT_LENGTH).unwrap_or(commit)),
        None => repository.to_owned(),
    }
}

/// Whether images can be pushed to a repository of this name, and get a tag there.
pub(crate) fn is_repository(name: &str) -> bool {
    is_valid(name)
}

/// Whether engines take the name: `[HOST[:PORT]/]PART/…/PART`.
fn is_valid(name: &str) -> bool {
    let (host, path) = match name.split_once('/') {
        Some((host, path)) if is_host(host) => (Some(host), path),
        _ => (None, name),
    };
    name.len() <= LONGEST_NAME && host.is_none_or(is_valid_host) && path.split('/').all(is_valid_part)
}

/// Whether the first part of a name is a registry's host by the rule of the engines.
fn is_host(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':'])
}

/// The registry's host in an image's name, if it names one.
pub(super) fn registry(image: &str) -> Option<&str> {
    let (host, _) = image.split_once('/')?;
    is_host(host).then_some(host)
}

fn is_valid_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.split('.').all(is_label) && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_valid_part(part: &str) -> bool {
    let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let bytes = part.as_bytes();
    let has_ends = bytes.first().copied().is_some_and(is_alphanumeric)
        && bytes.last().copied().is_some_and(is_alphanumeric);
    has_ends
        && part
            .split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit())
            .all(is_separator)
}

fn is_valid_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = tag.bytes();
    tag.len() <= 128
        && bytes.next().is_some_and(is_word)
        && bytes.all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

fn made_valid(project: &str) -> String {
    let lower = project.to_lowercase();
    let words = |part: &str| {
        let words = part.split(|character: char| !character.is_ascii_alphanumeric());
        words
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("-")
    };
    let parts = lower.split('/').map(words).filter(|part| !part.is_empty());
    let mut name = parts.collect::<Vec<_>>().join("/");
    // Room for the host that engines put before a name.
    name.truncate(LONGEST_NAME - 55);
    let name = name.trim_end_matches(['-', '/']);
    if name.is_empty() {
        FALLBACK.to_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_reference_or_made_valid() {
        let commit = Some("0123456789abcdef");
        let long = "x".repeat(300);
        for (project, commit, expected) in [
            ("tutorial", None, "tutorial"),
            ("tutorial", commit, "tutorial:0123456"),
            ("a_b__c--d/e.f9", None, "a_b__c--d/e.f9"),
            ("localhost:5000/a", commit, "localhost:5000/a:0123456"),
            ("Host.example/a", None, "Host.example/a"),
            ("a:v1.0", None, "a:v1.0"),
            ("a:v1.0", commit, "a-v1-0:0123456"),
            ("My Project", commit, "my-project:0123456"),
            ("  Größe/№ 1!", None, "gr-e/1"),
            ("a..b", None, "a-b"),
            ("_x_", None, "x"),
            ("---", None, "docker-project"),
            ("", commit, "docker-project:0123456"),
            (&long, None, &"x".repeat(200)),
        ] {
            let name = image_name(project, commit);
            assert_eq!(name, expected, "{project}");
            let (bare, _) = name
                .rsplit_once(':')
                .filter(|(_, tag)| is_valid_tag(tag))
                .unwrap_or((&name, ""));
            assert!(is_valid(bare), "{name}");
        }
    }
}
