//! How far a build has come, by what its programs write.

use std::collections::{BTreeMap, HashSet};

use super::tool_line::Meaning;

/// How far a build has come.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// What happens now: `downloading numpy`.
    pub(super) now: String,
    /// How many packages, or parts of an image, are done.
    pub(super) done: u64,
    /// How many there will be, if known.
    pub(super) total: Option<u64>,
    found: HashSet<String>,
    fetched: u64,
    /// The parts of an image, and which of them are there.
    layers: BTreeMap<String, bool>,
    /// How many packages there were before the installation, while one goes on.
    before: Option<u64>,
}

impl Steps {
    /// Takes what a line means; `packages` counts those of the environment.
    pub(super) fn note(&mut self, meaning: Meaning, packages: impl Fn() -> u64) {
        match meaning {
            Meaning::Step(step) => self.now = step,
            Meaning::Found(name) => {
                self.now = format!("resolving {name}");
                self.found.insert(name);
            }
            Meaning::Fetching(name) => {
                self.now = format!("downloading {name}");
                self.fetched += 1;
                self.done = self.fetched;
                self.total = Some(self.fetched.max(self.found.len() as u64));
            }
            Meaning::Total(total) => {
                "downloading".clone_into(&mut self.now);
                self.total = Some(total);
            }
            Meaning::Installing(total) => {
                "installing".clone_into(&mut self.now);
                self.total = Some(total);
                self.before = Some(packages());
            }
            Meaning::Parts { done, total, step } => {
                self.now = step;
                self.done = done;
                self.total = Some(total);
            }
            Meaning::Layer { id, is_there } => {
                *self.layers.entry(id).or_default() |= is_there;
                self.done = self.layers.values().filter(|is_there| **is_there).count() as u64;
                self.total = Some(self.layers.len() as u64);
            }
        }
    }

    /// Counts the packages that are installed by now.
    pub(super) fn count(&mut self, packages: impl Fn() -> u64) {
        if let Some(before) = self.before {
            self.done = packages().saturating_sub(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::tool_line;

    #[test]
    fn progress_is_counted() {
        let mut steps = Steps::default();
        let mut shown = Vec::new();
        for line in [
            "Collecting numpy",
            "Collecting idna",
            "Downloading numpy-2.4.6-cp311.whl (16.9 MB)",
            "Installing collected packages: numpy, idna",
        ] {
            steps.note(tool_line::meaning(line).unwrap(), || 1);
            shown.push((steps.now.clone(), steps.done, steps.total));
        }
        let expected = [
            ("resolving numpy", 0, None),
            ("resolving idna", 0, None),
            ("downloading numpy", 1, Some(2)),
            ("installing", 1, Some(2)),
        ];
        assert_eq!(
            shown,
            expected.map(|(step, done, total)| (step.to_owned(), done, total))
        );
    }
}
