//! The similar name that the user may have meant.

/// The longest name to compare, in characters: comparing two of a megabyte would take hours.
const LONGEST_NAME: usize = 100;

/// The candidate with the fewest typing errors, if they are few enough for the name's length. Case is ignored.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let is_short = |text: &str| text.chars().nth(LONGEST_NAME).is_none();
    let name = Some(name).filter(|name| is_short(name))?;
    let typed = name.trim().to_lowercase();
    let length = typed.chars().count();
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name && is_short(candidate))
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            let longest = length.max(lower.chars().count());
            let allowed = longest.div_ceil(4).min(length.saturating_sub(1));
            (strsim::osa_distance(&typed, &lower), allowed, candidate)
        })
        .filter(|(distance, allowed, _)| distance <= allowed)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, candidate)| candidate)
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
