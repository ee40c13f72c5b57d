//! What the modules below tell through `tracing`: warnings are always shown, all of it with `--verbose`.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::cli::escape;
use crate::cli::printer::{Printer, Verbosity};
use crate::events::Progress;

/// Shows traces on standard error from now on.
pub(crate) fn show(printer: &Arc<Printer>, verbosity: Verbosity) {
    // Fails only where a subscriber is there already: in a program that uses the library.
    let _ = if verbosity == Verbosity::Verbose {
        let subscriber = tracing_subscriber::fmt()
            .with_writer(|| Escaped(std::io::stderr()))
            .with_max_level(Level::DEBUG)
            .without_time()
            .finish();
        tracing::subscriber::set_global_default(subscriber)
    } else {
        tracing::subscriber::set_global_default(Warnings {
            printer: Arc::clone(printer),
        })
    };
}

/// Writes events with all that acts on a terminal written out. Gets each event as a whole.
struct Escaped<W>(W);

impl<W: Write> Write for Escaped<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = escape::continued(text.strip_suffix('\n').unwrap_or(&text));
        self.0
            .write_all(format!("{}\n", escape::escaped(&text)).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Shows this program's own warnings as such; those of libraries are for developers.
struct Warnings {
    printer: Arc<Printer>,
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= Level::WARN
            && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.printer.warning(&message.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The text of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
