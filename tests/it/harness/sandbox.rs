//! A directory of its own for each test, and programs that see nothing outside it.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The programs that tests may find on `PATH`: what a project's command, a setup script and a
/// source in Git need, and nothing that a test could find by accident (no conda, docker, python).
const PROGRAMS: &[&str] = &[
    "basename",
    "bash",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dirname",
    "env",
    "expr",
    "false",
    "find",
    "git",
    "grep",
    "head",
    "id",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "nohup",
    "ps",
    "readlink",
    "rm",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "ssh",
    "stat",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "wc",
    "xargs",
];

/// A sealed directory. It holds `work` (where programs start), `home`, `tmp` and `bin` (the first
/// directory on `PATH`), and is removed with this value.
pub(crate) struct Sandbox {
    root: PathBuf,
    _directory: tempfile::TempDir,
}

impl Sandbox {
    /// Makes an empty sandbox.
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("mlrun-test-").tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        for name in ["work", "home", "tmp", "bin"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        Self {
            root,
            _directory: directory,
        }
    }

    /// The sandbox's own path.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where programs start.
    pub(crate) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Writes a file, given relative to the work directory, and the directories above it.
    pub(crate) fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
        let path = self.work().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Writes a file that can be executed, given relative to the work directory.
    pub(crate) fn write_executable(&self, path: impl AsRef<Path>, contents: &str) {
        let path = self.work().join(path);
        self.write(&path, contents);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts a program of the machine on the sandbox's `PATH`.
    pub(crate) fn link_program(&self, name: &str, program: &Path) {
        symlink(program, self.root.join("bin").join(name)).unwrap();
    }

    /// The variables of every program in the sandbox; nothing else is set.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let root = self.root.to_str().unwrap();
        [
            ("PATH", format!("{root}/bin:{}", program_directory().display())),
            ("HOME", format!("{root}/home")),
            ("TMPDIR", format!("{root}/tmp")),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A program that starts in the work directory with the sandbox's variables and no input.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null());
        command
    }

    /// The binary under test, as [`Sandbox::command`] starts programs.
    pub(crate) fn mlrun(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_mlrun"))
    }

    /// As [`Sandbox::mlrun`], for a test that sends signals: whoever runs the tests may ignore some (as
    /// `nohup` does), and programs inherit that.
    pub(crate) fn interruptible_mlrun(&self) -> Command {
        let mut command = self.command("env");
        command.args(["--default-signal", env!("CARGO_BIN_EXE_mlrun")]);
        command
    }

    /// Runs a setup script with bash in the work directory. Git commits that it makes are the same
    /// in every sandbox.
    ///
    /// # Panics
    /// When the script fails.
    pub(crate) fn shell(&self, script: &str) -> String {
        let output = self
            .command("bash")
            .args(["-euo", "pipefail", "-c", script])
            .envs([
                ("GIT_AUTHOR_NAME", "A U Thor"),
                ("GIT_AUTHOR_EMAIL", "author@example.com"),
                ("GIT_AUTHOR_DATE", "2024-01-02T03:04:05Z"),
                ("GIT_COMMITTER_NAME", "C O Mitter"),
                ("GIT_COMMITTER_EMAIL", "committer@example.com"),
                ("GIT_COMMITTER_DATE", "2024-01-02T03:04:05Z"),
                ("GIT_CONFIG_COUNT", "2"),
                ("GIT_CONFIG_KEY_0", "init.defaultBranch"),
                ("GIT_CONFIG_VALUE_0", "main"),
                ("GIT_CONFIG_KEY_1", "protocol.file.allow"),
                ("GIT_CONFIG_VALUE_1", "always"),
            ])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "the setup script failed: {script}\n{}",
            describe(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The text with `<sandbox>` replaced by the sandbox's path.
    pub(crate) fn expand(&self, text: &str) -> String {
        text.replace("<sandbox>", self.root.to_str().unwrap())
    }

    /// The text with the sandbox's path replaced by `<sandbox>`.
    pub(crate) fn anonymous(&self, text: &str) -> String {
        text.replace(self.root.to_str().unwrap(), "<sandbox>")
    }

    /// The paths of all files below the work directory, relative to it; directories only where they
    /// are empty. Git's own directories are left out.
    pub(crate) fn files(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        collect_files(&self.work(), &self.work(), &mut found);
        found
    }
}

/// An output as text for a failed assertion.
pub(crate) fn describe(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn collect_files(top: &Path, directory: &Path, found: &mut BTreeSet<String>) {
    let mut is_empty = true;
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        is_empty = false;
        let path = entry.path();
        if entry.file_name() == ".git" {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect_files(top, &path, found);
        } else {
            found.insert(path.strip_prefix(top).unwrap().to_string_lossy().into_owned());
        }
    }
    if is_empty && directory != top {
        found.insert(format!(
            "{}/",
            directory.strip_prefix(top).unwrap().to_string_lossy()
        ));
    }
}

/// A directory that holds links to [`PROGRAMS`], the same for all tests of this build.
pub(super) fn program_directory() -> &'static Path {
    static DIRECTORY: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
        fs::create_dir_all(&directory).unwrap();
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        for name in PROGRAMS {
            let link = directory.join(name);
            if link.exists() {
                continue;
            }
            let Some(program) = std::env::split_paths(&search_path)
                .map(|path| path.join(name))
                .find(|path| path.is_file())
            else {
                continue;
            };
            // Another test process may have been quicker; a link that leads nowhere is made anew.
            let _ = fs::remove_file(&link);
            let made = symlink(program, &link);
            assert!(made.is_ok() || link.exists(), "cannot link {name}: {made:?}");
        }
        directory
    })
}
