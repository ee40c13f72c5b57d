//! Hints: what to do about an error.

use super::error::{
    MOST_COMPARED, MistypedKey, NAMES_SHOWN, Part, ProjectError, ProjectProblem, SparkJobRule, quoted,
};
use super::template::TemplateError;
use crate::nearest::nearest;

const NO_MLPROJECT: &str = "name the directory of the project, or write an MLproject file with entry points";

impl ProjectError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        self.file_hint().or_else(|| self.request_hint())
    }

    /// What to change in the project's file.
    fn file_hint(&self) -> Option<String> {
        match self.problem() {
            ProjectProblem::Yaml { error, .. } => error.hint(),
            ProjectProblem::WrongKind { part, .. } => wrong_kind(part),
            ProjectProblem::NameCollision { .. } => {
                Some("put the names in quotes, or choose others".to_owned())
            }
            ProjectProblem::SeveralEnvironments { .. } => Some("keep one of them".to_owned()),
            ProjectProblem::EnvironmentFileMissing { near, .. } => Some(match near {
                Some(near) => format!("did you mean '{near}'?"),
                None => "the path is relative to the project's directory".to_owned(),
            }),
            ProjectProblem::DockerImageMissing { mistyped } => {
                Some(mistyped_or(mistyped.as_ref(), "add `image: NAME` to docker_env"))
            }
            ProjectProblem::DockerVariablePair => {
                Some("write `[NAME, VALUE]` to set a variable, or only `NAME` to copy its value".to_owned())
            }
            ProjectProblem::SparkJob { rule, .. } => spark_job(rule),
            ProjectProblem::NoMlproject { misplaced, .. } => Some(match misplaced {
                Some(misplaced) => misplaced.hint(),
                None => NO_MLPROJECT.to_owned(),
            }),
            ProjectProblem::NothingToRun { mistyped } => Some(mistyped_or(
                mistyped.as_ref(),
                "declare one in MLproject: `entry_points: {main: {command: ...}}`",
            )),
            ProjectProblem::CommandMissing { mistyped, .. } => Some(mistyped_or(
                mistyped.as_ref(),
                "add `command: ...` to the entry point",
            )),
            _ => None,
        }
    }

    /// What to ask for instead.
    fn request_hint(&self) -> Option<String> {
        match self.problem() {
            ProjectProblem::NoEntryPoint {
                name,
                declared,
                scripts,
                mistyped,
                misplaced,
                ..
            } => match (misplaced, mistyped) {
                (Some(misplaced), _) => Some(misplaced.hint()),
                (None, Some(mistyped)) if declared.is_empty() => Some(mistyped.hint()),
                _ => near_entry_point(name, declared, scripts),
            },
            ProjectProblem::NoEntryPointsInSparkJob { .. } => Some(
                "run it with --backend databricks, or declare entry points instead of 'python_file'"
                    .to_owned(),
            ),
            ProjectProblem::MissingParameters {
                names, undeclared, ..
            } => Some(give(names, undeclared)),
            ProjectProblem::UndeclaredParameters { names, declared, .. } => Some(undeclared(names, declared)),
            ProjectProblem::ParameterName {
                name,
                declared,
                instead,
                ..
            } => Some(match nearest(name, declared.iter().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("write {instead}, without blanks in the name"),
            }),
            ProjectProblem::NotAFloat {
                parameter,
                is_default,
                ..
            } => Some(match is_default {
                false => format!("pass a number, for example -P {parameter}=0.5"),
                true => format!("write a number in MLproject, or pass one, for example -P {parameter}=0.5"),
            }),
            ProjectProblem::EmptyValue {
                parameter,
                is_default,
                ..
            } => Some(match is_default {
                false => format!("pass one with -P {parameter}=..."),
                true => format!("remove the default, or pass a value with -P {parameter}=..."),
            }),
            ProjectProblem::PathMissing { value, .. } => path_missing(value),
            ProjectProblem::Template {
                error,
                declared,
                is_shell_variable,
                ..
            } => template(error, declared, *is_shell_variable),
            _ => None,
        }
    }
}

impl MistypedKey {
    fn hint(&self) -> String {
        let Self { written, meant, line } = self;
        format!("did you mean '{meant}' instead of '{written}' on line {line}?")
    }
}

fn mistyped_or(mistyped: Option<&MistypedKey>, otherwise: &str) -> String {
    mistyped.map_or_else(|| otherwise.to_owned(), MistypedKey::hint)
}

fn wrong_kind(part: &Part) -> Option<String> {
    let hint = match part {
        Part::Command(_) => "put the command in quotes",
        Part::EntryPoint(_) => "write the command as `command: ...` on a line below the name",
        Part::Parameters(_) => "write each parameter as `NAME: TYPE` on a line of its own",
        Part::Parameter { .. } => "write `NAME: TYPE` or `NAME: {type: TYPE, default: VALUE}`",
        Part::Key("docker_env") => "write the image's name as `image: NAME` on a line below docker_env",
        Part::In("docker_env", "environment") | Part::DockerVariable => {
            "write each variable as `- [NAME, VALUE]`, or as `- NAME` to copy its value"
        }
        Part::In("docker_env", "volumes") | Part::DockerVolume => {
            "write each volume as `- \"/path/here:/path/there\"`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn spark_job(rule: &SparkJobRule) -> Option<String> {
    let hint = match rule {
        SparkJobRule::NothingToRun => "add one of them",
        SparkJobRule::TwoThingsToRun => "keep one of them",
        SparkJobRule::PathParameter { .. } => "the job sees no local files: use the type uri or string",
        SparkJobRule::Environment { .. } => "list the packages under 'python_libraries' instead",
    };
    Some(hint.to_owned())
}

fn near_entry_point(name: &str, declared: &[String], scripts: &[String]) -> Option<String> {
    let known = declared.iter().chain(scripts).map(String::as_str);
    match (nearest(name, known), declared, scripts) {
        (Some(near), _, _) => Some(format!("did you mean '{near}'?")),
        (None, [], [script, ..]) => Some(format!("run one of the scripts, for example -e {script}")),
        (None, [], []) => Some(NO_MLPROJECT.to_owned()),
        _ => None,
    }
}

fn give(names: &[String], undeclared: &[String]) -> String {
    // All pairs are compared, so only as many as a person types.
    let given = undeclared.iter().take(NAMES_SHOWN).map(String::as_str);
    let meant = names
        .iter()
        .take(NAMES_SHOWN)
        .find_map(|name| Some((name, nearest(name, given.clone())?)));
    if let Some((name, given)) = meant {
        return format!("you gave '{given}', which is not declared; did you mean '{name}'?");
    }
    let options: Vec<String> = names
        .iter()
        .take(NAMES_SHOWN)
        .map(|name| format!("-P {name}=..."))
        .collect();
    let more = if names.len() > NAMES_SHOWN { " ..." } else { "" };
    format!("pass {}{more}", options.join(" "))
}

fn undeclared(names: &[String], declared: &[String]) -> String {
    let known = || declared.iter().take(MOST_COMPARED).map(String::as_str);
    let mut near = names
        .iter()
        .take(NAMES_SHOWN)
        .filter_map(|name| nearest(name, known()));
    match (near.next(), declared) {
        (Some(near), _) => format!("did you mean '{near}'?"),
        (None, []) => "it declares no parameters; leave --strict-params out to pass these on".to_owned(),
        (None, declared) => format!(
            "it declares {}; leave --strict-params out to pass others on",
            quoted(declared, NAMES_SHOWN)
        ),
    }
}

fn path_missing(value: &str) -> Option<String> {
    let hint = match value.chars().next() {
        Some('~') => "'~' is not expanded here: write the whole path",
        Some('/') => return None,
        _ => "relative paths start from the current directory, not from the project's",
    };
    Some(hint.to_owned())
}

fn template(error: &TemplateError, declared: &[String], is_shell_variable: bool) -> Option<String> {
    let (field, name) = match error {
        TemplateError::LoneBrace { brace } => {
            return Some(format!(
                "double a brace that is meant for the shell: '{brace}{brace}'"
            ));
        }
        TemplateError::UnknownName { name, field } => (field, Some(name)),
        TemplateError::Positional { field } => (field, None),
        TemplateError::Unclosed { .. } | TemplateError::Unfit { .. } | TemplateError::FormatSpec { .. } => {
            return Some("double the braces that are meant for the shell: '{{' and '}}'".to_owned());
        }
        TemplateError::IndexOutOfRange { .. }
        | TemplateError::TooLong { .. }
        | TemplateError::TooDeep { .. } => return None,
    };
    if declared.contains(field) {
        return Some(format!(
            "Python's format syntax cannot use the name '{field}': rename the parameter to letters, digits and '_'"
        ));
    }
    let dollar = if is_shell_variable { "$" } else { "" };
    let doubled = format!("{dollar}{{{{{field}}}}}");
    match name.and_then(|name| nearest(name, declared.iter().map(String::as_str))) {
        Some(near) => Some(format!(
            "did you mean '{{{near}}}'? Double the braces if they are meant for the shell: '{doubled}'"
        )),
        None if is_shell_variable || name.is_none() => Some(format!(
            "double the braces that are meant for the shell: '{doubled}'"
        )),
        None => Some(format!(
            "declare it under `parameters:`, or double the braces if they are meant for the shell: '{doubled}'"
        )),
    }
}
