//! The text of a new MLproject file.

use super::arguments::{Item, Kind, Parameter, described};
use crate::project::quote;
use crate::yaml;

/// Longer commands get a line for each option, in characters.
const LONGEST_COMMAND: usize = 80;

/// An entry point of a script.
pub(super) struct NewEntryPoint {
    pub(super) name: String,
    pub(super) script: String,
    pub(super) items: Vec<Item>,
}

impl NewEntryPoint {
    pub(super) fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.items.iter().filter_map(|item| match item {
            Item::Parameter(parameter) => Some(parameter),
            Item::Remark(_) => None,
        })
    }

    /// The words of the command: the program, the positional arguments, the options.
    fn words(&self) -> Vec<String> {
        let program = match self.script.rsplit('.').next() {
            Some("sh") => "bash",
            Some("R") => "Rscript",
            _ => "python",
        };
        // No program takes it for an option then.
        let script = if self.script.starts_with('-') {
            format!("./{}", self.script)
        } else {
            self.script.clone()
        };
        let script = quote(&script).replace('{', "{{").replace('}', "}}");
        let mut words = vec![format!("{program} {script}")];
        let (positional, options): (Vec<_>, Vec<_>) = self
            .parameters()
            .partition(|parameter| parameter.option.is_none());
        words[0].extend(
            positional
                .iter()
                .map(|parameter| format!(" {{{}}}", parameter.name)),
        );
        words.extend(options.iter().map(|parameter| {
            let option = parameter.option.as_deref().unwrap_or_default();
            format!("{option} {{{}}}", parameter.name)
        }));
        words
    }

    fn text(&self) -> String {
        let mut text = format!("  {}:\n", scalar(&self.name));
        if self.parameters().next().is_some() {
            text.push_str("    parameters:\n");
        }
        let indent = if self.parameters().next().is_some() { 6 } else { 4 };
        for item in &self.items {
            match item {
                Item::Parameter(parameter) => text.push_str(&declaration(parameter)),
                Item::Remark(remark) => text.push_str(&comment(&remark.text, indent)),
            }
        }
        let words = self.words();
        let whole = words.join(" ");
        if whole.chars().count() <= LONGEST_COMMAND && scalar(&whole) == whole {
            text.push_str(&format!("    command: {whole}\n"));
        } else {
            text.push_str("    command: >-\n");
            words
                .iter()
                .for_each(|word| text.push_str(&format!("      {word}\n")));
        }
        text
    }
}

/// The whole file. `environment` are its lines about the environment.
pub(super) fn text(name: &str, environment: &[String], entry_points: &[NewEntryPoint]) -> String {
    let mut text = format!("name: {}\n\n", scalar(name));
    for line in environment {
        text.push_str(line);
        text.push_str("\n\n");
    }
    text.push_str("entry_points:\n");
    let entry_points: Vec<String> = entry_points.iter().map(NewEntryPoint::text).collect();
    text + &entry_points.join("\n")
}

fn declaration(parameter: &Parameter) -> String {
    let mut text = format!("      {}:\n", scalar(&parameter.name));
    let is_number = parameter.kind != Kind::Text;
    text.push_str(&format!(
        "        type: {}\n",
        if is_number { "float" } else { "string" }
    ));
    if let Some(default) = &parameter.default {
        text.push_str(&format!("        default: {}\n", scalar(default)));
    }
    let whole = if parameter.kind == Kind::Whole {
        "a whole number"
    } else {
        ""
    };
    let description = described([parameter.description.clone(), whole.to_owned()]);
    if !description.is_empty() {
        text.push_str(&format!("        description: {}\n", scalar(&description)));
    }
    text
}

/// A comment on as many lines as it needs.
fn comment(text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < LONGEST_COMMAND => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let lines = lines
        .iter()
        .map(|line| format!("{:indent$}# {}\n", "", printable(line)));
    lines.collect()
}

/// What YAML takes in a comment: no control characters.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if is_printable(letter) { letter } else { '\u{fffd}' })
        .collect()
}

fn is_printable(letter: char) -> bool {
    !letter.is_control()
        && !matches!(
            letter,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

/// A text as a value of YAML, quoted unless it is read as itself without quotes.
pub(super) fn scalar(text: &str) -> String {
    // As a value of a key, where a plain text must not look like anything else.
    let is_itself = |written: &str| {
        let document = yaml::parse(format!("key: {written}\n").as_bytes());
        document.is_ok_and(|root| {
            let value = root.as_mapping().and_then(|mapping| mapping.get("key"));
            value.is_some_and(|value| {
                !value.value.is_collection() && !value.is_null() && value.value.to_python_str() == text
            })
        })
    };
    let is_plain =
        text.chars().all(is_printable) && text.trim() == text && !text.contains(": ") && !text.contains(" #");
    if is_plain && is_itself(text) {
        return text.to_owned();
    }
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            letter if is_printable(letter) => quoted.push(letter),
            letter => quoted.push_str(&format!("\\U{:08X}", u32::from(letter))),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were() {
        for (text, expected) in [
            ("wine", "wine"),
            ("0.5", "0.5"),
            ("True", "True"),
            ("true", "\"true\""),
            ("yes", "\"yes\""),
            ("1e-5", "1e-5"),
            ("0.00001", "\"0.00001\""),
            ("1_000", "\"1_000\""),
            ("", "\"\""),
            ("null", "\"null\""),
            ("a: b", "\"a: b\""),
            ("{x}", "\"{x}\""),
            ("#x", "\"#x\""),
            ("12:30:45", "\"12:30:45\""),
            ("a\nb\u{1b}", "\"a\\nb\\U0000001B\""),
            ("'q'", "\"'q'\""),
            ("-r requirements.txt", "-r requirements.txt"),
        ] {
            assert_eq!(scalar(text), expected);
            let document = yaml::parse(format!("key: {}\n", scalar(text)).as_bytes()).unwrap();
            let value = document.as_mapping().unwrap().get("key").unwrap();
            assert_eq!(value.value.to_python_str(), text);
        }
    }
}
