//! Projects in zip files.
//!
//! The whole list of members is checked before the first one is written. The unpacked bytes are counted too,
//! because the list may understate the sizes.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ::zip::read::ZipFileEntry;
use ::zip::result::ZipError;
use ::zip::{CompressionMethod, ZipArchive};

use super::blocking::{self, Reporter};
use super::error::{FetchErrorKind, NO_SPACE};
use super::git;
use super::work_dir::{directories, find_project_inside, source_name, temporary_directory};
use super::{FetchError, Source, WorkDir};
use crate::events::{Progress, Transfer, TransferUnit};
use crate::http;
use crate::project_uri::ProjectUri;
use crate::quantity;
use crate::redact;
use crate::temporary::TemporaryDirectory;

const MAX_MEMBERS: usize = 200_000;
/// The most bytes that a zip file may unpack to.
const MAX_UNPACKED_BYTES: u64 = 16 << 30;
/// The longest path that a member may have, as on Linux.
const MAX_PATH_BYTES: usize = 4096;
/// The size of the buffer for unpacking.
const PIECE_BYTES: usize = 64 << 10;

/// The type bits of a Unix mode, and the types that are allowed.
const TYPE_MASK: u32 = 0o170_000;
const TYPE_NONE: u32 = 0;
const TYPE_FILE: u32 = 0o100_000;
const TYPE_DIRECTORY: u32 = 0o040_000;
const TYPE_LINK: u32 = 0o120_000;

/// The hint for a damaged file.
const DAMAGED: &str = "create or download the zip file again";
/// The hint for a zip file that other programs can unpack.
const BY_HAND: &str = "unpack it yourself, for example with 'unzip', and run the directory";

/// Unpacks a local zip file.
pub(super) async fn fetch_file(
    uri: &ProjectUri,
    path: &Path,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let directory = temporary_directory(uri, progress)?;
    // As in MLflow, a zip file in a Git working tree is named by its path there.
    let repository = path
        .parent()
        .and_then(git::find_repository)
        .filter(|_| uri.subdirectory().is_none());
    let name = source_name(path, uri.subdirectory(), repository.as_ref());
    let zip = path.to_owned();
    let open = move || File::open(zip).map_err(unreadable);
    unpack_project(uri, name, open, &path.display().to_string(), directory, progress).await
}

/// Downloads a zip file and unpacks it. The downloaded file has no name on disk, so it cannot be left behind.
pub(super) async fn fetch_url(
    uri: &ProjectUri,
    url: &str,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let directory = temporary_directory(uri, progress)?;
    let shown_url = redact::shown_url(url);
    let place = directory.path();
    let mut file =
        tempfile::tempfile_in(place).map_err(FetchError::of_directory("create a file in", place))?;
    let mut on_progress = |done, total| {
        progress.transfer(Transfer {
            what: "downloading",
            done,
            total,
            unit: TransferUnit::Bytes,
            bytes: None,
        });
    };
    let downloaded = http::download(url, &mut file, MAX_UNPACKED_BYTES, &mut on_progress)
        .await
        .map_err(|error| {
            let hint = error.hint().unwrap_or_default();
            FetchError::new(format!("cannot download '{shown_url}'"), hint).caused_by(error)
        })?;
    progress.info(&format!("Downloaded {}", quantity::size(downloaded.bytes)));
    let open = move || Ok(file);
    let unpacked = unpack_project(uri, uri.to_string(), open, &shown_url, directory, progress).await;
    unpacked.map_err(|error| {
        if !downloaded.is_page || error.kind != FetchErrorKind::NoZip {
            return error;
        }
        FetchError::new(
            format!("'{shown_url}' is a web page, not a zip file"),
            "open it in a browser; the page may require a login or link to the zip file",
        )
    })
}

/// Unpacks the zip file and finds the project in it. Messages call the file `zip`; the run's tags call it `name`.
async fn unpack_project(
    uri: &ProjectUri,
    name: String,
    open: impl FnOnce() -> Result<File, FetchError> + Send + 'static,
    zip: &str,
    directory: TemporaryDirectory,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let top_name = format!("the zip file '{zip}'");
    let failed = format!("cannot unpack {top_name}");
    let (directory, ()) = blocking::fill(directory, progress, move |directory, reporter| {
        open()
            .and_then(|file| unpack(file, directory, reporter))
            .map_err(|error| error.within(failed))
    })
    .await?;
    let project = find_project_inside(directory.path(), uri.subdirectory(), &top_name)?;
    if uri.subdirectory().is_none() {
        warn_of_nesting(&project, uri, progress);
    }
    let source = Source {
        name,
        ..Source::default()
    };
    Ok(WorkDir::new(project, source, Some(directory)))
}

/// Many programs pack the project's directory itself instead of its contents.
fn warn_of_nesting(top: &Path, uri: &ProjectUri, progress: &dyn Progress) {
    if has_mlproject(top) {
        return;
    }
    let directories = directories(top);
    let mut projects = directories.iter().filter(|name| has_mlproject(&top.join(name)));
    if let (Some(name), None) = (projects.next(), projects.next()) {
        progress.warning(&format!(
            "the zip file has its MLproject file in '{name}', not at the top; did you mean '{uri}#{name}'?"
        ));
    }
}

fn has_mlproject(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name())
        .any(|name| name.eq_ignore_ascii_case("MLproject"))
}

fn unpack(file: File, directory: &Path, reporter: &Reporter) -> Result<(), FetchError> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    let members = check(&archive)?;
    let total_files = members.iter().filter(|member| !member.is_directory).count() as u64;
    let (mut files, mut bytes) = (0, 0);
    let mut piece = vec![0; PIECE_BYTES];
    for (index, member) in members.iter().enumerate() {
        reporter.check()?;
        let target = directory.join(&member.path);
        let above = target.parent().unwrap_or(directory);
        let new_directory = if member.is_directory { &target } else { above };
        fs::create_dir_all(new_directory).map_err(|error| member.unwritable(error))?;
        if member.is_directory {
            continue;
        }
        // Never overwrite a file: on some file systems two different names mean the same file.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if member.is_executable { 0o777 } else { 0o666 })
            .open(target)
            .map_err(|error| member.unwritable(error))?;
        let mut contents = archive.by_index(index).map_err(broken)?;
        loop {
            reporter.check()?;
            let count = match contents.read(&mut piece) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(problem(&member.name, "is damaged", DAMAGED).caused_by(error)),
            };
            bytes += count as u64;
            check_size(bytes)?;
            file.write_all(&piece[..count])
                .map_err(|error| member.unwritable(error))?;
        }
        files += 1;
        reporter.report(Transfer {
            what: "unpacking",
            done: files,
            total: Some(total_files),
            unit: TransferUnit::Files,
            bytes: None,
        });
    }
    Ok(())
}

/// A checked member.
#[derive(Debug)]
struct PlannedMember {
    /// The name in the zip file.
    name: String,
    /// The target: a relative path of plain names.
    path: PathBuf,
    is_directory: bool,
    is_executable: bool,
}

impl PlannedMember {
    fn unwritable(&self, error: io::Error) -> FetchError {
        let hint = match error.kind() {
            io::ErrorKind::StorageFull => NO_SPACE,
            _ => "",
        };
        problem(&self.name, "cannot be written", hint).caused_by(error)
    }
}

/// Checks that every member is a plain file or directory with a unique path inside the target directory, and
/// that all of them together are not too large. Gives the members in the zip file's order.
fn check(archive: &ZipArchive<BufReader<File>>) -> Result<Vec<PlannedMember>, FetchError> {
    if archive.len() > MAX_MEMBERS {
        let count = archive.len();
        let message = format!("it has {count} members; the limit is {MAX_MEMBERS}");
        return Err(FetchError::new(message, BY_HAND));
    }
    if archive.has_duplicate_names() {
        return Err(no_zip("two members have the same name"));
    }
    let mut members = Vec::with_capacity(archive.len());
    let mut places = HashMap::new();
    let mut bytes: u64 = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(broken)?;
        bytes = bytes.saturating_add(entry.size());
        check_size(bytes)?;
        let member = check_member(&entry)?;
        take_place(&mut places, &member)?;
        members.push(member);
    }
    Ok(members)
}

fn check_member(entry: &ZipFileEntry<'_>) -> Result<PlannedMember, FetchError> {
    let name = entry.name().map_err(broken)?.into_owned();
    let refuse = |reason| Err(refused(&name, reason));
    let mode = entry.unix_mode().unwrap_or(0);
    let is_directory = entry.is_dir() || mode & TYPE_MASK == TYPE_DIRECTORY;
    match mode & TYPE_MASK {
        TYPE_NONE | TYPE_FILE | TYPE_DIRECTORY => {}
        TYPE_LINK => return refuse("it is a symbolic link"),
        _ => return refuse("it is a device, a pipe or a socket"),
    }
    if entry.encrypted() {
        return Err(problem(&name, "is encrypted", BY_HAND));
    }
    if !is_directory
        && !matches!(
            entry.compression(),
            CompressionMethod::Stored | CompressionMethod::Deflated
        )
    {
        let method = entry.compression();
        let what = format!("uses the unsupported compression method {method}");
        return Err(problem(
            &name,
            &what,
            "pack it again with the usual method, deflate",
        ));
    }
    let path = checked_path(&name).map_err(|reason| refused(&name, reason))?;
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

/// The member's path relative to the target directory.
fn checked_path(name: &str) -> Result<PathBuf, &'static str> {
    if name.starts_with('/') {
        return Err("its path is absolute");
    }
    if name.contains('\\') {
        return Err("its path contains a backslash");
    }
    if name.as_bytes().get(1) == Some(&b':') && name.as_bytes()[0].is_ascii_alphabetic() {
        return Err("its path begins with a drive letter");
    }
    if name.chars().any(char::is_control) {
        return Err("its name contains a control character");
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

/// Reserves the member's path. `places` maps each reserved path to whether it is a file's.
fn take_place(places: &mut HashMap<PathBuf, bool>, member: &PlannedMember) -> Result<(), FetchError> {
    let refuse = |reason| Err(refused(&member.name, reason));
    for parent in member.path.ancestors().skip(1) {
        if *places.entry(parent.to_owned()).or_insert(false) {
            return refuse("its directory has the same path as a file");
        }
    }
    match places.insert(member.path.clone(), !member.is_directory) {
        None => Ok(()),
        Some(false) if member.is_directory => Ok(()),
        Some(true) if !member.is_directory => refuse("another member has the same path"),
        Some(_) => refuse("a file and a directory have the same path"),
    }
}

fn problem(member: &str, what: &str, hint: &str) -> FetchError {
    FetchError::new(format!("the member '{member}' {what}"), hint)
}

fn refused(member: &str, reason: &str) -> FetchError {
    let hint = "pack only the project's regular files, with paths relative to its directory";
    let member = member.escape_debug().to_string();
    problem(&member, &format!("is refused: {reason}"), hint)
}

fn check_size(bytes: u64) -> Result<(), FetchError> {
    if bytes <= MAX_UNPACKED_BYTES {
        return Ok(());
    }
    let most = MAX_UNPACKED_BYTES >> 30;
    let message = format!("its members are larger than the limit of {most} GiB in total");
    Err(FetchError::new(message, BY_HAND))
}

fn unreadable(error: io::Error) -> FetchError {
    FetchError::new("cannot read the file", "").caused_by(error)
}

fn no_zip(reason: &str) -> FetchError {
    let message = format!("not a valid zip file: {reason}");
    FetchError::new(message, DAMAGED).of_kind(FetchErrorKind::NoZip)
}

fn broken(error: ZipError) -> FetchError {
    match error {
        ZipError::Io(error) if error.kind() != io::ErrorKind::UnexpectedEof => unreadable(error),
        ZipError::Io(_) => no_zip("it is truncated"),
        ZipError::InvalidArchive(reason) => no_zip(&reason),
        other => no_zip(&other.to_string()),
    }
}
