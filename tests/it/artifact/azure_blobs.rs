//! Names, directories and blocks as Azure's storage has them.

use std::process::Command;

use super::TREE;
use super::servers::{self, AZURITE_KEY, Server, azure_connection};
use super::uploads::{PART, upload_file, with_file};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Printed, Project, assert_contains, assert_lacks};

/// Runs Python with a container of this name as `container`, and gives what it prints.
fn python(server: &Server, container: &str, script: &str) -> String {
    let connection = azure_connection(AZURITE_KEY).replace("{port}", &server.port.to_string());
    let before = format!(
        r"from azure.storage.blob import BlobServiceClient
service = BlobServiceClient.from_connection_string('{connection}')
container = service.get_container_client('{container}')
if not container.exists(): container.create_container()
"
    );
    let mut command = Command::new(servers::python().unwrap());

    command.args(["-c", &format!("{before}{script}")]).printed()
}

fn uri(container: &str, key: &str) -> String {
    format!("wasbs://{container}@devstoreaccount1.blob.core.windows.net/{key}")
}

/// What a run finds below this place.
fn tree(server: &Server, container: &str, key: &str) -> Vec<String> {
    super::tree(server, &uri(container, key))
}

/// Whether a run gets this one file.
#[track_caller]
fn assert_is_file(server: &Server, container: &str, key: &str) {
    let project = super::project_for(server, server.port);
    let finished = super::run(&project, &uri(container, key)).with_code(0);
    let name = key.rsplit('/').next().unwrap();
    let (files, path) = super::layout(finished.stdout());
    assert_eq!((files.len(), path.as_str()), (1, name));
}

#[test]
fn names_of_all_kinds_are_read() {
    let Some(server) = servers::azure() else { return };
    python(
        server,
        "names",
        "for name in ['a+b', 'a b', 'a%20b', 'a&b=c?d#e', \"it's\", ' x', 'x ', 'double//slash', 'ü/é', 'deep/b']:\n\
         \x20   container.upload_blob('names/' + name, name)\n\
         for name in ['/slash', '//two', '/in/one']:\n\
         \x20   container.upload_blob(name, name)\n",
    );
    let below = |key: &str| -> Vec<String> {
        let told = tree(server, "names", key).into_iter();
        told.filter(|line| line.starts_with("d ") || line.starts_with("f "))
            .collect()
    };
    let expected = [
        "d deep",
        "d double",
        "d ü",
        "f  x",
        "f a b",
        "f a%20b",
        "f a&b=c?d#e",
        "f a+b",
        "f deep/b",
        "f double/slash",
        "f it's",
        "f x ",
        "f ü/é",
    ];
    assert_eq!(below("names"), expected);
    assert_eq!(below("names/"), expected);
    for name in [
        "names/a+b",
        "names/a%20b",
        "names/it's",
        "names/a&b=c?d#e",
        "/slash",
    ] {
        assert_is_file(server, "names", name);
    }
    let all = tree(server, "names", "");
    for expected in [
        "slash:/slash",
        "two://two",
        "in/one:/in/one",
        "names/a%20b:a%20b",
        "d names/deep",
    ] {
        assert!(all.iter().any(|line| line == expected), "{expected}: {all:?}");
    }
    assert_eq!(tree(server, "names", "/in"), ["f one", "one:/in/one"]);
}

#[test]
fn markers_are_directories() {
    let Some(server) = servers::azure() else { return };
    python(
        server,
        "marked",
        "for name in ['mark/', 'only/mark/', 'full/', 'full/file', 'both', 'both/file', 'twice', 'twice/']:\n\
         \x20   container.upload_blob(name, '' if name.endswith('/') else 'x')\n",
    );
    for (key, expected) in [
        ("mark", &[][..]),
        ("mark/", &[]),
        ("only", &["d mark"]),
        ("only/mark", &[]),
        ("full", &["f file", "file:x"]),
        // As in MLflow a directory comes before a file of its name.
        ("both", &["f file", "file:x"]),
    ] {
        assert_eq!(tree(server, "marked", key), expected, "{key}");
    }
    assert_is_file(server, "marked", "twice");
    let project = super::project_for(server, server.port);
    let finished = super::run(&project, &uri("marked", "")).with_code(1);
    let expected = "caused by: 'both' is both an object and a directory in the store";
    assert_contains(finished.stderr(), expected);
    super::assert_nothing_is_left(&project);
}

/// Accounts with real directories list them as empty blobs.
#[test]
fn directories_are_no_files() {
    let Some(server) = servers::azure() else { return };
    python(
        server,
        "real",
        "for name in ['full', 'full/deep', 'empty', 'no']:\n\
         \x20   told = 'false' if name == 'no' else 'true'\n\
         \x20   container.upload_blob('real/' + name, b'', metadata={'hdi_isfolder': told})\n\
         for name in ['full/file', 'full/deep/file', 'nothing']:\n\
         \x20   container.upload_blob('real/' + name, b'x' if 'file' in name else b'')\n",
    );
    let expected = [
        "d empty",
        "d full",
        "d full/deep",
        "f full/deep/file",
        "f full/file",
        "f no",
        "f nothing",
    ];
    assert_eq!(tree(server, "real", "real")[..expected.len()], expected);
    assert_eq!(
        tree(server, "real", "real/full")[..3],
        ["d deep", "f deep/file", "f file"]
    );
    assert_eq!(tree(server, "real", "real/empty"), [""; 0]);
}

/// All blocks of a blob must have ids of one length, also those that were left there.
#[test]
fn blocks_have_ids_as_those_of_other_programs() {
    let Some(server) = servers::azure() else { return };
    let (sandbox, _) = with_file(PART + 1);
    let key = "top/blocks/logs/std out.txt";
    let left =
        format!("container.get_blob_client('{key}').stage_block('0' * 48, b'left by another program')");
    python(server, "bucket", &left);
    let uri = server.uri("blocks", server.port);
    assert_eq!(upload_file(&uri, &server.variables(server.port), &sandbox), None);
    let told = python(
        server,
        "bucket",
        &format!("print(*[block.id for block in container.get_blob_client('{key}').get_block_list()[0]])"),
    );
    let ids: Vec<&str> = told.split_whitespace().collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.len() == 48), "{ids:?}");
}

/// What a run says if the account answers so.
fn told(steps: Vec<Step>) -> String {
    let server = ScriptedServer::start(steps);
    let connection = format!(
        "AccountName=devstoreaccount1;AccountKey=Z2VoZWlt;BlobEndpoint={}",
        server.url()
    );
    let project = Project::new()
        .mlproject(TREE)
        .env("AZURE_STORAGE_CONNECTION_STRING", &connection);
    let finished = super::run(&project, &uri("bucket", "d")).with_code(1);
    finished.stderr().to_owned()
}

#[test]
fn what_the_account_says_is_told() {
    let properties = "<Content-Length>5</Content-Length><Etag>0x1</Etag><Last-Modified>Thu, 01 Jan 2026 00:00:00 GMT</Last-Modified>";
    let listed = Step::page(
        200,
        &format!(
            "\u{feff}<EnumerationResults><Blobs><Blob><Name>d/file</Name><Properties>{properties}</Properties></Blob></Blobs><NextMarker/></EnumerationResults>"
        ),
    );
    let refused = |code: &str, message: &str, detail: &str| {
        format!(
            "\u{feff}<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}\nRequestId:1\nTime:2</Message>{detail}</Error>"
        )
    };
    let archived = refused(
        "BlobArchived",
        "This operation is not permitted on an archived blob.",
        "",
    );
    let late = "<AuthenticationErrorDetail>Request date header too old: 'Thu, 01 Jan 2026 00:00:00 GMT'</AuthenticationErrorDetail>";
    let late = refused(
        "AuthenticationFailed",
        "Server failed to authenticate the request.",
        late,
    );
    let unsigned = "<AuthenticationErrorDetail>The MAC signature found in the HTTP request 'x' is not the same as any</AuthenticationErrorDetail>";
    let unsigned = refused(
        "AuthenticationFailed",
        "Server failed to authenticate the request.",
        unsigned,
    );
    for (steps, expected) in [
        (
            vec![listed.clone(), Step::page(412, "")],
            "caused by: it changed during the download",
        ),
        (
            vec![listed, Step::page(409, &archived)],
            "caused by: the blob is archived: Azure Storage returned 409 Conflict (BlobArchived: This operation is not permitted on an archived blob.)",
        ),
        (
            vec![Step::page(403, &late); 9],
            "caused by: this machine's clock is wrong: Azure Storage returned 403 Forbidden (AuthenticationFailed: Server \
             failed to authenticate the request. Request date header too old: 'Thu, 01 Jan 2026 00:00:00 GMT')",
        ),
        (
            vec![Step::page(403, &unsigned); 9],
            "403 Forbidden (AuthenticationFailed: Server failed to authenticate the request.) for the credentials \
             from AZURE_STORAGE_CONNECTION_STRING",
        ),
    ] {
        let told = told(steps);
        assert_contains(&told, expected);
    }
}

/// The first line that a proxy hears tells which account a URI or a connection string names.
#[test]
fn accounts_are_found_by_their_addresses() {
    let blob = uri("c", "x");
    let string = "AZURE_STORAGE_CONNECTION_STRING";
    for (uri, name, value, line) in [
        (
            "abfss://c@a.dfs.core.windows.net",
            "AZURE_STORAGE_ACCESS_KEY",
            "eA==",
            "CONNECT a.blob.core.windows.net:443",
        ),
        (
            "abfss://c@a.privatelink.dfs.core.windows.net/x",
            "AZURE_STORAGE_ACCESS_KEY",
            "eA==",
            "CONNECT a.privatelink.blob.core.windows.net:443",
        ),
        (
            &blob,
            string,
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=eA==;EndpointSuffix=core.chinacloudapi.cn",
            "CONNECT a.blob.core.chinacloudapi.cn:443",
        ),
        (
            &blob,
            string,
            "UseDevelopmentStorage=true",
            "GET http://127.0.0.1:10000/devstoreaccount1/c?",
        ),
        (
            &blob,
            string,
            "BlobEndpoint=https://h/;SharedAccessSignature=?sig=geheim",
            "CONNECT h:443",
        ),
    ] {
        let proxy = ScriptedServer::start(vec![Step::page(407, "who?"); 6]);
        let project = Project::new()
            .mlproject(TREE)
            .env("http_proxy", &proxy.url())
            .env("https_proxy", &proxy.url())
            .env(name, value);
        super::run(&project, uri).expect_code(1);
        assert!(proxy.lines()[0].starts_with(line), "{:?}", proxy.lines());
    }
    for uri in [
        "wasbs:c@a.b/x",
        "wasbs://a.b/x",
        "wasbs://c@a/x",
        "wasbs://@a.b/x",
    ] {
        let project = Project::new().mlproject(TREE);
        let finished = super::run(&project, uri).with_code(1);
        let expected = "is not a valid address: write wasbs://CONTAINER@ACCOUNT.blob.core.windows.net/";
        assert_contains(finished.stderr(), expected);
    }
    for value in [
        "geheim",
        "AccountName=a",
        "AccountKey=geheim",
        "BlobEndpoint=geheim;AccountKey=x",
        "AccountName=a;AccountKey=geheim!",
    ] {
        let project = Project::new().mlproject(TREE).env(string, value);
        let finished = super::run(&project, &blob).with_code(1);
        let told = finished.stderr();
        assert_contains(told, &format!("{string} cannot be used: "));
        assert_lacks(told, "geheim");
    }
}
