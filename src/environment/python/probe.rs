//! What an interpreter says about itself.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::version::Version;
use crate::environment::{EnvironmentError, cache};
use crate::process::{ProcessError, ProgramCall};

/// Prints the version, the interpreter's own path, and whether it can make virtual environments.
const QUESTION: &str = "\
import sys
try:
    import ensurepip, venv
    venv = 'yes'
except ImportError:
    venv = 'no'
print('%d.%d.%d' % sys.version_info[:3])
print(sys.executable)
print(venv)
";

/// An interpreter that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interpreter {
    pub(super) path: PathBuf,
    pub(super) version: Version,
    /// Whether it has Python's `venv` and `ensurepip`, which some systems keep apart.
    pub(super) has_venv: bool,
}

/// Asks an interpreter; nothing if it does not answer as Python 3 does.
pub(super) async fn ask(program: &Path) -> Result<Option<Interpreter>, EnvironmentError> {
    let call = ProgramCall::new(program).arguments(["-I", "-c", QUESTION]);
    let answer = match call.capture().await {
        Ok(answer) => answer,
        Err(error @ ProcessError::Signals { .. }) => return Err(error.into()),
        Err(error) => {
            tracing::debug!(program = %program.display(), %error, "this is no Python that can be used");
            return Ok(None);
        }
    };
    let text = answer.text();
    let mut lines = text.lines();
    let (version, path, venv) = (lines.next(), lines.next(), lines.next());
    Ok(version.and_then(Version::parse).map(|version| Interpreter {
        // Behind a wrapper, such as those of pyenv, stands the real one.
        path: path
            .filter(|path| !path.is_empty())
            .map_or_else(|| program.to_owned(), PathBuf::from),
        version,
        has_venv: venv == Some("yes"),
    }))
}

/// The version of an interpreter, remembered from run to run for as long as its file stays the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::environment) struct KnownVersion {
    pub(super) version: Version,
    program: PathBuf,
    /// What to remember; nothing if it is remembered, or if it cannot be: a script may start
    /// another interpreter tomorrow.
    news: Option<Identity>,
}

/// The file of an interpreter, as far as it tells one from the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    identity: Identity,
    version: String,
}

/// The version of this interpreter; nothing if it does not answer.
pub(super) async fn version_of(program: &Path) -> Result<Option<KnownVersion>, EnvironmentError> {
    let identity = identity(program);
    if let Some(known) = memory().remove(program)
        && Some(&known.identity) == identity.as_ref()
        && let Some(version) = Version::parse(&known.version)
    {
        return Ok(Some(KnownVersion {
            version,
            program: program.to_owned(),
            news: None,
        }));
    }
    Ok(ask(program).await?.map(|interpreter| KnownVersion {
        version: interpreter.version,
        program: program.to_owned(),
        news: identity,
    }))
}

impl KnownVersion {
    /// The interpreter, for those who bring their own `venv`.
    pub(super) fn interpreter(&self) -> Interpreter {
        Interpreter {
            path: self.program.clone(),
            version: self.version.clone(),
            has_venv: false,
        }
    }

    /// Remembers the version for later runs. It only makes them quicker: a failure stops nothing.
    pub(super) fn remember(&self) {
        let Some(identity) = self.news.clone() else { return };
        let mut memory = memory();
        let version = self.version.to_string();
        memory.insert(self.program.clone(), Remembered { identity, version });
        let written = memory_file()
            .ok_or(std::io::ErrorKind::NotFound.into())
            .and_then(|file| cache::write_json(&file, &memory));
        if let Err(error) = written {
            tracing::debug!(%error, "the version of an interpreter cannot be remembered");
        }
    }
}

fn identity(program: &Path) -> Option<Identity> {
    use std::io::Read;
    let mut file = fs::File::open(program).ok()?;
    let mut start = [0; 2];
    file.read_exact(&mut start).ok()?;
    if &start == b"#!" {
        return None;
    }
    let metadata = file.metadata().ok()?;
    Some(Identity {
        inode: metadata.ino(),
        size: metadata.size(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
    })
}

fn memory_file() -> Option<PathBuf> {
    Some(cache::own_directory().ok()?.join("interpreters.json"))
}

fn memory() -> BTreeMap<PathBuf, Remembered> {
    memory_file()
        .and_then(|file| fs::read(file).ok())
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}
