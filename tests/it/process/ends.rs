//! How a command ends, without signals to the driver.

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
