//! A Python module that is not installed.

use super::program::no_file;
use super::{Call, Traces};
use crate::project::quote;

/// Prints the first module that a script, or a file of its own that it imports, imports without condition and that
/// cannot be found. Imports nothing. Arguments: `script FILE` or `module NAME`.
const FIND_MISSING: &str = r#"
import ast, os, sys
from importlib.util import find_spec
kind, name = sys.argv[1:]
todo = [name] if kind == "script" else []
folder = os.path.dirname(os.path.abspath(name)) if kind == "script" else os.getcwd()
sys.path[0] = folder
def missing(module):
    top = module.split(".")[0]
    spec = find_spec(top)
    if spec is None:
        print("missing " + top)
        return True
    origin = spec.origin or ""
    if origin.endswith(".py") and origin.startswith(os.path.join(folder, "")) and origin not in seen:
        todo.append(origin)
seen = set()
if kind == "module":
    missing(name)
while todo and len(seen) < 100:
    path = todo.pop()
    seen.add(path)
    with open(path, "rb") as file:
        body = ast.parse(file.read()).body
    for node in body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        if any(missing(name) for name in names):
            sys.exit()
"#;

/// How a module that is not found is reported: by an import, and by `python -m`.
const REPORTS: [&str; 2] = ["ModuleNotFoundError: No module named ", ": No module named "];

impl Traces {
    /// What to do about a script that Python could not open.
    pub(super) fn missing_script(&self) -> Option<String> {
        let calls = self.calls();
        let [call] = calls.as_slice() else { return None };
        let (_, script) = python_call(&call.words).filter(|(kind, _)| *kind == "script")?;
        (!call.directory.join(script).exists()).then(|| no_file(script, &call.directory))
    }

    /// The module that the entry point lacks: what it wrote tells it if that was kept; otherwise its script is
    /// looked through.
    pub(super) async fn missing_module(&self) -> Option<String> {
        if let Some(module) = reported(&self.last_lines) {
            return Some(module);
        }
        let calls = self.calls();
        let [Call { words, directory }] = calls.as_slice() else {
            return None;
        };
        let (kind, name) = python_call(words)?;
        let probe = [words[0].as_str(), "-c", FIND_MISSING, kind, name]
            .map(quote)
            .join(" ");
        let found = self.probe(&probe, directory).capture().await.ok()?;
        let found = found.text();
        let module = found.lines().find_map(|line| line.strip_prefix("missing "))?;
        Some(module.to_owned())
    }
}

/// The module that the last lines of an output name as missing.
fn reported(lines: &str) -> Option<String> {
    lines.lines().rev().find_map(|line| {
        let name = REPORTS
            .iter()
            .find_map(|report| Some(line.split_once(report)?.1))?;
        let name = name
            .trim()
            .split(['\'', '"', ';', ' '])
            .find(|part| !part.is_empty())?;
        Some(name.split('.').next().unwrap_or(name).to_owned())
    })
}

/// What a call of Python runs: a script or a module, and its name.
fn python_call(words: &[String]) -> Option<(&'static str, &str)> {
    let program = words.first()?.rsplit('/').next()?;
    let version = program.strip_prefix("python")?;
    if !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let mut words = words[1..].iter().map(String::as_str);
    loop {
        match words.next()? {
            "-m" => return Some(("module", words.next()?)),
            // Options with a value of their own.
            "-W" | "-X" => drop(words.next()),
            option if option.starts_with('-') => {
                if option == "-" || option.starts_with("-c") {
                    return None;
                }
            }
            script => return script.ends_with(".py").then_some(("script", script)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::simple_commands;
    use super::*;

    #[test]
    fn what_python_runs_is_told() {
        for (command, expected) in [
            ("python train.py --alpha 1", Some(("script", "train.py"))),
            ("python3 -u -W ignore src/a.py", Some(("script", "src/a.py"))),
            (
                "/opt/bin/python3.11 -m package.tool x",
                Some(("module", "package.tool")),
            ),
            ("python -c 'import x' a.py", None),
            ("python train", None),
            ("python", None),
            ("pythonic a.py", None),
            ("bash a.py", None),
        ] {
            let words = simple_commands(command).remove(0);
            assert_eq!(python_call(&words), expected, "{command}");
        }
    }

    #[test]
    fn reports_of_missing_modules_are_read() {
        for (lines, expected) in [
            (
                "Traceback\nModuleNotFoundError: No module named 'sklearn.svm'\n",
                Some("sklearn"),
            ),
            ("/usr/bin/python: No module named pytest\n", Some("pytest")),
            (
                "ModuleNotFoundError: No module named 'a'; 'b' is not a package\n",
                Some("a"),
            ),
            ("ValueError: no module\n", None),
            ("", None),
        ] {
            assert_eq!(reported(lines).as_deref(), expected, "{lines}");
        }
    }
}
