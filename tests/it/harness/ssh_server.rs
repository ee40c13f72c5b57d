//! The files of an OpenSSH server on loopback.

use std::fs;
use std::path::Path;

use super::Sandbox;

/// Writes the server's `sshd_config`, and for its clients `key`, which it takes, `other_key`, which it does not, and
/// `known_hosts`, where its key is that of `host`.
pub(crate) fn write_ssh_server_files(sandbox: &Sandbox, keygen: &Path, port: u16, host: &str) {
    let root = sandbox.root();
    for name in ["host_key", "key", "other_key"] {
        let mut command = sandbox.command(keygen);
        command
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(root.join(name));
        assert!(command.status().unwrap().success());
    }
    let public = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let known = format!("{host} {}", public("host_key.pub"));
    let config = format!(
        r"Port {port}
ListenAddress 127.0.0.1
HostKey {root}/host_key
PidFile none
StrictModes no
UsePAM no
AuthorizedKeysFile {root}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 200
Subsystem sftp internal-sftp
",
        root = root.display()
    );
    for (name, text) in [
        ("authorized_keys", public("key.pub")),
        ("known_hosts", known),
        ("sshd_config", config),
    ] {
        fs::write(root.join(name), text).unwrap();
    }
    // Where the server lets the processes that have not logged in yet run; only root can make it.
    let _ = fs::create_dir_all("/run/sshd");
}
