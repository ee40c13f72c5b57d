//! Real Git servers on loopback, one of each kind for all tests of this process: `git http-backend`
//! behind HTTP and behind TLS, Git's daemon, OpenSSH's.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::harness::{
    Printed, Sandbox, certificates, free_port, require_program, supervised, write_ssh_server_files,
};

/// How long a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// The servers, and the repositories that all of them serve.
pub(super) struct Servers {
    sandbox: Sandbox,
    http: u16,
    https: u16,
    mutual: u16,
    daemon: u16,
    ssh: u16,
    _processes: Vec<Child>,
}

impl Servers {
    /// The servers, started on first use; nothing where a program is missing.
    pub(super) fn shared() -> Option<&'static Self> {
        static SERVERS: OnceLock<Option<Servers>> = OnceLock::new();
        SERVERS.get_or_init(Self::start).as_ref()
    }

    fn start() -> Option<Self> {
        let python = require_program("python3")?;
        let git_daemon = require_program("git-daemon")?;
        let sshd = require_program("sshd")?;
        let keygen = require_program("ssh-keygen")?;
        let sandbox = Sandbox::new();
        sandbox.shell(REPOSITORIES);
        write_certificates(sandbox.root());
        let mut processes = Vec::new();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fetch/git/http_server.py");
        let mut serve = |tls: &[&str]| {
            let mut command = supervised(&sandbox, "sh");
            // The supervisor gives no input; the server's own end is its group's.
            command
                .args(["-c", r#"sleep 100000 | exec "$@""#, "sh"])
                .arg(&python)
                .arg(&script);
            command.arg(sandbox.work()).args(["--log", "requests"]).args(tls);
            command.stdout(Stdio::piped()).stderr(Stdio::null());
            let mut process = command.spawn().unwrap();
            let mut port = String::new();
            BufReader::new(process.stdout.take().unwrap())
                .read_line(&mut port)
                .unwrap();
            processes.push(process);
            port.trim()
                .parse::<u16>()
                .expect("the HTTP server must say its port")
        };
        let http = serve(&[]);
        let https = serve(&["--tls", "../server.pem", "../server.key"]);
        let mutual = serve(&[
            "--tls",
            "../server.pem",
            "../server.key",
            "--clients",
            "../authority.pem",
        ]);
        let daemon = free_port();
        let mut command = supervised(&sandbox, git_daemon);
        command.args(["--listen=127.0.0.1", "--export-all", "--reuseaddr"]);
        command
            .arg(format!("--port={daemon}"))
            .arg(format!("--base-path={}", sandbox.work().display()));
        processes.push(quiet(&mut command));
        let ssh = free_port();
        write_ssh_files(&sandbox, &keygen, ssh);
        let mut command = supervised(&sandbox, sshd);
        command.args(["-D", "-e", "-f", "../sshd_config"]);
        processes.push(quiet(&mut command));
        for port in [daemon, ssh] {
            wait_for(port);
        }
        Some(Self {
            sandbox,
            http,
            https,
            mutual,
            daemon,
            ssh,
            _processes: processes,
        })
    }

    /// The text with `<http>`, `<https>`, `<mutual>`, `<daemon>` and `<ssh>` replaced by the servers' addresses
    /// (`127.0.0.1:port`), `<repositories>` by the directory, `<user>` by who logs in by SSH.
    pub(super) fn expand(&self, text: &str) -> String {
        let mut text = text.replace("<repositories>", self.sandbox.work().to_str().unwrap());
        for (name, port) in [
            ("<http>", self.http),
            ("<https>", self.https),
            ("<mutual>", self.mutual),
            ("<daemon>", self.daemon),
            ("<ssh>", self.ssh),
        ] {
            text = text.replace(name, &format!("127.0.0.1:{port}"));
        }
        text.replace("<user>", &user())
    }

    /// The text with the servers' addresses and directories replaced by their names.
    pub(super) fn anonymous(&self, text: &str) -> String {
        let mut text = text.replace(self.sandbox.work().to_str().unwrap(), "<repositories>");
        text = text.replace(self.sandbox.root().to_str().unwrap(), "<servers>");
        for (name, port) in [
            ("<http>", self.http),
            ("<https>", self.https),
            ("<mutual>", self.mutual),
            ("<daemon>", self.daemon),
            ("<ssh>", self.ssh),
        ] {
            text = text.replace(&format!("127.0.0.1:{port}"), name);
        }
        text
    }

    /// A file beside the repositories: `authority.pem`, `client.pem`, `ssh_config`, `key`.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.sandbox.root().join(name)
    }

    /// What `git` says in a repository.
    pub(super) fn git(&self, repository: &str, arguments: &[&str]) -> String {
        let mut command = self.sandbox.command("git");
        command
            .current_dir(self.sandbox.work().join(repository))
            .args(arguments);
        let output = command.printed();
        output.trim().to_owned()
    }

    /// The requests that the HTTP servers have seen, a line each.
    pub(super) fn requests(&self) -> String {
        fs::read_to_string(self.sandbox.work().join("requests")).unwrap_or_default()
    }
}

/// The user of this process.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn quiet(command: &mut Command) -> Child {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn wait_for(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < START_LIMIT, "no server at port {port}");
        // There is nothing to wait on but the port itself.
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn write_certificates(directory: &Path) {
    let authority = certificates::authority("authority", None);
    let server = certificates::server("127.0.0.1", Some(&authority));
    fs::write(
        directory.join("authority.pem"),
        certificates::pem(&authority.certificate),
    )
    .unwrap();
    fs::write(
        directory.join("server.pem"),
        certificates::pem(&server.certificate),
    )
    .unwrap();
    let client = certificates::client(certificates::ec_key(), &authority);
    fs::write(
        directory.join("client.pem"),
        certificates::pem(&client.certificate),
    )
    .unwrap();
    for (name, pair) in [("server.key", &server), ("client.key", &client)] {
        let key = pair.key.private_key_to_pem_pkcs8().unwrap();
        fs::write(directory.join(name), key).unwrap();
    }
}

fn write_ssh_files(sandbox: &Sandbox, keygen: &Path, port: u16) {
    write_ssh_server_files(sandbox, keygen, port, &format!("[127.0.0.1]:{port}"));
    let root = sandbox.root().display();
    let client = |name: &str, known_hosts: &str, key: &str| {
        let text = format!(
            "Host gitserver\n HostName 127.0.0.1\n Port {port}\nHost *\n IdentityFile {root}/{key}\n IdentitiesOnly yes\n\
             UserKnownHostsFile {known_hosts}\n GlobalKnownHostsFile none\n StrictHostKeyChecking ask\n"
        );
        fs::write(sandbox.root().join(name), text).unwrap();
    };
    client("ssh_config", &format!("{root}/known_hosts"), "key");
    client(
        "ssh_config_other_key",
        &format!("{root}/known_hosts"),
        "other_key",
    );
    client("ssh_config_unknown_host", "/dev/null", "key");
}

/// Makes them in the current directory. A project's command lists its files, so that what comes out
/// of a run tells which version ran.
const REPOSITORIES: &str = r#"
mkdir source; cd source; git init -q
cat >MLproject <<'END'
name: project
entry_points:
  main:
    command: "find . -name .git -prune -o -printf '%P %m %l\\n' | sort; cat marker; git rev-parse HEAD; git remote get-url origin; env | grep -i t0k[e]n || true"
END
mkdir -p sub/deep; cp MLproject sub/deep/; echo one >marker; echo one >sub/deep/marker
printf '#!/bin/sh\n' >tool.sh; chmod +x tool.sh; ln -s marker link
printf '*.txt text eol=crlf\n' >.gitattributes; printf 'a\nb\n' >text.txt
git add -A; git commit -qm one
git tag light; git tag -a -m annotated v1
git branch both; echo two >marker; git commit -qam two; git tag both; git branch feature/a
git checkout -q --orphan alone; echo alone >marker; git commit -qam alone; git checkout -q main
echo hidden >marker; git commit -qam hidden; git update-ref refs/hidden/x HEAD; git reset -q --hard HEAD~1
echo three >marker; git commit -qam three
cd ..
git clone -q --mirror source project.git
git clone -q --mirror source once.git
git clone -q --mirror source files.git; git -C files.git update-server-info
git clone -q --mirror source lenient.git; git -C lenient.git config uploadpack.allowReachableSHA1InWant true; git -C lenient.git branch abcd main
git clone -q --mirror source detached.git; git -C detached.git rev-parse main >head; mv head detached.git/HEAD
git clone -q --mirror source trunk.git; git -C trunk.git branch -m main trunk; git -C trunk.git symbolic-ref HEAD refs/heads/trunk
git clone -q --mirror source headless.git; git -C headless.git symbolic-ref HEAD refs/heads/gone
git init -q --bare empty.git
git init -q nested-source; (cd nested-source; echo nested >nested; git add -A; git commit -qm nested)
git clone -q --bare nested-source nested.git
git init -q library-source; (cd library-source; echo old >library; git submodule -q add ../nested.git inner; git add -A; git commit -qm old)
git clone -q --bare library-source library.git; git -C library-source rev-parse HEAD >pinned
(cd library-source; echo new >library; git commit -qam new; git push -q ../library.git main)
git init -q super-source; (cd super-source; cp ../source/MLproject .; echo super >marker; git submodule -q add ../library.git parts/library
  git -C parts/library checkout -q "$(cat ../pinned)"; git config -f .gitmodules submodule.parts/library.url ../library.git
  git -C . add -A; git commit -qm super)
git clone -q --bare super-source super.git
# The URL in the library is relative too.
git -C library-source config -f .gitmodules submodule.inner.url ../nested.git
hostile() { git clone -q --no-recurse-submodules super-source "$1-source"; (cd "$1-source"; git config -f .gitmodules submodule.parts/library.url "$2"
  git commit -qam "$1"); git clone -q --bare "$1-source" "$1.git"; }
hostile ext 'ext::sh -c touch% /tmp/never'; hostile option '--upload-pack=touch /tmp/never'; hostile disk "file://$PWD/library.git"
hostile ssh-super git@host:library.git; hostile word library; hostile lines $'https://host/a\nb'; hostile path "$PWD/library.git"
git init -q plain-source; (cd plain-source; cp -r ../source/MLproject ../source/tool.sh .; ln -s text.txt link; mkdir below; echo plain >marker
  printf 'a\nb\n' >text.txt; cp text.txt below/; git add -A; git commit -qm plain)
git clone -q --bare plain-source plain.git
(cd plain-source; printf '*.txt text eol=crlf\n' >below/.gitattributes; git add -A; git commit -qm attributes)
git clone -q --bare plain-source attributes.git
git init -q lfs-source; (cd lfs-source; cp ../source/MLproject .; echo lfs >marker; echo '*.bin filter=lfs diff=lfs merge=lfs -text' >.gitattributes
  contents='the contents of a large file'; hash=$(printf '%s\n' "$contents" | sha256sum | cut -d' ' -f1)
  printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 29\n' "$hash" >large.bin
  printf 'version https://git-lfs.github.com/spec/v1\n' >no-pointer.txt
  git add -A; git commit -qm lfs
  mkdir -p ../lfs-objects; printf '%s\n' "$contents" >../lfs-objects/"$hash")
git clone -q --bare lfs-source lfs.git
git init -q --object-format=sha256 sha256-source; (cd sha256-source; cp ../source/MLproject .; echo first >marker; git add -A; git commit -qm first
  git tag -a -m annotated v1; echo second >marker; git commit -qam second; git branch feature)
git clone -q --bare sha256-source sha256.git
hash=$(ls lfs-objects); mkdir -p "lfs.git/lfs/objects/${hash:0:2}/${hash:2:2}"; cp "lfs-objects/$hash" "lfs.git/lfs/objects/${hash:0:2}/${hash:2:2}/$hash"
"#;
