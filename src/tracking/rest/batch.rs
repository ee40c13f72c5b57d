//! Parameters and tags in parts that a server takes in one request each.

use super::wire::Pair;

/// What a server takes in one request: as many pairs, and somewhat fewer bytes than its limit of
/// one million.
const MOST_PAIRS: usize = 100;
const MOST_BYTES: usize = 900_000;

/// Cuts pairs into parts that a server takes in one request each.
pub(super) fn batches(pairs: &[Pair]) -> impl Iterator<Item = &[Pair]> {
    let mut rest = pairs;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest
            .iter()
            .take(MOST_PAIRS)
            .take_while(|pair| {
                bytes += encoded_length(pair);
                bytes <= MOST_BYTES
            })
            .count();
        // A pair that is too long alone is for the server to refuse.
        let (batch, after) = rest.split_at_checked(fitting.max(1))?;
        rest = after;
        Some(batch)
    })
}

fn encoded_length(pair: &Pair) -> usize {
    serde_json::to_string(pair).map_or(0, |text| text.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(count: usize, value: &str) -> Vec<Pair> {
        (0..count)
            .map(|index| Pair::from((format!("k{index}"), value.to_owned())))
            .collect()
    }

    #[test]
    fn pairs_are_cut_into_what_a_server_takes() {
        for (pairs, expected) in [
            (pairs(0, "v"), vec![]),
            (pairs(1, "v"), vec![1]),
            (pairs(100, "v"), vec![100]),
            (pairs(201, "v"), vec![100, 100, 1]),
            (pairs(100, &"v".repeat(6000)), vec![100]),
            (pairs(100, &"\u{1}".repeat(6000)), vec![24, 24, 24, 24, 4]),
            (pairs(3, &"v".repeat(2_000_000)), vec![1, 1, 1]),
        ] {
            let sizes: Vec<usize> = batches(&pairs).map(<[Pair]>::len).collect();
            assert_eq!(sizes, expected);
        }
    }
}
