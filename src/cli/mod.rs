//! The command line: the only part that reads arguments, writes to the terminal and makes exit codes.

mod args;
mod completions;
mod control;
mod doctor;
mod dry_run;
mod env;
mod env_file;
mod escape;
mod excerpt;
mod help;
mod init;
mod inspect;
mod lint;
mod log;
mod mlflow;
mod params_file;
mod printer;
mod project_source;
mod report;
mod run;
mod run_info;
mod schema;
mod settings;
mod text_table;
mod transfer_bar;
mod version;
mod words;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::FromArgMatches;

use args::{Arguments, Command, LogFormat};
use printer::{Printer, Verbosity};
use report::{Failure, Outcome};

use crate::process::{guard_children, raise_open_files, start_hint, survive_file_size_limit};

/// The stack of the thread that a command is carried out on, in bytes. The main thread's own may be anything:
/// batch queues limit it (`ulimit -s`).
const STACK: usize = 8 * 1024 * 1024;

/// What tokio says when it panics because the system gives it no thread.
const NO_WORKER: &str = "OS can't spawn worker thread";

/// Runs the program with these arguments, the first of which is the program's own name.
///
/// Everything that goes wrong is shown on standard error; the result says only how it ended.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    match thread::Builder::new()
        .stack_size(STACK)
        .spawn(|| carry_out(arguments))
    {
        // A panic has been reported already.
        Ok(work) => work.join().unwrap_or(ExitCode::FAILURE),
        Err(error) => Printer::new(LogFormat::Text, Verbosity::Normal).report(&no_thread(error)),
    }
}

fn no_thread(error: io::Error) -> Failure {
    let hint = start_hint(&error);
    Failure::caused_by(error, "cannot start a thread").with_optional_hint(hint)
}

fn carry_out(words: Vec<OsString>) -> ExitCode {
    let mut program = args::command();
    program.build();
    match before_parsing(&program, &words) {
        Ok(None) => {}
        Ok(Some(outcome)) => return outcome.into(),
        Err(failure) => return Printer::new(LogFormat::Text, Verbosity::Normal).report(&failure),
    }
    let arguments = match parsed(program, &words) {
        Ok(arguments) => arguments,
        Err(error) => {
            // The message repeats words of the command line, which others may have written.
            let error = parsed(args::command(), words.iter().map(|word| shown(word)))
                .err()
                .unwrap_or(error);
            // A closed pipe while help is written is no error.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let (format, verbosity) = match &arguments.command {
        Command::Run(run) => (run.log_format, verbosity(run.quiet, run.verbose)),
        _ => (LogFormat::Text, Verbosity::Normal),
    };
    let printer = Arc::new(Printer::new(format, verbosity));
    install_panic_report(format);
    log::show(format, verbosity);
    let result = arguments
        .env_file
        .map_or(Ok(()), |path| env_file::load(&path, &printer))
        .and_then(|()| match arguments.command {
            Command::Run(run_arguments) => settings::RunSettings::new(*run_arguments)
                .and_then(|(request, settings)| block_on(run::run(request, settings, &printer))),
            Command::Status { run_id, json } => block_on(control::status(&run_id, json, &printer)),
            Command::Wait { run_id } => block_on(control::wait(&run_id, &printer)),
            Command::Cancel { run_id } => block_on(control::cancel(&run_id, &printer)),
            Command::Inspect(arguments) => block_on(inspect::run(arguments, &printer)),
            Command::Lint(arguments) => block_on(lint::run(arguments, &printer)),
            Command::Init(arguments) => block_on(init::run(arguments, &printer)),
            Command::Doctor(arguments) => block_on(doctor::run(arguments)),
            Command::Schema { file } => schema::run(file),
            Command::Version { json } => block_on(version::run(json)),
            Command::Completions { shell } => {
                printer::write_stdout(completions::script(shell)).map(|()| Outcome::Succeeded)
            }
            Command::Man { directory } => write_manual(directory.as_deref()),
            Command::Complete { index, words } => {
                printer::write_stdout(&completions::candidates(index, words)).map(|()| Outcome::Succeeded)
            }
            Command::Env(command) => block_on(env::run(command, &printer)),
        });
    match result {
        Ok(outcome) => outcome.into(),
        Err(failure) => printer.report(&failure),
    }
}

/// Hands the command line over to MLflow, does what needs no parser, or checks the words for one.
fn before_parsing(program: &clap::Command, words: &[OsString]) -> Result<Option<Outcome>, Failure> {
    mlflow::hand_over(words, |name| program.find_subcommand(name).is_some())?;
    if version::is_asked_for(words) {
        return block_on(version::run(false)).map(Some);
    }
    words::check(program, words).map(|()| None)
}

fn parsed(
    program: clap::Command,
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<Arguments, clap::Error> {
    program
        .try_get_matches_from(words)
        .and_then(|matches| Arguments::from_arg_matches(&matches))
}

/// A word of the command line for a message.
fn shown(word: &OsStr) -> OsString {
    match word.to_str() {
        Some(text) => escape::one_line(text).into_owned().into(),
        None => word.to_owned(),
    }
}

fn verbosity(quiet: bool, verbose: bool) -> Verbosity {
    match (quiet, verbose) {
        (true, _) => Verbosity::Quiet,
        (false, true) => Verbosity::Verbose,
        (false, false) => Verbosity::Normal,
    }
}

/// Writes the manual page of the program to standard output, or those of all commands into a directory.
fn write_manual(directory: Option<&Path>) -> Result<Outcome, Failure> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(args::command()).render(&mut page);
        rendered.map_err(Failure::new)?;
        printer::write_stdout(&String::from_utf8_lossy(&page))?;
        return Ok(Outcome::Succeeded);
    };
    std::fs::create_dir_all(directory)
        .and_then(|()| clap_mangen::generate_to(args::command(), directory))
        .map_err(|error| {
            let message = format!("cannot write the manual pages to {}", directory.display());
            Failure::caused_by(error, message)
        })?;
    Ok(Outcome::Succeeded)
}

/// Runs a command to its end on this thread.
fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    raise_open_files()?;
    guard_children();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused_by(error, "cannot start the asynchronous runtime"))?;
    let result = runtime.block_on(async {
        survive_file_size_limit();
        command.await
    });
    // Blocking work that was given up, such as a fetch, must not hold the program back.
    runtime.shutdown_background();
    result
}

/// A bug shows as one line that asks for a report, never as a backtrace.
fn install_panic_report(format: LogFormat) {
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload_as_str().unwrap_or("no message");
        let printer = Printer::new(format, Verbosity::Normal);
        if message.starts_with(NO_WORKER) {
            // The message is all that is known of the system's error; it is this one where threads are limited.
            printer.failure(&no_thread(rustix::io::Errno::AGAIN.into()));
            return;
        }
        let place = panic
            .location()
            .map_or_else(String::new, |location| format!(" at {location}"));
        let failure = Failure::message(format!("mlrun met a bug in itself{place}: {message}"));
        printer.failure(&failure.with_hint("please report it with the command that you ran"));
    }));
}
