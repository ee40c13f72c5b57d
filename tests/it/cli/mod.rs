//! The commands and what people read: arguments, messages, output.

mod called_mlflow;
mod command_line;
mod completions;
mod control;
mod doctor;
mod dry_run;
mod excerpts;
mod foreign_text;
mod inspect;
mod labels;
mod lint;
mod messages;
mod printer;
mod run_info;
mod run_summary;
mod schema;
mod terminal;
mod version;
