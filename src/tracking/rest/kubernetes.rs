//! Credentials of a Kubernetes service account or user, as in MLflow's authentication plug-ins `kubernetes` and
//! `kubernetes-namespaced`.

use std::fmt;
use std::path::{Path, PathBuf};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::error::{RestError, unsendable};
use crate::env_vars;
use crate::http::bearer;
use crate::redact::Secret;
use crate::yaml::{self, Node, Value};

/// The header with the workspace.
pub(super) const WORKSPACE: HeaderName = HeaderName::from_static("x-mlflow-workspace");

/// The directory with the token and namespace of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A kubeconfig file, and its directory.
type Kubeconfig = (Node, PathBuf);

/// The account of a pod, or outside of a pod of the kubeconfig's current context. It is read again for every request,
/// because a pod's token is replaced about once an hour.
#[derive(Debug, Clone)]
pub(super) struct KubernetesAccount {
    service_account: PathBuf,
    kubeconfigs: Vec<PathBuf>,
    gives_workspace: bool,
}

impl KubernetesAccount {
    /// The account. `gives_workspace`: its namespace is also the workspace.
    pub(super) fn new(gives_workspace: bool, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let kubeconfigs = match (variable(env_vars::KUBECONFIG), variable(env_vars::HOME)) {
            (Some(list), _) => std::env::split_paths(&list)
                .filter(|path| !path.as_os_str().is_empty())
                .collect(),
            (None, Some(home)) => vec![Path::new(&home).join(".kube/config")],
            (None, None) => Vec::new(),
        };
        Self {
            service_account: PathBuf::from(SERVICE_ACCOUNT),
            kubeconfigs,
            gives_workspace,
        }
    }

    /// Adds the token, and the namespace as the workspace, unless the headers have them already.
    pub(super) fn add_to(&self, headers: &mut HeaderMap) -> Result<(), RestError> {
        if !headers.contains_key(AUTHORIZATION) {
            let (token, source) = self.token()?;
            let header = bearer(token.expose()).ok_or_else(|| unsendable(&source))?;
            headers.insert(AUTHORIZATION, header);
        }
        if self.gives_workspace && !headers.contains_key(&WORKSPACE) {
            let header = HeaderValue::from_str(&self.namespace()?)
                .map_err(|_| refused("the namespace contains an invalid character"))?;
            headers.insert(WORKSPACE, header);
        }
        Ok(())
    }

    /// The token and its source.
    fn token(&self) -> Result<(Secret, String), RestError> {
        let file = self.service_account.join("token");
        if let Some(token) = content(&file) {
            return Ok((Secret::new(token), file.display().to_string()));
        }
        let files = self.kubeconfigs()?;
        let user_name =
            of_context(&files, "user").ok_or_else(|| refused("the current context has no user"))?;
        let (user, directory) = named(&files, "users", "user", &user_name)
            .ok_or_else(|| refused(format!("unknown user '{user_name}'")))?;
        let source = format!("the user '{user_name}' of the kubeconfig");
        if let Some(token) = text(user, "token") {
            return Ok((Secret::new(token), source));
        }
        if let Some(path) = text(user, "tokenFile") {
            let path = directory.join(path);
            let token = content(&path).ok_or_else(|| refused(format!("no token in '{}'", path.display())))?;
            return Ok((Secret::new(token), source));
        }
        Err(refused(format!(
            "the user '{user_name}' has neither token nor tokenFile, the only supported credentials for a tracking server"
        )))
    }

    fn namespace(&self) -> Result<String, RestError> {
        let namespace = match content(&self.service_account.join("namespace")) {
            Some(namespace) => Some(namespace),
            None => of_context(&self.kubeconfigs()?, "namespace"),
        };
        namespace.ok_or_else(|| refused("the current context has no namespace"))
    }

    /// The kubeconfig files; the first value counts.
    fn kubeconfigs(&self) -> Result<Vec<Kubeconfig>, RestError> {
        let mut files = Vec::new();
        for path in &self.kubeconfigs {
            let Ok(bytes) = std::fs::read(path) else { continue };
            let node = yaml::parse(&bytes)
                .map_err(|error| refused(format!("'{}' is not valid YAML: {error}", path.display())))?;
            let directory = path.parent().unwrap_or(Path::new(".")).to_owned();
            files.push((node, directory));
        }
        if files.is_empty() {
            return Err(refused(format!(
                "no service account in {} and no kubeconfig found",
                self.service_account.display()
            )));
        }
        Ok(files)
    }
}

/// A value of the current context.
fn of_context(files: &[Kubeconfig], key: &str) -> Option<String> {
    let name = files.iter().find_map(|(file, _)| text(file, "current-context"))?;
    let (context, _) = named(files, "contexts", "context", &name)?;
    text(context, key)
}

/// The list entry with this name, and the directory of its file.
fn named<'a>(files: &'a [Kubeconfig], list: &str, kind: &str, name: &str) -> Option<(&'a Node, &'a Path)> {
    files.iter().find_map(|(file, directory)| {
        let Value::List(entries) = &file.as_mapping()?.get(list)?.value else {
            return None;
        };
        let entry = entries
            .iter()
            .find(|entry| text(entry, "name").as_deref() == Some(name))?;
        Some((entry.as_mapping()?.get(kind)?, directory.as_path()))
    })
}

fn text(node: &Node, key: &str) -> Option<String> {
    match &node.as_mapping()?.get(key)?.value {
        Value::Null => None,
        value => Some(value.to_python_str().trim().to_owned()).filter(|text| !text.is_empty()),
    }
}

fn content(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn refused(reason: impl fmt::Display) -> RestError {
    RestError::Setup {
        text: format!("no usable Kubernetes account for the tracking server: {reason}"),
        hint: "run in a pod with a service account, or add a token to the user of the kubeconfig's current context (KUBECONFIG is the file's path)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_s_account_comes_before_the_kubeconfig() {
        let directory = tempfile::tempdir().unwrap();
        let account = KubernetesAccount {
            service_account: directory.path().to_owned(),
            kubeconfigs: vec![directory.path().join("config")],
            gives_workspace: true,
        };
        let config = "current-context: work\ncontexts:\n- {name: work, context: {user: ada, namespace: team}}\n\
                      users:\n- {name: ada, user: {token: of-ada}}\n";
        std::fs::write(directory.path().join("config"), config).unwrap();
        let found = || {
            let token = account.token().unwrap().0;
            (token.expose().to_owned(), account.namespace().unwrap())
        };
        assert_eq!(found(), ("of-ada".to_owned(), "team".to_owned()));
        std::fs::write(directory.path().join("token"), "of-pod\n").unwrap();
        std::fs::write(directory.path().join("namespace"), "pods").unwrap();
        assert_eq!(found(), ("of-pod".to_owned(), "pods".to_owned()));
    }
}
