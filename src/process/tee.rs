//! What a program writes, passed on to this program's own streams and kept in files.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::process::Child;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::fd::BorrowedFd;
use tokio::time::{Instant, sleep};

/// How long to listen on after the program's end: what it left in the background may hold its streams
/// open for ever.
const AFTERWARDS: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);
const CHUNK: usize = 64 * 1024;

/// The files that keep what a program writes.
#[derive(Debug)]
pub struct Tee {
    /// What it writes to standard output.
    pub stdout: File,
    /// What it writes to standard error.
    pub stderr: File,
}

/// The two streams of a program while they are copied.
#[derive(Debug)]
pub struct Copies(Vec<JoinHandle<io::Result<()>>>);

impl Copies {
    /// Begins to copy the streams of a program that was started with pipes for them.
    pub(super) fn begin(child: &mut Child, tee: Tee) -> io::Result<Self> {
        let mut threads = Vec::new();
        if let Some(from) = child.stdout.take() {
            threads.push(copy(from, own(rustix::stdio::stdout())?, tee.stdout));
        }
        if let Some(from) = child.stderr.take() {
            threads.push(copy(from, own(rustix::stdio::stderr())?, tee.stderr));
        }
        Ok(Self(threads))
    }

    /// Waits until all is copied, once the program has ended.
    ///
    /// # Errors
    /// A file that could not be written to; what it lacks was passed on.
    pub async fn finish(self) -> io::Result<()> {
        let deadline = Instant::now() + AFTERWARDS;
        while !self.0.iter().all(JoinHandle::is_finished) && Instant::now() < deadline {
            sleep(LOOK).await;
        }
        for thread in self.0.into_iter().filter(JoinHandle::is_finished) {
            if let Ok(copied) = thread.join() {
                copied?;
            }
        }
        Ok(())
    }
}

/// A descriptor of its own for one of this program's streams, which no buffer lies before.
fn own(stream: BorrowedFd<'_>) -> io::Result<File> {
    Ok(File::from(rustix::io::fcntl_dupfd_cloexec(stream, 3)?))
}

fn copy(mut from: impl Read + Send + 'static, mut shown: File, mut kept: File) -> JoinHandle<io::Result<()>> {
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        let (mut is_shown, mut written) = (true, Ok(()));
        loop {
            let length = match from.read(&mut chunk) {
                Ok(0) => return written,
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return written,
            };
            // A reader that went away, or a full disk, must not stop the program.
            is_shown = is_shown && shown.write_all(&chunk[..length]).is_ok();
            if written.is_ok() {
                written = kept.write_all(&chunk[..length]);
            }
        }
    })
}
