//! Whole trees, with members that leave the group and members that do not want to end.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::driver::Driver;

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
