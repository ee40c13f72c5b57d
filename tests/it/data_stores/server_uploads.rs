//! Files that a tracking server hands on to its artifacts.

use super::large_uploads::{PART, with_file};
use super::servers;
use super::uploads::upload_file;
use crate::harness::scripted::{ScriptedServer, Step};

/// What a client needs to ask this tracking server.
fn tracking(server: &ScriptedServer) -> Vec<(&'static str, String)> {
    vec![(
        "MLFLOW_TRACKING_URI",
        server.url().replace("//", "//anna:geheim@"),
    )]
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
    assert!(
        error.contains("the tracking server answered 308 Permanent Redirect"),
        "{error}"
    );
    assert!(!error.contains("geheim"), "{error}");
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
        let sign = "import datetime, sys, unittest.mock as mock\n\
                    from botocore import auth, awsrequest, credentials\n\
                    url, date, file = sys.argv[1:]\n\
                    request = awsrequest.AWSRequest('PUT', url, data=open(file, 'rb').read())\n\
                    keys = credentials.Credentials('key', 'geheim')\n\
                    signer = auth.SigV4Auth(keys, 'execute-api', 'eu-west-1')\n\
                    request.context['timestamp'] = date\n\
                    request.headers['X-Amz-Date'] = date\n\
                    text = signer.string_to_sign(request, signer.canonical_request(request))\n\
                    print(signer.signature(text, request))\n";
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
