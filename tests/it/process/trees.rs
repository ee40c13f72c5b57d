//! How a command ends, and what becomes of its tree: also of members that leave the group, and of those that do
//! not want to end.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::driver::{Driver, state_of};

#[test]
fn every_end_of_the_command_is_told() {
    for (command, report, code) in [
        ("exit 0", "exited: exit code 0, children: 0", 0),
        ("exit 3", "exited: exit code 3, children: 0", 3),
        ("kill -KILL $$", "exited: signal 9 (SIGKILL), children: 0", 137),
        ("kill -SEGV $$", "exited: signal 11 (SIGSEGV), children: 0", 139),
        // Nobody has sent the driver a signal: this is the command's own end.
        ("kill -TERM $$", "exited: signal 15 (SIGTERM), children: 0", 143),
        (
            "kill -INT $$; exit 5",
            "exited: signal 2 (SIGINT), children: 0",
            130,
        ),
        (
            "no-such-command 2> /dev/null",
            "exited: exit code 127, children: 0",
            127,
        ),
        // A writer without a reader ends quietly by SIGPIPE, which the driver itself ignores.
        (
            "yes | head -1 > first; exit ${PIPESTATUS[0]}",
            "exited: exit code 141, children: 0",
            141,
        ),
        // Whoever ends in the background is collected, also grandchildren that were orphaned.
        ("(setsid true &); (true &); exit 0", "", 0),
    ] {
        let mut driver = Driver::start(command);
        let (told, exit_code) = driver.end();
        assert_eq!(exit_code, code, "{command}: {told}");
        if !report.is_empty() {
            assert_eq!(told, report, "{command}");
        }
    }
}

#[test]
fn the_command_leads_a_group_of_its_own_in_its_directory() {
    let mut driver = Driver::start("echo $(ps -o pgid= -p $$) $$ $(pwd -P) $0 > seen");
    let seen = driver.file("seen");
    driver.end();
    let directory = driver.path(".").canonicalize().unwrap();
    let words: Vec<&str> = seen.split_whitespace().collect();
    assert_eq!(words[0], words[1]);
    assert_eq!(words[2..], [directory.to_str().unwrap(), "bash"]);
}

#[test]
fn background_processes_outlive_a_command_that_ends_well() {
    let mut driver = Driver::start("sleep 1000 & echo $! > one; setsid sleep 1001 & echo $! > two; exit 0");
    let left: Vec<u32> = ["one", "two"]
        .map(|name| driver.file(name).parse().unwrap())
        .into();
    assert_eq!(driver.end(), ("exited: exit code 0, children: 2".to_owned(), 0));
    for id in left {
        assert!(state_of(id).is_some_and(|state| state != 'Z'), "{id} lives on");
    }
}

#[test]
fn orphans_that_end_while_the_command_runs_leave_no_zombies() {
    // Every orphan is a child of the driver when it ends.
    let mut driver = Driver::start(
        "for i in 1 2 3 4 5; do (setsid true & true &); done; echo up > up; read line < go; exit 0",
    );
    rustix::fs::mknodat(
        rustix::fs::CWD,
        driver.path("go"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    driver.file("up");
    let id = driver.id();
    super::driver::wait_until("the orphans to be collected", || {
        let children = super::driver::processes()
            .into_iter()
            .filter(|process| process.parent == id);
        (children.count() == 1).then_some(())
    });
    std::fs::write(driver.path("go"), "\n").unwrap();
    assert_eq!(driver.end(), ("exited: exit code 0, children: 0".to_owned(), 0));
}

/// Starts children that ignore SIGTERM: one in the group, one in its own session, and one that has
/// daemonised; says so when all of them are there.
const STUBBORN: &str = r#"
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def child(leave, twice):
    if os.fork() == 0:
        if leave:
            os.setsid()
        if twice and os.fork() != 0:
            os._exit(0)
        os.write(ready[1], b".")
        time.sleep(1000)
ready = os.pipe()
child(False, False)
child(True, False)
child(True, True)
for _ in range(3):
    os.read(ready[0], 1)
with open("up", "w") as up:
    up.write("up\n")
time.sleep(1000)
"#;

/// How often the tree is ended; `DRIVER_REPEAT` sets it.
const REPEAT: u32 = 5;

fn repeat() -> u32 {
    std::env::var("DRIVER_REPEAT").map_or(REPEAT, |count| count.parse().unwrap())
}

#[test]
fn nothing_is_left_of_a_stubborn_tree() {
    let grace = Duration::from_millis(100);
    let mut slowest = Duration::ZERO;
    let mut total = Duration::ZERO;
    for round in 0..repeat() {
        let command = format!("sleep 1000 & (setsid sleep 1001 &) ; python3 -c '{STUBBORN}'");
        let mut driver = Driver::start_with(&command, grace, &[]);
        driver.file("up");
        assert!(driver.marked_processes().len() >= 6, "the tree is there");
        let begun = Instant::now();
        driver.signal(Signal::TERM);
        assert_eq!(
            driver.end(),
            ("interrupted: SIGTERM, children: 0".to_owned(), 143),
            "round {round}"
        );
        let took = begun.elapsed();
        driver.assert_nothing_left();
        slowest = slowest.max(took);
        total += took;
    }
    eprintln!(
        "stubborn tree, grace {grace:?}: mean {:?}, slowest {slowest:?}",
        total / repeat()
    );
}

#[test]
fn nothing_is_left_of_a_willing_tree_and_nobody_waits() {
    let mut slowest = Duration::ZERO;
    for round in 0..repeat() {
        let mut driver = Driver::start(
            "sleep 1000 & (setsid sleep 1001 &) ; setsid -f bash -c 'sleep 1002 & sleep 1003'; echo up > up; sleep 1004; true",
        );
        driver.file("up");
        let begun = Instant::now();
        driver.signal(Signal::TERM);
        assert_eq!(
            driver.end(),
            ("interrupted: SIGTERM, children: 0".to_owned(), 143),
            "round {round}"
        );
        slowest = slowest.max(begun.elapsed());
        driver.assert_nothing_left();
    }
    eprintln!("willing tree: slowest {slowest:?}");
}

#[test]
fn a_signal_at_any_moment_leaves_nothing() {
    // From before the command runs to after its tree is complete.
    for round in 0..repeat() * 4 {
        let mut driver =
            Driver::start("(setsid sleep 1001 &); (setsid bash -c 'sleep 1002; true' &); sleep 1003; true");
        let begun = Instant::now();
        super::driver::wait_until("a moment", || {
            (begun.elapsed() > Duration::from_millis(u64::from(round % 20))).then_some(())
        });
        driver.signal(Signal::TERM);
        let (_, code) = driver.end();
        // Before the handlers are installed the driver dies of the signal itself.
        assert!([143, -1].contains(&code), "round {round}: {code}");
        driver.assert_nothing_left();
    }
}

#[test]
fn who_has_lost_the_signal_gets_it_again() {
    // Ignores SIGTERM until it has come, as a shell that is about to start a program may lose it.
    const DEAF: &str = r#"
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("up", "w") as up:
    up.write("up\n")
while not os.path.exists("told"):
    time.sleep(0.01)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
open("ready", "w").close()
time.sleep(1000)
"#;
    let leader = format!(
        "trap 'touch told; while [ ! -e ready ]; do sleep 0.01; done; exit 0' TERM; python3 -c '{DEAF}' & wait; true"
    );
    let mut driver = Driver::start(&leader);
    driver.file("up");
    driver.signal(Signal::TERM);
    assert_eq!(
        driver.end(),
        ("interrupted: SIGTERM, children: 0".to_owned(), 143)
    );
    driver.assert_nothing_left();
}

#[test]
fn what_is_started_in_order_to_end_well_is_not_disturbed() {
    // The shell below the leader answers SIGTERM with a program that takes its time.
    let mut driver = Driver::start(
        "bash -c 'trap \"sleep 0.3; echo saved > saved; exit 0\" TERM; echo up > up; sleep 1000 & wait; true' & wait",
    );
    driver.file("up");
    driver.signal(Signal::TERM);
    assert_eq!(
        driver.end(),
        ("interrupted: SIGTERM, children: 0".to_owned(), 143)
    );
    assert_eq!(driver.file("saved"), "saved");
}
