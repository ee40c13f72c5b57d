//! The order in which Python prints a set.
//!
//! CPython's sets are hash tables. The hashes of numbers are fixed, so their order is; those of
//! texts differ from one process to the next, and sets that hold any other value keep the order in
//! which they are written.

use num_bigint::BigInt;

use super::key;
use super::node::{Node, Value};

/// The prime by which Python's hashes of numbers are reduced.
const MODULUS: i64 = (1 << 61) - 1;
/// How many slots may be tried for each value, on average. Few are needed, but for values that were chosen to
/// meet in one slot: looking for their order would take the square of their number.
const PATIENCE: usize = 1000;
/// How many neighbours of a taken slot CPython tries before it looks elsewhere.
const LINEAR_PROBES: usize = 9;

/// Different values in the order of a set into which they are put one after the other.
pub(super) fn sorted(values: Vec<Node>) -> Vec<Node> {
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
        Value::Float(value) => key::whole(*value)?,
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
    use crate::yaml::{Position, Written};

    fn node(value: Value) -> Node {
        let start = Position { line: 1, column: 1 };
        Node {
            value,
            start,
            written: Written::default(),
        }
    }

    #[test]
    fn numbers_are_ordered_as_cpython_does() {
        for (values, expected) in [
            (&[][..], &[][..]),
            (&[3, 1, 2], &[1, 2, 3]),
            (&[8, 0, 16], &[8, 0, 16]),
            (&[-1, 7], &[-1, 7]),
            (&[10, 9, 8, 7, 6], &[6, 7, 8, 9, 10]),
            (&[100, 20, 33, 4, 65], &[33, 65, 100, 20, 4]),
        ] {
            let nodes = |values: &[i64]| -> Vec<Node> {
                values
                    .iter()
                    .map(|&value| node(Value::Int(BigInt::from(value))))
                    .collect()
            };
            assert_eq!(sorted(nodes(values)), nodes(expected), "{values:?}");
        }
    }

    #[test]
    fn numbers_with_one_hash_keep_their_order() {
        let nodes = || -> Vec<Node> {
            let numbers = (0..20_000).map(|factor| BigInt::from(MODULUS) * factor);
            numbers.map(|number| node(Value::Int(number))).collect()
        };
        assert_eq!(sorted(nodes()), nodes());
    }

    #[test]
    fn other_values_keep_their_order() {
        let values = vec![
            node(Value::Str("b".to_owned())),
            node(Value::Int(1.into())),
            node(Value::Null),
        ];
        assert_eq!(sorted(values.clone()), values);
    }
}
