//! The integration tests: the real binary in sealed directories. One test binary, so that it links
//! once; a module a feature.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on panics, and a skipped one says so on standard error"
)]

mod called_mlflow;
mod client_readers;
mod command_corpus;
mod command_line;
mod completions;
mod conda;
mod control;
mod corpus;
mod data_downloads;
mod data_stores;
mod database_servers;
mod databricks;
mod differential;
mod dirty_tree;
mod docker;
mod dry_run;
mod environments;
mod examples;
mod excerpts;
mod file_store;
mod foreign_text;
mod git_source;
mod harness;
mod inspect;
mod killed;
mod kubernetes;
mod large_projects;
mod library;
mod limits;
mod messages;
mod process;
mod python_driver;
mod real_mlflow;
mod rest_store;
mod reuse;
mod rooms;
mod run_info;
mod run_options;
mod signals;
mod slurm;
mod sources;
mod sqlite_mlflow;
mod sqlite_store;
mod store_away;
mod store_suite;
mod template_corpus;
mod tracking_uris;
mod workflows;
mod yaml_corpus;
mod zip_download;
mod zip_files;

/// A module file that is not declared above would silently never run.
#[test]
fn every_module_is_declared() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let declarations = include_str!("main.rs");
    let mut forgotten = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_module =
            path.extension().is_some_and(|extension| extension == "rs") || path.join("mod.rs").is_file();
        if is_module && name != "main" && !declarations.contains(&format!("\nmod {name};\n")) {
            forgotten.push(name);
        }
    }
    assert!(forgotten.is_empty(), "declare in tests/it/main.rs: {forgotten:?}");
}
