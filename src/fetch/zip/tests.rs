use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::events::Silent;

const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const DIRECTORY: u32 = 0o040_755;

/// A member exactly as it shall stand in the zip file; real writers refuse to make most of these.
struct Member {
    name: &'static str,
    mode: u32,
    flags: u16,
    method: u16,
    contents: Vec<u8>,
    size: u32,
}

fn member(name: &'static str, mode: u32, contents: &str) -> Member {
    Member {
        name,
        mode,
        flags: 1 << 11,
        method: 0,
        contents: contents.into(),
        size: contents.len() as u32,
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn zip_bytes(members: &[Member]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for member in members {
        let offset = bytes.len() as u32;
        let mut header = Vec::new();
        for half in [20, member.flags, member.method, 0, 0x21] {
            header.extend(half.to_le_bytes());
        }
        for word in [crc32(&member.contents), member.contents.len() as u32, member.size] {
            header.extend(word.to_le_bytes());
        }
        header.extend((member.name.len() as u16).to_le_bytes());
        header.extend(0u16.to_le_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&header);
        bytes.extend(member.name.as_bytes());
        bytes.extend(&member.contents);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&header);
        directory.extend([0; 6]);
        directory.extend((member.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let (start, count) = (bytes.len() as u32, members.len() as u16);
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend(0u16.to_le_bytes());
    bytes
}

/// What came of unpacking: the files with their contents, or the error with its causes.
async fn unpacked(bytes: &[u8], subdirectory: &str) -> Result<(WorkDir, Vec<String>), String> {
    let place = tempfile::tempdir().unwrap();
    let zip = place.path().join("p.zip");
    fs::write(&zip, bytes).unwrap();
    let uri = ProjectUri::parse(&format!("p.zip{subdirectory}"), place.path()).unwrap();
    let work_dir = fetch_file(&uri, &zip, &Silent).await.map_err(|error| {
        let mut text = error.to_string();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text.replace(zip.to_str().unwrap(), "p.zip")
    })?;
    let mut files = Vec::new();
    collect(work_dir.path(), &mut files);
    files.sort();
    let files = files
        .iter()
        .map(|path| {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            let name = path.strip_prefix(work_dir.path()).unwrap().display();
            format!(
                "{name}{}={}",
                if mode & 0o100 != 0 { "*" } else { "" },
                fs::read_to_string(path).unwrap()
            )
        })
        .collect();
    Ok((work_dir, files))
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files)
        } else {
            files.push(path)
        }
    }
}

#[tokio::test]
async fn files_directories_and_executable_bits_come_out() {
    let bytes = zip_bytes(&[
        member("MLproject", FILE, "name: x"),
        member("bin/", DIRECTORY, ""),
        member("bin/run.sh", PROGRAM, "#!/bin/sh"),
        member("./deep//er/ü.txt", 0, "z"),
    ]);
    let (work_dir, files) = unpacked(&bytes, "").await.unwrap();
    assert_eq!(
        files,
        ["MLproject=name: x", "bin/run.sh*=#!/bin/sh", "deep/er/ü.txt=z"]
    );
    assert!(work_dir.is_temporary());
    let path = work_dir.path().to_owned();
    drop(work_dir);
    assert!(!path.exists());
    let (work_dir, files) = unpacked(&bytes, "#bin").await.unwrap();
    assert_eq!(files, ["run.sh*=#!/bin/sh"]);
    assert!(
        work_dir.source().name.ends_with("/p.zip#bin"),
        "{}",
        work_dir.source().name
    );
}

#[tokio::test]
async fn hostile_members_are_refused() {
    let mut encrypted = member("x", FILE, "abcdefghijklmnop");
    encrypted.flags |= 1;
    let mut odd = member("x", FILE, "abc");
    odd.method = 12;
    for (name, mode, reason) in [
        ("../x", FILE, "its path leaves the zip file with '..'"),
        ("a/../b", FILE, "its path leaves the zip file with '..'"),
        ("/x", FILE, "its path is absolute"),
        ("C:/x", FILE, "its path begins with a drive letter"),
        ("a\\b", FILE, "its path holds a backslash"),
        ("a\0b", FILE, "its name holds a control character"),
        ("l", 0o120_777, "it is a symbolic link"),
        ("d", 0o020_666, "it is a device, a pipe or a socket"),
        ("d", 0o010_666, "it is a device, a pipe or a socket"),
    ] {
        let error = unpacked(&zip_bytes(&[member(name, mode, "")]), "")
            .await
            .unwrap_err();
        let expected = format!("its member '{}' is refused: {reason}", name.escape_debug());
        assert_eq!(error, format!("cannot unpack the zip file 'p.zip': {expected}"));
    }
    for (members, expected) in [
        (
            vec![member("a", FILE, ""), member("a", FILE, "")],
            "it is no zip file, or a damaged one: two of its members have the same name",
        ),
        (
            vec![member("a", FILE, ""), member("./a", FILE, "")],
            "its member './a' is refused: another member has the same path",
        ),
        (
            vec![member("a", FILE, ""), member("a/b", FILE, "")],
            "its member 'a/b' is refused: a file of the same name stands where its directory would be",
        ),
        (
            vec![member("a/b", FILE, ""), member("a", FILE, "")],
            "its member 'a' is refused: a file and a directory have the same path",
        ),
        (vec![encrypted], "its member 'x' is encrypted"),
        (
            vec![odd],
            "its member 'x' is compressed by the method Bzip2, which is not supported",
        ),
    ] {
        let error = unpacked(&zip_bytes(&members), "").await.unwrap_err();
        assert_eq!(error, format!("cannot unpack the zip file 'p.zip': {expected}"));
    }
    let five_large = ["a", "b", "c", "d", "e"].map(|name| Member {
        size: u32::MAX - 1,
        ..member(name, FILE, "abc")
    });
    let error = unpacked(&zip_bytes(&five_large), "").await.unwrap_err();
    assert!(error.contains("16 GiB"), "{error}");
}

#[tokio::test]
async fn broken_zip_files_are_told() {
    let good = zip_bytes(&[member("MLproject", FILE, "name: x")]);
    let mut wrong_checksum = good.clone();
    let at = wrong_checksum
        .windows(7)
        .position(|window| window == b"name: x")
        .unwrap();
    wrong_checksum[at] = b'X';
    for (bytes, expected) in [
        (&b""[..], "it is no zip file, or a damaged one"),
        (&good[..good.len() / 2], "it is no zip file, or a damaged one"),
        (&wrong_checksum[..], "its member 'MLproject' is damaged"),
    ] {
        let error = unpacked(bytes, "").await.unwrap_err();
        assert!(
            error.starts_with(&format!("cannot unpack the zip file 'p.zip': {expected}")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_subdirectory_that_is_a_file_is_told() {
    let bytes = zip_bytes(&[member("project-main/MLproject", FILE, "name: x")]);
    let error = unpacked(&bytes, "#project-main/MLproject").await.unwrap_err();
    assert_eq!(
        error,
        "'project-main/MLproject' in the zip file 'p.zip' is a file, not a directory"
    );
}

/// Progress that keeps its warnings.
#[derive(Default)]
struct Kept(std::sync::Mutex<Vec<String>>);

impl Progress for Kept {
    fn info(&self, _line: &str) {}
    fn warning(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
    fn output(&self, _bytes: &[u8]) {}
    fn transfer(&self, _transfer: crate::events::Transfer<'_>) {}
}

#[tokio::test]
async fn a_project_one_directory_down_is_hinted_at() {
    let place = tempfile::tempdir().unwrap();
    let zip = place.path().join("p.zip");
    fs::write(
        &zip,
        zip_bytes(&[member("p-main/mlProject", FILE, ""), member("other/x", FILE, "")]),
    )
    .unwrap();
    let uri = ProjectUri::parse("p.zip", place.path()).unwrap();
    let progress = Kept::default();
    fetch_file(&uri, &zip, &progress).await.unwrap();
    let warnings = progress.0.into_inner().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].ends_with("did you mean 'p.zip#p-main'?"),
        "{}",
        warnings[0]
    );
}
