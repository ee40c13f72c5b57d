//! A kubeconfig and the credentials that it names: checked before they are used, explained when they fail.
//!
//! The library's own words hold paths and answers of programs as Rust writes them for programmers, and
//! parts of files that may be secret.

use http::HeaderValue;
use kube::config::{AuthInfo, ExecConfig};
use openssl::asn1::Asn1Time;
use openssl::x509::X509;

use super::api_error::{ApiProblem, ProblemKind};
use crate::backend::error::ServiceError;
use crate::project::quote;

/// Words in the name of an option whose value nobody shall see.
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
    /// Looks at the credentials, and makes those of kubectl fit for the library: it takes no token file
    /// that ends with a line end, and no token that no header can hold.
    pub(super) fn of(auth: &mut AuthInfo, server: &str) -> Result<Self, ServiceError> {
        if let (None, Some(file)) = (&auth.token, &auth.token_file)
            && let Ok(text) = std::fs::read_to_string(file)
            && text.trim() != text
        {
            auth.token = Some(text.trim().to_owned().into());
        }
        if token(auth).is_some_and(|token| HeaderValue::try_from(format!("Bearer {token}")).is_err()) {
            let problem = "the token is not valid: it holds line ends or other control characters";
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
            "the program '{}', which the kubeconfig names, gives no credentials for the cluster",
            plugin.program
        );
        let source = self.explained(source);
        ServiceError::failed(problem, Some(plugin.hint.clone()), Some(source.into()))
    }

    /// The problem, with the program whose it is.
    pub(super) fn explained(&self, mut problem: ApiProblem) -> ApiProblem {
        if let Some(plugin) = self.plugin.as_ref().filter(|_| problem.lacks_credentials) {
            problem.message = format!("{}: {}", plugin.command, problem.message);
        }
        problem
    }

    /// When the client certificate expired, if it has.
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
            format!("run it yourself, as kubectl does: {command}; install it or log in with it if it fails")
        });
        Some(Self {
            program,
            command,
            hint,
        })
    }
}

/// Credentials in the kubeconfig itself that cannot be used.
fn unusable(server: &str, source: ApiProblem) -> ServiceError {
    let problem = format!("cannot use the credentials of the kubeconfig for {server}");
    let hint = "correct the user of the context: `kubectl config view --minify` shows it".to_owned();
    ServiceError::failed(problem, Some(hint), Some(source.into()))
}

/// The token in the kubeconfig. The library shows it only to what writes a kubeconfig.
fn token(auth: &AuthInfo) -> Option<String> {
    let fields = serde_json::to_value(auth).ok()?;
    Some(fields.get("token")?.as_str()?.to_owned())
}

/// The client certificate. One that cannot be read is told of by the library that needs it.
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
