//! Which commit a version means, among the references of a repository.

use super::problem::GitProblem;
use super::references::{Reference, References, is_whole_hash};
use crate::nearest::nearest;

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
        let preference = if is_local {
            Preference::Branches
        } else {
            Preference::Tags
        };
        let choice = match &version {
            Some(version) => references.choose(version, preference)?,
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
pub(super) enum Choice {
    /// A branch: its short name and its commit.
    Branch { name: String, commit: String },
    /// A tag or another name.
    Named(Reference),
    /// A commit that was asked for by its whole hash, or that HEAD is without a branch.
    Commit(String),
    /// A commit that was asked for by the beginning of its hash.
    Abbreviated(String),
}

impl Choice {
    /// What was fetched, in MLflow's words where it has some.
    pub(super) fn told(&self) -> String {
        match self {
            Self::Branch { name, .. } => format!("Fetched '{name}' branch"),
            Self::Named(Reference { name, .. }) => {
                format!("Fetched '{}'", name.strip_prefix("refs/tags/").unwrap_or(name))
            }
            Self::Commit(commit) | Self::Abbreviated(commit) => format!("Fetched commit {commit}"),
        }
    }

    /// The branch, if the version is its name.
    pub(super) fn branch_of(&self, version: Option<&str>) -> Option<String> {
        match self {
            Self::Branch { name, .. } if Some(name.as_str()) == version => Some(name.clone()),
            _ => None,
        }
    }
}

/// Whether a branch or a tag is meant if both have the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Preference {
    Branches,
    Tags,
}

impl References {
    /// What to check out where no version is asked for: what HEAD is.
    fn default_choice(&self) -> Result<Choice, GitProblem> {
        if self.all.is_empty() && self.head.is_none() {
            return Err(GitProblem::NoCommits);
        }
        let branches = || self.names_below("refs/heads/").map(str::to_owned).collect();
        let Some(head) = self.head.clone() else {
            let branch = self.head_branch.as_deref().map(short);
            return Err(GitProblem::NoDefaultBranch {
                branch: branch.map(str::to_owned),
                branches: branches(),
            });
        };
        // Servers too old to tell the name leave the branches at that commit to guess from.
        let guess = || {
            let mut at_head = self
                .all
                .iter()
                .filter(|reference| reference.target == head && reference.name.starts_with("refs/heads/"));
            let usual = ["refs/heads/main", "refs/heads/master"];
            usual
                .into_iter()
                .find(|name| self.get(name).is_some_and(|reference| reference.target == head))
                .or_else(|| at_head.next().map(|reference| reference.name.as_str()))
        };
        Ok(match self.head_branch.as_deref().or_else(guess) {
            Some(branch) if branch.starts_with("refs/heads/") => Choice::Branch {
                name: short(branch).to_owned(),
                commit: head,
            },
            _ => Choice::Commit(head),
        })
    }

    /// What to check out for this version, as far as the references tell.
    fn choose(&self, version: &str, preference: Preference) -> Result<Choice, GitProblem> {
        if version == "HEAD" {
            return self.default_choice();
        }
        if let Some(reference) = self.find(version, preference) {
            return Ok(match reference.name.strip_prefix("refs/heads/") {
                Some(name) => Choice::Branch {
                    name: name.to_owned(),
                    commit: reference.target.clone(),
                },
                None => Choice::Named(reference.clone()),
            });
        }
        if self.all.is_empty() && self.head.is_none() {
            return Err(GitProblem::NoCommits);
        }
        if !is_hash(version) {
            return Err(self.no_such_version(version));
        }
        let version = version.to_ascii_lowercase();
        if is_whole_hash(&version) {
            return Ok(Choice::Commit(version));
        }
        let mut matching: Vec<&str> = self
            .all
            .iter()
            .map(Reference::commit)
            .chain(self.head.as_deref())
            .filter(|commit| commit.starts_with(&version))
            .collect();
        matching.sort_unstable();
        matching.dedup();
        match matching[..] {
            [commit] if version.len() >= TELLING_HASH => Ok(Choice::Commit(commit.to_owned())),
            _ => Ok(Choice::Abbreviated(version)),
        }
    }

    /// Splits what a page shows into the version, as far as a branch or tag begins it, and the
    /// directory in it.
    fn split_tree<'a>(&self, tree: &'a str) -> (&'a str, &'a str) {
        let ends = tree.match_indices('/').map(|(at, _)| at).chain([tree.len()]);
        let is_known = |end: &usize| self.find(&tree[..*end], Preference::Tags).is_some();
        let end = ends
            .filter(is_known)
            .max()
            .or_else(|| tree.find('/'))
            .unwrap_or(tree.len());
        (&tree[..end], tree[end..].trim_start_matches('/'))
    }

    /// The error for a version that is not there, with what may have been meant.
    pub(super) fn no_such_version(&self, version: &str) -> GitProblem {
        let names = || {
            self.names_below("refs/heads/")
                .chain(self.names_below("refs/tags/"))
        };
        GitProblem::NoSuchVersion {
            version: version.to_owned(),
            is_hash: is_hash(version),
            nearest: nearest(version, names()).map(str::to_owned),
            branches: self.names_below("refs/heads/").map(str::to_owned).collect(),
            tags: self.names_below("refs/tags/").map(str::to_owned).collect(),
        }
    }

    /// Looks a name up as Git does, by the rules of `gitrevisions`.
    fn find(&self, name: &str, preference: Preference) -> Option<&Reference> {
        let (first, second) = match preference {
            Preference::Tags => ("refs/tags/", "refs/heads/"),
            Preference::Branches => ("refs/heads/", "refs/tags/"),
        };
        ["", "refs/", first, second, "refs/remotes/"]
            .into_iter()
            .find_map(|prefix| self.get(&format!("{prefix}{name}")))
    }
}

/// Whether the text can be the hash of a commit or the beginning of one.
pub(super) fn is_hash(text: &str) -> bool {
    (SHORTEST_HASH..=LONGEST_HASH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn short(branch: &str) -> &str {
    branch.strip_prefix("refs/heads/").unwrap_or(branch)
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
            head: None,
            head_branch: None,
        }
    }

    fn branch(name: &str, digit: char) -> Choice {
        Choice::Branch {
            name: name.to_owned(),
            commit: oid(digit),
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
        let named = |name: &str| Choice::Named(references.get(name).unwrap().clone());
        for (version, expected) in [
            ("main", branch("main", '1')),
            ("refs/heads/main", branch("main", '1')),
            ("heads/main", branch("main", '1')),
            ("feature/a", branch("feature/a", '2')),
            ("abcd", branch("abcd", '7')),
            ("v1", named("refs/tags/v1")),
            ("tags/v1", named("refs/tags/v1")),
            ("both", named("refs/tags/both")),
            ("pull/7/head", named("refs/pull/7/head")),
            ("1111111", Choice::Commit(oid('1'))),
            ("FFFFFFF", Choice::Commit(oid('f'))),
            ("1111", Choice::Abbreviated("1111".to_owned())),
            ("abcdef0", Choice::Abbreviated("abcdef0".to_owned())),
            (&"9".repeat(40), Choice::Commit(oid('9'))),
        ] {
            assert_eq!(
                references.choose(version, Preference::Tags).unwrap(),
                expected,
                "{version}"
            );
        }
        assert_eq!(
            references.choose("both", Preference::Branches).unwrap(),
            branch("both", '3')
        );
        for (version, expected) in [("mian", Some("main")), ("v2", Some("v1")), ("xyz", None)] {
            match references.choose(version, Preference::Tags).unwrap_err() {
                GitProblem::NoSuchVersion { nearest, .. } => assert_eq!(nearest.as_deref(), expected),
                other => panic!("{version}: {other}"),
            }
        }
    }

    #[test]
    fn the_default_is_what_head_is() {
        let mut references = references(&[
            ("refs/heads/a", '1'),
            ("refs/heads/main", '1'),
            ("refs/heads/z", '2'),
        ]);
        assert!(matches!(
            references.default_choice(),
            Err(GitProblem::NoDefaultBranch { .. })
        ));
        references.head = Some(oid('1'));
        assert_eq!(references.default_choice().unwrap(), branch("main", '1'));
        references.head = Some(oid('2'));
        assert_eq!(references.default_choice().unwrap(), branch("z", '2'));
        references.head = Some(oid('3'));
        assert_eq!(references.default_choice().unwrap(), Choice::Commit(oid('3')));
        references.head_branch = Some("refs/heads/trunk".to_owned());
        assert_eq!(references.default_choice().unwrap(), branch("trunk", '3'));
        assert!(matches!(
            References::default().default_choice(),
            Err(GitProblem::NoCommits)
        ));
    }

    #[test]
    fn what_a_page_shows_is_split() {
        let references = references(&[
            ("refs/heads/main", '1'),
            ("refs/heads/feature/a", '2'),
            ("refs/tags/v1/rc", '3'),
        ]);
        for (tree, version, directory) in [
            ("main", "main", ""),
            ("main/sub/dir", "main", "sub/dir"),
            ("feature/a/main", "feature/a", "main"),
            ("v1/rc", "v1/rc", ""),
            ("unknown/sub", "unknown", "sub"),
            ("unknown", "unknown", ""),
        ] {
            assert_eq!(references.split_tree(tree), (version, directory), "{tree}");
        }
    }
}
