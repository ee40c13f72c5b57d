//! Every form of URL with every way to be let in.

use super::Fetcher;
use super::servers::Servers;
use crate::harness::{Finished, Project, assert_contains};

/// How a row's run is let in, and how it fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing is set.
    Open,
    /// `GIT_ASKPASS` knows the user and the password.
    Askpass,
    /// A credential helper of the user's configuration knows them.
    Helper,
    /// The authority of the server's certificate is named by `GIT_SSL_CAINFO`.
    Authority,
    /// By Git's own setting `http.sslCAInfo`, and the password by `GIT_ASKPASS`.
    ConfiguredAuthority,
    /// By `SSL_CERT_FILE`, which all of OpenSSL reads.
    CertFile,
    /// An SSH command with the key.
    Ssh,
    /// The SSH command in Git's own setting `core.sshCommand`.
    ConfiguredSsh,
    /// Everything goes through a proxy.
    Proxy,
    /// A netrc file knows the user and the password.
    Netrc,
    /// A credential helper of a configuration file that `GIT_CONFIG_GLOBAL` names.
    ConfigGlobal,
    /// A header that `GIT_CONFIG_COUNT` and the variables beside it add.
    ConfigCount,
    /// A header that `GIT_CONFIG_PARAMETERS` adds.
    ConfigParameters,
    /// A certificate of the client's own.
    ClientCertificate,
}

impl Access {
    /// Whether it works without a `git` program.
    fn is_for_all(self) -> bool {
        matches!(
            self,
            Self::Open | Self::Authority | Self::CertFile | Self::Netrc | Self::Proxy
        )
    }
}

macro_rules! rows {
    ($($uri:literal, $version:expr, $access:ident, $commit:literal, $branch:expr;)*) => {
        &[$(($uri, $version, Access::$access, $commit, $branch)),*]
    };
}

/// Project URI, version, way in, the commit as `git rev-parse` takes it, branch tag.
pub(super) type Row = (
    &'static str,
    Option<&'static str>,
    Access,
    &'static str,
    Option<&'static str>,
);

pub(super) const ROWS: &[Row] = rows! {
    "http://<http>/open/project.git", None, Open, "main", None;
    "http://<http>/open/project.git/", Some("main"), Open, "main", Some("main");
    "http://<http>/open/project.git", Some("feature/a"), Open, "feature/a", Some("feature/a");
    "http://<http>/open/project.git", Some("alone"), Open, "alone", Some("alone");
    "http://<http>/open/project.git", Some("light"), Open, "light", None;
    "http://<http>/open/project.git", Some("v1"), Open, "v1", None;
    "http://<http>/open/project.git", Some("both"), Open, "refs/tags/both", None;
    "http://<http>/open/project.git#sub/deep", None, Open, "main", None;
    "'http://<http>/open/project.git#sub/deep'", Some("v1"), Open, "v1", None;
    "http://<http>/moved/project.git", None, Open, "main", None;
    "http://user:t0ken@<http>/private/project.git", None, Open, "main", None;
    "http://user:t0ken@<http>/private/project.git#sub/deep", Some("feature/a"), Open, "feature/a", Some("feature/a");
    "http://<http>/private/project.git", None, Askpass, "main", None;
    "http://user@<http>/private/project.git", Some("v1"), Askpass, "v1", None;
    "http://<http>/private/project.git", None, Helper, "main", None;
    "http://<http>/open/project.git", None, Proxy, "main", None;
    "http://user:t0ken@<http>/private/project.git", None, Proxy, "main", None;
    "https://<https>/open/project.git", None, Authority, "main", None;
    "https://<https>/open/project.git", Some("v1"), CertFile, "v1", None;
    "https://user:t0ken@<https>/private/project.git", Some("main"), Authority, "main", Some("main");
    "https://<https>/private/project.git", None, ConfiguredAuthority, "main", None;
    "https://<https>/open/project.git", None, Proxy, "main", None;
    "http://<http>/private/project.git", None, Netrc, "main", None;
    "http://<http>/private/project.git", Some("v1"), ConfigGlobal, "v1", None;
    "http://<http>/private/project.git", None, ConfigCount, "main", None;
    "http://<http>/private/project.git", None, ConfigParameters, "main", None;
    "https://<mutual>/open/project.git", None, ClientCertificate, "main", None;
    "http://<http>/old/project.git", Some("main"), Open, "main", Some("main");
    "git://<daemon>/project.git", None, Open, "main", None;
    "git://<daemon>/project.git#sub/deep", Some("light"), Open, "light", None;
    "ssh://<user>@<ssh><repositories>/project.git", None, Ssh, "main", None;
    "ssh://<user>@<ssh><repositories>/project.git#sub/deep", Some("v1"), Ssh, "v1", None;
    "<user>@gitserver:<repositories>/project.git", None, Ssh, "main", None;
    "gitserver:<repositories>/project.git", Some("main"), ConfiguredSsh, "main", Some("main");
    "<repositories>/project.git", None, Open, "main", None;
    "<repositories>/source", Some("v1"), Open, "v1", None;
    "<repositories>/source", Some("both"), Open, "refs/heads/both", Some("both");
    "file://<repositories>/source", Some("feature/a"), Open, "feature/a", Some("feature/a");
    "file://<repositories>/project.git#sub/deep", Some("light"), Open, "light", None;
};

/// Forms that mlrun alone takes.
const OWN_ROWS: &[Row] = rows! {
    "http://<http>/open/project.git", Some("refs/heads/main"), Open, "main", None;
    "http://<http>/open/project.git", Some("heads/feature/a"), Open, "feature/a", None;
    "http://<http>/open/project.git", Some("hidden/x"), Open, "refs/hidden/x", None;
    // A name that could be the beginning of a hash.
    "http://<http>/open/lenient.git", Some("abcd"), Open, "main", Some("abcd");
    "http://<http>/open/detached.git", None, Open, "main", None;
    "http://u%73er:t0k%65n@<http>/private/project.git", None, Open, "main", None;
    "<repositories>/source", Some("tags/v1"), Open, "v1", None;
};

/// A configuration with a credential helper.
const HELPER: &str = "[credential]\n helper = \"!f() { test \\\"$1\\\" = get && printf 'username=user\\\\npassword=t0ken\\\\n'; }; f\"\n";
/// The header that the credentials are sent in.
const HEADER: &str = "Authorization: Basic dXNlcjp0MGtlbg==";

/// A project that is run from elsewhere, with what a way in needs.
pub(super) fn runner(servers: &Servers, access: Access) -> Project {
    let mut project = Project::new();
    let proxy = servers.expand("http://<http>");
    let path = |name: &str| servers.file(name).display().to_string();
    let ssh = format!("ssh -F {}", path("ssh_config"));
    let write_config = |project: &Project, text: &str| {
        std::fs::write(project.sandbox().root().join("home/.gitconfig"), text).unwrap();
    };
    match access {
        Access::Open => {}
        Access::Authority => project = project.env("GIT_SSL_CAINFO", &path("authority.pem")),
        Access::CertFile => project = project.env("SSL_CERT_FILE", &path("authority.pem")),
        Access::Ssh => project = project.env("GIT_SSH_COMMAND", &ssh),
        Access::ConfiguredSsh => write_config(&project, &format!("[core]\n sshCommand = {ssh}\n")),
        Access::Helper => write_config(&project, HELPER),
        Access::ConfigGlobal => {
            project.sandbox().write("config", HELPER);
            project = project.env("GIT_CONFIG_GLOBAL", "<sandbox>/work/config");
        }
        Access::ConfigCount => {
            for (name, value) in [
                ("GIT_CONFIG_COUNT", "1"),
                ("GIT_CONFIG_KEY_0", "http.extraHeader"),
                ("GIT_CONFIG_VALUE_0", HEADER),
            ] {
                project = project.env(name, value);
            }
        }
        Access::ConfigParameters => {
            let parameters = format!("'http.extraHeader={HEADER}'");
            project = project.env("GIT_CONFIG_PARAMETERS", &parameters);
        }
        Access::Netrc => {
            let text = "machine 127.0.0.1 login user password t0ken\n";
            std::fs::write(project.sandbox().root().join("home/.netrc"), text).unwrap();
        }
        Access::ClientCertificate => {
            for (name, file) in [
                ("GIT_SSL_CAINFO", "authority.pem"),
                ("GIT_SSL_CERT", "client.pem"),
                ("GIT_SSL_KEY", "client.key"),
            ] {
                project = project.env(name, &path(file));
            }
        }
        Access::Proxy => {
            project = project.env("http_proxy", &proxy).env("https_proxy", &proxy);
            project = project.env("GIT_SSL_CAINFO", &path("authority.pem"));
        }
        Access::Askpass | Access::ConfiguredAuthority => {}
    }
    if access == Access::ConfiguredAuthority {
        write_config(
            &project,
            &format!("[http]\n sslCAInfo = {}\n", path("authority.pem")),
        );
    }
    if matches!(access, Access::Askpass | Access::ConfiguredAuthority) {
        project.sandbox().write_executable(
            "askpass",
            "#!/bin/sh\ncase \"$1\" in Username*) echo user ;; *) echo t0ken ;; esac\n",
        );
        project = project.env("GIT_ASKPASS", "<sandbox>/work/askpass");
    }
    project
}

pub(super) fn run<'a>(
    project: &'a Project,
    servers: &Servers,
    uri: &str,
    version: Option<&str>,
) -> Finished<'a> {
    let uri = servers.expand(uri);
    let mut arguments = vec!["run", &uri, "--env-manager", "local"];
    arguments.extend(version.iter().flat_map(|version| ["-v", version]));
    project.mlrun(&arguments)
}

fn check(servers: &Servers, row: &Row, fetcher: Fetcher) {
    let project = &fetcher.of(runner(servers, row.2));
    let (uri, version, _, commit, branch) = *row;
    let finished = run(project, servers, uri, version).with_code(0);
    let commit = servers.git("source", &["rev-parse", &format!("{commit}^{{commit}}")]);
    assert!(
        // The project itself asks `git` for it.
        finished.stdout().contains(&commit) || fetcher == Fetcher::Library,
        "{row:?}\n{}",
        finished.stdout()
    );
    let everything = format!("{}{}", finished.stdout(), finished.stderr());
    assert!(!everything.contains("t0ken"), "{row:?}\n{everything}");
    let store = finished.store();
    let run = store.run();
    assert_eq!(run.status, "FINISHED", "{row:?}");
    assert_eq!(run.tags.get("mlflow.source.git.commit"), Some(&commit), "{row:?}");
    assert_eq!(
        run.tags.get("mlflow.source.git.branch").map(String::as_str),
        branch,
        "{row:?}"
    );
    assert!(!format!("{:?}", run.tags).contains("t0ken"), "{row:?}");
    let left: Vec<_> = std::fs::read_dir(project.sandbox().root().join("tmp"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{row:?} leaves {left:?}");
}

#[test]
fn every_form_and_way_in() {
    let Some(servers) = Servers::shared() else { return };
    for row in ROWS.iter().chain(OWN_ROWS) {
        check(servers, row, Fetcher::Program);
    }
    for request in ["GET (proxied)", "CONNECT 127.0.0.1", "version=2"] {
        assert_contains(&servers.requests(), request);
    }
}

#[test]
fn every_form_and_way_in_without_the_git_program() {
    let Some(servers) = Servers::shared() else { return };
    let rows = ROWS.iter().chain(OWN_ROWS);
    for row in rows.filter(|row| row.2.is_for_all()) {
        check(servers, row, Fetcher::Library);
    }
}
