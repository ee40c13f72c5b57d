//! `--env-file`: variables from a dotenv file, read before anything else looks at the environment.
//!
//! The grammar is that of python-dotenv, which the reference uses: `export`, single and double quotes
//! with their escapes, comments, `${NAME}` and `${NAME:-default}`. Variables that are set keep their value.

use std::collections::HashMap;
use std::path::Path;

use crate::cli::printer::Printer;
use crate::cli::report::Failure;
use crate::events::Progress;

/// Reads the file and sets its variables for this process and all that it starts.
///
/// # Errors
/// A file that is missing (a usage error, as in the reference) or unreadable.
pub(crate) fn load(path: &Path, printer: &Printer) -> Result<(), Failure> {
    if !path.exists() {
        return Err(
            Failure::usage(format!("environment file '{}' does not exist", path.display()))
                .with_hint("relative paths start from the current directory"),
        );
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::caused_by(
            error,
            format!("cannot read the environment file {}", path.display()),
        )
    })?;
    let parsed = parse(&text);
    for line in parsed.unreadable_lines {
        printer.warning(&format!(
            "{}:{line}: ignored: not a NAME=VALUE line",
            path.display()
        ));
    }
    for (name, value) in resolve(parsed.bindings, |name| std::env::var(name).ok()) {
        if std::env::var_os(&name).is_none() {
            set_variable(&name, &value);
        }
    }
    printer.info(&format!("Loaded environment variables from: {}", path.display()));
    Ok(())
}

fn set_variable(name: &str, value: &str) {
    #[expect(
        unsafe_code,
        reason = "called before the runtime starts: no other thread reads the environment"
    )]
    unsafe {
        std::env::set_var(name, value);
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed {
    bindings: Vec<Binding>,
    unreadable_lines: Vec<usize>,
}

#[derive(Debug, PartialEq, Eq)]
struct Binding {
    name: String,
    value: String,
}

fn parse(text: &str) -> Parsed {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut parsed = Parsed::default();
    let mut rest = text;
    while !rest.is_empty() {
        let line = 1 + text[..text.len() - rest.len()].matches('\n').count();
        let statement = rest.trim_start_matches([' ', '\t', '\r', '\x0b', '\x0c']);
        if statement.is_empty() || statement.starts_with('\n') || statement.starts_with('#') {
            rest = after_line(statement);
            continue;
        }
        match binding(statement) {
            Some((name, Some(value), after)) if is_settable(&name) && !value.contains('\0') => {
                parsed.bindings.push(Binding { name, value });
                rest = after;
            }
            Some((_, None, after)) => rest = after,
            _ => {
                parsed.unreadable_lines.push(line);
                rest = after_line(statement);
            }
        }
    }
    parsed
}

/// What the operating system takes for a variable's name.
fn is_settable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

fn after_line(text: &str) -> &str {
    text.find('\n').map_or("", |end| &text[end + 1..])
}

/// One `[export] NAME[=VALUE]` and what follows its line.
fn binding(statement: &str) -> Option<(String, Option<String>, &str)> {
    let blank = [' ', '\t'];
    let after_export = statement
        .strip_prefix("export")
        .filter(|after| after.starts_with(blank))
        .map_or(statement, |after| after.trim_start_matches(blank));
    let (name, after_name) = match after_export.strip_prefix('\'') {
        Some(quoted) => {
            let end = quoted.find('\'')?;
            (&quoted[..end], &quoted[end + 1..])
        }
        None => {
            let end = after_export
                .find(|character: char| matches!(character, '=' | '#') || character.is_whitespace())
                .unwrap_or(after_export.len());
            (&after_export[..end], &after_export[end..])
        }
    };
    let Some(after_sign) = after_name.trim_start_matches(blank).strip_prefix('=') else {
        return end_of_statement(after_name).map(|after| (name.to_owned(), None, after));
    };
    let (value, after_value) = value(after_sign.trim_start_matches(blank))?;
    end_of_statement(after_value).map(|after| (name.to_owned(), Some(value), after))
}

fn value(text: &str) -> Option<(String, &str)> {
    match text.chars().next() {
        Some(quote @ ('\'' | '"')) => quoted_value(&text[1..], quote),
        _ => {
            let end = text.find(['\r', '\n']).unwrap_or(text.len());
            let line = &text[..end];
            let comment = line
                .char_indices()
                .find(|(at, character)| {
                    *character == '#' && line[..*at].chars().next_back().is_some_and(char::is_whitespace)
                })
                .map_or(line.len(), |(at, _)| at);
            Some((line[..comment].trim_end().to_owned(), &text[end..]))
        }
    }
}

fn quoted_value(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            _ if character == quote => return Some((value, &text[at + 1..])),
            '\\' => {
                let (_, escaped) = characters.next()?;
                match (quote, escaped) {
                    (_, '\\') => value.push('\\'),
                    (_, '\'') => value.push('\''),
                    ('"', '"') => value.push('"'),
                    ('"', 'a') => value.push('\x07'),
                    ('"', 'b') => value.push('\x08'),
                    ('"', 'f') => value.push('\x0c'),
                    ('"', 'n') => value.push('\n'),
                    ('"', 'r') => value.push('\r'),
                    ('"', 't') => value.push('\t'),
                    ('"', 'v') => value.push('\x0b'),
                    _ => value.extend(['\\', escaped]),
                }
            }
            _ => value.push(character),
        }
    }
    None
}

/// A statement ends with a comment or nothing; the text after its line.
fn end_of_statement(text: &str) -> Option<&str> {
    let text = text.trim_start_matches([' ', '\t', '\r']);
    (text.is_empty() || text.starts_with('\n') || text.starts_with('#')).then(|| after_line(text))
}

/// Replaces `${NAME}` and `${NAME:-default}`; the environment goes before the file's earlier lines.
fn resolve(bindings: Vec<Binding>, environment: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let mut known: HashMap<String, String> = HashMap::new();
    let mut order = Vec::new();
    for Binding { name, value } in bindings {
        let value = interpolate(&value, |name| {
            environment(name).or_else(|| known.get(name).cloned())
        });
        if known.insert(name.clone(), value).is_none() {
            order.push(name);
        }
    }
    let value = |name: String| known.remove_entry(&name);
    order.into_iter().filter_map(value).collect()
}

fn interpolate(value: &str, lookup: impl Fn(&str) -> Option<String>) -> String {
    let mut result = String::new();
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        let inside = &rest[start + 2..start + length];
        let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
        result.push_str(&rest[..start]);
        result.push_str(&lookup(name).unwrap_or_else(|| default.to_owned()));
        rest = &rest[start + length + 1..];
    }
    result.push_str(rest);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        resolve(parse(text).bindings, |name| {
            (name == "SET").then(|| "outside".to_owned())
        })
    }

    #[test]
    fn lines_are_read_as_python_dotenv_reads_them() {
        for (text, name, value) in [
            ("A=1", "A", "1"),
            ("\u{feff}A=1\r\n", "A", "1"),
            ("export A = some words # note", "A", "some words"),
            ("A=a#b", "A", "a#b"),
            ("A=", "A", ""),
            ("A='it\\'s $x'", "A", "it's $x"),
            ("A=\"two\\nlines\" # note", "A", "two\nlines"),
            ("A=\"two\nlines\"", "A", "two\nlines"),
            ("'A B'=1", "A B", "1"),
            ("A=${SET}/x", "A", "outside/x"),
            ("A=${UNSET:-default}", "A", "default"),
            ("A=${UNSET}", "A", ""),
            ("A=${unclosed", "A", "${unclosed"),
        ] {
            assert_eq!(values(text), [(name.to_owned(), value.to_owned())], "{text:?}");
        }
    }

    #[test]
    fn later_lines_win_and_see_earlier_ones() {
        assert_eq!(
            values("A=1\nB=${A}2\nA=3"),
            [
                ("A".to_owned(), "3".to_owned()),
                ("B".to_owned(), "12".to_owned())
            ]
        );
    }

    #[test]
    fn lines_without_a_value_or_sense_are_left_out() {
        let parsed = parse("# note\n\nALONE\nA=\"open\nB=1\n=x\n");
        assert_eq!(parsed.unreadable_lines, [4, 6]);
        assert_eq!(parsed.bindings.len(), 1);
        assert_eq!(parsed.bindings[0].name, "B");
    }
}
