//! The cases, a module a group.

pub(super) mod commands;
pub(super) mod entry_points;
pub(super) mod experiments;
pub(super) mod git;
pub(super) mod parameters;
pub(super) mod real_files;
pub(super) mod sources;
pub(super) mod stores;
pub(super) mod usage;
pub(super) mod yaml;
