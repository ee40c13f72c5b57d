//! A container that runs, and its end.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::environment::Engine;
use crate::process::{Ended, ProcessGroup, ProgramCall, Signals};

/// How often to look whether the container is there.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// How long the engine's program may take to notice that its container has ended, and a container to
/// be removed.
const AFTER_THE_END: Duration = Duration::from_secs(5);

/// A container that runs below an engine's program.
#[derive(Debug)]
pub(super) struct RunningContainer {
    pub(super) engine: Engine,
    pub(super) name: String,
    /// The file into which the engine's program writes the container's id when there is one.
    pub(super) id_file: PathBuf,
    /// How long the container's processes may take to end when they are asked to.
    pub(super) grace: Duration,
}

impl RunningContainer {
    /// Whether the engine has made the container.
    pub(super) fn was_made(&self) -> bool {
        self.id().is_some()
    }

    /// Ends the container: `SIGTERM` to its program, `SIGKILL` after the grace period or at a further
    /// signal. Afterwards it is gone, also where the signal came while it was being made.
    pub(super) async fn end(&self, client: &mut ProcessGroup, signals: &mut Signals) {
        let begun = Instant::now();
        let is_insisted = tokio::select! {
            _ = signals.further() => true,
            () = self.stop(begun) => false,
        };
        if !is_insisted {
            // The program removes its container, then ends.
            let _ = timeout(AFTER_THE_END, ended(client, signals)).await;
        }
        // Also ends one that was made but had not been started when it was told to stop.
        self.remove().await;
        client.end(signals).await;
        // The program may have had a container made in its last moment.
        if !self.was_made() {
            self.remove().await;
        }
    }

    /// Waits until there is a container, and asks it to end.
    async fn stop(&self, begun: Instant) {
        // A program that is ended now would leave the container to be made without it.
        while !self.was_made() {
            if begun.elapsed() > self.grace {
                return;
            }
            sleep(BETWEEN_LOOKS).await;
        }
        let grace = self.grace.as_secs().to_string();
        self.tell(&["stop", "-t", &grace]).await;
    }

    async fn remove(&self) {
        let _ = timeout(AFTER_THE_END, self.tell(&["rm", "-f"])).await;
    }

    /// Calls the engine for the container. That it is gone already is as good.
    async fn tell(&self, arguments: &[&str]) {
        let container = self.id().unwrap_or_else(|| self.name.clone());
        let call = ProgramCall::new(self.engine.program())
            .arguments(arguments.iter().copied())
            .argument(container);
        if let Err(error) = call.capture().await {
            tracing::debug!(%error, "a container that ends");
        }
    }

    fn id(&self) -> Option<String> {
        let id = fs::read_to_string(&self.id_file).ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    }
}

/// Waits for the program's end, or for a further signal.
async fn ended(client: &mut ProcessGroup, signals: &mut Signals) -> Ended {
    client.wait_or_signal(signals).await
}
