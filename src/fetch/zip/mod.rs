//! Projects in zip files.
//!
//! The whole list of members is checked before the first one is written, and the bytes that really
//! come out are counted while they are.

mod members;
mod problem;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ::zip::ZipArchive;

use super::blocking::{self, Reporter};
use super::{FetchError, Source, WorkDir};
use super::{git, local, subdirectory, temporary_directory};
use crate::events::{Progress, Transfer, TransferUnit, byte_text};
use crate::http;
use crate::project_uri::{self, ProjectUri};
use crate::temporary::TemporaryDirectory;
use members::PlannedMember;
pub use problem::ZipProblem;

/// How many members a zip file may have.
pub const MAX_ZIP_MEMBERS: usize = 200_000;

/// How many bytes the members of a zip file may hold together.
pub const MAX_UNPACKED_BYTES: u64 = 16 << 30;

/// Unpacks a zip file of this machine.
pub(super) async fn fetch_file(
    uri: &ProjectUri,
    path: &Path,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let directory = temporary_directory(uri, progress)?;
    let zip = path.to_owned();
    let open = move || File::open(zip).map_err(ZipProblem::Unreadable);
    let (project, directory) =
        unpack_project(uri, open, path.display().to_string(), directory, progress).await?;
    // As MLflow does it, a zip file in a Git working tree is named by its place there.
    let repository = path
        .parent()
        .and_then(git::find_repository)
        .filter(|_| uri.subdirectory().is_none());
    let source = Source {
        name: local::source_name(path, uri.subdirectory(), repository.as_ref()),
        ..Source::default()
    };
    Ok(WorkDir::new(project, source, Some(directory)))
}

/// Downloads a zip file and unpacks it. The file itself has no name on the disk, so that nothing of
/// it can be left behind.
pub(super) async fn fetch_url(
    uri: &ProjectUri,
    url: &str,
    progress: &dyn Progress,
) -> Result<WorkDir, FetchError> {
    let directory = temporary_directory(uri, progress)?;
    let shown_url = project_uri::shown(url);
    let place = directory.path().to_owned();
    let mut file = tempfile::tempfile_in(&place).map_err(|source| FetchError::WorkDirectory {
        action: "create a file in",
        path: place,
        source,
    })?;
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
        .map_err(|source| FetchError::Download {
            url: shown_url.clone(),
            source,
        })?;
    progress.info(&format!("Downloaded {}", byte_text(downloaded.bytes)));
    let open = move || Ok(file);
    let (project, directory) = unpack_project(uri, open, shown_url.clone(), directory, progress)
        .await
        .map_err(|error| match error {
            FetchError::Zip {
                problem: ZipProblem::Broken(_),
                ..
            } if downloaded.is_page => FetchError::unavailable(
                format!("what is at '{shown_url}' is a web page, not a zip file"),
                "open it in a browser: it may ask you to sign in, or lead to the file's own address",
            ),
            error => error,
        })?;
    let source = Source {
        name: uri.to_string(),
        ..Source::default()
    };
    Ok(WorkDir::new(project, source, Some(directory)))
}

/// Unpacks the zip file called `zip` and finds the project's directory in it.
async fn unpack_project(
    uri: &ProjectUri,
    open: impl FnOnce() -> Result<File, ZipProblem> + Send + 'static,
    zip: String,
    directory: TemporaryDirectory,
    progress: &dyn Progress,
) -> Result<(PathBuf, TemporaryDirectory), FetchError> {
    let top_name = format!("the zip file '{zip}'");
    let (directory, ()) = blocking::fill(directory, progress, move |directory, reporter| {
        open()
            .and_then(|file| unpack(file, directory, reporter))
            .map_err(|problem| FetchError::Zip { zip, problem })
    })
    .await?;
    let project = subdirectory::find_inside(directory.path(), uri.subdirectory(), &top_name)?;
    if uri.subdirectory().is_none() {
        warn_of_nesting(&project, uri, progress);
    }
    Ok((project, directory))
}

/// Many programs put a project's one directory into the zip file, not what is in it.
fn warn_of_nesting(top: &Path, uri: &ProjectUri, progress: &dyn Progress) {
    if has_mlproject(top) {
        return;
    }
    let directories = subdirectory::directories(top);
    let mut projects = directories.iter().filter(|name| has_mlproject(&top.join(name)));
    if let (Some(name), None) = (projects.next(), projects.next()) {
        progress.warning(&format!(
            "there is no MLproject file at the top of the zip file, but one in '{name}': did you mean '{uri}#{name}'?"
        ));
    }
}

fn has_mlproject(directory: &Path) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name())
        .any(|name| name.eq_ignore_ascii_case("MLproject"))
}

/// Unpacks a zip file into an empty directory.
fn unpack(file: File, directory: &Path, reporter: &Reporter) -> Result<(), ZipProblem> {
    let mut archive = ZipArchive::new(BufReader::new(file))?;
    if archive.len() > MAX_ZIP_MEMBERS {
        return Err(ZipProblem::TooLarge(format!(
            "it has {} members, and at most {MAX_ZIP_MEMBERS} are allowed",
            archive.len()
        )));
    }
    let members = members::check(&archive)?;
    let total_files = members.iter().filter(|member| !member.is_directory).count() as u64;
    let mut unpacked = Unpacked {
        bytes: 0,
        files: 0,
        total_files,
        reporter,
    };
    for (index, member) in members.iter().enumerate() {
        reporter.check()?;
        let target = directory.join(&member.path);
        let above = target.parent().unwrap_or(directory);
        let new_directory = if member.is_directory { &target } else { above };
        fs::create_dir_all(new_directory).map_err(|error| member.unwritable(error))?;
        if !member.is_directory {
            unpacked.write(member, &target, archive.by_index(index)?)?;
        }
    }
    Ok(())
}

/// What has come out of a zip file so far.
struct Unpacked<'a> {
    bytes: u64,
    files: u64,
    total_files: u64,
    reporter: &'a Reporter,
}

impl Unpacked<'_> {
    fn write(
        &mut self,
        member: &PlannedMember,
        target: &Path,
        mut contents: impl Read,
    ) -> Result<(), ZipProblem> {
        // Nothing is ever overwritten: on some file systems names that differ are the same.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(if member.is_executable { 0o777 } else { 0o666 })
            .open(target)
            .map_err(|error| member.unwritable(error))?;
        let mut file = BufWriter::new(file);
        let mut buffer = vec![0; 64 << 10];
        loop {
            self.reporter.check()?;
            let count = match contents.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(member.damaged(error)),
            };
            self.bytes += count as u64;
            if self.bytes > MAX_UNPACKED_BYTES {
                return Err(ZipProblem::too_large());
            }
            file.write_all(&buffer[..count])
                .map_err(|error| member.unwritable(error))?;
        }
        file.flush().map_err(|error| member.unwritable(error))?;
        self.files += 1;
        self.reporter.report(Transfer {
            what: "unpacking",
            done: self.files,
            total: Some(self.total_files),
            unit: TransferUnit::Files,
            bytes: None,
        });
        Ok(())
    }
}
