//! The `mlrun` program.

use std::process::ExitCode;

use mlrun::process::{dismiss_guard, guard_main};

fn main() -> ExitCode {
    if let Some(code) = guard_main(std::env::args_os()) {
        return code;
    }
    let code = mlrun::cli::main(std::env::args_os());
    dismiss_guard();
    code
}
