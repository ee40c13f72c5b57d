//! `mlrun schema`: what editors need to complete and check a project's files.

use crate::cli::args::SchemaName;
use crate::cli::printer;
use crate::cli::report::{Failure, Outcome};

const MLPROJECT: &str = include_str!("mlproject.json");
const PYTHON_ENV: &str = include_str!("python_env.json");

/// Writes the JSON Schema of a kind of file.
pub(crate) fn run(name: SchemaName) -> Result<Outcome, Failure> {
    printer::write_stdout(match name {
        SchemaName::Mlproject => MLPROJECT,
        SchemaName::PythonEnv => PYTHON_ENV,
    })?;
    Ok(Outcome::Succeeded)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::project::keys;

    /// Every key that mlrun gives a meaning is described, and no other one.
    #[test]
    fn the_keys_are_those_of_the_reader() {
        let schema: Value = serde_json::from_str(MLPROJECT).unwrap();
        let parameter = &schema["definitions"]["parameter"]["anyOf"][1];
        for (part, known) in [
            (&schema, keys::PROJECT),
            (&schema["definitions"]["docker_env"], keys::DOCKER_ENV),
            (&schema["definitions"]["entry_point"], keys::ENTRY_POINT),
            (&schema["properties"]["databricks_spark_job"], keys::SPARK_JOB),
            (parameter, keys::PARAMETER),
        ] {
            let properties = part["properties"].as_object().unwrap();
            let mut described: Vec<&str> = properties.keys().map(String::as_str).collect();
            let mut known = known.to_vec();
            described.sort_unstable();
            known.sort_unstable();
            assert_eq!(described, known);
        }
        let types = &schema["definitions"]["type"]["anyOf"][0]["enum"];
        assert_eq!(types, &serde_json::json!(keys::TYPES));
        serde_json::from_str::<Value>(PYTHON_ENV).unwrap();
    }
}
