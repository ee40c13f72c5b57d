//! Literal values of Python.

/// A value as far as the text says it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// A number as Python's `str()` prints it, or as it is written where that reads as the same number.
    Number(String),
    Bool(bool),
    None,
    /// `...`
    Ellipsis,
    List(Vec<Value>),
    /// What only Python itself could find out.
    Unknown,
}

impl Value {
    /// The value as it is passed on a command line, if it is a single one.
    pub(super) fn word(&self) -> Option<String> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text.clone()),
            Self::Bool(true) => Some("True".to_owned()),
            Self::Bool(false) => Some("False".to_owned()),
            Self::None | Self::Ellipsis | Self::List(_) | Self::Unknown => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A whole number in decimal digits.
pub(super) fn integer(text: &str) -> Option<String> {
    let digits = text.replace('_', "").to_ascii_lowercase();
    let in_base = |digits: &str, base| {
        i128::from_str_radix(digits, base)
            .ok()
            .map(|number| number.to_string())
    };
    match digits.get(..2) {
        Some("0x") => in_base(&digits[2..], 16),
        Some("0o") => in_base(&digits[2..], 8),
        Some("0b") => in_base(&digits[2..], 2),
        _ => digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits),
    }
}

/// The text of a literal with its escape sequences replaced. One that is not known stays as it is, as in Python.
pub(super) fn unescaped(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('\\') {
        result.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let Some(letter) = rest.chars().next() else {
            break;
        };
        rest = &rest[letter.len_utf8()..];
        let simple = match letter {
            '\n' => Some(""),
            '\\' => Some("\\"),
            '\'' => Some("'"),
            '"' => Some("\""),
            'n' => Some("\n"),
            't' => Some("\t"),
            'r' => Some("\r"),
            _ => None,
        };
        if let Some(simple) = simple {
            result.push_str(simple);
            continue;
        }
        let length = match letter {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        let digits = rest.get(..length).filter(|digits| !digits.is_empty());
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code.and_then(char::from_u32) {
            Some(character) => {
                result.push(character);
                rest = &rest[length..];
            }
            None => result.extend(['\\', letter]),
        }
    }
    result.push_str(rest);
    result
}
