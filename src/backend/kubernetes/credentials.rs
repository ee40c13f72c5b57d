//! The credentials in a kubeconfig: checked before use, explained when they fail.
//!
//! The library's own messages contain debug output and parts of files that may be secret.

use http::HeaderValue;
use kube::config::{AuthInfo, ExecConfig};
use openssl::asn1::Asn1Time;
use openssl::x509::X509;

use super::api_error::{ApiProblem, ProblemKind};
use crate::backend::error::ServiceError;
use crate::project::quote;

/// Words in the names of options whose values are secret.
const SECRETS: [&str; 6] = ["secret", "token", "password", "passwd", "key", "credential"];

#[derive(Clone)]
pub(super) struct Credentials {
    plugin: Option<Plugin>,
    certificate: Option<X509>,
}

#[derive(Clone)]
struct Plugin {
    program: String,
    /// The program with its arguments, as a person would type it.
    command: String,
    hint: String,
}

impl Credentials {
    /// Checks the credentials and adapts them to the library, which accepts no token file with a trailing line
    /// break and no token that is invalid in a header.
    pub(super) fn of(auth: &mut AuthInfo, server: &str) -> Result<Self, ServiceError> {
        if let (None, Some(file)) = (&auth.token, &auth.token_file)
            && let Ok(text) = std::fs::read_to_string(file)
            && text.trim() != text
        {
            auth.token = Some(text.trim().to_owned().into());
        }
        if token(auth).is_some_and(|token| HeaderValue::try_from(format!("Bearer {token}")).is_err()) {
            let problem = "the token is not valid: it contains line breaks or other control characters";
            let problem = ApiProblem::new(ProblemKind::Unauthorized, problem);
            return Err(unusable(server, problem));
        }
        Ok(Self {
            plugin: auth.exec.as_ref().and_then(Plugin::of),
            certificate: certificate(auth),
        })
    }

    pub(super) fn problem(&self, server: &str, source: ApiProblem) -> ServiceError {
        let Some(plugin) = &self.plugin else {
            return unusable(server, source);
        };
        let problem = format!(
            "the kubeconfig's login program '{}' returned no credentials for the cluster",
            plugin.program
        );
        let source = self.explained(source);
        ServiceError::failed(problem, Some(plugin.hint.clone()), Some(source.into()))
    }

    /// The problem, with the program that caused it.
    pub(super) fn explained(&self, mut problem: ApiProblem) -> ApiProblem {
        if let Some(plugin) = self.plugin.as_ref().filter(|_| problem.lacks_credentials) {
            problem.message = format!("{}: {}", plugin.command, problem.message);
        }
        problem
    }

    /// The expiry date of the client certificate, if it has expired.
    pub(super) fn expired(&self) -> Option<String> {
        let end = self.certificate.as_ref()?.not_after();
        let now = Asn1Time::days_from_now(0).ok()?;
        (end < now).then(|| end.to_string())
    }
}

impl Plugin {
    fn of(exec: &ExecConfig) -> Option<Self> {
        let program = exec.command.clone()?;
        let command = command_text(&program, exec.args.as_deref().unwrap_or_default());
        let of_kubeconfig = exec.install_hint.as_deref().map(str::trim);
        let of_kubeconfig = of_kubeconfig.filter(|hint| !hint.is_empty());
        let hint = of_kubeconfig.map(str::to_owned).unwrap_or_else(|| {
            format!("run it yourself: {command}; if it fails, install it or log in with it")
        });
        Some(Self {
            program,
            command,
            hint,
        })
    }
}

/// Unusable credentials in the kubeconfig itself.
fn unusable(server: &str, source: ApiProblem) -> ServiceError {
    let problem = format!("cannot use the kubeconfig's credentials for {server}");
    let hint = "correct the context's user (`kubectl config view --minify` shows it)".to_owned();
    ServiceError::failed(problem, Some(hint), Some(source.into()))
}

/// The token in the kubeconfig. The library exposes it only through serialization.
fn token(auth: &AuthInfo) -> Option<String> {
    let fields = serde_json::to_value(auth).ok()?;
    Some(fields.get("token")?.as_str()?.to_owned())
}

/// The client certificate. The library reports one that cannot be read.
fn certificate(auth: &AuthInfo) -> Option<X509> {
    let pem = match (&auth.client_certificate_data, &auth.client_certificate) {
        (Some(data), _) => openssl::base64::decode_block(data).ok()?,
        (None, Some(file)) => std::fs::read(file).ok()?,
        (None, None) => return None,
    };
    X509::from_pem(&pem).ok()
}

/// The command as a person would type it, without values that are secret.
fn command_text(program: &str, arguments: &[String]) -> String {
    let mut words = vec![quote(program).to_string()];
    let mut hides_next = false;
    for argument in arguments {
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (argument.as_str(), None),
        };
        let lower = name.to_lowercase();
        let is_option = name.starts_with('-');
        let is_secret = is_option && SECRETS.iter().any(|word| lower.contains(word));
        words.push(match value {
            _ if hides_next && !is_option => "****".to_owned(),
            Some(_) if is_secret => format!("{name}=****"),
            _ => quote(argument).to_string(),
        });
        hides_next = is_secret && value.is_none();
    }
    words.join(" ")
}
