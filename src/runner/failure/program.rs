//! A program that could not be run: exit codes 126 and 127.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::{Call, Packages, Traces};
use crate::nearest::nearest;
use crate::project::quote;

/// Prints PATH, and what the shell takes each word for: nothing if it finds no such command.
const LOOK: &str = r#"{ printf '%s\0' "$PATH"; for word; do printf '%s\0' "$(type -t -- "$word")"; done; }"#;

/// How much of a script's first line is looked at.
const FIRST_LINE: usize = 256;

/// How programs begin that no interpreter runs: those of Linux, Windows and macOS.
const BINARIES: [&[u8]; 3] = [b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe"];

/// What the shell says about the calls in a command.
struct Shell {
    /// The directories of PATH.
    path: Vec<PathBuf>,
    /// The calls, each with whether its program was found.
    calls: Vec<(Call, bool)>,
}

impl Traces {
    /// What to do about this exit code of a shell that could not run a program.
    pub(super) async fn program_hint(&self, code: i32) -> String {
        let hint = match self.ask_shell().await {
            Some(shell) => self.missing_program(&shell).or_else(|| shell.broken_script(code)),
            None => None,
        };
        hint.unwrap_or_else(|| match code {
            127 => "exit code 127 usually means that a program was not found; the message above names it"
                .to_owned(),
            _ => "exit code 126 usually means that a file cannot be executed; the message above names it"
                .to_owned(),
        })
    }

    /// Has the programs that are called looked up where the entry point's command ran.
    async fn ask_shell(&self) -> Option<Shell> {
        let calls = self.calls();
        let programs = calls.iter().map(|call| call.words[0].as_str());
        let probe = self.probe(LOOK, &self.directory).arguments(programs);
        let answer = probe.capture().await.ok()?;
        let answer = answer.text();
        let mut answers = answer.split_terminator('\0');
        let path = std::env::split_paths(answers.next()?).map(|entry| self.directory.join(entry));
        let path = path.collect();
        let is_found = |(call, kind): (Call, &str)| {
            let program = call.words[0].as_str();
            let is_found = if program.contains('/') {
                is_executable(&call.directory.join(program))
            } else {
                !kind.is_empty()
            };
            (call, is_found)
        };
        let calls = calls.into_iter().zip(answers).map(is_found).collect();
        Some(Shell { path, calls })
    }

    fn missing_program(&self, shell: &Shell) -> Option<String> {
        let (Call { words, directory }, _) = shell.calls.iter().find(|(_, is_found)| !is_found)?;
        let word = words[0].as_str();
        if word.contains('/') {
            return Some(self.missing_file(word, directory));
        }
        let file = directory.join(word);
        if file.is_file() {
            let call = if is_executable(&file) {
                quote(&format!("./{word}")).into_owned()
            } else {
                format!("{} {}", interpreter_for(&file), quote(word))
            };
            return Some(format!(
                "'{word}' is a file of the project, which is not on PATH: write `{call}` in the command"
            ));
        }
        let program = format!("'{word}' was not found on PATH");
        if word == "python" && shell.has("python3") {
            let or = match &self.packages {
                Packages::Machine { .. } => {
                    ", or leave out --env-manager local to get an environment with Python"
                }
                _ => "",
            };
            return Some(format!(
                "{program}, but 'python3' was: write python3 in the command{or}"
            ));
        }
        let local = match &self.packages {
            Packages::Machine {
                unused_file: Some(file),
            } => {
                format!("; if it comes with the packages in {file}, leave out --env-manager local")
            }
            _ => String::new(),
        };
        Some(match nearest(word, shell.programs().iter().map(String::as_str)) {
            Some(near) => format!("{program}; did you mean '{near}'?{local}"),
            None => format!("{program}: install it, or add its directory to PATH{local}"),
        })
    }

    /// What is wrong with a file that the shell does not run.
    fn missing_file(&self, word: &str, directory: &Path) -> String {
        let file = directory.join(word);
        if file.is_dir() {
            return format!("'{word}' is a directory, not a program");
        }
        if file.exists() {
            let name = quote(word);
            let call = format!("{} {name}", interpreter_for(&file));
            return if self.is_copy {
                format!(
                    "'{word}' is not executable: write `{call}` in the command, or commit `git update-index \
                     --chmod=+x {name}` in the project"
                )
            } else {
                format!(
                    "'{word}' is not executable: run `chmod +x {name}` in the project, or write `{call}` in the command"
                )
            };
        }
        no_file(word, directory)
    }
}

/// What is wrong with the first line of a file that is executable.
fn broken_file(word: &str, directory: &Path, path: &[PathBuf], code: i32) -> Option<String> {
    let line = first_line(&directory.join(word))?;
    if BINARIES.iter().any(|start| line.starts_with(start)) {
        let hint =
            || format!("'{word}' was probably built for another kind of machine: build it for this one");
        return (code == 126).then(hint);
    }
    let line = String::from_utf8(line).ok()?;
    let shebang = line.strip_prefix("#!")?;
    if line.ends_with('\r') {
        return Some(crlf(word));
    }
    let mut words = shebang.split_whitespace();
    let interpreter = words.next()?;
    if !Path::new(interpreter).exists() {
        return Some(no_interpreter(word, interpreter));
    }
    let name = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
    let is_missing =
        interpreter.ends_with("/env") && !path.iter().any(|directory| is_executable(&directory.join(name)));
    is_missing.then(|| no_interpreter(word, name))
}

impl Shell {
    /// What is wrong with a script that was found, or that a shell was called with.
    fn broken_script(&self, code: i32) -> Option<String> {
        self.calls.iter().find_map(|(Call { words, directory }, _)| {
            let program = words[0].as_str();
            if program.contains('/') {
                return broken_file(program, directory, &self.path, code);
            }
            let is_shell = matches!(program, "bash" | "sh" | "dash" | "zsh" | "source" | ".");
            let script = words.get(1).filter(|word| is_shell && !word.starts_with('-'))?;
            let Some(line) = first_line(&directory.join(script)) else {
                return Some(no_file(script, directory));
            };
            line.ends_with(b"\r").then(|| crlf(script))
        })
    }

    fn has(&self, program: &str) -> bool {
        self.path
            .iter()
            .any(|directory| is_executable(&directory.join(program)))
    }

    /// The names of all programs on PATH.
    fn programs(&self) -> Vec<String> {
        self.path
            .iter()
            .flat_map(|directory| names_in(directory))
            .collect()
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn is_executable(file: &Path) -> bool {
    file.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// What to do about a file that a command names and that is not in the directory.
pub(super) fn no_file(word: &str, directory: &Path) -> String {
    let file = directory.join(word);
    let near = file.parent().and_then(|parent| {
        let names = names_in(parent);
        let name = nearest(file.file_name()?.to_str()?, names.iter().map(String::as_str))?;
        let parent = word.rsplit_once('/').map(|(parent, _)| format!("{parent}/"));
        Some(format!("{}{name}", parent.unwrap_or_default()))
    });
    match near {
        Some(near) => format!("there is no file '{word}'; did you mean '{near}'?"),
        None => format!("there is no file '{word}'; a command starts in the project's directory"),
    }
}

/// The program that runs a file of this kind.
fn interpreter_for(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("py") => "python",
        Some("R") => "Rscript",
        _ => "bash",
    }
}

/// A file's first line, or what is looked at of it, without its end.
fn first_line(file: &Path) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let limit = u64::try_from(FIRST_LINE).unwrap_or(u64::MAX);
    File::open(file).ok()?.take(limit).read_to_end(&mut text).ok()?;
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    text.truncate(end);
    Some(text)
}

fn crlf(word: &str) -> String {
    let name = quote(word);
    format!(
        "'{word}' has Windows line endings (CRLF), which the shell cannot read; remove them: `sed -i 's/\\r$//' {name}`"
    )
}

fn no_interpreter(word: &str, interpreter: &str) -> String {
    format!(
        "the first line of '{word}' names '{interpreter}', which was not found: install it, or change the line"
    )
}
