//! The branches and tags of a repository, as it tells them to those who fetch.

use git2::Oid;

use super::packet::Packet;
use super::problem::GitProblem;

/// A branch, tag or other name of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// The full name, such as `refs/heads/main`.
    pub(super) name: String,
    /// What it names: a commit, or a tag's own object.
    pub(super) target: Oid,
    /// The commit behind a tag's own object.
    pub(super) peeled: Option<Oid>,
}

impl Reference {
    /// The commit, where the name is not that of another kind of object.
    pub(super) fn commit(&self) -> Oid {
        self.peeled.unwrap_or(self.target)
    }
}

/// All names of a repository, and what HEAD is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct References {
    /// All but HEAD.
    pub(super) all: Vec<Reference>,
    /// The commit of HEAD; none where it names a branch that does not exist.
    pub(super) head: Option<Oid>,
    /// The full name of the branch that HEAD names, where that is known.
    pub(super) head_branch: Option<String>,
}

impl References {
    /// Takes a line of a list: `<hash> <name>`.
    fn add(&mut self, target: &str, name: &str) -> Result<(), GitProblem> {
        if target.len() == 64 {
            return Err(GitProblem::ObjectFormat);
        }
        let target = Oid::from_str(target)
            .map_err(|_| GitProblem::protocol("the list of branches and tags has a line without a hash"))?;
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
        Ok(())
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
    pub(super) fn from_listing(text: &str) -> Result<Self, GitProblem> {
        let mut references = Self::default();
        for line in text.lines() {
            match line.split_once('\t') {
                Some((target, "HEAD")) if target.starts_with("ref: ") => {
                    references.head_branch = target.strip_prefix("ref: ").map(str::to_owned);
                }
                Some((target, _)) if target.starts_with("ref: ") => {}
                Some((target, name)) => references.add(target, name)?,
                None => {}
            }
        }
        Ok(references)
    }
}

/// What a server says first: its references and what it can do.
#[derive(Debug, Default)]
pub(super) struct Advertisement {
    pub(super) references: References,
    capabilities: Vec<String>,
    is_begun: bool,
}

impl Advertisement {
    /// Takes the next packet; tells whether it was the last one.
    ///
    /// # Errors
    /// The server refuses, or what comes is no advertisement.
    pub(super) fn add(&mut self, packet: &Packet) -> Result<bool, GitProblem> {
        let Packet::Data(contents) = packet else {
            return Ok(true);
        };
        let text = String::from_utf8_lossy(contents);
        let text = text.trim_end_matches('\n');
        if let Some(message) = text.strip_prefix("ERR ") {
            return Err(GitProblem::refusal(message));
        }
        if text.starts_with("version ") || text.starts_with("shallow ") {
            return Ok(false);
        }
        let line = if self.is_begun {
            text
        } else {
            self.is_begun = true;
            let (line, capabilities) = text.split_once('\0').unwrap_or((text, ""));
            self.capabilities = capabilities.split(' ').map(str::to_owned).collect();
            let head_branch = self.value("symref").find_map(|value| value.strip_prefix("HEAD:"));
            self.references.head_branch = head_branch.map(str::to_owned);
            if self.value("object-format").any(|format| format != "sha1") {
                return Err(GitProblem::ObjectFormat);
            }
            line
        };
        let (target, name) = line
            .split_once(' ')
            .ok_or_else(|| GitProblem::protocol("the list of branches and tags has a malformed line"))?;
        // Stands for an empty list.
        if name != "capabilities^{}" {
            self.references.add(target, name)?;
        }
        Ok(false)
    }

    /// Whether the server has this capability.
    pub(super) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|known| known == capability)
    }

    fn value<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.capabilities
            .iter()
            .filter_map(move |capability| capability.strip_prefix(name)?.strip_prefix('='))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn expected() -> References {
        References {
            all: vec![
                Reference {
                    name: "refs/heads/main".to_owned(),
                    target: Oid::from_str(ONE).unwrap(),
                    peeled: None,
                },
                Reference {
                    name: "refs/tags/v1".to_owned(),
                    target: Oid::from_str(TWO).unwrap(),
                    peeled: Some(Oid::from_str(ONE).unwrap()),
                },
            ],
            head: Some(Oid::from_str(ONE).unwrap()),
            head_branch: Some("refs/heads/main".to_owned()),
        }
    }

    #[test]
    fn an_advertisement_is_read() {
        let mut advertisement = Advertisement::default();
        for line in [
            format!("{ONE} HEAD\0shallow symref=HEAD:refs/heads/main object-format=sha1\n"),
            format!("{ONE} refs/heads/main\n"),
            format!("{TWO} refs/tags/v1\n"),
            format!("{ONE} refs/tags/v1^{{}}\n"),
        ] {
            assert!(!advertisement.add(&Packet::Data(line.into_bytes())).unwrap());
        }
        assert!(advertisement.add(&Packet::Flush).unwrap());
        assert_eq!(advertisement.references, expected());
        assert!(advertisement.can("shallow") && !advertisement.can("side-band"));
    }

    #[test]
    fn a_listing_is_read() {
        let listing = format!(
            "ref: refs/heads/main\tHEAD\n{ONE}\tHEAD\n{ONE}\trefs/heads/main\n{TWO}\trefs/tags/v1\n{ONE}\trefs/tags/v1^{{}}\n"
        );
        assert_eq!(References::from_listing(&listing).unwrap(), expected());
    }

    #[test]
    fn an_empty_repository_and_a_refusal_are_read() {
        let mut advertisement = Advertisement::default();
        let line = format!("{} capabilities^{{}}\0shallow", "0".repeat(40));
        advertisement.add(&Packet::Data(line.into_bytes())).unwrap();
        assert_eq!(advertisement.references, References::default());
        let error = Advertisement::default()
            .add(&Packet::Data(
                b"ERR access denied or repository not exported: /x".to_vec(),
            ))
            .unwrap_err();
        assert!(error.to_string().contains("access denied"), "{error}");
    }
}
