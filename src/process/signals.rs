//! The signals that this program receives.

use std::future::{pending, poll_fn};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::Signal;
use tokio::signal::unix::{Signal as SignalStream, SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::ProcessError;
use super::exit::{Interruptible, TerminationSignal};
use super::proc::SignalSet;

/// Within this time a further termination signal belongs to the same request.
pub(crate) const SAME_REQUEST: Duration = Duration::from_millis(100);

/// Keeps a write beyond the limit on file sizes from ending this program: it is an error from now on. A
/// handler does that for this program alone, since programs that it starts have none; ignored, the signal
/// would be ignored in all of them.
///
/// # Panics
/// Outside of a tokio runtime.
pub(crate) fn survive_file_size_limit() {
    let number = Signal::XFSZ.as_raw();
    if !SignalSet::ignored_here().contains(number) {
        // Without a handler the signal does what it did before.
        let _ = signal(SignalKind::from_raw(number));
    }
}

/// Works until a termination signal comes; then the work is dropped.
pub(crate) async fn until_signal<T>(
    signals: &mut Signals,
    work: impl Future<Output = T>,
) -> Interruptible<T> {
    tokio::select! {
        biased;
        signal = signals.next() => Interruptible::Interrupted(signal),
        done = work => Interruptible::Done(done),
    }
}

/// Something that a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// This program is asked to end.
    Termination(TerminationSignal),
    /// A child has ended or stopped.
    Child,
    /// A signal that is meant for the program that runs.
    Forward(Signal),
    /// This program is asked to stop (Ctrl-Z).
    Stop,
    /// This program goes on after a stop.
    Continue,
}

/// The signals that this program receives, from [`Signals::install`] on.
#[derive(Debug)]
pub struct Signals {
    /// In the order in which simultaneous events are told.
    streams: Vec<(Event, SignalStream)>,
    ignored: SignalSet,
    /// Termination that this program itself asks for.
    requested: UnboundedReceiver<TerminationSignal>,
    requests: UnboundedSender<TerminationSignal>,
    /// Changes whenever termination is told of.
    told: watch::Sender<()>,
    /// Whether signals to this program are listened to.
    are_installed: bool,
}

/// Asks for the end of what a [`Signals`] is waited for with, as a signal does.
#[derive(Debug, Clone)]
pub struct TerminationRequest {
    requests: UnboundedSender<TerminationSignal>,
}

impl TerminationRequest {
    /// Does what a `SIGTERM` to this program would do, or nothing if the run has ended.
    pub fn send(&self) {
        let _ = self.requests.send(TerminationSignal::Terminate);
    }
}

impl Signals {
    /// Installs the handlers, once per program and as early as can be. From now on
    /// termination signals and `SIGUSR1`, `SIGUSR2` do not end this program; they wait here.
    ///
    /// # Errors
    /// The system refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn install() -> Result<Self, ProcessError> {
        let mut signals = Self::nothing(true);
        let terminations =
            TerminationSignal::all().map(|signal| (Event::Termination(signal), signal.number()));
        let others = [
            (Event::Child, Signal::CHILD.as_raw()),
            (Event::Forward(Signal::USR1), Signal::USR1.as_raw()),
            (Event::Forward(Signal::USR2), Signal::USR2.as_raw()),
            (Event::Forward(Signal::WINCH), Signal::WINCH.as_raw()),
        ];
        signals.listen_to(terminations.chain(others))?;
        Ok(signals)
    }

    /// Handles no signals: only a [`request`](Self::request) stops the run. For programs that handle their own
    /// signals; any number of these may exist at once.
    ///
    /// # Errors
    /// The system refuses to report the ends of children.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn on_request() -> Result<Self, ProcessError> {
        let mut signals = Self::nothing(false);
        signals.listen_to([(Event::Child, Signal::CHILD.as_raw())])?;
        Ok(signals)
    }

    fn nothing(are_installed: bool) -> Self {
        let (requests, requested) = unbounded_channel();
        Self {
            streams: Vec::new(),
            ignored: if are_installed {
                SignalSet::ignored_here()
            } else {
                SignalSet::default()
            },
            requested,
            requests,
            told: watch::Sender::new(()),
            are_installed,
        }
    }

    fn listen_to(&mut self, events: impl IntoIterator<Item = (Event, i32)>) -> Result<(), ProcessError> {
        for (event, signal) in events {
            self.listen(event, signal)
                .map_err(|source| ProcessError::Signals { source })?;
        }
        Ok(())
    }

    /// What asks for termination from within this program.
    pub fn request(&self) -> TerminationRequest {
        TerminationRequest {
            requests: self.requests.clone(),
        }
    }

    /// Gives a termination signal back that has been told already; it is told again.
    pub fn put_back(&self, signal: Option<TerminationSignal>) {
        if let Some(signal) = signal {
            // Cannot fail: the receiver is here too.
            let _ = self.requests.send(signal);
        }
    }

    /// Waits, from the call on, until somebody else is told of a termination signal here.
    pub fn told(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut told = self.told.subscribe();
        async move {
            if told.changed().await.is_err() {
                // Nobody listens to signals any more.
                pending().await
            }
        }
    }

    /// Waits for a termination signal.
    pub async fn next(&mut self) -> TerminationSignal {
        poll_fn(|context| self.poll_termination(context)).await
    }

    /// Waits for a termination signal that insists on an earlier one.
    pub async fn further(&mut self) -> TerminationSignal {
        let begun = Instant::now();
        loop {
            let signal = self.next().await;
            if begun.elapsed() > SAME_REQUEST {
                return signal;
            }
        }
    }

    /// The termination signal that has come already, if one has. Does not wait.
    pub async fn pending(&mut self) -> Option<TerminationSignal> {
        // Handlers only write into a pipe; the runtime reads it when it is given the turn.
        tokio::task::yield_now().await;
        poll_fn(|context| {
            Poll::Ready(match self.poll_termination(context) {
                Poll::Ready(signal) => Some(signal),
                Poll::Pending => None,
            })
        })
        .await
    }

    /// Waits for an event; termination signals go first.
    pub(super) async fn event(&mut self) -> Event {
        poll_fn(|context| self.poll_event(context, |_| true)).await
    }

    /// Gets ready for a program that runs. Ctrl-Z is noticed from now on.
    pub(super) async fn begin_program(&mut self) {
        if self.are_installed && !self.streams.iter().any(|(event, _)| *event == Event::Stop) {
            // Where these cannot be had, Ctrl-Z stops this program alone.
            let _ = self.listen(Event::Continue, Signal::CONT.as_raw());
            let _ = self.listen(Event::Stop, Signal::TSTP.as_raw());
        }
        self.drop_events(|event| !matches!(event, Event::Termination(_) | Event::Child))
            .await;
    }

    /// Waits until this program goes on after a stop.
    pub(super) async fn continued(&mut self) {
        poll_fn(|context| self.poll_event(context, |event| event == Event::Continue)).await;
    }

    /// Drops what was told of earlier stops.
    pub(super) async fn forget_continue(&mut self) {
        self.drop_events(|event| event == Event::Continue).await;
    }

    /// Drops all events of a kind that have come.
    async fn drop_events(&mut self, kind: impl Fn(Event) -> bool) {
        tokio::task::yield_now().await;
        poll_fn(|context| {
            while self.poll_event(context, &kind).is_ready() {}
            Poll::Ready(())
        })
        .await;
    }

    fn listen(&mut self, event: Event, number: i32) -> io::Result<()> {
        let is_ignored = self.ignored.contains(number);
        // Without its handler, ends of children would be lost if their signal is ignored.
        if !is_ignored || event == Event::Child {
            self.streams.push((event, signal(SignalKind::from_raw(number))?));
        }
        Ok(())
    }

    fn poll_termination(&mut self, context: &mut Context<'_>) -> Poll<TerminationSignal> {
        match self.poll_event(context, |event| matches!(event, Event::Termination(_))) {
            Poll::Ready(Event::Termination(signal)) => Poll::Ready(signal),
            _ => Poll::Pending,
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>, kind: impl Fn(Event) -> bool) -> Poll<Event> {
        let event = self.poll_any(context, kind);
        if let Poll::Ready(Event::Termination(_)) = event {
            self.told.send_replace(());
        }
        event
    }

    fn poll_any(&mut self, context: &mut Context<'_>, kind: impl Fn(Event) -> bool) -> Poll<Event> {
        if kind(Event::Termination(TerminationSignal::Terminate))
            && let Poll::Ready(Some(signal)) = self.requested.poll_recv(context)
        {
            return Poll::Ready(Event::Termination(signal));
        }
        self.streams
            .iter_mut()
            .filter(|(event, _)| kind(*event))
            .find_map(|(event, stream)| stream.poll_recv(context).is_ready().then_some(*event))
            .map_or(Poll::Pending, Poll::Ready)
    }
}
