//! Whether the terminal shows colours, and how wide it is. All output follows this one decision.

use std::io::IsTerminal;
use std::sync::{PoisonError, RwLock};

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style, Styles};
use rustix::termios::tcgetwinsize;

use crate::entities::RunStatus;
use crate::env_vars::{CLICOLOR, CLICOLOR_FORCE, COLUMNS, NO_COLOR, TERM, non_empty};

/// The width of lines if neither the terminal nor `COLUMNS` gives one.
const DEFAULT_WIDTH: usize = 80;
/// Lines longer than this are hard to read, however wide the terminal is.
pub(super) const WIDEST: usize = 120;
/// The same for help.
const WIDEST_HELP: usize = 100;
/// Text for a narrower terminal is laid out for this width.
const NARROWEST: usize = 20;

/// `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// The value of `--color`, for the whole program.
static CHOICE: RwLock<ColorChoice> = RwLock::new(ColorChoice::Auto);

/// Sets the value of `--color`.
pub(crate) fn choose(choice: ColorChoice) {
    *CHOICE.write().unwrap_or_else(PoisonError::into_inner) = choice;
}

/// Where a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => std::io::stdout().is_terminal(),
            Self::Stderr => std::io::stderr().is_terminal(),
        }
    }

    /// The width of the terminal, within reason.
    pub(crate) fn width(self) -> usize {
        let size = match self {
            Self::Stdout => tcgetwinsize(std::io::stdout()),
            Self::Stderr => tcgetwinsize(std::io::stderr()),
        };
        let of_terminal = size.map(|size| usize::from(size.ws_col)).ok();
        let of_variable = || non_empty(COLUMNS).and_then(|columns| columns.parse().ok());
        match of_terminal.filter(|columns| *columns > 0).or_else(of_variable) {
            None | Some(0) => DEFAULT_WIDTH,
            Some(columns) => columns.clamp(NARROWEST, WIDEST),
        }
    }

    /// The width at which lines are wrapped. Off a terminal they are not, since scripts read whole lines.
    pub(crate) fn wraps_at(self) -> Option<usize> {
        self.is_terminal().then(|| self.width())
    }

    pub(crate) fn has_colors(self) -> bool {
        let choice = *CHOICE.read().unwrap_or_else(PoisonError::into_inner);
        shows_colors(choice, non_empty, || self.is_terminal())
    }

    /// The text in this style, if colours are shown.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if text.is_empty() || !self.has_colors() {
            return text.to_owned();
        }
        format!("{style}{text}{style:#}")
    }
}

/// In order of precedence: the option, `NO_COLOR`, `CLICOLOR_FORCE`, `CLICOLOR`, the terminal.
fn shows_colors(
    choice: ColorChoice,
    variable: impl Fn(&str) -> Option<String>,
    is_terminal: impl FnOnce() -> bool,
) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if variable(NO_COLOR).is_some() => false,
        ColorChoice::Auto if variable(CLICOLOR_FORCE).is_some_and(|value| value != "0") => true,
        ColorChoice::Auto => {
            variable(CLICOLOR).is_none_or(|value| value != "0")
                && variable(TERM).is_some_and(|name| name != "dumb")
                && is_terminal()
        }
    }
}

/// The colours by their purpose.
pub(crate) mod style {
    use super::{AnsiColor, RunStatus, Style};

    pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
    pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
    pub(crate) const HINT: Style = AnsiColor::Cyan.on_default().bold();
    pub(crate) const CAUSE: Style = AnsiColor::Red.on_default();
    pub(crate) const SUCCESS: Style = AnsiColor::Green.on_default().bold();
    /// The arrow before a place in a file, as excerpts have it.
    pub(crate) const PLACE: Style = AnsiColor::BrightBlue.on_default().bold();
    /// A table's header, and the lines of a run between `===`.
    pub(crate) const HEADING: Style = Style::new().bold();
    /// Details that few readers need.
    pub(crate) const FAINT: Style = Style::new().dimmed();

    pub(crate) fn of_status(status: RunStatus) -> Style {
        match status {
            RunStatus::Finished => AnsiColor::Green.on_default(),
            RunStatus::Failed => AnsiColor::Red.on_default(),
            RunStatus::Killed => AnsiColor::Magenta.on_default(),
            RunStatus::Running => AnsiColor::Blue.on_default(),
            RunStatus::Scheduled => AnsiColor::Yellow.on_default(),
        }
    }
}

/// Gives help and usage errors their colours and width.
pub(crate) fn dressed(program: clap::Command) -> clap::Command {
    const STYLES: Styles = Styles::plain()
        .header(style::HEADING)
        .usage(style::HEADING)
        .literal(AnsiColor::Cyan.on_default().bold())
        .placeholder(AnsiColor::Cyan.on_default())
        .error(style::ERROR)
        .valid(AnsiColor::Green.on_default())
        .invalid(AnsiColor::Yellow.on_default());
    let width = Stream::Stdout.wraps_at().unwrap_or(WIDEST_HELP);
    program.styles(STYLES).term_width(width.min(WIDEST_HELP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_decides_about_colours() {
        use ColorChoice::{Always, Auto, Never};
        let xterm = (TERM, "xterm");
        for (choice, variables, is_terminal, expected) in [
            (Auto, &[xterm][..], true, true),
            (Auto, &[xterm], false, false),
            (Auto, &[], true, false),
            (Auto, &[(TERM, "dumb")], true, false),
            (Auto, &[xterm, (NO_COLOR, "1")], true, false),
            (Auto, &[xterm, (CLICOLOR, "0")], true, false),
            (Auto, &[xterm, (CLICOLOR, "1")], true, true),
            (Auto, &[(CLICOLOR_FORCE, "1")], false, true),
            (Auto, &[(CLICOLOR_FORCE, "0")], false, false),
            (Auto, &[(CLICOLOR_FORCE, "1"), (NO_COLOR, "1")], true, false),
            (Always, &[(NO_COLOR, "1"), (TERM, "dumb")], false, true),
            (Never, &[xterm, (CLICOLOR_FORCE, "1")], true, false),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(other, _)| *other == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let shown = shows_colors(choice, variable, || is_terminal);
            assert_eq!(shown, expected, "{choice:?} {variables:?} {is_terminal}");
        }
    }
}
