//! What goes wrong on the way: told in words, with nothing left behind.

use std::fs;

use super::Fetcher;
use super::forms::{Access, run, runner};
use super::servers::Servers;
use crate::harness::{Project, assert_contains, assert_golden};

/// The transcript of a fetch that fails, after a look at what it left.
fn failure(servers: &Servers, project: &Project, uri: &str, version: Option<&str>) -> String {
    let finished = run(project, servers, uri, version).with_code(1);
    assert!(finished.store().runs.is_empty(), "{uri} makes a run");
    let left: Vec<_> = fs::read_dir(project.sandbox().root().join("tmp"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "{uri} leaves {left:?}");
    assert!(!finished.stderr().contains("t0ken") && !finished.stderr().contains("wr0ng"));
    let text = finished
        .transcript()
        .replace("t0ken", "<secret>")
        .replace("wr0ng", "<secret>");
    let text = servers.anonymous(&text);
    text.lines()
        .filter(|line| !line.starts_with("=== Fetching") && !line.starts_with("--- stderr"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn what_goes_wrong_is_told() {
    let Some(servers) = Servers::shared() else { return };
    let mut text = String::new();
    for (uri, version, access) in [
        ("http://no-such-host.invalid/org/repo", None, Access::Open),
        ("http://127.0.0.1:1/org/repo", None, Access::Open),
        ("git://127.0.0.1:1/org/repo", None, Access::Open),
        ("http://<http>/open/missing.git", None, Access::Open),
        ("git://<daemon>/missing.git", None, Access::Open),
        ("<repositories>/source", Some("mian"), Access::Open),
        ("http://<http>/open/project.git", Some("mian"), Access::Open),
        ("http://<http>/open/project.git", Some("release"), Access::Open),
        (
            "http://<http>/open/project.git",
            Some("0123456789abcdef0123456789abcdef01234567"),
            Access::Open,
        ),
        ("http://<http>/open/project.git", Some("0123456"), Access::Open),
        ("http://<http>/open/project.git#sab", None, Access::Open),
        ("http://<http>/open/project.git#link", None, Access::Open),
        ("http://<http>/open/empty.git", None, Access::Open),
        ("http://<http>/open/empty.git", Some("main"), Access::Open),
        ("http://<http>/open/headless.git", None, Access::Open),
        ("http://<http>/private/project.git", None, Access::Open),
        ("http://user:wr0ng@<http>/private/project.git", None, Access::Open),
        ("http://<http>/negotiate/project.git", None, Access::Open),
        ("http://<http>/page/project.git", None, Access::Open),
        ("https://<https>/open/project.git", None, Access::Open),
        ("https://<http>/open/project.git", None, Access::Open),
        ("gitserver:<repositories>/missing.git", None, Access::Ssh),
    ] {
        text.push_str(&failure(servers, &runner(servers, access), uri, version));
        text.push('\n');
    }
    for config in ["ssh_config_other_key", "ssh_config_unknown_host"] {
        let ssh = format!("ssh -F {}", servers.file(config).display());
        let project = Project::new().env("GIT_SSH_COMMAND", &ssh);
        text.push_str(&failure(
            servers,
            &project,
            "gitserver:<repositories>/project.git",
            None,
        ));
        text.push('\n');
    }
    assert_golden("errors-git", &text);
}

/// Those that none of the servers makes `git` say.
#[test]
fn the_usual_failures_are_understood() {
    let project = Project::new();
    let said = "#!/bin/sh\necho 'remote: hello' >&2; cat said >&2; exit 128\n";
    project.sandbox().write_executable("../bin/git", said);
    for (line, expected) in [
        (
            "unable to look up host (port 9418) (Name or service not known)",
            "unknown host 'host'",
        ),
        (
            "unable to access 'https://host/x/': SSL certificate problem: certificate has expired",
            "cannot connect to 'host' securely: the server's certificate is not trusted: SSL certificate problem: certificate has expired",
        ),
        (
            "unable to access 'https://host/x/': Could not resolve proxy: proxy",
            "cannot connect to 'host': Could not resolve proxy: proxy",
        ),
        (
            "unable to access 'https://host/x/': CONNECT tunnel failed, response 407",
            "cannot connect to 'host': the proxy requires a user and password",
        ),
        ("Connection timed out", "cannot connect to 'host': no answer"),
        (
            "the remote end hung up unexpectedly",
            "the connection was lost: the remote end hung up unexpectedly",
        ),
        ("a new word", "fatal: a new word"),
    ] {
        project.sandbox().write("said", format!("fatal: {line}\n"));
        let finished = project.mlrun(&["run", "https://u:p@host/x"]).with_code(1);
        assert_contains(finished.stderr(), expected);
    }
}

#[test]
fn what_goes_wrong_without_the_git_program_is_told() {
    let Some(servers) = Servers::shared() else { return };
    let needs = |what: &str| format!("{what} needs the program 'git', which was not found");
    let ssh = "ssh://git@<ssh><repositories>/project.git";
    for (uri, version, expected) in [
        (ssh, None, needs("SSH")),
        ("git@host:project.git", Some("v1"), needs("SSH")),
        ("http://<http>/open/lfs.git", None, needs("Git LFS")),
        (
            "http://<http>/open/ssh-super.git",
            None,
            needs("a submodule with an SSH URL"),
        ),
        (
            "<repositories>/sha256-source",
            Some("feature"),
            needs("a SHA-256 repository"),
        ),
        (
            "http://no-such-host.invalid/org/repo",
            None,
            "unknown host 'no-such-host.invalid'".to_owned(),
        ),
        (
            "http://127.0.0.1:1/org/repo",
            None,
            "cannot connect to '127.0.0.1:1': connection refused".to_owned(),
        ),
        (
            "http://<http>/open/missing.git",
            None,
            "cannot read the repository".to_owned(),
        ),
        (
            "git://<daemon>/missing.git",
            None,
            "cannot read the repository".to_owned(),
        ),
        (
            "http://<http>/page/project.git",
            None,
            "the server is not a Git server".to_owned(),
        ),
        (
            "http://user:wr0ng@<http>/private/project.git",
            None,
            "refuses access; tried: the user and password in the URL".to_owned(),
        ),
        (
            "https://<https>/open/project.git",
            None,
            "the server's certificate is not trusted".to_owned(),
        ),
        (
            "http://<http>/open/project.git",
            Some("mian"),
            "the repository has no branch or tag 'mian'".to_owned(),
        ),
        (
            "http://<http>/open/project.git",
            Some("0123456789abcdef0123456789abcdef01234567"),
            "the repository has no branch, tag or commit '0123456789".to_owned(),
        ),
        (
            "http://<http>/open/empty.git",
            None,
            "the repository has no commits".to_owned(),
        ),
    ] {
        let project = Fetcher::Library.of(runner(servers, Access::Open));
        let text = failure(servers, &project, uri, version);
        assert!(text.contains(&expected), "{uri}: {expected}\n{text}");
        let is_hinted = text.contains("hint: install git, or add its directory to PATH");
        assert_eq!(is_hinted, expected.contains("needs the program"), "{text}");
    }
}
