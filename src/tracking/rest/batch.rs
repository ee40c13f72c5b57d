//! Parameters and tags, stored in parts that a server takes in one request each.

use super::RestStore;
use super::wire::{LogBatch, Nothing, Pair, PairKind};
use crate::run::RunId;
use crate::tracking::TrackingError;

/// What a server takes in one request: as many pairs, and somewhat fewer bytes than its limit of
/// one million.
const MOST_PAIRS: usize = 100;
const MOST_BYTES: usize = 900_000;

/// How often a request is sent again that met a row which was not there a moment before.
const MOST_RACES: u32 = 3;

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

impl RestStore {
    /// Stores parameters and tags. What is there already with the same value is left as it is.
    pub(super) async fn log_batches(
        &self,
        run_id: &RunId,
        params: &[Pair],
        tags: &[Pair],
    ) -> Result<(), TrackingError> {
        for (params, tags) in batches(params)
            .map(|batch| (batch, &[][..]))
            .chain(batches(tags).map(|batch| (&[][..], batch)))
        {
            let body = LogBatch {
                run_id: run_id.as_str(),
                params,
                tags,
            };
            self.log_batch(run_id, &body).await?;
        }
        Ok(())
    }

    /// A request that is sent again, since an answer was lost, may meet the rows of the first one.
    async fn log_batch(&self, run_id: &RunId, body: &LogBatch<'_>) -> Result<(), TrackingError> {
        let mut races = 0;
        loop {
            let done = self
                .client
                .post::<Nothing>("/api/2.0/mlflow/runs/log-batch", body);
            match done.await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_duplicate() && races < MOST_RACES => {
                    if self.holds(run_id, body).await? {
                        return Ok(());
                    }
                    races += 1;
                }
                Err(error) => return Err(self.about("run", run_id.as_str(), "write to", error)),
            }
        }
    }

    /// Whether the run holds all of this with these values. One that has another value is an error.
    async fn holds(&self, run_id: &RunId, batch: &LogBatch<'_>) -> Result<bool, TrackingError> {
        let run = self.fetch(run_id).await?;
        for param in batch.params {
            match run.value(PairKind::Param, &param.key) {
                Some(value) if value != param.value => {
                    let what = format!("the parameter '{}' of run '{run_id}'", param.key);
                    let reason = format!("it was logged before as '{value}', not as '{}'", param.value);
                    return Err(self.refused(&what, reason));
                }
                Some(_) => {}
                None => return Ok(false),
            }
        }
        // A tag may be replaced.
        Ok(batch
            .tags
            .iter()
            .all(|tag| run.value(PairKind::Tag, &tag.key) == Some(&tag.value)))
    }
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
