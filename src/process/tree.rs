//! The processes below this one, as the system lists them.

use std::collections::HashSet;

use rustix::process::Pid;

/// How many fields of `/proc/PID/stat` are between the group and the start; proc(5).
#[cfg(any(target_os = "linux", test))]
const START_AFTER_GROUP: usize = 16;

/// How often the processes are listed at most, until the list is whole.
const SCANS: u32 = 4;

/// A process of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    /// Its id.
    pub(super) id: Pid,
    /// Its parent's id.
    pub(super) parent: Option<Pid>,
    /// Its process group.
    pub(super) group: Option<Pid>,
    /// When it started, in clock ticks since the machine did.
    pub(super) start: u64,
    /// It has ended and waits to be collected.
    is_zombie: bool,
}

impl Process {
    /// Whether it has not ended.
    pub(super) fn is_running(&self) -> bool {
        !self.is_zombie
    }
}

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

/// All processes; none where the system does not list them in `/proc`.
#[cfg(target_os = "linux")]
fn all_processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit())
        // A process that ends in between has no file any more.
        .filter_map(|entry| std::fs::read(entry.path().join("stat")).ok())
        .filter_map(|stat| parse_stat(&stat))
        .collect()
}

/// All processes; this system has no list that can be read without a program.
#[cfg(not(target_os = "linux"))]
fn all_processes() -> Vec<Process> {
    Vec::new()
}

/// Reads `PID (NAME) STATE PARENT GROUP …`. The name may hold anything, parentheses too.
#[cfg(any(target_os = "linux", test))]
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let stat = String::from_utf8_lossy(stat);
    let (id, _) = stat.split_once(' ')?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let mut number = || fields.next()?.parse::<i32>().ok();
    let (parent, group) = (number()?, number()?);
    let start = fields.nth(START_AFTER_GROUP)?.parse().ok()?;
    // A process that is being taken off the list has group -1 there.
    (group >= 0).then_some(Process {
        id: process_id(id.parse().ok()?)?,
        parent: process_id(parent),
        group: process_id(group),
        start,
        is_zombie: matches!(state, "Z" | "X"),
    })
}

/// The id with this number; 0 stands for a process that cannot be seen from here.
#[cfg(any(target_os = "linux", test))]
fn process_id(number: i32) -> Option<Pid> {
    if number > 0 { Pid::from_raw(number) } else { None }
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
    fn stat_lines_are_read() {
        const REST: &str = "1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 8765 99";
        for (line, expected) in [
            ("1 (init) S 0 1", Some(process(1, 0, 1))),
            ("7 (a) b (c) R 1 6", Some(process(7, 1, 6))),
            ("7 (a\n) Z) T 1 6", Some(process(7, 1, 6))),
            (
                "7 (dead) Z 1 6",
                Some(Process {
                    is_zombie: true,
                    ..process(7, 1, 6)
                }),
            ),
            ("7 (released) X 0 -1", None),
        ] {
            let expected = expected.map(|process| Process {
                start: 8765,
                ..process
            });
            assert_eq!(
                parse_stat(format!("{line} {REST}").as_bytes()),
                expected,
                "{line}"
            );
        }
        for line in ["7 (short", "7 (short) R 1 6", ""] {
            assert_eq!(parse_stat(line.as_bytes()), None, "{line}");
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
