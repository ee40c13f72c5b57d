//! What Python reads as a digit and as a number.

/// The code points of the zeros of all scripts (Unicode 14); the other nine digits follow each directly.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

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

/// The value of a decimal digit; `None` for any other character.
pub(super) fn decimal_digit(character: char) -> Option<u8> {
    if character.is_ascii() {
        return character.to_digit(10).and_then(|digit| u8::try_from(digit).ok());
    }
    let code = u32::from(character);
    let zero = ZEROS[ZEROS.partition_point(|&zero| zero <= code) - 1];
    u8::try_from(code - zero).ok().filter(|&digit| digit < 10)
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

    #[test]
    fn digits_have_their_value() {
        for (character, expected) in [
            ('0', Some(0)),
            ('9', Some(9)),
            ('/', None),
            (':', None),
            ('a', None),
            ('\0', None),
            ('ü', None),
            ('٣', Some(3)),
            ('٩', Some(9)),
            ('\u{66a}', None),
            ('９', Some(9)),
            ('𝟙', Some(1)),
            ('²', None),
            ('Ⅷ', None),
            ('\u{10ffff}', None),
        ] {
            assert_eq!(decimal_digit(character), expected, "{character:?}");
        }
    }
}
