//! The integration tests: the real binary in sealed directories. One test binary, so that it links once.
//!
//! A test stands where the code that it is about does: the modules are the rooms of `src`, and a file in them is
//! named for what it tests there. What a person types and reads is `cli`, whatever room it is from; what concerns
//! the processes of a run, with all of their signals and limits, is `process`. Tests that compare mlrun as a
//! whole with the real `mlflow`, run the examples, or need a batch system are `whole_program`. What tests of two
//! rooms use is in `harness`. Pure functions have their tests beside them in `src`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on panics, and a skipped one says so on standard error"
)]
#![allow(clippy::too_many_lines, reason = "many tests are tables")]

mod artifact;
mod backend;
mod cli;
mod environment;
mod fetch;
mod harness;
mod lint;
mod process;
mod project;
mod rooms;
mod runner;
mod scaffold;
mod tracking;
mod whole_program;
mod yaml;

/// A file that no module declares would silently never run.
#[test]
fn every_file_is_declared() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = harness::rust_files(&top);
    assert!(files.len() > 100, "{files:?}");
    for file in files {
        let (module, parent) = match file.strip_suffix("/mod.rs") {
            Some(folder) => (folder, folder.rsplit_once('/').map(|(parent, _)| parent)),
            None => (
                file.trim_end_matches(".rs"),
                file.rsplit_once('/').map(|(parent, _)| parent),
            ),
        };
        let name = module.rsplit('/').next().unwrap();
        let declaration = format!("mod {name};");
        let declarations = match parent {
            None => vec!["main.rs".to_owned()],
            Some(parent) => vec![format!("{parent}/mod.rs"), format!("{parent}.rs")],
        };
        let is_declared = declarations.iter().any(|declaring| {
            let text = std::fs::read_to_string(top.join(declaring)).unwrap_or_default();
            text.lines().any(|line| line.ends_with(&declaration))
        });
        assert!(
            is_declared || file == "main.rs",
            "declare {file} in {declarations:?}"
        );
    }
}
