//! Who asks Google Cloud Storage.

use serde_json::{Value, json};

use super::run;
use super::uploads::upload_file;
use super::uploads::{PART, with_file};
use crate::harness::scripted::{ScriptedServer, Seen, Step};
use crate::harness::{Project, assert_contains, assert_ends_with, assert_lacks, certificates};

const ACCOUNT: &str = "job@project.iam.gserviceaccount.com";

/// A refusal of Google's interfaces.
fn refused() -> Step {
    Step::json(
        403,
        r#"{"error": {"code": 403, "message": "no access", "errors": [{"reason": "forbidden"}]}}"#,
    )
}

fn token(value: &str) -> Step {
    let answer = json!({
        "access_token": value, "expires_in": 3600, "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    });
    Step::json(200, &answer.to_string())
}

fn impersonated(value: &str) -> Step {
    let answer = json!({ "accessToken": value, "expireTime": "2999-01-01T00:00:00Z" });
    Step::json(200, &answer.to_string())
}

/// What a run says that asks with the credentials in this file, and what the server saw. The file may name
/// the server by `{url}`.
fn asked(key: &Value, steps: Vec<Step>) -> (String, Vec<Seen>) {
    let server = ScriptedServer::start(steps);
    let key = key.to_string().replace("{url}", &server.url());
    let project = Project::new()
        .mlproject(super::SHOW)
        .env("STORAGE_EMULATOR_HOST", &server.url())
        .env("GOOGLE_APPLICATION_CREDENTIALS", "<sandbox>/work/key.json");
    project.sandbox().write("token", "geheim-subject\n");
    project
        .sandbox()
        .write("key.json", project.sandbox().expand(&key));
    let finished = run(&project, "gs://bucket/data.csv").with_code(1);
    assert_lacks(finished.stderr(), "geheim");
    (finished.stderr().to_owned(), server.seen())
}

const TO_FILE: &str = "Google Cloud Storage returned 403 Forbidden (forbidden: no access) for the credentials from \
                       GOOGLE_APPLICATION_CREDENTIALS";

#[test]
fn accounts_of_other_providers_are_known() {
    let key = |source: Value| {
        json!({
            "type": "external_account", "audience": "//iam.googleapis.com/pool",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "{url}/sts",
            "service_account_impersonation_url": format!("{{url}}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"),
            "credential_source": source,
        })
    };
    // Where the format is not named the file is the token.
    let steps = vec![
        token("geheim-federated"),
        impersonated("geheim-token"),
        refused(),
        refused(),
    ];
    let (told, seen) = asked(&key(json!({ "file": "<sandbox>/work/token" })), steps);
    assert_contains(&told, TO_FILE);
    assert_eq!(seen[0].line(), "POST /sts");
    assert_contains(&seen[0].body, "subject_token=geheim-subject&");
    assert_eq!(seen[1].header("authorization"), "Bearer geheim-federated");
    assert_eq!(seen[2].header("authorization"), "Bearer geheim-token");

    let format = json!({ "type": "json", "subject_token_field_name": "id" });
    let source = json!({ "url": "{url}/id", "headers": { "x-asks": "mlrun" }, "format": format });
    let steps = vec![
        Step::json(200, r#"{"id": "geheim-of-url"}"#),
        token("geheim-federated"),
        refused(),
    ];
    let (told, seen) = asked(&key(source), steps);
    let expected = "the credentials from GOOGLE_APPLICATION_CREDENTIALS cannot be used: the service returned 403 Forbidden (no access)";
    assert_contains(&told, expected);
    assert_eq!(
        (seen[0].line().as_str(), seen[0].header("x-asks")),
        ("GET /id", "mlrun")
    );
    assert_contains(&seen[1].body, "subject_token=geheim-of-url&");
}

#[test]
fn accounts_stand_for_others() {
    let user = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "geheim", "refresh_token": "geheim",
        "token_uri": "{url}/token",
    });
    let key = openssl::rsa::Rsa::generate(2048).unwrap();
    let key = openssl::pkey::PKey::from_rsa(key)
        .unwrap()
        .private_key_to_pem_pkcs8()
        .unwrap();
    let account = json!({
        "type": "service_account", "client_email": "a@b", "private_key": String::from_utf8(key).unwrap(),
        "token_uri": "{url}/token",
    });
    let standing = |source: &Value| {
        json!({
            "type": "impersonated_service_account", "source_credentials": source,
            "service_account_impersonation_url": format!("{{url}}/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"),
            "delegates": ["projects/-/serviceAccounts/between@project.iam.gserviceaccount.com"],
        })
    };
    for source in [&user, &account] {
        let steps = vec![
            token("geheim-source"),
            impersonated("geheim-token"),
            refused(),
            refused(),
        ];
        let (told, seen) = asked(&standing(source), steps);
        assert_contains(&told, TO_FILE);
        assert_eq!(seen[0].line(), "POST /token");
        assert_eq!(
            seen[1].line(),
            format!("POST /v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken")
        );
        assert_eq!(seen[1].header("authorization"), "Bearer geheim-source");
        let between = "projects/-/serviceAccounts/between@project.iam.gserviceaccount.com";
        assert_eq!(seen[1].json()["delegates"], json!([between]));
        assert_eq!(seen[2].header("authorization"), "Bearer geheim-token");
        let (told, _) = asked(&standing(source), vec![token("geheim-source"), refused()]);
        let expected =
            "GOOGLE_APPLICATION_CREDENTIALS cannot be used: the service returned 403 Forbidden (no access)";
        assert_contains(&told, expected);
    }
    let (told, seen) = asked(&account, vec![token("geheim-token"), refused(), refused()]);
    assert_contains(&told, TO_FILE);
    assert_contains(&seen[0].body, "jwt-bearer&assertion=");
    assert_eq!(seen[1].header("authorization"), "Bearer geheim-token");
}

#[test]
fn credentials_that_cannot_be_used_are_told() {
    for (key, expected) in [
        (
            json!({ "type": "gdch_service_account" }),
            "credentials of type 'gdch_service_account' are not supported",
        ),
        (
            json!({ "type": "impersonated_service_account", "source_credentials": {}, "service_account_impersonation_url": "x" }),
            "its service_account_impersonation_url contains no account",
        ),
        (
            json!({ "type": "service_account", "client_email": "a@b", "private_key": "geheim" }),
            "the credentials from GOOGLE_APPLICATION_CREDENTIALS cannot be used: ",
        ),
        (
            json!({ "type": "authorized_user", "client_id": "x", "client_secret": "geheim" }),
            "credentials of type 'authorized_user' need 'refresh_token', which is missing",
        ),
    ] {
        let (told, seen) = asked(&key, Vec::new());
        assert_contains(&told, expected);
        assert!(seen.is_empty());
    }
    let key = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "geheim", "refresh_token": "geheim",
        "token_uri": "{url}/token",
    });
    let answer = r#"{"error": "invalid_grant", "error_description": "Token has been expired or revoked."}"#;
    // A busy service is asked again.
    let steps = vec![Step::json(503, "{}"), Step::Close, Step::json(400, answer)];
    let (told, seen) = asked(&key, steps);
    let expected =
        "cannot be used: the service returned 400 Bad Request (Token has been expired or revoked.)";
    assert_contains(&told, expected);
    assert_eq!(seen.len(), 3);
}

#[test]
fn the_machine_s_account_is_asked_once() {
    let metadata = ScriptedServer::start(vec![token("geheim-of-machine")]);
    let project = Project::new()
        .mlproject(super::SHOW)
        .env("GCE_METADATA_HOST", &metadata.address.to_string())
        // Nothing listens there.
        .env("HTTPS_PROXY", "http://127.0.0.1:1");
    let finished = run(&project, "gs://bucket/data.csv").with_code(1);
    assert_lacks(finished.stderr(), "geheim");
    let seen = metadata.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].path(),
        "/computeMetadata/v1/instance/service-accounts/default/token"
    );
    assert_eq!(seen[0].header("metadata-flavor"), "Google");
}

/// Who knows the address of an upload may write the object: only the service itself gets its credentials too.
#[test]
fn an_upload_s_address_gets_the_credentials_of_its_own_service_only() {
    let goes_on = Step::json(308, "").header("Range", &format!("bytes=0-{}", PART - 1));
    let parts = vec![goes_on, Step::json(200, "{}")];
    for (location, expected) in [
        ("/upload?upload_id=x", Ok("Bearer geheim-token")),
        ("{other}/upload?upload_id=x", Ok("")),
        (
            "ftp://127.0.0.1/x",
            Err("invalid response from Google Cloud Storage: no valid address for the file's parts"),
        ),
        (
            "",
            Err("invalid response from Google Cloud Storage: no valid address for the file's parts"),
        ),
    ] {
        let other = ScriptedServer::start(parts.clone());
        let location = location.replace("{other}", &other.url());
        let begun = Step::json(200, "").header("Location", &location);
        let server = ScriptedServer::start([vec![token("geheim-token"), begun], parts.clone()].concat());
        let (sandbox, _) = with_file(PART + 1);
        let key = json!({
            "type": "authorized_user", "client_id": "id", "client_secret": "geheim", "refresh_token": "geheim",
            "token_uri": format!("{}/token", server.url()),
        });
        sandbox.write("key.json", key.to_string());
        let path = sandbox.work().join("key.json").display().to_string();
        let variables = [
            ("STORAGE_EMULATOR_HOST", server.url()),
            ("GOOGLE_APPLICATION_CREDENTIALS", path),
        ];
        let error = upload_file("gs://bucket/top", &variables, &sandbox);
        match expected {
            Ok(authorization) => {
                assert_eq!(error, None, "{location}");
                let seen = [server.seen(), other.seen()].concat();
                let parts: Vec<&Seen> = seen.iter().filter(|seen| seen.method == "PUT").collect();
                assert_eq!(parts.len(), 2, "{location}");
                assert!(
                    parts
                        .iter()
                        .all(|part| part.header("authorization") == authorization)
                );
            }
            Err(expected) => assert!(error.unwrap().ends_with(expected), "{location}"),
        }
    }
}

/// What was to be sent by TLS is not sent without it.
#[test]
fn an_upload_stays_encrypted() {
    let own = certificates::server("127.0.0.1", None);
    let begun = Step::json(200, "").header("Location", "http://127.0.0.1:9/upload?upload_id=x");
    let server = ScriptedServer::start_tls(vec![begun], certificates::acceptor(&own, None));
    let (sandbox, _) = with_file(PART + 1);
    sandbox.write("own.pem", certificates::pem(&own.certificate));
    let bundle = sandbox.work().join("own.pem").display().to_string();
    let variables = [
        ("STORAGE_EMULATOR_HOST", server.url()),
        ("REQUESTS_CA_BUNDLE", bundle),
    ];
    let error = upload_file("gs://bucket/top", &variables, &sandbox).unwrap();
    assert_ends_with(&error, "no valid address for the file's parts");
}
