//! Options and commands that mlrun does not have, with what people mean by them: those of earlier versions of
//! MLflow, and those of other programs.

/// What to write in place of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instead {
    /// The long option with this name, with the same value.
    Option(&'static str),
    /// These words.
    Words(&'static [&'static str]),
    /// `-P` before its value.
    Parameter,
    /// Its value without any option.
    Uri,
    /// Nothing that can be put there.
    Text(&'static str),
}

const GIT: &str = "git's own credentials are used; set up a credential helper, or use an SSH URI such as \
                   git@host:org/project";
const STORE: &str = "set MLFLOW_TRACKING_URI before the command: MLFLOW_TRACKING_URI=URI mlrun run …";

/// What to write in place of an option of `mlrun run` that has this name and, as far as can be told, this value.
pub(super) fn of_option(name: &str, value: Option<&str>) -> Option<Instead> {
    let is_number = value.is_some_and(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    Some(match name.replace('_', "-").to_lowercase().as_str() {
        // Of MLflow's earlier versions.
        "mode" | "m" => Instead::Option("backend"),
        "cluster-spec" | "cluster" => Instead::Option("backend-config"),
        "use-conda" => Instead::Words(&["--env-manager", "conda"]),
        "no-use-conda" | "no-env" => Instead::Words(&["--env-manager", "local"]),
        "skip-image-build" => Instead::Words(&["--no-build-image"]),
        "block" | "synchronous" => Instead::Words(&["--wait"]),
        "no-block" | "detach" => Instead::Words(&["--no-wait"]),
        "git-username" | "git-password" | "git-token" => Instead::Text(GIT),
        "kwargs" => {
            Instead::Text("set parameters with -P NAME=VALUE, options of `docker run` with -A NAME=VALUE")
        }
        // Of MLflow's other commands and of other programs.
        "experiment" if is_number => Instead::Option("experiment-id"),
        "experiment" => Instead::Option("experiment-name"),
        "tracking-uri" | "backend-store-uri" => Instead::Text(STORE),
        "name" => Instead::Option("run-name"),
        "branch" | "tag" | "commit" | "revision" | "ref" | "git-version" => Instead::Option("version"),
        "script" | "main" => Instead::Option("entry-point"),
        "env" if matches!(value, Some("local" | "virtualenv" | "uv" | "conda")) => {
            Instead::Option("env-manager")
        }
        "conda" => Instead::Words(&["--env-manager", "conda"]),
        "virtualenv" | "venv" => Instead::Words(&["--env-manager", "virtualenv"]),
        "uv" => Instead::Words(&["--env-manager", "uv"]),
        "local" => Instead::Words(&["--env-manager", "local"]),
        "param" | "parameter" | "p" => Instead::Parameter,
        "params" | "parameters" if value.is_some_and(|value| value.contains('=')) => Instead::Parameter,
        "params" | "parameters" => Instead::Option("params-file"),
        "uri" | "project" | "project-uri" => Instead::Uri,
        _ => return None,
    })
}

/// The command that is meant by another word.
pub(super) fn of_command(path: &str, word: &str) -> Option<&'static str> {
    Some(match (path, word.to_lowercase().as_str()) {
        ("mlrun", "exec" | "start" | "launch" | "execute") => "run",
        ("mlrun", "stop" | "kill" | "abort") => "cancel",
        ("mlrun", "check" | "validate" | "verify") => "lint",
        ("mlrun", "describe" | "info") => "inspect",
        ("mlrun", "ps" | "state") => "status",
        ("mlrun", "envs" | "environment" | "environments") => "env",
        ("mlrun", "manual" | "manpage" | "manpages") => "man",
        ("mlrun", "complete" | "autocomplete") => "completions",
        ("mlrun", "new" | "create") => "init",
        ("mlrun env", "ls" | "show") => "list",
        ("mlrun env", "remove" | "delete" | "del" | "uninstall") => "rm",
        ("mlrun env", "clean" | "gc" | "clear") => "prune",
        _ => return None,
    })
}
