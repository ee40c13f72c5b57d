//! What Python's `float()` reads as a number.

use super::decimal_digit::decimal_digit;

/// Whether `float(text)` succeeds in Python: a decimal number with digits of any script, single
/// underscores between digits and white space around it, or an infinity, or not a number at all.
pub(crate) fn is_float(text: &str) -> bool {
    let number = text.trim();
    let number = number.strip_prefix(['+', '-']).unwrap_or(number);
    if ["inf", "infinity", "nan"]
        .iter()
        .any(|word| number.eq_ignore_ascii_case(word))
    {
        return true;
    }
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (
            mantissa,
            Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        ),
        None => (number, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_absent_or_digits = |part: &str| part.is_empty() || are_digits(part);
    !(whole.is_empty() && fraction.is_empty())
        && is_absent_or_digits(whole)
        && is_absent_or_digits(fraction)
        && exponent.is_none_or(are_digits)
}

/// Digits with single underscores between them.
fn are_digits(text: &str) -> bool {
    text.split('_')
        .all(|group| !group.is_empty() && group.chars().all(|character| decimal_digit(character).is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_python_takes() {
        for text in [
            "1",
            "-1",
            "+1",
            "0.5",
            ".5",
            "5.",
            "1e5",
            "1E-5",
            "1.e+5",
            ".5e1",
            " 1 ",
            "\t1\n",
            "\u{a0}1\u{3000}",
            "1_000.5",
            "1_0e1_0",
            "0_0",
            "007",
            "inf",
            "-Inf",
            "+INFINITY",
            "nan",
            "-NaN",
            "٣.١٤",
            "１e３",
            "1e999",
        ] {
            assert!(is_float(text), "{text:?}");
        }
        for text in [
            "", " ", "abc", "0x10", "1__0", "_1", "1_", "1_.5", "1._5", "1e", "e5", "1e_5", "1e5_", ".", "+",
            "-", "--1", "+-1", "1 2", "1,5", "1.2.3", "1e5.0", "in f", "infinit", "nan1", "True", "None",
            "½", "1\0", "\u{1c}1", "1d", "1e+-5", "²",
        ] {
            assert!(!is_float(text), "{text:?}");
        }
    }
}
