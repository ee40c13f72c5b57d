//! Who asks Azure's storage: applications, machines and people, whose tokens Azurite checks. It takes tokens
//! over TLS only, so mlrun reaches it by a proxy under the name that an account has.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Public};
use openssl::sign::Verifier;
use openssl::stack::Stack;
use openssl::symm::Cipher;

use super::servers::{AZURITE_KEY, azurite};
use crate::harness::certificates::{Pair, authority, client, pem, rsa_key, server};
use crate::harness::scripted::{ScriptedServer, Seen, Step};
use crate::harness::{Finished, Printed, Project, Sandbox, assert_contains, assert_lacks};

const HOST: &str = "devstoreaccount1.blob.core.windows.net";

/// Azurite behind TLS and behind a proxy.
struct Account {
    proxy: String,
    sandbox: Sandbox,
    _supervisor: std::process::Child,
}

fn account() -> Option<&'static Account> {
    static ACCOUNT: OnceLock<Option<Account>> = OnceLock::new();
    ACCOUNT.get_or_init(start).as_ref()
}

fn start() -> Option<Account> {
    let sandbox = Sandbox::new();
    let issuer = authority("issuer", None);
    let own = server(HOST, Some(&issuer));
    sandbox.write("issuer.pem", pem(&issuer.certificate));
    sandbox.write("cert.pem", pem(&own.certificate));
    sandbox.write("key.pem", own.key.private_key_to_pem_pkcs8().unwrap());
    let path = |name: &str| sandbox.work().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let (supervisor, port) = azurite(&sandbox, &["--oauth", "basic", "--cert", &cert, "--key", &key])?;
    let proxy = start_proxy(port);
    let fill = |script: &str| {
        let mut command = Command::new(super::servers::python().unwrap());
        command.args(["-c", script]).env("HTTPS_PROXY", &proxy);
        command.env("REQUESTS_CA_BUNDLE", path("issuer.pem"));
        command.printed();
    };
    fill(&format!(
        "from azure.storage.blob import BlobServiceClient\n\
         service = BlobServiceClient('https://{HOST}', credential='{AZURITE_KEY}')\n\
         for name, access in [('bucket', None), ('public', 'container')]:\n\
         \x20   container = service.create_container(name, public_access=access)\n\
         \x20   container.upload_blob('tree/one.txt', b'one')\n"
    ));
    Some(Account {
        proxy,
        sandbox,
        _supervisor: supervisor,
    })
}

/// A proxy that leads every connection to this port of the machine.
pub(super) fn start_proxy(port: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || tunnel(&client, port));
        }
    });
    format!("http://{address}")
}

fn tunnel(client: &TcpStream, port: u16) {
    // The client sends nothing more before it has the answer.
    let mut head = BufReader::new(client).lines();
    while head
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else {
        return;
    };
    let _ = (&mut &*client).write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    let copy = |mut from: &TcpStream, mut to: &TcpStream| {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client);
    });
}

/// A project whose variables lead to the account.
fn project(account: &Account) -> Project {
    let bundle = account.sandbox.work().join("issuer.pem");
    Project::new()
        .mlproject(super::SHOW)
        .env("https_proxy", &account.proxy)
        .env("REQUESTS_CA_BUNDLE", bundle.to_str().unwrap())
}

fn run<'a>(project: &'a Project, container: &str) -> Finished<'a> {
    super::run(
        project,
        &format!("abfss://{container}@devstoreaccount1.dfs.core.windows.net/tree"),
    )
}

/// A token as Azurite checks it: whom it is for, who gave it, and when it ends.
fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "aud": "https://storage.azure.com", "iss": "https://sts.windows.net/tenant/",
        "iat": now - 60, "nbf": now - 60, "exp": now + 3600,
    });
    let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = serde_json::json!({"alg": "RS256", "typ": "JWT"});
    format!("{}.{}.Z2VoZWlt", encode(&header), encode(&claims))
}

/// An answer that gives a token.
fn given() -> Step {
    let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 3600;
    let answer = serde_json::json!({
        "access_token": token(), "expires_in": 3600, "expires_on": end.to_string(), "token_type": "Bearer",
    });
    Step::json(200, &answer.to_string())
}

/// The fields of a form.
fn form(seen: &Seen) -> BTreeMap<String, String> {
    form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect()
}

const APPLICATION: [(&str, &str); 2] = [("AZURE_TENANT_ID", "tenant"), ("AZURE_CLIENT_ID", "application")];

/// A project for an application, and who gives it tokens.
fn application(account: &Account, authority: &ScriptedServer, variables: &[(&str, &str)]) -> Project {
    let mut project = project(account).env("AZURE_AUTHORITY_HOST", &authority.url());
    for (name, value) in APPLICATION.iter().chain(variables) {
        project = project.env(name, value);
    }
    project
}

#[test]
fn an_application_asks_by_its_secret_or_another_token() {
    let Some(account) = account() else { return };
    for (variables, field) in [
        (
            &[("AZURE_CLIENT_SECRET", "geheim &+")][..],
            ("client_secret", "geheim &+"),
        ),
        (
            &[("AZURE_FEDERATED_TOKEN_FILE", "<sandbox>/work/token")],
            ("client_assertion", "geheim-token"),
        ),
    ] {
        let authority = ScriptedServer::start(vec![given()]);
        let project = application(account, &authority, variables);
        project.sandbox().write("token", "geheim-token\n");
        run(&project, "bucket").expect_code(0);
        let seen = authority.seen();
        // One token does for all requests.
        assert_eq!(authority.lines(), ["POST /tenant/oauth2/v2.0/token"]);
        let form = form(&seen[0]);
        assert_eq!(form["grant_type"], "client_credentials");
        assert_eq!(form["client_id"], "application");
        assert_eq!(form["scope"], "https://storage.azure.com/.default");
        assert_eq!(form[field.0], field.1);
    }
}

#[test]
fn an_application_asks_by_its_certificate() {
    let Some(account) = account() else { return };
    let issuer = authority("issuer", None);
    let own = client(rsa_key(), &issuer);
    let rsa = own.key.rsa().unwrap();
    let certificate = own.certificate.to_pem().unwrap();
    let with = |key: Vec<u8>| [key, certificate.clone()].concat();
    let mut archive = Pkcs12::builder();
    let mut chain = Stack::new().unwrap();
    chain.push(issuer.certificate.clone()).unwrap();
    archive
        .name("application")
        .pkey(&own.key)
        .cert(&own.certificate)
        .ca(chain);
    let archive = archive.build2("geheim").unwrap().to_der().unwrap();
    let locked = own
        .key
        .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"geheim");
    let (password, chain) = (
        ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "geheim"),
        ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true"),
    );
    for (file, variables, sent) in [
        (with(own.key.private_key_to_pem_pkcs8().unwrap()), &[][..], 0),
        (with(rsa.private_key_to_pem().unwrap()), &[chain], 1),
        (with(locked.unwrap()), &[password], 0),
        (archive, &[password, chain], 2),
    ] {
        let authority = ScriptedServer::start(vec![given()]);
        let path = ("AZURE_CLIENT_CERTIFICATE_PATH", "<sandbox>/work/file");
        let variables = [&[path], variables].concat();
        let project = application(account, &authority, &variables);
        project.sandbox().write("file", file);
        run(&project, "bucket").expect_code(0);
        let form = form(&authority.seen()[0]);
        assert_eq!(
            form["client_assertion_type"],
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        );
        let key = own.certificate.public_key().unwrap();
        let (header, claims) = verified(&form["client_assertion"], &key);
        let digest = own.certificate.digest(MessageDigest::sha1()).unwrap();
        assert_eq!(header["x5t"], URL_SAFE_NO_PAD.encode(digest));
        assert_eq!(header["x5c"].as_array().map_or(0, Vec::len), sent);
        assert_eq!(
            claims["aud"],
            format!("{}/tenant/oauth2/v2.0/token", authority.url())
        );
        assert_eq!(
            (&claims["iss"], &claims["sub"]),
            (&"application".into(), &"application".into())
        );
        assert!(claims["exp"].as_u64() > claims["nbf"].as_u64());
    }
}

/// The parts of a claim that this key has signed.
fn verified(claim: &str, key: &PKey<Public>) -> (serde_json::Value, serde_json::Value) {
    let (text, signature) = claim.rsplit_once('.').unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), key).unwrap();
    verifier.update(text.as_bytes()).unwrap();
    assert!(
        verifier
            .verify(&URL_SAFE_NO_PAD.decode(signature).unwrap())
            .unwrap()
    );
    let decode = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let (header, claims) = text.split_once('.').unwrap();
    (decode(header), decode(claims))
}

#[test]
fn a_machine_and_a_person_are_asked_for_if_no_application_is_named() {
    let Some(account) = account() else { return };
    let machine = ScriptedServer::start(vec![given()]);
    let of_machine = project(account)
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", &machine.url())
        .env("AZURE_CLIENT_ID", "of-machine");
    run(&of_machine, "bucket").expect_code(0);
    let seen = &machine.seen()[0];
    assert_eq!(
        (seen.path(), seen.header("metadata")),
        ("/metadata/identity/oauth2/token", "true")
    );
    assert!(
        seen.target
            .contains("resource=https%3A%2F%2Fstorage.azure.com%2F&client_id=of-machine")
    );

    let no_machine = ScriptedServer::start(vec![Step::json(400, r#"{"error": "no identity"}"#); 9]);
    let machine = ("AZURE_POD_IDENTITY_AUTHORITY_HOST", no_machine.url());
    // `az` names the end of its token in local time.
    let of_person = project(account)
        .env(machine.0, &machine.1)
        .env("TZ", "America/Los_Angeles");
    let printed = serde_json::json!({"accessToken": token(), "expiresOn": "2020-01-01 00:00:00.000000"});
    let program = format!("#!/bin/sh\necho \"$*\" >> \"$HOME/calls\"\necho '{printed}'\n");
    of_person.sandbox().write_executable("../bin/az", &program);
    run(&of_person, "bucket").expect_code(0);
    let calls = std::fs::read_to_string(of_person.sandbox().root().join("home/calls")).unwrap();
    assert_eq!(
        calls,
        "account get-access-token --output json --resource https://storage.azure.com/\n"
    );

    let nobody = project(account).env(machine.0, &machine.1);
    run(&nobody, "public").expect_code(0);
    let finished = run(&nobody, "bucket").with_code(1);
    for expected in [
        "for a request without credentials (AZURE_STORAGE_CONNECTION_STRING, ",
        "; the machine's managed identity: the service returned 400 Bad Request (no identity); `az login`: the program 'az' was not found)",
    ] {
        assert_contains(finished.stderr(), expected);
    }
}

#[test]
fn credentials_of_no_use_are_told() {
    let Some(account) = account() else { return };
    let issuer = authority("issuer", None);
    let Pair { certificate, key } = client(rsa_key(), &issuer);
    let key = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), b"geheim");
    let locked = [key.unwrap(), certificate.to_pem().unwrap()].concat();
    let refused = serde_json::json!({
        "error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 1",
    });
    let file = ("AZURE_CLIENT_CERTIFICATE_PATH", "<sandbox>/work/file");
    let password = ("AZURE_CLIENT_CERTIFICATE_PASSWORD", "geheimnis");
    for (variables, file, expected) in [
        (
            &[("AZURE_CLIENT_SECRET", "geheim")][..],
            None,
            "the credentials from AZURE_CLIENT_SECRET cannot be used: the service returned 401 Unauthorized \
             (AADSTS7000215: Invalid client secret provided.)",
        ),
        (
            &[("AZURE_FEDERATED_TOKEN_FILE", "<sandbox>/work/file")],
            None,
            "the credentials from AZURE_FEDERATED_TOKEN_FILE cannot be used: '<sandbox>/work/file': No such file",
        ),
        (
            &[file],
            Some(certificate.to_pem().unwrap()),
            "the credentials from AZURE_CLIENT_CERTIFICATE_PATH cannot be used: '<sandbox>/work/file': it has no \
             private key, or AZURE_CLIENT_CERTIFICATE_PASSWORD is wrong",
        ),
        (
            &[file, password],
            Some(locked),
            "it has no private key, or AZURE_CLIENT_CERTIFICATE_PASSWORD is wrong",
        ),
        (
            &[file],
            Some(b"geheim".to_vec()),
            "not a PEM or PKCS #12 file, or AZURE_",
        ),
    ] {
        let authority = ScriptedServer::start(vec![Step::json(401, &refused.to_string()); 9]);
        let project = application(account, &authority, variables);
        if let Some(file) = file {
            project.sandbox().write("file", file);
        }
        let finished = run(&project, "bucket").with_code(1);
        let told = project.sandbox().anonymous(finished.stderr());
        assert_contains(&told, expected);
        assert_lacks(&told, "geheim");
        assert_eq!(finished.store().runs.len(), 0);
    }
}

/// The account's own keys count before everything else.
#[test]
fn keys_and_signatures_of_the_account_are_used() {
    let Some(account) = account() else { return };
    let signature = Command::new(super::servers::python().unwrap())
        .args([
            "-c",
            &format!(
                "import datetime as d, azure.storage.blob as b\n\
                 print(b.generate_account_sas('devstoreaccount1', '{AZURITE_KEY}', \
                 b.ResourceTypes(service=True, container=True, object=True), b.AccountSasPermissions(read=True, list=True), \
                 d.datetime.now(d.timezone.utc) + d.timedelta(hours=1)))"
            ),
        ])
        .output()
        .unwrap();
    let signature = String::from_utf8(signature.stdout).unwrap();
    for (name, value) in [
        ("AZURE_STORAGE_ACCESS_KEY", AZURITE_KEY),
        ("AZURE_STORAGE_SAS_TOKEN", signature.trim()),
        ("AZURE_STORAGE_SAS_TOKEN", &format!("?{}", signature.trim())),
    ] {
        let project = project(account)
            .env(name, value)
            .env("AZURE_CLIENT_SECRET", "geheim");
        let finished = run(&project, "bucket").with_code(0);
        let files = super::layout(finished.stdout()).0;
        assert_eq!(files.keys().collect::<Vec<_>>(), ["tree/one.txt"]);
    }
    let project = project(account).env("AZURE_STORAGE_ACCESS_KEY", "geheim!");
    let finished = run(&project, "bucket").with_code(1);
    let expected = "AZURE_STORAGE_ACCESS_KEY cannot be used: the account's key is not valid base64";
    assert_contains(finished.stderr(), expected);
    assert_lacks(finished.stderr(), "geheim");
}
