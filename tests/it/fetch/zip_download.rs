//! Projects in zip files that are behind `http://` and `https://`.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};
use std::path::Path;

use rustix::process::Signal;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::harness::certificates;
use crate::harness::running::{send, wait_until};
use crate::harness::scripted::{ScriptedServer, Seen, Step};
use crate::harness::{
    Project, Reference, Request, Sandbox, StoreContents, StoredRun, assert_contains, assert_ends_with,
    assert_lacks, assert_starts_with,
};

const MLPROJECT: &str = "name: zipped\nentry_points:\n  main:\n    command: ./start.sh\n";

/// A zip file with a project at its top and another one in `sub`.
fn zip() -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (directory, name) in [("", "top"), ("sub/", "sub")] {
        for (file, text, mode) in [
            ("MLproject", MLPROJECT.to_owned(), 0o644),
            ("start.sh", format!("#!/bin/sh\necho started in {name}\n"), 0o755),
        ] {
            let options = SimpleFileOptions::default().unix_permissions(mode);
            archive.start_file(format!("{directory}{file}"), options).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
    }
    archive.finish().unwrap().into_inner()
}

fn whole(body: &[u8]) -> Step {
    Step::bytes("200 OK\r\nContent-Type: application/zip", body, body.len())
}

#[track_caller]
fn assert_nothing_is_left(project: &Project) {
    let left: Vec<_> = std::fs::read_dir(project.sandbox().root().join("tmp"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Runs the project at this URL, which must succeed; the run as the store holds it.
#[track_caller]
fn succeed(project: &Project, url: &str, output: &str) -> StoredRun {
    let finished = project.mlrun(&["run", url, "--env-manager", "local"]);
    finished.expect_code(0);
    assert_eq!(finished.stdout(), output);
    assert_nothing_is_left(project);
    finished.store().runs.pop().unwrap()
}

/// Runs the project at this URL, which must fail before there is a run; what a person reads.
#[track_caller]
fn fail(project: &Project, url: &str) -> String {
    let stored = || project.store().runs.len();
    let before = stored();
    let finished = project.mlrun(&["run", url, "--env-manager", "local"]);
    finished.expect_code(1);
    assert_nothing_is_left(project);
    assert_eq!(stored(), before, "no run is created");
    let told = finished.stderr().split_once("error: ").expect("an error").1;
    told.trim_end().to_owned()
}

#[test]
fn a_project_is_downloaded_and_run() {
    let project = Project::new();
    let zip = zip();
    let server = ScriptedServer::start(vec![whole(&zip), whole(&zip), whole(&zip)]);
    let url = format!("{}/a/project.zip", server.url());
    let run = succeed(&project, &url, "started in top\n");
    assert_eq!(run.tags["mlflow.source.name"], url);
    assert!(!run.tags.contains_key("mlflow.source.git.commit"));

    let run = succeed(&project, &format!("{url}#sub"), "started in sub\n");
    assert_eq!(run.tags["mlflow.source.name"], format!("{url}#sub"));

    let told = fail(&project, &format!("{url}#suv"));
    assert_eq!(
        told,
        format!("there is no directory 'suv' in the zip file '{url}'\nhint: did you mean 'sub'?")
    );
    assert_eq!(server.lines(), ["GET /a/project.zip"; 3]);
}

#[test]
fn credentials_reach_the_server_and_nothing_else() {
    let project = Project::new();
    let zip = zip();
    let authorized = |seen: &[Seen]| seen[0].header("authorization").to_owned();
    // "anna:geheim" and "nora:geheim2" in base 64.
    for (user, netrc, expected) in [
        ("anna:geheim@", "", "Basic YW5uYTpnZWhlaW0="),
        (
            "",
            "machine 127.0.0.1 login nora password geheim2",
            "Basic bm9yYTpnZWhlaW0y",
        ),
        (
            "anna:geheim@",
            "machine 127.0.0.1 login nora password geheim2",
            "Basic YW5uYTpnZWhlaW0=",
        ),
        // `anna:#geheim"`, `d:ge heim` and `a:`.
        (
            "",
            "# mine\nmachine other login no password no\nmacdef init\ncd /x\nmachine 127.0.0.1\n\n\
             machine 127.0.0.1\n  login anna account a password #geheim\" # comment\ndefault login d password e",
            "Basic YW5uYTojZ2VoZWltIg==",
        ),
        (
            "",
            "machine other login no password no default login d password \"ge heim\"",
            "Basic ZDpnZSBoZWlt",
        ),
        ("", "machine 127.0.0.1 login a", "Basic YTo="),
        ("", "machine 127.0.0.1", ""),
        ("", "nonsense machine 127.0.0.1 login a password b", ""),
    ] {
        project.sandbox().write("../home/.netrc", netrc);
        let server = ScriptedServer::start(vec![whole(&zip)]);
        let url = format!("http://{user}{}/project.zip?signature=geheim3", server.address);
        let finished = project.mlrun(&["run", &url, "--env-manager", "local"]);
        finished.expect_code(0);
        assert_eq!(authorized(&server.seen()), expected);
        assert_eq!(server.lines(), ["GET /project.zip?signature=geheim3"]);
        assert_lacks(finished.stderr(), "geheim");
        let run = finished.store().runs.pop().unwrap();
        assert!(
            run.tags.values().all(|value| !value.contains("geheim")),
            "{:?}",
            run.tags
        );
    }

    project.sandbox().write("../home/.netrc", "");
    for (user, status, hint) in [
        (
            "anna:geheim@",
            "401 Unauthorized",
            "check the credentials from the URL; the server rejected them",
        ),
        (
            "",
            "403 Forbidden",
            "add credentials to the URL (https://USER:TOKEN@HOST/…) or to ~/.netrc for this host",
        ),
    ] {
        let server = ScriptedServer::start(vec![Step::bytes(status, b"", 0)]);
        let told = fail(&project, &format!("http://{user}{}/project.zip", server.address));
        assert_eq!(
            told,
            format!(
                "cannot download 'http://{}/project.zip'\n  caused by: the server returned {status}\nhint: {hint}",
                server.address
            )
        );
    }
}

#[test]
fn a_download_that_breaks_off_is_continued_or_begun_anew() {
    let project = Project::new();
    let zip = zip();
    let half = zip.len() / 2;
    let rest = Step::bytes(
        &format!(
            "206 Partial Content\r\nContent-Range: bytes {half}-{}/{}\r\nETag: \"1\"",
            zip.len() - 1,
            zip.len()
        ),
        &zip[half..],
        zip.len() - half,
    );
    let half_of = |head: &str| Step::bytes(head, &zip, half);
    for (steps, ranges) in [
        (
            vec![half_of("200 OK\r\nETag: \"1\""), rest.clone()],
            ["", "continued"],
        ),
        // The file has changed in the meantime, so that the server sends all of it.
        (
            vec![half_of("200 OK\r\nETag: \"0\""), whole(&zip)],
            ["", "continued"],
        ),
        (vec![half_of("200 OK"), whole(&zip)], ["", ""]),
        (vec![half_of("200 OK\r\nETag: W/\"1\""), whole(&zip)], ["", ""]),
        (vec![Step::Close, whole(&zip)], ["", ""]),
        (
            vec![Step::bytes("503 Service Unavailable", b"", 0), whole(&zip)],
            ["", ""],
        ),
    ] {
        let server = ScriptedServer::start(steps);
        succeed(
            &project,
            &format!("{}/project.zip", server.url()),
            "started in top\n",
        );
        let seen: Vec<String> = server
            .seen()
            .iter()
            .map(|seen| seen.header("range").to_owned())
            .collect();
        let expected = ranges.map(|range| {
            if range.is_empty() {
                String::new()
            } else {
                format!("bytes={half}-")
            }
        });
        assert_eq!(seen, expected);
    }
}

#[test]
fn redirects_proxies_and_certificates_are_followed_used_and_checked() {
    let project = Project::new();
    let zip = zip();
    let target = ScriptedServer::start(vec![whole(&zip)]);
    let first = ScriptedServer::start(vec![Step::redirect(302, &format!("{}/real", target.url()))]);
    let url = format!("{}/project.zip", first.url());
    let run = succeed(&project, &url, "started in top\n");
    assert_eq!(run.tags["mlflow.source.name"], url);
    assert_eq!(target.lines(), ["GET /real"]);

    let proxy = ScriptedServer::start(vec![whole(&zip)]);
    let behind = Project::new().env("http_proxy", &proxy.url());
    succeed(&behind, "http://zips.test/project.zip", "started in top\n");
    assert_eq!(proxy.lines(), ["GET http://zips.test/project.zip"]);

    let authority = certificates::authority("authority", None);
    let own = certificates::server("127.0.0.1", Some(&authority));
    let secured = ScriptedServer::start_tls(vec![whole(&zip)], certificates::acceptor(&own, None));
    let url = format!("{}/project.zip", secured.url());
    let told = fail(&project, &url);
    let expected = format!("cannot download '{url}'\n  caused by: the server's certificate is not trusted: ");
    assert_starts_with(&told, &expected);
    assert_contains(
        &told,
        "hint: set REQUESTS_CA_BUNDLE or SSL_CERT_FILE to a PEM file ",
    );
    for variable in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let secured = ScriptedServer::start_tls(vec![whole(&zip)], certificates::acceptor(&own, None));
        let trusting = Project::new().env(variable, "<sandbox>/authority.pem");
        let path = trusting.sandbox().root().join("authority.pem");
        std::fs::write(&path, certificates::pem(&authority.certificate)).unwrap();
        let trusting = trusting.env(variable, path.to_str().unwrap());
        succeed(
            &trusting,
            &format!("{}/project.zip", secured.url()),
            "started in top\n",
        );
    }
}

#[test]
fn what_cannot_be_used_is_told() {
    let project = Project::new();
    let zip = zip();
    let page = || {
        Step::bytes(
            "200 OK\r\nContent-Type: text/html; charset=utf-8",
            b"<html>sign in</html>",
            20,
        )
    };
    for (step, expected) in [
        (
            page(),
            "'<url>' is a web page, not a zip file\nhint: open it in a browser; the page may require a login or link to the zip file",
        ),
        (
            Step::bytes("200 OK", b"no zip", 6),
            "cannot unpack the zip file '<url>'\n  caused by: not a valid zip file: Could not find EOCD\nhint: create or download the zip file again",
        ),
        (
            Step::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nPK".to_vec()),
            "cannot download '<url>'\n  caused by: it is larger than the limit of 16 GiB",
        ),
        (
            Step::bytes("404 Not Found", b"", 0),
            "cannot download '<url>'\n  caused by: the server returned 404 Not Found\nhint: check the address; some hosts also return this if you have no access",
        ),
        (
            Step::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()),
            "cannot download '<url>'\n  caused by: the server does not speak the protocol of the address\nhint: check whether the address should begin with http:// or https://",
        ),
    ] {
        let server = ScriptedServer::start(vec![step]);
        let url = format!("{}/project.zip", server.url());
        assert_eq!(fail(&project, &url), expected.replace("<url>", &url));
    }
    let loops = ScriptedServer::start(vec![Step::redirect(302, "/project.zip"); 40]);
    let told = fail(&project, &format!("{}/project.zip", loops.url()));
    assert_ends_with(
        &told,
        "the server redirects more than 30 times, or to an invalid address",
    );

    let server = ScriptedServer::start(vec![whole(&zip)]);
    let url = format!("{}/project.zip", server.url());
    let finished = project.mlrun(&["run", &url, "-v", "main", "--env-manager", "local"]);
    finished.expect_code(1);
    assert_eq!(server.connections(), 0);
}

#[test]
fn an_interrupted_download_leaves_nothing() {
    let project = Project::new();
    for step in [Step::Stall, Step::Endless] {
        let server = ScriptedServer::start(vec![step]);
        let url = format!("{}/project.zip", server.url());
        let mut child = project.started(&["run", &url]).spawn().unwrap();
        wait_until("the request", || {
            assert!(child.try_wait().unwrap().is_none(), "ended before its request");
            !server.seen().is_empty()
        });
        send(&child, Signal::TERM);
        assert_eq!(child.wait().unwrap().code(), Some(143));
        assert_nothing_is_left(&project);
        assert!(!project.sandbox().work().join("mlflow.db").exists());
    }
}

#[test]
fn the_reference_does_the_same() {
    let Some(reference) = Reference::shared() else {
        return;
    };
    let project = Project::new();
    let zip = zip();
    let server = ScriptedServer::start(vec![whole(&zip); 4]);
    for suffix in ["", "#sub"] {
        let url = format!("{}/project.zip{suffix}", server.url());
        let theirs = Sandbox::new();
        let streams = ["stdout", "stderr"].map(|name| theirs.root().join(name));
        let request = Request {
            directory: &theirs.work(),
            environment: &theirs.environment(),
            streams: [Path::new("/dev/null"), &streams[0], &streams[1]],
        };
        // MLflow's own way to unpack loses the executable bits.
        let arguments = ["run", &url, "--env-manager", "local"].map(str::to_owned);
        reference.run(&request, &arguments);
        let expected = StoreContents::of_sqlite(&theirs.work().join("mlflow.db"))
            .runs
            .pop()
            .unwrap();
        let output = if suffix.is_empty() {
            "started in top\n"
        } else {
            "started in sub\n"
        };
        let actual = succeed(&project, &url, output);
        assert_eq!(source_tags(&actual), source_tags(&expected));
    }
}

fn source_tags(run: &StoredRun) -> BTreeMap<&String, &String> {
    run.tags
        .iter()
        .filter(|(name, _)| {
            name.starts_with("mlflow.source") || name.contains("git") || name.starts_with("mlflow.project")
        })
        .collect()
}

/// A terminal may say that it has thousands of columns, or one.
#[test]
fn a_bar_is_as_long_as_a_line() {
    let project = Project::new();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/fetch/transfer_bar.py");
    for (columns, least, most) in [
        ("0", 1, 20_000),
        ("1", 0, 2000),
        ("120", 1, 20_000),
        ("65535", 1, 20_000),
    ] {
        let zip = zip();
        let server = ScriptedServer::start(vec![whole(&zip)]);
        let mut command = project.sandbox().command(python3());
        command.arg(script).arg(columns).arg(env!("CARGO_BIN_EXE_mlrun"));
        command.args([
            "run",
            &format!("{}/project.zip", server.url()),
            "--env-manager",
            "local",
        ]);
        let output = command
            .env("TERM", "xterm")
            .env("COLUMNS", "1000000")
            .output()
            .unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        let numbers: Vec<usize> = told
            .split_whitespace()
            .map(|word| word.parse().unwrap())
            .collect();
        let [bytes, bars, code] = numbers.try_into().unwrap();
        assert_eq!(code, 0);
        assert!(bars >= least && bytes <= most, "{columns} columns: {told}");
    }
}

/// The interpreter that is on the path of the tests themselves.
fn python3() -> std::path::PathBuf {
    std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|directory| directory.join("python3"))
        .find(|program| program.is_file())
        .unwrap()
}
