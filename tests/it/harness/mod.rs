//! What the integration tests share: sealed directories, the projects in them, the program that
//! runs there, and readers of what it left in the tracking store.

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod corpus;
pub(crate) mod docker;
mod golden;
mod project;
mod reference;
pub(crate) mod relay;
mod requirement;
pub(crate) mod running;
mod sandbox;
pub(crate) mod screen;
pub(crate) mod scripted;
mod server;
mod ssh_server;
mod store;
pub(crate) mod terminal;

pub(crate) use client::{Client, expected_of_client, python};
pub(crate) use golden::{assert_golden, is_generated_name, without_temporary_names};
pub(crate) use project::{Finished, Project};
pub(crate) use reference::{Reference, Request};
pub(crate) use requirement::{Requirement, missing, mlflow3, require, require_docker, require_program};
pub(crate) use sandbox::{Sandbox, describe};
pub(crate) use server::{MlflowServer, free_port, supervised};
pub(crate) use ssh_server::write_ssh_server_files;
pub(crate) use store::{StoreContents, StoredRun};

/// The paths of all Rust files below a directory, relative to it.
pub(crate) fn rust_files(top: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![top.to_owned()];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(top).unwrap().display().to_string());
            }
        }
    }
    found
}

#[track_caller]
pub(crate) fn assert_contains(text: &str, part: &str) {
    assert!(text.contains(part), "'{part}' is missing in:\n{text}");
}

#[track_caller]
pub(crate) fn assert_lacks(text: &str, part: &str) {
    assert!(!text.contains(part), "'{part}' stands in:\n{text}");
}

#[track_caller]
pub(crate) fn assert_contains_all(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert_contains(text, part));
}

#[track_caller]
pub(crate) fn assert_starts_with(text: &str, start: &str) {
    assert!(
        text.starts_with(start),
        "it does not start with '{start}':\n{text}"
    );
}

#[track_caller]
pub(crate) fn assert_ends_with(text: &str, end: &str) {
    assert!(text.ends_with(end), "it does not end with '{end}':\n{text}");
}

pub(crate) trait Printed {
    /// Runs a program that must succeed, and gives what it printed.
    fn printed(&mut self) -> String;
}

impl Printed for std::process::Command {
    #[track_caller]
    fn printed(&mut self) -> String {
        let output = self.output().unwrap();
        assert!(
            output.status.success(),
            "{:?}: {}",
            self.get_program(),
            describe(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Waits for a future on a runtime of its own.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}
