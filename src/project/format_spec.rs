//! Python's format specification (`>10`, `*^8.3`, `08`) as far as it applies to strings.
//!
//! Source: "Format Specification Mini-Language" of the Python library reference, as CPython 3.11
//! applies it to `str`.

use super::number::decimal_digit;

/// Longer than any command line can be; a wider field can only be a mistake.
const MAXIMUM_WIDTH: usize = 1 << 20;

/// Why a format specification cannot be applied to a string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatSpecError {
    #[error("{0} is for numbers only")]
    NumbersOnly(&'static str),
    #[error("a number must follow '.'")]
    MissingPrecision,
    #[error("the type '{0}' is not for text, only 's' is")]
    Type(char),
    #[error("it is not a format specification")]
    Malformed,
    /// No command line can hold the text.
    #[error("the number in it is too large")]
    TooWide,
}

/// The value cut and padded as the specification says.
pub(super) fn apply(value: &str, spec: &[char]) -> Result<String, FormatSpecError> {
    let spec = FormatSpec::parse(spec)?;
    let available = value.chars().count();
    let length = spec
        .precision
        .map_or(available, |precision| precision.min(available));
    let padding = spec.width.saturating_sub(length);
    let left = match spec.alignment {
        '>' => padding,
        '^' => padding / 2,
        _ => 0,
    };
    let fill = |count| std::iter::repeat_n(spec.fill, count);
    Ok(fill(left)
        .chain(value.chars().take(length))
        .chain(fill(padding - left))
        .collect())
}

struct FormatSpec {
    fill: char,
    alignment: char,
    width: usize,
    precision: Option<usize>,
}

impl FormatSpec {
    fn parse(spec: &[char]) -> Result<Self, FormatSpecError> {
        let mut rest = Rest(spec);
        let (fill, alignment) = match *spec {
            [fill, alignment, ..] if is_alignment(alignment) => {
                rest.0 = &spec[2..];
                (Some(fill), Some(alignment))
            }
            [alignment, ..] if is_alignment(alignment) => {
                rest.0 = &spec[1..];
                (None, Some(alignment))
            }
            _ => (None, None),
        };
        let sign = [' ', '+', '-'].into_iter().any(|sign| rest.skip(sign));
        let negative_zero = rest.skip('z');
        let alternate_form = rest.skip('#');
        let zero = fill.is_none() && rest.skip('0');
        let width = rest.number()?;
        let comma = rest.skip(',');
        let underscore = rest.skip('_');
        let precision = if rest.skip('.') {
            Some(rest.number()?.ok_or(FormatSpecError::MissingPrecision)?)
        } else {
            None
        };
        match *rest.0 {
            [] | ['s'] => {}
            [other] => return Err(FormatSpecError::Type(other)),
            _ => return Err(FormatSpecError::Malformed),
        }
        for (is_given, what) in [
            (comma, "the option ','"),
            (underscore, "the option '_'"),
            (sign, "a sign option"),
            (negative_zero, "the option 'z'"),
            (alternate_form, "the option '#'"),
            (alignment == Some('='), "the alignment '='"),
        ] {
            if is_given {
                return Err(FormatSpecError::NumbersOnly(what));
            }
        }
        let width = width.unwrap_or(0);
        if width > MAXIMUM_WIDTH {
            return Err(FormatSpecError::TooWide);
        }
        Ok(Self {
            fill: fill.unwrap_or(if zero { '0' } else { ' ' }),
            alignment: alignment.unwrap_or('<'),
            width,
            precision,
        })
    }
}

fn is_alignment(character: char) -> bool {
    matches!(character, '<' | '>' | '=' | '^')
}

/// What of the specification is still unread.
struct Rest<'a>(&'a [char]);

impl Rest<'_> {
    fn skip(&mut self, expected: char) -> bool {
        match *self.0 {
            [first, ref rest @ ..] if first == expected => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn number(&mut self) -> Result<Option<usize>, FormatSpecError> {
        let mut number = None;
        while let [first, rest @ ..] = self.0
            && let Some(digit) = decimal_digit(*first)
        {
            let next = number
                .unwrap_or(0_usize)
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(usize::from(digit)))
                .ok_or(FormatSpecError::TooWide)?;
            number = Some(next);
            self.0 = rest;
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(value: &str, spec: &str) -> Result<String, FormatSpecError> {
        apply(value, &spec.chars().collect::<Vec<_>>())
    }

    #[test]
    fn what_only_numbers_have_is_an_error() {
        for (spec, expected) in [
            ("+", FormatSpecError::NumbersOnly("a sign option")),
            ("z", FormatSpecError::NumbersOnly("the option 'z'")),
            ("#", FormatSpecError::NumbersOnly("the option '#'")),
            ("=5", FormatSpecError::NumbersOnly("the alignment '='")),
            ("*=5", FormatSpecError::NumbersOnly("the alignment '='")),
            (",", FormatSpecError::NumbersOnly("the option ','")),
            ("_", FormatSpecError::NumbersOnly("the option '_'")),
            (".", FormatSpecError::MissingPrecision),
            ("d", FormatSpecError::Type('d')),
            ("5.2f", FormatSpecError::Type('f')),
            ("abc", FormatSpecError::Malformed),
            ("99999999999999999999", FormatSpecError::TooWide),
            ("1048577", FormatSpecError::TooWide),
        ] {
            assert_eq!(applied("ab", spec), Err(expected), "{spec}");
        }
    }
}
