//! Which values Python takes for the same key.

use num_bigint::BigInt;

use super::node::Value;

/// A value as a key: equal where Python's values are equal.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) enum Key<'a> {
    Null,
    /// Integers, booleans and floats without a fraction.
    Whole(BigInt),
    /// The bits of any other float. Every `.nan` is the same object in PyYAML.
    Float(u64),
    Str(&'a str),
    Bytes(&'a [u8]),
    Date(i128),
    Time {
        microseconds: i128,
        has_zone: bool,
    },
}

impl<'a> Key<'a> {
    /// The key that the value is; `None` for collections, which can be none.
    pub(super) fn new(value: &'a Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Whole(BigInt::from(*value)),
            Value::Int(value) => Self::Whole(value.clone()),
            Value::Float(value) => match whole(*value) {
                Some(whole) => Self::Whole(whole),
                None => Self::Float(value.to_bits()),
            },
            Value::Str(text) => Self::Str(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Timestamp(timestamp) => match timestamp.time {
                None => Self::Date(timestamp.microseconds()),
                Some(time) => Self::Time {
                    microseconds: timestamp.microseconds(),
                    has_zone: time.offset_minutes.is_some(),
                },
            },
            Value::List(_) | Value::Pairs(_) | Value::Set(_) | Value::Map(_) => return None,
        })
    }
}

/// The integer that the float is, if it is one.
pub(super) fn whole(value: f64) -> Option<BigInt> {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    if !value.is_finite() || value.fract() != 0.0 {
        return None;
    }
    let bits = value.abs().to_bits();
    let exponent = (bits >> FRACTION_BITS) as i64 - 1023 - i64::from(FRACTION_BITS);
    let magnitude = match usize::try_from(exponent) {
        Ok(exponent) => BigInt::from(bits & ((1 << FRACTION_BITS) - 1) | 1 << FRACTION_BITS) << exponent,
        // Below 2 to the 52, so it fits.
        Err(_) => BigInt::from(value.abs() as u64),
    };
    Some(if value < 0.0 { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::timestamp::Timestamp;

    #[test]
    fn whole_floats() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-3.0, "-3"),
            (4503599627370495.0, "4503599627370495"),
            (-9007199254740992.0, "-9007199254740992"),
            (1e22, "10000000000000000000000"),
        ] {
            assert_eq!(whole(value).unwrap().to_string(), expected);
        }
        for value in [0.5, -1.25, f64::INFINITY, f64::NAN, 1e-300] {
            assert_eq!(whole(value), None);
        }
    }

    #[test]
    fn keys_are_equal_where_python_says_so() {
        let time = |text: &str| Value::Timestamp(Timestamp::read(text).unwrap());
        let one = Value::Int(1.into());
        for (first, second, are_equal) in [
            (&one, &Value::Bool(true), true),
            (&one, &Value::Float(1.0), true),
            (&one, &Value::Str("1".to_owned()), false),
            (&Value::Null, &Value::Bool(false), false),
            (&Value::Float(f64::NAN), &Value::Float(f64::NAN), true),
            (&Value::Str("a".to_owned()), &Value::Bytes(b"a".to_vec()), false),
            (
                &time("2020-01-01 01:00:00+01:00"),
                &time("2020-01-01 00:00:00Z"),
                true,
            ),
            (&time("2020-01-01 00:00:00"), &time("2020-01-01 00:00:00Z"), false),
            (&time("2020-01-01 00:00:00"), &time("2020-01-01"), false),
        ] {
            assert_eq!(
                Key::new(first) == Key::new(second),
                are_equal,
                "{first:?} {second:?}"
            );
        }
    }
}
