//! Zip files that no program makes: hostile and broken ones, through the library.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::harness::{assert_contains, assert_ends_with, assert_starts_with};
use mlrun::internals::events::{Progress, Silent, Transfer};
use mlrun::internals::fetch::{FetchOptions, WorkDir, fetch};
use mlrun::internals::project_uri::ProjectUri;

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
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
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
    let work_dir = fetch(&uri, &FetchOptions::default(), &Silent)
        .await
        .map_err(|error| {
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
        member("..a/b..", FILE, ""),
        member("ab:c", FILE, ""),
    ]);
    let (work_dir, files) = unpacked(&bytes, "").await.unwrap();
    assert_eq!(
        files,
        [
            "..a/b..=",
            "MLproject=name: x",
            "ab:c=",
            "bin/run.sh*=#!/bin/sh",
            "deep/er/ü.txt=z"
        ]
    );
    assert!(work_dir.is_temporary());
    let path = work_dir.path().to_owned();
    drop(work_dir);
    assert!(!path.exists());
    let (work_dir, files) = unpacked(&bytes, "#bin").await.unwrap();
    assert_eq!(files, ["run.sh*=#!/bin/sh"]);
    assert_ends_with(&work_dir.source().name, "/p.zip#bin");
}

#[tokio::test]
async fn hostile_members_are_refused() {
    let mut encrypted = member("x", FILE, "abcdefghijklmnop");
    encrypted.flags |= 1;
    let mut odd = member("x", FILE, "abc");
    odd.method = 12;
    let mut large = member("x", FILE, "abc");
    large.size = u32::MAX;
    for (members, expected) in [
        (
            vec![member("../x", FILE, "")],
            "the member '../x' is refused: its path leaves the zip file with '..'",
        ),
        (
            vec![member("a/../b", FILE, "")],
            "the member 'a/../b' is refused: its path leaves the zip file with '..'",
        ),
        (
            vec![member("/x", FILE, "")],
            "the member '/x' is refused: its path is absolute",
        ),
        (
            vec![member("a:b", FILE, "")],
            "the member 'a:b' is refused: its path begins with a drive letter",
        ),
        (
            vec![member(r"a\..\b", FILE, "")],
            r"the member 'a\\..\\b' is refused: its path contains a backslash",
        ),
        (
            vec![member("a\tb", FILE, "")],
            r"the member 'a\tb' is refused: its name contains a control character",
        ),
        (
            vec![member("C:/x", FILE, "")],
            "the member 'C:/x' is refused: its path begins with a drive letter",
        ),
        (
            vec![member("l", 0o120_777, "/etc")],
            "the member 'l' is refused: it is a symbolic link",
        ),
        (
            vec![member("d", 0o020_666, "")],
            "the member 'd' is refused: it is a device, a pipe or a socket",
        ),
        (
            vec![member("d", 0o010_666, "")],
            "the member 'd' is refused: it is a device, a pipe or a socket",
        ),
        (
            vec![member("a", FILE, ""), member("a", FILE, "")],
            "not a valid zip file: two members have the same name",
        ),
        (
            vec![member("a", FILE, ""), member("./a", FILE, "")],
            "the member './a' is refused: another member has the same path",
        ),
        (
            vec![member("a", FILE, ""), member("a/b", FILE, "")],
            "the member 'a/b' is refused: its directory has the same path as a file",
        ),
        (
            vec![member("a/b", FILE, ""), member("a", FILE, "")],
            "the member 'a' is refused: a file and a directory have the same path",
        ),
        (vec![encrypted], "the member 'x' is encrypted"),
        (
            vec![odd],
            "the member 'x' uses the unsupported compression method Bzip2",
        ),
    ] {
        let error = unpacked(&zip_bytes(&members), "").await.unwrap_err();
        assert_eq!(error, format!("cannot unpack the zip file 'p.zip': {expected}"));
    }
    let five_large = ["a", "b", "c", "d", "e"].map(|name| Member {
        name,
        contents: b"abc".to_vec(),
        ..member("", FILE, "")
    });
    let five_large = five_large.map(|member| Member {
        size: u32::MAX - 1,
        ..member
    });
    let error = unpacked(&zip_bytes(&five_large), "").await.unwrap_err();
    assert_contains(&error, "16 GiB");
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
        (&b""[..], "not a valid zip file"),
        (&b"no zip at all"[..], "not a valid zip file"),
        (&good[..good.len() / 2], "not a valid zip file"),
        (&wrong_checksum[..], "the member 'MLproject' is damaged"),
    ] {
        let error = unpacked(bytes, "").await.unwrap_err();
        assert_starts_with(&error, &format!("cannot unpack the zip file 'p.zip': {expected}"));
    }
}

#[tokio::test]
async fn a_missing_subdirectory_is_told_with_what_is_there() {
    let bytes = zip_bytes(&[
        member("project-main/MLproject", FILE, "name: x"),
        member("a/b/c", FILE, ""),
    ]);
    let error = unpacked(&bytes, "#nothing").await.unwrap_err();
    assert_eq!(error, "there is no directory 'nothing' in the zip file 'p.zip'");
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
    fn transfer(&self, _transfer: Transfer<'_>) {}
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
    fetch(&uri, &FetchOptions::default(), &progress).await.unwrap();
    let warnings = progress.0.into_inner().unwrap();
    assert_eq!(warnings.len(), 1);
    assert_ends_with(&warnings[0], "did you mean 'p.zip#p-main'?");
}
