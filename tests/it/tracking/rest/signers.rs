//! Credentials that are made anew for every request: signatures for AWS, Kubernetes accounts.

use std::time::{Duration, SystemTime};

use mlrun::RunId;
use mlrun::internals::aws::{Credentials, Payload, Signing};
use mlrun::internals::redact::Secret;
use mlrun::internals::tracking::{ExperimentSelector, TrackingStore as _};
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use super::{new_run, store};
use crate::harness::scripted::{ScriptedServer, Seen, Step};
use crate::harness::{assert_contains, assert_lacks, assert_starts_with};
use crate::tracking::told;

const KEYS: [(&str, &str); 4] = [
    ("MLFLOW_TRACKING_AWS_SIGV4", "true"),
    ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
    ("AWS_SECRET_ACCESS_KEY", "geheim"),
    ("AWS_SESSION_TOKEN", "of-a-session"),
];
const REGION: (&str, &str) = ("AWS_DEFAULT_REGION", "eu-west-1");

fn created() -> Step {
    let run =
        r#"{"run":{"info":{"run_id":"abc","experiment_id":"0","status":"RUNNING","artifact_uri":"s3://b"}}}"#;
    Step::json(200, run)
}

/// The point in time of `20261125T131501Z`, which lies within the last minutes.
fn time_of(text: &str) -> SystemTime {
    let day_seconds = |at: usize, unit: u64| text[at..at + 2].parse::<u64>().unwrap() * unit;
    let of_day = day_seconds(9, 3600) + day_seconds(11, 60) + day_seconds(13, 1);
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let today = now - now % 86_400;
    let seconds = if today + of_day > now {
        today + of_day - 86_400
    } else {
        today + of_day
    };
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The signature that a gateway computes of the request as it came.
fn expected_signature(seen: &Seen) -> String {
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("geheim"),
        session_token: Some(Secret::new("of-a-session")),
        expires: None,
        source: "a test".to_owned(),
    };
    let signing = Signing {
        credentials: &credentials,
        region: "eu-west-1",
        service: "execute-api",
        time: time_of(seen.header("x-amz-date")),
    };
    let url = Url::parse(&format!("http://{}{}", seen.header("host"), seen.target)).unwrap();
    let mut headers = HeaderMap::new();
    let method: Method = seen.method.parse().unwrap();
    signing
        .sign(&method, &url, &mut headers, Payload::Bytes(seen.body.as_bytes()))
        .unwrap();
    headers["authorization"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_request_is_signed_for_aws() {
    let busy = Step::json(429, "{}");
    let experiment = Step::json(200, r#"{"experiment":{"experiment_id":"7"}}"#);
    let server = ScriptedServer::start(vec![experiment, busy, created(), Step::json(200, "{}")]);
    // Credentials for the server itself do not count beside a signature.
    let mut variables = vec![REGION, ("MLFLOW_TRACKING_TOKEN", "t0ken")];
    variables.extend(KEYS);
    let url = format!("http://u:p@{}/pre fix", server.address);
    let signed = store(&url, &variables).unwrap();
    let named = ExperimentSelector::Name("a b+c".to_owned());
    signed.experiment(&named).await.unwrap();
    signed.create_run(new_run(&[("a", "ü b")])).await.unwrap();
    assert_eq!(
        server.lines(),
        [
            "GET /pre%20fix/api/2.0/mlflow/experiments/get-by-name?experiment_name=a%20b%2Bc",
            "POST /pre%20fix/api/2.0/mlflow/runs/create",
            "POST /pre%20fix/api/2.0/mlflow/runs/create",
            "POST /pre%20fix/api/2.0/mlflow/runs/log-batch",
        ]
    );
    for seen in server.seen() {
        let authorization = seen.header("authorization");
        let date = &seen.header("x-amz-date")[..8];
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{date}/eu-west-1/execute-api/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-security-token, Signature="
        );
        assert_starts_with(authorization, &scope);
        assert_eq!(authorization, expected_signature(&seen));
        assert_eq!(seen.header("x-amz-security-token"), "of-a-session");
    }
    let shown = format!("{signed:?}");
    for secret in ["geheim", "of-a-session", "t0ken"] {
        assert_lacks(&shown, secret);
    }
}

#[tokio::test]
async fn a_signature_stays_with_its_server() {
    let other = ScriptedServer::start(vec![created()]);
    let elsewhere = Step::redirect(307, &format!("{}/moved", other.url()));
    let server = ScriptedServer::start(vec![Step::redirect(307, "/here"), elsewhere]);
    let mut variables = vec![REGION];
    variables.extend(KEYS);
    let signed = store(&server.url(), &variables).unwrap();
    signed.create_run(new_run(&[])).await.unwrap();
    let seen = server.seen();
    assert_eq!(server.lines()[1], "POST /here");
    assert_eq!(seen[1].header("authorization"), expected_signature(&seen[1]));
    for name in ["authorization", "x-amz-date", "x-amz-security-token"] {
        assert_eq!(other.seen()[0].header(name), "", "{name}");
    }
}

#[tokio::test]
async fn a_gateway_s_host_tells_its_region() {
    let home = tempfile::tempdir().unwrap();
    let home = ("HOME", home.path().to_str().unwrap());
    for (host, expected) in [
        ("abc.execute-api.eu-west-1.amazonaws.com/prod", Some("eu-west-1")),
        (
            "abc-vpce.execute-api.us-gov-west-1.amazonaws.com",
            Some("us-gov-west-1"),
        ),
        ("mlflow.example.com", None),
    ] {
        let proxy = ScriptedServer::start(vec![created()]);
        let address = proxy.url();
        let mut variables = vec![home, ("http_proxy", address.as_str())];
        variables.extend(KEYS);
        let store = store(&format!("http://{host}"), &variables).unwrap();
        let asked = store.run(&RunId::new("abc")).await;
        assert_eq!(asked.is_ok(), expected.is_some(), "{host}");
        let scopes = proxy.seen().into_iter().map(|seen| {
            let authorization = seen.header("authorization").to_owned();
            authorization.split('/').nth(2).unwrap().to_owned()
        });
        assert_eq!(scopes.collect::<Vec<_>>(), Vec::from_iter(expected), "{host}");
    }
}

#[tokio::test]
async fn what_a_signature_lacks_is_told() {
    let server = ScriptedServer::start(vec![]);
    let home = tempfile::tempdir().unwrap();
    let home = ("HOME", home.path().to_str().unwrap());
    let no_instance = ("AWS_EC2_METADATA_DISABLED", "true");
    for (variables, expected) in [
        (
            vec![KEYS[0], REGION, home, no_instance],
            "no AWS credentials found: AWS_ACCESS_KEY_ID is not set",
        ),
        (
            vec![KEYS[0], KEYS[1], KEYS[2], home],
            "no region is configured\nhint: set AWS_DEFAULT_REGION",
        ),
    ] {
        let store = store(&server.url(), &variables).unwrap();
        let error = told(&store.run(&RunId::new("abc")).await.unwrap_err());
        assert_contains(&error, expected);
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_kubernetes_account_says_who_asks() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("config");
    std::fs::write(
        &config,
        "current-context: work\ncontexts:\n- {name: work, context: {user: ada, namespace: team}}\n\
         users:\n- {name: ada, user: {tokenFile: token}}\n",
    )
    .unwrap();
    let kubeconfig = ("KUBECONFIG", config.to_str().unwrap());
    let token = |text: &str| std::fs::write(directory.path().join("token"), text).unwrap();
    token("first\n");
    let plain = ("MLFLOW_TRACKING_AUTH", "kubernetes");
    let namespaced = ("MLFLOW_TRACKING_AUTH", "kubernetes-namespaced");
    let password = [
        ("MLFLOW_TRACKING_USERNAME", "u"),
        ("MLFLOW_TRACKING_PASSWORD", "p"),
    ];
    let own_token = ("MLFLOW_TRACKING_TOKEN", "own");

    let server = ScriptedServer::start(vec![created(), Step::json(200, "{}")]);
    let store_with = store(&server.url(), &[plain, kubeconfig, password[0], password[1]]).unwrap();
    store_with.create_run(new_run(&[])).await.unwrap();
    // A pod's token is replaced from time to time.
    token("second");
    store_with
        .set_tags(&RunId::new("abc"), &[("a".to_owned(), "b".to_owned())])
        .await
        .unwrap();
    let tokens: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("authorization").to_owned())
        .collect();
    assert_eq!(tokens, ["Bearer first", "Bearer second"]);
    assert_eq!(server.seen()[0].header("x-mlflow-workspace"), "");

    for (variables, expected_token, expected_workspace) in [
        (vec![namespaced, kubeconfig], "Bearer second", "team"),
        (vec![namespaced, kubeconfig, own_token], "Bearer own", "team"),
    ] {
        let server = ScriptedServer::start(vec![created()]);
        let store = store(&server.url(), &variables).unwrap();
        store.create_run(new_run(&[])).await.unwrap();
        assert_eq!(server.seen()[0].header("authorization"), expected_token);
        assert_eq!(server.seen()[0].header("x-mlflow-workspace"), expected_workspace);
    }

    let nowhere = store(&server.url(), &[plain, ("KUBECONFIG", "/nowhere")]).unwrap();
    let error = told(&nowhere.run(&RunId::new("abc")).await.unwrap_err());
    assert_contains(&error, "no usable Kubernetes account for the tracking server");
    assert_contains(&error, "\nhint: run in a pod with a service account");
}

#[tokio::test]
async fn the_first_of_the_kubeconfigs_counts() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "config",
        r"current-context: work
contexts:
- name: work
  context: {user: ada, cluster: c, namespace: team}
users:
- name: ada
  user: {tokenFile: ada.token}
- name: bob
  user: {exec: {command: x}}
",
    );
    let bob = "current-context: other\ncontexts:\n- {name: other, context: {user: bob}}\n";
    write("first", bob);
    write("broken", "{");
    let ask = async |names: &str, variable: (&str, &str)| {
        let paths = names.split(':').map(|name| directory.path().join(name));
        let paths = std::env::join_paths(paths).unwrap();
        let server = ScriptedServer::start(vec![created()]);
        let namespaced = ("MLFLOW_TRACKING_AUTH", "kubernetes-namespaced");
        let variables = [namespaced, variable, ("KUBECONFIG", paths.to_str().unwrap())];
        let store = store(&server.url(), &variables).unwrap();
        match store.run(&RunId::new("abc")).await {
            Ok(_) => server.seen()[0].header("authorization").to_owned(),
            Err(error) => told(&error),
        }
    };
    let none = ("", "");
    let missing = ask("config", none).await;
    assert_contains(&missing, "no token in");
    write("ada.token", "of-ada\n");
    assert_eq!(ask("missing:config", none).await, "Bearer of-ada");
    for (names, variable, expected) in [
        (
            "missing:first:config",
            none,
            "the user 'bob' has neither token nor tokenFile",
        ),
        (
            "first:config",
            ("MLFLOW_TRACKING_TOKEN", "own"),
            "the current context has no namespace",
        ),
        ("missing", none, "no service account in"),
        ("broken", none, "is not valid YAML: "),
    ] {
        let told = ask(names, variable).await;
        assert_contains(&told, expected);
    }
}
