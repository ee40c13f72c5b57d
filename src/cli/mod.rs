//! The command line: the only part that reads arguments, writes to the terminal and makes exit codes.

mod args;
mod build_line;
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
mod list;
mod log;
mod man;
mod mlflow;
mod params_file;
mod printer;
mod project_source;
mod report;
mod run;
mod run_info;
mod run_summary;
mod schema;
mod settings;
mod terminal;
mod text_table;
mod transfer_bar;
mod usage;
mod version;

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use clap::{FromArgMatches, ValueEnum};

use args::{Arguments, Command, LogFormat};
use printer::{Printer, Verbosity};
use report::{Failure, Outcome};
use usage::Line;

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
    terminal::choose(early(&words, "--color"));
    let mut program = args::parser();
    program.build();
    match before_parsing(&program, &words) {
        Ok(None) => {}
        Ok(Some(outcome)) => return outcome.into(),
        Err(failure) => return usage_printer(&words).report(&failure),
    }
    let words = usage::normalized(&program, words);
    if let Err(failure) = usage::check(&Line::read(&program, &words)) {
        return usage_printer(&words).report(&failure);
    }
    let arguments = match parsed(program, &words) {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error, &words),
    };
    terminal::choose(arguments.color);
    let format = arguments.log_format;
    let verbosity = verbosity(arguments.quiet, arguments.verbose);
    let printer = Arc::new(Printer::new(format, verbosity));
    install_panic_report(format);
    // A completion says nothing but what can be typed.
    if !matches!(arguments.command, Command::Complete { .. }) {
        log::show(&printer);
    }
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
                printer::write_stdout(&completions::script(shell, &words[0])).map(|()| Outcome::Succeeded)
            }
            Command::Man { directory } => man::write(directory.as_deref()),
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

/// Hands the command line over to MLflow, or does what needs no parser.
fn before_parsing(program: &clap::Command, words: &[OsString]) -> Result<Option<Outcome>, Failure> {
    let is_own = |name: &str| program.find_subcommand(name).is_some() || name == "help";
    mlflow::hand_over(words, is_own)?;
    version::is_asked_for(words)
        .then(|| block_on(version::run(false)))
        .transpose()
}

/// Says what the parser does not understand, or shows the help that was asked for.
fn refused(error: &clap::Error, words: &[OsString]) -> ExitCode {
    let printer = usage_printer(words);
    let mut program = args::command();
    program.build();
    if let Some(failure) = usage::explain(&Line::read(&program, words), error) {
        return printer.report(&failure);
    }
    // The message repeats words of the command line, which others may have written.
    let shown = parsed(args::command(), words.iter().map(|word| shown(word))).err();
    printer.usage(shown.as_ref().unwrap_or(error))
}

/// Shows what is wrong with the words, in the form that they ask for.
fn usage_printer(words: &[OsString]) -> Printer {
    Printer::new(early(words, "--log-format"), Verbosity::Normal)
}

/// The value of an option that counts before the words are parsed, so that a mistake in them is shown as asked.
fn early<T: ValueEnum + Default>(words: &[OsString], option: &str) -> T {
    let mut found = T::default();
    let mut words = words.iter().skip(1).map(|word| word.to_string_lossy());
    while let Some(word) = words.next().filter(|word| word != "--") {
        let value = match word.strip_prefix(option) {
            Some("") => words.next().map(|value| value.into_owned()),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => None,
        };
        if let Some(value) = value.and_then(|value| T::from_str(&value, false).ok()) {
            found = value;
        }
    }
    found
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
        let failure = Failure::message(format!(
            "internal error{place}; this is a bug in mlrun: {message}"
        ));
        printer.failure(&failure.with_hint("please report it with the command that you ran"));
    }));
}
