//! The cache of environments: each is built once, by one process, and never taken for whole before
//! it is.
//!
//! The environments stand where MLflow has them, so that each of the two programs uses what the other
//! has built. What mlrun knows about one is kept beside it, in a directory of its own
//! ([`Entry::records`], below `.mlrun` in the root of all environments):
//!
//! | file | meaning |
//! | --- | --- |
//! | `building` | The environment is not whole: its build or its removal has begun and has not ended. Written to the disk before either begins. An environment without this mark is whole, whoever made it |
//! | `lock` | The process that builds or removes the environment at this moment |
//! | `users/…` | One file for each run that uses the environment |
//! | `record.json` | When, how and for which project it was made; its time of modification is that of the last use |
//!
//! `lock` and `users/…` are claims of a process: they name it, and it touches them every few seconds.
//! There is no `flock`, which some network file systems accept without doing anything.
//!
//! A run first registers its use, then looks whether the environment is whole; a removal first sets
//! the mark, then looks for uses. So one of the two always sees the other.
//!
//! A kind of environment is a [`Builder`]; [`build_once`] does the rest.

mod build;
mod claim;
mod clock;
mod directory;
mod entry;
mod inventory;
mod lock;
mod mark;
mod orphans;
mod owner;
mod record;
mod removal;
mod usage;

use async_trait::async_trait;

pub(in crate::environment) use build::{build_once, is_whole};
pub(in crate::environment) use directory::remove_directory;
pub(in crate::environment) use entry::{Entry, own_directory, root};
pub(in crate::environment) use inventory::entries;
pub use inventory::{CachedEnvironment, CachedState};
pub(in crate::environment) use orphans::BuildCalls;
pub(in crate::environment) use removal::{describe_all, prune, remove};
pub use usage::Usage;

use super::EnvironmentError;
use crate::events::Progress;

/// What is there of an environment, as far as a look at the file system tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) enum Condition {
    /// Nothing.
    Absent,
    /// All that an environment must have to be entered.
    Usable,
    /// Something, but it cannot be used: this is why, as in "its Python is gone".
    Broken(String),
}

/// How one environment is made and removed. The functions are called by one process at a time, but
/// for [`Builder::condition`].
#[async_trait]
pub(in crate::environment) trait Builder: Send + Sync {
    /// Looks what is there, without changing anything. It is called before every run: a few looks at
    /// files, and no program unless they leave it open.
    async fn condition(&self) -> Result<Condition, EnvironmentError>;

    /// Removes all that is there of the environment. Nothing there is no error.
    async fn remove(&self, progress: &dyn Progress) -> Result<(), EnvironmentError>;

    /// Makes the environment in a place where nothing is, by programs that `calls` prepares. What a failed
    /// build leaves behind is removed by [`build_once`]; a dropped one leaves it to the next run.
    async fn build(&self, calls: &BuildCalls<'_>, progress: &dyn Progress) -> Result<(), EnvironmentError>;
}
