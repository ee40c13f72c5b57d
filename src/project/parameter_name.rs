//! Names that no one means to give a parameter: empty ones, and names with blanks.

use super::number::is_float;

/// What is wrong with a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameProblem {
    #[error("is empty")]
    Empty,
    #[error("begins with {}", shown(*.0))]
    Before(char),
    #[error("ends with {}", shown(*.0))]
    After(char),
    #[error("contains {}", shown(*.0))]
    Inside(char),
}

impl NameProblem {
    /// What is wrong with this name, if anything is.
    pub(crate) fn of(name: &str) -> Option<Self> {
        if name.is_empty() {
            return Some(Self::Empty);
        }
        let first = name.chars().next().filter(|first| is_blank(*first));
        let last = name.chars().next_back().filter(|last| is_blank(*last));
        let begins = first.map(Self::Before).or(last.map(Self::After));
        begins.or_else(|| {
            // A plain space is the least of them.
            let mut inside = name.chars().filter(|character| is_blank(*character));
            let found = inside
                .clone()
                .find(|blank| *blank != ' ')
                .or_else(|| inside.next());
            found.map(Self::Inside)
        })
    }

    /// Whether only plain spaces inside are wrong: such a name can be declared in YAML.
    pub(crate) fn can_be_declared(&self) -> bool {
        *self == Self::Inside(' ')
    }
}

/// The option that gives the parameter without blanks in its name: `-P alpha=0.5`. Shows the value only if it
/// cannot be a secret.
pub(crate) fn without_blanks(option: &str, name: &str, value: Option<&str>) -> String {
    let words: Vec<&str> = name.split(is_blank).filter(|word| !word.is_empty()).collect();
    let name = match words.as_slice() {
        [] => "name".to_owned(),
        words => words.join("_"),
    };
    match value.map(|value| value.trim_matches(is_blank)) {
        None => format!("{option} {name}"),
        Some(value) if is_float(value) || matches!(value, "true" | "false" | "True" | "False") => {
            format!("{option} {name}={value}")
        }
        Some(_) => format!("{option} {name}=VALUE"),
    }
}

/// Whether nobody sees the character in a name.
fn is_blank(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

fn shown(blank: char) -> String {
    match blank {
        ' ' => "a space".to_owned(),
        '\t' => "a tab".to_owned(),
        '\n' | '\r' => "a line break".to_owned(),
        '\u{a0}' => "a no-break space (U+00A0)".to_owned(),
        other => format!("the invisible character U+{:04X}", u32::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_found_wherever_they_are() {
        for (name, expected) in [
            ("alpha", None),
            ("größe.x/y-z:1", None),
            ("", Some("is empty")),
            ("alpha ", Some("ends with a space")),
            (" alpha ", Some("begins with a space")),
            ("alpha\n", Some("ends with a line break")),
            ("al pha", Some("contains a space")),
            ("al p\tha", Some("contains a tab")),
            ("al\u{a0}pha", Some("contains a no-break space (U+00A0)")),
            (
                "\u{feff}alpha",
                Some("begins with the invisible character U+FEFF"),
            ),
            ("alpha\u{200b}", Some("ends with the invisible character U+200B")),
            ("a\u{3000}b", Some("contains the invisible character U+3000")),
            (" ", Some("begins with a space")),
        ] {
            let problem = NameProblem::of(name);
            assert_eq!(
                problem.map(|problem| problem.to_string()).as_deref(),
                expected,
                "{name:?}"
            );
        }
    }

    #[test]
    fn what_to_type_holds_no_secret() {
        for (name, value, expected) in [
            ("alpha ", Some(" 0.5"), "-P alpha=0.5"),
            (" my\u{a0}param", Some("true"), "-P my_param=true"),
            ("token ", Some(" s3cret"), "-P token=VALUE"),
            ("", Some("1"), "-P name=1"),
            (" t", None, "-P t"),
        ] {
            assert_eq!(without_blanks("-P", name, value), expected);
        }
    }
}
