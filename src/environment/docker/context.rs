//! The build context: the project's files as a tar stream.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Take, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use tar::{Builder, EntryType, Header};

use super::DockerError;
use super::project_files::{Member, MemberKind, ProjectFiles};

/// The directory of the project's files in the tar. The Dockerfile stands beside it, where no file
/// of the project can collide with it.
pub(super) const PROJECT_MEMBER: &str = "project";
const DOCKERFILE_MEMBER: &str = "Dockerfile";

#[derive(Debug)]
pub(super) enum Stop {
    /// The reader is gone; it knows why.
    ReaderGone,
    File(DockerError),
}

/// Writes the context: the Dockerfile, and the project's files, in the order of their names. An unchanged
/// tree gives the same bytes: files belong to root, as `COPY` makes them.
pub(super) fn write(output: impl Write, dockerfile: &str, files: &ProjectFiles) -> Result<(), Stop> {
    let mut tar = Builder::new(output);
    let mut header = header(EntryType::Regular, 0o644);
    header.set_size(dockerfile.len() as u64);
    append(
        &mut tar,
        &mut header,
        Path::new(DOCKERFILE_MEMBER),
        dockerfile.as_bytes(),
    )?;
    for member in &files.members {
        add(&mut tar, member)?;
    }
    tar.finish().map_err(|_| Stop::ReaderGone)
}

fn add<W: Write>(tar: &mut Builder<W>, member: &Member) -> Result<(), Stop> {
    let Member { path, source, kind } = member;
    let path = Path::new(PROJECT_MEMBER).join(path);
    match kind {
        MemberKind::Directory => {
            let metadata = fs::metadata(source).map_err(unreadable(source))?;
            let mut header = header_of(EntryType::Directory, &metadata);
            append(tar, &mut header, &path, io::empty())
        }
        MemberKind::Link { target } => {
            let metadata = fs::symlink_metadata(source).map_err(unreadable(source))?;
            let mut header = header_of(EntryType::Symlink, &metadata);
            tar.append_link(&mut header, path, target)
                .map_err(|_| Stop::ReaderGone)
        }
        MemberKind::File => add_file(tar, &path, source),
    }
}

fn add_file<W: Write>(tar: &mut Builder<W>, member: &Path, path: &Path) -> Result<(), Stop> {
    let file = File::open(path).map_err(unreadable(path))?;
    let metadata = file.metadata().map_err(unreadable(path))?;
    let mut header = header_of(EntryType::Regular, &metadata);
    header.set_size(metadata.len());
    let mut contents = Contents {
        // A file that grows meanwhile is cut: its length has been told.
        reader: BufReader::new(file.take(metadata.len())),
        failure: None,
    };
    let result = append(tar, &mut header, member, &mut contents);
    if result.is_ok() && contents.reader.get_ref().limit() > 0 {
        contents.failure = Some(io::Error::other("the file became shorter while it was read"));
    }
    match contents.failure {
        Some(error) => Err(unreadable(path)(error)),
        None => result,
    }
}

fn append<W: Write>(
    tar: &mut Builder<W>,
    header: &mut Header,
    member: &Path,
    contents: impl Read,
) -> Result<(), Stop> {
    tar.append_data(header, member, contents)
        .map_err(|_| Stop::ReaderGone)
}

/// A file's contents, with what went wrong while they were read.
struct Contents {
    reader: BufReader<Take<File>>,
    failure: Option<io::Error>,
}

impl Read for Contents {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failure = Some(error);
            kind.into()
        })
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> Stop {
    move |source| Stop::File(DockerError::unreadable(path)(source))
}

fn header_of(kind: EntryType, metadata: &fs::Metadata) -> Header {
    let mut header = header(kind, metadata.permissions().mode() & 0o7777);
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    header.set_mtime(modified.unwrap_or_default().as_secs());
    header
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn written(project: &Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        let files = ProjectFiles::of(project, None).unwrap();
        assert!(write(&mut bytes, "FROM x\n", &files).is_ok());
        bytes
    }

    #[test]
    fn the_context_holds_the_files_in_their_order_and_is_the_same_every_time() {
        let directory = tempfile::tempdir().unwrap();
        let project = directory.path();
        for file in ["b.py", "a/x", "a/drop", ".git/config", "mlflow.db"] {
            let file = project.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "text").unwrap();
        }
        fs::write(project.join(".dockerignore"), "a/drop\n").unwrap();
        fs::set_permissions(project.join("b.py"), fs::Permissions::from_mode(0o755)).unwrap();
        let long = "l".repeat(200);
        symlink(&long, project.join("link")).unwrap();
        fs::write(project.join(&long), "long").unwrap();

        let bytes = written(project);
        assert_eq!(written(project), bytes);
        let mut archive = tar::Archive::new(bytes.as_slice());
        let members: Vec<String> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!(header.uid().unwrap(), 0);
                let link = entry.link_name().unwrap().map_or(String::new(), |link| {
                    format!(" -> {} characters", link.to_string_lossy().len())
                });
                let mode = header.mode().unwrap() & 0o111;
                format!("{} {mode:o}{link}", entry.path().unwrap().display())
            })
            .collect();
        let long = format!("project/{long} 0");
        assert_eq!(
            members,
            [
                "Dockerfile 0",
                "project/ 111",
                "project/.dockerignore 0",
                "project/a 111",
                "project/a/x 0",
                "project/b.py 111",
                "project/link 111 -> 200 characters",
                &long,
            ]
        );
    }

    #[test]
    fn a_reader_that_goes_away_is_told_apart_from_a_file_that_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), vec![b'x'; 1 << 20]).unwrap();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let files = ProjectFiles::of(directory.path(), None).unwrap();
        let stop = write(writer, "FROM x\n", &files);
        assert!(matches!(stop, Err(Stop::ReaderGone)));

        fs::remove_file(directory.path().join("file")).unwrap();
        let stop = write(Vec::new(), "FROM x\n", &files);
        assert!(matches!(stop, Err(Stop::File(_))), "{stop:?}");
    }
}
