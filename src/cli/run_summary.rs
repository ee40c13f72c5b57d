//! The end of a run for a person at a terminal: what became of it, and where to look further.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::cli::escape;
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::columns;
use crate::entities::{Metric, RunData, RunInfo, UnixMillis, tag};
use crate::quantity;
use crate::runner::{Launched, RunEnding, RunPlan, SubmittedRun};
use crate::tracking::TrackingUri;

/// How long the store may take for a read: the run has ended, and the person waits for the prompt.
const STORE_PATIENCE: Duration = Duration::from_secs(5);

/// How many metrics are shown.
const MOST_METRICS: usize = 8;

/// What MLflow measures of the machine is shown only if nothing else was logged.
const SYSTEM_METRICS: &str = "system/";

/// The longest part of a metric's name that is shown, in characters, however wide the terminal is.
const LONGEST_NAME: usize = 40;

/// The width of the titles and the space after them.
const TITLES: usize = 11;
const STATUS: &str = "status";

/// What is known of a run before it begins.
pub(crate) struct RunStart {
    begun: Instant,
    tracking_uri: TrackingUri,
    directory: PathBuf,
    pub(super) backend: &'static str,
    limit: Option<Duration>,
}

impl RunStart {
    /// The run begins now.
    pub(crate) fn new(plan: &RunPlan, limit: Option<Duration>) -> Self {
        Self {
            begun: Instant::now(),
            tracking_uri: plan.tracking_uri.clone(),
            directory: plan.current_directory.clone(),
            backend: plan.backend.name(),
            limit,
        }
    }

    /// The summary of the run, which has ended or was handed over; `is_late` if it was stopped at its time limit.
    /// `None` if its entry point was never started: the error says it all.
    pub(crate) async fn summary(
        &self,
        submitted: &SubmittedRun,
        ending: &RunEnding,
        is_late: bool,
    ) -> Option<String> {
        let elapsed = self.begun.elapsed();
        let details = submitted.details();
        if ending.launched.is_err() && details.timings.run.is_none() {
            return None;
        }
        let info = submitted.info();
        let (mut earlier, mut metrics) = (None, Vec::new());
        // A store that did not take the end has been waited for long enough.
        if ending.recorded.is_ok() && !matches!(ending.launched, Ok(Launched::Submitted)) {
            let store = submitted.store();
            // What cannot be read is left out: nothing of the run depends on it.
            if let Ok(Launched::Reused) = ending.launched
                && let Ok(Ok(data)) = timeout(STORE_PATIENCE, store.run_data(&info.run_id)).await
            {
                earlier = Some(data);
            }
            if let Ok(Ok(found)) = timeout(STORE_PATIENCE, store.metrics(&info.run_id)).await {
                metrics = found;
            }
        }
        let page = details.backend_tags.iter();
        let mut page = page.filter(|(name, _)| name == tag::DATABRICKS_RUN_URL);
        let url = submitted.store().run_url(info);
        let width = Stream::Stderr.width();
        let mut rows = vec![
            ("run", Some(info.run_name.clone()).filter(|name| !name.is_empty())),
            (
                STATUS,
                Some(self.status(ending, elapsed, earlier.as_ref(), is_late)),
            ),
            ("metrics", metric_lines(&metrics, width.saturating_sub(TITLES))),
            ("artifacts", self.artifacts(info)),
            ("job page", page.next().map(|(_, url)| url.clone())),
            ("view", Some(self.views(info, url, &ending.launched).join("\n"))),
        ];
        rows.retain(|(_, value)| value.is_some());
        let status = ending.status();
        let painted = Stream::Stderr.paint(style::of_status(status), status.as_str());
        Some(text(rows, width).replacen(
            &format!("\n{STATUS:TITLES$}{status}"),
            &format!("\n{STATUS:TITLES$}{painted}"),
            1,
        ))
    }

    fn status(
        &self,
        ending: &RunEnding,
        elapsed: Duration,
        earlier: Option<&RunData>,
        is_late: bool,
    ) -> String {
        let status = ending.status();
        let elapsed = quantity::duration(elapsed);
        match &ending.launched {
            Ok(Launched::Exited(exit)) if exit.is_success() => format!("{status} in {elapsed}"),
            Ok(Launched::Exited(exit)) => format!("{status} after {elapsed} ({exit})"),
            Ok(Launched::Interrupted { signal }) => match self.limit.filter(|_| is_late) {
                Some(limit) => format!(
                    "{status} after {elapsed} (exceeded its {} timeout)",
                    quantity::duration(limit)
                ),
                None => format!("{status} after {elapsed} ({signal})"),
            },
            Ok(Launched::Submitted) => format!("{status} (submitted to {})", self.backend),
            Ok(Launched::Reused) => match earlier.and_then(|run| Some((run.start_time?, run.end_time?))) {
                Some((start, end)) => format!(
                    "{status} in {} (reused; it ended {})",
                    quantity::duration(end.since(start)),
                    quantity::ago(UnixMillis::now().0 - end.0)
                ),
                None => format!("{status} (reused)"),
            },
            Err(_) => format!("{status} after {elapsed}"),
        }
    }

    /// Where the run's artifacts are: a path from the current directory if they are below it.
    fn artifacts(&self, info: &RunInfo) -> Option<String> {
        let uri = info.artifact_uri.as_str();
        let path = uri.strip_prefix("file://").unwrap_or(uri);
        // A path in a URI is not spelled as in a shell.
        if !path.starts_with('/') || (path != uri && path.contains('%')) {
            return Some(uri.to_owned()).filter(|uri| !uri.is_empty());
        }
        if !Path::new(path).exists() {
            return None;
        }
        let path = below(path, &self.directory).unwrap_or(path);
        Some(escape::shell_word(path).into_owned())
    }

    /// What to open or type to see more of the run.
    fn views(
        &self,
        info: &RunInfo,
        url: Option<String>,
        launched: &Result<Launched, impl Sized>,
    ) -> Vec<String> {
        let look = match &self.tracking_uri {
            TrackingUri::Sqlite { uri, .. } => {
                let file = uri.strip_prefix("sqlite:///").unwrap_or_default();
                let uri = match below(file, &self.directory) {
                    Some(file) => format!("sqlite:///{file}"),
                    None => uri.clone(),
                };
                Some(format!(
                    "mlflow ui --backend-store-uri {}",
                    escape::shell_word(&uri)
                ))
            }
            TrackingUri::File { path, .. } => {
                let path = path.to_string_lossy();
                let path =
                    below(&path, &self.directory).map_or(path.clone(), |path| format!("./{path}").into());
                // MLflow 3 refuses file stores otherwise.
                Some(format!(
                    "MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {}",
                    escape::shell_word(&path)
                ))
            }
            // The address may hold a password; the variable is set where the run was started.
            TrackingUri::Database { .. } => {
                Some("mlflow ui --backend-store-uri \"$MLFLOW_TRACKING_URI\"".to_owned())
            }
            TrackingUri::Rest { .. } | TrackingUri::Databricks { .. } => url,
        };
        let mut views = Vec::from_iter(look);
        // A line above names the commands for a run that goes on.
        if !matches!(launched, Ok(Launched::Submitted)) {
            views.push(format!(
                "mlrun status {}",
                escape::shell_word(info.run_id.as_str())
            ));
        }
        views
    }
}

/// The rows with their titles, in lines of this width. A word that would not fit beside the title gets a line of
/// its own: a path that the terminal breaks cannot be read.
fn text(rows: Vec<(&str, Option<String>)>, width: usize) -> String {
    let mut text = String::new();
    for (title, value) in rows {
        let value = value.unwrap_or_default();
        let longest = value.split_whitespace().map(|word| word.chars().count()).max();
        // The space above sets it apart from the log; the printer adds the last line's end.
        text.push('\n');
        if longest.is_none_or(|length| TITLES + length <= width) {
            let title = format!("{title:<width$}", width = TITLES - 2);
            text.push_str(columns(&[vec![title, value]], 0, width).trim_end());
        } else {
            text.push_str(title);
            text.push('\n');
            text.push_str(columns(&[vec![value]], 2, width).trim_end());
        }
    }
    format!("\n{}", text.trim_start())
}

/// The path from the directory, if it is below it.
fn below<'a>(path: &'a str, directory: &Path) -> Option<&'a str> {
    let rest = path.strip_prefix(directory.to_str()?)?.strip_prefix('/')?;
    Some(rest).filter(|rest| !rest.is_empty() && !rest.starts_with('/'))
}

/// The metrics, each on a line of at most `width` characters: names in one column, values in another.
fn metric_lines(metrics: &[Metric], width: usize) -> Option<String> {
    let own: Vec<&Metric> = metrics
        .iter()
        .filter(|metric| !metric.name.starts_with(SYSTEM_METRICS))
        .collect();
    let all = if own.is_empty() {
        metrics.iter().collect()
    } else {
        own
    };
    let rows: Vec<(String, String)> = all
        .iter()
        .take(MOST_METRICS)
        .map(|metric| (escape::one_line(&metric.name).into_owned(), number(metric.value)))
        .collect();
    let longest_value = rows.iter().map(|(_, value)| value.len()).max()?;
    let longest_name = LONGEST_NAME.min(width.saturating_sub(longest_value + 2)).max(8);
    let names: Vec<String> = rows
        .iter()
        .map(|(name, _)| shortened(name, longest_name))
        .collect();
    let column = names.iter().map(|name| name.chars().count()).max()?;
    let mut lines = String::new();
    for (name, (_, value)) in names.iter().zip(&rows) {
        // Writing to a text cannot fail.
        let _ = writeln!(lines, "{name:<column$}  {value}");
    }
    match all.len() - rows.len() {
        0 => lines.truncate(lines.trim_end().len()),
        more => {
            let _ = write!(lines, "and {more} more");
        }
    }
    Some(lines)
}

/// A text of at most so many characters. The end of a metric's name tells more than its middle.
fn shortened(text: &str, most: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= most {
        return text.to_owned();
    }
    let tail = (most - 1) / 2;
    let head = most - 1 - tail;
    let (first, last) = (&characters[..head], &characters[characters.len() - tail..]);
    first.iter().chain(&['…']).chain(last).collect()
}

/// A number in six digits, as C's `%g` writes it; whole numbers in all of theirs up to fifteen.
fn number(value: f64) -> String {
    if value.is_nan() {
        return "nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if value == 0.0 || (value.fract() == 0.0 && value.abs() < 1e15) {
        return format!("{value:.0}");
    }
    let scientific = format!("{value:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5 - exponent).unwrap_or_default();
        return without_zeros(&format!("{value:.places$}")).to_owned();
    }
    format!("{}e{exponent}", without_zeros(digits))
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, value: f64) -> Metric {
        let name = name.to_owned();
        Metric { name, value }
    }

    #[test]
    fn numbers_are_short_and_right() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (123_456_789.0, "123456789"),
            (0.931_234_567, "0.931235"),
            (0.5, "0.5"),
            (-1.25, "-1.25"),
            (1e-5, "1e-5"),
            (0.000_123_456_7, "0.000123457"),
            (1_234.567_89, "1234.57"),
            (999_999.9, "1e6"),
            (1.5e300, "1.5e300"),
            (f64::NAN, "nan"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(number(value), expected, "{value:e}");
        }
    }

    #[test]
    fn metrics_stand_in_columns() {
        let metrics = [
            metric("accuracy", 0.93),
            metric("val/loss", 1e-7),
            metric("system/cpu", 1.0),
        ];
        assert_eq!(
            metric_lines(&metrics, 49).as_deref(),
            Some("accuracy  0.93\nval/loss  1e-7")
        );
        assert_eq!(metric_lines(&metrics[2..], 49).as_deref(), Some("system/cpu  1"));
        assert_eq!(metric_lines(&[], 49), None);
        let many: Vec<Metric> = (0..10).map(|index| metric(&format!("m{index}"), 0.5)).collect();
        let lines = metric_lines(&many, 49).unwrap();
        assert_eq!(lines.lines().count(), 9);
        assert!(lines.ends_with("m7  0.5\nand 2 more"), "{lines}");
    }

    #[test]
    fn long_and_foreign_names_are_shown_safely() {
        let long = [metric(&"validation/fold_".repeat(5), 0.5)];
        for width in [20, 49, 109] {
            let lines = metric_lines(&long, width).unwrap();
            assert!(lines.chars().count() <= width, "{width}: {lines}");
            assert!(
                lines.contains('…') && lines.ends_with("/fold_  0.5") || width == 20,
                "{lines}"
            );
        }
        let foreign = [metric("a\u{1b}[2J\nb", 1.0)];
        assert_eq!(metric_lines(&foreign, 49).as_deref(), Some("a\\u{1b}[2J\\nb  1"));
    }

    #[test]
    fn paths_are_told_from_the_current_directory() {
        let directory = Path::new("/home/me");
        for (path, expected) in [
            ("/home/me/mlruns/0", Some("mlruns/0")),
            ("/home/me", None),
            ("/home/me/", None),
            ("/home/mean/mlruns", None),
            ("/data", None),
        ] {
            assert_eq!(below(path, directory), expected, "{path}");
        }
    }
}
