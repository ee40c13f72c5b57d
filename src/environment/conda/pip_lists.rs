//! The lists of requirements that conda and micromamba write for pip.
//!
//! They stand beside the environment's file, since relative paths in them start there, so that no directory
//! for temporary files catches them. A program that ends removes its list; one that is killed does not.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// How the names begin and end: conda's and micromamba's.
const NAMES: [(&str, &str); 2] = [("condaenv.", ".requirements.txt"), ("mambaf", "")];

/// Removes the lists that appear while this value lives.
pub(super) struct ListsForPip {
    directory: PathBuf,
    before: HashSet<OsString>,
}

impl ListsForPip {
    /// Looks which lists are beside an environment's file. Nothing where that cannot be seen.
    pub(super) fn watch(file: &Path) -> Option<Self> {
        let directory = file.parent()?.to_owned();
        Some(Self {
            before: lists(&directory)?,
            directory,
        })
    }
}

impl Drop for ListsForPip {
    fn drop(&mut self) {
        let now = lists(&self.directory).unwrap_or_default();
        for name in now.difference(&self.before) {
            // One that stays harms nobody.
            let _ = fs::remove_file(self.directory.join(name));
        }
    }
}

fn lists(directory: &Path) -> Option<HashSet<OsString>> {
    let names = fs::read_dir(directory)
        .ok()?
        .flatten()
        .map(|entry| entry.file_name());
    let is_list = |name: &OsString| {
        let name = name.to_string_lossy();
        NAMES
            .iter()
            .any(|(start, end)| name.starts_with(start) && name.ends_with(end))
    };
    Some(names.filter(is_list).collect())
}
