//! Parameters and tags, stored in parts that a server takes in one request each.

use serde::de::IgnoredAny;
use serde_json::json;

use super::RestStore;
use super::wire::{Pair, pair};
use crate::run::RunId;
use crate::tracking::TrackingError;
use crate::tracking::search::has_tags;

/// What a server takes in one request: as many pairs, and somewhat fewer bytes than its limit of
/// one million.
const MOST_PAIRS: usize = 100;
const MOST_BYTES: usize = 900_000;

/// How often a request is sent again that met a row which was not there a moment before.
const MOST_RACES: u32 = 3;

/// What a [`Pair`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairKind {
    Param,
    Tag,
}

/// Cuts pairs into parts that a server takes in one request each.
fn batches(pairs: &[Pair]) -> impl Iterator<Item = &[Pair]> {
    let mut rest = pairs;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest
            .iter()
            .take(MOST_PAIRS)
            .take_while(|next| {
                bytes += pair(next).to_string().len() + 1;
                bytes <= MOST_BYTES
            })
            .count();
        // A pair that is too long alone is for the server to refuse.
        let (batch, after) = rest.split_at_checked(fitting.max(1))?;
        rest = after;
        Some(batch)
    })
}

impl RestStore {
    /// Stores parameters or tags. What is there already with the same value is left as it is.
    pub(super) async fn log_batches(
        &self,
        run_id: &RunId,
        kind: PairKind,
        pairs: &[Pair],
    ) -> Result<(), TrackingError> {
        for batch in batches(pairs) {
            self.log_batch(run_id, kind, batch).await?;
        }
        Ok(())
    }

    /// A request that is sent again, since an answer was lost, may meet the rows of the first one.
    async fn log_batch(&self, run_id: &RunId, kind: PairKind, batch: &[Pair]) -> Result<(), TrackingError> {
        let field = match kind {
            PairKind::Param => "params",
            PairKind::Tag => "tags",
        };
        let pairs: Vec<_> = batch.iter().map(pair).collect();
        let body = json!({ "run_id": run_id.as_str(), (field): pairs });
        let mut races = 0;
        loop {
            let done = self
                .client
                .post::<IgnoredAny>("/api/2.0/mlflow/runs/log-batch", &body);
            match done.await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_duplicate() && races < MOST_RACES => {
                    if self.holds(run_id, kind, batch).await? {
                        return Ok(());
                    }
                    races += 1;
                }
                Err(error) => return Err(self.about("run", run_id.as_str(), "write to", error)),
            }
        }
    }

    /// Whether the run holds all of this with these values. A parameter that has another value is an error.
    async fn holds(&self, run_id: &RunId, kind: PairKind, batch: &[Pair]) -> Result<bool, TrackingError> {
        let run = self.fetch(run_id).await?;
        if kind == PairKind::Tag {
            // A tag may be replaced.
            return Ok(has_tags(&run, batch));
        }
        for (key, wanted) in batch {
            match run.param(key) {
                Some(value) if value != wanted => {
                    let what = format!("the parameter '{key}' of run '{run_id}'");
                    let reason = format!("it was logged before as '{value}', not as '{wanted}'");
                    return Err(self.refused(&what, reason));
                }
                Some(_) => {}
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(count: usize, value: &str) -> Vec<Pair> {
        (0..count)
            .map(|index| (format!("k{index}"), value.to_owned()))
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
