//! What happens to the environments on disk: `mlrun env list`, `prune` and `rm`, many runs that need one at the
//! same time, and builds that end at any moment.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::{count, log, only_environment, records, root, start, tiny_project};
use crate::harness::running::{send, wait_until};
use crate::harness::{Project, StoreContents, assert_contains, assert_ends_with, assert_starts_with};

const UV: [&str; 2] = ["--env-manager", "uv"];

/// A run that uses its environment until the file `stop` is there.
fn long_run(project: &Project, number: usize) -> Child {
    let stop = project.sandbox().work().join("stop");
    project.sandbox().write(
        "project/MLproject",
        format!(
            r#"name: tiny
python_env: python_env.yaml
entry_points:
  main:
    command: "touch ready; until test -e {}; do sleep 0.05; done"
"#,
            stop.display()
        ),
    );
    let run = start(project, number, &UV);
    let ready = project.sandbox().work().join("project/ready");
    wait_until("the entry point's start", || ready.exists());
    run
}

fn stop(project: &Project, mut run: Child) {
    project.sandbox().write("stop", "");
    assert!(run.wait().unwrap().success());
}

fn list(project: &Project) -> Vec<Value> {
    let finished = project.mlrun(&["env", "list", "--json"]).with_code(0);
    serde_json::from_str(finished.stdout()).unwrap()
}

#[test]
fn environments_are_listed() {
    let Some(project) = tiny_project() else { return };
    assert_eq!(list(&project), Vec::<Value>::new());
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    let environment = only_environment(&project);
    let [listed] = list(&project).try_into().unwrap();
    assert_eq!(listed["name"], environment.file_name().unwrap().to_str().unwrap());
    assert_eq!(listed["directory"], environment.to_str().unwrap());
    assert_eq!(listed["manager"], "uv");
    assert_eq!(listed["project"], "tiny");
    assert_eq!(listed["state"], "ready");
    let log = fs::read_to_string(listed["log"].as_str().unwrap()).unwrap();
    assert_starts_with(&log, "$ uv venv ");
    assert_contains(&log, "\nCreating virtual environment at: ");
    assert!(listed["bytes"].as_u64().unwrap() > 10_000, "{listed}");
    assert!(
        listed["created"].as_i64() <= listed["last_used"].as_i64(),
        "{listed}"
    );

    let created = listed["created"].clone();
    project
        .mlrun(&["run", "project", "--env-manager", "virtualenv"])
        .expect_code(0);
    let [later] = list(&project).try_into().unwrap();
    assert_eq!(later["created"], created);
    assert!(
        later["last_used"].as_i64() > listed["last_used"].as_i64(),
        "{later}"
    );

    let table = project.mlrun(&["env", "list"]);
    let lines: Vec<&str> = table.stdout().lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let words: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        words,
        [
            "NAME", "MANAGER", "SIZE", "CREATED", "LAST", "USED", "STATE", "PROJECT"
        ]
    );
    assert_ends_with(lines[1], "ready  tiny");
}

#[test]
fn an_environment_in_use_is_never_removed() {
    let Some(project) = tiny_project() else { return };
    let run = long_run(&project, 0);
    let environment = only_environment(&project);
    let name = environment.file_name().unwrap().to_str().unwrap();
    assert_eq!(list(&project)[0]["state"], "in use");

    let pruned = project.mlrun(&["env", "prune", "--older-than", "0s"]);
    pruned.expect_code(0);
    assert_eq!(pruned.stdout(), "");
    let removed = project.mlrun(&["env", "rm", name]).with_code(1);
    assert_contains(
        removed.stderr(),
        &format!(
            "cannot remove environment {name}: it is used by a run (pid {} on '",
            run.id()
        ),
    );
    assert!(environment.join("bin/python").exists());
    assert!(!records(&environment).join("building").exists());
    // Others can use it all the while.
    project.sandbox().write("stop", "");
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    stop(&project, run);

    // By the beginning of its name, too.
    let removed = project.mlrun(&["env", "rm", &name[..12]]).with_code(0);
    assert_eq!(removed.stdout(), format!("Removed {name}\n"));
    assert!(!environment.exists());
    assert!(!records(&environment).exists());
    assert_eq!(list(&project), Vec::<Value>::new());
}

#[test]
fn old_environments_are_pruned() {
    let Some(project) = tiny_project() else { return };
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    let old = only_environment(&project);
    let project = project.file(
        "python_env.yaml",
        &super::PYTHON_ENV.replace("[]", "[./wheels/tiny-1.0-py3-none-any.whl]"),
    );
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let used = std::time::SystemTime::now() - day * 40;
    let record = records(&old).join("record.json");
    let mut text: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    text["created"] = Value::from(1);
    fs::write(&record, text.to_string()).unwrap();
    fs::File::options()
        .write(true)
        .open(&record)
        .unwrap()
        .set_modified(used)
        .unwrap();

    let name = old.file_name().unwrap().to_str().unwrap();
    for (arguments, stdout, left) in [
        (&["--older-than", "41d"][..], String::new(), 2),
        (&["--dry-run"], format!("Would remove {name} ("), 2),
        (&[], format!("Removed {name} ("), 1),
        (&["--older-than", "0s"], "Removed mlflow-".to_owned(), 0),
    ] {
        let mut all = vec!["env", "prune"];
        all.extend(arguments);
        let pruned = project.mlrun(&all).with_code(0);
        assert_starts_with(pruned.stdout(), &stdout);
        assert_eq!(pruned.stdout().lines().count(), usize::from(!stdout.is_empty()));
        assert_eq!(list(&project).len(), left);
    }
    assert!(!old.exists());
}

#[test]
fn thirty_runs_share_one_build() {
    let Some(project) = tiny_project() else { return };
    const RUNS: usize = 30;
    let arguments = ["--env-manager", "virtualenv"];
    let runs: Vec<Child> = (0..RUNS)
        .map(|number| start(&project, number, &arguments))
        .collect();
    let codes: Vec<Option<i32>> = runs
        .into_iter()
        .map(|mut run| run.wait().unwrap().code())
        .collect();
    let logs: Vec<String> = (0..RUNS).map(|number| log(&project, number)).collect();
    assert_eq!(codes, vec![Some(0); RUNS], "{}", logs.join("\n---\n"));
    let builders = logs
        .iter()
        .filter(|log| log.contains("Building environment"))
        .count();
    let waiters: Vec<&String> = logs
        .iter()
        .filter(|log| log.contains("Waiting for another run to build environment mlflow-"))
        .collect();
    assert_eq!(builders, 1, "{}", logs.join("\n---\n"));
    assert!(!waiters.is_empty());
    for log in waiters {
        // Once each, and it says for whom.
        assert_eq!(count(log, "Waiting for "), 1, "{log}");
        assert_contains(log, ", project 'tiny')\n");
    }
    let records = records(&only_environment(&project));
    let left: Vec<_> = fs::read_dir(&records)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(
        left.len(),
        3,
        "only the record, the log and the empty `users`: {left:?}"
    );
    assert_eq!(fs::read_dir(records.join("users")).unwrap().count(), 0);
}

#[test]
fn a_lock_that_nobody_holds_is_broken() {
    let Some(project) = tiny_project() else { return };
    let arguments = ["--env-manager", "uv"];
    // A first run says where the records are.
    assert!(start(&project, 0, &arguments).wait().unwrap().success());
    let environment = only_environment(&project);
    let records = records(&environment);
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    ended.wait().unwrap();
    let own_machine = own_machine();
    for (number, machine, age, is_broken_at_once) in [
        // The process is gone.
        (1, own_machine.as_str(), 0, true),
        // Another machine that has not been heard of for long.
        (2, "elsewhere", 60, true),
        // Another machine that was heard of just now.
        (3, "elsewhere", 0, false),
    ] {
        fs::remove_dir_all(&environment).unwrap();
        let owner = serde_json::json!({
            "host": "node7", "machine": machine, "pid": ended.id(), "start": 1,
            "project": "other", "nonce": number.to_string(),
        });
        let lock = records.join("lock");
        fs::write(&lock, owner.to_string()).unwrap();
        let touched = std::time::SystemTime::now() - std::time::Duration::from_secs(age);
        fs::File::options()
            .write(true)
            .open(&lock)
            .unwrap()
            .set_modified(touched)
            .unwrap();
        let mut run = start(&project, number, &arguments);
        if !is_broken_at_once {
            wait_until("the waiter says for whom it waits", || {
                log(&project, number).contains("Waiting for another run")
            });
            assert!(run.try_wait().unwrap().is_none());
            assert!(!environment.exists());
            // As the other one does when it has ended its work.
            fs::remove_file(&lock).unwrap();
        }
        assert!(run.wait().unwrap().success(), "{}", log(&project, number));
        let broken = log(&project, number).contains("removed the stale lock of environment ");
        assert_eq!(broken, is_broken_at_once, "{}", log(&project, number));
        assert!(environment.join("bin/python").exists());
    }
    assert_eq!(fs::read_dir(root(&project)).unwrap().count(), 2);
}

/// This machine as locks name it.
fn own_machine() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{host} {} {}", boot.trim(), namespace.display())
}

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
        for (kill, moment) in moments(kills, length).enumerate() {
            fs::remove_dir_all(&environment).unwrap();
            number += 1;
            let mut killed = start(&project, number, &arguments);
            if kill == 1 {
                wait_until("the build has begun", || {
                    records(&environment).join("building").exists()
                });
            } else {
                std::thread::sleep(moment);
            }
            send(&killed, Signal::KILL);
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
    send(&run, Signal::INT);
    assert_eq!(run.wait().unwrap().code(), Some(130), "{}", log(&project, 0));
    let contents = StoreContents::of_sqlite(&project.sandbox().work().join("0.db"));
    assert_eq!(contents.run().status, "KILLED");
    let environment = only_environment(&project);
    assert!(!records(&environment).join("lock").exists());
    wait_until("the end of the build's programs", || builders(&environment) == 0);

    let mut next = start(&project, 1, &arguments);
    assert!(next.wait().unwrap().success(), "{}", log(&project, 1));
    assert_contains(&log(&project, 1), "its build was interrupted");
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
        let mut command = project.started(&["run", "project", "--env-manager", manager]);
        let log = fs::File::create(project.sandbox().work().join("0.stderr")).unwrap();
        command
            .env("MARKER", &marker)
            .env("MLFLOW_TRACKING_URI", "sqlite:///0.db")
            .stderr(log);
        let mut run = command.spawn().unwrap();
        wait_until(&format!("the package's build by {manager}"), || {
            assert!(run.try_wait().unwrap().is_none(), "{}", super::log(&project, 0));
            marker.exists()
        });
        let temporary = project.sandbox().root().join("tmp");
        assert_ne!(fs::read_dir(&temporary).unwrap().count(), 0);
        send(&run, Signal::TERM);
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
    send(&run, Signal::KILL);
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
    let finished = project.mlrun(&arguments).with_code(0);
    assert_contains(finished.stderr(), "its Python is gone");
}
