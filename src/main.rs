//! The `mlrun` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    mlrun::cli::main(std::env::args_os())
}
