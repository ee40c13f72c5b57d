//! Files for the artifacts of a run.

use std::path::Path;
use std::process::Command;

use mlrun::internals::artifact::{DataContext, upload};
use mlrun::internals::tracking::{self, TrackingUri};

use super::servers::{self, Server};
use crate::harness::Sandbox;

/// The process that the tests of this module start: what it uploads with comes from variables.
#[test]
#[ignore = "not a test of its own: the others start it with variables of theirs"]
fn uploader() {
    let get = |name: &str| std::env::var(name).unwrap();
    let tracking_uri = std::env::var("MLFLOW_TRACKING_URI").ok();
    let tracking_uri = TrackingUri::resolve(tracking_uri.as_deref(), Path::new("/")).unwrap();
    let context = DataContext {
        server: tracking::server_access(&tracking_uri).unwrap(),
        ..DataContext::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let file = get("UPLOAD_FILE");
    let done = runtime.block_on(upload(
        &get("UPLOAD_URI"),
        "logs/std out.txt",
        Path::new(&file),
        &context,
        given_up(),
    ));
    let told = match done {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            Some(format!("{error}: {}", source.unwrap_or_default()))
        }
        Err(()) => Some("given up".to_owned()),
    };
    if let Some(told) = told {
        std::fs::write(get("UPLOAD_ERROR"), told).unwrap();
    }
    std::fs::copy("/proc/self/status", get("UPLOAD_STATUS")).unwrap();
}

/// Waits for a file, where a variable names one.
async fn given_up() {
    let Ok(file) = std::env::var("UPLOAD_GIVEN_UP") else {
        return std::future::pending().await;
    };
    while !Path::new(&file).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Uploads a small file and gives the error.
pub(super) fn uploaded(uri: &str, variables: &[(&str, String)], sandbox: &Sandbox) -> Option<String> {
    sandbox.write("file", "a line\n");
    upload_file(uri, variables, sandbox)
}

/// Uploads the sandbox's file `file` and gives the error.
pub(super) fn upload_file(uri: &str, variables: &[(&str, String)], sandbox: &Sandbox) -> Option<String> {
    let error = sandbox.root().join("error");
    let mut command = sandbox.command(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "data_stores::uploads::uploader",
        "--ignored",
        "--nocapture",
    ]);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
        .env("UPLOAD_URI", uri)
        .env("UPLOAD_FILE", sandbox.work().join("file"))
        .env("UPLOAD_STATUS", sandbox.root().join("status"))
        .env("UPLOAD_ERROR", &error);
    run(command);
    std::fs::read_to_string(error).ok()
}

fn run(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", crate::harness::describe(&output));
}

#[test]
fn every_store_that_can_be_written_to_takes_files() {
    let servers: [fn() -> Option<&'static Server>; 8] = [
        servers::s3,
        servers::gcs,
        servers::azure,
        servers::artifacts,
        servers::ftp,
        servers::sftp,
        servers::webhdfs,
        servers::presigned_artifacts,
    ];
    for server in servers {
        let Some(server) = server() else { continue };
        let sandbox = Sandbox::new();
        let uri = server.uri("runs/1/artifacts", server.port);
        // A file that is there is replaced.
        for text in ["an older and longer line\n", "a line\n"] {
            sandbox.write("file", text);
            let error = upload_file(&uri, &server.variables(server.port), &sandbox);
            assert_eq!(error, None, "{uri}");
            assert_eq!(
                server.read("top/runs/1/artifacts/logs/std out.txt"),
                text.as_bytes(),
                "{uri}"
            );
        }
    }
    let sandbox = Sandbox::new();
    for uri in [
        sandbox.work().join("plain").display().to_string(),
        format!("file://{}/a%20b", sandbox.work().display()),
    ] {
        assert_eq!(uploaded(&uri, &[], &sandbox), None);
    }
    for place in ["plain", "a b"] {
        let file = sandbox.work().join(place).join("logs/std out.txt");
        assert_eq!(std::fs::read(file).unwrap(), b"a line\n");
    }
}

#[test]
fn what_cannot_be_written_to_is_told() {
    let sandbox = Sandbox::new();
    for (uri, expected) in [
        (
            "https://anna:geheim@host/x",
            "cannot put 'logs/std out.txt' to the artifacts at 'https://host/x': files cannot be put there",
        ),
        (
            "mlflow-artifacts:/x",
            "cannot put 'logs/std out.txt' to the artifacts at 'mlflow-artifacts:/x': only a tracking server has such artifacts, and the tracking store is none",
        ),
    ] {
        assert_eq!(uploaded(uri, &[], &sandbox).as_deref(), Some(expected));
    }
}

#[test]
fn who_may_only_read_is_told() {
    for (server, variables, expected) in [
        (
            servers::ftp(),
            vec![],
            "the FTP server answered 550 (Not enough privileges.) to an anonymous login (the URL names no user)",
        ),
        (
            servers::webhdfs(),
            vec![("HADOOP_USER_NAME", "stranger".to_owned())],
            "HDFS answered 403 Forbidden (AccessControlException: Permission denied: user=stranger) to the user 'stranger'",
        ),
    ] {
        let Some(server) = server else { continue };
        let sandbox = Sandbox::new();
        let uri = server.uri("forbidden", server.port).replace("anna:geheim@", "");
        let mut all = server.variables(server.port);
        all.extend(variables);
        let error = uploaded(&uri, &all, &sandbox).unwrap();
        assert!(error.ends_with(expected), "{error}");
    }
}
