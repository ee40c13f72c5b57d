//! Golden texts: whole outputs with paths, ids and times replaced by names.

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
