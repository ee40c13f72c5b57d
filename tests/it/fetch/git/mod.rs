//! Projects from Git: every form of URL against real servers.

mod errors;
mod forms;
mod interrupted;
mod parts;
mod program;
mod reference;
mod servers;

use std::os::unix::fs::symlink;

use crate::harness::Project;

/// Who fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetcher {
    /// The `git` program.
    Program,
    /// What mlrun itself can do without one.
    Library,
}

pub(super) const FETCHERS: [Fetcher; 2] = [Fetcher::Program, Fetcher::Library];

impl Fetcher {
    /// The project with a PATH on which this one is found.
    pub(super) fn of(self, project: Project) -> Project {
        if self == Self::Program {
            return project;
        }
        let path = project.sandbox().environment().swap_remove(0).1;
        let (own, programs) = path.split_once(':').unwrap();
        let without = project.sandbox().root().join("without-git");
        std::fs::create_dir(&without).unwrap();
        for program in std::fs::read_dir(programs).unwrap() {
            let program = program.unwrap();
            if program.file_name() != "git" {
                symlink(program.path(), without.join(program.file_name())).unwrap();
            }
        }
        project.env("PATH", &format!("{own}:{}", without.display()))
    }
}
