//! Builds that end at any moment.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{log, only_environment, records, root, start, tiny_project, wait_until};
use crate::harness::StoreContents;

/// Moments of a build are spread over it in a fixed order that looks random.
fn moments(count: u32, length: Duration) -> impl Iterator<Item = Duration> {
    (0..count).map(move |number| length * (number * 7 % count) / count)
}

#[test]
fn a_killed_build_is_made_anew() {
    let Some(project) = tiny_project() else { return };
    let mut number = 0;
    for (manager, kills) in [("uv", 17), ("virtualenv", 3)] {
        let arguments = ["--env-manager", manager];
        let start_time = Instant::now();
        assert!(start(&project, number, &arguments).wait().unwrap().success());
        let length = start_time.elapsed();
        let environment = only_environment(&project);
        let mut interrupted = 0;
        for moment in moments(kills, length) {
            fs::remove_dir_all(&environment).unwrap();
            number += 1;
            let mut killed = start(&project, number, &arguments);
            std::thread::sleep(moment);
            kill_process(pid(&killed), Signal::KILL).unwrap();
            killed.wait().unwrap();
            interrupted += usize::from(records(&environment).join("building").exists());

            number += 1;
            let mut next = start(&project, number, &arguments);
            assert!(
                next.wait().unwrap().success(),
                "{moment:?}: {}",
                log(&project, number)
            );
            assert!(!records(&environment).join("building").exists());
        }
        assert!(interrupted > 0, "no build by {manager} was hit");
        fs::remove_dir_all(root(&project)).unwrap();
    }
}

#[test]
fn a_build_that_is_interrupted_by_a_signal_ends_at_once() {
    let Some(project) = tiny_project() else { return };
    let arguments = ["--env-manager", "virtualenv"];
    let mut run = start(&project, 0, &arguments);
    wait_until("the build has begun", || {
        root(&project).join(".mlrun").exists() && is_building(&project)
    });
    kill_process(pid(&run), Signal::INT).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(130), "{}", log(&project, 0));
    let contents = StoreContents::of_sqlite(&project.sandbox().work().join("0.db"));
    assert_eq!(contents.run().status, "KILLED");
    let environment = only_environment(&project);
    assert!(!records(&environment).join("lock").exists());
    wait_until("the end of the build's programs", || builders(&environment) == 0);

    let mut next = start(&project, 1, &arguments);
    assert!(next.wait().unwrap().success(), "{}", log(&project, 1));
    assert!(
        log(&project, 1).contains("its build was interrupted"),
        "{}",
        log(&project, 1)
    );
}

/// A package whose build leaves a temporary file, tells that it has begun by the file that MARKER names, and
/// goes on for ever. It needs no other package to be built.
pub(crate) const ENDLESS_PACKAGE: [(&str, &str); 2] = [
    (
        "package/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
    ),
    (
        "package/backend.py",
        "import os, tempfile, time\n\ndef build_wheel(*arguments, **options):\n    tempfile.mkdtemp()\n    open(os.environ['MARKER'], 'w').close()\n    time.sleep(1000)\n\nprepare_metadata_for_build_wheel = build_wheel\n",
    ),
];

#[test]
fn a_signal_leaves_no_temporary_files_of_pip_and_uv() {
    for manager in ["virtualenv", "uv"] {
        let Some(mut project) = tiny_project() else { return };
        for (file, text) in ENDLESS_PACKAGE {
            project = project.file(file, text);
        }
        let project = project.file("python_env.yaml", "dependencies: [./package]\n");
        let marker = project.sandbox().work().join("marker");
        let mut command = project.sandbox().interruptible_mlrun();
        let log = fs::File::create(project.sandbox().work().join("0.stderr")).unwrap();
        command
            .args(["run", "project", "--env-manager", manager])
            .env("MARKER", &marker)
            .env("MLFLOW_TRACKING_URI", "sqlite:///0.db")
            .stdout(Stdio::null())
            .stderr(log);
        let mut run = command.spawn().unwrap();
        wait_until(&format!("the package's build by {manager}"), || {
            assert!(run.try_wait().unwrap().is_none(), "{}", super::log(&project, 0));
            marker.exists()
        });
        let temporary = project.sandbox().root().join("tmp");
        assert_ne!(fs::read_dir(&temporary).unwrap().count(), 0);
        kill_process(pid(&run), Signal::TERM).unwrap();
        assert_eq!(
            run.wait().unwrap().code(),
            Some(143),
            "{}",
            super::log(&project, 0)
        );
        let left: Vec<_> = fs::read_dir(&temporary).unwrap().collect();
        assert!(left.is_empty(), "{manager} leaves {left:?}");
    }
}

#[test]
fn the_programs_of_a_killed_build_end_with_it() {
    let Some(project) = tiny_project() else { return };
    let mut run = start(&project, 0, &["--env-manager", "virtualenv"]);
    wait_until("the build has begun", || {
        root(&project).join(".mlrun").exists() && is_building(&project)
    });
    kill_process(pid(&run), Signal::KILL).unwrap();
    run.wait().unwrap();
    let environment = only_environment(&project);
    wait_until("the end of the build's programs", || builders(&environment) == 0);
    // It is the last that is made, seconds later.
    assert!(!environment.join("bin/pip").exists());
}

fn is_building(project: &crate::harness::Project) -> bool {
    fs::read_dir(root(project))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .any(|path| path.join("bin/python").exists())
}

/// How many programs build an environment, by the variable that all of them inherit.
fn builders(environment: &Path) -> usize {
    let mark = format!("MLRUN_BUILDS={}", environment.display());
    let is_builder = |path: &Path| {
        let variables = fs::read(path.join("environ")).unwrap_or_default();
        variables
            .split(|byte| *byte == 0)
            .any(|variable| variable == mark.as_bytes())
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter(|entry| is_builder(&entry.as_ref().unwrap().path()))
        .count()
}

#[test]
fn an_environment_whose_python_is_gone_is_made_anew() {
    let Some(project) = tiny_project() else { return };
    let arguments = ["run", "project", "--env-manager", "uv"];
    project.mlrun(&arguments).expect_code(0);
    let environment = only_environment(&project);
    fs::remove_file(environment.join("bin/python")).unwrap();
    std::os::unix::fs::symlink("/no/such/python", environment.join("bin/python")).unwrap();
    let finished = project.mlrun(&arguments);
    finished.expect_code(0);
    assert!(
        finished.stderr().contains("its Python is gone"),
        "{}",
        finished.stderr()
    );
}

fn pid(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap()
}
