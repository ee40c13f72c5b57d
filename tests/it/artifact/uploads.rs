//! Files for the artifacts of a run, also of more than one part.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mlrun::internals::artifact::{DataContext, upload};
use mlrun::internals::tracking::{self, TrackingUri};
use openssl::hash::{MessageDigest, hash};

use super::cutting::CuttingProxy;
use super::servers::{self, Server};
use crate::harness::{Printed, Sandbox, assert_ends_with, assert_starts_with, block_on};

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
    let file = get("UPLOAD_FILE");
    let done = block_on(upload(
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
        "artifact::uploads::uploader",
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
    command.printed();
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
            "cannot upload 'logs/std out.txt' to the artifacts at 'https://host/x': uploading to such an address is not supported",
        ),
        (
            "mlflow-artifacts:/x",
            "cannot upload 'logs/std out.txt' to the artifacts at 'mlflow-artifacts:/x': the tracking store is not a tracking server, and only a server has such artifacts",
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
            "the FTP server returned 550 (Not enough privileges.) for an anonymous login (the URL names no user)",
        ),
        (
            servers::webhdfs(),
            vec![("HADOOP_USER_NAME", "stranger".to_owned())],
            "HDFS returned 403 Forbidden (AccessControlException: Permission denied: user=stranger) for the user 'stranger'",
        ),
    ] {
        let Some(server) = server else { continue };
        let sandbox = Sandbox::new();
        let uri = server.uri("forbidden", server.port).replace("anna:geheim@", "");
        let mut all = server.variables(server.port);
        all.extend(variables);
        let error = uploaded(&uri, &all, &sandbox).unwrap();
        assert_ends_with(&error, expected);
    }
}

/// The size up to which one request brings a file to S3, Azure and Google.
pub(super) const PART: usize = 8 << 20;

/// No multiple of anything that a part's size could be.
const LARGE: usize = (21 << 20) + 4321;

/// Every kind of store that takes files over a network. Google's has another server where an upload is
/// interrupted, which the usual emulator does not do as Google does.
fn stores(is_interrupted: bool) -> impl Iterator<Item = &'static Server> {
    let gcs = if is_interrupted {
        servers::gcs_sessions
    } else {
        servers::gcs
    };
    let all = [
        servers::s3,
        gcs,
        servers::azure,
        servers::artifacts,
        servers::webhdfs,
        servers::sftp,
        // Its files go over connections of their own, which no proxy here sees.
        servers::ftp,
        servers::presigned_artifacts,
    ];
    let count = if is_interrupted { 6 } else { 8 };
    all.into_iter().take(count).filter_map(|server| server())
}

/// Where [`upload_file`] puts the file below a place.
fn key(place: &str) -> String {
    format!("top/{place}/logs/std out.txt")
}

/// Bytes of which no two parts are the same.
fn bytes_of(length: usize) -> Vec<u8> {
    let numbers = (0..length.div_ceil(4) as u32).flat_map(u32::to_le_bytes);
    numbers.take(length).collect()
}

/// A sandbox with a file of this length.
pub(super) fn with_file(length: usize) -> (Sandbox, Vec<u8>) {
    let (sandbox, bytes) = (Sandbox::new(), bytes_of(length));
    sandbox.write("file", &bytes);
    (sandbox, bytes)
}

#[track_caller]
fn assert_same(arrived: &[u8], bytes: &[u8], uri: &str) {
    assert_eq!(arrived.len(), bytes.len(), "{uri}");
    assert!(arrived == bytes, "{uri}: the bytes differ");
}

#[test]
fn files_of_all_sizes_arrive_whole() {
    for server in stores(false) {
        let sizes = [(PART, 1), (LARGE, 3), (0, 1), (PART + 1, 2)];
        let count = if matches!(server.kind, "s3" | "presigned") {
            4
        } else {
            2
        };
        for (length, parts) in sizes.into_iter().take(count) {
            let (sandbox, bytes) = with_file(length);
            let place = format!("sizes/{length}");
            let uri = server.uri(&place, server.port);
            let mut variables = server.variables(server.port);
            let arguments = r#"{"CacheControl": "no-store", "ContentType": "text/x-log"}"#;
            variables.push(("MLFLOW_S3_UPLOAD_EXTRA_ARGS", arguments.to_owned()));
            assert_eq!(upload_file(&uri, &variables, &sandbox), None, "{uri}");
            assert_same(&server.read(&key(&place)), &bytes, &uri);
            let about = server.about(&key(&place));
            match server.kind {
                "s3" => {
                    let expected = serde_json::json!({
                        "exists": true, "unfinished": 0, "parts": parts, "type": "text/x-log", "cache": "no-store",
                    });
                    assert_eq!(about, expected, "{uri}");
                }
                "wasbs" => {
                    let md5 = hash(MessageDigest::md5(), &bytes).unwrap();
                    let md5: String = md5.iter().map(|byte| format!("{byte:02x}")).collect();
                    // What one request brought has no blocks.
                    let parts = if parts == 1 { 0 } else { parts };
                    let expected = serde_json::json!({
                        "exists": true, "parts": parts, "type": "text/plain", "md5": md5,
                    });
                    assert_eq!(about, expected, "{uri}");
                }
                "presigned" => assert_eq!(
                    (&about["unfinished"], &about["parts"]),
                    (&0.into(), &parts.into()),
                    "{uri}"
                ),
                "gs" => assert_eq!(about["type"], "text/plain", "{uri}"),
                _ => {}
            }
        }
    }
}

#[test]
fn what_a_broken_connection_lost_is_sent_again() {
    for server in stores(true) {
        let (sandbox, bytes) = with_file(LARGE);
        let proxy = CuttingProxy::of_uploads(server.port, 3 << 20, 3);
        let place = "cut";
        let uri = server.uri(place, proxy.port);
        assert_eq!(
            upload_file(&uri, &server.variables(proxy.port), &sandbox),
            None,
            "{uri}"
        );
        assert_same(&server.read(&key(place)), &bytes, &uri);
        assert_eq!(proxy.cuts(), 3, "{uri}");
    }
}

#[test]
fn what_never_arrives_leaves_nothing() {
    for server in stores(true) {
        let (sandbox, _) = with_file(LARGE);
        // Google keeps what arrives in steps of 256 KiB, and would have all of it in the end.
        let proxy = CuttingProxy::of_uploads(server.port, 100_000, usize::MAX);
        let uri = server.uri("never", proxy.port);
        let error = upload_file(&uri, &server.variables(proxy.port), &sandbox).unwrap();
        assert_starts_with(&error, "cannot upload 'logs/std out.txt' to the artifacts at '");
        let about = server.about(&key("never"));
        assert_eq!(about["exists"], false, "{uri}");
        assert!(about.get("unfinished").is_none_or(|count| count == 0), "{about}");
    }
}

#[test]
fn a_file_that_grows_meanwhile_is_told_and_becomes_no_object() {
    for server in stores(false) {
        let (sandbox, _) = with_file(LARGE);
        let path = sandbox.work().join("file");
        let uri = server.uri("grown", server.port);
        let is_done = AtomicBool::new(false);
        let error = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
                while !is_done.load(Ordering::SeqCst) {
                    file.write_all(b"more\n").unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let error = upload_file(&uri, &server.variables(server.port), &sandbox);
            is_done.store(true, Ordering::SeqCst);
            error
        });
        let error = error.unwrap_or_default();
        assert!(
            error.contains("': the file changed during the upload: it had 2"),
            "{uri}: {error}"
        );
        let about = server.about(&key("grown"));
        assert_eq!(about["exists"], false, "{uri}");
        assert!(about.get("unfinished").is_none_or(|count| count == 0), "{about}");
    }
}

#[test]
fn memory_does_not_grow_with_the_file() {
    for server in stores(false) {
        let peak = |length: usize| {
            let (sandbox, _) = with_file(length);
            let uri = server.uri("memory", server.port);
            assert_eq!(
                upload_file(&uri, &server.variables(server.port), &sandbox),
                None,
                "{uri}"
            );
            let status = std::fs::read_to_string(sandbox.root().join("status")).unwrap();
            let peak = status
                .lines()
                .find_map(|line| line.strip_prefix("VmHWM:"))
                .unwrap();
            peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() >> 10
        };
        let (small, large) = (peak(1), peak(72 << 20));
        assert!(
            large < small + 45,
            "{}: {small} MiB, then {large} MiB",
            server.kind
        );
    }
}

#[test]
fn what_a_broken_connection_to_an_ftp_server_lost_is_sent_again() {
    let Some(server) = servers::ftp() else { return };
    let (sandbox, bytes) = with_file(LARGE);
    let uri = server.uri("cut", server.port).replace("anna:", "broken:");
    assert_eq!(upload_file(&uri, &[], &sandbox), None);
    assert_same(&server.read(&key("cut")), &bytes, &uri);
    let about = server.about(&key("cut"));
    assert_eq!(about["unfinished"], 0, "{about}");
}
