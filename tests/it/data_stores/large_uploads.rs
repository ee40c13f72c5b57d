//! Files of more than one part for the artifacts of a run.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use openssl::hash::{MessageDigest, hash};

use super::cutting::CuttingProxy;
use super::servers::{self, Server};
use super::uploads::upload_file;
use crate::harness::Sandbox;

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
        assert!(
            error.starts_with("cannot put 'logs/std out.txt' to the artifacts at '"),
            "{error}"
        );
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
            error.contains("': it was changed while it was sent: it had 2"),
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
