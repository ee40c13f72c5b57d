//! What to do about an error.

use super::error::{MOST_COMPARED, NAMES_SHOWN, Part, ProjectError, ProjectProblem, SparkJobRule, quoted};
use super::template::TemplateError;
use crate::nearest::nearest;

impl ProjectError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self.problem() {
            ProjectProblem::Yaml { error, .. } => error.hint(),
            ProjectProblem::WrongKind { part, .. } => wrong_kind(part),
            ProjectProblem::NameCollision { .. } => {
                Some("put the names in quotes, or choose others".to_owned())
            }
            ProjectProblem::SeveralEnvironments { .. } => Some("keep one of them".to_owned()),
            ProjectProblem::EnvironmentFileMissing { .. } => {
                Some("the path is relative to the project's directory".to_owned())
            }
            ProjectProblem::DockerImageMissing => Some("add `image: NAME` to docker_env".to_owned()),
            ProjectProblem::DockerVariablePair => Some(
                "write `[NAME, VALUE]` to set a variable, or only `NAME` to pass on its own value".to_owned(),
            ),
            ProjectProblem::SparkJob { rule, .. } => spark_job(rule),
            ProjectProblem::NoEntryPoint {
                name,
                declared,
                scripts,
                misnamed,
                ..
            } => near_entry_point(name, declared, scripts, misnamed.as_deref()),
            ProjectProblem::NoEntryPointsInSparkJob { .. } => Some(
                "run it with --backend databricks, or declare entry points instead of 'python_file'"
                    .to_owned(),
            ),
            ProjectProblem::CommandMissing { .. } => Some("add `command: ...` to the entry point".to_owned()),
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
            ProjectProblem::NotAFloat { parameter, .. } => {
                Some(format!("pass a number, for example -P {parameter}=0.5"))
            }
            ProjectProblem::EmptyValue { parameter, .. } => Some(format!("pass one with -P {parameter}=...")),
            ProjectProblem::PathMissing { value, .. } => path_missing(value),
            ProjectProblem::Template {
                error,
                declared,
                is_shell_variable,
                ..
            } => template(error, declared, *is_shell_variable),
            ProjectProblem::Read { .. } => None,
        }
    }
}

fn wrong_kind(part: &Part) -> Option<String> {
    let hint = match part {
        Part::Command(_) => "put the command in quotes",
        Part::EntryPoint(_) => "write the command as `command: ...` on a line below the name",
        Part::Parameters(_) => "write each parameter as `NAME: TYPE` on a line of its own",
        Part::Parameter { .. } => "write `NAME: TYPE` or `NAME: {type: TYPE, default: VALUE}`",
        Part::Key("docker_env") => "write the image's name as `image: NAME` on a line below docker_env",
        Part::In("docker_env", "environment") | Part::DockerVariable => {
            "write each variable as `- [NAME, VALUE]`, or as `- NAME` to pass on its own value"
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
        SparkJobRule::PathParameter { .. } => "the job sees no local files: take the type uri or string",
        SparkJobRule::Environment { .. } => "name the job's packages in its 'python_libraries'",
    };
    Some(hint.to_owned())
}

fn near_entry_point(
    name: &str,
    declared: &[String],
    scripts: &[String],
    misnamed: Option<&str>,
) -> Option<String> {
    if let Some(misnamed) = misnamed {
        return Some(format!(
            "rename {misnamed} to MLproject: a file of another name is not read"
        ));
    }
    let known = declared.iter().chain(scripts).map(String::as_str);
    match (nearest(name, known), declared, scripts) {
        (Some(near), _, _) => Some(format!("did you mean '{near}'?")),
        (None, [], [script, ..]) => Some(format!("name one of the scripts, for example -e {script}")),
        (None, [], []) => {
            Some("is this the project's directory? It has no MLproject file with entry points".to_owned())
        }
        _ => None,
    }
}

fn give(names: &[String], undeclared: &[String]) -> String {
    // Each is compared with each, so only as many as a person types.
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
        Some('~') => "'~' is not expanded here: write the path out",
        Some('/') => return None,
        _ => "relative paths start from the directory that mlrun is called in",
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
            "Python's format syntax cannot name '{field}': give the parameter a name of letters, digits and '_'"
        ));
    }
    let dollar = if is_shell_variable { "$" } else { "" };
    let doubled = format!("{dollar}{{{{{field}}}}}");
    match name.and_then(|name| nearest(name, declared.iter().map(String::as_str))) {
        Some(near) => Some(format!(
            "did you mean '{{{near}}}'? Double braces that are meant for the shell: '{doubled}'"
        )),
        None => Some(format!("double braces that are meant for the shell: '{doubled}'")),
    }
}
