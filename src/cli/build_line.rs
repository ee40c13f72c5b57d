//! How far a build has come, as one line on the terminal.

use std::time::Duration;

use console::{measure_text_width, truncate_str};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::escape::one_line;
use crate::cli::transfer_bar;
use crate::events::Build;
use crate::quantity;

/// The one build that is shown.
#[derive(Debug)]
pub(super) struct BuildLine(ProgressBar);

impl Default for BuildLine {
    fn default() -> Self {
        let style = ProgressStyle::with_template("{msg}").expect("a template of our own");
        Self(transfer_bar::bar(None).with_style(style))
    }
}

impl BuildLine {
    pub(super) fn clear(self) {
        self.0.finish_and_clear();
    }

    pub(super) fn update(&mut self, build: Build<'_>) {
        self.0.set_message(text(build, transfer_bar::width()));
        self.0.tick();
    }
}

/// The most telling text that fits into the width.
fn text(build: Build<'_>, width: usize) -> String {
    let (what, step) = (one_line(build.what), one_line(build.step));
    let elapsed = quantity::duration(Duration::from_secs(build.elapsed.as_secs()));
    let parts = match build.total {
        Some(total) => format!(
            "{} of {}",
            build.done.min(total),
            quantity::counted(total, build.unit)
        ),
        None if build.done > 0 => quantity::counted(build.done, build.unit),
        None => String::new(),
    };
    let name = what.rsplit(' ').next().unwrap_or_default();
    let mut shown = String::new();
    for (what, step) in [(&*what, &*step), (name, &*step), (&*what, ""), (name, "")] {
        let details = [step, &parts, &elapsed].map(str::to_owned);
        let details: Vec<String> = details.into_iter().filter(|text| !text.is_empty()).collect();
        shown = format!("{what}: {}", details.join(", "));
        if measure_text_width(&shown) <= width {
            return shown;
        }
    }
    truncate_str(&shown, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_and_says_most() {
        let build = Build {
            what: "Building environment mlflow-9d31",
            step: "downloading numpy",
            done: 12,
            total: Some(91),
            unit: "package",
            elapsed: Duration::from_millis(72_900),
        };
        for (width, expected) in [
            (
                79,
                "Building environment mlflow-9d31: downloading numpy, 12 of 91 packages, 1m 12s",
            ),
            (59, "mlflow-9d31: downloading numpy, 12 of 91 packages, 1m 12s"),
            (40, "mlflow-9d31: 12 of 91 packages, 1m 12s"),
            (19, "mlflow-9d31: 12 of…"),
        ] {
            assert_eq!(text(build, width), expected);
        }
        let beginning = Build {
            step: "",
            done: 0,
            total: None,
            elapsed: Duration::ZERO,
            ..build
        };
        assert_eq!(text(beginning, 79), "Building environment mlflow-9d31: 0s");
        let step = "downloading \u{1b}[31m";
        assert_eq!(
            text(
                Build {
                    step,
                    done: 1,
                    ..beginning
                },
                79
            ),
            "Building environment mlflow-9d31: downloading \\u{1b}[31m, 1 package, 0s"
        );
    }
}
