//! Which commit a version means, among the references of a repository.

use std::collections::BTreeSet;

use super::problem::GitProblem;
use super::references::{Reference, References};
use crate::fetch::error::{SHOWN_NAMES, shortened};
use crate::nearest::nearest;

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// The shortest abbreviation of a hash that Git takes.
const SHORTEST_HASH: usize = 4;
/// The length of a whole SHA-256.
const LONGEST_HASH: usize = 64;
/// The shortest abbreviation that is taken for that of a branch or tag without a look at all other
/// commits; Git itself writes none that is shorter.
const TELLING_HASH: usize = 7;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// The branch, tag or commit.
    pub(super) version: Option<String>,
    /// A branch, tag or commit and a directory in it, as a page's address has them.
    pub(super) tree: Option<String>,
}

impl Wanted {
    /// What to check out among these names, the version that means, and the directory of a page. `git
    /// checkout` takes a branch before a tag of the same name in a repository on this machine, and the tag in
    /// a fresh clone.
    pub(super) fn choose(
        &self,
        references: &References,
        is_local: bool,
    ) -> Result<(Choice, Option<String>, Option<String>), GitProblem> {
        let (version, directory) = self.split(references);
        let kinds = if is_local {
            [BRANCHES, TAGS]
        } else {
            [TAGS, BRANCHES]
        };
        let choice = match &version {
            Some(version) => references.choose(version, kinds)?,
            None => references.default_choice()?,
        };
        Ok((choice, version, directory))
    }

    fn split(&self, references: &References) -> (Option<String>, Option<String>) {
        let Some(tree) = &self.tree else {
            return (self.version.clone(), None);
        };
        let (version, directory) = match &self.version {
            Some(version) => {
                let below = tree.strip_prefix(version.as_str());
                let below = below.filter(|below| below.is_empty() || below.starts_with('/'));
                let directory = below.unwrap_or_else(|| references.split_tree(tree).1);
                (version.as_str(), directory.trim_start_matches('/'))
            }
            None => references.split_tree(tree),
        };
        let directory = Some(directory.to_owned()).filter(|directory| !directory.is_empty());
        (Some(version.to_owned()), directory)
    }
}

/// What shall be checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The full name of a branch, a tag or another reference; none for a commit without one.
    pub(super) name: Option<String>,
    /// The hash of what that names, a commit or a tag's own object, or a commit's hash or the beginning of it.
    pub(super) hash: String,
}

impl Choice {
    /// A commit, by its hash or the beginning of it.
    pub(super) fn commit(hash: impl Into<String>) -> Self {
        let hash = hash.into();
        Self { name: None, hash }
    }

    /// The short name, if it is a branch.
    pub(super) fn branch(&self) -> Option<&str> {
        self.name.as_deref()?.strip_prefix(BRANCHES)
    }

    /// What a server is asked for.
    pub(super) fn wanted(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.hash)
    }

    /// What was fetched, in MLflow's words where it has some.
    pub(super) fn told(&self) -> String {
        match (self.branch(), &self.name) {
            (Some(branch), _) => format!("Fetched '{branch}' branch"),
            (None, Some(name)) => format!("Fetched '{}'", name.strip_prefix(TAGS).unwrap_or(name)),
            (None, None) => format!("Fetched commit {}", self.hash),
        }
    }

    /// The branch, if the version is its name.
    pub(super) fn branch_of(&self, version: Option<&str>) -> Option<String> {
        self.branch()
            .filter(|branch| Some(*branch) == version)
            .map(str::to_owned)
    }
}

impl References {
    /// What to check out where no version is asked for: what HEAD is.
    fn default_choice(&self) -> Result<Choice, GitProblem> {
        self.check_commits()?;
        let Some(head) = &self.head else {
            let branch = self.head_branch.as_deref().unwrap_or_default();
            let branch = match branch.strip_prefix(BRANCHES).unwrap_or(branch) {
                "" => String::new(),
                branch => format!(" '{branch}'"),
            };
            let branches: Vec<&str> = self.names_below(BRANCHES).collect();
            let hint = match &*shortened(&branches, SHOWN_NAMES) {
                "" => "choose a tag or commit with -v/--version".to_owned(),
                names => format!("choose a branch with -v/--version: {names}"),
            };
            let message = format!("the repository's default branch{branch} does not exist");
            return Err(GitProblem::known(message, hint));
        };
        // Servers too old to tell the name leave the branches at that commit to guess from.
        let guess = || {
            let usual = ["refs/heads/main", "refs/heads/master"];
            let all = self.all.iter().map(|reference| reference.name.as_str());
            let mut branches = usual
                .into_iter()
                .chain(all.filter(|name| name.starts_with(BRANCHES)));
            branches.find(|name| self.get(name).is_some_and(|reference| &reference.target == head))
        };
        let name = self.head_branch.as_deref().or_else(guess);
        Ok(Choice {
            name: name.filter(|name| name.starts_with(BRANCHES)).map(str::to_owned),
            hash: head.clone(),
        })
    }

    /// What to check out for this version, as far as the references tell. Of what both have the first of the
    /// kinds is meant.
    fn choose(&self, version: &str, kinds: [&str; 2]) -> Result<Choice, GitProblem> {
        if version == "HEAD" {
            return self.default_choice();
        }
        if let Some(reference) = self.find(version, kinds) {
            return Ok(Choice {
                name: Some(reference.name.clone()),
                hash: reference.target.clone(),
            });
        }
        self.check_commits()?;
        if !is_hash(version) {
            return Err(self.no_such_version(version));
        }
        let version = version.to_ascii_lowercase();
        let commits = self.all.iter().map(Reference::commit).chain(self.head.as_deref());
        let matching: BTreeSet<&str> = commits.filter(|commit| commit.starts_with(&version)).collect();
        Ok(match matching.first() {
            Some(commit) if matching.len() == 1 && version.len() >= TELLING_HASH => Choice::commit(*commit),
            _ => Choice::commit(version),
        })
    }

    fn check_commits(&self) -> Result<(), GitProblem> {
        if self.all.is_empty() && self.head.is_none() {
            return Err(GitProblem::known(
                "the repository has no commits",
                "push a commit to it first",
            ));
        }
        Ok(())
    }

    /// Splits what a page shows into the version, as far as a branch or tag begins it, and the
    /// directory in it.
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

    /// The error for a version that is not there, with what may have been meant.
    pub(super) fn no_such_version(&self, version: &str) -> GitProblem {
        let [branches, tags] = [BRANCHES, TAGS].map(|kind| self.names_below(kind).collect::<Vec<_>>());
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
        GitProblem::known(format!("the repository has no {kinds} '{version}'"), hint)
    }

    /// Looks a name up as Git does, by the rules of `gitrevisions`.
    fn find(&self, name: &str, [first, second]: [&str; 2]) -> Option<&Reference> {
        ["", "refs/", first, second, "refs/remotes/"]
            .into_iter()
            .find_map(|prefix| self.get(&format!("{prefix}{name}")))
    }
}

/// Whether the text can be the hash of a commit or the beginning of one.
pub(super) fn is_hash(text: &str) -> bool {
    (SHORTEST_HASH..=LONGEST_HASH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The error for the beginning of several hashes.
pub(super) fn ambiguous(version: &str) -> GitProblem {
    GitProblem::known(
        format!("several commits begin with '{version}'"),
        "give more digits of the hash",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oid(digit: char) -> String {
        digit.to_string().repeat(40)
    }

    fn references(names: &[(&str, char)]) -> References {
        let all = names.iter().map(|(name, digit)| Reference {
            name: (*name).to_owned(),
            target: oid(*digit),
            peeled: name.starts_with("refs/tags/").then(|| oid('f')),
        });
        References {
            all: all.collect(),
            ..References::default()
        }
    }

    fn named(name: &str, digit: char) -> Choice {
        Choice {
            name: Some(name.to_owned()),
            hash: oid(digit),
        }
    }

    #[test]
    fn versions_are_found() {
        let references = references(&[
            ("refs/heads/main", '1'),
            ("refs/heads/feature/a", '2'),
            ("refs/heads/both", '3'),
            ("refs/heads/abcd", '7'),
            ("refs/pull/7/head", '4'),
            ("refs/tags/both", '5'),
            ("refs/tags/v1", '6'),
        ]);
        for (version, expected) in [
            ("main", named("refs/heads/main", '1')),
            ("refs/heads/main", named("refs/heads/main", '1')),
            ("heads/main", named("refs/heads/main", '1')),
            ("feature/a", named("refs/heads/feature/a", '2')),
            ("abcd", named("refs/heads/abcd", '7')),
            ("v1", named("refs/tags/v1", '6')),
            ("tags/v1", named("refs/tags/v1", '6')),
            ("both", named("refs/tags/both", '5')),
            ("pull/7/head", named("refs/pull/7/head", '4')),
            ("1111111", Choice::commit(oid('1'))),
            ("FFFFFFF", Choice::commit(oid('f'))),
            ("1111", Choice::commit("1111")),
            ("abcdef0", Choice::commit("abcdef0")),
            (&"9".repeat(40), Choice::commit(oid('9'))),
        ] {
            let choice = references.choose(version, [TAGS, BRANCHES]).unwrap();
            assert_eq!(choice, expected, "{version}");
        }
        let choice = references.choose("both", [BRANCHES, TAGS]).unwrap();
        assert_eq!(choice, named("refs/heads/both", '3'));
        for (version, expected) in [("mian", "did you mean 'main'?"), ("v2", "did you mean 'v1'?")] {
            let problem = references.choose(version, [TAGS, BRANCHES]).unwrap_err();
            assert_eq!(problem.hint().as_deref(), Some(expected), "{version}");
        }
    }

    #[test]
    fn the_default_is_what_head_is() {
        let mut references = references(&[
            ("refs/heads/a", '1'),
            ("refs/heads/main", '1'),
            ("refs/heads/z", '2'),
        ]);
        let told = |references: &References| references.default_choice().unwrap_err().to_string();
        assert_eq!(
            told(&references),
            "the repository's default branch does not exist"
        );
        for (digit, expected) in [
            ('1', named("refs/heads/main", '1')),
            ('2', named("refs/heads/z", '2')),
            ('3', Choice::commit(oid('3'))),
        ] {
            references.head = Some(oid(digit));
            assert_eq!(references.default_choice().unwrap(), expected);
        }
        references.head_branch = Some("refs/heads/trunk".to_owned());
        assert_eq!(
            references.default_choice().unwrap(),
            named("refs/heads/trunk", '3')
        );
        assert_eq!(told(&References::default()), "the repository has no commits");
    }
}
