//! OpenSSH's server on loopback, with files behind its `sftp` subsystem.

use std::fs;
use std::process::Command;

use super::servers::{Server, python, start};
use crate::harness::{Sandbox, free_port, require_program};

/// Starts the server. Its clients' `PATH` begins with an `ssh` that has a configuration: the user's own is
/// always the one in the home directory that the system knows.
pub(super) fn start_sftp() -> Option<Server> {
    let sshd = require_program("sshd")?;
    let keygen = require_program("ssh-keygen")?;
    let ssh = require_program("ssh")?;
    python()?;
    let (sandbox, port) = (Sandbox::new(), free_port());
    let root = sandbox.root().display().to_string();
    for name in ["host_key", "key", "other_key"] {
        let mut command = sandbox.command(&keygen);
        command.args(["-q", "-t", "ed25519", "-N", "", "-f", &format!("../{name}")]);
        assert!(command.status().unwrap().success());
    }
    let public = |name: &str| fs::read_to_string(sandbox.root().join(name)).unwrap();
    let known = format!("sftp.test {}", public("host_key.pub"));
    for (name, text) in [
        ("authorized_keys", public("key.pub")),
        ("known_hosts", known),
        (
            "sshd_config",
            format!(
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
"
            ),
        ),
        // One alias for the host's key, whatever the port: some tests go through a proxy. The last two are what
        // a terminal alone could use.
        (
            "ssh_config",
            format!(
                r"Host refused
 IdentityFile {root}/other_key
Host * !refused
 IdentityFile {root}/key
Host unknown
 UserKnownHostsFile /dev/null
Host *
 HostName 127.0.0.1
 Port {port}
 IdentitiesOnly yes
 UserKnownHostsFile {root}/known_hosts
 GlobalKnownHostsFile none
 StrictHostKeyChecking ask
 HostKeyAlias sftp.test
 RemoteCommand false
 RequestTTY force
"
            ),
        ),
    ] {
        fs::write(sandbox.root().join(name), text).unwrap();
    }
    let wrapper = format!(
        "#!/bin/sh\nexec '{}' -F {root}/ssh_config \"$@\"\n",
        ssh.display()
    );
    sandbox.write_executable("ssh", &wrapper);
    sandbox.link_program("ssh", &sandbox.work().join("ssh"));
    // Where the server lets the processes that have not logged in yet run; only root can make it.
    let _ = fs::create_dir_all("/run/sshd");
    let supervisor = start(&sandbox, &sshd, &["-D", "-e", "-f", "../sshd_config"], port);
    let user = Command::new("id").arg("-un").output().unwrap().stdout;
    let user = String::from_utf8(user).unwrap();
    let uri = format!(
        "sftp://{}@localhost:{{port}}{root}/served/bucket/top/",
        user.trim()
    );
    let variables = sandbox.environment();
    let path = variables.into_iter().find(|(name, _)| name == "PATH").unwrap().1;
    let variables = vec![("PATH", path)];
    Some(Server::of_directory(
        "sftp", port, variables, uri, sandbox, supervisor,
    ))
}
