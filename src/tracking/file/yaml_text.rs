//! Writes flat mappings like PyYAML's `safe_dump` in block style with `allow_unicode`.
//!
//! Quoting and line breaks follow the emitter of libyaml, which PyYAML uses.

use crate::yaml::{self, Value};

/// A value in a mapping.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field<'a> {
    Text(&'a str),
    Number(i64),
    Null,
    EmptyList,
}

impl Field<'_> {
    pub(super) fn number_or_null(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }
}

/// The text of a mapping with these keys, which are plain words.
pub(super) fn mapping(fields: &[(&str, Field<'_>)]) -> Vec<u8> {
    let mut writer = Writer::default();
    for (key, field) in fields {
        writer.put_all(key);
        writer.put_all(": ");
        match field {
            Field::Text(text) => writer.text(text),
            Field::Number(number) => writer.put_all(&number.to_string()),
            Field::Null => writer.put_all("null"),
            Field::EmptyList => writer.put_all("[]"),
        }
        writer.put('\n');
    }
    writer.output.into_bytes()
}

/// Text is broken at the first single space after this column.
const WIDTH: usize = 80;

/// The indent of continued lines.
const INDENT: &str = "  ";

/// Whether the text contains YAML syntax.
fn has_indicator(characters: &[char]) -> bool {
    let is_end = |index: usize| matches!(characters.get(index), None | Some(' '));
    let starts_document = characters.starts_with(&['-'; 3]) || characters.starts_with(&['.'; 3]);
    starts_document
        || characters
            .iter()
            .enumerate()
            .any(|(index, character)| match character {
                '#' => index == 0 || is_end(index - 1),
                ':' => is_end(index + 1),
                '-' | '?' => index == 0 && is_end(1),
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
                    index == 0
                }
                _ => false,
            })
}

/// Whether the unquoted text is read as text, and not as a number, a date or another kind of value.
fn reads_back(text: &str) -> bool {
    yaml::parse(text.as_bytes()).is_ok_and(|node| matches!(&node.value, Value::Str(read) if read == text))
}

/// Whether libyaml writes the character without an escape; it escapes tabs.
fn is_printable(character: char) -> bool {
    matches!(character,
        '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

/// Whether a printable character is a line break.
fn is_break(character: char) -> bool {
    matches!(character, '\n' | '\u{2028}' | '\u{2029}')
}

/// The output and its current column.
#[derive(Default)]
struct Writer {
    output: String,
    column: usize,
}

impl Writer {
    fn put(&mut self, character: char) {
        self.output.push(character);
        self.column = if is_break(character) { 0 } else { self.column + 1 };
    }

    fn put_all(&mut self, text: &str) {
        text.chars().for_each(|character| self.put(character));
    }

    fn continue_in_new_line(&mut self) {
        self.put('\n');
        self.put_all(INDENT);
    }

    /// Writes the text in the first style that preserves it: plain, single quotes, double quotes.
    fn text(&mut self, text: &str) {
        let characters: Vec<char> = text.chars().collect();
        let breaks_beside_spaces = characters
            .windows(2)
            .any(|pair| pair.contains(&' ') && pair.iter().any(|character| is_break(*character)));
        if breaks_beside_spaces || !characters.iter().copied().all(is_printable) {
            return self.double_quoted(text);
        }
        let is_plain = !text.starts_with(' ')
            && !text.ends_with(' ')
            && !text.contains(is_break)
            && !has_indicator(&characters)
            && reads_back(text);
        if is_plain {
            self.plain(text);
        } else {
            self.single_quoted(text);
        }
    }

    fn plain(&mut self, text: &str) {
        let mut characters = text.chars().peekable();
        let mut after_space = false;
        while let Some(character) = characters.next() {
            let is_space = character == ' ';
            if is_space && !after_space && self.column > WIDTH && characters.peek() != Some(&' ') {
                self.continue_in_new_line();
            } else {
                self.put(character);
            }
            after_space = is_space;
        }
    }

    fn single_quoted(&mut self, text: &str) {
        self.put('\'');
        let mut characters = text.chars().peekable();
        let (mut after_space, mut after_break, mut is_first) = (false, false, true);
        while let Some(character) = characters.next() {
            let may_fold = !is_first && !after_space && !matches!(characters.peek(), None | Some(' '));
            is_first = false;
            if character == ' ' && may_fold && self.column > WIDTH {
                self.continue_in_new_line();
            } else if is_break(character) {
                // A single line break would be read as a space.
                if character == '\n' && !after_break {
                    self.put('\n');
                }
                self.put(character);
                after_break = true;
                continue;
            } else {
                if after_break {
                    self.put_all(INDENT);
                }
                if character == '\'' {
                    self.put('\'');
                }
                self.put(character);
            }
            after_space = character == ' ';
            after_break = false;
        }
        if after_break {
            self.put_all(INDENT);
        }
        self.put('\'');
    }

    fn double_quoted(&mut self, text: &str) {
        self.put('"');
        let mut characters = text.chars().peekable();
        let (mut after_space, mut is_first) = (false, true);
        while let Some(character) = characters.next() {
            let may_fold = !is_first && !after_space && characters.peek().is_some();
            is_first = false;
            if !is_printable(character) || is_break(character) || matches!(character, '"' | '\\') {
                self.put_all(&escaped(character));
            } else if character == ' ' && may_fold && self.column > WIDTH {
                self.continue_in_new_line();
                if characters.peek() == Some(&' ') {
                    self.put('\\');
                }
            } else {
                self.put(character);
            }
            after_space = character == ' ';
        }
        self.put('"');
    }
}

fn escaped(character: char) -> String {
    let short = match character {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        other => {
            return match u32::from(other) {
                code @ 0..=0xff => format!("\\x{code:02X}"),
                code @ 0x100..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each expected text is what `yaml.dump` of PyYAML 6 with `CSafeDumper` writes.
    #[test]
    fn text_is_quoted_as_pyyaml_does() {
        let long = "word ".repeat(30);
        let long = long.trim_end();
        for (text, expected) in [
            ("Default", "Default"),
            ("", "''"),
            ("yes", "'yes'"),
            ("0", "'0'"),
            ("1e-5", "1e-5"),
            ("1.0e-5", "'1.0e-5'"),
            ("2024-01-02", "'2024-01-02'"),
            ("null", "'null'"),
            ("~", "'~'"),
            ("=", "'='"),
            ("<<", "'<<'"),
            ("a: b", "'a: b'"),
            ("a:b", "a:b"),
            ("a #b", "'a #b'"),
            ("- a", "'- a'"),
            ("it's", "it's"),
            ("'it'", "'''it'''"),
            (" a ", "' a '"),
            ("ü\u{1f600}", "\"ü\\U0001F600\""),
            ("a\u{2028}b", "'a\u{2028}  b'"),
            ("\"\\\u{feff}", "\"\\\"\\\\\\uFEFF\""),
            ("日本", "日本"),
            ("a\nb", "'a\n\n  b'"),
            ("a\tb", "\"a\\tb\""),
            ("\u{7}", "\"\\a\""),
            ("{a}", "'{a}'"),
            ("@a", "'@a'"),
            ("%a", "'%a'"),
            ("a%20b", "a%20b"),
            (
                long,
                "word word word word word word word word word word word word word word word word\n  word word word word word word word word word word word word word word",
            ),
        ] {
            let written = mapping(&[("key", Field::Text(text))]);
            assert_eq!(
                String::from_utf8(written).unwrap(),
                format!("key: {expected}\n"),
                "{text:?}"
            );
        }
    }

    #[test]
    fn other_values_stand_plain() {
        let written = mapping(&[
            ("a", Field::Number(-5)),
            ("b", Field::Null),
            ("c", Field::EmptyList),
        ]);
        assert_eq!(String::from_utf8(written).unwrap(), "a: -5\nb: null\nc: []\n");
    }
}
