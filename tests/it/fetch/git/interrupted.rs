//! Fetches that a signal ends, at every moment.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::forms::{Access, runner};
use super::servers::Servers;
use super::{FETCHERS, Fetcher};
use crate::harness::running::send;
use crate::harness::{Project, Sandbox};

/// How many fetches are interrupted; `MLRUN_TEST_INTERRUPTIONS` asks for more.
const INTERRUPTIONS: u64 = 12;

#[test]
fn an_interrupted_fetch_leaves_nothing() {
    let Some(servers) = Servers::shared() else { return };
    let asked = std::env::var("MLRUN_TEST_INTERRUPTIONS")
        .ok()
        .and_then(|count| count.parse().ok());
    let count: u64 = asked.unwrap_or(INTERRUPTIONS);
    let mut interrupted = 0;
    for number in 0..count {
        let (uri, access) = [
            ("http://<http>/open/super.git", Access::Open),
            ("gitserver:<repositories>/super.git", Access::Ssh),
            ("git://<daemon>/super.git", Access::Open),
            ("<repositories>/super.git", Access::Open),
        ][usize::try_from(number % 4).unwrap()];
        let fetcher = match access {
            Access::Ssh => Fetcher::Program,
            _ => FETCHERS[usize::try_from(number / 4 % 2).unwrap()],
        };
        let project = fetcher.of(runner(servers, access));
        let mut command = project.started(&["run", &servers.expand(uri), "--env-manager", "local"]);
        let mut child = command.spawn().unwrap();
        // The moments are spread over a fetch; which of its steps one meets is left to chance.
        std::thread::sleep(Duration::from_millis(5 + number * 7919 % 190));
        let signal = [Signal::INT, Signal::TERM][usize::try_from(number % 2).unwrap()];
        // It may have ended by itself already.
        let _ = kill_process(Pid::from_child(&child), signal);
        let status = child.wait().unwrap();
        interrupted += u64::from(status.code() == Some(128 + signal.as_raw()));
        let left: Vec<_> = fs::read_dir(project.sandbox().root().join("tmp"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{uri}: {status} leaves {left:?}");
        let store = project.store();
        for run in &store.runs {
            assert!(
                run.status != "RUNNING" && run.status != "SCHEDULED",
                "{uri}: {status} leaves {run:?}"
            );
        }
    }
    assert!(interrupted > 0, "none of {count} signals met a fetch");
}

#[test]
fn a_signal_ends_the_wait_for_a_silent_server() {
    for fetcher in FETCHERS {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/org/repo", listener.local_addr().unwrap());
        let project = fetcher.of(Project::new());
        let mut child = project.started(&["run", &uri]).spawn().unwrap();
        let _connection = listener.accept().unwrap();
        send(&child, Signal::TERM);
        assert_eq!(child.wait().unwrap().code(), Some(143), "{fetcher:?}");
        let left: Vec<_> = fs::read_dir(project.sandbox().root().join("tmp"))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{fetcher:?} leaves {left:?}");
    }
}

/// How many files the large repository has.
const FILES: usize = 40_000;
/// How often its checkout is interrupted.
const LARGE_INTERRUPTIONS: usize = 4;
/// How long the work may go on after a signal when it cannot be stopped.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the project at a URI until it has written some of its files, and sends a signal. Gives how long it
/// took to end after that.
fn interrupt_while_it_writes(sandbox: &Sandbox, arguments: &[&str]) -> Duration {
    let temporary = sandbox.root().join("tmp");
    let mut command = sandbox.interruptible_mlrun();
    command
        .args(["run", "--env-manager", "local"])
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // The files are in directories of a hundred.
    let has_written = || {
        let clones = fs::read_dir(&temporary).unwrap().flatten();
        clones.into_iter().any(|clone| clone.path().join("d10").exists())
    };
    while !has_written() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let begun = Instant::now();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{arguments:?} leaves {left:?}");
    begun.elapsed()
}

#[test]
fn a_signal_ends_a_large_checkout_at_once() {
    let sandbox = Sandbox::new();
    let mut stream = String::from("blob\nmark :1\ndata 5\nhello\n");
    stream += "commit refs/heads/main\ncommitter A <a@example.com> 1700000000 +0000\ndata 1\nx\n";
    for number in 0..FILES {
        stream += &format!("M 100644 :1 d{}/f{}\n", number / 100, number % 100);
    }
    sandbox.write("stream", stream);
    sandbox.shell("git init -q large && git -C large fast-import --quiet < stream");
    let times: Vec<Duration> = (0..LARGE_INTERRUPTIONS)
        .map(|_| interrupt_while_it_writes(&sandbox, &["large", "-v", "main"]))
        .collect();
    let shortest = times.iter().min().unwrap();
    assert!(*shortest < GRACE, "{times:?}");
}

#[test]
fn a_signal_ends_the_unpacking_of_a_large_zip_file_at_once() {
    let sandbox = Sandbox::new();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for number in 0..FILES {
        let name = format!("d{}/f{}", number / 100, number % 100);
        archive.start_file(name, options).unwrap();
    }
    sandbox.write("large.zip", archive.finish().unwrap().into_inner());
    for _ in 0..2 {
        interrupt_while_it_writes(&sandbox, &["large.zip"]);
    }
}
