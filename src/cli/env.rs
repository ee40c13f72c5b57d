//! `mlrun env`: the environments that were built for projects.

use clap::builder::styling::Style;
use serde_json::json;

use crate::cli::args::EnvCommand;
use crate::cli::escape::{self, one_line};
use crate::cli::list::{Column, list};
use crate::cli::printer::{self, Printer};
use crate::cli::report::{Failure, Outcome};
use crate::cli::terminal::{Stream, style};
use crate::cli::text_table::Painted;
use crate::entities::UnixMillis;
use crate::environment::{self, CachedEnvironment};
use crate::events::Progress;
use crate::quantity;

/// Shows or removes environments.
pub(crate) async fn run(command: EnvCommand, printer: &Printer) -> Result<Outcome, Failure> {
    match command {
        EnvCommand::List { json } => {
            let environments = environment::list().await?;
            if environments.is_empty() && !json && Stream::Stdout.is_terminal() {
                printer.info("No environments have been built yet");
                return Ok(Outcome::Succeeded);
            }
            printer::write_escaped_stdout(&if json {
                json_text(&environments)
            } else {
                table(&environments, UnixMillis::now())
            })?;
        }
        EnvCommand::Prune { older_than, dry_run } => {
            let pruned = environment::prune(older_than, dry_run, printer).await?;
            let done = if dry_run { "Would remove" } else { "Removed" };
            let lines: String = pruned
                .iter()
                .map(|environment| {
                    format!(
                        "{done} {} ({})\n",
                        one_line(&environment.name),
                        quantity::size(environment.bytes)
                    )
                })
                .collect();
            printer::write_stdout(&lines)?;
            let bytes = pruned.iter().map(|environment| environment.bytes).sum();
            let verb = if dry_run { "would be removed" } else { "removed" };
            printer.info(&format!(
                "{} {verb}, {}",
                quantity::counted(pruned.len() as u64, "environment"),
                quantity::size(bytes)
            ));
        }
        EnvCommand::Rm { names } => {
            for name in names {
                let removed = environment::remove(&name, printer).await?;
                printer::write_stdout(&format!("Removed {}\n", one_line(&removed)))?;
            }
        }
    }
    Ok(Outcome::Succeeded)
}

fn json_text(environments: &[CachedEnvironment]) -> String {
    let objects: Vec<_> = environments
        .iter()
        .map(|environment| {
            json!({
                "name": environment.name,
                "manager": environment.manager.as_str(),
                "directory": environment.directory.to_string_lossy(),
                "bytes": environment.bytes,
                "created": environment.created.0,
                "last_used": environment.last_used.0,
                "project": environment.project,
                "state": environment.state.as_str(),
                "log": environment.log.as_ref().map(|log| log.to_string_lossy()),
            })
        })
        .collect();
    escape::json(&objects.into())
}

const COLUMNS: [Column; 7] = [
    Column::new("NAME").shortened_to(18),
    Column::new("MANAGER").left_out(2),
    Column::new("SIZE"),
    Column::new("CREATED").left_out(1),
    Column::new("LAST USED"),
    Column::new("STATE").left_out(3),
    Column::new("PROJECT").shortened_at_start_to(16),
];

fn table(environments: &[CachedEnvironment], now: UnixMillis) -> String {
    let row = |environment: &CachedEnvironment| {
        let state = if environment.state.is_broken() {
            style::WARNING
        } else {
            Style::new()
        };
        vec![
            Painted::plain(&environment.name),
            Painted::plain(environment.manager.to_string()),
            Painted::plain(quantity::size(environment.bytes)),
            Painted::plain(quantity::ago(now.0 - environment.created.0)),
            Painted::plain(quantity::ago(now.0 - environment.last_used.0)),
            Painted::new(environment.state.as_str(), state),
            Painted::plain(environment.project.as_deref().unwrap_or("-")),
        ]
    };
    list(&COLUMNS, &environments.iter().map(row).collect::<Vec<_>>())
}
