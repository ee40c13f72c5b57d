//! Parameters and tags, stored in parts that a server takes in one request each.

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::RestStore;
use super::error::RestError;
use super::wire::{Pair, pair};
use crate::entities::RunId;
use crate::tracking::TrackingError;
use crate::tracking::limits::Entity;
use crate::tracking::search::has_tags;

/// What a server takes in one request: as many pairs, and somewhat fewer bytes than its limit of
/// one million.
const MOST_PAIRS: usize = 100;
const MOST_BYTES: usize = 900_000;

/// How often a request is sent again that met a row which was not there a moment before.
const MOST_RACES: u32 = 3;

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
        kind: Entity,
        pairs: &[Pair],
    ) -> Result<(), TrackingError> {
        let field = match kind {
            Entity::Param => "params",
            Entity::Tag => "tags",
        };
        for batch in batches(pairs) {
            let pairs: Vec<_> = batch.iter().map(pair).collect();
            let body = json!({ "run_id": run_id.as_str(), (field): pairs });
            let mut races = 0;
            while let Err(error) = self.log_batch(&body).await {
                if !error.is_duplicate() || races == MOST_RACES {
                    return Err(self.about("run", run_id.as_str(), "write to", error));
                }
                // It was sent again, since an answer was lost, and may have met the rows of the first one.
                if self.holds(run_id, kind, batch).await? {
                    break;
                }
                races += 1;
            }
        }
        Ok(())
    }

    async fn log_batch(&self, body: &Value) -> Result<IgnoredAny, RestError> {
        self.client.post("/api/2.0/mlflow/runs/log-batch", body).await
    }

    /// Whether the run holds all of this with these values. A parameter that has another value is an error.
    async fn holds(&self, run_id: &RunId, kind: Entity, batch: &[Pair]) -> Result<bool, TrackingError> {
        let run = self.fetch(run_id).await?;
        if kind == Entity::Tag {
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
