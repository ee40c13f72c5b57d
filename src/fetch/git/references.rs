//! The branches and tags of a repository, as it tells them to those who fetch.

/// The lengths of hashes: SHA-1, SHA-256.
const HASH_LENGTHS: [usize; 2] = [40, 64];

/// A branch, tag or other name of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The full name, such as `refs/heads/main`.
    pub(super) name: String,
    /// What it names: a commit, or a tag's own object.
    pub(super) target: String,
    /// The commit behind a tag's own object.
    pub(super) peeled: Option<String>,
}

impl Reference {
    /// The commit, where the name is not that of another kind of object.
    pub(super) fn commit(&self) -> &str {
        self.peeled.as_deref().unwrap_or(&self.target)
    }
}

/// All names of a repository, and what HEAD is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct References {
    /// All but HEAD.
    pub(super) all: Vec<Reference>,
    /// The commit of HEAD; none where it names a branch that does not exist.
    pub(super) head: Option<String>,
    /// The full name of the branch that HEAD names, where that is known.
    pub(super) head_branch: Option<String>,
}

impl References {
    /// Takes a line of a list: `<hash> <name>`. What is neither is passed over.
    pub(super) fn add(&mut self, target: &str, name: &str) {
        if !is_whole_hash(target) {
            return;
        }
        let target = target.to_owned();
        if name == "HEAD" {
            self.head = Some(target);
        } else if let Some(tag) = name.strip_suffix("^{}") {
            if let Some(reference) = self.all.last_mut().filter(|reference| reference.name == tag) {
                reference.peeled = Some(target);
            }
        } else if name.starts_with("refs/") {
            self.all.push(Reference {
                name: name.to_owned(),
                target,
                peeled: None,
            });
        }
    }

    /// The reference of this full name.
    pub(super) fn get(&self, name: &str) -> Option<&Reference> {
        self.all.iter().find(|reference| reference.name == name)
    }

    /// The short names of all references below `prefix`.
    pub(super) fn names_below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.all
            .iter()
            .filter_map(move |reference| reference.name.strip_prefix(prefix))
    }

    /// Reads the lines of `git ls-remote --symref`.
    pub(super) fn from_listing(text: &str) -> Self {
        let mut references = Self::default();
        for line in text.lines() {
            match line.split_once('\t') {
                Some((target, "HEAD")) if target.starts_with("ref: ") => {
                    references.head_branch = target.strip_prefix("ref: ").map(str::to_owned);
                }
                Some((target, name)) => references.add(target, name),
                None => {}
            }
        }
        references
    }

    /// Whether the repository's hashes are SHA-256.
    pub(super) fn is_sha256(&self) -> bool {
        let targets = self.all.iter().map(|reference| &reference.target);
        targets
            .chain(&self.head)
            .any(|hash| hash.len() == HASH_LENGTHS[1])
    }
}

/// Whether the text is a whole hash.
pub(super) fn is_whole_hash(text: &str) -> bool {
    HASH_LENGTHS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
