//! The python environment that a conda environment file describes, for the env managers that are
//! not conda.

use std::path::Path;

use super::file::{CondaFile, Dependency};
use crate::environment::EnvironmentError;
use crate::environment::environment_file::RequirementLine;
use crate::environment::python::{PythonEnv, PythonRequest};

/// The packages of conda that a virtual environment can have too.
const KNOWN_PACKAGES: [&str; 4] = ["python", "pip", "setuptools", "wheel"];
/// The longer ones first, so that none is taken for a shorter one.
const OPERATORS: [&str; 7] = ["<=", ">=", "==", "!=", "<", ">", "="];

/// A python environment, derived from a conda environment file as MLflow derives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::environment) struct DerivedPythonEnv {
    /// Its Python is a version without the operator that stood before it, its build dependencies are
    /// the other packages that a virtual environment has too, and its dependencies are the last `pip`
    /// section.
    pub(in crate::environment) python_env: PythonEnv,
    /// The packages that only conda has. They are left out.
    conda_only: Vec<String>,
}

/// A package with its version, if MLflow understands it.
struct Requirement<'a> {
    package: &'a str,
    operator: Option<&'a str>,
    version: &'a str,
}

impl DerivedPythonEnv {
    /// Reads the file and takes what a virtual environment can have.
    pub(in crate::environment) fn read(file: &Path) -> Result<Self, EnvironmentError> {
        Self::derive(&CondaFile::read(file)?)
    }

    pub(super) fn derive(file: &CondaFile) -> Result<Self, EnvironmentError> {
        let mut environment = Self::default();
        for dependency in file.dependencies()? {
            match dependency {
                Dependency::Pip(requirements) => environment.python_env.dependencies = requirements,
                Dependency::Package(package) => environment
                    .take(&package)
                    .map_err(|problem| file.wrong_python(&package, problem))?,
            }
        }
        Ok(environment)
    }

    fn take(&mut self, line: &RequirementLine) -> Result<(), &'static str> {
        let text = line.text.as_str();
        let Some(requirement) = Requirement::parse(text) else {
            match Specification::of_python(text).filter(|_| self.python_env.python.is_none()) {
                Some(Specification::Version(version)) => self.python_env.python = Some(version),
                Some(Specification::Any) => {}
                Some(Specification::OfConda) => {
                    return Err("names Python in a way that only conda understands");
                }
                None => self.conda_only.push(text.to_owned()),
            }
            return Ok(());
        };
        // A second Python is a package like others, as MLflow has it.
        if requirement.package == "python" && self.python_env.python.is_none() {
            self.python_env.python = match requirement.operator {
                None => return Err("does not pin a version of Python"),
                Some("<" | ">" | "!=") => return Err("only excludes versions of Python"),
                Some(_) if requirement.version.is_empty() => None,
                Some(_) => Some(requirement.version.to_owned()),
            };
            return Ok(());
        }
        let operator = match requirement.operator {
            // Which pip does not know.
            Some("=") => "==",
            operator => operator.unwrap_or_default(),
        };
        self.python_env.build_dependencies.push(RequirementLine {
            text: format!("{}{operator}{}", requirement.package, requirement.version),
            place: line.place.clone(),
        });
        Ok(())
    }

    /// What MLflow warns of too: the packages that are left out, and a Python that is not chosen.
    pub(in crate::environment) fn warnings(&self, file: &Path) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.python_env.python.is_none() {
            warnings.push(format!(
                "{} does not include a python version specification. Using the Python on PATH.",
                file.display()
            ));
        }
        if !self.conda_only.is_empty() {
            warnings.push(format!(
                "The following conda dependencies will not be installed in the resulting environment: {}",
                self.conda_only.join(", ")
            ));
        }
        warnings
    }
}

/// The Python of a dependency that MLflow takes for a package that only conda has: its environments
/// get another Python than the file asks for.
#[derive(Debug, PartialEq, Eq)]
enum Specification {
    /// This version, or this range of versions.
    Version(String),
    /// Any version.
    Any,
    /// What only conda can find: a choice of versions, a build without a version.
    OfConda,
}

impl Specification {
    /// Reads `python=3.8.*`, `python =3.8`, `python=3.7.13=h6244533_0`, `python>=3.8,<3.11`,
    /// `conda-forge::python=3.8`; nothing for other packages.
    fn of_python(text: &str) -> Option<Self> {
        let text = text.trim();
        let package = text.rsplit_once("::").map_or(text, |(_, package)| package);
        let rest = package.strip_prefix("python")?;
        if rest.starts_with(|next: char| next.is_ascii_alphanumeric() || "-_.".contains(next)) {
            return None;
        }
        let rest = rest.trim();
        if rest.starts_with(['<', '>', '!', '~']) {
            let range = rest.replace(' ', "");
            return Some(match PythonRequest::parse(&range) {
                Some(_) => Self::Version(range),
                None => Self::OfConda,
            });
        }
        // What follows the version is the build, which no other Python has.
        let version = rest.trim_start_matches('=').trim_start();
        let version = version.split(['=', ' ']).next().unwrap_or_default();
        let version = version.trim_end_matches('*').trim_end_matches('.');
        if version.is_empty() {
            let is_any = rest.chars().all(|character| "=* ".contains(character));
            return Some(if is_any { Self::Any } else { Self::OfConda });
        }
        let is_version = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        Some(if is_version && PythonRequest::parse(version).is_some() {
            Self::Version(version.to_owned())
        } else {
            Self::OfConda
        })
    }
}

/// What to do without conda, if the file's environment does not need it. No file means Python alone.
pub(super) fn without_conda(file: Option<&CondaFile>) -> String {
    let conda_only = match file.map(DerivedPythonEnv::derive).transpose() {
        Ok(environment) => environment.unwrap_or_default().conda_only,
        Err(_) => return String::new(),
    };
    let end = match conda_only.as_slice() {
        [] => " (the environment has only Python and pip packages)".to_owned(),
        packages => format!(" (without the conda packages {})", packages.join(", ")),
    };
    format!("; or pass --env-manager uv or --env-manager virtualenv{end}")
}

impl<'a> Requirement<'a> {
    /// `package`, `package=1.2` and the like, without spaces; nothing for all else.
    fn parse(text: &'a str) -> Option<Self> {
        // Python's `$` also matches before a last line end.
        let text = text.strip_suffix('\n').unwrap_or(text);
        let (package, rest) = KNOWN_PACKAGES
            .into_iter()
            .find_map(|package| Some((package, text.strip_prefix(package)?)))?;
        let (operator, version) = OPERATORS
            .into_iter()
            .find_map(|operator| Some((Some(operator), rest.strip_prefix(operator)?)))
            .unwrap_or((None, rest));
        let is_version = version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        is_version.then_some(Self {
            package,
            operator,
            version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_python_are_not_lost() {
        let version = |text: &str| Some(Specification::Version(text.to_owned()));
        for (text, expected) in [
            ("python=3.8.*", version("3.8")),
            ("python==3.8.*", version("3.8")),
            ("python=3.8*", version("3.8")),
            ("python =3.8", version("3.8")),
            ("python 3.8", version("3.8")),
            ("python 3.8.* *_cpython", version("3.8")),
            ("python=3.7.13=h6244533_0", version("3.7.13")),
            ("conda-forge::python=3.8", version("3.8")),
            ("conda-forge/linux-64::python=3.8.5=h1_0", version("3.8.5")),
            ("python >=3.8, <3.11", version(">=3.8,<3.11")),
            ("python>=3.8,<3.11", version(">=3.8,<3.11")),
            ("python~=3.9", version("~=3.9")),
            ("python!=3.9.*,>3.8", version("!=3.9.*,>3.8")),
            ("python=*", Some(Specification::Any)),
            ("python *", Some(Specification::Any)),
            ("python=3.8|3.9", Some(Specification::OfConda)),
            ("python[version='>=3.8']", Some(Specification::OfConda)),
            ("python=*=h1_0", Some(Specification::OfConda)),
            ("python>=3.8|2.7.*", Some(Specification::OfConda)),
            ("python-dateutil=2.8", None),
            ("python_abi=3.8", None),
            ("python3.8", None),
            ("numpy=1.2.*", None),
        ] {
            assert_eq!(Specification::of_python(text), expected, "{text}");
        }
    }

    #[test]
    fn requirements_are_understood_as_mlflow_does() {
        for (text, expected) in [
            ("python=3.11", Some(("python", Some("="), "3.11"))),
            ("python>=3.8\n", Some(("python", Some(">="), "3.8"))),
            ("pip", Some(("pip", None, ""))),
            ("pip20", Some(("pip", None, "20"))),
            ("wheel!=", Some(("wheel", Some("!="), ""))),
            ("setuptools<=65.", Some(("setuptools", Some("<="), "65."))),
            ("python =3.8", None),
            ("python=3.8.*", None),
            ("python===3", None),
            ("python=3.8=build", None),
            ("conda-forge::python=3.8", None),
            ("pip\n\n", None),
            ("numpy", None),
            ("", None),
        ] {
            let parsed = Requirement::parse(text)
                .map(|requirement| (requirement.package, requirement.operator, requirement.version));
            assert_eq!(parsed, expected, "{text:?}");
        }
    }
}
