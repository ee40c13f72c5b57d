//! Servers behind TLS: which certificates are trusted, and the client's own.

use std::path::{Path, PathBuf};

use mlrun::RunId;
use mlrun::internals::tracking::TrackingStore;
use openssl::symm::Cipher;

use super::store;
use crate::harness::certificates::{self, Pair, pem, text};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{assert_contains, assert_starts_with};
use crate::tracking::told;

const RUN: &str =
    r#"{"run":{"info":{"run_id":"abc","experiment_id":"0","status":"RUNNING","artifact_uri":"a"}}}"#;
const SERVER_CERT: &str = "MLFLOW_TRACKING_SERVER_CERT_PATH";
const CLIENT_CERT: &str = "MLFLOW_TRACKING_CLIENT_CERT_PATH";

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
}

fn serve(server: &Pair, clients: Option<&Pair>) -> ScriptedServer {
    let steps = vec![Step::json(200, RUN); 2];
    ScriptedServer::start_tls(steps, certificates::acceptor(server, clients))
}

/// Asks for a run. Gives "ok", or what a person reads.
async fn ask(url: &str, variables: &[(&str, &str)]) -> String {
    let store = store(url, variables).unwrap();
    match store.run(&RunId::new("abc")).await {
        Ok(_) => "ok".to_owned(),
        Err(error) => told(&error).replace(&format!("cannot read the tracking store {url}: "), ""),
    }
}

#[tokio::test]
async fn the_named_certificates_are_trusted_and_no_others() {
    let files = Files::new();
    let authority = certificates::authority("authority", None);
    let intermediate = certificates::authority("intermediate", Some(&authority));
    let other = certificates::authority("other", None);
    let own = certificates::server("127.0.0.1", None);
    let signed = certificates::server("127.0.0.1", Some(&authority));
    let deep = certificates::server("127.0.0.1", Some(&intermediate));
    let elsewhere = certificates::server("tracking.test", Some(&authority));
    let own_file = files.write("own.pem", &pem(&own.certificate));
    let bundle = files.write(
        "bundle.pem",
        &format!(
            "# other\n{}\n# authority\n{}",
            pem(&other.certificate),
            pem(&authority.certificate)
        ),
    );
    let chain = format!(
        "{}{}",
        pem(&intermediate.certificate),
        pem(&authority.certificate)
    );
    let chain = files.write("chain.pem", &chain);
    let other_file = files.write("other.pem", &pem(&other.certificate));
    files.write("plain/authority.crt", &pem(&authority.certificate));
    files.write("plain/readme.txt", "no certificate");
    files.write("hashed/01234567.0", &pem(&authority.certificate));
    files.write("hashed/own.pem", &pem(&own.certificate));
    let (plain, hashed) = (files.path("plain"), files.path("hashed"));
    let insecure = ("MLFLOW_TRACKING_INSECURE_TLS", "true");
    let untrusted = "the server's certificate is not trusted: ";
    for (name, server, variables, expected) in [
        ("own certificate, unknown", &own, vec![], untrusted),
        (
            "own certificate",
            &own,
            vec![(SERVER_CERT, own_file.as_str())],
            "ok",
        ),
        ("unknown authority", &signed, vec![], untrusted),
        (
            "other authority",
            &signed,
            vec![(SERVER_CERT, other_file.as_str())],
            untrusted,
        ),
        ("bundle", &signed, vec![(SERVER_CERT, bundle.as_str())], "ok"),
        (
            "bundle of requests",
            &signed,
            vec![("REQUESTS_CA_BUNDLE", bundle.as_str())],
            "ok",
        ),
        (
            "bundle of curl",
            &signed,
            vec![("CURL_CA_BUNDLE", bundle.as_str())],
            "ok",
        ),
        (
            "that of requests before that of curl",
            &signed,
            vec![
                ("REQUESTS_CA_BUNDLE", bundle.as_str()),
                ("CURL_CA_BUNDLE", other_file.as_str()),
            ],
            "ok",
        ),
        (
            "MLflow's own variable first",
            &signed,
            vec![
                (SERVER_CERT, bundle.as_str()),
                ("REQUESTS_CA_BUNDLE", other_file.as_str()),
            ],
            "ok",
        ),
        ("directory", &signed, vec![(SERVER_CERT, plain.as_str())], "ok"),
        (
            "hashed directory",
            &signed,
            vec![(SERVER_CERT, hashed.as_str())],
            "ok",
        ),
        (
            "unhashed file in it",
            &own,
            vec![(SERVER_CERT, hashed.as_str())],
            untrusted,
        ),
        ("intermediate", &deep, vec![(SERVER_CERT, chain.as_str())], "ok"),
        (
            "other name",
            &elsewhere,
            vec![(SERVER_CERT, bundle.as_str())],
            untrusted,
        ),
        ("unchecked", &elsewhere, vec![insecure], "ok"),
        (
            "unchecked with a bundle",
            &own,
            vec![insecure, ("REQUESTS_CA_BUNDLE", bundle.as_str())],
            "ok",
        ),
    ] {
        let server = serve(server, None);
        let answer = ask(&server.url(), &variables).await;
        if expected == untrusted {
            assert!(answer.starts_with(untrusted), "{name}: {answer}");
            assert!(
                answer.ends_with(
                    "\nhint: set MLFLOW_TRACKING_SERVER_CERT_PATH to a PEM file with the certificate of the server or its authority"
                ),
                "{name}: {answer}"
            );
            assert!(!answer.contains("tries"), "{name}: {answer}");
        } else {
            assert_eq!(answer, expected, "{name}");
            assert_eq!(server.connections(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn a_client_s_certificate_may_have_a_key_of_any_form() {
    let files = Files::new();
    let authority = certificates::authority("authority", None);
    let server = certificates::server("127.0.0.1", None);
    let server_file = files.write("server.pem", &pem(&server.certificate));
    let rsa = certificates::client(certificates::rsa_key(), &authority);
    let ec = certificates::client(certificates::ec_key(), &authority);
    let intermediate = certificates::authority("intermediate", Some(&authority));
    let deep = certificates::client(certificates::ec_key(), &intermediate);
    let stranger = certificates::client(certificates::ec_key(), &certificates::authority("else", None));
    let rsa_pkcs1 = text(rsa.key.rsa().unwrap().private_key_to_pem().unwrap());
    let ec_sec1 = text(ec.key.ec_key().unwrap().private_key_to_pem().unwrap());
    let pkcs8 = |pair: &Pair| text(pair.key.private_key_to_pem_pkcs8().unwrap());
    let locked = text(
        rsa.key
            .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"pw")
            .unwrap(),
    );
    // As `openssl ecparam -genkey` writes it: the curve stands before the key.
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    assert!(rsa_pkcs1.starts_with("-----BEGIN RSA PRIVATE KEY-----"));
    assert!(ec_sec1.starts_with("-----BEGIN EC PRIVATE KEY-----"));
    let file = |name: &str, parts: &[&str]| files.write(name, &parts.concat());
    let (rsa_pem, ec_pem) = (pem(&rsa.certificate), pem(&ec.certificate));
    let deep_chain = [pem(&deep.certificate), pem(&intermediate.certificate)].concat();
    for (name, path, expected) in [
        ("PKCS#1", file("1.pem", &[&rsa_pem, &rsa_pkcs1]), "ok"),
        ("PKCS#8", file("2.pem", &[&rsa_pem, &pkcs8(&rsa)]), "ok"),
        ("key first", file("3.pem", &[&rsa_pkcs1, &rsa_pem]), "ok"),
        ("EC", file("4.pem", &[parameters, &ec_sec1, &ec_pem]), "ok"),
        (
            "EC in PKCS#8",
            file("5.pem", &["my key\n", &pkcs8(&ec), &ec_pem]),
            "ok",
        ),
        ("chain", file("6.pem", &[&pkcs8(&deep), &deep_chain]), "ok"),
        (
            "missing chain",
            file("7.pem", &[&pkcs8(&deep), &pem(&deep.certificate)]),
            "not accepted",
        ),
        (
            "stranger",
            file("8.pem", &[&pkcs8(&stranger), &pem(&stranger.certificate)]),
            "not accepted",
        ),
        (
            "locked",
            file("9.pem", &[&rsa_pem, &locked]),
            "its private key has a password",
        ),
        (
            "no key",
            file("10.pem", &[&rsa_pem]),
            "it contains no private key; the certificate and its key must be in one file",
        ),
        (
            "other's key",
            file("11.pem", &[&rsa_pem, &pkcs8(&ec)]),
            "its private key does not match its first certificate",
        ),
        (
            "no certificate",
            file("12.pem", &[&rsa_pkcs1]),
            "it contains no PEM certificate",
        ),
    ] {
        let server = serve(&server, Some(&authority));
        let variables = [(SERVER_CERT, server_file.as_str()), (CLIENT_CERT, path.as_str())];
        let answer = ask(&server.url(), &variables).await;
        match expected {
            "ok" => assert_eq!(answer, "ok", "{name}"),
            "not accepted" => assert!(
                answer.starts_with("the server does not accept the client's certificate"),
                "{name}: {answer}"
            ),
            reason => assert_eq!(
                answer,
                format!("{CLIENT_CERT} '{path}' cannot be used: {reason}"),
                "{name}"
            ),
        }
    }
    let server = serve(&server, Some(&authority));
    let answer = ask(&server.url(), &[(SERVER_CERT, &server_file)]).await;
    assert_starts_with(&answer, "the server does not accept the client's certificate");
}

#[tokio::test]
async fn what_cannot_work_is_told() {
    let files = Files::new();
    let missing = files.path("missing.pem");
    let own = certificates::server("127.0.0.1", None);
    let server = serve(&own, None);
    assert_eq!(
        ask(&server.url(), &[(SERVER_CERT, &missing)]).await,
        format!("cannot read {SERVER_CERT} '{missing}': No such file or directory (os error 2)")
    );
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (text, expected) in [
        ("no certificate", "it contains no PEM certificate"),
        (damaged, ""),
    ] {
        let path = files.write("bundle.pem", text);
        let answer = ask(&server.url(), &[(SERVER_CERT, &path)]).await;
        let expected = format!("{SERVER_CERT} '{path}' cannot be used: {expected}");
        assert_starts_with(&answer, &expected);
    }
    let plain = ScriptedServer::start(vec![]);
    assert_eq!(
        ask(&plain.url().replace("http:", "https:"), &[]).await,
        "the server does not speak the protocol of the address\n\
         hint: check whether MLFLOW_TRACKING_URI should begin with http:// or https://"
    );
    // A plain address needs no certificates, and none are read for it.
    let plain = ScriptedServer::start(vec![Step::json(200, RUN)]);
    assert_eq!(
        ask(&plain.url(), &[(SERVER_CERT, &missing), (CLIENT_CERT, &missing)]).await,
        "ok"
    );
    let proxy = ScriptedServer::start(vec![Step::page(407, "who?"); 3]);
    let answer = ask("https://tracking.test", &[("https_proxy", &proxy.url())]).await;
    assert_eq!(proxy.lines()[0], "CONNECT tracking.test:443");
    assert_contains(&answer, "proxy");
}

#[tokio::test]
async fn a_redirect_may_lead_to_tls() {
    let files = Files::new();
    let own = certificates::server("127.0.0.1", None);
    let own_file: PathBuf = Path::new(&files.write("own.pem", &pem(&own.certificate))).to_owned();
    let secured = serve(&own, None);
    let there = format!("{}/there", secured.url());
    let plain = ScriptedServer::start(vec![Step::redirect(301, &there)]);
    let variables = [(SERVER_CERT, own_file.to_str().unwrap())];
    assert_eq!(ask(&plain.url(), &variables).await, "ok");
    assert_eq!(secured.lines(), ["GET /there"]);
}
