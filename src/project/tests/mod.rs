//! Projects as a whole: text of an MLproject file in, declarations, commands and messages out.

mod declarations;
mod entry_points;
mod messages;

use std::path::Path;

use super::{EntryPoint, ParameterContext, Project, ProjectError, ResolvedParameters};

/// A project's directory, with this MLproject file and these empty files in it.
struct Fixture {
    directory: tempfile::TempDir,
}

impl Fixture {
    fn new(mlproject: &str, files: &[&str]) -> Self {
        let fixture = Self::without_mlproject(files);
        fixture.write("MLproject", mlproject);
        fixture
    }

    fn without_mlproject(files: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fixture = Self { directory };
        for file in files {
            fixture.write(file, "");
        }
        fixture
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn load(&self) -> Result<Project, ProjectError> {
        Project::load(self.path())
    }

    /// The entry point `main`, resolved with the given parameters as if called in the project.
    fn resolve(&self, given: &[(&str, &str)]) -> Result<(EntryPoint, ResolvedParameters), ProjectError> {
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let entry_point = self.load()?.entry_point("main", None)?;
        let parameters = entry_point.resolve(
            &given,
            ParameterContext {
                directory: self.path(),
                is_elsewhere: false,
            },
        )?;
        Ok((entry_point, parameters))
    }

    /// The message with its place and hint as the command line shows them, with `<project>` for the
    /// directory.
    fn message(&self, error: &ProjectError) -> String {
        let mut message = error.to_string();
        if let Some(location) = error.location() {
            message.push_str(&format!("\n  --> {location}"));
        }
        if let Some(hint) = error.hint() {
            message.push_str(&format!("\nhint: {hint}"));
        }
        let directory = self.path().to_str().unwrap();
        message
            .replace(&format!("{directory}/MLproject"), "MLproject")
            .replace(directory, "<project>")
    }
}
