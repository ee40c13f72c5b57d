//! The environments that projects ask for: names, places, reuse, builds that are shared, interrupted
//! and fail. Real Python, pip and uv; the package that they install is a small wheel of the project's
//! own, so that most tests need no index.

mod cache;
mod conda;
mod errors;
mod live_line;
mod python;
mod requirements;
mod reuse;

pub(crate) use cache::ENDLESS_PACKAGE;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

use crate::harness::{Project, Requirement, require};

/// An environment file that asks for the project's own wheel.
const PYTHON_ENV: &str = "build_dependencies: []\ndependencies:\n- ./wheels/tiny-1.0-py3-none-any.whl\n";

/// A project whose entry point shows where it runs, with the package `tiny` of its environment file.
/// PATH has a Python and uv.
pub(crate) fn tiny_project() -> Option<Project> {
    let uv = require(Requirement::Uv)?;
    let project = Project::new()
        .mlproject(
            r#"name: tiny
python_env: python_env.yaml
entry_points:
  main:
    command: "python -c 'import sys, tiny; print(sys.prefix)'"
"#,
        )
        .file("python_env.yaml", PYTHON_ENV);
    let sandbox = project.sandbox();
    sandbox.link_program("python3", &uv.join("bin/python3").canonicalize().unwrap());
    sandbox.link_program("uv", &uv.join("bin/uv"));
    sandbox.write("project/wheels/tiny-1.0-py3-none-any.whl", wheel());
    Some(project)
}

/// A wheel with one module that holds nothing.
fn wheel() -> Vec<u8> {
    use std::io::Write as _;
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for (name, text) in [
        ("tiny.py", ""),
        (
            "tiny-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        ),
        (
            "tiny-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        ),
        (
            "tiny-1.0.dist-info/RECORD",
            "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\ntiny-1.0.dist-info/RECORD,,\n",
        ),
    ] {
        archive.start_file(name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The root of the sandbox's environments.
fn root(project: &Project) -> PathBuf {
    project.sandbox().root().join("home/.mlflow/envs")
}

/// The one environment of the sandbox.
#[track_caller]
fn only_environment(project: &Project) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(root(project))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with(".mlrun"))
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// What mlrun knows about an environment.
fn records(environment: &Path) -> PathBuf {
    let name = environment.file_name().unwrap();
    environment.parent().unwrap().join(".mlrun/python").join(name)
}

/// Starts `mlrun run project` with a tracking store and log files of its own.
fn start(project: &Project, number: usize, arguments: &[&str]) -> Child {
    let work = project.sandbox().work();
    let file = |name: &str| fs::File::create(work.join(format!("{number}.{name}"))).unwrap();
    let mut command = project.started(&["run", "project"]);
    command
        .args(arguments)
        .env("MLFLOW_TRACKING_URI", format!("sqlite:///{number}.db"))
        .stdout(file("stdout"))
        .stderr(file("stderr"));
    command.spawn().unwrap()
}

/// What a program of [`start`] has written to its log so far.
fn log(project: &Project, number: usize) -> String {
    fs::read_to_string(project.sandbox().work().join(format!("{number}.stderr"))).unwrap()
}

/// How often a text is in another one.
fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}
