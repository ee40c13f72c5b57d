//! Data for `path` parameters behind all kinds of URIs, from real servers of each kind.

mod azure_blobs;
mod azure_identity;
mod cutting;
mod dbfs;
mod file_servers;
mod gcs_identity;
mod gcs_objects;
mod hdfs;
mod mlflow_artifacts;
mod runs_and_models;
mod s3_credentials;
mod s3_multipart;
mod s3_requests;
mod servers;
mod sftp_server;
mod uploads;
mod web;

use std::collections::BTreeMap;
use std::process::Command;

use self::cutting::CuttingProxy;
use self::servers::Server;
use crate::harness::{Finished, Printed, Project, assert_contains, assert_lacks};

/// Shows the sums and paths of all files, and the path that the parameter became.
const SHOW: &str = r#"entry_points:
  main:
    parameters:
      data: path
      other: {type: path, default: project}
    command: "find {data} -type f -exec sha256sum {{}} + | sort -k 2; echo path {data}"
"#;

/// Shows the kind and path of all that is below the parameter's place, and the contents of files.
const TREE: &str = r#"entry_points:
  main:
    parameters:
      data: path
    command: "cd {data} && find . -mindepth 1 -printf '%y %P\n' | LC_ALL=C sort; grep -r . || true"
"#;

/// SHA-256 of the large file, of which every four bytes are the number of their place.
fn sum_of_big() -> String {
    let mut hasher = openssl::sha::Sha256::new();
    for number in 0..(34_u32 << 20) / 4 {
        hasher.update(&number.to_le_bytes());
    }
    hasher.finish().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files that a run found, by their paths below the parameter's place, and the parameter's own.
fn layout(stdout: &str) -> (BTreeMap<String, String>, String) {
    let below = |path: &str| {
        let (_, path) = path.split_once("/param_0").expect(path);
        path.trim_start_matches('/').to_owned()
    };
    let mut files = BTreeMap::new();
    let mut path = None;
    for line in stdout.lines() {
        match line.strip_prefix("path ") {
            Some(own) => path = Some(below(own)),
            None => {
                let (sum, file) = line.split_once("  ").expect(line);
                files.insert(below(file), sum.to_owned());
            }
        }
    }
    (files, path.expect(stdout))
}

fn project_for(server: &Server, port: u16) -> Project {
    with_variables(Project::new().mlproject(SHOW), server, port)
}

fn with_variables(project: Project, server: &Server, port: u16) -> Project {
    let variables = server.variables(port).into_iter();
    variables.fold(project, |project, (name, value)| project.env(name, &value))
}

/// A project that shows the kind and path of all that is below the parameter's place.
fn tree_project(server: &Server) -> Project {
    with_variables(Project::new().mlproject(TREE), server, server.port)
}

/// What a run finds below this place.
fn tree(server: &Server, uri: &str) -> Vec<String> {
    let project = tree_project(server);
    let finished = run(&project, uri).with_code(0);
    finished.stdout().lines().map(str::to_owned).collect()
}

fn run<'a>(project: &'a Project, uri: &str) -> Finished<'a> {
    project.run(["-P", &format!("data={uri}"), "--storage-dir", "storage"])
}

/// What the reference makes of the URIs, in the form of [`layout`].
fn reference(server: &Server, uris: &[String]) -> Vec<(BTreeMap<String, String>, String)> {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(server.reference())
        .arg(servers::script())
        .arg("reference")
        .arg(place.path())
        .args(uris)
        .envs(server.variables(server.port))
        .envs([
            ("MLFLOW_DISABLE_TELEMETRY", "true"),
            ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
        ])
        .current_dir(place.path())
        .printed();
    let mut found = vec![(BTreeMap::new(), String::new()); uris.len()];
    for line in output.lines() {
        let mut words = line.splitn(3, ' ');
        let number: usize = words.next().unwrap().parse().unwrap();
        match (words.next().unwrap(), words.next().unwrap()) {
            ("path", path) => path.trim_start_matches('.').clone_into(&mut found[number].1),
            (sum, path) => drop(found[number].0.insert(path.to_owned(), sum.to_owned())),
        }
    }
    found
}

#[track_caller]
fn assert_nothing_is_left(project: &Project) {
    for place in ["tmp", "work/storage"] {
        let place = project.sandbox().root().join(place);
        let left: Vec<_> = std::fs::read_dir(place).into_iter().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Files and whole directories, with and without a slash at the end, are laid out as the reference
/// does it.
fn lays_out_as_the_reference(server: &Server, has_reference: bool) {
    let paths = [
        "tree/one.txt",
        "tree/d/two words+&ü.txt",
        "tree",
        "tree/",
        "tree/d",
        "big.bin",
    ];
    let uris: Vec<String> = paths.iter().map(|path| server.uri(path, server.port)).collect();
    let mut ours = Vec::new();
    for uri in &uris {
        let project = project_for(server, server.port);
        let finished = run(&project, uri).with_code(0);
        assert_lacks(finished.stderr(), "geheim");
        ours.push(layout(finished.stdout()));
    }
    let big = BTreeMap::from([("big.bin".to_owned(), sum_of_big())]);
    assert_eq!(ours[5], (big, "big.bin".to_owned()));
    let names: Vec<&str> = ours[2].0.keys().map(String::as_str).collect();
    let expected = [
        "tree/d/e/empty",
        "tree/d/e/three.bin",
        "tree/d/two words+&ü.txt",
        "tree/one.txt",
    ];
    assert_eq!((names.as_slice(), ours[2].1.as_str()), (&expected[..], "tree"));
    assert_eq!(ours[3].1, "");
    if has_reference {
        for ((uri, theirs), ours) in uris.iter().zip(reference(server, &uris)).zip(ours) {
            assert_eq!(ours, theirs, "{uri}");
        }
    }
}

/// What is missing is told before there is a run.
fn tells_what_is_missing(server: &Server, expected: &str) {
    for path in ["nope.csv", "tree/one.tx", "nope/"] {
        let project = project_for(server, server.port);
        let uri = server.uri(path, server.port);
        let finished = run(&project, &uri).with_code(1);
        let told = finished.stderr();
        assert_contains(told, "for the parameter 'data'\n  caused by: ");
        assert!(told.contains(expected) || path.ends_with('/'), "{told}");
        assert_lacks(told, "geheim");
        assert_eq!(finished.store().runs.len(), 0, "{told}");
        assert_nothing_is_left(&project);
    }
}

/// A connection that breaks in the middle is continued, or begun again.
fn survives_broken_connections(server: &Server) {
    let proxy = CuttingProxy::start(server.port, 3 << 20, 3);
    let project = project_for(server, proxy.port);
    let finished = run(&project, &server.uri("big.bin", proxy.port));
    finished.expect_code(0);
    let (files, _) = layout(finished.stdout());
    assert_eq!(files["big.bin"], sum_of_big());
    assert_eq!(proxy.cuts(), 3);
    // One that always breaks is given up.
    let proxy = CuttingProxy::start(server.port, 1 << 18, usize::MAX);
    let project = project_for(server, proxy.port);
    let finished = run(&project, &server.uri("big.bin", proxy.port));
    finished.expect_code(1);
    assert_contains(finished.stderr(), "caused by:");
    assert_nothing_is_left(&project);
}

/// Runs the project where no file may be larger than so many KiB: the disk is as good as full.
#[track_caller]
fn fills_the_disk(project: &Project, limit: usize, parameter: &str) {
    let mut command = project.sandbox().command("bash");
    let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\"");
    command.args([
        "-c",
        &script,
        "bash",
        env!("CARGO_BIN_EXE_mlrun"),
        "run",
        "project",
    ]);
    command.args([
        "--env-manager",
        "local",
        "--storage-dir",
        "storage",
        "-P",
        parameter,
    ]);
    let output = command.envs(project.environment()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_contains(
        &told,
        "caused by: cannot write the file\n  caused by: File too large",
    );
    assert_nothing_is_left(project);
}

fn leaves_nothing_on_a_full_disk(server: &Server) {
    let project = project_for(server, server.port);
    fills_the_disk(
        &project,
        8192,
        &format!("data={}", server.uri("big.bin", server.port)),
    );
    if !matches!(server.kind, "mlflow-artifacts" | "presigned") {
        let store = project.store();
        assert_eq!(store.runs[0].status, "FAILED");
    }
}

macro_rules! table {
    ($($kind:ident: $has_reference:expr, $missing:expr, $survives:expr;)*) => {$(
        mod $kind {
            use super::servers;

            #[test]
            fn files_and_directories_are_laid_out_as_the_reference_does() {
                let Some(server) = servers::$kind() else { return };
                super::lays_out_as_the_reference(server, $has_reference);
            }

            #[test]
            fn what_is_missing_is_told_before_there_is_a_run() {
                let Some(server) = servers::$kind() else { return };
                super::tells_what_is_missing(server, $missing);
            }

            #[test]
            fn a_broken_connection_is_continued() {
                let Some(server) = servers::$kind() else { return };
                if $survives {
                    super::survives_broken_connections(server);
                }
            }

            #[test]
            fn a_full_disk_leaves_nothing() {
                let Some(server) = servers::$kind() else { return };
                super::leaves_nothing_on_a_full_disk(server);
            }
        }
    )*};
}

table! {
    s3: true, "S3 returned 404 Not Found (NoSuchKey: The specified key does not exist.)", true;
    gcs: true, "Google Cloud Storage returned 404 Not Found", true;
    azure: true, "the container 'bucket' has no blob", true;
    // The data goes over connections of its own, which the proxy does not see.
    ftp: true, "the FTP server returned 550", false;
    // The reference needs a client of Python that follows no configuration of ssh.
    sftp: false, "the SFTP server returned 2 (No such file)", true;
    webhdfs: false, "HDFS returned 404 Not Found (FileNotFoundException: File does not exist", true;
    artifacts: true, "the tracking server returned", true;
    // The data comes from its storage, as the tests of that have it.
    presigned_artifacts: true, "the tracking server returned 404 Not Found", false;
}
