//! Whether the system killed a process because memory ran out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::env_vars;
use crate::quantity;

/// Where control groups are, as all systems of today mount them.
const CGROUPS: &str = "/sys/fs/cgroup";

/// How often the system has killed processes for want of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MemoryKills {
    /// The control group of this process, if it counts for itself.
    group: Option<PathBuf>,
    count: u64,
}

impl MemoryKills {
    /// The count of this moment.
    pub(super) fn so_far() -> Self {
        let group = own_group();
        let count = count(group.as_deref());
        Self { group, count }
    }

    /// What to do about a process that was killed after this count. `container` is the limit of the container that it
    /// was in.
    pub(super) fn hint(&self, container: Option<&str>) -> String {
        if let Some(limit) = container {
            return format!(
                "the container may use {limit} of memory; if it needs more, raise the limit: -A memory=…"
            );
        }
        let limit = self.group.as_deref().and_then(limit);
        let limit = limit
            .map(|limit| format!(" (the limit is {limit})"))
            .unwrap_or_default();
        let slurm = slurm_limit();
        let remedy = match &slurm {
            Some(asked) => format!("ask Slurm for more than {asked}: `--mem`"),
            None => "give the run more memory, or reduce what it uses".to_owned(),
        };
        let is_newly_killed = count(self.group.as_deref()) > self.count;
        match (is_newly_killed, &self.group) {
            (true, Some(_)) => {
                format!("the system killed the entry point because memory ran out{limit}; {remedy}")
            }
            (true, None) => format!(
                "the system killed a process because memory ran out; if it was the entry point, {remedy}"
            ),
            (false, _) => format!("the entry point was killed; if memory ran out{limit}, {remedy}"),
        }
    }
}

/// The control group of this process that counts such kills; none on machines with the first version of groups.
fn own_group() -> Option<PathBuf> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let group = Path::new(CGROUPS).join(path);
    group.join("memory.events").exists().then_some(group)
}

/// The kills in the group, or on the whole machine.
fn count(group: Option<&Path>) -> u64 {
    let file = match group {
        Some(group) => group.join("memory.events"),
        None => PathBuf::from("/proc/vmstat"),
    };
    let text = fs::read_to_string(file).unwrap_or_default();
    kills_in(&text).unwrap_or_default()
}

fn kills_in(text: &str) -> Option<u64> {
    let number = text.lines().find_map(|line| line.strip_prefix("oom_kill "))?;
    number.trim().parse().ok()
}

/// The memory that the group may use, which is the least of its own limit and of those above it.
fn limit(group: &Path) -> Option<String> {
    let own = |group: &Path| {
        let text = fs::read_to_string(group.join("memory.max")).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let groups = group.ancestors().take_while(|group| group.starts_with(CGROUPS));
    groups.filter_map(own).min().map(quantity::size)
}

/// The memory that a Slurm job has asked for.
fn slurm_limit() -> Option<String> {
    env_vars::non_empty(env_vars::SLURM_JOB_ID)?;
    let node = env_vars::non_empty(env_vars::SLURM_MEM_PER_NODE);
    let cpu = || env_vars::non_empty(env_vars::SLURM_MEM_PER_CPU);
    let (megabytes, per_cpu) = match node {
        Some(node) => (node, ""),
        None => (cpu()?, " per CPU"),
    };
    let megabytes: u64 = megabytes.parse().ok().filter(|number| *number > 0)?;
    Some(format!(
        "{}{per_cpu}",
        quantity::size(megabytes.checked_mul(1024 * 1024)?)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted() {
        for (text, expected) in [
            (
                "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n",
                Some(1),
            ),
            ("pgfault 7\noom_kill 12\n", Some(12)),
            ("pgfault 7\n", None),
        ] {
            assert_eq!(kills_in(text), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_worded_so() {
        let kills = MemoryKills {
            group: None,
            count: u64::MAX,
        };
        assert!(
            kills
                .hint(None)
                .starts_with("the entry point was killed; if memory ran out")
        );
        assert!(
            kills
                .hint(Some("2g"))
                .starts_with("the container may use 2g of memory")
        );
        let earlier = MemoryKills {
            group: Some(PathBuf::from("/nowhere")),
            count: 0,
        };
        assert!(earlier.hint(None).starts_with("the entry point was killed"));
    }
}
