//! How far several downloads have come together.

use std::sync::{Mutex, PoisonError};

use crate::events::{Progress, Transfer, TransferUnit};

/// Sums up the downloads of a run and reports the sum.
pub(super) struct Tally<'a> {
    progress: &'a dyn Progress,
    /// Of each download, what has arrived and how much there will be.
    parts: Mutex<Vec<(u64, Option<u64>)>>,
}

impl<'a> Tally<'a> {
    /// The tally of so many downloads, none of which has begun.
    pub(super) fn new(count: usize, progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            parts: Mutex::new(vec![(0, None); count]),
        }
    }

    pub(super) fn progress(&self) -> &'a dyn Progress {
        self.progress
    }

    /// Takes note of the state of one download.
    pub(super) fn update(&self, index: usize, done: u64, total: Option<u64>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts[index] = (done, total);
        self.progress.transfer(Transfer {
            what: "downloading",
            done: parts.iter().map(|(done, _)| done).sum(),
            total: parts.iter().map(|(_, total)| *total).sum(),
            unit: TransferUnit::Bytes,
            bytes: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<(u64, Option<u64>)>>);

    impl Progress for Heard {
        fn info(&self, _line: &str) {}
        fn warning(&self, _line: &str) {}
        fn output(&self, _bytes: &[u8]) {}
        fn transfer(&self, transfer: Transfer<'_>) {
            self.0.lock().unwrap().push((transfer.done, transfer.total));
        }
    }

    #[test]
    fn the_total_is_known_when_that_of_all_is() {
        let heard = Heard::default();
        let tally = Tally::new(2, &heard);
        tally.update(0, 5, Some(10));
        tally.update(1, 1, Some(20));
        tally.update(0, 10, Some(10));
        assert_eq!(
            *heard.0.lock().unwrap(),
            [(5, None), (6, Some(30)), (11, Some(30))]
        );
    }
}
