//! How far several downloads have come together.

use std::sync::{Mutex, PoisonError};

use crate::events::{Progress, Transfer, TransferUnit};

/// Sums up the downloads of a run and reports the sum.
pub(super) struct Tally<'a> {
    pub(super) progress: &'a dyn Progress,
    sums: Mutex<Sums>,
}

#[derive(Debug, Default)]
struct Sums {
    done: u64,
    total: u64,
    /// How many things there are whose size nobody knows yet.
    unknown: usize,
}

impl<'a> Tally<'a> {
    pub(super) fn new(progress: &'a dyn Progress) -> Self {
        Self {
            progress,
            sums: Mutex::default(),
        }
    }

    /// Something more will come, of this size where it is known. What is not known yet is settled by
    /// [`Tally::settle`].
    pub(super) fn expect(&self, size: Option<u64>) {
        self.update(|sums| match size {
            Some(size) => sums.total += size,
            None => sums.unknown += 1,
        });
    }

    /// What was unknown is known now: this much will come of it.
    pub(super) fn settle(&self, size: u64) {
        self.update(|sums| {
            sums.unknown = sums.unknown.saturating_sub(1);
            sums.total += size;
        });
    }

    /// Of something `after` bytes have arrived, of which `before` were known.
    pub(super) fn change(&self, before: u64, after: u64) {
        self.update(|sums| sums.done = (sums.done + after).saturating_sub(before));
    }

    fn update(&self, change: impl FnOnce(&mut Sums)) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut sums);
        self.progress.transfer(Transfer {
            what: "downloading",
            done: sums.done,
            total: (sums.unknown == 0 && sums.total > 0).then_some(sums.total),
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
        let tally = Tally::new(&heard);
        tally.expect(Some(10));
        tally.expect(None);
        tally.change(0, 5);
        tally.settle(20);
        tally.change(1, 0);
        let heard = heard.0.lock().unwrap().clone();
        let expected = [(0, Some(10)), (0, None), (5, None), (5, Some(30)), (4, Some(30))];
        assert_eq!(heard, expected);
    }
}
