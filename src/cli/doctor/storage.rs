//! Where runs are recorded and environments are kept, and the way to servers.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use super::check::{Check, NEEDED_PATIENCE, bounded};
use crate::env_vars;
use crate::environment;
use crate::quantity;
use crate::redact::without_credentials;
use crate::runner::{RunError, select_experiment};
use crate::tracking::{self, ExperimentSelector, TrackingError, TrackingUri};

/// Less room than this is not enough for an environment of a usual project, in bytes.
const LITTLE_ROOM: u64 = 2 * 1024 * 1024 * 1024;

/// The directory of the environments.
pub(super) fn cache() -> Check {
    const NAME: &str = "environments";
    let root = match environment::root() {
        Ok(root) => root,
        Err(error) => return Check::failed(NAME, error).needed(),
    };
    let place = root.display();
    let hint = || "set MLFLOW_ENV_ROOT to a directory that you can write to".to_owned();
    let existing = nearest_existing(&root);
    if !is_writable(&existing) {
        let check = Check::problem(NAME, format!("{place} cannot be written to"));
        return check.with_hint(hint()).needed();
    }
    let state = if existing == root {
        ""
    } else {
        ", created when it is needed"
    };
    let room = statvfs(&existing).map_or(u64::MAX, |room| room.f_bavail.saturating_mul(room.f_frsize));
    let free = quantity::size(room);
    if room < LITTLE_ROOM {
        return Check::problem(NAME, format!("{place} has only {free} free{state}"))
            .with_hint("remove what is not used: mlrun env prune".to_owned());
    }
    Check::ok(NAME, format!("{place}, {free} free{state}"))
}

/// The file or directory itself, or the first directory above it that exists.
fn nearest_existing(path: &Path) -> PathBuf {
    let mut ancestors = path.ancestors();
    ancestors
        .find(|ancestor| ancestor.exists())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

fn is_writable(path: &Path) -> bool {
    access(path, Access::WRITE_OK).is_ok()
}

/// The tracking store: which one and why, whether it answers, and who asks it.
pub(super) async fn store() -> Vec<Check> {
    const NAME: &str = "tracking URI";
    let named = env_vars::non_empty(env_vars::MLFLOW_TRACKING_URI);
    let reason = match &named {
        Some(_) => "by MLFLOW_TRACKING_URI",
        None => "the default, since MLFLOW_TRACKING_URI is not set",
    };
    let directory = match std::env::current_dir() {
        Ok(directory) => directory,
        Err(source) => {
            let error = RunError::NoCurrentDirectory { source };
            return vec![Check::failed(NAME, error).needed()];
        }
    };
    let uri = match TrackingUri::resolve(named.as_deref(), &directory) {
        Ok(uri) => uri,
        Err(error) => return vec![Check::failed(NAME, error).needed()],
    };
    let mut checks = vec![Check::ok(NAME, format!("{uri} ({reason})"))];
    checks.push(
        bounded("tracking store", NEEDED_PATIENCE, look(&uri))
            .await
            .if_late("a run waits longer; try again, or look at the server")
            .needed(),
    );
    checks.extend(writable(&uri));
    checks.extend(authentication(&uri));
    checks
}

async fn look(uri: &TrackingUri) -> Check {
    const NAME: &str = "tracking store";
    let store = match tracking::open_impatiently(uri).await {
        Ok(Some(store)) => store,
        Ok(None) => return Check::ok(NAME, "it does not exist yet; the first run creates it"),
        Err(error) => return Check::failed(NAME, error),
    };
    let selector = match select_experiment(None, None) {
        Ok(selector) => selector,
        Err(error) => return Check::failed(NAME, error),
    };
    let (found, version) = tokio::join!(store.look_for_experiment(&selector), store.version());
    let experiment = match (found, &selector) {
        (Ok(Some(id)), ExperimentSelector::Default) => format!("default experiment {id}"),
        (Ok(Some(id)), _) => format!("experiment {id}"),
        (Ok(None), ExperimentSelector::Name(name)) => {
            format!("experiment '{name}', created by the first run")
        }
        (Ok(None), _) => "no experiment yet".to_owned(),
        // The default one is created with the first run.
        (Err(TrackingError::NotFound { .. }), ExperimentSelector::Default) => "no experiment yet".to_owned(),
        (Err(error), _) => return Check::failed(NAME, error),
    };
    match version {
        Ok(version) => {
            let version = version.map_or_else(String::new, |version| format!("{version}, "));
            Check::ok(NAME, format!("{version}{experiment}"))
        }
        Err(error) => Check::failed(NAME, error),
    }
}

/// Whether a store on this machine can be written to; of others, only a run would tell.
fn writable(uri: &TrackingUri) -> Option<Check> {
    let (TrackingUri::Sqlite { path, .. } | TrackingUri::File { path, .. }) = uri else {
        return None;
    };
    let existing = nearest_existing(path);
    let parent = existing.parent().filter(|_| existing.is_file());
    let unwritable = [Some(existing.as_path()), parent]
        .into_iter()
        .flatten()
        .find(|path| !is_writable(path))?;
    let check = Check::problem(
        "write",
        format!("'{}' cannot be written to", unwritable.display()),
    );
    Some(
        check
            .with_hint("set MLFLOW_TRACKING_URI to a store that you can write to".to_owned())
            .needed(),
    )
}

/// Where the credentials for a server come from. Never what they are.
fn authentication(uri: &TrackingUri) -> Option<Check> {
    match tracking::server_access(uri) {
        Ok(None) => None,
        Ok(Some(access)) => Some(Check::ok(
            "credentials",
            access
                .credentials
                .map_or_else(|| "none".to_owned(), |source| format!("from {source}")),
        )),
        Err(error) => Some(Check::failed("credentials", error).needed()),
    }
}

/// Proxies, and certificates other than the system's. Nothing where none is set.
pub(super) fn network() -> Vec<Check> {
    let proxies = [
        env_vars::HTTP_PROXY,
        env_vars::HTTPS_PROXY,
        env_vars::ALL_PROXY,
        env_vars::NO_PROXY,
    ];
    let proxies = proxies.into_iter().filter_map(|name| {
        // The lower case comes first, as for all who read them.
        let names = [name.to_ascii_lowercase(), name.to_owned()];
        names.into_iter().find_map(|name| {
            let value = env_vars::non_empty(&name)?;
            Some(Check::ok(name, without_credentials(&value)))
        })
    });
    let certificates = [
        env_vars::MLFLOW_TRACKING_SERVER_CERT_PATH,
        env_vars::MLFLOW_TRACKING_CLIENT_CERT_PATH,
        env_vars::REQUESTS_CA_BUNDLE,
        env_vars::CURL_CA_BUNDLE,
        env_vars::SSL_CERT_FILE,
    ];
    let certificates = certificates.into_iter().filter_map(|name| {
        let value = env_vars::non_empty(name)?;
        Some(if Path::new(&value).exists() {
            Check::ok(name, value)
        } else {
            Check::problem(name, format!("'{value}' does not exist"))
                .with_hint(format!("correct {name}, or unset it"))
        })
    });
    let insecure = env_vars::non_empty(env_vars::MLFLOW_TRACKING_INSECURE_TLS)
        .map(|value| Check::ok(env_vars::MLFLOW_TRACKING_INSECURE_TLS, value));
    proxies.chain(certificates).chain(insecure).collect()
}
