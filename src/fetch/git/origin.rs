//! What a repository is fetched from: a server, the `git` program in its stead, or this machine.

use git2::{Config, Oid};

use super::connection::Address;
use super::local::LocalOrigin;
use super::problem::GitProblem;
use super::program::ProgramOrigin;
use super::references::References;
use super::task::Task;
use super::upload_pack::UploadPack;
use super::version::Preference;
use crate::env_vars;

/// How much of the history comes along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// The commit alone.
    One,
    /// All.
    Full,
}

/// A repository that can be fetched from.
pub(super) enum Origin {
    Server {
        address: Address,
        config: Config,
        /// The connection that told the references, until it has been used.
        open: Option<Box<UploadPack>>,
    },
    Program(ProgramOrigin),
    Local(LocalOrigin),
}

impl Origin {
    /// The repository behind a URL with its credentials.
    pub(super) fn of_url(url: &str) -> Result<Self, GitProblem> {
        if is_program_asked_for() {
            return Ok(Self::Program(ProgramOrigin::new(url)));
        }
        let config = Config::open_default().map_err(GitProblem::library("read Git's configuration"))?;
        let url = instead_of(&config, url);
        if let Some(path) = url
            .strip_prefix("file://")
            .or_else(|| url.starts_with('/').then_some(&url))
        {
            return LocalOrigin::open(path.as_ref()).map(Self::Local);
        }
        Ok(Self::Server {
            address: Address::parse(&url)?,
            config,
            open: None,
        })
    }

    /// Which of a branch and a tag of the same name a version means.
    pub(super) fn preference(&self) -> Preference {
        match self {
            Self::Local(_) => Preference::Branches,
            Self::Server { .. } | Self::Program(_) => Preference::Tags,
        }
    }

    /// All branches and tags.
    pub(super) fn references(&mut self, task: &Task<'_>) -> Result<References, GitProblem> {
        match self {
            Self::Server {
                address,
                config,
                open,
            } => {
                let server = open.insert(Box::new(UploadPack::open(address, config, task)?));
                Ok(server.advertisement.references.clone())
            }
            Self::Program(program) => program.references(task),
            Self::Local(local) => local.references(),
        }
    }

    /// Whether it is worth to ask for a commit that no branch or tag names.
    pub(super) fn may_give_any_commit(&self) -> bool {
        match self {
            Self::Server { open, .. } => open.as_ref().is_some_and(|server| server.gives_any_commit()),
            Self::Program(_) | Self::Local(_) => true,
        }
    }

    /// Brings these objects, and what they need, into a repository.
    pub(super) fn fetch(
        &mut self,
        repository: &git2::Repository,
        wants: &[Oid],
        depth: Depth,
        task: &Task<'_>,
    ) -> Result<(), GitProblem> {
        match self {
            Self::Server {
                address,
                config,
                open,
            } => {
                let server = match open.take() {
                    Some(server) => *server,
                    None => UploadPack::open(address, config, task)?,
                };
                server.fetch(repository, wants, depth, task)
            }
            Self::Program(program) => program.fetch(repository, wants, depth, task),
            Self::Local(local) => local.lend_objects(repository),
        }
    }
}

/// Whether the variable asks for the `git` program, by Cargo's rules.
fn is_program_asked_for() -> bool {
    env_vars::non_empty(env_vars::MLRUN_GIT_FETCH_WITH_CLI)
        .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1"))
}

/// The URL as `url.<base>.insteadOf` of the user's configuration has it: the longest match wins.
fn instead_of(config: &Config, url: &str) -> String {
    let mut best: Option<(usize, String)> = None;
    let Ok(mut entries) = config.entries(Some(r"^url\..*\.insteadof$")) else {
        return url.to_owned();
    };
    while let Some(Ok(entry)) = entries.next() {
        let key = String::from_utf8_lossy(entry.name_bytes()).into_owned();
        let prefix = String::from_utf8_lossy(entry.value_bytes()).into_owned();
        let base = key
            .strip_prefix("url.")
            .and_then(|key| key.strip_suffix(".insteadof"));
        if let (Some(base), Some(rest)) = (base, url.strip_prefix(&prefix))
            && best.as_ref().is_none_or(|(length, _)| prefix.len() > *length)
        {
            best = Some((prefix.len(), format!("{base}{rest}")));
        }
    }
    best.map_or_else(|| url.to_owned(), |(_, url)| url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_replaced_as_git_does() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config");
        std::fs::write(
            &file,
            "[url \"https://token@host/\"]\n insteadOf = https://host/\n insteadOf = gh:\n[url \"https://mirror/\"]\n insteadOf = https://host/org/\n",
        )
        .unwrap();
        let config = Config::open(&file).unwrap();
        for (url, expected) in [
            ("https://host/x", "https://token@host/x"),
            ("gh:org/x", "https://token@host/org/x"),
            ("https://host/org/x", "https://mirror/x"),
            ("https://other/x", "https://other/x"),
        ] {
            assert_eq!(instead_of(&config, url), expected, "{url}");
        }
    }
}
