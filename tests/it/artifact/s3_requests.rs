//! What requests to S3 carry, and what is made of its refusals.

use super::azure_identity::start_proxy;
use super::uploads::uploaded;
use super::{SHOW, layout, run, servers};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Project, Sandbox, assert_contains, assert_ends_with, assert_lacks, certificates};

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "geheim")];

/// No objects, then one of this name that was asked for.
fn object_of_three_bytes() -> Vec<Step> {
    vec![
        Step::page(
            200,
            "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
        ),
        Step::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"abc\"\r\n\r\n".to_vec()),
        Step::page(200, "one").header("ETag", "\"abc\""),
    ]
}

fn refused(status: u16, code: &str, message: &str) -> Step {
    let body = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    Step::page(status, &body)
}

fn project(variables: &[(&str, &str)]) -> Project {
    let project = Project::new().mlproject(SHOW);
    let variables = KEYS.iter().chain(variables);
    variables.fold(project, |project, (name, value)| project.env(name, value))
}

const ARGUMENTS: &str = r#"{"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "12345678901234567890123456789012",
    "RequestPayer": "requester", "ACL": "private", "Metadata": {"team": "a b"}, "ContentType": "text/csv"}"#;
const CUSTOMER_KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

/// The key that an object is encrypted with, who pays, and who the bucket must belong to: MLflow 3.18 sends
/// them as well when it reads. The query of a URI is no part of the key.
#[test]
fn requests_carry_what_the_variables_say() {
    let server = ScriptedServer::start(object_of_three_bytes());
    let url = server.url();
    let project = project(&[
        ("MLFLOW_S3_ENDPOINT_URL", &url),
        ("MLFLOW_S3_UPLOAD_EXTRA_ARGS", ARGUMENTS),
        ("MLFLOW_S3_EXPECTED_BUCKET_OWNER", "123456789012"),
    ]);
    let finished = run(&project, "s3://bucket/a/data.csv?versionId=1");
    finished.expect_code(0);
    assert_eq!(layout(finished.stdout()).1, "data.csv");
    let seen = server.seen();
    let lines: Vec<String> = seen
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path()))
        .collect();
    assert_eq!(
        lines,
        [
            "GET /bucket/",
            "HEAD /bucket/a/data.csv",
            "GET /bucket/a/data.csv"
        ]
    );
    assert!(!seen[1].target.contains('?'), "{}", seen[1].target);
    for (number, seen) in seen.iter().enumerate() {
        assert_eq!(seen.header("x-amz-request-payer"), "requester");
        assert_eq!(seen.header("x-amz-expected-bucket-owner"), "123456789012");
        let key = if number == 0 { "" } else { CUSTOMER_KEY };
        assert_eq!(seen.header("x-amz-server-side-encryption-customer-key"), key);
        for name in ["x-amz-acl", "x-amz-meta-team"] {
            assert_eq!(seen.header(name), "");
        }
        let signed = seen.header("authorization");
        assert!(signed.contains("x-amz-expected-bucket-owner") && signed.contains("x-amz-request-payer"));
    }

    let server = ScriptedServer::start(vec![Step::page(200, "")]);
    let variables = |arguments: &str| {
        let mut all: Vec<(&str, String)> = KEYS.map(|(name, value)| (name, value.to_owned())).to_vec();
        all.push(("MLFLOW_S3_ENDPOINT_URL", server.url()));
        all.push(("MLFLOW_S3_UPLOAD_EXTRA_ARGS", arguments.to_owned()));
        all.push(("MLFLOW_S3_EXPECTED_BUCKET_OWNER", "123456789012".to_owned()));
        all
    };
    let sandbox = Sandbox::new();
    assert_eq!(uploaded("s3://bucket/top", &variables(ARGUMENTS), &sandbox), None);
    let put = &server.seen()[0];
    assert_eq!(put.line(), "PUT /bucket/top/logs/std%20out.txt");
    for (name, expected) in [
        ("x-amz-acl", "private"),
        ("x-amz-meta-team", "a b"),
        ("content-type", "text/csv"),
        ("x-amz-request-payer", "requester"),
        ("x-amz-expected-bucket-owner", "123456789012"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", CUSTOMER_KEY),
        (
            "x-amz-server-side-encryption-customer-key-md5",
            "dnF5x6K/8ZZRzpfSlMMM+w==",
        ),
    ] {
        assert_eq!(put.header(name), expected, "{name}");
    }
    for (arguments, expected) in [
        (
            r#"{"ChecksumAlgorithm": "CRC32"}"#,
            "'ChecksumAlgorithm' is not supported",
        ),
        (
            r#"{"ACL": 1}"#,
            "the value of 'ACL' is not text that is valid in a header",
        ),
    ] {
        let error = uploaded("s3://bucket/top", &variables(arguments), &sandbox).unwrap();
        let expected = format!("MLFLOW_S3_UPLOAD_EXTRA_ARGS cannot be used: {expected}");
        assert_ends_with(&error, &expected);
    }
    assert_eq!(server.connections(), 1);
}

/// Not whoever asks is at fault then.
#[test]
fn archives_and_clocks_are_named() {
    let archived = refused(403, "InvalidObjectState", "Not for this storage class");
    let skewed = refused(403, "RequestTimeTooSkewed", "The difference is too large");
    for (steps, expected, hint) in [
        (
            [object_of_three_bytes()[..2].to_vec(), vec![archived]].concat(),
            "the object is archived: S3 returned 403 Forbidden (InvalidObjectState: Not for this storage class)",
            "hint: restore it first, for example with `aws s3api restore-object`",
        ),
        (
            vec![skewed; 3],
            "this machine's clock is wrong: S3 returned 403 Forbidden (RequestTimeTooSkewed: The difference is too large)",
            "hint: set the clock, for example with `timedatectl set-ntp true`",
        ),
    ] {
        let server = ScriptedServer::start(steps);
        let project = project(&[("MLFLOW_S3_ENDPOINT_URL", &server.url())]);
        let finished = run(&project, "s3://bucket/data.csv").with_code(1);
        let told = finished.stderr();
        assert!(told.contains(expected) && told.contains(hint), "{told}");
        assert_lacks(told, "credentials");
    }
}

/// Buckets of Cloudflare and Backblaze: the URI names the service, and no variable another one.
#[test]
fn uris_name_services_of_others() {
    let own = certificates::server("127.0.0.1", None);
    for (scheme, region) in [("b2", "us-east-1"), ("r2", "auto")] {
        let steps = [object_of_three_bytes(), vec![Step::page(200, "")]].concat();
        let server = ScriptedServer::start_tls(steps, certificates::acceptor(&own, None));
        let project = project(&[
            ("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_CA_BUNDLE", "<sandbox>/work/own.pem"),
        ]);
        let sandbox = project.sandbox();
        sandbox.write("own.pem", certificates::pem(&own.certificate));
        let uri = format!("{scheme}://bucket@{}/a/data.csv", server.address);
        let _finished = run(&project, &uri).with_code(0);
        let bundle = sandbox.work().join("own.pem").display().to_string();
        let mut variables: Vec<(&str, String)> = KEYS.map(|(name, value)| (name, value.to_owned())).to_vec();
        variables.push(("AWS_CA_BUNDLE", bundle));
        let uri = format!("{scheme}://bucket@{}/top", server.address);
        assert_eq!(uploaded(&uri, &variables, sandbox), None);
        assert_eq!(server.lines()[2], "GET /bucket/a/data.csv");
        assert_eq!(server.lines()[3], "PUT /bucket/top/logs/std%20out.txt");
        let signed = format!("/{region}/s3/aws4_request");
        assert!(
            server.seen()[0].header("authorization").contains(&signed),
            "{scheme}"
        );
    }
    for (uri, host) in [
        (
            "r2://bucket@id.r2.cloudflarestorage.com/a",
            "bucket.id.r2.cloudflarestorage.com",
        ),
        (
            "b2://bucket@s3.us-west-004.backblazeb2.com/a",
            "s3.us-west-004.backblazeb2.com",
        ),
        ("s3://my-data-1/a", "my-data-1.s3.us-east-1.amazonaws.com"),
        ("s3://with.dots/a", "s3.us-east-1.amazonaws.com"),
        ("s3://Upper/a", "s3.us-east-1.amazonaws.com"),
        ("s3://x1-/a", "s3.us-east-1.amazonaws.com"),
    ] {
        let proxy = ScriptedServer::start(vec![Step::page(407, "who?"); 6]);
        let project = project(&[("https_proxy", &proxy.url())]);
        run(&project, uri).expect_code(1);
        assert_eq!(proxy.lines()[0], format!("CONNECT {host}:443"));
    }
    for (uri, expected) in [
        ("r2://bucket/a", "write r2://BUCKET@HOST/PATH"),
        ("b2://b@/a", "write b2://BUCKET@HOST/PATH"),
        ("b2://b@u:p@h/a", "'u:p@h' is not a valid host"),
        ("s3://b@h/a", "it must not contain credentials"),
        ("s3:/b", "it contains no bucket"),
    ] {
        let project = project(&[]);
        let finished = run(&project, uri).with_code(1);
        assert_contains(finished.stderr(), expected);
    }
}

#[test]
fn a_service_s_host_tells_its_region() {
    let host = "s3.us-west-004.backblazeb2.com";
    let own = certificates::server(host, None);
    let server = ScriptedServer::start_tls(object_of_three_bytes(), certificates::acceptor(&own, None));
    let proxy = start_proxy(server.address.port());
    let project = project(&[
        ("https_proxy", &proxy),
        ("AWS_CA_BUNDLE", "<sandbox>/work/own.pem"),
    ]);
    project
        .sandbox()
        .write("own.pem", certificates::pem(&own.certificate));
    run(&project, &format!("b2://bucket@{host}/a/data.csv")).expect_code(0);
    for seen in server.seen() {
        let signed = seen.header("authorization");
        assert_contains(signed, "/us-west-004/s3/aws4_request");
    }
}

/// A bucket's name may begin the name of the host, and keys may hold what a path cannot.
#[test]
fn odd_names_are_kept() {
    let Some(server) = servers::s3() else { return };
    let project = server
        .variables(server.port)
        .into_iter()
        .fold(Project::new().mlproject(SHOW), |project, (name, value)| {
            project.env(name, &value)
        });
    for (uri, expected) in [
        (
            "s3://odd/top",
            &["top/ blank ", "top/a%20b+c", "top/x/double"][..],
        ),
        ("s3://odd/both", &["both/below"]),
        ("s3://odd/100%/+ x", &["+ x"]),
        ("s3://odd//lead", &["lead"]),
    ] {
        let finished = run(&project, uri).with_code(0);
        let (files, _) = layout(finished.stdout());
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(names, expected, "{uri}");
    }
}

/// XML cannot carry all names, so that most services encode them on their way.
#[test]
fn names_in_listings_are_plain() {
    for (head, keys, expected) in [
        (
            "<EncodingType>url</EncodingType>",
            ["+%C3%BC%2B%01", "a%0A%3Cb%3E%0D"],
            [" \u{fc}+\u{1}", "a\n<b>\r"],
        ),
        ("", [" a+&lt;%20", "b"], [" a+<%20", "b"]),
    ] {
        let object = |key: &str| {
            format!(
                "<Contents><Key>d/{key}</Key><Size>3</Size><ETag>\"abc\"</ETag>\
                 <LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            )
        };
        let objects: String = keys.map(object).concat();
        let listing =
            format!("<ListBucketResult>{head}<IsTruncated>false</IsTruncated>{objects}</ListBucketResult>");
        let one = || Step::page(200, "one").header("ETag", "\"abc\"");
        let server = ScriptedServer::start(vec![Step::page(200, &listing), one(), one()]);
        let project = project(&[("MLFLOW_S3_ENDPOINT_URL", &server.url())])
            .mlproject("entry_points: {main: {parameters: {data: path}, command: 'cd {data} && find . -type f -print0'}}\n");
        let finished = run(&project, "s3://bucket/d/").with_code(0);
        let mut names: Vec<&str> = finished.stdout().split_terminator('\0').collect();
        names.sort();
        assert_eq!(names, expected.map(|name| format!("./{name}")));
    }
}
