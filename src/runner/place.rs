//! An entry point that runs elsewhere: the store must know where, or nobody could follow or end it.

use std::sync::Arc;

use tokio::sync::watch;

use super::error::one_line;
use super::interruption::{despite_signals, until_signal};
use super::record::persist;
use super::{CreatedRun, RunDetails, RunError};
use crate::backend::RunElsewhere;
use crate::events::Progress;
use crate::process::{Signals, TerminationSignal};
use crate::tracking::TrackingStore;

/// Stores the tags that lead to it. A store that is away is waited for as for a run's end; where that
/// is in vain, the entry point is ended rather than left where nobody sees it. Gives the signal that
/// came first, if one did.
pub(super) async fn record_place(
    created: &CreatedRun,
    elsewhere: &mut dyn RunElsewhere,
    details: &watch::Sender<RunDetails>,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Option<TerminationSignal>, RunError> {
    let (tags, place) = (elsewhere.tags(), elsewhere.place());
    details.send_modify(|details| details.backend_tags.clone_from(&tags));
    let run_id = &created.info.run_id;
    let what = format!("that run '{run_id}' is {place}");
    let tags = &tags;
    let record = |store: Arc<dyn TrackingStore>| async move { store.set_tags(run_id, tags).await };
    let recorded = persist(created, &what, created.plan.record_patience, progress, record);
    let source = match until_signal(signals, recorded).await {
        Ok(Ok(())) => return Ok(None),
        Ok(Err(error)) => error,
        Err(signal) => return Ok(Some(signal)),
    };
    progress.warning(&format!(
        "{what} could not be recorded ({}): canceling it",
        one_line(&source)
    ));
    let not_canceled = match despite_signals(signals, elsewhere.cancel(progress)).await {
        Ok((Ok(()), _)) => None,
        Ok((Err(error), _)) => Some(one_line(&error)),
        Err(signal) => Some(format!("{signal} came before its end was known")),
    };
    Err(RunError::PlaceNotRecorded {
        run_id: run_id.clone(),
        place,
        not_canceled,
        by_hand: elsewhere.by_hand(),
        source: Box::new(source),
    })
}
