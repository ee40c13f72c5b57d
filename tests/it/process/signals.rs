//! Signals that the driver gets while its command runs.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::driver::{Driver, LONG_GRACE, state_of, wait_until};

#[test]
fn termination_signals_end_the_command() {
    for (signal, report, code) in [
        (Signal::INT, "interrupted: SIGINT, children: 0", 130),
        (Signal::TERM, "interrupted: SIGTERM, children: 0", 143),
        (Signal::HUP, "interrupted: SIGHUP, children: 0", 129),
        (Signal::QUIT, "interrupted: SIGQUIT, children: 0", 131),
    ] {
        let mut driver =
            Driver::start("trap 'echo TERM > got; exit 0' TERM; echo up > up; sleep 1000 & wait");
        driver.file("up");
        driver.signal(signal);
        assert_eq!(driver.end(), (report.to_owned(), code));
        assert_eq!(
            driver.file("got"),
            "TERM",
            "whatever came, the command gets SIGTERM"
        );
        driver.assert_nothing_left();
    }
}

#[test]
fn a_command_may_use_the_grace_period() {
    let mut driver =
        Driver::start("trap 'sleep 0.3; echo saved > saved; exit 0' TERM; echo up > up; sleep 1000 & wait");
    driver.file("up");
    driver.signal(Signal::TERM);
    assert_eq!(driver.end().1, 143);
    assert_eq!(driver.file("saved"), "saved");
}

#[test]
fn what_ignores_the_request_is_killed_after_the_grace_period() {
    let grace = Duration::from_millis(300);
    let mut driver = Driver::start_with("trap '' TERM; echo up > up; sleep 1000; sleep 1001", grace, &[]);
    driver.file("up");
    let begun = Instant::now();
    driver.signal(Signal::TERM);
    assert_eq!(
        driver.end(),
        ("interrupted: SIGTERM, children: 0".to_owned(), 143)
    );
    assert!(begun.elapsed() >= grace);
    driver.assert_nothing_left();
}

#[test]
fn a_second_signal_kills_at_once_but_not_the_same_request_twice() {
    let mut driver = Driver::start(
        "trap '' TERM; trap 'echo again > again' USR1; echo up > up; while :; do sleep 0.01; done",
    );
    driver.file("up");
    driver.signal(Signal::TERM);
    driver.signal(Signal::TERM);
    // The command is there to get signals still.
    driver.signal_until(Signal::USR1, "again");
    assert_eq!(
        driver.signal_until_end(Signal::INT),
        ("interrupted: SIGTERM, children: 0".to_owned(), 143)
    );
}

#[test]
fn signals_of_batch_systems_are_forwarded() {
    let mut driver = Driver::start(
        "trap 'echo one > one' USR1; trap 'exit 7' USR2; echo up > up; while :; do sleep 0.01; done",
    );
    driver.file("up");
    driver.signal_until(Signal::USR1, "one");
    driver.signal(Signal::USR2);
    assert_eq!(driver.end(), ("exited: exit code 7, children: 0".to_owned(), 7));
}

#[test]
fn a_batch_system_that_signals_all_processes_interrupts() {
    // The command is gone before the driver gets its own signal.
    let mut driver = Driver::start("echo $$ > id; echo up > up; sleep 1000");
    driver.file("up");
    let command: i32 = driver.file("id").parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(command).unwrap(), Signal::TERM).unwrap();
    driver.signal(Signal::TERM);
    assert_eq!(
        driver.end(),
        ("interrupted: SIGTERM, children: 0".to_owned(), 143)
    );
    driver.assert_nothing_left();
}

#[test]
fn ignored_signals_stay_ignored() {
    // As nohup and a script's background jobs have it: in the driver and in its command.
    for (signal, name) in [(Signal::HUP, "HUP"), (Signal::INT, "INT"), (Signal::QUIT, "QUIT")] {
        let ignore = format!("trap '' {name}; exec \"$@\"");
        let wrapper = ["bash", "-c", &ignore, "bash"];

        let command = "grep SigIgn /proc/self/status > mask; trap 'echo > done; exit 4' USR1; echo up > up; while :; do sleep 0.01; done";
        let mut driver = Driver::start_with(command, LONG_GRACE, &wrapper);
        driver.file("up");
        driver.signal(signal);
        driver.signal_until(Signal::USR1, "done");
        assert_eq!(
            driver.end(),
            ("exited: exit code 4, children: 0".to_owned(), 4),
            "{name}"
        );
        let mask = u64::from_str_radix(driver.file("mask").trim_start_matches("SigIgn:").trim(), 16).unwrap();
        // The C library keeps signals from 32 on for itself.
        assert_eq!(
            mask & 0x7fff_ffff,
            1 << (signal.as_raw() - 1),
            "{name} and nothing else is ignored in the command"
        );
    }
}

#[test]
fn children_from_before_are_left_alone() {
    // A shell that replaces itself with the driver leaves it a child that is none of the command's.
    let wrapper = [
        "bash",
        "-c",
        "sleep 1000 & echo $! > \"${DRIVER_RESULT%result}stranger\"; exec \"$@\"",
        "bash",
    ];
    let mut driver = Driver::start_with(
        "setsid sleep 1001 & echo up > up; sleep 1002",
        LONG_GRACE,
        &wrapper,
    );
    driver.file("up");
    let stranger: u32 = driver.file("stranger").parse().unwrap();
    driver.signal(Signal::TERM);
    assert_eq!(
        driver.end(),
        ("interrupted: SIGTERM, children: 1".to_owned(), 143)
    );
    assert!(state_of(stranger).is_some_and(|state| state != 'Z'));
    assert_eq!(driver.marked_processes(), [stranger]);
}

#[test]
fn a_stopped_command_is_ended_too() {
    let mut driver = Driver::start("echo $$ > id; kill -STOP $$; sleep 1000");
    let command: u32 = driver.file("id").parse().unwrap();
    wait_until("the stop", || (state_of(command) == Some('T')).then_some(()));
    driver.signal(Signal::TERM);
    assert_eq!(
        driver.end(),
        ("interrupted: SIGTERM, children: 0".to_owned(), 143)
    );
}
