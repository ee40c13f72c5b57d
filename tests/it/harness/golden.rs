//! Golden texts: whole outputs in which paths, ids, times and all else that differs from run to run are replaced
//! by names.

use std::path::Path;

/// Compares a text with `tests/golden/NAME.txt`. Under `MLRUN_TEST_BLESS=1` the file is written
/// instead; read the difference before you commit it.
///
/// # Panics
/// When the texts differ, or there is no file.
#[track_caller]
pub(crate) fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.txt"));
    if std::env::var_os("MLRUN_TEST_BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; MLRUN_TEST_BLESS=1 writes it. The text is:\n{actual}",
            path.display()
        )
    });
    if expected != actual {
        panic!(
            "{} differs (- expected, + actual; MLRUN_TEST_BLESS=1 rewrites it):\n{}",
            path.display(),
            line_difference(&expected, actual)
        );
    }
}

/// The lines of both texts, marked; runs of equal lines are kept, since golden texts are short.
fn line_difference(expected: &str, actual: &str) -> String {
    let expected: Vec<&str> = expected.split('\n').collect();
    let actual: Vec<&str> = actual.split('\n').collect();
    // The length of the longest common subsequence of each pair of tails.
    let mut common = vec![vec![0usize; actual.len() + 1]; expected.len() + 1];
    for left in (0..expected.len()).rev() {
        for right in (0..actual.len()).rev() {
            common[left][right] = if expected[left] == actual[right] {
                common[left + 1][right + 1] + 1
            } else {
                common[left + 1][right].max(common[left][right + 1])
            };
        }
    }
    let (mut left, mut right, mut text) = (0, 0, String::new());
    while left < expected.len() || right < actual.len() {
        let (mark, line) = if left < expected.len() && right < actual.len() && expected[left] == actual[right]
        {
            (left, right) = (left + 1, right + 1);
            (' ', expected[left - 1])
        } else if right == actual.len()
            || (left < expected.len() && common[left + 1][right] >= common[left][right + 1])
        {
            left += 1;
            ('-', expected[left - 1])
        } else {
            right += 1;
            ('+', actual[right - 1])
        };
        text.push_str(&format!("{mark} {line}\n"));
    }
    text
}

#[test]
fn differences_are_marked_by_line() {
    assert_eq!(
        line_difference("a\nb\nc\n", "a\nx\nc\n"),
        "  a\n- b\n+ x\n  c\n  \n"
    );
    assert_eq!(line_difference("a", "a\nb"), "  a\n+ b\n");
}

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
