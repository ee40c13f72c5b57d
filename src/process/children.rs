//! The one place where children of this process are started and waited for.
//!
//! A subreaper gets children that it never started, and only a wait for "any child" finds them when
//! they end. Such a wait may hit a child that a [`ProgramCall`](super::ProgramCall) waits for; its
//! end is kept here until that call asks.
//!
//! All this is done only in a process that says that it has no other children: the waits would take
//! theirs away. Elsewhere each program is waited for by itself.

use std::collections::BTreeMap;
use std::io;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions};

use super::exit::ProgramExit;
use super::{guard, tree};

/// The programs that were started here and not yet seen to end by their callers, with their ends.
static PROGRAMS: Mutex<BTreeMap<i32, Option<ProgramExit>>> = Mutex::new(BTreeMap::new());

/// Whether every child of this process is started here.
static OWNS_ALL: AtomicBool = AtomicBool::new(false);

/// Says that this process starts all its children by this module's calls, and wants all that they leave
/// behind: it becomes the parent of every orphan below it and collects them when they end.
///
/// For a program whose work is to run one thing, as `mlrun` itself. In any other, a child that is started
/// in another way would lose its exit status.
pub fn own_all_children() {
    OWNS_ALL.store(true, Ordering::Relaxed);
}

/// Whether [`own_all_children`] was called.
pub(super) fn owns_all() -> bool {
    OWNS_ALL.load(Ordering::Relaxed)
}

/// What a program does at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, or its stop has been told before.
    Running,
    /// The signal with this number has stopped it. Told once for every stop.
    Stopped(i32),
    /// It is over. Told once.
    Ended(ProgramExit),
}

/// Starts a program. From now on [`state`] reports on it.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    // Held over the spawn, so that no wait elsewhere can meet a child that is not listed yet.
    let mut programs = programs();
    if let Some(guard) = guard::bind(command) {
        programs.insert(guard.as_raw_pid(), None);
    }
    let child = command.spawn().inspect_err(|_| guard::add_none())?;
    let program = Pid::from_child(&child);
    programs.insert(program.as_raw_pid(), None);
    guard::add(program);
    Ok(child)
}

/// How the program with this id is.
pub(super) fn state(program: Pid) -> State {
    let mut programs = programs();
    if let Some(Some(exit)) = programs.get(&program.as_raw_pid()).copied() {
        remove(&mut programs, program);
        return State::Ended(exit);
    }
    match retry_on_intr(|| {
        rustix::process::waitpid(Some(program), WaitOptions::NOHANG | WaitOptions::UNTRACED)
    }) {
        Ok(Some((_, status))) => match (ProgramExit::from_wait(status), status.stopping_signal()) {
            (Some(exit), _) => {
                remove(&mut programs, program);
                State::Ended(exit)
            }
            (None, Some(signal)) => State::Stopped(signal),
            (None, None) => State::Running,
        },
        Ok(None) => State::Running,
        Err(_) => {
            // Something else in this process has taken the program's end away. What is not known to
            // have ended well has not.
            remove(&mut programs, program);
            State::Ended(ProgramExit::Code(255))
        }
    }
}

/// Forgets a program that is no longer asked about.
pub(super) fn forget(program: Pid) {
    remove(&mut programs(), program);
}

fn remove(programs: &mut BTreeMap<i32, Option<ProgramExit>>, program: Pid) {
    programs.remove(&program.as_raw_pid());
    guard::remove(program);
}

/// Whether the process was started by [`spawn`] and its caller has not seen its end.
pub(super) fn is_program(process: Pid) -> bool {
    programs().contains_key(&process.as_raw_pid())
}

/// Whether any program that was started by [`spawn`] has not been seen to end.
pub(super) fn any_program() -> bool {
    !programs().is_empty()
}

/// Takes the ends of all children that have ended, so that none of them stays a zombie, and tells whether any
/// child is left. Takes none if there may be children of others.
pub(super) fn collect() -> bool {
    if !owns_all() {
        return true;
    }
    let mut programs = programs();
    loop {
        match retry_on_intr(|| rustix::process::wait(WaitOptions::NOHANG)) {
            Ok(Some((child, status))) => {
                if let Some(end) = programs.get_mut(&child.as_raw_pid()) {
                    *end = ProgramExit::from_wait(status);
                }
            }
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// Makes this process the parent of every orphan below it, if it owns all its children and the system allows it,
/// and returns the children that are there already: a program that a shell replaces itself with (`exec`)
/// inherits the shell's.
pub(super) fn adopt_orphans() -> Vec<Pid> {
    if !owns_all() {
        return Vec::new();
    }
    tree::become_subreaper();
    if collect() { tree::children() } else { Vec::new() }
}

fn programs() -> MutexGuard<'static, BTreeMap<i32, Option<ProgramExit>>> {
    // The map is whole between any two statements.
    PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner)
}
