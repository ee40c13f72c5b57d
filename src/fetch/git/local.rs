//! Repositories on this machine. Their objects are lent, not copied; nothing in them is touched.

use std::fs;
use std::path::Path;

use git2::ErrorCode;

use super::problem::GitProblem;
use super::references::{Reference, References};

/// A repository on this machine that is fetched from.
pub(super) struct LocalOrigin {
    repository: git2::Repository,
}

impl LocalOrigin {
    /// Opens the repository whose top directory, or whose own directory, this is.
    pub(super) fn open(path: &Path) -> Result<Self, GitProblem> {
        let repository = git2::Repository::open(path).map_err(|source| match source.code() {
            ErrorCode::NotFound => GitProblem::NoRepository {
                answer: format!("'{}' is none", path.display()),
            },
            ErrorCode::Owner => GitProblem::ForeignRepository {
                path: path.to_owned(),
            },
            _ if source.message().contains("object format") => GitProblem::ObjectFormat,
            _ => GitProblem::Library {
                action: "open the repository",
                source,
            },
        })?;
        Ok(Self { repository })
    }

    pub(super) fn references(&self) -> Result<References, GitProblem> {
        let action = "read the repository's branches and tags";
        let mut references = References::default();
        for reference in self
            .repository
            .references()
            .map_err(GitProblem::library(action))?
        {
            // One broken branch is no reason to have none.
            let Ok(reference) = reference else { continue };
            let Ok(target) = reference.resolve() else { continue };
            let (Ok(name), Some(target)) = (reference.name(), target.target()) else {
                continue;
            };
            let peeled = reference.peel_to_commit().ok().map(|commit| commit.id());
            references.all.push(Reference {
                name: name.to_owned(),
                target,
                peeled: peeled.filter(|commit| *commit != target),
            });
        }
        let head = self
            .repository
            .find_reference("HEAD")
            .map_err(GitProblem::library(action))?;
        references.head_branch = head.symbolic_target().ok().flatten().map(str::to_owned);
        references.head = head.resolve().ok().and_then(|head| head.target());
        Ok(references)
    }

    /// Lets another repository read the objects of this one.
    pub(super) fn lend_objects(&self, borrower: &git2::Repository) -> Result<(), GitProblem> {
        let objects = self.repository.commondir().join("objects");
        let objects = objects.canonicalize().map_err(|source| GitProblem::File {
            action: "find",
            path: objects,
            source,
        })?;
        let mut line = objects.into_os_string();
        line.push("\n");
        let info = borrower.path().join("objects/info");
        write(&info, "alternates", line.as_encoded_bytes())?;
        match fs::read(self.repository.commondir().join("shallow")) {
            Ok(shallow) => write(borrower.path(), "shallow", &shallow),
            Err(_) => Ok(()),
        }?;
        let odb = borrower
            .odb()
            .map_err(GitProblem::library("read the repository's objects"))?;
        let path = line.to_string_lossy().trim_end().to_owned();
        odb.add_disk_alternate(&path)
            .map_err(GitProblem::library("read the repository's objects"))
    }
}

fn write(directory: &Path, name: &str, contents: &[u8]) -> Result<(), GitProblem> {
    let path = directory.join(name);
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(&path, contents))
        .map_err(|source| GitProblem::File {
            action: "write",
            path,
            source,
        })
}
