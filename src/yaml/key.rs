//! Values as Python hashes them: which are the same key, and in which order a set prints them.

use num_bigint::BigInt;

use super::node::{Node, Value};

/// The prime by which Python's hashes of numbers are reduced.
const MODULUS: i64 = (1 << 61) - 1;
/// How many slots may be tried for each value, on average. Few are needed, but for values that were chosen to
/// meet in one slot: looking for their order would take the square of their number.
const PATIENCE: usize = 1000;
/// How many neighbours of a taken slot CPython tries before it looks elsewhere.
const LINEAR_PROBES: usize = 9;

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
fn whole(value: f64) -> Option<BigInt> {
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

/// Different values in the order in which Python prints the set into which they are put one after the other.
///
/// CPython's sets are hash tables. The hashes of numbers are fixed, so their order is; those of
/// texts differ from one process to the next, and sets that hold any other value keep the order in
/// which they are written.
pub(super) fn set_order(values: Vec<Node>) -> Vec<Node> {
    let Some(hashes) = values
        .iter()
        .map(|node| hash(&node.value))
        .collect::<Option<Vec<i64>>>()
    else {
        return values;
    };
    let mut values: Vec<Option<Node>> = values.into_iter().map(Some).collect();
    table_order(&hashes)
        .into_iter()
        .filter_map(|place| values[place].take())
        .collect()
}

/// Python's hash of a number without a fraction.
fn hash(value: &Value) -> Option<i64> {
    let integer = match value {
        Value::Bool(value) => BigInt::from(*value),
        Value::Int(value) => value.clone(),
        Value::Float(value) => whole(*value)?,
        _ => return None,
    };
    let hash = i64::try_from(integer % MODULUS).ok()?;
    Some(if hash == -1 { -2 } else { hash })
}

/// Puts the hashes into a table as large as CPython makes it for so many, and returns their places
/// in the order of the table; in their own order where that takes too long.
fn table_order(hashes: &[i64]) -> Vec<usize> {
    let size = match hashes.len() {
        // The smallest table is used until three fifths are full.
        ..=4 => 8,
        length => (2 * length + 1).next_power_of_two(),
    };
    let mask = size - 1;
    let mut table = vec![None; size];
    let mut tries = 0;
    for (place, &hash) in hashes.iter().enumerate() {
        // The same bits without the sign.
        let mut perturbation = hash.cast_unsigned();
        let mut index = perturbation as usize & mask;
        let slot = loop {
            let probes = if index + LINEAR_PROBES <= mask {
                LINEAR_PROBES
            } else {
                0
            };
            if let Some(free) = (index..=index + probes).find(|&slot| table[slot].is_none()) {
                break free;
            }
            tries += probes + 1;
            if tries > PATIENCE * hashes.len() {
                return (0..hashes.len()).collect();
            }
            perturbation >>= 5;
            index = index
                .wrapping_mul(5)
                .wrapping_add(1)
                .wrapping_add(perturbation as usize)
                & mask;
        };
        table[slot] = Some(place);
    }
    table.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Position, Timestamp, Written};

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

    fn node(value: Value) -> Node {
        let start = Position { line: 1, column: 1 };
        Node {
            value,
            start,
            written: Written::default(),
        }
    }

    #[test]
    fn numbers_with_one_hash_keep_their_order() {
        let nodes = || -> Vec<Node> {
            let numbers = (0..20_000).map(|factor| BigInt::from(MODULUS) * factor);
            numbers.map(|number| node(Value::Int(number))).collect()
        };
        assert_eq!(set_order(nodes()), nodes());
    }

    #[test]
    fn other_values_keep_their_order() {
        let values = vec![
            node(Value::Str("b".to_owned())),
            node(Value::Int(1.into())),
            node(Value::Null),
        ];
        assert_eq!(set_order(values.clone()), values);
    }
}
