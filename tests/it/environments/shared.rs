//! Many runs that need one environment at the same time.

use std::fs;
use std::process::Child;

use super::{count, log, only_environment, records, root, start, tiny_project, wait_until};

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
        .filter(|log| log.contains("Creating the environment"))
        .count();
    let waiters: Vec<&String> = logs.iter().filter(|log| log.contains("Waiting for")).collect();
    assert_eq!(builders, 1, "{}", logs.join("\n---\n"));
    assert!(!waiters.is_empty());
    for log in waiters {
        // Once each, and it says for whom.
        assert_eq!(count(log, "Waiting for process "), 1, "{log}");
        assert!(
            log.contains("(project 'tiny'), which builds the environment mlflow-"),
            "{log}"
        );
    }
    let records = records(&only_environment(&project));
    let left: Vec<_> = fs::read_dir(&records)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left.len(), 2, "only the record and the empty `users`: {left:?}");
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
                log(&project, number).contains("Waiting for process ")
            });
            assert!(run.try_wait().unwrap().is_none());
            assert!(!environment.exists());
            // As the other one does when it has ended its work.
            fs::remove_file(&lock).unwrap();
        }
        assert!(run.wait().unwrap().success(), "{}", log(&project, number));
        let broken = log(&project, number).contains("was left behind by process ");
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
