//! Names, directories and blocks as Azure's storage has them.

use std::process::Command;

use super::large_uploads::{PART, with_file};
use super::servers::{self, AZURITE_KEY, Server, azure_connection};
use super::uploads::upload_file;
use crate::harness::Project;

/// Shows the kind and path of all that is below the parameter's place, and the contents of files.
const TREE: &str = "entry_points:\n  main:\n    parameters:\n      data: path\n    command: \"cd {data} && find . -mindepth 1 \
                    -printf '%y %P\\n' | LC_ALL=C sort\"\n";

/// Runs Python with the container as `container`.
fn python(server: &Server, script: &str) -> String {
    let connection = azure_connection(AZURITE_KEY).replace("{port}", &server.port.to_string());
    let before = format!(
        "from azure.storage.blob import BlobServiceClient\n\
         container = BlobServiceClient.from_connection_string('{connection}').get_container_client('bucket')\n"
    );
    let mut command = Command::new(servers::python().unwrap());
    let output = command
        .args(["-c", &format!("{before}{script}")])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What a run finds below this place.
fn tree(server: &Server, place: &str) -> Vec<String> {
    let mut project = Project::new().mlproject(TREE);
    for (name, value) in server.variables(server.port) {
        project = project.env(name, &value);
    }
    let uri = format!("wasbs://bucket@devstoreaccount1.blob.core.windows.net/{place}");
    let finished = super::run(&project, &uri);
    finished.expect_code(0);
    finished.stdout().lines().map(str::to_owned).collect()
}

#[test]
fn names_of_all_kinds_are_read() {
    let Some(server) = servers::azure() else { return };
    python(
        server,
        "for name in ['a+b', 'a b', 'a%20b', 'a&b=c?d#e', \"it's\", ' x', 'x ', 'dir/', 'deep/dir/', 'double//slash', 'ü/é']:\n\
         \x20   container.upload_blob('names/' + name, b'x')\n\
         container.upload_blob('/slash', b'x')\n",
    );
    let expected = [
        "d deep",
        "d deep/dir",
        "d dir",
        "d double",
        "d ü",
        "f  x",
        "f a b",
        "f a%20b",
        "f a&b=c?d#e",
        "f a+b",
        "f double/slash",
        "f it's",
        "f x ",
        "f ü/é",
    ];
    assert_eq!(tree(server, "names"), expected);
    assert_eq!(tree(server, "names/"), expected);
    for name in ["a+b", "a%20b", "it's"] {
        let project = super::project_for(server, server.port);
        let uri = format!("wasbs://bucket@devstoreaccount1.blob.core.windows.net/names/{name}");
        let finished = super::run(&project, &uri);
        finished.expect_code(0);
        assert_eq!(super::layout(finished.stdout()).1, name);
    }
    let project = super::project_for(server, server.port);
    let finished = super::run(
        &project,
        "wasbs://bucket@devstoreaccount1.blob.core.windows.net//slash",
    );
    finished.expect_code(0);
    assert_eq!(super::layout(finished.stdout()).1, "slash");
}

/// Accounts with real directories list them as empty blobs.
#[test]
fn directories_are_no_files() {
    let Some(server) = servers::azure() else { return };
    python(
        server,
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
    assert_eq!(tree(server, "real"), expected);
    assert_eq!(tree(server, "real/full"), ["d deep", "f deep/file", "f file"]);
    assert_eq!(tree(server, "real/empty"), [""; 0]);
}

/// All blocks of a blob must have ids of one length, also those that were left there.
#[test]
fn blocks_have_ids_as_those_of_other_programs() {
    let Some(server) = servers::azure() else { return };
    let (sandbox, _) = with_file(PART + 1);
    let key = "top/blocks/logs/std out.txt";
    let left =
        format!("container.get_blob_client('{key}').stage_block('0' * 48, b'left by another program')");
    python(server, &left);
    let uri = server.uri("blocks", server.port);
    assert_eq!(upload_file(&uri, &server.variables(server.port), &sandbox), None);
    let told = python(
        server,
        &format!("print(*[block.id for block in container.get_blob_client('{key}').get_block_list()[0]])"),
    );
    let ids: Vec<&str> = told.split_whitespace().collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().all(|id| id.len() == 48), "{ids:?}");
}
