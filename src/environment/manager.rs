//! Environment managers.

use std::fmt;

/// What prepares the environment, as `--env-manager` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnvManager {
    /// Nothing: the command runs in the environment that mlrun itself has.
    Local,
    /// Python's virtual environments.
    Virtualenv,
    /// The `uv` program.
    Uv,
    /// The `conda` program.
    Conda,
}

impl EnvManager {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 4] = [Self::Local, Self::Virtualenv, Self::Uv, Self::Conda];

    /// The name that `--env-manager` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Virtualenv => "virtualenv",
            Self::Uv => "uv",
            Self::Conda => "conda",
        }
    }

    /// The env manager with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|manager| manager.as_str() == name)
    }
}

impl fmt::Display for EnvManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
