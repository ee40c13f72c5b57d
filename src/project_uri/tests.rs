use std::fs;
use std::path::PathBuf;

use super::*;

/// A directory with a few projects, and what a URI is there, as one text.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        for directory in [
            "project/sub/v1.2",
            "with space",
            "a%20b",
            "project.zip.d",
            "dir.zip",
            "it's",
        ] {
            fs::create_dir_all(place.path().join(directory)).unwrap();
        }
        for file in [
            "project.zip",
            "UPPER.ZIP",
            "notes.txt",
            "project/MLproject",
            "with space.zip",
        ] {
            fs::write(place.path().join(file), "").unwrap();
        }
        Self(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, text: &str) -> String {
        let text = text.replace("<cwd>", self.0.path().to_str().unwrap());
        let read = match ProjectUri::parse(&text, self.0.path()) {
            Ok(uri) => {
                let location = match uri.location() {
                    Location::Directory(path) => format!("directory {}", path.display()),
                    Location::ZipFile(path) => format!("zip file {}", path.display()),
                    Location::ZipUrl(url) => format!("zip url {url}"),
                    Location::Git(url) => match url.tree() {
                        Some(tree) => format!("git {} tree {}", url.expose(), tree),
                        None => format!("git {}", url.expose()),
                    },
                };
                match uri.subdirectory() {
                    Some(subdirectory) => format!("{location} sub {subdirectory}"),
                    None => location,
                }
            }
            Err(error) => format!("{error} / {}", error.hint().unwrap_or_default()),
        };
        read.replace(self.0.path().to_str().unwrap(), "<cwd>")
    }
}

#[test]
fn locations_are_told_apart() {
    let place = Place::new();
    for (text, expected) in [
        (".", "directory <cwd>"),
        ("project", "directory <cwd>/project"),
        ("./project/", "directory <cwd>/project"),
        ("project/sub/..", "directory <cwd>/project"),
        ("no/../project", "directory <cwd>/project"),
        ("<cwd>/project", "directory <cwd>/project"),
        ("'project'", "directory <cwd>/project"),
        ("\"project\"", "directory <cwd>/project"),
        ("with space", "directory <cwd>/with space"),
        ("it's", "directory <cwd>/it's"),
        ("dir.zip", "directory <cwd>/dir.zip"),
        ("project.zip", "zip file <cwd>/project.zip"),
        ("UPPER.ZIP", "zip file <cwd>/UPPER.ZIP"),
        ("project.zip#a/b", "zip file <cwd>/project.zip sub a/b"),
        ("project#", "directory <cwd>/project"),
        ("project#sub", "directory <cwd>/project sub sub"),
        ("project#./sub/", "directory <cwd>/project sub sub"),
        ("project#sub/v1.2", "directory <cwd>/project sub sub/v1.2"),
        ("project#a#b", "directory <cwd>/project sub a#b"),
        ("file://<cwd>/project", "directory <cwd>/project"),
        ("file://localhost<cwd>/project", "directory <cwd>/project"),
        ("file://project", "directory <cwd>/project"),
        ("file://<cwd>/with%20space", "directory <cwd>/with space"),
        ("file://<cwd>/a%20b", "directory <cwd>/a%20b"),
        ("file://<cwd>/with%20space.zip", "zip file <cwd>/with space.zip"),
        ("file://<cwd>/project#s%75b", "directory <cwd>/project sub sub"),
        ("https://h/project.zip", "zip url https://h/project.zip"),
        (
            "https://h/project.zip?signature=x",
            "zip url https://h/project.zip?signature=x",
        ),
        ("https://h/p.zip#p-main", "zip url https://h/p.zip sub p-main"),
        ("https://github.com/o/r", "git https://github.com/o/r"),
        ("'https://github.com/o/r.git'", "git https://github.com/o/r.git"),
        ("https://u:t@h:8443/o/r#a/b", "git https://u:t@h:8443/o/r sub a/b"),
        ("http://[::1]:80/r", "git http://[::1]:80/r"),
        ("ssh://git@h:22/o/r.git", "git ssh://git@h:22/o/r.git"),
        ("ssh://git@h/~u/r", "git ssh://git@h/~u/r"),
        ("git+ssh://git@h/r", "git git+ssh://git@h/r"),
        ("git://h/r", "git git://h/r"),
        ("git@github.com:o/r.git", "git git@github.com:o/r.git"),
        ("git@h:~/r", "git git@h:~/r"),
        ("host:r", "git host:r"),
        ("git@[::1]:r", "git git@[::1]:r"),
        ("git@h:o/r#sub", "git git@h:o/r sub sub"),
    ] {
        assert_eq!(place.read(text), expected, "{text}");
    }
}

#[test]
fn pages_of_directories_name_repository_version_and_directory() {
    let place = Place::new();
    for (text, expected) in [
        (
            "https://github.com/o/r/tree/main/a/b",
            "git https://github.com/o/r tree main/a/b",
        ),
        (
            "https://github.com/o/r/tree/main/",
            "git https://github.com/o/r tree main",
        ),
        (
            "https://github.com/o/r/tree/a%20b/c?tab=x",
            "git https://github.com/o/r tree a b/c",
        ),
        (
            "https://github.com/o/r/blob/main/a/MLproject",
            "git https://github.com/o/r tree main/a",
        ),
        (
            "https://gitlab.com/g/s/r/-/tree/main/a",
            "git https://gitlab.com/g/s/r tree main/a",
        ),
        (
            "https://codeberg.org/o/r/src/branch/main/a",
            "git https://codeberg.org/o/r tree main/a",
        ),
        (
            "https://codeberg.org/o/r/src/tag/v1/a",
            "git https://codeberg.org/o/r tree v1/a",
        ),
        (
            "https://bitbucket.org/o/r/src/main/a",
            "git https://bitbucket.org/o/r tree main/a",
        ),
        (
            "https://u:t@h/o/r/tree/main/a#b",
            "git https://u:t@h/o/r tree main/a sub b",
        ),
        ("https://h/o/r/src/main", "git https://h/o/r/src/main"),
        ("https://h/git/tree/r.git", "git https://h/git/tree/r.git"),
        ("https://h/o/r/tree", "git https://h/o/r/tree"),
    ] {
        assert_eq!(place.read(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_a_project_is_refused() {
    const KINDS: &str = "use a directory, a .zip file (also https://), or a Git URL (https://, ssh://, git://, \
    user@host:path)";
    const FORMS: &str = "use https://HOST/ORGANISATION/REPOSITORY or USER@HOST:PATH";
    const INSIDE: &str = "use a directory inside the project, for example #models/train";
    let place = Place::new();
    for (text, expected, hint) in [
        (
            "",
            "the project URI is empty",
            "pass a directory or URL; '.' is the current directory",
        ),
        (
            "''",
            "the project URI is empty",
            "pass a directory or URL; '.' is the current directory",
        ),
        (
            "#sub",
            "the project URI is empty",
            "pass a directory or URL; '.' is the current directory",
        ),
        (
            "file://",
            "the project URI is empty",
            "pass a directory or URL; '.' is the current directory",
        ),
        (
            "a\nb",
            "the project URI 'a\\nb' contains a control character",
            KINDS,
        ),
        (
            "a\0b",
            "the project URI 'a\\0b' contains a control character",
            KINDS,
        ),
        (
            "file:///a%00b",
            "the project URI 'file:///a%00b' contains a control character",
            KINDS,
        ),
        (
            "--upload-pack=x",
            "the project URI '--upload-pack=x' begins with '-', which would be read as an option",
            "use './--upload-pack=x' for a directory of that name",
        ),
        (
            "ext::sh -c x",
            "the project URI 'ext::sh -c x' uses the Git remote helper 'ext', which is not allowed: it could run any program",
            KINDS,
        ),
        (
            "fd::17/x",
            "the project URI 'fd::17/x' uses the Git remote helper 'fd', which is not allowed: it could run any program",
            KINDS,
        ),
        (
            "s3://bucket/x",
            "unsupported scheme 's3://' in the project URI 's3://bucket/x'",
            KINDS,
        ),
        (
            "ftp://u:p@h/x",
            "unsupported scheme 'ftp://' in the project URI 'ftp://h/x'",
            KINDS,
        ),
        (
            "https:///x",
            "the project URI 'https:///x' is malformed: the host is missing",
            FORMS,
        ),
        (
            "https://u:t@h",
            "the project URI 'https://h' is malformed: the repository after the host is missing",
            FORMS,
        ),
        (
            "https://h:99999/r",
            "the project URI 'https://h:99999/r' is malformed: the port is not a number up to 65535",
            FORMS,
        ),
        (
            "ssh://-oProxyCommand=x/r",
            "the project URI 'ssh://-oProxyCommand=x/r' is malformed: a user or host that begins with '-' would be read as an option",
            FORMS,
        ),
        (
            "ssh://h/-r",
            "the project URI 'ssh://h/-r' is malformed: a path that begins with '-' would be read as an option",
            FORMS,
        ),
        (
            "git@-h:r",
            "the project URI 'git@-h:r' is malformed: a user, host or path that begins with '-' would be read as an option",
            FORMS,
        ),
        (
            "host:-r",
            "the project URI 'host:-r' is malformed: a user, host or path that begins with '-' would be read as an option",
            FORMS,
        ),
        (
            "git@h:",
            "the project URI 'git@h:' is malformed: the path after the colon is missing",
            FORMS,
        ),
        (
            "C:\\projects\\x",
            "the project URI 'C:\\projects\\x' is malformed: Windows drives are not supported",
            FORMS,
        ),
        (
            "user:token@github.com/o/r",
            "the project URI for 'github.com/o/r' contains a user and a password but no scheme",
            "use https://USER:TOKEN@github.com/o/r or, better, a Git credential helper",
        ),
        (
            "https://github.com/o/r/blob/main/train.py",
            "'https://github.com/o/r/blob/main/train.py' is the page of a file, not of a directory",
            "use the page of its directory (…/tree/BRANCH/DIRECTORY)",
        ),
        (
            "https://github.com/o/r/tree/a%0Ab",
            "the project URI 'https://github.com/o/r/tree/a%0Ab' contains a control character",
            KINDS,
        ),
        (
            "projekt",
            "no such directory: 'projekt' (<cwd>/projekt)",
            "did you mean 'project'?",
        ),
        (
            "projekt.zip",
            "no such file: 'projekt.zip' (<cwd>/projekt.zip)",
            "did you mean 'project.zip'?",
        ),
        (
            "notes.txt/x",
            "no such directory: 'notes.txt/x' (<cwd>/notes.txt/x)",
            "for a Git repository use https://notes.txt/x",
        ),
        (
            "<cwd>/nothing-here",
            "no such directory: '<cwd>/nothing-here'",
            KINDS,
        ),
        (
            "github.com/o/r",
            "no such directory: 'github.com/o/r' (<cwd>/github.com/o/r)",
            "for a Git repository use https://github.com/o/r",
        ),
        (
            "~/project",
            "no such directory: '~/project' (<cwd>/~/project)",
            "use the full path: only the shell expands '~', and only outside quotes",
        ),
        ("file://<cwd>/n%20one", "no such directory: '<cwd>/n one'", KINDS),
        (
            "file://host/share",
            "the project URI 'file://host/share' names a file on another machine, 'host'",
            "use a file on this machine: file:///ABSOLUTE/PATH",
        ),
        (
            "notes.txt",
            "'<cwd>/notes.txt' is not a project directory or a zip file",
            KINDS,
        ),
        (
            "project/MLproject",
            "'<cwd>/project/MLproject' is not a project directory or a zip file",
            "use its directory: <cwd>/project",
        ),
        (
            "project#../x",
            "the subdirectory '../x' is not inside the project: '..' leaves the project",
            INSIDE,
        ),
        (
            "project#sub/../..",
            "the subdirectory 'sub/../..' is not inside the project: '..' leaves the project",
            INSIDE,
        ),
        (
            "project#/etc",
            "the subdirectory '/etc' is not inside the project: it is an absolute path",
            INSIDE,
        ),
        (
            "file://<cwd>/project#%2e%2e",
            "the subdirectory '..' is not inside the project: '..' leaves the project",
            INSIDE,
        ),
        (
            "https://h/r#../x",
            "the subdirectory '../x' is not inside the project: '..' leaves the project",
            INSIDE,
        ),
    ] {
        assert_eq!(place.read(text), format!("{expected} / {hint}"), "{text}");
    }
}

#[test]
fn an_unreadable_place_is_told() {
    let place = Place::new();
    fs::create_dir(place.path("deep")).unwrap();
    let long = format!("deep/{}", "x".repeat(5000));
    assert!(
        place.read(&long).starts_with("no such directory"),
        "{}",
        place.read(&long)
    );
}

#[test]
fn credentials_are_not_shown() {
    let place = Place::new();
    for (text, expected) in [
        ("https://user:token@h/o/r#sub", "https://h/o/r#sub"),
        ("'https://token@h/p.zip?X-Signature=abc#d'", "https://h/p.zip#d"),
        ("ssh://git@h/r", "ssh://h/r"),
        ("git@h:o/r", "git@h:o/r"),
        ("./project/", "./project/"),
    ] {
        let uri = ProjectUri::parse(text, place.0.path()).unwrap();
        assert_eq!(uri.to_string(), expected);
        let debugged = format!("{uri:?}");
        assert!(
            !debugged.contains("token") && !debugged.contains("abc"),
            "{debugged}"
        );
    }
}
