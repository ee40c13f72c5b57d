//! Where conda keeps its environments, found by looking: asking conda takes half a second.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::env_vars::{
    CONDA_ENVS_DIRS, CONDA_ENVS_PATH, CONDA_PREFIX, CONDA_ROOT, CONDARC, HOME, XDG_CONFIG_HOME,
};
use crate::yaml;

/// What conda writes into every environment.
const HISTORY: &str = "conda-meta/history";
/// The key of `.condarc` for directories of environments, and its older name.
const CONDARC_KEYS: [&str; 2] = ["envs_dirs", "envs_path"];

/// The directories of environments that conda knows, in the order in which it looks for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directories {
    /// Directories of which each holds environments by name.
    by_name: Vec<PathBuf>,
    /// Environments that conda has noted, wherever they are.
    noted: Vec<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CondaEnvironment {
    pub(super) prefix: PathBuf,
    /// Whether conda finds it by its name alone.
    pub(super) has_name: bool,
}

impl CondaEnvironment {
    /// Whether conda takes it for an environment.
    pub(super) fn is_environment(&self) -> bool {
        is_environment(&self.prefix)
    }
}

fn is_environment(prefix: &Path) -> bool {
    prefix.join(HISTORY).is_file()
}

impl Directories {
    /// Reads the variables and files that conda reads, for an installation in one of `roots`.
    /// What cannot be read is left out; conda itself can be asked then.
    pub(super) fn read(roots: &[PathBuf]) -> Self {
        let home = env::var_os(HOME).map(PathBuf::from);
        let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let mut by_name = Vec::new();
        for name in [CONDA_ENVS_DIRS, CONDA_ENVS_PATH] {
            by_name.extend(env::var_os(name).iter().flat_map(env::split_paths));
        }
        for file in settings_files(roots, home.as_deref()) {
            by_name.extend(directories_in_settings(&file));
        }
        by_name.extend(roots.iter().map(|root| root.join("envs")));
        by_name.extend(in_home(".conda/envs"));
        by_name = by_name
            .into_iter()
            .filter_map(|path| match path.strip_prefix("~") {
                Ok(rest) => Some(home.as_ref()?.join(rest)),
                Err(_) => std::path::absolute(path).ok(),
            })
            .collect();
        let noted = in_home(".conda/environments.txt")
            .and_then(|file| fs::read_to_string(file).ok())
            .unwrap_or_default();
        Self {
            by_name,
            noted: noted.lines().map(PathBuf::from).collect(),
        }
    }

    /// The environment of this name, if it can be seen.
    pub(super) fn find(&self, name: &str) -> Option<CondaEnvironment> {
        self.candidates(name).find(CondaEnvironment::is_environment)
    }

    /// All environments that can be seen.
    pub(super) fn environments(&self) -> Vec<PathBuf> {
        let entries = self
            .by_name
            .iter()
            .filter_map(|directory| fs::read_dir(directory).ok());
        let in_directories = entries.flatten().flatten().map(|entry| entry.path());
        let mut prefixes: Vec<PathBuf> = in_directories.chain(self.noted.iter().cloned()).collect();
        prefixes.sort();
        prefixes.dedup();
        prefixes.retain(|prefix| is_environment(prefix));
        prefixes
    }

    /// Every directory that could be the environment of this name, also one that was never
    /// finished.
    pub(super) fn all(&self, name: &str) -> Vec<PathBuf> {
        let candidates = self.candidates(name).map(|candidate| candidate.prefix);
        candidates.filter(|prefix| prefix.is_dir()).collect()
    }

    /// Where conda will make an environment of this name: in the first directory that it can write
    /// to.
    pub(super) fn of_new(&self, name: &str) -> PathBuf {
        let can_be_written = |directory: &&PathBuf| {
            let existing = directory.ancestors().find(|directory| directory.exists());
            existing.is_some_and(|directory| access(directory, Access::WRITE_OK).is_ok())
        };
        let first = self.by_name.iter().find(can_be_written).or(self.by_name.first());
        first.map_or_else(|| PathBuf::from(name), |directory| directory.join(name))
    }

    /// Whether conda finds the environment in this directory by its name.
    pub(super) fn has_name(&self, prefix: &Path) -> bool {
        prefix
            .parent()
            .is_some_and(|parent| self.by_name.iter().any(|directory| directory == parent))
    }

    fn candidates(&self, name: &str) -> impl Iterator<Item = CondaEnvironment> {
        let by_name = self.by_name.iter().map(move |directory| CondaEnvironment {
            prefix: directory.join(name),
            has_name: true,
        });
        let is_noted = move |prefix: &&PathBuf| prefix.ends_with(name) && !self.has_name(prefix);
        by_name.chain(self.noted.iter().filter(is_noted).map(|prefix| CondaEnvironment {
            prefix: prefix.clone(),
            has_name: false,
        }))
    }
}

/// The files of conda's settings, the ones that count more first.
fn settings_files(roots: &[PathBuf], home: Option<&Path>) -> Vec<PathBuf> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from);
    let in_home = |path: &str| home.map(|home| home.join(path));
    let both = |directory: PathBuf| [".condarc", "condarc"].map(|name| directory.join(name));
    let mut files: Vec<PathBuf> = variable(CONDARC).into_iter().collect();
    files.extend(variable(CONDA_PREFIX).into_iter().flat_map(both));
    files.extend(in_home(".condarc"));
    let of_user = [
        in_home(".conda"),
        in_home(".config/conda"),
        variable(XDG_CONFIG_HOME).map(|directory| directory.join("conda")),
        variable(CONDA_ROOT),
    ];
    let of_system = ["/var/lib/conda", "/etc/conda"].map(PathBuf::from);
    let rest = of_user.into_iter().flatten().chain(roots.iter().cloned());
    files.extend(rest.chain(of_system).flat_map(both));
    files
}

/// The directories of environments that a file of settings names. Those with variables in them are
/// left out.
fn directories_in_settings(file: &Path) -> Vec<PathBuf> {
    let root = fs::read(file).ok().and_then(|text| yaml::parse(&text).ok());
    let Some(settings) = root.as_ref().and_then(|root| root.as_mapping()) else {
        return Vec::new();
    };
    let lists = CONDARC_KEYS.iter().filter_map(|key| settings.get(key)?.as_list());
    lists
        .flatten()
        .filter_map(|item| item.as_str())
        .filter(|path| !path.contains('$'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(prefix: &Path) {
        fs::create_dir_all(prefix.join("conda-meta")).unwrap();
        fs::write(prefix.join(HISTORY), "").unwrap();
    }

    #[test]
    fn environments_are_found_where_conda_finds_them() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        environment(&root.join("second/named"));
        environment(&root.join("elsewhere/noted"));
        fs::create_dir_all(root.join("first/named")).unwrap();
        fs::create_dir_all(root.join("first/half")).unwrap();
        let directories = Directories {
            by_name: vec![root.join("first"), root.join("second")],
            noted: ["elsewhere/noted", "second/named", "gone/half"]
                .map(|path| root.join(path))
                .into(),
        };
        for (name, expected) in [
            ("named", Some(("second/named", true))),
            ("noted", Some(("elsewhere/noted", false))),
            ("half", None),
            ("oted", None),
        ] {
            let expected = expected.map(|(path, has_name)| CondaEnvironment {
                prefix: root.join(path),
                has_name,
            });
            assert_eq!(directories.find(name), expected, "{name}");
        }
        assert_eq!(
            directories.all("named"),
            [root.join("first/named"), root.join("second/named")]
        );
        assert_eq!(directories.all("half"), [root.join("first/half")]);
    }

    #[test]
    fn settings_name_directories() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(".condarc");
        for (text, expected) in [
            ("envs_dirs: [/a, ~/b, $C/d]\nchannels: []\n", &["/a", "~/b"][..]),
            ("envs_path:\n  - /old\n", &["/old"]),
            ("envs_dirs: /a\n", &[]),
            ("envs_dirs: [unclosed\n", &[]),
            ("", &[]),
        ] {
            fs::write(&file, text).unwrap();
            let expected: Vec<_> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(directories_in_settings(&file), expected, "{text}");
        }
        assert!(directories_in_settings(Path::new("/no/such/file")).is_empty());
    }
}
