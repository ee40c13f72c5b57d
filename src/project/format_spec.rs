//! Python's format specification (`>10`, `*^8.3`, `08`) as far as it applies to strings.
//!
//! Source: "Format Specification Mini-Language" of the Python library reference, as CPython 3.11
//! applies it to `str`.

use super::decimal_digit::decimal_digit;

/// Longer than any command line can be; a wider field can only be a mistake.
const MAXIMUM_WIDTH: usize = 1 << 20;

/// Why a format specification cannot be applied to a string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatSpecError {
    #[error("a sign option is for numbers only")]
    Sign,
    /// `z`, which only numbers have.
    #[error("the option 'z' is for numbers only")]
    NegativeZero,
    /// `#`, which only numbers have.
    #[error("the option '#' is for numbers only")]
    AlternateForm,
    /// `=`, which puts padding after a number's sign.
    #[error("the alignment '=' is for numbers only")]
    SignAlignment,
    /// `,` or `_`, which group digits.
    #[error("the option '{0}' is for numbers only")]
    Grouping(char),
    /// A `.` without a number after it.
    #[error("a number must follow '.'")]
    MissingPrecision,
    /// A presentation type other than `s`.
    #[error("the type '{0}' is not for text, only 's' is")]
    Type(char),
    /// Text that is no format specification at all.
    #[error("it is not a format specification")]
    Malformed,
    /// A number that no command line can hold.
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
        for (is_given, error) in [
            (comma, FormatSpecError::Grouping(',')),
            (underscore, FormatSpecError::Grouping('_')),
            (sign, FormatSpecError::Sign),
            (negative_zero, FormatSpecError::NegativeZero),
            (alternate_form, FormatSpecError::AlternateForm),
            (alignment == Some('='), FormatSpecError::SignAlignment),
        ] {
            if is_given {
                return Err(error);
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
    fn strings_are_cut_and_padded() {
        for (value, spec, expected) in [
            ("ab", "", "ab"),
            ("ab", "s", "ab"),
            ("ab", "5", "ab   "),
            ("ab", ">5", "   ab"),
            ("ab", "^5", " ab  "),
            ("ab", "*^5s", "*ab**"),
            ("ab", "08", "ab000000"),
            ("ab", ">08", "000000ab"),
            ("ab", "x<08", "abxxxxxx"),
            ("ab", ".1", "a"),
            ("ab", "0.0", ""),
            ("äöü", ".2", "äö"),
            ("äöü", ">٥", "  äöü"),
            ("ab", "<<4", "ab<<"),
            ("ab", "1", "ab"),
        ] {
            assert_eq!(applied(value, spec).as_deref(), Ok(expected), "{value} {spec}");
        }
    }

    #[test]
    fn what_only_numbers_have_is_an_error() {
        for (spec, expected) in [
            ("+", FormatSpecError::Sign),
            ("z", FormatSpecError::NegativeZero),
            ("#", FormatSpecError::AlternateForm),
            ("=5", FormatSpecError::SignAlignment),
            ("*=5", FormatSpecError::SignAlignment),
            (",", FormatSpecError::Grouping(',')),
            ("_", FormatSpecError::Grouping('_')),
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
