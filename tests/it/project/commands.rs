//! Small projects beside MLflow's own project code, and templates beside Python's own `str.format`:
//! `tests/command_corpus/generate.py` and `tests/template_corpus/generate.py` say what the corpora hold.

use std::path::Path;

use mlrun::internals::project::{
    EnvironmentEntry, ParameterContext, Project, ProjectEnvironment, ProjectError, format_template,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::harness::corpus;

/// One line of the corpus.
#[derive(Deserialize)]
struct Case {
    mlproject: Option<String>,
    #[serde(default)]
    files: Vec<String>,
    entry_point: String,
    #[serde(default)]
    given: Vec<(String, String)>,
    reference: Value,
    mlrun: Option<Value>,
}

impl Case {
    fn write(&self, directory: &Path) {
        for folder in ["project", "work"] {
            std::fs::create_dir(directory.join(folder)).unwrap();
        }
        for file in &self.files {
            let file = directory.join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        if let Some(text) = &self.mlproject {
            std::fs::write(directory.join("project/MLproject"), text).unwrap();
        }
    }

    fn answer(&self, directory: &Path) -> Result<Value, ProjectError> {
        let project = Project::load(&directory.join("project"))?;
        let entry_point = project.entry_point(&self.entry_point, Some("/bin/dash"))?;
        let given: Vec<(String, String)> = self
            .given
            .iter()
            .map(|(name, value)| {
                let value = value.replace("<directory>", directory.to_str().unwrap());
                (name.clone(), value)
            })
            .collect();
        let context = ParameterContext {
            directory: &directory.join("work"),
            is_elsewhere: false,
        };
        let parameters = entry_point.resolve(&given, context)?;
        let declared = parameters.declared.iter();
        let logged: Vec<(String, String)> = declared
            .map(|parameter| (parameter.name.clone(), parameter.logged.clone()))
            .chain(parameters.extra.clone())
            .collect();
        let environment = match project.databricks_spark_job {
            Some(_) => Value::Null,
            None => environment(&project.environment, directory),
        };
        let name = project.file.and(project.name);
        Ok(json!({
            "command": entry_point.command(&parameters)?,
            "logged": logged,
            "name": name,
            "environment": environment,
        }))
    }

    /// What is wrong with mlrun's answer, if anything.
    fn difference(&self) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path().canonicalize().unwrap();
        self.write(&directory);
        let expected = self.mlrun.as_ref().unwrap_or(&self.reference);
        let is_as_expected = |actual: &Value| {
            let fields = expected.as_object().unwrap();
            fields.iter().all(|(field, value)| actual[field] == *value)
        };
        match (self.answer(&directory), &expected["error"]) {
            (Ok(actual), Value::Null) => {
                let text = actual
                    .to_string()
                    .replace(directory.to_str().unwrap(), "<directory>");
                let actual: Value = serde_json::from_str(&text).unwrap();
                (!is_as_expected(&actual)).then(|| format!("expected {expected}\n  gave     {actual}"))
            }
            (Ok(actual), error) => Some(format!("expected the error {error}\n  gave     {actual}")),
            (Err(error), Value::String(text)) => {
                // MLflow's own errors are only a kind of exception: any error will do.
                let is_other = self.mlrun.is_some() && !error.to_string().contains(text);
                is_other.then(|| format!("expected the error '{text}'\n  gave     {error}"))
            }
            (Err(error), _) => Some(format!("expected {expected}\n  failed   {error}")),
        }
    }
}

fn environment(environment: &ProjectEnvironment, directory: &Path) -> Value {
    let relative = |file: &Path| file.strip_prefix(directory).unwrap().to_owned();
    match environment {
        ProjectEnvironment::Python { file: None } => json!("python_env"),
        ProjectEnvironment::Python { file: Some(file) } => json!(["python_env", relative(file)]),
        ProjectEnvironment::Conda { file } => json!(["conda_env", relative(file)]),
        ProjectEnvironment::Docker(docker) => {
            let variables: Vec<Value> = docker
                .environment
                .iter()
                .map(|entry| match entry {
                    EnvironmentEntry::Copy(name) => json!(name),
                    EnvironmentEntry::Set(name, value) => json!([name, value]),
                })
                .collect();
            json!({"image": docker.image, "volumes": docker.volumes, "environment": variables})
        }
    }
}

/// MLflow keeps `docker_env` as it is written, without what is not.
fn with_whole_docker_environment(mut answer: Value) -> Value {
    if let Some(docker) = answer["environment"].as_object_mut() {
        let image = docker["image"]
            .as_str()
            .map_or_else(|| docker["image"].to_string(), str::to_owned);
        docker["image"] = json!(image);
        for key in ["volumes", "environment"] {
            if docker.get(key).is_none_or(Value::is_null) {
                docker.insert(key.to_owned(), json!([]));
            }
        }
    }
    answer
}

#[test]
fn commands_are_those_of_mlflow() {
    let mut differences = Vec::new();
    for line in corpus::text("command_corpus").lines() {
        let mut case: Case = serde_json::from_str(line).unwrap();
        case.reference = with_whole_docker_environment(case.reference);
        if let Some(difference) = case.difference() {
            differences.push(format!("{line}\n  {difference}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_command_corpus_is_what_mlflow_says() {
    corpus::assert_generated("command_corpus");
}

/// One line of the corpus: template, values, expected text or null.
type Template = (String, Map<String, Value>, Option<String>);

#[test]
fn templates_are_filled_in_as_python_does() {
    let mut differences = Vec::new();
    for line in corpus::text("template_corpus").lines() {
        let (template, values, expected): Template = serde_json::from_str(line).unwrap();
        let values: Vec<(&str, String)> = values
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str().unwrap().to_owned()))
            .collect();
        let actual = format_template(&template, &values);
        if actual.as_ref().ok() != expected.as_ref() {
            differences.push(format!("{line}\n  gives {actual:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn the_template_corpus_is_what_python_says() {
    corpus::assert_generated("template_corpus");
}
