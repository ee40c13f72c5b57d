//! The cache of environments: each is built once, by one process, and never used before it is complete.
//!
//! The environments are in MLflow's own directories, so that each of the two programs uses what the other has
//! built. What mlrun knows about one is kept beside it, below `.mlrun` in the root of all environments:
//!
//! | file | meaning |
//! | --- | --- |
//! | `building` | The environment is incomplete: its build or its removal has begun and has not ended. Written to the disk before either begins. An environment without this mark is complete, whoever built it |
//! | `build.log` | All output of the last build |
//! | `lock` | The process that builds or removes the environment at this moment |
//! | `users/…` | One file for each run that uses the environment |
//! | `record.json` | When, how and for which project it was made; its time of modification is that of the last use |
//!
//! `lock` and `users/…` are claims of a process: they name it, and it touches them every few seconds.
//! There is no `flock`, which some network file systems accept without doing anything.
//!
//! A run first registers its use, then looks whether the environment is complete; a removal first sets
//! the mark, then looks for uses. So one of the two always sees the other.
//!
//! A kind of environment is a [`Builder`]; [`build_once`] does the rest.

mod build;
mod claim;
mod entry;
mod inventory;
mod usage;

pub(in crate::environment) use build::{BuildCalls, Builder, Condition, build_once, is_whole};
pub(in crate::environment) use entry::{Entry, name_of_text, own_directory, root, sha1, write_json};
pub(crate) use inventory::CachedEnvironment;
pub(in crate::environment) use inventory::{describe_all, entries, names, prune, remove, remove_directory};
pub(crate) use usage::Usage;
