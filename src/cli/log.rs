//! What the modules below say through `tracing`: warnings are always shown, all of it with `--verbose`.

use std::fmt::{self, Write};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::cli::printer::{Printer, Verbosity};
use crate::events::Progress;

/// Shows traces on standard error from now on.
pub(crate) fn show(printer: &Arc<Printer>) {
    // Fails only where a subscriber is there already: in a program that uses the library.
    let _ = tracing::subscriber::set_global_default(Traces {
        printer: Arc::clone(printer),
    });
}

/// Shows this program's own warnings as such. Everything else is for developers.
struct Traces {
    printer: Arc<Printer>,
}

impl Traces {
    fn is_verbose(&self) -> bool {
        self.printer.verbosity() == Verbosity::Verbose
    }
}

fn is_own_warning(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::WARN && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}

impl Subscriber for Traces {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_shown = if self.is_verbose() {
            *metadata.level() <= Level::DEBUG
        } else {
            is_own_warning(metadata)
        };
        metadata.is_event() && is_shown
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.is_verbose() {
            LevelFilter::DEBUG
        } else {
            LevelFilter::WARN
        })
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        if is_own_warning(metadata) {
            self.printer.warning(&text.message);
        } else {
            let (level, target) = (metadata.level(), metadata.target());
            let line = format!("{level} {target}: {}{}", text.message, text.fields);
            self.printer.debug(&line);
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// What an event says.
#[derive(Default)]
struct Text {
    message: String,
    /// Each with a blank before it.
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
