//! Templates beside Python's own `str.format`: `tests/template_corpus/generate.py` says what the
//! corpus holds.

use mlrun::internals::project::format_template;
use serde_json::{Map, Value};

use crate::corpus;

/// One line of the corpus: template, values, expected text or null.
type Case = (String, Map<String, Value>, Option<String>);

#[test]
fn templates_are_filled_in_as_python_does() {
    let mut differences = Vec::new();
    for line in corpus::text("template_corpus").lines() {
        let (template, values, expected): Case = serde_json::from_str(line).unwrap();
        let values: Vec<(&str, String)> = values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned()))
            .collect();
        let actual = format_template(&template, &values);
        if actual.as_ref().ok() != expected.as_ref() {
            differences.push(format!("{line}\n  gives {actual:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_template_corpus_is_what_python_says() {
    corpus::assert_generated("template_corpus");
}
