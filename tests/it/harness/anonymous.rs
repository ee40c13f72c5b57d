//! What differs from run to run, and is replaced where texts are compared.

/// Whether a run's name has the form that MLflow makes up, such as `bustling-wren-42`.
pub(crate) fn is_generated_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    matches!(parts.as_slice(), [predicate, noun, number] if is_word(predicate) && is_word(noun)
        && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Replaces the names that Python and mlrun give to temporary directories.
pub(crate) fn without_temporary_names(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("/tmp") {
        let (before, name) = rest.split_at(start + 1);
        // The sandbox's own temporary directory, or one in another place.
        let name_start = if name.starts_with("tmp/") { 4 } else { 0 };
        let is_part = |letter: char| letter.is_alphanumeric() || "_.-".contains(letter);
        let end = name[name_start..]
            .find(|letter| !is_part(letter))
            .map_or(name.len(), |length| name_start + length);
        let replacement = if end > name_start && end > 3 {
            "<temporary>"
        } else {
            &name[name_start..end]
        };
        result.push_str(before);
        result.push_str(&name[..name_start]);
        result.push_str(replacement);
        rest = &name[end..];
    }
    result + rest
}

#[test]
fn temporary_names_are_replaced() {
    for (text, expected) in [
        ("<sandbox>/tmp/mlrun-x_1.2/sub", "<sandbox>/tmp/<temporary>/sub"),
        ("work/downloads/tmpab12/", "work/downloads/<temporary>/"),
        ("a/tmp/", "a/tmp/"),
        ("a/tmp", "a/tmp"),
        (
            "<sandbox>/tmp/x y /tmp/z",
            "<sandbox>/tmp/<temporary> y /tmp/<temporary>",
        ),
        ("no path", "no path"),
    ] {
        assert_eq!(without_temporary_names(text), expected);
    }
}
