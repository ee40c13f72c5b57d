//! The processes below this one, as the system lists them.

use std::collections::HashSet;

use rustix::process::Pid;

use super::proc::{Process, all_processes};

/// How often the processes are listed at most, until the list is whole.
const SCANS: u32 = 4;

/// Makes orphans below this process its children.
#[cfg(target_os = "linux")]
pub(super) fn become_subreaper() {
    // Fails on no kernel since 3.4; without it only the process group is found.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Makes orphans below this process its children; this system cannot.
#[cfg(not(target_os = "linux"))]
pub(super) fn become_subreaper() {}

/// The children of this process that have not ended.
pub(super) fn children() -> Vec<Pid> {
    let this = rustix::process::getpid();
    all_processes()
        .into_iter()
        .filter(|process| process.parent == Some(this) && !process.is_zombie)
        .map(|process| process.id)
        .collect()
}

/// The processes below this one that have not ended, parents before their children. `is_stranger`
/// tells which children of this process to leave out, with all that is below them.
pub(super) fn descendants(is_stranger: impl Fn(Pid) -> bool) -> Vec<Process> {
    let mut found = below(rustix::process::getpid(), &all(), is_stranger);
    found.retain(|process| !process.is_zombie);
    found
}

/// The processes below a group's leader or in its group that have not ended, and all that is below them.
pub(super) fn members_of(leader: Pid) -> Vec<Process> {
    let mut found = of_group(leader, &all());
    let mut seen = HashSet::new();
    found.retain(|process| !process.is_zombie && process.id != leader && seen.insert(process.id));
    found
}

/// A group's leader and the processes in its group, and all that is below them; some of them twice.
pub(super) fn of_group(leader: Pid, processes: &[Process]) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    for root in processes {
        if root.id == leader || root.group == Some(leader) {
            found.push(*root);
            found.extend(below(root.id, processes, |_| false));
        }
    }
    found
}

/// All processes, in a list that holds every process's parent.
pub(super) fn all() -> Vec<Process> {
    // The list is not made in one moment. Where a process ends meanwhile, its children may be listed
    // as children of a parent that is not, and would be missed.
    let mut processes = all_processes();
    for _ in 1..SCANS {
        if is_whole(&processes) {
            break;
        }
        processes = all_processes();
    }
    processes
}

/// Whether every process's parent is listed too. Those without a parent have none that this process
/// could see.
fn is_whole(processes: &[Process]) -> bool {
    let ids: HashSet<Pid> = processes.iter().map(|process| process.id).collect();
    processes
        .iter()
        .filter_map(|process| process.parent)
        .all(|parent| ids.contains(&parent))
}

fn below(root: Pid, processes: &[Process], is_stranger: impl Fn(Pid) -> bool) -> Vec<Process> {
    let children_of = |parent: Pid| {
        processes
            .iter()
            .filter(move |process| process.parent == Some(parent))
    };
    let mut found: Vec<Process> = children_of(root)
        .filter(|child| !is_stranger(child.id))
        .copied()
        .collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|process| process.id) {
        found.extend(children_of(parent));
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(id: i32, parent: i32, group: i32) -> Process {
        Process {
            id: Pid::from_raw(id).unwrap(),
            parent: Pid::from_raw(parent),
            group: Pid::from_raw(group),
            start: 0,
            is_zombie: false,
        }
    }

    #[test]
    fn a_list_with_a_missing_parent_is_not_whole() {
        assert!(is_whole(&[
            process(1, 0, 1),
            process(20, 1, 20),
            process(5, 20, 5)
        ]));
        assert!(!is_whole(&[process(1, 0, 1), process(5, 20, 5)]));
    }

    #[test]
    fn the_tree_is_all_below_but_strangers() {
        let processes = [
            process(30, 20, 10),
            process(10, 5, 10),
            process(20, 10, 20),
            process(40, 5, 40),
            process(41, 40, 40),
            process(50, 1, 50),
        ];
        let root = Pid::from_raw(5).unwrap();
        let found = below(root, &processes, |id| id.as_raw_pid() == 40);
        assert_eq!(
            found,
            [process(10, 5, 10), process(20, 10, 20), process(30, 20, 10)]
        );
    }
}
