//! Names, directories and packed objects as Google Cloud Storage has them.

use std::process::Command;

use super::servers::{self, Server};
use super::{TREE, tree};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Project, assert_contains};

/// Fills a new bucket by Google's own client.
fn fill(server: &Server, bucket: &str, script: &str) {
    let before = format!(
        r"import gzip
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
bucket = storage.Client(project='test', credentials=AnonymousCredentials()).bucket('{bucket}')
bucket.create()
"
    );
    let output = Command::new(servers::python().unwrap())
        .args(["-c", &format!("{before}{script}")])
        .env(
            "STORAGE_EMULATOR_HOST",
            format!("http://127.0.0.1:{}", server.port),
        )
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}

#[test]
fn names_of_all_kinds_are_read() {
    let Some(server) = servers::gcs() else { return };
    fill(
        server,
        "names",
        "for name in ['a+b', 'a b', 'a%20b', 'a&b=c?d#e', \"it's\", ' x', 'x ', 'double//slash', 'ü/é']:\n\
         \x20   bucket.blob('names/' + name).upload_from_string(name)\n\
         for name in ['/slash', '//two', '/in/one', 'names/deep/b']:\n\
         \x20   bucket.blob(name).upload_from_string(name)\n",
    );
    let names = [
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
    let below = |uri: &str| -> Vec<String> {
        let told = tree(server, uri).into_iter();
        told.filter(|line| line.starts_with("d ") || line.starts_with("f "))
            .collect()
    };
    assert_eq!(below("gs://names/names"), names);
    assert_eq!(below("gs://names/names/"), names);
    for name in ["a+b", "a%20b", "it's", "a&b=c?d#e"] {
        let project = super::project_for(server, server.port);
        let finished = super::run(&project, &format!("gs://names/names/{name}"));
        finished.expect_code(0);
        assert_eq!(super::layout(finished.stdout()).1, name);
    }
    let all = tree(server, "gs://names");
    for expected in [
        "f slash",
        "slash:/slash",
        "f two",
        "two://two",
        "f in/one",
        "in/one:/in/one",
        "d names/deep",
    ] {
        assert!(all.iter().any(|line| line == expected), "{expected}: {all:?}");
    }
    assert_eq!(tree(server, "gs://names//in"), ["f one", "one:/in/one"]);
    let project = super::project_for(server, server.port);
    let finished = super::run(&project, "gs://names//slash").with_code(0);
    assert_eq!(super::layout(finished.stdout()).1, "slash");
}

#[test]
fn markers_are_directories() {
    let Some(server) = servers::gcs() else { return };
    fill(
        server,
        "marked",
        "for name in ['mark/', 'only/mark/', 'full/', 'full/file', 'both', 'both/file', 'twice', 'twice/']:\n\
         \x20   bucket.blob(name).upload_from_string('' if name.endswith('/') else 'x')\n",
    );
    let nothing: [&str; 0] = [];
    assert_eq!(tree(server, "gs://marked/mark"), nothing);
    assert_eq!(tree(server, "gs://marked/mark/"), nothing);
    assert_eq!(tree(server, "gs://marked/only"), ["d mark"]);
    assert_eq!(tree(server, "gs://marked/only/mark"), nothing);
    assert_eq!(tree(server, "gs://marked/full"), ["f file", "file:x"]);
    // As in MLflow a directory comes before a file of its name.
    assert_eq!(tree(server, "gs://marked/both"), ["f file", "file:x"]);
    let project = super::project_for(server, server.port);
    let finished = super::run(&project, "gs://marked/twice").with_code(0);
    assert_eq!(super::layout(finished.stdout()).0.len(), 1);
    let project = super::project_for(server, server.port);
    let finished = super::run(&project, "gs://marked").with_code(1);
    let expected = "caused by: 'both' is both an object and a directory in the store";
    assert_contains(finished.stderr(), expected);
    super::assert_nothing_is_left(&project);
}

#[test]
fn what_is_packed_there_is_unpacked_here() {
    let Some(server) = servers::gcs() else { return };
    fill(
        server,
        "packed",
        "import random\nnoise = random.Random(7).randbytes(40 << 20)\n\
         for name, data in [('d/small', b'small\\n'), ('d/large', noise)]:\n\
         \x20   blob = bucket.blob(name)\n\
         \x20   blob.content_encoding = 'gzip'\n\
         \x20   blob.upload_from_string(gzip.compress(data, 1))\n\
         bucket.blob('d/plain').upload_from_string(gzip.compress(b'packed by its owner\\n'))\n",
    );
    let project = Project::new().mlproject(
        "entry_points: {main: {parameters: {data: path}, command: 'cd {data} && cat small && wc -c < large && \
         (grep -c packed plain || true)'}}\n",
    );
    let variables = server.variables(server.port);
    let project = project.env(variables[0].0, &variables[0].1);
    let finished = super::run(&project, "gs://packed/d").with_code(0);
    assert_eq!(finished.stdout(), "small\n41943040\n0\n");
}

#[test]
fn an_object_that_is_replaced_meanwhile_is_told() {
    let item = r#"{"name": "d/file", "size": "5", "generation": "7", "md5Hash": "", "etag": "x", "updated": "2026-01-01T00:00:00Z"}"#;
    let listed = Step::json(200, &format!(r#"{{"items": [{item}]}}"#));
    let gone = Step::json(412, r#"{"error": {"message": "conditionNotMet"}}"#);
    let server = ScriptedServer::start(vec![listed, gone]);
    let project = Project::new()
        .mlproject(TREE)
        .env("STORAGE_EMULATOR_HOST", &server.url());
    let finished = super::run(&project, "gs://bucket/d").with_code(1);
    let expected = "caused by: it changed during the download";
    assert_contains(finished.stderr(), expected);
    let lines = server.lines();
    assert!(
        lines[0].contains("prefix=d%2F") && lines[0].contains("fields="),
        "{lines:?}"
    );
    assert_eq!(
        lines[1],
        "GET /storage/v1/b/bucket/o/d%2Ffile?alt=media&ifGenerationMatch=7"
    );
}

/// What no list of objects looks like.
#[test]
fn a_page_in_place_of_a_listing_is_told() {
    let server = ScriptedServer::start(vec![Step::page(200, "<title>sign in</title>")]);
    let project = Project::new()
        .mlproject(TREE)
        .env("STORAGE_EMULATOR_HOST", &server.url());
    let finished = super::run(&project, "gs://bucket/d").with_code(1);
    let expected = "caused by: invalid response from Google Cloud Storage: ";
    assert_contains(finished.stderr(), expected);
}
