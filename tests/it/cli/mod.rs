//! The commands and what people read: arguments, messages, output.

mod called_mlflow;
mod command_line;
mod completions;
mod control;
mod dry_run;
mod excerpts;
mod foreign_text;
mod inspect;
mod lint;
mod messages;
mod run_info;
