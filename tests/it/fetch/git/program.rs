//! What the `git` program brings with it: servers of all kinds, SHA-256, progress; and what must not reach it.

use super::forms::{Access, run, runner};
use super::parts::marker;
use super::servers::Servers;
use crate::harness::{Printed, Project, assert_contains, assert_lacks, require_program};

#[test]
fn the_usual_ways_take_one_connection() {
    let Some(servers) = Servers::shared() else { return };
    let uri = servers.expand("http://<http>/open/once.git");
    let main = servers.git("source", &["rev-parse", "main"]);
    let connections = || servers.requests().matches("/open/once.git/info/refs").count();
    for version in [
        None,
        Some("HEAD"),
        Some("main"),
        Some("feature/a"),
        Some("v1"),
        Some(main.as_str()),
    ] {
        let before = connections();
        let project = runner(servers, Access::Open);
        run(&project, servers, &uri, version).expect_code(0);
        assert_eq!(connections() - before, 1, "{version:?}");
    }
}

#[test]
fn a_server_of_plain_files_is_fetched_from() {
    let Some(servers) = Servers::shared() else { return };
    let first = servers.git("source", &["rev-parse", "light"]);
    for (version, expected) in [
        (None, "three"),
        (Some("v1"), "one"),
        (Some(first.as_str()), "one"),
    ] {
        let project = runner(servers, Access::Open);
        let finished = run(&project, servers, "http://<http>/dumb/files.git", version);
        finished.expect_code(0);
        assert_eq!(marker(finished.stdout()), expected, "{version:?}");
    }
}

#[test]
fn repositories_with_sha256_are_fetched() {
    let Some(servers) = Servers::shared() else { return };
    let first = servers.git("sha256-source", &["rev-parse", "v1^{commit}"]);
    let second = servers.git("sha256-source", &["rev-parse", "main"]);
    for uri in [
        "http://<http>/open/sha256.git",
        "git://<daemon>/sha256.git",
        "<repositories>/sha256-source",
    ] {
        for (version, commit) in [
            (None, &second),
            (Some("feature"), &second),
            (Some("v1"), &first),
            (Some(first.as_str()), &first),
            (Some(&first[..8]), &first),
        ] {
            // In place it is read by a library that knows no such hashes.
            if version.is_none() && uri.starts_with("<repositories>") {
                continue;
            }
            let project = runner(servers, Access::Open);
            let finished = run(&project, servers, uri, version).with_code(0);
            let store = finished.store();
            let tags = &store.run().tags;
            assert_eq!(
                tags.get("mlflow.source.git.commit"),
                Some(commit),
                "{uri} {version:?}"
            );
        }
    }
}

#[test]
fn nothing_that_is_inherited_misleads_git() {
    let Some(servers) = Servers::shared() else { return };
    let mut project = runner(servers, Access::Open);
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
    ] {
        project = project.env(name, "/nowhere");
    }
    let project = project.env("GIT_DEFAULT_HASH", "sha256");
    let sandbox = project.sandbox();
    sandbox.write_executable("../hooks/post-checkout", "#!/bin/sh\ntouch ../../work/hooked\n");
    let hooks = sandbox.root().join("hooks");
    let config = format!(
        "[core]\n hooksPath = {}\n[submodule]\n recurse = true\n[clone]\n defaultRemoteName = other\n",
        hooks.display()
    );
    sandbox.write("../home/.gitconfig", config);
    for version in [None, Some("v1"), Some("feature/a")] {
        for uri in ["http://<http>/open/project.git", "<repositories>/project.git"] {
            let _finished = run(&project, servers, uri, version).with_code(0);
        }
    }
    assert!(!sandbox.work().join("hooked").exists());
}

#[test]
fn credentials_of_a_url_reach_no_argument_and_no_file() {
    let Some(servers) = Servers::shared() else { return };
    let project = runner(servers, Access::Open).env("GIT_TRACE", "<sandbox>/trace");
    let uri = servers.expand("http://user:t0ken@<http>/private/super.git");
    for version in [&[][..], &["-v", "main"]] {
        let mut arguments = vec!["run", &uri, "--env-manager", "local", "--keep-workdir"];
        arguments.extend(version);
        project.mlrun(&arguments).expect_code(0);
    }
    let trace = std::fs::read_to_string(project.sandbox().root().join("trace")).unwrap();
    assert_contains(&trace, "remote-http");
    assert_lacks(&trace, "t0ken");
    let left = project.sandbox().shell("grep -r t0ken ../tmp || true");
    assert_eq!(left, "");
}

#[test]
fn the_password_of_an_ssh_url_reaches_no_program() {
    let project = Project::new().env("GIT_SSH_COMMAND", "<sandbox>/work/ssh");
    let script = "#!/bin/sh\necho \"$@\" >>\"$0.called\"\nexit 1\n";
    project.sandbox().write_executable("ssh", script);
    for uri in ["ssh://git:t0ken@host/x", "ssh://git@host:22/x", "git@host:x"] {
        project.mlrun(&["run", uri]).expect_code(1);
        let called = std::fs::read_to_string(project.sandbox().work().join("ssh.called")).unwrap();
        std::fs::remove_file(project.sandbox().work().join("ssh.called")).unwrap();
        assert_contains(&called, "git@host");
        assert_lacks(&called, "t0ken");
    }
}

/// Runs a program on a terminal of 100 columns and prints what it writes there.
const ON_TERMINAL: &str = r#"
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
try:
    while piece := os.read(terminal, 65536):
        os.write(1, piece)
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

#[test]
fn the_servers_progress_shows_on_a_terminal() {
    let Some(servers) = Servers::shared() else { return };
    let Some(python) = require_program("python3") else {
        return;
    };
    let project = runner(servers, Access::Open);
    let mut command = project.sandbox().command(python);
    command.args(["-c", ON_TERMINAL, env!("CARGO_BIN_EXE_mlrun"), "run"]);
    command.args([&servers.expand("http://<http>/open/project.git"), "--no-conda"]);
    let shown = command.env("TERM", "xterm").printed();
    for expected in ["Compressing objects: ", "Receiving objects: ", "%"] {
        assert_contains(&shown, expected);
    }
}
