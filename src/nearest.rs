//! The near name that someone may have meant.

/// Nobody mistypes a longer name, in characters; comparing two of a megabyte would take hours.
const LONGEST_NAME: usize = 100;

/// The candidate that differs from the name by the fewest slips, when that is few enough for its
/// length. Upper and lower case are no difference.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_short = |text: &str| text.chars().nth(LONGEST_NAME).is_none();
    let name = Some(name).filter(|name| is_short(name))?;
    let letters_of_name: Vec<char> = name.trim().to_lowercase().chars().collect();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && is_short(candidate))
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().collect();
            let allowed = letters_of_name
                .len()
                .max(letters.len())
                .div_ceil(4)
                .min(letters_of_name.len().saturating_sub(1));
            let may_be_near = letters_of_name.len().abs_diff(letters.len()) <= allowed;
            may_be_near.then(|| (distance(&letters_of_name, &letters), allowed, candidate))
        })
        .filter(|(distance, allowed, _)| distance <= allowed)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1; right.len() + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            current[column + 1] = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let is_swap = row > 0 && column > 0 && *letter == right[column - 1] && left[row - 1] == *other;
            if is_swap {
                current[column + 1] = current[column + 1].min(before_last[column - 1] + 1);
            }
        }
        before_last = last;
        last = current;
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let candidates = [
            "main",
            "train",
            "validate",
            "train.py",
            "n_estimators",
            "a",
            "feature/login",
            "v1.0",
            "Release",
        ];
        for (name, expected) in [
            ("mian", Some("main")),
            ("Main", Some("main")),
            ("trian", Some("train")),
            ("trian.py", Some("train.py")),
            (" train ", Some("train")),
            ("vaildate", Some("validate")),
            ("n-estimator", Some("n_estimators")),
            ("HOME", None),
            ("b", None),
            ("A", Some("a")),
            ("", None),
            ("nothing like it", None),
            ("feature/logn", Some("feature/login")),
            ("release", Some("Release")),
            ("v1.1", Some("v1.0")),
        ] {
            assert_eq!(nearest(name, candidates), expected, "{name}");
        }
        let long = "a".repeat(1 << 20);
        assert_eq!(nearest(&long, [format!("{long}b").as_str()]), None);
    }
}
