//! Whether a working tree differs from its commit.
//!
//! Like Git, it takes a file as unchanged if the index has its size and times, and reads only the others. libgit2
//! compares just those, because it checks all files one after another, several times.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;

use git2::{DiffOptions, Index, IndexEntry};

use super::repository::{Repository, holds_tracked};

/// The least number of files for each thread.
const FILES_PER_THREAD: usize = 2000;
/// More threads do not make a disk faster.
const MOST_THREADS: usize = 4;
/// From this number of files to read on, one comparison of the whole tree is faster.
const MANY_FILES: usize = 1000;
/// The modes of index entries for submodules and symbolic links.
pub(super) const GITLINK: u32 = 0o160_000;
const LINK: u32 = 0o120_000;
/// The bits of a mode with the type of the file.
const KIND: u32 = 0o170_000;
/// Flags of index entries: assume unchanged, skip in the working tree (sparse checkout), to be added.
const ASSUME_VALID: u16 = 1 << 15;
const SKIP_WORKTREE: u16 = 1 << 14;
const INTENT_TO_ADD: u16 = 1 << 13;

/// Whether a project's files differ from the checked-out commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TreeState {
    Clean,
    /// At least one file differs.
    Changed {
        path: String,
    },
    /// At least one file in the project's directory is neither tracked nor ignored.
    Untracked {
        /// The file, or a directory of such files.
        path: String,
    },
    /// There is no commit, or Git's data is unreadable.
    Unknown,
}

impl Repository {
    /// Compares the working tree with the checked-out commit. Tracked files count everywhere, because a project may
    /// read files above its directory. Untracked files count only in the project's directory, except for ignored
    /// files, Python's compiled files, and the tracking store's files: everything at or below a path of `no_part`,
    /// or beside it with a name that begins with its name.
    pub(crate) fn tree_state(&self, directory: &Path, no_part: &[PathBuf]) -> TreeState {
        self.compare(directory, no_part).unwrap_or_else(|error| {
            tracing::debug!(%error, "the state of the working tree");
            TreeState::Unknown
        })
    }

    fn compare(&self, directory: &Path, no_part: &[PathBuf]) -> Result<TreeState, git2::Error> {
        let repository = git2::Repository::open(self.root())?;
        let head = repository.head()?.peel_to_tree()?;
        let index = repository.index()?;
        let staged = repository.diff_tree_to_index(Some(&head), Some(&index), None)?;
        if let Some(path) = first_path(&staged) {
            return Ok(TreeState::Changed { path });
        }
        let entries: Vec<IndexEntry> = index.iter().collect();
        let suspects = suspects(self.root(), &index, &entries);
        if let Some(path) = first_changed(&repository, &index, &suspects)? {
            return Ok(TreeState::Changed { path });
        }
        let untracked = Untracked {
            repository: &repository,
            root: self.root(),
            index: &index,
            no_part,
        };
        Ok(match untracked.first_below(directory) {
            Some(path) => TreeState::Untracked {
                path: path.display().to_string(),
            },
            None => TreeState::Clean,
        })
    }
}

/// The tracked files that may have changed.
fn suspects<'a>(root: &Path, index: &Index, entries: &'a [IndexEntry]) -> Vec<&'a [u8]> {
    let index_time = index.path().and_then(|path| fs::metadata(path).ok());
    let index_time = index_time.map_or((i64::MAX, 0), |metadata| {
        (metadata.mtime(), metadata.mtime_nsec())
    });
    let look = |entries: &'a [IndexEntry]| -> Vec<&'a [u8]> {
        entries
            .iter()
            .filter(|entry| !is_unchanged(root, entry, index_time))
            .map(|entry| entry.path.as_slice())
            .collect()
    };
    let most = thread::available_parallelism().map_or(1, usize::from);
    let part = entries
        .len()
        .div_ceil(most.min(MOST_THREADS))
        .max(FILES_PER_THREAD);
    thread::scope(|scope| {
        let parts: Vec<_> = entries
            .chunks(part)
            .map(|part| scope.spawn(|| look(part)))
            .collect();
        let looked = parts.into_iter().map(|part| part.join().unwrap_or_default());
        looked.flatten().collect()
    })
}

/// Whether the file's size, times and mode are those in the index.
fn is_unchanged(root: &Path, entry: &IndexEntry, index_time: (i64, i64)) -> bool {
    if entry.flags & ASSUME_VALID != 0 || entry.flags_extended & SKIP_WORKTREE != 0 {
        return true;
    }
    if entry.flags_extended & INTENT_TO_ADD != 0 || entry.mode & KIND == GITLINK {
        return false;
    }
    let Ok(metadata) = fs::symlink_metadata(root.join(OsStr::from_bytes(&entry.path))) else {
        return false;
    };
    // A file that was changed at the very time of the index may look unchanged.
    let time = (metadata.mtime(), metadata.mtime_nsec());
    time < index_time
        && mode_of(&metadata) == entry.mode
        // The index keeps only 32 bits of these.
        && metadata.size() as u32 == entry.file_size
        && is_time(entry.mtime, time)
        && is_time(entry.ctime, (metadata.ctime(), metadata.ctime_nsec()))
}

/// Compares times; some programs drop the fraction of a second.
fn is_time(remembered: git2::IndexTime, time: (i64, i64)) -> bool {
    remembered.seconds() == time.0 as i32
        && (remembered.nanoseconds() == 0 || i64::from(remembered.nanoseconds()) == time.1)
}

/// The mode that Git records for a file.
fn mode_of(metadata: &Metadata) -> u32 {
    match metadata.mode() & KIND {
        LINK => LINK,
        kind if metadata.mode() & 0o100 != 0 => kind | 0o755,
        kind => kind | 0o644,
    }
}

/// The first of these files whose content differs from the index.
fn first_changed(
    repository: &git2::Repository,
    index: &Index,
    suspects: &[&[u8]],
) -> Result<Option<String>, git2::Error> {
    if suspects.is_empty() {
        return Ok(None);
    }
    let mut options = DiffOptions::new();
    if suspects.len() <= MANY_FILES {
        options.disable_pathspec_match(true);
        for path in suspects {
            options.pathspec(*path);
        }
    }
    let changed = repository.diff_index_to_workdir(Some(index), Some(&mut options))?;
    Ok(first_path(&changed))
}

fn first_path(diff: &git2::Diff<'_>) -> Option<String> {
    let delta = diff.deltas().next()?;
    let path = delta.new_file().path_bytes().or(delta.old_file().path_bytes())?;
    Some(String::from_utf8_lossy(path).into_owned())
}

/// The search for untracked files.
struct Untracked<'a> {
    repository: &'a git2::Repository,
    root: &'a Path,
    index: &'a Index,
    no_part: &'a [PathBuf],
}

impl Untracked<'_> {
    /// The first untracked file below a directory (relative to the root), or the directory if nothing in it is tracked.
    fn first_below(&self, directory: &Path) -> Option<PathBuf> {
        // The project cannot read an unreadable directory either.
        let mut entries: Vec<_> = fs::read_dir(directory).ok()?.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        entries.iter().find_map(|entry| {
            let path = entry.path();
            let below = path.strip_prefix(self.root).ok()?;
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if self.index.get_path(below, 0).is_some() || !self.counts(&path) {
                return None;
            }
            if is_directory && holds_tracked(self.index, below) {
                return self.first_below(&path);
            }
            let is_ignored = self.repository.is_path_ignored(below).unwrap_or(false);
            let is_empty = || is_directory && self.first_below(&path).is_none();
            (!is_ignored && !is_empty()).then(|| below.to_owned())
        })
    }

    /// Whether an untracked file may belong to the project.
    fn counts(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or_default();
        let is_own = |own: &PathBuf| {
            // SQLite names its journals after the database, with a suffix.
            path.parent() == own.parent()
                && own
                    .file_name()
                    .is_some_and(|own| name.as_bytes().starts_with(own.as_bytes()))
        };
        name != ".git" && name != "__pycache__" && !self.no_part.iter().any(is_own)
    }
}
