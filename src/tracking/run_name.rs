//! Random names for runs, in MLflow's form: `quiet-harbor-417`.

use uuid::Uuid;

/// The largest number at the end of a name.
const MAX_NUMBER: u128 = 1000;

/// A random name: a predicate, a noun and a number from 0 to 1000, at most 20 characters.
pub(crate) fn random_run_name() -> String {
    name_from(Uuid::new_v4().as_u128())
}

/// The name for these random bits.
fn name_from(bits: u128) -> String {
    // The low 62 bits of a version 4 UUID are random. They are read as a number with three digits of different bases,
    // so each choice is almost uniform.
    let mut rest = bits & ((1 << 62) - 1);
    let mut choose = |count: usize| {
        let choice = rest % count as u128;
        rest /= count as u128;
        choice
    };
    let predicate = PREDICATES[choose(PREDICATES.len()) as usize];
    let noun = NOUNS[choose(NOUNS.len()) as usize];
    let number = choose(MAX_NUMBER as usize + 1);
    format!("{predicate}-{noun}-{number}")
}

#[rustfmt::skip]
const PREDICATES: [&str; 156] = [
    "able", "agile", "amber", "ample", "autumn", "azure", "basic", "bold", "breezy", "bright", "brisk",
    "bronze", "calm", "candid", "careful", "casual", "chief", "clear", "clever", "cosmic", "cozy",
    "crisp", "curious", "deep", "eager", "early", "easy", "elastic", "even", "exact", "faint", "famous",
    "fancy", "fast", "fine", "fluent", "formal", "frank", "free", "fresh", "frosty", "gentle", "giant",
    "glad", "golden", "grand", "green", "happy", "hardy", "hasty", "honest", "humble", "icy", "ideal",
    "indigo", "keen", "kind", "large", "late", "lawful", "light", "liquid", "lively", "lone", "loud",
    "loyal", "lucid", "lucky", "lunar", "magic", "major", "mellow", "merry", "mighty", "mild", "modern",
    "modest", "narrow", "neat", "nimble", "noble", "novel", "open", "orange", "patient", "pearly",
    "plain", "polar", "polite", "prime", "proud", "pure", "purple", "quick", "quiet", "rapid", "rare",
    "ready", "red", "regal", "rich", "ripe", "robust", "rosy", "round", "royal", "rustic", "safe",
    "secret", "sharp", "shiny", "silent", "silver", "simple", "sleek", "slow", "smart", "smooth", "snowy",
    "soft", "solar", "solid", "sonic", "spare", "stable", "steady", "stellar", "still", "stoic", "strict",
    "strong", "subtle", "sunny", "super", "swift", "tall", "tender", "thick", "tidy", "timely", "tiny",
    "topaz", "urban", "vast", "velvet", "violet", "vital", "vivid", "warm", "wide", "wild", "winter",
    "wise", "witty", "young", "zesty",
];

#[rustfmt::skip]
const NOUNS: [&str; 167] = [
    "acorn", "anchor", "anvil", "arch", "arrow", "atlas", "aurora", "barley", "basin", "bay", "beach",
    "beacon", "birch", "bloom", "boulder", "branch", "breeze", "bridge", "brook", "cabin", "canal",
    "candle", "canoe", "canyon", "cape", "castle", "cavern", "cedar", "cliff", "clock", "cloud", "clover",
    "coast", "comet", "compass", "copper", "coral", "cove", "crater", "creek", "crystal", "dawn", "delta",
    "desert", "dew", "dune", "dusk", "echo", "eclipse", "ember", "equator", "estuary", "fern", "field",
    "fjord", "flame", "flint", "forest", "forge", "fossil", "galaxy", "garden", "gate", "geyser",
    "glacier", "glade", "glen", "granite", "grove", "gulf", "harbor", "harvest", "hearth", "hill",
    "horizon", "inlet", "island", "ivy", "jetty", "jungle", "kettle", "kite", "lagoon", "lake", "lantern",
    "lava", "leaf", "ledge", "lichen", "linden", "loft", "magnet", "maple", "marble", "marsh", "meadow",
    "mesa", "meteor", "mill", "mirror", "mist", "monsoon", "moon", "moss", "nebula", "oak", "oasis",
    "ocean", "orbit", "orchard", "peak", "pebble", "pier", "pine", "planet", "plateau", "pond", "poplar",
    "prairie", "prism", "quarry", "quartz", "quasar", "rain", "ravine", "reef", "ridge", "river", "rock",
    "sail", "savanna", "sea", "shadow", "shore", "sky", "slope", "snow", "spire", "spring", "spruce",
    "star", "stone", "storm", "strait", "stream", "summit", "sun", "surf", "temple", "terrace", "thunder",
    "tide", "timber", "tower", "trail", "tree", "tulip", "tundra", "valley", "volcano", "wave", "well",
    "wharf", "willow", "wind", "window", "zenith",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_word_leaves_room_for_the_others() {
        for word in PREDICATES.iter().chain(&NOUNS) {
            assert!((3..=7).contains(&word.len()), "{word}");
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase()), "{word}");
        }
    }

    #[test]
    fn bits_choose_words_and_number() {
        assert_eq!(name_from(0), format!("{}-{}-0", PREDICATES[0], NOUNS[0]));
        let last = (PREDICATES.len() * NOUNS.len()) as u128 * 1001 - 1;
        assert_eq!(
            name_from(last),
            format!(
                "{}-{}-1000",
                PREDICATES[PREDICATES.len() - 1],
                NOUNS[NOUNS.len() - 1]
            )
        );
    }

    #[test]
    fn names_differ() {
        let names: HashSet<String> = (0..100).map(|_| random_run_name()).collect();
        assert!(names.len() > 95, "{}", names.len());
        assert!(
            names
                .iter()
                .all(|name| name.len() <= 20 && name.split('-').count() == 3)
        );
    }
}
