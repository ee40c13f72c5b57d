//! `mlrun version`: what exactly this program is.

use std::ffi::OsString;

use serde_json::{Value, json};

use crate::cli::escape;
use crate::cli::printer;
use crate::cli::report::{Failure, Outcome};
use crate::cli::text_table::columns;
use crate::tracking;

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the build knows; a part that it does not know is empty.
const BUILD_COMMIT: &str = env!("MLRUN_BUILD_COMMIT");
const BUILD_TARGET: &str = env!("MLRUN_BUILD_TARGET");
const BUILD_PROFILE: &str = env!("MLRUN_BUILD_PROFILE");
const BUILD_RUSTC: &str = env!("MLRUN_BUILD_RUSTC");

/// Whether the command line is `mlrun --version --verbose`, in any order. `--version` alone stays one line.
pub(super) fn is_asked_for(words: &[OsString]) -> bool {
    let is = |names: &[&str]| {
        words
            .iter()
            .skip(1)
            .any(|word| names.iter().any(|name| word == name))
    };
    words.len() == 3 && is(&["--version", "-V"]) && is(&["--verbose"])
}

/// Writes all that is known of this program.
pub(super) async fn run(json: bool) -> Result<Outcome, Failure> {
    let parts = parts().await?;
    printer::write_stdout(&if json {
        escape::json(&object(&parts))
    } else {
        let rows = parts
            .iter()
            .map(|(title, value)| vec![title.replace('_', " "), value.clone()]);
        format!(
            "mlrun {VERSION}\n{}",
            columns(&rows.collect::<Vec<_>>(), 0, usize::MAX)
        )
    })?;
    Ok(Outcome::Succeeded)
}

/// The commit that the program is made of, short, and its date.
pub(super) fn short_commit() -> Option<(&'static str, &'static str)> {
    let (commit, date) = BUILD_COMMIT.split_once(' ').unwrap_or((BUILD_COMMIT, ""));
    (!commit.is_empty()).then(|| (commit.get(..10).unwrap_or(commit), date))
}

async fn parts() -> Result<Vec<(&'static str, String)>, Failure> {
    let (commit, date) = BUILD_COMMIT.split_once(' ').unwrap_or((BUILD_COMMIT, ""));
    let known = |text: &str| if text.is_empty() { "unknown" } else { text }.to_owned();
    let (major, minor, patch) = git2::Version::get().libgit2_version();
    Ok(vec![
        ("commit", known(commit)),
        ("commit_date", known(date)),
        ("target", known(BUILD_TARGET)),
        ("profile", known(BUILD_PROFILE)),
        ("rustc", known(BUILD_RUSTC.trim_start_matches("rustc "))),
        (
            "openssl",
            openssl::version::version()
                .trim_start_matches("OpenSSL ")
                .to_owned(),
        ),
        ("libgit2", format!("{major}.{minor}.{patch}")),
        ("sqlite", tracking::sqlite_version().await?),
    ])
}

fn object(parts: &[(&'static str, String)]) -> Value {
    let mut object = json!({ "version": VERSION });
    for (name, value) in parts {
        object[*name] = value.as_str().into();
    }
    object
}
