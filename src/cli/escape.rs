//! Shows foreign text safely: it cannot move the cursor, reorder or hide other text, or imitate mlrun's own lines.
//!
//! Names, values, descriptions, server responses and program messages may contain anything. Characters that act on
//! the terminal are written as `\u{1b}`: control characters except the tab, direction marks and overrides, invisible
//! spaces and separators. Letters of all scripts stay, also if zero-width joiners connect them, as in Persian and in
//! emoji. Backslashes are not escaped, so the form is for reading only; JSON has every text unchanged.

use std::borrow::Cow;

use serde_json::Value;

use crate::project::quote;

/// The text with its line ends; those of Windows become plain ones.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    let mut characters = characters(text).peekable();
    while let Some((character, acts)) = characters.next() {
        let ends_line = character == '\r' && matches!(characters.peek(), Some(('\n', _)));
        if !acts {
            shown.push(character);
        } else if !ends_line {
            shown.extend(character.escape_unicode());
        }
    }
    Cow::Owned(shown)
}

/// The text on one line, with line ends written as `\n`.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    match escaped(text) {
        text if text.contains('\n') => Cow::Owned(text.replace('\n', "\\n")),
        text => text,
    }
}

/// How mlrun's own lines begin.
const OWN_BEGINNINGS: [&str; 5] = ["===", "error:", "warning:", "hint:", "View "];

/// The text with all lines but the first indented, so that none looks like mlrun's own.
pub(crate) fn continued(text: &str) -> Cow<'_, str> {
    indented(text, |_| true)
}

/// As [`continued`], but only lines that begin like mlrun's own are indented: a command of several lines is logged
/// unchanged.
pub(crate) fn without_fakes(text: &str) -> Cow<'_, str> {
    indented(text, |line| {
        OWN_BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
    })
}

/// Indents the lines after the first that need it and are not indented yet.
fn indented(text: &str, needs_it: impl Fn(&str) -> bool) -> Cow<'_, str> {
    if !text.contains('\n') {
        return Cow::Borrowed(text);
    }
    let mut lines = text.split('\n');
    let mut shown = lines.next().unwrap_or_default().to_owned();
    for line in lines {
        shown.push('\n');
        // What cannot be seen does not indent.
        if !line.is_empty() && !line.starts_with([' ', '\t']) && line != "\r" && needs_it(line) {
            shown.push_str("  ");
        }
        shown.push_str(line);
    }
    Cow::Owned(shown)
}

/// A word as typed in a shell, on one line. A word with characters that act on the terminal is quoted as `$'…'`,
/// which bash, zsh and ksh read.
pub(crate) fn shell_word(word: &str) -> Cow<'_, str> {
    if !word.contains(['\n', '\t']) && escaped(word) == word {
        return quote(word);
    }
    let mut quoted = String::from("$'");
    for (character, acts) in characters(word) {
        match (character, u32::from(character)) {
            ('\n', _) => quoted.push_str("\\n"),
            ('\t', _) => quoted.push_str("\\t"),
            ('\\' | '\'', _) => quoted.extend(['\\', character]),
            _ if !acts => quoted.push(character),
            (_, number @ ..0x80) => quoted.push_str(&format!("\\x{number:02x}")),
            (_, number) => quoted.push_str(&format!("\\U{number:08x}")),
        }
    }
    quoted.push('\'');
    Cow::Owned(quoted)
}

/// The value as indented JSON. Characters that act on the terminal are escaped as in JSON, so nothing is lost.
pub(crate) fn json(value: &Value) -> String {
    json_escaped(&format!("{value:#}\n"))
}

/// JSON with more characters in its strings escaped.
pub(crate) fn json_escaped(text: &str) -> String {
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for (character, acts) in characters(text) {
        if !acts {
            // The line ends of the layout too.
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            escaped.push_str(&format!("\\u{unit:04x}"));
        }
    }
    escaped
}

/// The characters of a text, each with whether it acts on the terminal.
fn characters(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut last = None;
    text.chars().map(move |character| {
        let acts = acts_on_terminal(character, last);
        last = Some(character).filter(|_| !acts);
        (character, acts)
    })
}

/// Whether the character does more than show itself. Joiners and modifiers are allowed after a letter that is not
/// ASCII; elsewhere they only hide something.
fn acts_on_terminal(character: char, last: Option<char>) -> bool {
    match character {
        '\n' | '\t' => false,
        _ if character.is_control() => true,
        // Zero-width joiner and non-joiner, and the tags of flags.
        '\u{200c}' | '\u{200d}' | '\u{e0020}'..='\u{e007f}' => last.is_none_or(|last| last.is_ascii()),
        // Directions.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        // Invisible ones: spaces without width, operators, isolates, separators of lines and paragraphs.
        '\u{180e}' | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e001f}' => true,
        _ => false,
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\t' | b' '..=b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_the_terminal_is_written_out() {
        for (text, expected) in [
            ("", ""),
            ("plain\ttext\nin lines", "plain\ttext\nin lines"),
            (
                "\u{1b}[2Jx\u{7}\u{8}\u{7f}\0",
                "\\u{1b}[2Jx\\u{7}\\u{8}\\u{7f}\\u{0}",
            ),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}"),
            (
                "ma\u{200b}in \u{feff}\u{2028}",
                "ma\\u{200b}in \\u{feff}\\u{2028}",
            ),
            ("one\r\ntwo\rthree", "one\ntwo\\u{d}three"),
            ("ma\u{200d}in", "ma\\u{200d}in"),
            ("é 漢字 ü\u{301} C:\\x", "é 漢字 ü\u{301} C:\\x"),
            (
                "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} ❤\u{fe0f} می\u{200c}خواهم",
                "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} ❤\u{fe0f} می\u{200c}خواهم",
            ),
        ] {
            assert_eq!(escaped(text), expected);
            assert_eq!(escaped(&escaped(text)), expected, "again");
        }
        assert_eq!(one_line("a\nerror: b\u{1b}"), "a\\nerror: b\\u{1b}");
    }

    #[test]
    fn further_lines_are_indented() {
        for (text, expected) in [
            ("one", "one"),
            ("one\n", "one\n"),
            (
                "one\n=== two\n  three\n\n\tfour",
                "one\n  === two\n  three\n\n\tfour",
            ),
        ] {
            assert_eq!(continued(text), expected);
        }
        assert_eq!(
            without_fakes("one\ntwo\n=== three\nhint: four\n  five\n"),
            "one\ntwo\n  === three\n  hint: four\n  five\n"
        );
    }

    #[test]
    fn words_can_be_typed() {
        for (word, expected) in [
            ("plain", "plain"),
            ("two words", "'two words'"),
            ("é", "'é'"),
            ("a\nb", "$'a\\nb'"),
            ("it's \u{1b}[0m\\", "$'it\\'s \\x1b[0m\\\\'"),
            ("\u{202e}x", "$'\\U0000202ex'"),
        ] {
            assert_eq!(shell_word(word), expected);
        }
    }

    #[test]
    fn json_keeps_every_text() {
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}\u{7f}\u{202e}\u{e0001} é\n", "b": 1 });
        let text = json(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("valid JSON"), value);
        assert_eq!(escaped(&text), text);
        assert!(text.contains("\\u009b") && text.contains('é'), "{text}");
    }
}
