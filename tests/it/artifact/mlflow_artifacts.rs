//! Artifacts behind a tracking server: files that it hands on, and servers of MLflow 3.18 that hand none on
//! (`--artifacts-presigned-only`): clients read from and write to the storage itself, by addresses that the
//! server signs.

use super::cutting::CuttingProxy;
use super::uploads::upload_file;
use super::uploads::{PART, with_file};
use super::{SHOW, layout, run, servers, sum_of_big};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Project, assert_contains, assert_ends_with, assert_lacks};

/// The answer to a request for bytes that do not come by way of the server.
fn refused() -> Step {
    let text = r#"{"error_code": "PERMISSION_DENIED", "message": "This server requires artifacts to be downloaded directly from storage.", "artifacts_presigned_only": true}"#;
    Step::json(403, text)
}

/// The same to `HEAD`, which has no body.
fn refused_head() -> Step {
    Step::Raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec())
}

fn signed(url: &str) -> Step {
    let text = serde_json::json!({"url": url, "headers": {"x-amz-extra": "signed"}, "file_size": null});
    Step::json(200, &text.to_string())
}

/// The answers that come before the address for the first request of a file.
fn up_to_the_address() -> Vec<Step> {
    vec![Step::json(200, "{}"), refused_head(), refused()]
}

/// An artifact's address at this server, with a password.
fn artifact(server: &ScriptedServer, path: &str) -> String {
    let server = server.url().replace("//", "//anna:geheim@");
    format!("{server}/api/2.0/mlflow-artifacts/artifacts/{path}")
}

const EXPIRED: &str = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";

#[test]
fn an_address_that_has_expired_is_asked_for_anew() {
    let storage = ScriptedServer::start(vec![
        Step::page(200, "data"),
        Step::page(403, EXPIRED),
        Step::redirect(307, "/moved?X-Amz-Signature=fourth"),
        Step::page(200, "data"),
    ]);
    let address = |signature: &str| signed(&format!("{}/b/x?X-Amz-Signature={signature}", storage.url()));
    let steps = [
        up_to_the_address(),
        ["first", "second", "third"].map(address).into(),
    ];
    let server = ScriptedServer::start(steps.concat());
    let project = Project::new().mlproject(SHOW);
    let data = format!("data={}", artifact(&server, "a/x.txt"));
    let finished = project.run(["-P", &data, "--verbose"]).with_code(0);
    let sum = "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7";
    assert_eq!(layout(finished.stdout()).0["x.txt"], sum);
    let presigned = "GET /api/2.0/mlflow-artifacts/presigned/a/x.txt";
    assert_eq!(
        server.lines(),
        [
            "GET /api/2.0/mlflow-artifacts/artifacts?path=a%2Fx.txt",
            "HEAD /api/2.0/mlflow-artifacts/artifacts/a/x.txt",
            "GET /api/2.0/mlflow-artifacts/artifacts/a/x.txt",
            presigned,
            presigned,
            presigned,
        ]
    );
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("authorization") == "Basic YW5uYTpnZWhlaW0=")
    );
    assert_eq!(
        storage.lines(),
        [
            "GET /b/x?X-Amz-Signature=first",
            "GET /b/x?X-Amz-Signature=second",
            "GET /b/x?X-Amz-Signature=third",
            "GET /moved?X-Amz-Signature=fourth",
        ]
    );
    for seen in storage.seen() {
        assert_eq!(
            (seen.header("authorization"), seen.header("x-amz-extra")),
            ("", "signed")
        );
    }
    for secret in ["Signature", "geheim"] {
        assert_lacks(finished.stderr(), secret);
    }
}

#[test]
fn what_the_storage_refuses_is_told_without_the_address() {
    let storage = ScriptedServer::start(vec![Step::page(403, EXPIRED), Step::page(403, EXPIRED)]);
    let address = signed(&format!("{}/b/x?X-Amz-Signature=s3cret", storage.url()));
    let steps = [up_to_the_address(), vec![address.clone(), address]].concat();
    let server = ScriptedServer::start(steps);
    let project = Project::new().mlproject(SHOW);
    let finished = run(&project, &artifact(&server, "a/x.txt")).with_code(1);
    let expected = "  caused by: the storage behind the tracking server returned 403 Forbidden (AccessDenied: Request \
                    has expired) for an address signed by the tracking server\nhint: ask the tracking server's \
                    administrator to check the server's credentials for the storage, and its clock\n";
    assert_ends_with(finished.stderr(), expected);
    assert_eq!(finished.store().runs.len(), 0);

    // A storage that only the server's network has.
    let gone = format!(
        "http://127.0.0.1:{}/b/x?X-Amz-Signature=s3cret",
        crate::harness::free_port()
    );
    let server = ScriptedServer::start([up_to_the_address(), vec![signed(&gone)]].concat());
    let finished = run(&project, &artifact(&server, "a/x.txt")).with_code(1);
    let told = finished.stderr();
    assert_contains(
        told,
        "(127.0.0.1, the storage that the tracking server refers to)",
    );
    assert_lacks(told, "s3cret");
}

#[test]
fn a_download_that_breaks_off_goes_on_from_the_storage() {
    let Some(storage) = servers::s3() else { return };
    let proxy = CuttingProxy::start(storage.port, 3 << 20, 3);
    let query = "AWSAccessKeyId=key&Signature=x&Expires=4000000000";
    let address = format!("http://127.0.0.1:{}/bucket/top/big.bin?{query}", proxy.port);
    let address = signed(&address);
    let steps = [up_to_the_address(), vec![address; 8]].concat();
    let server = ScriptedServer::start(steps);
    let project = Project::new().mlproject(SHOW);
    let finished = run(&project, &artifact(&server, "top/big.bin"));
    finished.expect_code(0);
    assert_eq!(layout(finished.stdout()).0["big.bin"], sum_of_big());
    assert_eq!(proxy.cuts(), 3);
}

/// A gateway between that hides the server's reason, and one that cuts off what is sent.
#[test]
fn a_server_that_hides_its_reason_is_asked_for_it() {
    let info = Step::json(200, r#"{"artifacts_presigned_only": true}"#);
    let storage = ScriptedServer::start(vec![Step::page(200, "data"), Step::page(200, "data")]);
    let address = signed(&format!("{}/b/x", storage.url()));
    let steps = vec![
        Step::json(200, "{}"),
        refused_head(),
        Step::page(403, "no"),
        info.clone(),
        address.clone(),
        address,
    ];
    let server = ScriptedServer::start(steps);
    let project = Project::new().mlproject(SHOW);
    run(&project, &artifact(&server, "a/x.txt")).expect_code(0);
    assert_eq!(server.lines()[3], "GET /api/3.0/mlflow/server-info");

    let storage = ScriptedServer::start(vec![Step::page(200, "").header("ETag", "\"tag\"")]);
    let server = ScriptedServer::start([vec![Step::Close; 5], vec![info], upload_steps(&storage)].concat());
    let (sandbox, _) = with_file(5);
    assert_eq!(
        upload_file("mlflow-artifacts:/a", &tracking(&server), &sandbox),
        None
    );
    assert_eq!(server.steps_left(), 0);
}

/// What a client needs to ask this tracking server.
fn tracking(server: &ScriptedServer) -> Vec<(&'static str, String)> {
    vec![(
        "MLFLOW_TRACKING_URI",
        server.url().replace("//", "//anna:geheim@"),
    )]
}

/// The beginning and the end of an upload of one part.
fn upload_steps(storage: &ScriptedServer) -> Vec<Step> {
    vec![begun(storage), Step::json(200, "{}")]
}

fn begun(storage: &ScriptedServer) -> Step {
    let url = format!("{}/b/f?partNumber=1&X-Amz-Signature=s3cret", storage.url());
    let answer = serde_json::json!({
        "upload_id": "id", "credentials": [{"url": url, "part_number": 1, "headers": {"x-amz-extra": "signed"}}],
    });
    Step::json(200, &answer.to_string())
}

#[test]
fn an_upload_whose_addresses_have_expired_begins_anew() {
    let storage = ScriptedServer::start(vec![
        Step::page(403, EXPIRED),
        Step::page(503, ""),
        Step::page(200, "").header("ETag", "\"tag\""),
    ]);
    let steps = [
        vec![refused(), begun(&storage), Step::json(200, "{}")],
        upload_steps(&storage),
    ];
    let server = ScriptedServer::start(steps.concat());
    let (sandbox, _) = with_file(5);
    assert_eq!(
        upload_file("mlflow-artifacts:/a", &tracking(&server), &sandbox),
        None
    );
    let service = |what: &str| format!("POST /api/2.0/mlflow-artifacts/mpu/{what}/a/logs");
    assert_eq!(
        server.lines(),
        [
            "PUT /api/2.0/mlflow-artifacts/artifacts/a/logs/std%20out.txt".to_owned(),
            service("create"),
            service("abort"),
            service("create"),
            service("complete"),
        ]
    );
    let seen = server.seen();
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization") == "Basic YW5uYTpnZWhlaW0=")
    );
    assert_eq!(
        seen[1].json(),
        serde_json::json!({"path": "std out.txt", "num_parts": 1})
    );
    assert_eq!(
        seen[2].json(),
        serde_json::json!({"path": "std out.txt", "upload_id": "id"})
    );
    let url = format!("{}/b/f?partNumber=1&X-Amz-Signature=s3cret", storage.url());
    let parts = serde_json::json!([{"part_number": 1, "etag": "\"tag\"", "url": url}]);
    assert_eq!(seen[4].json()["parts"], parts);
    for seen in storage.seen() {
        assert_eq!(
            (seen.header("authorization"), seen.header("x-amz-extra")),
            ("", "signed")
        );
    }
}

#[test]
fn an_upload_that_the_storage_refuses_leaves_nothing() {
    let storage = ScriptedServer::start(vec![Step::page(403, EXPIRED), Step::page(403, EXPIRED)]);
    let attempt = || vec![begun(&storage), Step::json(200, "{}")];
    let server = ScriptedServer::start([vec![refused()], attempt(), attempt()].concat());
    let (sandbox, _) = with_file(5);
    let error = upload_file("mlflow-artifacts:/a", &tracking(&server), &sandbox).unwrap();
    assert_contains(
        &error,
        "the storage behind the tracking server returned 403 Forbidden",
    );
    assert!(!error.contains("s3cret") && !error.contains("geheim"), "{error}");
    let aborted = server
        .lines()
        .iter()
        .filter(|line| line.contains("/mpu/abort/"))
        .count();
    assert_eq!(aborted, 2);
}

/// The answer to the end of an upload may be lost after the storage has the file.
#[test]
fn an_end_whose_answer_was_lost_is_looked_for() {
    let storage = ScriptedServer::start(vec![Step::page(200, "").header("ETag", "\"tag\"")]);
    let listed = r#"{"files": [{"path": "std out.txt", "is_dir": false, "file_size": 5}]}"#;
    let server = ScriptedServer::start(vec![
        refused(),
        begun(&storage),
        Step::Close,
        Step::json(
            404,
            r#"{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such upload"}"#,
        ),
        Step::json(200, listed),
    ]);
    let (sandbox, _) = with_file(5);
    assert_eq!(
        upload_file("mlflow-artifacts:/a", &tracking(&server), &sandbox),
        None
    );
    assert_eq!(server.steps_left(), 0);
}

/// A whole run against the real server: its data, its record and its kept output.
#[test]
fn a_run_gets_its_data_and_keeps_its_output() {
    let Some(server) = servers::presigned_artifacts() else {
        return;
    };
    let mut project = Project::new().mlproject(SHOW);
    for (name, value) in server.variables(server.port) {
        project = project.env(name, &value);
    }
    let data = format!("data={}", server.uri("tree/one.txt", server.port));
    let finished = project.run(["-P", &data, "--log-output", "--verbose"]);
    finished.expect_code(0);
    assert_lacks(finished.stderr(), "Signature");
    let run_id = finished
        .stderr()
        .split("in run with ID '")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .unwrap();
    let kept = server.read(&format!("0/{run_id}/artifacts/logs/stdout.txt"));
    assert_eq!(String::from_utf8(kept).unwrap(), finished.stdout());
}

const ARTIFACT: &str = "PUT /api/2.0/mlflow-artifacts/artifacts/a/logs/std%20out.txt";

#[test]
fn a_file_follows_redirects_of_its_tracking_server() {
    let (sandbox, bytes) = with_file(1 << 20);
    // The harness takes bodies as text.
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let other = ScriptedServer::start(vec![Step::json(503, "{}"), Step::json(200, "{}")]);
    let moved = || Step::redirect(308, "/here?x=1");
    let elsewhere = || Step::redirect(307, &format!("{}/there", other.url()));
    let server = ScriptedServer::start(vec![moved(), elsewhere(), moved(), elsewhere()]);
    assert_eq!(
        upload_file("mlflow-artifacts:/a", &tracking(&server), &sandbox),
        None
    );
    assert_eq!(
        server.lines(),
        [ARTIFACT, "PUT /here?x=1", ARTIFACT, "PUT /here?x=1"]
    );
    assert_eq!(other.lines(), ["PUT /there", "PUT /there"]);
    for seen in server.seen().iter().chain(&other.seen()) {
        assert!(seen.body == text, "{}", seen.line());
        assert_eq!(seen.header("content-type"), "text/plain");
    }
    let basic = "Basic YW5uYTpnZWhlaW0=";
    assert!(
        server
            .seen()
            .iter()
            .all(|seen| seen.header("authorization") == basic)
    );
    assert!(
        other
            .seen()
            .iter()
            .all(|seen| seen.header("authorization").is_empty())
    );
    // Where redirects are not to be followed, none is.
    let server = ScriptedServer::start(vec![moved()]);
    let mut variables = tracking(&server);
    variables.push(("MLFLOW_ALLOW_HTTP_REDIRECTS", "false".to_owned()));
    let error = upload_file("mlflow-artifacts:/a", &variables, &sandbox).unwrap();
    assert_contains(&error, "the tracking server returned 308 Permanent Redirect");
    assert_lacks(&error, "geheim");
}

#[test]
fn a_file_for_a_tracking_server_is_signed_where_that_is_asked_for() {
    let Some(python) = servers::python() else { return };
    let server = ScriptedServer::start(vec![Step::json(503, "{}"), Step::json(200, "{}")]);
    let (sandbox, bytes) = with_file(PART + 5);
    let variables = vec![
        ("MLFLOW_TRACKING_URI", server.url()),
        ("MLFLOW_TRACKING_AWS_SIGV4", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "geheim".to_owned()),
        ("AWS_DEFAULT_REGION", "eu-west-1".to_owned()),
    ];
    assert_eq!(upload_file("mlflow-artifacts:/a", &variables, &sandbox), None);
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    for seen in seen {
        // Amazon's own library signs the same request at the same time.
        let sign = r"import datetime, sys, unittest.mock as mock
from botocore import auth, awsrequest, credentials
url, date, file = sys.argv[1:]
request = awsrequest.AWSRequest('PUT', url, data=open(file, 'rb').read())
keys = credentials.Credentials('key', 'geheim')
signer = auth.SigV4Auth(keys, 'execute-api', 'eu-west-1')
request.context['timestamp'] = date
request.headers['X-Amz-Date'] = date
text = signer.string_to_sign(request, signer.canonical_request(request))
print(signer.signature(text, request))
";
        let output = std::process::Command::new(&python)
            .args([
                "-c",
                sign,
                &format!("{}{}", server.url(), seen.target),
                seen.header("x-amz-date"),
            ])
            .arg(sandbox.work().join("file"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let signature = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let authorization = seen.header("authorization");
        assert!(
            authorization.ends_with(&format!("Signature={signature}")),
            "{authorization}: {signature} {said}"
        );
        assert_eq!(seen.header("content-length"), bytes.len().to_string());
    }
}
