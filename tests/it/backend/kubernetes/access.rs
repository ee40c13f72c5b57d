//! How mlrun finds a cluster, and the errors if it finds none.

use fake_kubernetes::{Options, Server, Tls};
use serde_json::{Value, json};

use super::cluster::{ClusterProject, TEMPLATE};
use crate::harness::certificates::{self, Pair, ec_key, pem, text};
use crate::harness::{assert_lacks, require_program};

fn secured(authority: &Pair, tokens: &[&str]) -> Server {
    let server = certificates::server("127.0.0.1", Some(authority));
    Server::start(Options {
        tls: Some(Tls {
            certificate: server.certificate,
            key: server.key,
            client_authority: Some(authority.certificate.clone()),
        }),
        tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
        ..Options::default()
    })
}

fn base64(text: &str) -> String {
    openssl::base64::encode_block(text.as_bytes())
}

/// A cluster that accepts a certificate or one of two tokens, with this user in its kubeconfig.
fn cluster(user: impl Fn(&Pair) -> Value, trusted: Option<&Pair>) -> ClusterProject {
    let authority = certificates::authority("the cluster's", None);
    let server = secured(&authority, &["t0ken", "of the plug-in"]);
    let trusted = trusted.unwrap_or(&authority);
    let data = json!({"certificate-authority-data": base64(&pem(&trusted.certificate))});
    let kubeconfig = server.kubeconfig(data, user(&authority), Some("mlflow"));
    ClusterProject::on(server, TEMPLATE, &kubeconfig)
}

#[test]
fn certificates_tokens_and_plug_ins_let_in() {
    let by_certificate = |authority: &Pair| {
        let pair = certificates::client(ec_key(), authority);
        json!({
            "client-certificate-data": base64(&pem(&pair.certificate)),
            "client-key-data": base64(&text(pair.key.private_key_to_pem_pkcs8().unwrap())),
        })
    };
    let by_plug_in = |_: &Pair| {
        json!({"exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "command": "./plug-in", "interactiveMode": "Never",
            "args": ["--cluster", "x"], "env": [{"name": "GREETING", "value": "hello"}],
        }})
    };
    let by_token = |_: &Pair| json!({"token": "t0ken"});
    let by_token_file = |_: &Pair| json!({"tokenFile": "token"});
    let users: [&dyn Fn(&Pair) -> Value; 4] = [&by_certificate, &by_token, &by_token_file, &by_plug_in];
    for user in users {
        let cluster = cluster(user, None);
        let sandbox = cluster.project.sandbox();
        sandbox.write("token", "t0ken");
        sandbox.write_executable(
            "plug-in",
            "#!/bin/sh\n[ \"$GREETING $*\" = 'hello --cluster x' ] || exit 1\n\
             echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {\"token\": \"of the plug-in\"}}'\n",
        );
        let running = cluster.start(&[]);
        cluster.server.succeed(&["in"]);
        let ended = running.end().with_code(0);
        assert_eq!(ended.stdout, "in\n");
        assert_eq!(
            cluster.server.jobs()[0]["metadata"]["namespace"],
            "mlflow",
            "the context's"
        );
        let run = cluster.run();
        assert_eq!(run.tags["mlrun.kubernetes.namespace"], "mlflow");
    }
}

#[test]
fn who_is_not_let_in_is_told_so_before_the_run_is_created() {
    let other = certificates::authority("another", None);
    let cases: [(ClusterProject, &[&str]); 4] = [
        (
            cluster(|_| json!({"token": "wrong"}), None),
            &[
                "error: cannot create the Job on the cluster of context 'test' (https://127.0.0.1:",
                "  caused by: Unauthorized\n",
                "hint: log in to the cluster again",
            ],
        ),
        (
            cluster(|_| json!({"token": "t0ken"}), Some(&other)),
            &["certificate verify failed", "hint: check that the cluster is up"],
        ),
        (
            cluster(
                |_| json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plug-in", "interactiveMode": "Never"}}),
                None,
            ),
            &[
                "error: the kubeconfig's login program 'no-such-plug-in' returned no credentials for the cluster\n",
            ],
        ),
        (
            ClusterProject::with(
                TEMPLATE,
                Options {
                    forbidden: ["create jobs".to_owned()].into(),
                    ..Options::default()
                },
            ),
            &[
                "  caused by: jobs.batch is forbidden: User \"tester\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"default\"\n",
                "hint: the user or service account needs a role",
            ],
        ),
    ];
    for (cluster, says) in cases {
        let ended = cluster.start(&[]).end().with_code(1);
        for text in says {
            ended.expect_stderr(text);
        }
        assert_lacks(&ended.stderr, "t0ken");
        assert!(!cluster.project.sandbox().work().join("mlflow.db").exists());
    }
}

#[test]
fn what_was_tried_is_said_where_there_is_no_cluster() {
    let cluster = ClusterProject::new();
    let sandbox = cluster.project.sandbox();
    std::fs::remove_file(sandbox.work().join("kubeconfig")).unwrap();
    let ended = cluster.start(&[]).end();
    ended
        .expect_code(1)
        .expect_stderr("error: no Kubernetes cluster found; tried: ")
        .expect_stderr("/work/kubeconfig (of KUBECONFIG): file not found; a pod's service account (")
        .expect_stderr("hint: set KUBECONFIG to a kubeconfig file");
    sandbox.write("kubeconfig", "clusters: [");
    cluster
        .start(&[])
        .end()
        .expect_code(1)
        .expect_stderr("/work/kubeconfig'\n  caused by: failed to parse kubeconfig YAML (line 1, column ");
    sandbox.write("kubeconfig", "current-context: x\ncontexts: []\n");
    cluster
        .start(&[])
        .end()
        .expect_code(1)
        .expect_stderr("error: unknown context 'x' in ");
    sandbox.write(
        "kubeconfig",
        "current-context: x\ncontexts: [{name: x, context: {cluster: c}}]\nclusters: [{name: c, cluster: {server: 'http://127.0.0.1:1'}}]\n",
    );
    cluster
        .start(&[])
        .end()
        .expect_code(1)
        .expect_stderr("error: cannot create the Job on the cluster of context 'x' (http://127.0.0.1:1/)\n")
        .expect_stderr("Connection refused")
        .expect_stderr(
            "hint: check that the cluster is up and reachable from this machine: kubectl cluster-info\n",
        );
    assert!(!sandbox.work().join("mlflow.db").exists());
}

#[test]
fn a_namespace_that_is_not_there_is_said() {
    let template = format!("metadata: {{namespace: nowhere}}\n{TEMPLATE}");
    let cluster = ClusterProject::with(&template, Options::default());
    cluster
        .start(&[])
        .end()
        .expect_code(1)
        .expect_stderr("  caused by: namespaces \"nowhere\" not found\n")
        .expect_stderr("hint: create the namespace, or set another metadata.namespace in the template\n");
}

#[test]
fn a_pod_reaches_its_own_cluster_by_its_service_account() {
    let (Some(unshare), Some(mount)) = (require_program("unshare"), require_program("mount")) else {
        return;
    };
    let authority = certificates::authority("the cluster's", None);
    let server = secured(&authority, &["of the service account"]);
    let port = server.url().rsplit_once(':').unwrap().1.to_owned();
    let cluster = ClusterProject::on(server, TEMPLATE, "")
        .env("KUBECONFIG", "")
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", &port);
    let sandbox = cluster.project.sandbox();
    sandbox.write("account/ca.crt", pem(&authority.certificate));
    sandbox.write("account/token", "of the service account");
    sandbox.write("account/namespace", "mlflow");
    // The account's files are where every pod has them, for this program alone.
    let script = format!(
        "set -e; {} -t tmpfs none /run; mkdir -p /run/secrets/kubernetes.io; cp -r account \
         /run/secrets/kubernetes.io/serviceaccount; exec \"$0\" \"$@\"",
        mount.display()
    );
    let running = cluster.start_below(
        &unshare,
        &["--map-root-user", "--mount", "bash", "-c", &script],
        &[
            "run",
            "project",
            "-b",
            "kubernetes",
            "-c",
            "config.json",
            "--no-build-image",
        ],
    );
    cluster.server.succeed(&["in"]);
    let ended = running.end().with_code(0);
    assert_eq!(ended.stdout, "in\n");
    assert_eq!(cluster.server.jobs()[0]["metadata"]["namespace"], "mlflow");
    let run = cluster.run();
    assert_eq!(run.tags.get("mlrun.kubernetes.context"), None);
    assert_eq!(run.tags["mlrun.kubernetes.namespace"], "mlflow");
}
