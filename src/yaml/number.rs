//! Numbers: which texts are numbers, and how PyYAML and Python read them.

use num_bigint::BigInt;

use super::error::{MAX_INTEGER_DIGITS, Problem};

/// Whether a plain text is an integer: binary, octal (`017`), decimal, hexadecimal, or base 60.
pub(super) fn is_integer(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all = |digits: &str, is_digit: fn(u8) -> bool| {
        !digits.is_empty() && digits.bytes().all(|byte| byte == b'_' || is_digit(byte))
    };
    if let Some(digits) = unsigned.strip_prefix("0b") {
        return all(digits, |byte| matches!(byte, b'0' | b'1'));
    }
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return all(digits, |byte| byte.is_ascii_hexdigit());
    }
    match unsigned.strip_prefix('0') {
        Some(digits) => digits.is_empty() || all(digits, |byte| matches!(byte, b'0'..=b'7')),
        None => {
            let (first, sixties) = split_sixties(unsigned);
            is_digits(first) && sixties.is_none_or(|sixties| sixties.split(':').all(is_sixty))
        }
    }
}

/// Whether a plain text is a float. All but `.inf` and `.nan` have a dot; an exponent has its sign.
pub(super) fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let Some((whole, fraction)) = unsigned.split_once('.') else {
        return false;
    };
    let (first, sixties) = split_sixties(whole);
    if let Some(sixties) = sixties {
        return is_digits(first) && sixties.split(':').all(is_sixty) && is_fraction(fraction);
    }
    let digits = match fraction.find(['e', 'E']) {
        Some(exponent) if is_exponent(&fraction[exponent + 1..]) => &fraction[..exponent],
        Some(_) => return false,
        None => fraction,
    };
    if whole.is_empty() {
        // PyYAML takes no sign here.
        unsigned == text && is_digits(digits)
    } else {
        is_digits(whole) && is_fraction(digits)
    }
}

/// Digits that do not begin with an underscore.
fn is_digits(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit()) && is_fraction(text)
}

fn is_fraction(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'_' || byte.is_ascii_digit())
}

fn is_exponent(text: &str) -> bool {
    text.strip_prefix(['-', '+'])
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The text before the first `:`, and what follows it.
fn split_sixties(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((first, sixties)) => (first, Some(sixties)),
        None => (text, None),
    }
}

fn is_sixty(text: &str) -> bool {
    match text.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, digit] => matches!(tens, b'0'..=b'5') && digit.is_ascii_digit(),
        _ => false,
    }
}

/// Reads an integer. The text need not be one by [`is_integer`]: a tag may have said so.
pub(super) fn read_integer(text: &str) -> Result<BigInt, Problem> {
    let malformed = || Problem::Malformed {
        kind: "integer",
        text: text.to_owned(),
    };
    let digits = text.replace('_', "");
    let (is_negative, unsigned) = split_sign(&digits);
    if unsigned.len() > MAX_INTEGER_DIGITS {
        return Err(Problem::IntegerTooLong);
    }
    let value = if let Some(digits) = unsigned.strip_prefix("0b") {
        python_int(digits, 2)
    } else if let Some(digits) = unsigned.strip_prefix("0x") {
        python_int(digits, 16)
    } else if unsigned != "0" && unsigned.starts_with('0') {
        python_int(unsigned, 8)
    } else if unsigned.contains(':') {
        unsigned.split(':').try_fold(BigInt::ZERO, |value, digit| {
            Some(value * 60 + python_int(digit, 10)?)
        })
    } else {
        python_int(unsigned, 10)
    }
    .ok_or_else(malformed)?;
    Ok(if is_negative { -value } else { value })
}

/// Reads a float. The text need not be one by [`is_float`]: a tag may have said so.
pub(super) fn read_float(text: &str) -> Result<f64, Problem> {
    let malformed = || Problem::Malformed {
        kind: "number",
        text: text.to_owned(),
    };
    let digits = text.replace('_', "").to_lowercase();
    let (is_negative, unsigned) = split_sign(&digits);
    let value = match unsigned {
        ".inf" => f64::INFINITY,
        ".nan" => return Ok(f64::NAN),
        _ if unsigned.contains(':') => read_sixties(unsigned).ok_or_else(malformed)?,
        _ => python_float(unsigned).ok_or_else(malformed)?,
    };
    Ok(if is_negative { -value } else { value })
}

/// Adds from the last digit on, as PyYAML does, for the same rounding.
fn read_sixties(text: &str) -> Option<f64> {
    let mut base = BigInt::from(1);
    let mut value = 0.0;
    let digits = text.split(':').map(python_float).collect::<Option<Vec<f64>>>()?;
    for digit in digits.into_iter().rev() {
        // Python refuses the power that no float can hold.
        let factor: f64 = base
            .to_string()
            .parse()
            .ok()
            .filter(|factor: &f64| factor.is_finite())?;
        value += digit * factor;
        base *= 60;
    }
    Some(value)
}

fn split_sign(text: &str) -> (bool, &str) {
    (
        text.starts_with('-'),
        text.strip_prefix(['-', '+']).unwrap_or(text),
    )
}

/// Python's `int(text, base)`, of a text without underscores and of ASCII digits.
fn python_int(text: &str, base: u32) -> Option<BigInt> {
    let (is_negative, unsigned) = split_sign(text.trim());
    let digits = match (base, unsigned.as_bytes()) {
        (2, [b'0', b'b' | b'B', ..]) | (8, [b'0', b'o' | b'O', ..]) | (16, [b'0', b'x' | b'X', ..]) => {
            &unsigned[2..]
        }
        _ => unsigned,
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let value = BigInt::parse_bytes(digits.as_bytes(), base)?;
    Some(if is_negative { -value } else { value })
}

/// Python's `float(text)`, of a text without underscores and of ASCII digits.
fn python_float(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_numbers_are_refused() {
        let longest = "9".repeat(MAX_INTEGER_DIGITS);
        assert_eq!(read_integer(&longest).unwrap().to_string(), longest);
        assert!(read_integer(&"1:".repeat(100_000)).is_err());
        assert!(read_float(&format!("1{}.0", ":0".repeat(200))).is_err());
    }
}
