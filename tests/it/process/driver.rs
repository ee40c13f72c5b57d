//! A process that runs one command as mlrun does, and what is needed to look at it from outside.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::block_on;
use mlrun::internals::process::{Ended, ProgramCall, Signals};
use rustix::process::{Pid, Signal, kill_process};

/// How long anything here may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// A grace period that no test waits out: one that does so by mistake runs out of patience.
pub(super) const LONG_GRACE: Duration = Duration::from_secs(600);

/// The process that the other tests of this module start.
#[test]
#[ignore = "not a test of its own: the other tests start it with a command to run"]
#[expect(clippy::exit, reason = "the exit code is what the tests look at")]
fn driver() {
    let command = std::env::var("DRIVER_COMMAND").unwrap();
    let grace = Duration::from_millis(std::env::var("DRIVER_GRACE").unwrap().parse().unwrap());
    let result = PathBuf::from(std::env::var_os("DRIVER_RESULT").unwrap());
    mlrun::own_all_children();
    let (ended, code) = block_on(async {
        let mut signals = Signals::install().unwrap();
        let mut group = ProgramCall::new("bash")
            .argument("-c")
            .argument(command)
            .directory(result.parent().unwrap())
            .spawn_group()
            .unwrap()
            .with_grace(grace);
        let ended = group.wait(&mut signals).await;
        let code = match ended {
            Ended::Done(exit) => exit.exit_code(),
            Ended::Interrupted(signal) => signal.exit_code(),
        };
        (ended, code)
    });
    let text = match ended {
        Ended::Done(exit) => format!("exited: {exit}"),
        Ended::Interrupted(signal) => format!("interrupted: {signal}"),
    };
    let children = processes()
        .into_iter()
        .filter(|process| process.parent == std::process::id())
        .count();
    fs::write(result, format!("{text}, children: {children}")).unwrap();
    std::process::exit(code.into());
}

/// A [`driver`] that runs in a directory of its own.
pub(super) struct Driver {
    child: Child,
    directory: tempfile::TempDir,
}

impl Driver {
    /// Starts `command` with a long grace period.
    pub(super) fn start(command: &str) -> Self {
        Self::start_with(command, LONG_GRACE, &[])
    }

    /// Starts `command`; `wrapper` is a program with arguments that runs the driver.
    pub(super) fn start_with(command: &str, grace: Duration, wrapper: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut call = driver_call(command, grace, directory.path(), wrapper);
        let child = call.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        Self { child, directory }
    }

    /// The directory that the command runs in.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Waits until the command has written the file, and returns its text.
    pub(super) fn file(&self, name: &str) -> String {
        let path = self.path(name);
        wait_until(name, || {
            fs::read_to_string(&path).ok().filter(|text| text.ends_with('\n'))
        })
        .trim()
        .to_owned()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends a signal that is forwarded until the command has answered with a file: the driver drops
    /// what comes before it waits for the command.
    pub(super) fn signal_until(&self, signal: Signal, file: &str) {
        wait_until(file, || {
            self.signal(signal);
            self.path(file).exists().then_some(())
        });
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal again and again until the driver has ended; then as [`end`](Self::end).
    pub(super) fn signal_until_end(&mut self, signal: Signal) -> (String, i32) {
        wait_until("the driver's end", || {
            // What has ended is there until it has been waited for.
            self.signal(signal);
            (state_of(self.id()) == Some('Z')).then_some(())
        });
        self.end()
    }

    /// Waits for the driver's end and returns what it reported and its exit code.
    pub(super) fn end(&mut self) -> (String, i32) {
        let begun = Instant::now();
        let status = wait_until("the driver's end", || {
            let status = self.child.try_wait().unwrap();
            let is_late = begun.elapsed() + Duration::from_secs(5) > PATIENCE;
            assert!(status.is_some() || !is_late, "still there:\n{}", self.shown());
            status
        });
        let report = fs::read_to_string(self.path("result")).unwrap_or_else(|_| "no report".to_owned());
        (report, status.code().unwrap_or(-1))
    }

    pub(super) fn assert_nothing_left(&self) {
        assert!(
            self.marked_processes().is_empty(),
            "left: {:?}",
            self.marked_processes()
        );
    }

    /// The processes that have inherited this driver's marker, but the driver.
    pub(super) fn marked_processes(&self) -> Vec<u32> {
        let mut marked = marked_processes(self.directory.path());
        marked.retain(|id| *id != self.id());
        marked
    }

    /// What its processes are and do with signals, for a test that has failed.
    fn shown(&self) -> String {
        let columns = "pid,ppid,pgid,stat,blocked,ignored,caught,pending,args";
        let processes = marked_processes(self.directory.path());
        let processes = processes.into_iter().map(|id| id.to_string());
        let output = Command::new("ps")
            .args(["-o", columns, "-p"])
            .arg(processes.collect::<Vec<_>>().join(","))
            .output();
        output.map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        kill_marked_processes(self.directory.path());
        let _ = self.child.wait();
    }
}

/// The call that runs `command` in `directory` by way of the driver.
pub(super) fn driver_call(command: &str, grace: Duration, directory: &Path, wrapper: &[&str]) -> Command {
    let driver = std::env::current_exe().unwrap();
    let mut call = match wrapper {
        [] => Command::new(driver),
        [program, arguments @ ..] => {
            let mut call = Command::new(program);
            call.args(arguments).arg(driver);
            call
        }
    };
    call.args([
        "--exact",
        "process::driver::driver",
        "--ignored",
        "--nocapture",
        "--test-threads=1",
    ])
    .env("DRIVER_COMMAND", command)
    .env("DRIVER_GRACE", grace.as_millis().to_string())
    .env("DRIVER_RESULT", directory.join("result"));
    call
}

/// The processes that belong to a driver which runs in `directory`, and the driver.
fn marked_processes(directory: &Path) -> Vec<u32> {
    let marker = format!("DRIVER_RESULT={}", directory.join("result").display());
    let is_marked = |process: &Process| {
        let environment = fs::read(format!("/proc/{}/environ", process.id)).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|variable| variable == marker.as_bytes())
    };
    let marked = processes().into_iter().filter(is_marked);
    marked.map(|process| process.id).collect()
}

/// Ends what a test that failed has left.
pub(super) fn kill_marked_processes(directory: &Path) {
    for id in marked_processes(directory) {
        let _ = kill_process(Pid::from_raw(id.try_into().unwrap()).unwrap(), Signal::KILL);
    }
}

/// Looks until there is an answer.
pub(super) fn wait_until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = look() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process with its parent and its state's letter.
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) parent: u32,
    pub(super) state: char,
}

/// All processes of the machine, zombies too.
pub(super) fn processes() -> Vec<Process> {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let (_, rest) = stat.rsplit_once(')')?;
            let mut fields = rest.split_whitespace();
            Some(Process {
                id: entry.file_name().to_str()?.parse().ok()?,
                state: fields.next()?.chars().next()?,
                parent: fields.next()?.parse().ok()?,
            })
        })
        .collect()
}

/// The letter of a process's state; `None` when it is gone.
pub(super) fn state_of(id: u32) -> Option<char> {
    processes()
        .into_iter()
        .find(|process| process.id == id)
        .map(|process| process.state)
}
