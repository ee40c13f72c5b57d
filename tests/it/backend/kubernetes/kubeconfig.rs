//! Errors in kubeconfigs and login programs, without secrets.

use std::time::Duration;

use fake_kubernetes::{Options, Server, Tls};
use serde_json::{Value, json};

use super::cluster::{ClusterProject, Ended, TEMPLATE};
use crate::harness::assert_lacks;
use crate::harness::certificates::{self, Pair, ec_key, pem, text};

const SECRET: &str = "s3cret-t0ken";

fn base64(text: &str) -> String {
    openssl::base64::encode_block(text.as_bytes())
}

fn secured(authority: &Pair) -> Server {
    let server = certificates::server("127.0.0.1", Some(authority));
    Server::start(Options {
        tls: Some(Tls {
            certificate: server.certificate,
            key: server.key,
            client_authority: Some(authority.certificate.clone()),
        }),
        tokens: vec![SECRET.to_owned()],
        ..Options::default()
    })
}

/// A cluster whose kubeconfig has these fields for its user, and these besides its authority.
fn cluster(authority: &Pair, more: &Value, user: Value) -> ClusterProject {
    let server = secured(authority);
    let mut fields = json!({"certificate-authority-data": base64(&pem(&authority.certificate))});
    for (key, value) in more.as_object().into_iter().flatten() {
        fields[key] = value.clone();
    }
    let kubeconfig = server.kubeconfig(fields, user, None);
    ClusterProject::on(server, TEMPLATE, &kubeconfig)
}

/// The error has these texts, nothing of what only programmers read, and no secret.
#[track_caller]
fn expect(ended: &Ended, says: &[&str]) {
    ended.expect_code(1);
    for text in says {
        ended.expect_stderr(text);
    }
    for text in [
        SECRET,
        "Os {",
        "Output {",
        "ExitStatus",
        "stdout:",
        "'\"",
        "kind:",
        "os error",
        "error:0",
        "internal error",
    ] {
        assert!(!ended.stderr.contains(text), "{text:?} in\n{}", ended.stderr);
    }
}

fn exec(command: &str, more: &Value) -> Value {
    let mut exec = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": command, "interactiveMode": "Never",
        "args": ["get-token", "--client-secret", SECRET, "--cluster", "a b"],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        exec[key] = value.clone();
    }
    json!({"exec": exec})
}

#[test]
fn login_programs_that_fail_are_explained() {
    let hint = json!({"installHint": "\n  To install the plug-in, type:\n\n  brew install plug-in\n"});
    let answer = |text: &str| {
        format!(
            "#!/bin/sh\ncat > /dev/null\necho '{}'\n",
            text.replace("TOKEN", SECRET)
        )
    };
    let cases: Vec<(&str, String, Value, &[&str])> = vec![
        (
            "no-such-plug-in",
            String::new(),
            hint.clone(),
            &[
                "error: the kubeconfig's login program 'no-such-plug-in' returned no credentials for the cluster\n",
                "  caused by: no-such-plug-in get-token --client-secret **** --cluster 'a b': program not found\n",
                "hint: To install the plug-in, type:\n\n  brew install plug-in\n",
            ],
        ),
        (
            "no-such-plug-in",
            String::new(),
            json!({}),
            &["hint: run it yourself: no-such-plug-in get-token"],
        ),
        (
            "./not-executable",
            String::new(),
            json!({}),
            &[
                "not-executable get-token",
                ": cannot start it: Permission denied\n",
            ],
        ),
        (
            "./plug-in",
            format!("#!/bin/sh\necho {SECRET}\necho 'the login has expired' >&2\nexit 3\n"),
            hint.clone(),
            &[
                "plug-in get-token --client-secret **** --cluster 'a b': it failed with exit code 3: the login has expired\n",
                "hint: To install the plug-in, type:\n",
            ],
        ),
        // What it says to a person is there already.
        (
            "./plug-in",
            "#!/bin/sh\necho 'the login has expired' >&2\nexit 3\n".to_owned(),
            json!({"interactiveMode": "IfAvailable"}),
            &[
                "the login has expired\n",
                ": it failed with exit code 3\n",
                "hint: run it yourself",
            ],
        ),
        (
            "./plug-in",
            "#!/bin/sh\nprintf '1\\n2\\n3\\n4\\n\\n5\\nlogin expired\\n' >&2\nexit 255\n".to_owned(),
            json!({"args": ["get-token", format!("--oidc-client-secret={SECRET}"), "--v=1"]}),
            &["plug-in get-token --oidc-client-secret=**** --v=1: it failed with exit code 255: 2\n"],
        ),
        (
            "./plug-in",
            "#!/bin/sh\nkill -9 $$\n".to_owned(),
            json!({}),
            &[": it failed with signal 9 (SIGKILL)\n"],
        ),
        (
            "./plug-in",
            answer("{\"status\": {\"token\": \"TOKEN\""),
            json!({}),
            &[": its output is not a valid ExecCredential in JSON (line "],
        ),
        (
            "./plug-in",
            answer("TOKEN"),
            json!({}),
            &[": its output is not a valid ExecCredential in JSON"],
        ),
        (
            "./plug-in",
            answer("{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\"}"),
            json!({}),
            &[": its output is an ExecCredential without a status\n"],
        ),
        (
            "./plug-in",
            answer("{\"status\": {\"token\": \"TOKEN\", \"expirationTimestamp\": \"tomorrow\"}}"),
            json!({}),
            &[": the expiry of its token is not a valid time\n"],
        ),
    ];
    let authority = certificates::authority("the cluster's", None);
    for (command, script, more, says) in cases {
        let cluster = cluster(&authority, &json!({}), exec(command, &more));
        let sandbox = cluster.project.sandbox();
        sandbox.write("not-executable", "");
        sandbox.write_executable("plug-in", &script);
        expect(&cluster.start(&[]).end(), says);
        assert!(!sandbox.work().join("mlflow.db").exists());
    }
}

#[test]
fn a_login_program_that_fails_meanwhile_is_asked_again() {
    let authority = certificates::authority("the cluster's", None);
    let cluster = cluster(&authority, &json!({}), exec("./plug-in", &json!({})));
    let sandbox = cluster.project.sandbox();
    // Each request needs a new token, since the last one has expired.
    let answer = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": SECRET, "expirationTimestamp": "2020-01-02T03:04:05Z"},
    });
    let script =
        format!("#!/bin/sh\necho '{answer}'\nif [ -e logged-out ]; then echo 'log in' >&2; exit 3; fi\n");
    sandbox.write_executable("plug-in", &script);
    let running = cluster.start(&["--verbose"]);
    let pod = cluster.server.pod(0);
    cluster.server.start_pod(&pod);
    cluster.server.log(&pod, "before");
    running.wait_for_stdout("before\n");
    sandbox.write("logged-out", "");
    cluster.server.restart(Duration::ZERO);
    running.wait_for_stderr("it failed with exit code 3: log in");
    std::fs::remove_file(sandbox.work().join("logged-out")).unwrap();
    cluster.server.log(&pod, "after");
    cluster.server.end_pod(&pod, 0, "Completed");
    cluster.server.end_job(None);
    let ended = running.end().with_code(0);
    assert_eq!(ended.stdout, "before\nafter\n");
    assert_lacks(&ended.stderr, SECRET);
}

#[test]
fn credentials_that_cannot_be_used_are_explained() {
    let authority = certificates::authority("the cluster's", None);
    let pair = certificates::client(ec_key(), &authority);
    let certificate = base64(&pem(&pair.certificate));
    let key = |pair: &Pair| base64(&text(pair.key.private_key_to_pem_pkcs8().unwrap()));
    let other_key = key(&certificates::client(ec_key(), &authority));
    let none = json!({});
    let cases: Vec<(Value, Value, &[&str])> = vec![
        (
            none.clone(),
            json!({"tokenFile": "no/token"}),
            &[
                "error: cannot use the kubeconfig's credentials for https://127.0.0.1:",
                "  caused by: cannot read the tokenFile '",
                "/work/no/token': No such file or directory\n",
                "hint: correct the context's user (`kubectl config view --minify` shows it)\n",
            ],
        ),
        (
            none.clone(),
            json!({"token": format!("{SECRET}\n")}),
            &["  caused by: the token is not valid: it contains line breaks"],
        ),
        (
            none.clone(),
            json!({"client-certificate": "no/cert", "client-key": "no/key"}),
            &[
                "  caused by: cannot read the client-certificate '",
                "/work/no/cert': No such file or directory\n",
            ],
        ),
        (
            none.clone(),
            json!({"client-certificate-data": certificate, "client-key": "no/key"}),
            &[
                "  caused by: cannot read the client-key '",
                "/work/no/key': No such file or directory\n",
            ],
        ),
        (
            none.clone(),
            json!({"client-certificate-data": "%%%", "client-key-data": SECRET}),
            &["  caused by: client-certificate-data is not valid base64\n"],
        ),
        (
            none.clone(),
            json!({"client-certificate-data": certificate, "client-key-data": format!("%{SECRET}")}),
            &["  caused by: client-key-data is not valid base64\n"],
        ),
        (
            none.clone(),
            json!({"client-certificate-data": certificate}),
            &["  caused by: client-key is missing: set both the client certificate and its key\n"],
        ),
        (
            none.clone(),
            json!({"client-certificate-data": base64("no certificate"), "client-key-data": base64("no key")}),
            &["  caused by: the client-certificate is not a valid certificate in PEM format\n"],
        ),
        (
            none.clone(),
            json!({"client-certificate-data": certificate, "client-key-data": base64("no key")}),
            &["  caused by: the client-key is not a valid key in PEM format, or needs a passphrase\n"],
        ),
        (
            none.clone(),
            json!({"client-certificate-data": certificate, "client-key-data": other_key}),
            &["  caused by: the client-key does not belong to the client-certificate\n"],
        ),
        (
            json!({"certificate-authority-data": "%%%"}),
            json!({"token": SECRET}),
            &[
                "error: cannot use context 'test' of the kubeconfig\n",
                "  caused by: certificate-authority-data is not valid base64\n",
            ],
        ),
        (
            json!({"certificate-authority-data": null, "certificate-authority": "no/ca"}),
            json!({"token": SECRET}),
            &[
                "  caused by: cannot read the certificate-authority '",
                "/work/no/ca': No such file or directory\n",
            ],
        ),
        (
            none.clone(),
            json!({"auth-provider": {"name": "gcp", "config": {"cmd-path": "no-such-gcloud", "cmd-args": "x"}}}),
            &["  caused by: Executing no-such-gcloud failed\n"],
        ),
    ];
    for (more, user, says) in cases {
        let cluster = cluster(&authority, &more, user);
        expect(&cluster.start(&[]).end(), says);
        assert!(!cluster.project.sandbox().work().join("mlflow.db").exists());
    }
}

#[test]
fn a_client_certificate_that_has_expired_is_said() {
    let authority = certificates::authority("the cluster's", None);
    let pair = certificates::expired_client(ec_key(), &authority);
    let user = json!({
        "client-certificate-data": base64(&pem(&pair.certificate)),
        "client-key-data": base64(&text(pair.key.private_key_to_pem_pkcs8().unwrap())),
    });
    let cluster = cluster(&authority, &json!({}), user);
    expect(
        &cluster.start(&[]).end(),
        &[
            "): the client certificate of the kubeconfig expired on Nov 15 22:13:20 2023 GMT\n",
            "  caused by: Unauthorized\n",
            "hint: get a new kubeconfig for the cluster",
        ],
    );
}

#[test]
fn a_token_file_may_end_with_a_line_end() {
    let authority = certificates::authority("the cluster's", None);
    let cluster = cluster(&authority, &json!({}), json!({"tokenFile": "token"}));
    cluster.project.sandbox().write("token", format!("{SECRET}\n"));
    let running = cluster.start(&[]);
    cluster.server.succeed(&["in"]);
    running.end().expect_code(0);
}

#[test]
fn a_kubeconfig_with_secrets_is_not_quoted() {
    let cluster = ClusterProject::new();
    for text in [
        format!("users: [{{name: u, user: {{token: {SECRET}"),
        format!("users: {SECRET}"),
        format!("users:\n- name: u\n  user: {SECRET}\n"),
    ] {
        cluster.project.sandbox().write("kubeconfig", text);
        expect(
            &cluster.start(&[]).end(),
            &["/work/kubeconfig'\n  caused by: failed to parse kubeconfig YAML (line "],
        );
    }
}
