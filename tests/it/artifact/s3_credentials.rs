//! Refused credentials, and the places that credentials for S3 come from.

use mlrun::internals::aws::AwsSettings;

use super::{Server, project_for, run, servers};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Project, Sandbox, assert_contains, assert_ends_with, assert_lacks};

/// What a run with these variables says, which must fail before there is a run.
fn refusal(server: &Server, uri: &str, variables: &[(&str, &str)]) -> String {
    let mut project = project_for(server, server.port);
    for (name, value) in variables {
        project = project.env(name, value);
    }
    let finished = run(&project, uri).with_code(1);
    assert_eq!(finished.store().runs.len(), 0);
    assert_lacks(finished.stderr(), "geheim");
    finished.stderr().to_owned()
}

#[test]
fn refusals_name_who_asked_and_what_was_said() {
    if let Some(server) = servers::azure() {
        let wrong = servers::azure_connection("Z2VoZWlt").replace("{port}", &server.port.to_string());
        let uri = server.uri("tree/one.txt", server.port);
        let told = refusal(server, &uri, &[("AZURE_STORAGE_CONNECTION_STRING", &wrong)]);
        assert!(
            told.contains("Azure Storage returned 403")
                && told.contains("for the credentials from AZURE_STORAGE_CONNECTION_STRING"),
            "{told}"
        );
    }
    if let Some(server) = servers::ftp() {
        let uri = server
            .uri("tree/one.txt", server.port)
            .replace("anna:geheim", "anna:geheimx");
        let told = refusal(server, &uri, &[]);
        assert!(
            told.contains("the FTP server returned 530") && told.contains("for the credentials from the URL"),
            "{told}"
        );
    }
    if let Some(server) = servers::webhdfs() {
        let uri = server.uri("tree/one.txt", server.port);
        let told = refusal(server, &uri, &[("HADOOP_USER_NAME", "stranger")]);
        let expected = "HDFS returned 403 Forbidden (AccessControlException: Permission denied: user=stranger) for the user 'stranger'";
        assert_contains(&told, expected);
    }
}

const ACCESS_DENIED: &str = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";

fn denied() -> Vec<Step> {
    vec![Step::page(403, ACCESS_DENIED); 6]
}

/// A project that asks this server for an object of S3.
fn asking(server: &ScriptedServer) -> Project {
    Project::new()
        .mlproject(super::SHOW)
        .env("AWS_ENDPOINT_URL", &server.url())
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

/// Who a request was signed by, and which region and service for.
fn scope(authorization: &str) -> String {
    let (_, rest) = authorization.split_once("Credential=").unwrap_or(("", "nobody,"));
    let mut parts: Vec<&str> = rest.split(',').next().unwrap().split('/').collect();
    if parts.len() > 1 {
        parts.remove(1);
    }
    parts.join("/")
}

#[test]
fn every_place_of_credentials_is_looked_at() {
    let profiles = r"[default]
aws_access_key_id = of-default
aws_secret_access_key = geheim

[other]
aws_access_key_id = of-other
aws_secret_access_key = geheim
region = eu-west-1

[asked]
credential_process = <sandbox>/work/process 'two words'
";
    let process = "#!/bin/sh\n[ \"$1\" = 'two words' ] && echo '{\"Version\": 1, \"AccessKeyId\": \"of-process\", \
                   \"SecretAccessKey\": \"geheim\", \"SessionToken\": \"geheim\", \"Expiration\": \"2999-01-01T00:00:00Z\"}'\n";
    let keys = [
        ("AWS_ACCESS_KEY_ID", "of-variable"),
        ("AWS_SECRET_ACCESS_KEY", "geheim"),
    ];
    for (variables, has_files, signed, asker) in [
        (
            &keys[..],
            true,
            "of-variable/us-east-1/s3/aws4_request",
            "the credentials from AWS_ACCESS_KEY_ID",
        ),
        (
            &[],
            true,
            "of-default/us-east-1/s3/aws4_request",
            "the credentials from the AWS profile 'default'",
        ),
        (
            &[("AWS_PROFILE", "other")],
            true,
            "of-other/eu-west-1/s3/aws4_request",
            "the credentials from the AWS profile 'other'",
        ),
        (
            &[("AWS_PROFILE", "asked"), ("AWS_REGION", "ap-south-1")],
            true,
            "of-process/ap-south-1/s3/aws4_request",
            "the credentials from the credential_process of the AWS profile 'asked'",
        ),
        (
            &[],
            false,
            "nobody",
            "a request without credentials (no AWS credentials found: AWS_ACCESS_KEY_ID is not set; no default profile in ",
        ),
        (
            &[
                keys[0],
                keys[1],
                ("MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION", "UNSIGNED"),
            ],
            true,
            "nobody",
            "a request without credentials (MLFLOW_EXPERIMENTAL_S3_SIGNATURE_VERSION is unsigned)",
        ),
    ] {
        let server = ScriptedServer::start(denied());
        let mut project = asking(&server);
        project.sandbox().write_executable("process", process);
        if has_files {
            let directory = project.sandbox().root().join("home/.aws");
            std::fs::create_dir(&directory).unwrap();
            std::fs::write(directory.join("credentials"), project.sandbox().expand(profiles)).unwrap();
        }
        for (name, value) in variables {
            project = project.env(name, value);
        }
        let finished = run(&project, "s3://bucket/data.csv").with_code(1);
        let told = finished.stderr();
        let expected = format!("S3 returned 403 Forbidden (AccessDenied: Access Denied) for {asker}");
        assert_contains(told, &expected);
        assert_lacks(told, "geheim");
        assert_eq!(scope(server.seen()[0].header("authorization")), signed);
    }
}

#[test]
fn roles_are_assumed() {
    let answer = |action: &str| {
        let keys = "<AccessKeyId>of-role</AccessKeyId><SecretAccessKey>geheim</SecretAccessKey>\
                    <SessionToken>token-of-role</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>";
        Step::page(
            200,
            &format!(
                "<{action}Response><{action}Result><Credentials>{keys}</Credentials></{action}Result></{action}Response>"
            ),
        )
    };
    let config = r"[profile work]
role_arn = arn:aws:iam::1:role/x
source_profile = base
external_id = e&1

[profile base]
aws_access_key_id = of-base
aws_secret_access_key = geheim

[profile round]
role_arn = arn:aws:iam::1:role/x
source_profile = back

[profile back]
role_arn = arn:aws:iam::1:role/x
source_profile = round
";
    let with_config = |project: Project| {
        let directory = project.sandbox().root().join("home/.aws");
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(directory.join("config"), config).unwrap();
        project
    };

    let server = ScriptedServer::start([vec![answer("AssumeRole")], denied()].concat());
    let project = with_config(asking(&server)).env("AWS_PROFILE", "work");
    let finished = run(&project, "s3://bucket/data.csv");
    let expected = "for the credentials from the role 'arn:aws:iam::1:role/x'";
    assert_contains(finished.stderr(), expected);
    let seen = server.seen();
    assert_eq!(
        scope(seen[0].header("authorization")),
        "of-base/us-east-1/sts/aws4_request"
    );
    assert!(seen[0].body.contains("Action=AssumeRole&") && seen[0].body.contains("ExternalId=e%261"));
    assert_eq!(
        scope(seen[1].header("authorization")),
        "of-role/us-east-1/s3/aws4_request"
    );
    assert_eq!(seen[1].header("x-amz-security-token"), "token-of-role");

    let server = ScriptedServer::start([vec![answer("AssumeRoleWithWebIdentity")], denied()].concat());
    let project = asking(&server)
        .env("AWS_ROLE_ARN", "arn:aws:iam::1:role/y")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", "<sandbox>/work/token");
    project.sandbox().write("token", "geheim\n");
    let finished = run(&project, "s3://bucket/data.csv");
    let expected = "for the credentials from the role 'arn:aws:iam::1:role/y'";
    assert_contains(finished.stderr(), expected);
    let first = &server.seen()[0];
    assert_ends_with(&first.body, "&WebIdentityToken=geheim");
    assert_eq!(first.header("authorization"), "");

    let refused = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let server = ScriptedServer::start(vec![Step::page(403, refused)]);
    let project = with_config(asking(&server)).env("AWS_PROFILE", "work");
    let finished = run(&project, "s3://bucket/data.csv");
    let expected = "returned no credentials for the role 'arn:aws:iam::1:role/x': AccessDenied: no";
    assert_contains(finished.stderr(), expected);

    let server = ScriptedServer::start(Vec::new());
    let project = with_config(asking(&server)).env("AWS_PROFILE", "round");
    let finished = run(&project, "s3://bucket/data.csv");
    assert_contains(finished.stderr(), "its source_profile refers back to itself");
    let project = asking(&server).env("AWS_PROFILE", "missing");
    let finished = run(&project, "s3://bucket/data.csv");
    assert_contains(finished.stderr(), "no AWS profile 'missing' in ");
    assert_eq!(server.connections(), 0);
}

#[test]
fn the_machine_s_own_credentials_are_used() {
    let keys = r#"{"Code": "Success", "AccessKeyId": "of-machine", "SecretAccessKey": "geheim", "Token": "t", "Expiration": "2999-01-01T00:00:00Z"}"#;
    let token = Step::page(200, "metadata-token");
    let role = Step::page(200, "my-role\n");
    let metadata = ScriptedServer::start(vec![token, role, Step::json(200, keys)]);
    let server = ScriptedServer::start(denied());
    let project = asking(&server)
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &metadata.url());
    let finished = run(&project, "s3://bucket/data.csv");
    let expected = "for the credentials from the instance's role 'my-role'";
    assert_contains(finished.stderr(), expected);
    assert_eq!(
        metadata.lines(),
        [
            "PUT /latest/api/token",
            "GET /latest/meta-data/iam/security-credentials/",
            "GET /latest/meta-data/iam/security-credentials/my-role",
        ]
    );
    assert_eq!(
        metadata.seen()[2].header("x-aws-ec2-metadata-token"),
        "metadata-token"
    );
    assert_eq!(
        scope(server.seen()[0].header("authorization")),
        "of-machine/us-east-1/s3/aws4_request"
    );

    let metadata = ScriptedServer::start(vec![Step::json(200, keys)]);
    let server = ScriptedServer::start(denied());
    let project = asking(&server)
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &format!("{}/keys", metadata.url()),
        )
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "geheim");
    let finished = run(&project, "s3://bucket/data.csv");
    assert_contains(finished.stderr(), "for the credentials from the container's role");
    assert_eq!(metadata.seen()[0].header("authorization"), "geheim");
}

/// The login's file is named after the session, or after the start URL of a profile without one.
#[test]
fn a_login_is_exchanged_for_keys() {
    let sso = "sso_account_id = 12\nsso_role_name = reader\n";
    let place = "sso_region = eu-west-1\nsso_start_url = https://corp.awsapps.com/start\n";
    let config = format!(
        "[profile session]\n{sso}sso_session = corp\n[sso-session corp]\n{place}[profile plain]\n{sso}{place}"
    );
    let keys = r#"{"roleCredentials": {"accessKeyId": "of-login", "secretAccessKey": "geheim", "sessionToken": "t", "expiration": 32472144000000}}"#;
    let with_login = |project: Project, name: &str, expires: &str| {
        let cache = project.sandbox().root().join("home/.aws/sso/cache");
        std::fs::create_dir_all(&cache).unwrap();
        std::fs::write(cache.join("../../config"), &config).unwrap();
        let token = format!(r#"{{"accessToken": "geheim", "expiresAt": "{expires}"}}"#);
        std::fs::write(cache.join(name), token).unwrap();
        project
    };
    // SHA-1 of `corp` and of the start URL.
    for (profile, file, expires) in [
        (
            "session",
            "ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
            "2999-01-01T00:00:00Z",
        ),
        (
            "plain",
            "a51746d4aa793ae07b25e90c3a5db96fc7832bd7.json",
            "2999-01-01T00:00:00UTC",
        ),
    ] {
        let server = ScriptedServer::start([vec![Step::json(200, keys)], denied()].concat());
        let project = with_login(asking(&server), file, expires).env("AWS_PROFILE", profile);
        let finished = run(&project, "s3://bucket/data.csv");
        let expected = format!("for the credentials from the single sign-on of the AWS profile '{profile}'");
        assert_contains(finished.stderr(), &expected);
        let seen = server.seen();
        assert_eq!(
            seen[0].target,
            "/federation/credentials?role_name=reader&account_id=12"
        );
        assert_eq!(seen[0].header("x-amz-sso_bearer_token"), "geheim");
        assert_eq!(
            scope(seen[1].header("authorization")),
            "of-login/us-east-1/s3/aws4_request"
        );
    }

    let server = ScriptedServer::start(Vec::new());
    let project =
        with_login(asking(&server), "other.json", "2999-01-01T00:00:00Z").env("AWS_PROFILE", "plain");
    let finished = run(&project, "s3://bucket/data.csv");
    let told = finished.stderr();
    assert_contains(
        told,
        "AWS single sign-on returned no credentials for the AWS profile 'plain'",
    );
    assert_contains(told, "hint: log in again with `aws sso login`");
}

/// As in Amazon's Python library, unless the profile has a role of its own.
#[test]
fn an_identity_of_variables_comes_before_a_profile_s_keys() {
    let refused =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    let keys = "aws_access_key_id = of-base\naws_secret_access_key = geheim\n";
    let role = "role_arn = arn:aws:iam::1:role/x\nsource_profile = default\n";
    for (profile, action) in [
        ("default", "Action=AssumeRoleWithWebIdentity&"),
        ("role", "Action=AssumeRole&"),
    ] {
        let server = ScriptedServer::start(vec![Step::page(403, refused)]);
        let project = asking(&server)
            .env("AWS_PROFILE", profile)
            .env("AWS_ROLE_ARN", "arn:aws:iam::1:role/y")
            .env("AWS_WEB_IDENTITY_TOKEN_FILE", "<sandbox>/work/token");
        project.sandbox().write("token", "geheim\n");
        let directory = project.sandbox().root().join("home/.aws");
        std::fs::create_dir(&directory).unwrap();
        let config = format!("[default]\n{keys}[profile role]\n{role}");
        std::fs::write(directory.join("config"), config).unwrap();
        run(&project, "s3://bucket/data.csv").expect_code(1);
        let body = &server.seen()[0].body;
        assert!(body.starts_with(action), "{profile}: {body}");
    }
}

#[test]
fn variables_come_before_the_profile() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_str().unwrap();
    let credentials = "[default]\naws_secret_access_key=s=#1 # not mine\n[work]\nAWS_ACCESS_KEY_ID: B\n";
    let config = r"[default]
region = no
[profile default]
region = eu-west-1
endpoint_url = http://all
[profile 'work']
region = eu-north-1 ; far
s3 =
    endpoint_url = http://s3
[profile lab two]
services = lab
endpoint_url = http://all
[services lab]
sts =
  endpoint_url = http://lab-sts
[profile off]
ignore_configured_endpoint_urls = true
endpoint_url = http://all
";
    std::fs::write(home.path().join("keys"), credentials).unwrap();
    std::fs::write(home.path().join("config"), config).unwrap();
    let read = |variables: &[(&str, &str)]| {
        AwsSettings::read(&|name| match name {
            "HOME" => Some(path.to_owned()),
            "AWS_SHARED_CREDENTIALS_FILE" => Some("~/keys".to_owned()),
            "AWS_CONFIG_FILE" => Some(format!("{path}/config")),
            _ => {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            }
        })
        .unwrap()
    };
    let work = ("AWS_PROFILE", "work");
    let all = ("AWS_ENDPOINT_URL", "http://variable");
    let own = ("AWS_ENDPOINT_URL_S3", "http://own");
    let regions = [("AWS_REGION", "r"), ("AWS_DEFAULT_REGION", "d")];
    let ignore = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    for (variables, expected) in [
        (&[][..], "eu-west-1 http://all http://all"),
        (&[work], "eu-north-1 http://s3 -"),
        (&[work, regions[0]], "r http://s3 -"),
        (&regions, "d http://all http://all"),
        (&[all, own], "eu-west-1 http://own http://variable"),
        (&[all, own, ignore], "eu-west-1 - -"),
        (&[("AWS_PROFILE", "missing")], "us-east-1 - -"),
        (
            &[("AWS_PROFILE", "lab two")],
            "us-east-1 http://all http://lab-sts",
        ),
        (&[("AWS_PROFILE", "off"), all], "us-east-1 - -"),
    ] {
        let settings = read(variables);
        let endpoint = |service: &str| settings.endpoint_url(service).unwrap_or("-").to_owned();
        let shown = format!("{} {} {}", settings.region(), endpoint("s3"), endpoint("sts"));
        assert_eq!(shown, expected, "{variables:?}");
    }
    let settings = read(&[]);
    assert_eq!(settings.of_profile("aws_secret_access_key"), Some("s=#1"));
    assert_eq!(read(&[work]).of_profile("aws_access_key_id"), Some("B"));
}

/// The addresses of services stand in a section of their own, which a profile names.
#[test]
fn a_profile_s_services_have_addresses() {
    let server = ScriptedServer::start(denied());
    let config = format!(
        "[profile lab]\nservices = lab\nendpoint_url = http://127.0.0.1:9\n[services lab]\ns3 =\n  endpoint_url = {}\n",
        server.url()
    );
    let project = Project::new()
        .mlproject(super::SHOW)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_PROFILE", "lab");
    let directory = project.sandbox().root().join("home/.aws");
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("config"), config).unwrap();
    let finished = run(&project, "s3://bucket/data.csv");
    let expected = "S3 returned 403 Forbidden (AccessDenied: Access Denied)";
    assert_contains(finished.stderr(), expected);
}

/// A bucket elsewhere tells its region in the refusal.
#[test]
fn the_bucket_s_region_is_learned() {
    let elsewhere = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>x</Message><Region>eu-west-1</Region></Error>";
    let server = ScriptedServer::start([vec![Step::page(400, elsewhere)], denied()].concat());
    let project = asking(&server)
        .env("AWS_ACCESS_KEY_ID", "a")
        .env("AWS_SECRET_ACCESS_KEY", "b");
    run(&project, "s3://bucket/data.csv").expect_code(1);
    let scopes: Vec<String> = server
        .seen()
        .iter()
        .map(|seen| scope(seen.header("authorization")))
        .collect();
    assert_eq!(
        scopes[..2],
        ["a/us-east-1/s3/aws4_request", "a/eu-west-1/s3/aws4_request"]
    );
}

#[test]
fn google_s_credentials_are_exchanged_for_a_token() {
    let token = Step::json(
        200,
        r#"{"access_token": "geheim-token", "expires_in": 3600, "token_type": "Bearer"}"#,
    );
    let refused = r#"{"error": {"code": 403, "message": "anna does not have access", "errors": [{"reason": "forbidden"}]}}"#;
    let server = ScriptedServer::start([vec![token], vec![Step::json(403, refused); 4]].concat());
    let key = serde_json::json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "geheim", "refresh_token": "geheim",
        "token_uri": format!("{}/token", server.url()),
    });
    let project = Project::new()
        .mlproject(super::SHOW)
        .env("STORAGE_EMULATOR_HOST", &server.url())
        .env("GOOGLE_APPLICATION_CREDENTIALS", "<sandbox>/work/key.json");
    project.sandbox().write("key.json", key.to_string());
    let finished = run(&project, "gs://bucket/data.csv").with_code(1);
    let expected = "Google Cloud Storage returned 403 Forbidden (forbidden: anna does not have access) for the credentials from GOOGLE_APPLICATION_CREDENTIALS";
    assert_contains(finished.stderr(), expected);
    assert_lacks(finished.stderr(), "geheim");
    assert_eq!(server.seen()[1].header("authorization"), "Bearer geheim-token");
}

/// A place for what only the machine's own services would tell.
#[test]
fn a_file_of_keys_that_is_none_is_told() {
    let sandbox = Sandbox::new();
    sandbox.write("key.json", "geheim");
    let path = sandbox.work().join("key.json");
    let project = Project::new()
        .mlproject(super::SHOW)
        .env("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap());
    let finished = run(&project, "gs://bucket/data.csv").with_code(1);
    let expected = format!(
        "the credentials file '{}' cannot be used: not valid JSON",
        path.display()
    );
    assert_contains(finished.stderr(), &expected);
}
