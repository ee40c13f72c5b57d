//! The list of a zip file's members, checked as a whole.

use std::collections::HashMap;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

use ::zip::read::ZipFileEntry;
use ::zip::{CompressionMethod, ZipArchive};

use super::problem::{BY_HAND, DAMAGED};
use super::{MAX_UNPACKED_BYTES, ZipProblem};
use crate::fetch::error::NO_SPACE;

/// The type bits of a Unix mode, and the types that are allowed.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_NONE: u32 = 0;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_LINK: u32 = 0o120_000;

/// The longest path that a member may have, as on Linux.
const MAX_PATH_BYTES: usize = 4096;

/// One member that may be written.
#[derive(Debug)]
pub(super) struct PlannedMember {
    /// The name as the zip file spells it.
    pub(super) name: String,
    /// Where it goes: relative, and made of plain names only.
    pub(super) path: PathBuf,
    pub(super) is_directory: bool,
    pub(super) is_executable: bool,
}

impl PlannedMember {
    pub(super) fn damaged(&self, source: io::Error) -> ZipProblem {
        ZipProblem::of_member(&self.name, "is damaged", Some(DAMAGED), Some(source))
    }

    pub(super) fn unwritable(&self, source: io::Error) -> ZipProblem {
        let hint = (source.kind() == io::ErrorKind::StorageFull).then_some(NO_SPACE);
        ZipProblem::of_member(&self.name, "cannot be written", hint, Some(source))
    }
}

/// All members in the order of the zip file's own list, once it is sure that each of them is a plain
/// file or directory with a path of its own inside of the zip file, and that all of them together are
/// not too large.
pub(super) fn check<R: Read + Seek>(archive: &ZipArchive<R>) -> Result<Vec<PlannedMember>, ZipProblem> {
    if archive.has_duplicate_names() {
        return Err(ZipProblem::Broken(
            "two of its members have the same name".to_owned(),
        ));
    }
    let mut members = Vec::with_capacity(archive.len());
    let mut places = Places::default();
    let mut bytes: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index)?;
        bytes = bytes.saturating_add(entry.size());
        if bytes > MAX_UNPACKED_BYTES {
            return Err(ZipProblem::too_large());
        }
        let member = check_member(&entry)?;
        places.take(&member)?;
        members.push(member);
    }
    Ok(members)
}

fn check_member(entry: &ZipFileEntry<'_>) -> Result<PlannedMember, ZipProblem> {
    let name = entry.name()?.into_owned();
    let refuse = |reason| Err(ZipProblem::refused(&name, reason));
    let mode = entry.unix_mode().unwrap_or(0);
    let is_directory = entry.is_dir() || mode & TYPE_MASK == TYPE_DIRECTORY;
    match mode & TYPE_MASK {
        TYPE_NONE | TYPE_FILE | TYPE_DIRECTORY => {}
        TYPE_LINK => return refuse("it is a symbolic link"),
        _ => return refuse("it is a device, a pipe or a socket"),
    }
    if entry.encrypted() {
        return Err(ZipProblem::of_member(name, "is encrypted", Some(BY_HAND), None));
    }
    if !is_directory
        && !matches!(
            entry.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        )
    {
        let method = entry.compression();
        return Err(ZipProblem::of_member(
            name,
            format!("is compressed by the method {method}, which is not supported"),
            Some("pack it anew with the usual method, deflate"),
            None,
        ));
    }
    let path = match checked_path(&name) {
        Ok(path) => path,
        Err(reason) => return refuse(reason),
    };
    if path.as_os_str().is_empty() && !is_directory {
        return refuse("its name is empty");
    }
    Ok(PlannedMember {
        path,
        is_directory,
        is_executable: mode & 0o111 != 0,
        name,
    })
}

/// The member's path below the directory that it is unpacked into.
fn checked_path(name: &str) -> Result<PathBuf, &'static str> {
    if name.starts_with('/') {
        return Err("its path is absolute");
    }
    if name.contains('\\') {
        return Err("its path holds a backslash");
    }
    if name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic() {
        return Err("its path begins with a drive letter");
    }
    if name.chars().any(char::is_control) {
        return Err("its name holds a control character");
    }
    if name.len() > MAX_PATH_BYTES {
        return Err("its path is too long");
    }
    let mut path = PathBuf::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err("its path leaves the zip file with '..'"),
            part => path.push(part),
        }
    }
    Ok(path)
}

/// Which paths are taken, and whether by a file.
#[derive(Default)]
struct Places(HashMap<PathBuf, bool>);

impl Places {
    fn take(&mut self, member: &PlannedMember) -> Result<(), ZipProblem> {
        let refuse = |reason| Err(ZipProblem::refused(&member.name, reason));
        for parent in member.path.ancestors().skip(1) {
            if *self.0.entry(parent.to_owned()).or_insert(false) {
                return refuse("a file of the same name stands where its directory would be");
            }
        }
        match self.0.insert(member.path.clone(), !member.is_directory) {
            None => Ok(()),
            Some(false) if member.is_directory => Ok(()),
            Some(true) if !member.is_directory => refuse("another member has the same path"),
            Some(_) => refuse("a file and a directory have the same path"),
        }
    }
}
