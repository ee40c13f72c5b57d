//! Jobs that are no longer there: how they ended, as far as the cluster's events remember it, which they do
//! for about an hour.

use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use tokio::time::timeout;

use super::KubernetesError;
use super::handle::JobHandle;
use super::reasons;
use crate::process::{Ended, ProgramExit};

/// How long the events may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reasons of a Job's failure, by which its controller names the event too.
const FAILURES: [&str; 5] = [
    "BackoffLimitExceeded",
    "DeadlineExceeded",
    "PodFailurePolicy",
    "MaxFailedIndexesExceeded",
    "FailedIndexes",
];

/// What the events of a Job remember.
#[derive(Debug, PartialEq, Eq)]
enum Memory {
    Completed,
    Failed {
        reason: String,
        message: String,
    },
    /// It had pods and no end.
    Unfinished,
}

/// How a Job ended that is no longer there. Nothing if nobody remembers, or the cluster cannot be asked.
pub(super) async fn remembered_end(handle: &JobHandle) -> Option<Result<Ended, KubernetesError>> {
    let of_job = ListParams::default().fields(&format!(
        "involvedObject.kind=Job,involvedObject.name={}",
        handle.name
    ));
    let events = handle.events();
    let listed = timeout(PATIENCE, events.list(&of_job)).await.ok()?;
    let events = listed
        .inspect_err(|error| tracing::debug!(%error, "the events of a Job that is gone cannot be asked for"))
        .ok()?;
    Some(match memory_of(&events.items)? {
        Memory::Completed => Ok(Ended::Exited(ProgramExit::Code(0))),
        Memory::Failed { reason, message } => {
            Err(KubernetesError::Failed(reasons::of_job(None, &reason, &message)))
        }
        Memory::Unfinished => Err(handle.was_deleted()),
    })
}

/// The end is the newest event of a Job, so where its beginning is remembered, its end would be too.
fn memory_of(events: &[Event]) -> Option<Memory> {
    let found = |wanted: &[&str]| {
        let mut events = events.iter();
        events.find(|event| wanted.contains(&event.reason.as_deref().unwrap_or_default()))
    };
    if found(&["Completed"]).is_some() {
        return Some(Memory::Completed);
    }
    if let Some(event) = found(&FAILURES) {
        return Some(Memory::Failed {
            reason: event.reason.clone().unwrap_or_default(),
            message: event.message.clone().unwrap_or_default(),
        });
    }
    found(&["SuccessfulCreate"]).map(|_| Memory::Unfinished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_remember_the_end() {
        let failed = Memory::Failed {
            reason: "BackoffLimitExceeded".to_owned(),
            message: "too many".to_owned(),
        };
        for (reasons, expected) in [
            (&[][..], None),
            (&["FailedCreate"], None),
            (&["SuccessfulCreate"], Some(Memory::Unfinished)),
            (&["SuccessfulCreate", "Suspended"], Some(Memory::Unfinished)),
            (&["SuccessfulCreate", "Completed"], Some(Memory::Completed)),
            (&["Completed"], Some(Memory::Completed)),
            (&["SuccessfulCreate", "BackoffLimitExceeded"], Some(failed)),
        ] {
            let events: Vec<Event> = reasons
                .iter()
                .map(|reason| Event {
                    reason: Some((*reason).to_owned()),
                    message: Some("too many".to_owned()),
                    ..Event::default()
                })
                .collect();
            assert_eq!(memory_of(&events), expected, "{reasons:?}");
        }
    }
}
