//! Uploads to S3 in parts, and how they end.

use std::process::Stdio;
use std::time::Duration;

use openssl::hash::{MessageDigest, hash};
use rustix::process::Signal;

use super::uploads::upload_file;
use super::uploads::{PART, with_file};
use crate::harness::running::send;
use crate::harness::scripted::{ScriptedServer, Seen, Step};
use crate::harness::{Project, assert_contains, assert_ends_with, assert_lacks, describe};

/// What a client of S3 needs to ask this server.
fn s3_of(server: &ScriptedServer) -> Vec<(&'static str, String)> {
    vec![
        ("MLFLOW_S3_ENDPOINT_URL", server.url()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "geheim".to_owned()),
        (
            "MLFLOW_S3_UPLOAD_EXTRA_ARGS",
            r#"{"RequestPayer": "requester", "ACL": "private"}"#.to_owned(),
        ),
    ]
}

fn begun() -> Step {
    Step::page(
        200,
        "<InitiateMultipartUploadResult><UploadId>a+b/c</UploadId></InitiateMultipartUploadResult>",
    )
}

fn taken() -> Step {
    Step::page(200, "").header("ETag", "\"tag\"")
}

fn refused(status: u16, code: &str) -> Step {
    Step::page(
        status,
        &format!("<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>Why.</Message></Error>"),
    )
}

fn completed() -> Step {
    Step::page(
        200,
        "<?xml version=\"1.0\"?>\n\n<CompleteMultipartUploadResult xmlns=\"x\"><ETag>\"x-2\"</ETag></CompleteMultipartUploadResult>",
    )
}

const OBJECT: &str = "/bucket/top/logs/std%20out.txt";

#[test]
fn an_upload_to_s3_ends_as_it_should_whatever_is_answered() {
    let there = |length: usize| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"abc-2\"\r\n\r\n");
        Step::Raw(head.into_bytes())
    };
    let lost = || refused(404, "NoSuchUpload");
    let cannot = "cannot upload 'logs/std out.txt' to the artifacts at 's3://bucket/top': ";
    for (ending, methods, expected) in [
        (vec![completed()], "POST", None),
        (
            vec![
                refused(200, "InternalError"),
                refused(503, "SlowDown"),
                completed(),
            ],
            "POST POST POST",
            None,
        ),
        (vec![Step::Close, lost(), there(PART + 5)], "POST POST HEAD", None),
        (
            vec![lost(), there(PART + 6), Step::page(204, "")],
            "POST HEAD DELETE",
            Some("not found: S3 returned 404 Not Found (NoSuchUpload: Why.)"),
        ),
        (
            vec![refused(200, "AccessDenied"), Step::page(204, "")],
            "POST DELETE",
            Some("S3 returned 200 OK (AccessDenied: Why.) for the credentials from AWS_ACCESS_KEY_ID"),
        ),
        (
            vec![Step::page(200, "<html>"), refused(404, "NoSuchUpload")],
            "POST DELETE",
            Some("invalid response from S3: no confirmation that the parts became an object"),
        ),
    ] {
        let mut steps = vec![begun(), taken(), taken()];
        steps.extend(ending);
        let server = ScriptedServer::start(steps);
        let (sandbox, bytes) = with_file(PART + 5);
        let error = upload_file("s3://bucket/top", &s3_of(&server), &sandbox);
        let told = expected.map(|expected| format!("{cannot}{expected}"));
        assert_eq!(error, told, "{methods}");
        let seen = server.seen();
        let [first, parts @ ..] = &seen[..3] else {
            unreachable!()
        };
        assert_eq!(first.line(), format!("POST {OBJECT}?uploads"));
        assert_eq!(first.header("content-type"), "text/plain");
        assert_eq!(first.header("x-amz-acl"), "private");
        let mut parts: Vec<&Seen> = parts.iter().collect();
        parts.sort_by_key(|part| part.target.clone());
        for (number, (part, bytes)) in parts.iter().zip(bytes.chunks(PART)).enumerate() {
            let line = format!("PUT {OBJECT}?partNumber={}&uploadId=a%2Bb%2Fc", number + 1);
            assert_eq!(part.line(), line);
            assert_eq!(part.header("content-length"), bytes.len().to_string());
            let md5 = hash(MessageDigest::md5(), bytes).unwrap();
            assert_eq!(part.header("content-md5"), openssl::base64::encode_block(&md5));
            let sum: String = openssl::sha::sha256(bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(part.header("x-amz-content-sha256"), sum);
            assert_eq!(part.header("x-amz-acl"), "");
        }
        let ended: Vec<&str> = seen[3..].iter().map(|seen| seen.method.as_str()).collect();
        assert_eq!(ended.join(" "), methods);
        let list = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <Part><PartNumber>1</PartNumber><ETag>&quot;tag&quot;</ETag></Part>\
                    <Part><PartNumber>2</PartNumber><ETag>&quot;tag&quot;</ETag></Part></CompleteMultipartUpload>";
        for seen in &seen[3..] {
            let line = match seen.method.as_str() {
                "HEAD" => format!("HEAD {OBJECT}"),
                method => format!("{method} {OBJECT}?uploadId=a%2Bb%2Fc"),
            };
            assert_eq!(seen.line(), line);
            assert_eq!(seen.body, if seen.method == "POST" { list } else { "" });
        }
        assert!(
            seen.iter()
                .all(|seen| seen.header("x-amz-request-payer") == "requester")
        );
        assert_eq!(server.steps_left(), 0, "{methods}");
    }
}

#[test]
fn a_refused_part_ends_the_upload_to_s3() {
    let denied = || refused(403, "AccessDenied");
    // Both parts are under way at the same time.
    let server = ScriptedServer::start(vec![begun(), denied(), denied(), Step::page(204, "")]);
    let (sandbox, _) = with_file(PART + 5);
    let error = upload_file("s3://bucket/top", &s3_of(&server), &sandbox).unwrap();
    assert_ends_with(
        &error,
        "S3 returned 403 Forbidden (AccessDenied: Why.) for the credentials from AWS_ACCESS_KEY_ID",
    );
    assert_lacks(&error, "geheim");
    let last = server.lines().pop().unwrap();
    assert_eq!(last, format!("DELETE {OBJECT}?uploadId=a%2Bb%2Fc"));
}

#[test]
fn an_upload_to_s3_that_is_given_up_leaves_no_parts() {
    let server = ScriptedServer::start(vec![begun(), Step::Stall, Step::Stall, Step::page(204, "")]);
    let (sandbox, _) = with_file(PART + 5);
    let given_up = sandbox.root().join("given-up");
    let mut variables = s3_of(&server);
    variables.push(("UPLOAD_GIVEN_UP", given_up.display().to_string()));
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            while server.seen().len() < 3 {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::fs::write(&given_up, "").unwrap();
        });
        upload_file("s3://bucket/top", &variables, &sandbox)
    });
    assert_eq!(error.as_deref(), Some("given up"));
    let last = server.lines().pop().unwrap();
    assert_eq!(last, format!("DELETE {OBJECT}?uploadId=a%2Bb%2Fc"));
}

#[test]
fn a_signal_ends_the_upload_of_logs_and_leaves_no_parts() {
    let server = ScriptedServer::start(vec![begun(), Step::Stall, Step::Stall, Step::page(204, "")]);
    let length = PART + 5;
    let project = Project::new().mlproject(&format!(
        "entry_points:\n  main:\n    command: \"head -c {length} /dev/zero\"\n"
    ));
    project.sandbox().write(
        "mlruns/7/meta.yaml",
        "artifact_location: s3://bucket/top\nexperiment_id: '7'\nlifecycle_stage: active\nname: far\n",
    );
    let mut command = project.sandbox().interruptible_mlrun();
    command.args(["run", "project"]);
    command.args(["--env-manager", "local", "--log-output", "--experiment-id", "7"]);
    command
        .envs(s3_of(&server))
        .env("MLFLOW_TRACKING_URI", project.sandbox().work().join("mlruns"));
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while server.seen().len() < 3 {
        std::thread::sleep(Duration::from_millis(10));
    }
    send(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    let told = describe(&output);
    assert_contains(&told, "could not be saved as artifacts: SIGTERM came");
    // The entry point had succeeded by then.
    assert_eq!(output.status.code(), Some(0), "{told}");
    let last = server.lines().pop().unwrap();
    assert!(
        last.starts_with("DELETE /bucket/top/") && last.ends_with("/logs/stdout.txt?uploadId=a%2Bb%2Fc"),
        "{last}"
    );
}
