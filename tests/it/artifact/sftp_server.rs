//! OpenSSH's server on loopback, with files behind its `sftp` subsystem.

use std::fs;
use std::process::Command;

use super::servers::{Server, python, start};
use crate::harness::{Sandbox, free_port, require_program, write_ssh_server_files};

/// The name by which clients know the server's key.
const HOST: &str = "sftp.test";

/// Starts the server. Its clients' `PATH` begins with an `ssh` that has a configuration: the user's own is
/// always the one in the home directory that the system knows.
pub(super) fn start_sftp() -> Option<Server> {
    let sshd = require_program("sshd")?;
    let keygen = require_program("ssh-keygen")?;
    let ssh = require_program("ssh")?;
    python()?;
    let (sandbox, port) = (Sandbox::new(), free_port());
    let root = sandbox.root().display().to_string();
    write_ssh_server_files(&sandbox, &keygen, port, HOST);
    // One alias for the host's key, whatever the port: some tests go through a proxy. The last two are what
    // a terminal alone could use.
    let config = format!(
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
 HostKeyAlias {HOST}
 RemoteCommand false
 RequestTTY force
"
    );
    fs::write(sandbox.root().join("ssh_config"), config).unwrap();
    let wrapper = format!(
        "#!/bin/sh\nexec '{}' -F {root}/ssh_config \"$@\"\n",
        ssh.display()
    );
    sandbox.write_executable("ssh", &wrapper);
    sandbox.link_program("ssh", &sandbox.work().join("ssh"));
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
