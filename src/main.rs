//! The `mlrun` program.

use std::process::ExitCode;

use mlrun::internals::{dismiss_guard, guard_main};

fn main() -> ExitCode {
    if let Some(code) = guard_main(std::env::args_os()) {
        return code;
    }
    let code = mlrun::internals::main(std::env::args_os());
    dismiss_guard();
    code
}
