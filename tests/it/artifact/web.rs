//! Data for `path` parameters behind `http://` and `https://`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use super::cutting::CuttingProxy;
use super::{SHOW, assert_nothing_is_left, fills_the_disk, layout, run, servers, sum_of_big};
use crate::harness::running::{send, wait_until};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{
    MlflowServer, Project, Reference, Request, Sandbox, StoreContents, assert_contains, assert_lacks,
    assert_starts_with, require_program,
};

const THREE_PATHS: &str = r#"entry_points:
  main:
    parameters:
      first: path
      second: {type: path, default: project}
      third: {type: path, default: project}
    command: "cat {first}; echo; echo {first} {second} {third}"
"#;

fn whole(body: &[u8]) -> Step {
    Step::bytes("200 OK\r\nContent-Type: text/csv", body, body.len())
}

/// All files below the directory, relative to it, and the directories that are empty.
fn below(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        let mut is_empty = true;
        for entry in std::fs::read_dir(&next).unwrap() {
            is_empty = false;
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.insert(path.strip_prefix(directory).unwrap().display().to_string());
            }
        }
        if is_empty && next != directory {
            found.insert(format!("{}/", next.strip_prefix(directory).unwrap().display()));
        }
    }
    found
}

#[test]
fn files_are_downloaded_to_places_of_their_own() {
    let project = Project::new().mlproject(THREE_PATHS);
    let first = ScriptedServer::start(vec![whole(b"one"); 2]);
    let third = ScriptedServer::start(vec![whole(b"three"); 2]);
    let first_uri = format!("{}/dir/data%20x.csv?signature=geheim", first.url());
    let third_uri = format!("http://anna:geheim@{}/", third.address);
    let arguments = [
        "-P",
        &format!("first={first_uri}"),
        "-P",
        &format!("third={third_uri}"),
    ];
    let finished = project.run(arguments).with_code(0);
    let lines: Vec<&str> = finished.stdout().lines().collect();
    let root = project.sandbox().root().display().to_string();
    assert_eq!(lines[0], "one");
    let words = lines[1]
        .strip_prefix(&format!("{root}/tmp/mlrun-"))
        .expect("the system's place for temporary directories");
    let directory = words.split('/').next().unwrap();
    assert_eq!(
        words,
        format!(
            "{directory}/param_0/data%20x.csv {root}/work/project {root}/tmp/mlrun-{directory}/param_2/download"
        )
    );
    assert_nothing_is_left(&project);
    assert_lacks(finished.stderr(), "geheim");
    // "anna:geheim" in base 64.
    assert_eq!(third.seen()[0].header("authorization"), "Basic YW5uYTpnZWhlaW0=");
    let run = finished.store().runs.pop().unwrap();
    assert_eq!(run.params["first"], first_uri);
    assert_eq!(run.params["second"], "project");
    assert_eq!(run.params["third"], third_uri);

    let mut with_storage = arguments.to_vec();
    with_storage.extend(["--storage-dir", "storage/deep"]);
    let finished = project.run::<6>(with_storage.try_into().unwrap());
    finished.expect_code(0);
    let storage = project.sandbox().work().join("storage/deep");
    let files: Vec<String> = below(&storage).into_iter().collect();
    assert_eq!(files.len(), 2);
    assert!(files[0].starts_with("mlrun-") && files[0].ends_with("/param_0/data%20x.csv"));
    assert!(files[1].ends_with("/param_2/download"));
    assert_eq!(std::fs::read(storage.join(&files[1])).unwrap(), b"three");
}

#[test]
fn a_download_that_breaks_off_is_continued_and_whole() {
    let data: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let half = data.len() / 2;
    let rest = format!(
        "206 Partial Content\r\nContent-Range: bytes {half}-{}/{}\r\nETag: \"1\"",
        data.len() - 1,
        data.len()
    );
    for second in [Step::bytes(&rest, &data[half..], data.len() - half), whole(&data)] {
        let server = ScriptedServer::start(vec![Step::bytes("200 OK\r\nETag: \"1\"", &data, half), second]);
        let project = Project::new().mlproject(THREE_PATHS);
        let uri = format!("first={}/x.bin", server.url());
        project
            .run(["-P", &uri, "--storage-dir", "storage"])
            .expect_code(0);
        assert_eq!(server.seen()[1].header("range"), format!("bytes={half}-"));
        let storage = project.sandbox().work().join("storage");
        let files = below(&storage);
        assert_eq!(files.len(), 1, "{files:?}");
        assert!(std::fs::read(storage.join(files.first().unwrap())).unwrap() == data);
    }
}

#[test]
fn a_person_at_a_terminal_sees_a_bar_while_data_comes() {
    let data = vec![b'x'; 1 << 20];
    let half = data.len() / 2;
    let rest = format!(
        "206 Partial Content\r\nContent-Range: bytes {half}-{}/{}\r\nETag: \"1\"",
        data.len() - 1,
        data.len()
    );
    let server = ScriptedServer::start(vec![
        Step::bytes("200 OK\r\nETag: \"1\"", &data, half),
        Step::bytes(&rest, &data[half..], half),
    ]);
    let project = Project::new().mlproject(
        "entry_points:\n  main:\n    parameters: {data: path}\n    command: 'wc -c < {data}; echo loud >&2'\n",
    );
    let sandbox = project.sandbox();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/terminal.py");
    let output = sandbox
        .command(require_program("python3").unwrap())
        .arg(script)
        .arg("[[\"see\", \"downloading: 512.0 KiB of 1.0 MiB (50%) [=\"]]")
        .arg(sandbox.mlrun().get_program())
        .args(["run", "project", "--no-conda", "--color", "never", "-P"])
        .arg(format!("data={}/x", server.url()))
        .env("TERM", "xterm")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{shown}");
    // It is gone when the entry point has the terminal.
    let (before, after) = shown.split_once("Downloaded '").unwrap();
    assert!(before.ends_with("\x1b[2K"), "{shown:?}");
    assert!(after.contains("1048576\r\nloud\r\n"), "{shown:?}");
    assert!(
        !after.contains("downloading") && !after.contains('\x1b'),
        "{shown:?}"
    );
}

#[test]
fn what_cannot_be_downloaded_ends_the_run() {
    let page = Step::bytes("200 OK\r\nContent-Type: text/html", b"sign in", 7);
    for (user, step, expected) in [
        (
            "",
            Step::bytes("404 Not Found", b"", 0),
            "the server returned 404 Not Found\nhint: check the address; some hosts also return this if you have no access",
        ),
        (
            "",
            Step::bytes("403 Forbidden", b"", 0),
            "the server returned 403 Forbidden\nhint: add credentials to the URL (https://USER:TOKEN@HOST/…) or to ~/.netrc for this host",
        ),
        (
            "anna:geheim@",
            Step::bytes("401 Unauthorized", b"", 0),
            "the server returned 401 Unauthorized\nhint: check the credentials from the URL; the server rejected them",
        ),
    ] {
        let server = ScriptedServer::start(vec![step]);
        let other = ScriptedServer::start(vec![Step::Endless]);
        let project = Project::new().mlproject(THREE_PATHS);
        let finished = project.run([
            "-P",
            &format!("first=http://{user}{}/x.csv", server.address),
            "-P",
            &format!("third={}/y.csv", other.url()),
            "--storage-dir",
            "storage",
        ]);
        finished.expect_code(1);
        assert_eq!(finished.stdout(), "");
        let told = finished.stderr().split_once("error: ").unwrap().1;
        assert_eq!(
            told.trim_end(),
            format!(
                "cannot download 'http://{}/x.csv' for the parameter 'first'\n  caused by: {expected}",
                server.address
            )
        );
        assert_eq!(finished.store().runs.pop().unwrap().status, "FAILED");
        assert_nothing_is_left(&project);
    }

    let server = ScriptedServer::start(vec![page]);
    let project = Project::new().mlproject(THREE_PATHS);
    let finished = project.run(["-P", &format!("first={}/x.csv", server.url())]);
    finished.expect_code(0);
    let warning = format!("warning: '{}/x.csv' is a web page", server.url());
    assert_contains(finished.stderr(), &warning);
}

/// The disk is as good as full when no file may grow further.
#[test]
fn a_disk_that_takes_no_more_leaves_no_part_of_a_file() {
    let server = ScriptedServer::start(vec![whole(&vec![b'x'; 4 << 20])]);
    let project = Project::new().mlproject(THREE_PATHS);
    fills_the_disk(&project, 2048, &format!("first={}/x.csv", server.url()));
    let store = project.store();
    assert_eq!(store.runs[0].status, "FAILED");
}

#[test]
fn an_interrupted_download_leaves_nothing() {
    for step in [Step::Stall, Step::Endless] {
        let project = Project::new().mlproject(THREE_PATHS);
        let server = ScriptedServer::start(vec![step]);
        let mut command = project.started(&["run", "project", "--env-manager", "local"]);
        command.args([
            "--storage-dir",
            "storage",
            "-P",
            &format!("first={}/x.csv", server.url()),
        ]);
        let mut child = command.spawn().unwrap();
        wait_until("the request", || {
            assert!(child.try_wait().unwrap().is_none(), "ended before its request");
            !server.seen().is_empty()
        });
        send(&child, Signal::TERM);
        assert_eq!(child.wait().unwrap().code(), Some(143));
        assert_nothing_is_left(&project);
        let store = project.store();
        assert_eq!(store.runs[0].status, "KILLED");
    }
}

/// A plan asks no server, and makes no directory.
#[test]
fn an_interrupted_copy_of_files_of_this_machine_leaves_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "project/MLproject",
        "entry_points: {main: {parameters: {data: path}, command: 'echo {data}'}}\n",
    );
    let arguments = ["run", "project", "--env-manager", "local", "-P"];
    let first = sandbox
        .mlrun()
        .args(arguments)
        .arg("data=project")
        .output()
        .unwrap();
    assert!(first.status.success(), "{first:?}");
    let contents = StoreContents::of_sqlite(&sandbox.work().join("mlflow.db"));
    let run = contents.run();
    sandbox.shell(&format!(
        "mkdir -p '{0}/data' && cd '{0}/data' && for d in $(seq 40); do mkdir $d && (cd $d && seq 500 | xargs touch); done",
        run.artifact_uri
    ));
    let temporary = sandbox.root().join("tmp");
    let parameter = format!("data=runs:/{}/data", run.run_id);
    for _ in 0..4 {
        let mut child = sandbox
            .interruptible_mlrun()
            .args(arguments)
            .arg(&parameter)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let copies = || {
            std::fs::read_dir(&temporary)
                .unwrap()
                .flatten()
                .map(|entry| entry.path())
        };
        while !copies().any(|copy| copy.join("param_0/data").exists()) {
            assert!(child.try_wait().unwrap().is_none(), "it ended too early");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        send(&child, Signal::TERM);
        assert_eq!(child.wait().unwrap().code(), Some(143));
        assert_eq!(copies().collect::<Vec<_>>(), [] as [std::path::PathBuf; 0]);
    }
}

#[test]
fn a_dry_run_downloads_nothing() {
    let server = ScriptedServer::start(Vec::new());
    let project = Project::new().mlproject(THREE_PATHS);
    let uri = format!("first={}/x.csv", server.url());
    project
        .run(["-P", &uri, "--storage-dir", "storage", "--dry-run"])
        .expect_code(0);
    assert_eq!(server.connections(), 0);
    assert!(!project.sandbox().work().join("storage").exists());
}

/// MLflow itself downloads from web addresses only where they are those of an MLflow server.
#[test]
fn the_reference_lays_files_out_so() {
    let (Some(reference), Some(server)) = (Reference::shared(), MlflowServer::shared()) else {
        return;
    };
    let path = "/api/2.0/mlflow-artifacts/artifacts/data-downloads/x y.csv".replace(' ', "%20");
    put(server, &path, "from the server");
    let uri = format!("{}{path}", server.url());
    let project = Project::new().mlproject(THREE_PATHS);
    let ours = project.run(["-P", &format!("first={uri}")]).with_code(0);

    let theirs = Sandbox::new();
    theirs.write("project/MLproject", THREE_PATHS);
    let streams = ["stdout", "stderr"].map(|name| theirs.root().join(name));
    let request = Request {
        directory: &theirs.work(),
        environment: &theirs.environment(),
        streams: [Path::new("/dev/null"), &streams[0], &streams[1]],
    };
    let first = format!("first={uri}");
    let arguments = ["run", "project", "--env-manager", "local", "-P", &first].map(str::to_owned);
    reference.run(&request, &arguments);
    let output = std::fs::read_to_string(&streams[0]).unwrap();
    let (their_data, ours_data) = (line(&output, 0), line(ours.stdout(), 0));
    assert_eq!(their_data, "from the server");
    assert_eq!(ours_data, their_data);
    let place = |text: &str| {
        let first = line(text, 1).split(' ').next().unwrap();
        first.split_once("/param_").unwrap().1.to_owned()
    };
    assert_eq!(place(&output), "0/x%20y.csv");
    assert_eq!(place(ours.stdout()), place(&output));
    let logged = |store: StoreContents| store.runs[0].params["first"].clone();
    let their_store = StoreContents::of_sqlite(&theirs.work().join("mlflow.db"));
    assert_eq!(logged(ours.store()), logged(their_store).trim_matches('\''));
}

fn line(text: &str, number: usize) -> &str {
    text.lines().nth(number).unwrap_or_default()
}

/// Puts an artifact on the server.
fn put(server: &MlflowServer, path: &str, body: &str) {
    let address = server.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}",
        body.len()
    );
    stream
        .write_all(format!("{head}\r\n\r\n{body}").as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_starts_with(&answer, "HTTP/1.1 200");
}

#[test]
fn a_connection_that_breaks_three_times_is_continued() {
    let Some(server) = servers::web() else { return };
    let proxy = CuttingProxy::start(server.port, 8 << 20, 3);
    let project = Project::new().mlproject(SHOW);
    let finished = run(&project, &server.uri("big.bin", proxy.port));
    finished.expect_code(0);
    let big = BTreeMap::from([("big.bin".to_owned(), sum_of_big())]);
    assert_eq!(layout(finished.stdout()), (big, "big.bin".to_owned()));
    assert_eq!(proxy.cuts(), 3);
}

#[test]
fn what_is_missing_on_a_web_server_is_told() {
    let Some(server) = servers::web() else { return };
    let project = Project::new().mlproject(SHOW);
    let finished = run(&project, &server.uri("nope", server.port)).with_code(1);
    assert_contains(finished.stderr(), "the server returned 404 Not Found");
    assert_nothing_is_left(&project);
}
