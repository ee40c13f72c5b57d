//! Finds the commit of a version in a repository's list of names.

use std::collections::{BTreeMap, BTreeSet};

use crate::fetch::FetchError;
use crate::fetch::error::{SHOWN_NAMES, shortened};
use crate::nearest::nearest;

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
/// The refspecs for all branches and tags.
pub(super) const ALL_BRANCHES: &str = "+refs/heads/*:refs/remotes/origin/*";
pub(super) const ALL_TAGS: &str = "+refs/tags/*:refs/tags/*";

/// The shortest abbreviation of a hash that Git accepts.
const SHORTEST_HASH: usize = 4;
/// The lengths of full hashes: SHA-1, SHA-256.
const HASH_LENGTHS: [usize; 2] = [40, 64];
/// The shortest abbreviation that is matched with branches and tags alone, without all other commits. Git never
/// writes a shorter one.
const TELLING_HASH: usize = 7;

pub(super) struct Wanted {
    /// The branch, tag or commit.
    pub(super) version: Option<String>,
    /// A branch, tag or commit, followed by a directory, from the address of a web page.
    pub(super) tree: Option<String>,
}

impl Wanted {
    /// What to check out, and the directory in the address of a web page. If a branch and a tag have the same name,
    /// `git checkout` prefers the branch in a local repository and the tag in a fresh clone.
    pub(super) fn choose(
        &self,
        references: &References,
        is_local: bool,
    ) -> Result<(Choice, Option<String>), FetchError> {
        let (version, directory) = self.split(references);
        let kinds = if is_local {
            [BRANCHES, TAGS]
        } else {
            [TAGS, BRANCHES]
        };
        let choice = match version {
            Some(version) => references.choose(version, kinds)?,
            None => references.default_choice()?,
        };
        Ok((choice, directory))
    }

    fn split(&self, references: &References) -> (Option<&str>, Option<String>) {
        let Some(tree) = &self.tree else {
            return (self.version.as_deref(), None);
        };
        let (of_page, directory) = references.split_tree(tree);
        let version = self.version.as_deref().unwrap_or(of_page);
        let below = tree.strip_prefix(version);
        let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
        let directory = below.unwrap_or(directory).trim_start_matches('/');
        let directory = Some(directory.to_owned()).filter(|directory| !directory.is_empty());
        (Some(version), directory)
    }

    /// The chosen branch, if the version is its name.
    pub(super) fn branch(&self, choice: &Choice) -> Option<String> {
        let asked = self.version.as_ref().or(self.tree.as_ref())?;
        let branch = choice.branch().filter(|branch| asked.starts_with(branch))?;
        Some(branch.to_owned())
    }
}

/// What to check out.
pub(super) struct Choice {
    /// The full name of the branch, tag or other reference, if there is one.
    pub(super) name: Option<String>,
    /// The hash of that name's target (a commit or an annotated tag), or a commit's hash, which may be abbreviated.
    pub(super) hash: String,
}

impl Choice {
    /// A commit by its hash, which may be abbreviated.
    pub(super) fn commit(hash: impl Into<String>) -> Self {
        let hash = hash.into();
        Self { name: None, hash }
    }

    /// The short name, if it is a branch.
    pub(super) fn branch(&self) -> Option<&str> {
        self.name.as_deref()?.strip_prefix(BRANCHES)
    }

    /// What to request from the server.
    pub(super) fn wanted(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.hash)
    }

    /// The log line about what was fetched; the one for a branch is MLflow's.
    pub(super) fn told(&self) -> String {
        match (self.branch(), &self.name) {
            (Some(branch), _) => format!("Fetched '{branch}' branch"),
            (None, Some(name)) => format!("Fetched '{}'", name.strip_prefix(TAGS).unwrap_or(name)),
            (None, None) => format!("Fetched commit {}", self.hash),
        }
    }
}

/// All names of a repository.
#[derive(Default)]
pub(super) struct References {
    /// The full names, including HEAD, with the hash of their commit or annotated tag.
    all: BTreeMap<String, String>,
    /// The commits of annotated tags.
    peeled: Vec<String>,
    /// The full name of HEAD's branch, if it is known.
    pub(super) head_branch: Option<String>,
}

impl References {
    /// Adds a line of the list: `<hash> <name>`. Other lines are skipped.
    pub(super) fn add(&mut self, target: &str, name: &str) {
        if !is_whole_hash(target) {
            return;
        }
        if name.ends_with("^{}") {
            self.peeled.push(target.to_owned());
        } else if name == "HEAD" || name.starts_with("refs/") {
            self.all.insert(name.to_owned(), target.to_owned());
        }
    }

    /// Reads the lines of `git ls-remote --symref`.
    pub(super) fn from_listing(text: &str) -> Self {
        let mut references = Self::default();
        for (target, name) in text.lines().filter_map(|line| line.split_once('\t')) {
            match target.strip_prefix("ref: ") {
                Some(branch) if name == "HEAD" => references.head_branch = Some(branch.to_owned()),
                _ => references.add(target, name),
            }
        }
        references
    }

    pub(super) fn is_sha256(&self) -> bool {
        self.all.values().any(|hash| hash.len() == HASH_LENGTHS[1])
    }

    /// A full name with this hash.
    pub(super) fn name_of(&self, hash: &str) -> Option<&str> {
        let mut references = self.all.iter().filter(|(name, _)| *name != "HEAD");
        let (name, _) = references.find(|(_, target)| *target == hash)?;
        Some(name)
    }

    /// The short names of all references below `prefix`.
    fn names_below(&self, prefix: &str) -> Vec<&str> {
        let names = self.all.keys();
        names.filter_map(|name| name.strip_prefix(prefix)).collect()
    }

    /// What to check out without a version: HEAD.
    fn default_choice(&self) -> Result<Choice, FetchError> {
        self.check_commits()?;
        let name = self.head_branch.as_deref();
        let Some(head) = self.all.get("HEAD") else {
            let branch = match name.map(|name| name.strip_prefix(BRANCHES).unwrap_or(name)) {
                None => String::new(),
                Some(branch) => format!(" '{branch}'"),
            };
            let hint = match &*shortened(&self.names_below(BRANCHES), SHOWN_NAMES) {
                "" => "choose a tag or commit with -v/--version".to_owned(),
                names => format!("choose a branch with -v/--version: {names}"),
            };
            let message = format!("the repository's default branch{branch} does not exist");
            return Err(FetchError::new(message, hint));
        };
        Ok(Choice {
            name: name.filter(|name| name.starts_with(BRANCHES)).map(str::to_owned),
            hash: head.clone(),
        })
    }

    /// What to check out for this version, by the list of names. The first of the kinds wins if both have the name.
    fn choose(&self, version: &str, kinds: [&str; 2]) -> Result<Choice, FetchError> {
        if version == "HEAD" {
            return self.default_choice();
        }
        if let Some((name, hash)) = self.find(version, kinds) {
            let (name, hash) = (Some(name.clone()), hash.clone());
            return Ok(Choice { name, hash });
        }
        self.check_commits()?;
        if !is_hash(version) {
            return Err(self.no_such_version(version));
        }
        let version = version.to_ascii_lowercase();
        let hashes = self.all.values().chain(&self.peeled);
        let matching: BTreeSet<&String> = hashes.filter(|hash| hash.starts_with(&version)).collect();
        Ok(match matching.first() {
            Some(hash) if matching.len() == 1 && version.len() >= TELLING_HASH => Choice::commit(*hash),
            _ => Choice::commit(version),
        })
    }

    fn check_commits(&self) -> Result<(), FetchError> {
        if self.all.is_empty() {
            let hint = "push a commit to it first";
            return Err(FetchError::new("the repository has no commits", hint));
        }
        Ok(())
    }

    /// Splits the path in a web page's address into the version (the longest known branch or tag) and the directory.
    fn split_tree<'a>(&self, tree: &'a str) -> (&'a str, &'a str) {
        let ends = tree.match_indices('/').map(|(at, _)| at).chain([tree.len()]);
        let is_known = |end: &usize| self.find(&tree[..*end], [TAGS, BRANCHES]).is_some();
        let end = ends
            .filter(is_known)
            .max()
            .or_else(|| tree.find('/'))
            .unwrap_or(tree.len());
        (&tree[..end], tree[end..].trim_start_matches('/'))
    }

    /// The error for an unknown version, with similar names.
    pub(super) fn no_such_version(&self, version: &str) -> FetchError {
        let [branches, tags] = [BRANCHES, TAGS].map(|kind| self.names_below(kind));
        let hint = match nearest(version, branches.iter().chain(&tags).copied()) {
            Some(name) => format!("did you mean '{name}'?"),
            None => {
                let branches = shortened(&branches, SHOWN_NAMES);
                match shortened(&tags, SHOWN_NAMES) {
                    tags if tags.is_empty() => format!("the branches are: {branches}"),
                    tags => format!("the branches are: {branches}; the tags: {tags}"),
                }
            }
        };
        let kinds = if is_hash(version) {
            "branch, tag or commit"
        } else {
            "branch or tag"
        };
        FetchError::new(format!("the repository has no {kinds} '{version}'"), hint)
    }

    /// Looks up a name by the rules of `gitrevisions`.
    fn find(&self, name: &str, [first, second]: [&str; 2]) -> Option<(&String, &String)> {
        let prefixes = ["", "refs/", first, second, "refs/remotes/"];
        let mut names = prefixes.into_iter().map(|prefix| format!("{prefix}{name}"));
        names.find_map(|name| self.all.get_key_value(&name))
    }
}

/// Whether the text may be a commit's hash, full or abbreviated.
pub(super) fn is_hash(text: &str) -> bool {
    (SHORTEST_HASH..=HASH_LENGTHS[1]).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

pub(super) fn is_whole_hash(text: &str) -> bool {
    HASH_LENGTHS.contains(&text.len()) && is_hash(text)
}

/// The error for an ambiguous abbreviation.
pub(super) fn ambiguous(version: &str) -> FetchError {
    FetchError::new(
        format!("several commits begin with '{version}'"),
        "use more digits of the hash",
    )
}
