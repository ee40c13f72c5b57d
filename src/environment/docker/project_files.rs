//! Which files of a project an image gets.
//!
//! A link within the project stays one. What another link leads to is copied in its place, as `mlflow run`
//! does it with all links: in the image there is nothing outside of the project.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::error::DockerError;
use super::ignore::IgnoreRules;

#[derive(Debug)]
pub(super) struct ProjectFiles {
    /// In the order of their names; the project's directory comes first.
    pub(super) members: Vec<Member>,
    /// Whether something in it lies elsewhere than in the project's directory.
    pub(super) has_copies: bool,
    /// Links that lead nowhere, not even in the image.
    pub(super) dangling: Vec<PathBuf>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Relative to the project.
    pub(super) path: PathBuf,
    pub(super) source: PathBuf,
    pub(super) kind: MemberKind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum MemberKind {
    File,
    Directory,
    Link { target: PathBuf },
}

impl ProjectFiles {
    /// Walks through a project, but for what its `.dockerignore` leaves out. No link may lead out of
    /// `fetched`, the directory that the project was fetched into: its author does not decide which files of
    /// this machine are read.
    pub(super) fn of(project: &Path, fetched: Option<&Path>) -> Result<Self, DockerError> {
        let rules = IgnoreRules::of(project)?;
        let whole = |path: &Path| path.canonicalize().map_err(DockerError::unreadable(path));
        let root = whole(project)?;
        let mut walk = Walk {
            boundary: fetched.map(whole).transpose()?,
            rules: &rules,
            within: vec![root.clone()],
            root,
            files: Self {
                members: Vec::new(),
                has_copies: false,
                dangling: Vec::new(),
            },
        };
        walk.push(Path::new(""), project, MemberKind::Directory);
        walk.directory(Path::new(""), project)?;
        Ok(walk.files)
    }
}

struct Walk<'a> {
    /// The project's directory, without links in its path.
    root: PathBuf,
    boundary: Option<PathBuf>,
    rules: &'a IgnoreRules,
    /// The project's directory, and those that links have led to, each in the one before it.
    within: Vec<PathBuf>,
    files: ProjectFiles,
}

impl Walk<'_> {
    fn push(&mut self, path: &Path, source: &Path, kind: MemberKind) {
        self.files.members.push(Member {
            path: path.to_owned(),
            source: source.to_owned(),
            kind,
        });
    }

    fn directory(&mut self, path: &Path, source: &Path) -> Result<(), DockerError> {
        for name in names_in(source).map_err(DockerError::unreadable(source))? {
            self.entry(&path.join(&name), &source.join(&name))?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, source: &Path) -> Result<(), DockerError> {
        let kind = fs::symlink_metadata(source)
            .map_err(DockerError::unreadable(source))?
            .file_type();
        let name = path.to_string_lossy();
        let is_ignored = self.rules.ignores(&name);
        if kind.is_dir() {
            if !is_ignored {
                self.push(path, source, MemberKind::Directory);
            }
            if !is_ignored || self.rules.may_take_in_below(&name) {
                self.directory(path, source)?;
            }
        } else if !is_ignored && kind.is_symlink() {
            self.link(path, source)?;
        } else if !is_ignored && kind.is_file() {
            self.push(path, source, MemberKind::File);
        }
        // Sockets, pipes and devices have no contents that an image could hold.
        Ok(())
    }

    fn link(&mut self, path: &Path, source: &Path) -> Result<(), DockerError> {
        let target = fs::read_link(source).map_err(DockerError::unreadable(source))?;
        let real = match source.canonicalize() {
            Ok(real) => real,
            Err(error) if leads_nowhere(&error) => {
                // What an absolute one names may be there in the image.
                if target.is_relative() {
                    self.files.dangling.push(path.to_owned());
                }
                self.push(path, source, MemberKind::Link { target });
                return Ok(());
            }
            Err(error) => return Err(DockerError::unreadable(source)(error)),
        };
        if self.is_good_in_image(path, &target, &real) {
            self.push(path, source, MemberKind::Link { target });
            return Ok(());
        }
        let refused = |problem: &str, advice: &str| {
            let (path, target) = (path.display(), target.display());
            Err(DockerError::new(
                format!(
                    "cannot add the link '{path}' to the image: it points to '{target}', which {problem}"
                ),
                format!("{advice} in the project's .dockerignore"),
            ))
        };
        if self.boundary.as_ref().is_some_and(|top| !real.starts_with(top)) {
            let advice = "add the file to the project's repository, or exclude the link";
            return refused("was not fetched with the project", advice);
        }
        let kind = fs::metadata(&real)
            .map_err(DockerError::unreadable(source))?
            .file_type();
        self.files.has_copies = true;
        if kind.is_file() {
            self.push(path, &real, MemberKind::File);
            Ok(())
        } else if !kind.is_dir() {
            refused(
                "is neither a file nor a directory",
                "remove the link, or exclude it",
            )
        } else if self.within.iter().any(|outer| outer.starts_with(&real)) {
            refused("holds the link itself", "remove the link, or exclude it")
        } else {
            self.push(path, &real, MemberKind::Directory);
            self.within.push(real.clone());
            self.directory(path, &real)?;
            self.within.pop();
            Ok(())
        }
    }

    /// Whether a link leads to the same file in the image as here.
    fn is_good_in_image(&self, path: &Path, target: &Path, real: &Path) -> bool {
        let Ok(inside) = real.strip_prefix(&self.root) else {
            return false;
        };
        // In a copied directory the link is elsewhere than here.
        self.within.len() == 1 && stays_inside(path, target) && !self.rules.ignores(&inside.to_string_lossy())
    }
}

/// Whether a path that is relative to the link's directory stays in the project all the way.
fn stays_inside(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::CurDir => {}
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    true
}

fn leads_nowhere(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    ) || error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32)
}

fn names_in(directory: &Path) -> io::Result<Vec<OsString>> {
    let entries = fs::read_dir(directory)?.collect::<io::Result<Vec<_>>>()?;
    let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    /// A directory with a project in it, and files beside it.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let project = top.path().join("project");
        for file in [
            "project/src/a.py",
            "project/data/x",
            "project/.git/config",
            "shared/common.py",
            "shared/deep/y",
        ] {
            let file = top.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "text").unwrap();
        }
        (top, project)
    }

    fn kind_of(files: &ProjectFiles, path: &str) -> String {
        let member = files.members.iter().find(|member| member.path == Path::new(path));
        match member.map(|member| &member.kind) {
            None => "missing".to_owned(),
            Some(MemberKind::File) => "file".to_owned(),
            Some(MemberKind::Directory) => "directory".to_owned(),
            Some(MemberKind::Link { target }) => format!("-> {}", target.display()),
        }
    }

    #[test]
    fn links_stay_links_or_become_what_they_lead_to() {
        let (top, project) = tree();
        let absolute = top.path().join("shared/common.py");
        let own = project.join("src/a.py");
        fs::write(project.join(".dockerignore"), "data\n").unwrap();
        for (link, target, expected) in [
            ("src/inside", Path::new("a.py"), "-> a.py"),
            ("inside", Path::new("src/../src"), "-> src/../src"),
            ("here", Path::new("."), "-> ."),
            ("common.py", Path::new("../shared/common.py"), "file"),
            ("chain", Path::new("common.py"), "file"),
            ("absolute", &absolute, "file"),
            ("own", &own, "file"),
            ("out-and-in", Path::new("../project/src/a.py"), "file"),
            ("ignored", Path::new("data"), "directory"),
            ("history", Path::new(".git/config"), "file"),
            ("shared", Path::new("../shared"), "directory"),
            ("nowhere", Path::new("gone"), "-> gone"),
            ("self", Path::new("self"), "-> self"),
            (
                "in-image",
                Path::new("/opt/nowhere/python"),
                "-> /opt/nowhere/python",
            ),
        ] {
            symlink(target, project.join(link)).unwrap();
            let files = ProjectFiles::of(&project, None).unwrap();
            assert_eq!(kind_of(&files, link), expected, "{link}");
        }
        symlink("deep/y", top.path().join("shared/z")).unwrap();
        let files = ProjectFiles::of(&project, None).unwrap();
        assert!(files.has_copies);
        assert_eq!(files.dangling, [Path::new("nowhere"), Path::new("self")]);
        for (path, expected) in [
            ("shared/deep/y", "file"),
            ("shared/z", "file"),
            ("ignored/x", "file"),
            ("data", "missing"),
        ] {
            assert_eq!(kind_of(&files, path), expected, "{path}");
        }
    }

    #[test]
    fn what_cannot_be_copied_is_told() {
        let (top, project) = tree();
        let _listener = UnixListener::bind(top.path().join("socket")).unwrap();
        symlink("../project/src", top.path().join("shared/back")).unwrap();
        symlink("../../shared", top.path().join("shared/deep/round")).unwrap();
        let absolute = project.clone();
        for (target, expected) in [
            (Path::new("/dev/null"), "which is neither a file nor a directory"),
            (Path::new("../socket"), "which is neither a file nor a directory"),
            (Path::new(".."), "which holds the link itself"),
            (&absolute, "which holds the link itself"),
            (Path::new("../shared"), "which holds the link itself"),
        ] {
            symlink(target, project.join("link")).unwrap();
            let error = ProjectFiles::of(&project, None).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{}: {error}", target.display());
            fs::remove_file(project.join("link")).unwrap();
        }
        symlink("../shared/common.py", project.join("link")).unwrap();
        let files = ProjectFiles::of(&project, Some(top.path())).unwrap();
        assert_eq!(kind_of(&files, "link"), "file");
        let error = ProjectFiles::of(&project, Some(&project)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot add the link 'link' to the image: it points to '../shared/common.py', which was not fetched \
             with the project"
        );
    }
}
