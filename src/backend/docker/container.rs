//! A running container and how it is stopped.

use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::environment::Engine;
use crate::process::{
    DEFAULT_GRACE, Ended, ProcessGroup, ProgramCall, SAME_REQUEST, Signals, moment, tell_still_running,
};

/// How often to check whether the container exists.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// How many times a container is asked to stop.
const STOPS: u32 = 10;
/// How long the engine's program may take to notice that its container has ended.
const AFTER_A_STOP: Duration = Duration::from_millis(500);
const REMOVAL: Duration = Duration::from_secs(5);

/// A container run by an engine's program.
#[derive(Debug)]
pub(super) struct RunningContainer {
    pub(super) engine: Engine,
    pub(super) name: String,
    /// The file where the engine's program writes the container's id.
    pub(super) id_file: PathBuf,
}

impl RunningContainer {
    pub(super) fn was_made(&self) -> bool {
        self.id().is_some()
    }

    /// Stops the container: `SIGTERM` to its program, `SIGKILL` after the grace period or at a further signal.
    /// Afterwards it is gone, even if the signal arrived during its creation.
    pub(super) async fn end(&self, client: &mut ProcessGroup, signals: &mut Signals) {
        if self.is_made_in_time(client, signals).await {
            self.stop(client, signals).await;
        }
        self.remove().await;
        client.end(signals).await;
        // The program may have created a container at the last moment.
        if !self.was_made() {
            self.remove().await;
        }
    }

    /// Waits until the container exists: a program that is stopped earlier may still leave one behind. Gives up
    /// when the program exits, after the grace period, or at a further signal.
    async fn is_made_in_time(&self, client: &mut ProcessGroup, signals: &mut Signals) -> bool {
        let begun = Instant::now();
        while !self.was_made() {
            match timeout(BETWEEN_LOOKS, client.wait_or_signal(signals)).await {
                Ok(Ended::Done(_)) => return false,
                Ok(Ended::Interrupted(_)) if begun.elapsed() > SAME_REQUEST => return false,
                _ if begun.elapsed() > DEFAULT_GRACE => return false,
                _ => {}
            }
        }
        true
    }

    async fn stop(&self, client: &mut ProcessGroup, signals: &mut Signals) {
        let grace = DEFAULT_GRACE.as_secs().to_string();
        let stop = ["stop", "-t", &grace];
        for _ in 0..STOPS {
            let told = async {
                moment().await;
                tell_still_running(&format!("the container '{}'", self.name), "it", DEFAULT_GRACE);
                pending().await
            };
            let is_insisted = tokio::select! {
                _ = signals.further() => true,
                () = self.tell(&stop) => false,
                never = told => never,
            };
            if is_insisted {
                tracing::warn!("killing the container '{}'", self.name);
                return self.tell(&["kill"]).await;
            }
            // The program removes its container, then exits. A container that was created but not started when
            // it was asked to stop keeps running, and so does the program.
            let ended = timeout(AFTER_A_STOP, client.wait_or_signal(signals)).await;
            if ended.is_ok() {
                return;
            }
        }
    }

    async fn remove(&self) {
        let _ = timeout(REMOVAL, self.tell(&["rm", "-f"])).await;
    }

    /// Calls the engine for the container. It does not matter if the container is already gone.
    async fn tell(&self, arguments: &[&str]) {
        let container = self.id().unwrap_or_else(|| self.name.clone());
        let call = ProgramCall::new(self.engine.program())
            .arguments(arguments.iter().copied())
            .argument(container);
        if let Err(error) = call.capture().await {
            tracing::debug!(%error, "cannot call the container engine");
        }
    }

    fn id(&self) -> Option<String> {
        let id = fs::read_to_string(&self.id_file).ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    }
}
