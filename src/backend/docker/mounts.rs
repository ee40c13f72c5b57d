//! How a container reaches the tracking store and the artifacts: mounts and variables.

use std::path::{Component, Path, PathBuf};

use crate::artifact::Storage;
use crate::backend::{CONTAINER_STORE, LocalStore};
use crate::databricks::WorkspaceAccess;
use crate::env_vars::{self, MLFLOW_TRACKING_URI};
use crate::environment::CODE_DIRECTORY;
use crate::python_paths::{split_scheme, unquote};

/// Where the user's `.aws` is mounted, as in MLflow.
const AWS_DIRECTORY: &str = "/.aws";
/// Where the Google Cloud credentials are mounted, as in MLflow.
const GOOGLE_CREDENTIALS: &str = "/.gcs";

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ContainerAccess {
    /// Paths on this machine and in the container.
    pub(super) mounts: Vec<(PathBuf, String)>,
    pub(super) variables: Vec<(String, String)>,
}

impl ContainerAccess {
    /// Adds the tracking store: a local one is mounted, a server needs the user's credentials.
    pub(super) fn add_store(&mut self, local: Option<&LocalStore>, tracking_uri: &str) {
        if let Some(store) = local {
            self.mounts
                .push((store.directory.clone(), CONTAINER_STORE.to_owned()));
            self.set(MLFLOW_TRACKING_URI, store.uri.clone());
        } else if tracking_uri.starts_with("http") {
            self.copy(&[
                env_vars::MLFLOW_TRACKING_USERNAME,
                env_vars::MLFLOW_TRACKING_PASSWORD,
                env_vars::MLFLOW_TRACKING_TOKEN,
                env_vars::MLFLOW_TRACKING_INSECURE_TLS,
                env_vars::MLFLOW_WORKSPACE,
            ]);
        }
    }

    pub(super) fn add_workspace(&mut self, workspace: Option<&WorkspaceAccess>) {
        for (name, value) in workspace.into_iter().flat_map(|workspace| &workspace.variables) {
            self.set(name, value.expose().to_owned());
        }
    }

    /// Adds downloaded data, at the path in the command.
    pub(super) fn add_data(&mut self, directory: Option<&Path>) {
        let mount = directory.map(|path| (path.to_owned(), path.to_string_lossy().into_owned()));
        self.mounts.extend(mount);
    }

    pub(super) fn add_artifacts(&mut self, artifact_uri: &str) {
        if let Some(directory) = local_directory(artifact_uri) {
            let here = std::path::absolute(&directory).unwrap_or_else(|_| directory.clone());
            // A relative path is what it is for the project's own mlflow: relative to its code.
            let inside = Path::new(CODE_DIRECTORY).join(&directory);
            self.mounts.push((here, normal(&inside)));
            return;
        }
        match Storage::of(artifact_uri) {
            Some(Storage::S3) => self.add_s3(),
            Some(Storage::Azure) => self.copy(&env_vars::AZURE_VARIABLES),
            Some(Storage::Google) => self.add_google(),
            Some(Storage::Hadoop) => self.add_hdfs(),
            None => {}
        }
    }

    fn add_s3(&mut self) {
        let directory = env_vars::non_empty(env_vars::HOME).map(|home| Path::new(&home).join(".aws"));
        if let Some(directory) = directory.filter(|directory| directory.exists()) {
            self.mounts.push((directory, AWS_DIRECTORY.to_owned()));
            // Amazon's libraries look in the home directory, which a container has elsewhere.
            self.set(
                env_vars::AWS_SHARED_CREDENTIALS_FILE,
                format!("{AWS_DIRECTORY}/credentials"),
            );
            self.set(env_vars::AWS_CONFIG_FILE, format!("{AWS_DIRECTORY}/config"));
        }
        self.copy(&env_vars::S3_VARIABLES);
    }

    fn add_google(&mut self) {
        if let Some(file) = env_vars::non_empty(env_vars::GOOGLE_APPLICATION_CREDENTIALS) {
            let file = std::path::absolute(&file).unwrap_or_else(|_| file.into());
            self.mounts.push((file, GOOGLE_CREDENTIALS.to_owned()));
            self.set(
                env_vars::GOOGLE_APPLICATION_CREDENTIALS,
                GOOGLE_CREDENTIALS.to_owned(),
            );
        }
    }

    fn add_hdfs(&mut self) {
        if let Some(cache) = env_vars::non_empty(env_vars::MLFLOW_KERBEROS_TICKET_CACHE) {
            self.mounts.push((PathBuf::from(&cache), cache));
        }
        self.copy(&[
            env_vars::MLFLOW_KERBEROS_TICKET_CACHE,
            env_vars::MLFLOW_KERBEROS_USER,
            env_vars::MLFLOW_PYARROW_EXTRA_CONF,
        ]);
    }

    fn set(&mut self, name: &str, value: String) {
        self.variables.push((name.to_owned(), value));
    }

    /// Copies the variables of this machine that are set.
    fn copy(&mut self, names: &[&str]) {
        for name in names {
            if let Ok(value) = std::env::var(name) {
                self.set(name, value);
            }
        }
    }
}

/// The directory that an artifact URI names on this machine. MLflow decodes plain paths too.
pub(super) fn local_directory(artifact_uri: &str) -> Option<PathBuf> {
    let path = match artifact_uri.strip_prefix("file:") {
        Some(rest) => match rest.strip_prefix("//") {
            Some(after) => after.find('/').map(|start| &after[start..])?,
            None => rest,
        },
        None if artifact_uri.is_empty() || split_scheme(artifact_uri).is_some() => return None,
        None => artifact_uri,
    };
    Some(unquote(path).into())
}

/// The path without `.`, and without `..` where that leads to a known directory.
fn normal(path: &Path) -> String {
    let mut parts = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts.to_string_lossy().into_owned()
}

/// Whether a tracking server's URL is one by which a container would reach only itself.
pub(in crate::backend) fn is_this_machine(url: &str) -> bool {
    let Some((_, rest)) = url
        .split_once("://")
        .filter(|(scheme, _)| scheme.starts_with("http"))
    else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    let host = match address.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => address.split(':').next(),
    };
    let host = host.unwrap_or_default().to_ascii_lowercase();
    host == "localhost" || host == "::1" || host == "0.0.0.0" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_artifacts_are_mounted_where_they_are() {
        for (uri, expected) in [
            ("/srv/mlruns/0/x/artifacts", Some("/srv/mlruns/0/x/artifacts")),
            ("file:///a%20b/artifacts", Some("/a b/artifacts")),
            ("file:/a/artifacts", Some("/a/artifacts")),
            ("file://host/a", Some("/a")),
            ("s3://bucket/x", None),
            ("mlflow-artifacts:/0/x", None),
            ("dbfs:/x", None),
            ("", None),
        ] {
            assert_eq!(local_directory(uri), expected.map(PathBuf::from), "{uri}");
        }
        let mut access = ContainerAccess::default();
        access.add_artifacts("./mlruns/../x");
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            access.mounts,
            [(here.join("mlruns/../x"), "/mlflow/projects/code/x".to_owned())]
        );
    }

    #[test]
    fn a_local_store_is_mounted_and_told() {
        let store = LocalStore {
            directory: "/work".into(),
            uri: "sqlite:////mlflow/tmp/mlruns/mlflow.db".to_owned(),
        };
        let mut access = ContainerAccess::default();
        access.add_store(Some(&store), "sqlite:////work/mlflow.db");
        assert_eq!(access.mounts, [("/work".into(), "/mlflow/tmp/mlruns".to_owned())]);
        assert_eq!(access.variables, [("MLFLOW_TRACKING_URI".to_owned(), store.uri)]);
    }

    #[test]
    fn addresses_of_this_machine_are_recognised() {
        for (url, expected) in [
            ("http://localhost:5000", true),
            ("https://user:p@127.0.0.1/x", true),
            ("http://[::1]:5000", true),
            ("http://LOCALHOST", true),
            ("http://example.com/localhost", false),
            ("http://localhost.example.com", false),
            ("sqlite:////localhost", false),
        ] {
            assert_eq!(is_this_machine(url), expected, "{url}");
        }
    }
}
