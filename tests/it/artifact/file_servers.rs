//! What servers that keep files in directories make of odd names, refusals and odd URIs.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::Signal;

use super::servers::{self, Server};
use super::uploads::uploaded;
use super::{SHOW, assert_nothing_is_left, layout, project_for, run, sum_of_big};
use crate::harness::running::{assert_nothing_lives, send, wait_until};
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{Project, Sandbox, assert_contains, assert_ends_with, assert_lacks};

/// Writes files below the place of the server's files, and gives that place.
fn with_files(server: &Server, files: &[(&str, &str)]) -> PathBuf {
    let top = server.directory().join("bucket/top");
    for (path, text) in files {
        let path = top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    top
}

/// The names of the files that a run with this URI has.
fn names(server: &Server, path: &str) -> Vec<String> {
    let project = project_for(server, server.port);
    let finished = run(&project, &server.uri(path, server.port)).with_code(0);
    layout(finished.stdout()).0.into_keys().collect()
}

/// What a run with this URI says, which must fail before there is a run.
fn refusal(server: &Server, uri: &str) -> String {
    let project = project_for(server, server.port);
    let finished = run(&project, uri).with_code(1);
    assert_eq!(finished.store().runs.len(), 0);
    assert_nothing_is_left(&project);
    finished.stderr().to_owned()
}

#[test]
fn names_are_taken_as_they_are() {
    let odd = ["-l", "a%20b", "a;b 'c' \"d\"", "glob*[x]?{1}", "per%cent", "äöü"];
    for server in [servers::ftp(), servers::sftp()].into_iter().flatten() {
        let files: Vec<(String, String)> = odd
            .iter()
            .map(|name| (format!("odd/{name}"), format!("{name}\n")))
            .collect();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        with_files(server, &files);
        let mut expected: Vec<String> = odd.iter().map(|name| format!("odd/{name}")).collect();
        expected.sort();
        assert_eq!(names(server, "odd"), expected, "{}", server.kind);
        for name in odd {
            // In a URI these two begin something else.
            if !name.contains(['?', '#']) {
                assert_eq!(names(server, &format!("odd/{name}")), [name], "{}", server.kind);
            }
        }
    }
}

/// Where nothing is called as the URI says, it may have been written as a web address.
#[test]
fn a_name_may_be_encoded_but_no_command() {
    let all = [servers::ftp(), servers::sftp(), servers::webhdfs()];
    for server in all.into_iter().flatten() {
        let top = with_files(server, &[("two words/x", "x\n"), ("stays", "stays\n")]);
        assert_eq!(names(server, "two%20words"), ["two%20words/x"], "{}", server.kind);
        let uri = server.uri("nope%0D%0ADELE%20", server.port);
        let told = refusal(server, &format!("{uri}{}/stays", top.display()));
        assert_contains(&told, "not found");
        assert!(top.join("stays").exists());
        let told = refusal(server, &server.uri("nope\r\nDELE stays", server.port));
        let expected = match server.kind {
            "hdfs" => "not found",
            _ => "is not a valid address: it contains a control character",
        };
        assert_contains(&told, expected);
    }
}

#[test]
fn an_old_ftp_server_is_enough() {
    let Some(server) = servers::old_ftp() else { return };
    assert_eq!(
        names(server, "tree/"),
        ["d/e/empty", "d/e/three.bin", "d/two words+&ü.txt", "one.txt"]
    );
    assert_eq!(names(server, "tree/one.txt"), ["one.txt"]);
    let sandbox = Sandbox::new();
    let uri = server.uri("runs", server.port);
    assert_eq!(uploaded(&uri, &[], &sandbox), None);
    assert_eq!(server.read("top/runs/logs/std out.txt"), b"a line\n");
}

/// No connection brings all of the file.
#[test]
fn what_an_ftp_server_breaks_off_is_continued() {
    let Some(server) = servers::ftp() else { return };
    let project = project_for(server, server.port);
    let uri = server.uri("big.bin", server.port).replace("anna:", "broken:");
    let finished = run(&project, &uri).with_code(0);
    assert_eq!(layout(finished.stdout()).0["big.bin"], sum_of_big());
}

#[test]
fn links_behind_ssh_lead_on() {
    let Some(server) = servers::sftp() else { return };
    let top = with_files(server, &[("linked/there/x", "x\n"), ("linked/in/y", "y\n")]);
    for (name, target) in [("directory", "../there"), ("file", "../there/x")] {
        let _ = std::os::unix::fs::symlink(target, top.join("linked/in").join(name));
    }
    assert_eq!(names(server, "linked/in/"), ["directory/x", "file", "y"]);
    assert_eq!(names(server, "linked/in/directory/"), ["x"]);
}

#[test]
fn what_ssh_refuses_is_told() {
    let Some(server) = servers::sftp() else { return };
    for (host, expected) in [
        ("refused", "Permission denied (publickey)"),
        ("unknown", "Host key verification failed."),
    ] {
        let told = refusal(server, &format!("sftp://{host}/x"));
        assert_contains(&told, "caused by: `ssh -o BatchMode=yes ");
        assert_contains(&told, expected);
        assert_contains(&told, &format!("hint: run `ssh {host}` in a terminal"));
    }
    let sandbox = Sandbox::new();
    let uri = server.uri("tree/one.txt", server.port);
    let error = uploaded(&uri, &server.variables(server.port), &sandbox).unwrap();
    assert_contains(&error, "the SFTP server returned 4 (");
    assert_contains(&error, "for the login with `ssh -p ");
}

#[test]
fn an_interrupt_ends_ssh_too() {
    let project = Project::new().mlproject(SHOW);
    let sandbox = project.sandbox();
    sandbox.write_executable("ssh", "#!/bin/sh\ntouch \"$HOME/began\"\nexec sleep 1000\n");
    sandbox.link_program("ssh", &sandbox.work().join("ssh"));
    let mut command = sandbox.interruptible_mlrun();
    command.args([
        "run",
        "project",
        "--env-manager",
        "local",
        "-P",
        "data=sftp://host/x",
    ]);
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let began = sandbox.root().join("home/began");
    wait_until("ssh begins", || began.exists());
    send(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_nothing_lives(&project);
}

#[test]
fn ssh_is_told_where_to_go() {
    for (uri, expected) in [
        ("sftp://a%40b@h:2121/x", "-p 2121 -l a@b -s -- h sftp\n"),
        ("sftp://[::1]/x", "=no -s -- ::1 sftp\n"),
        ("sftp:/x", "=no -s -- localhost sftp\n"),
    ] {
        let project = Project::new().mlproject(SHOW);
        let sandbox = project.sandbox();
        sandbox.write_executable("ssh", "#!/bin/sh\necho \"$@\" > \"$HOME/told\"\nexit 255\n");
        sandbox.link_program("ssh", &sandbox.work().join("ssh"));
        run(&project, uri).expect_code(1);
        let told = fs::read_to_string(sandbox.root().join("home/told")).unwrap();
        assert_ends_with(&told, expected);
    }
}

#[test]
fn the_name_node_is_found_in_hadoop_s_configuration() {
    let file = |name: &str, value: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<configuration>\n<!-- a --><property><name>{name}</name><value>{value}</value></property>\n\
             <property><name>other</name><value>x</value><final>true</final></property></configuration>"
        )
    };
    for (uri, expected) in [
        ("hdfs:/x", "GET http://name:50070/webhdfs/v1/x?op=GETFILESTATUS"),
        (
            "hdfs://name:8020/x",
            "GET http://name:50070/webhdfs/v1/x?op=GETFILESTATUS",
        ),
        ("hdfs://other:8020/x", "GET http://other:9870/webhdfs/v1/x?"),
        ("hdfs://other/x", "GET http://other:9870/webhdfs/v1/x?"),
    ] {
        let proxy = ScriptedServer::start(vec![Step::page(407, "who?"); 6]);
        let project = Project::new()
            .mlproject(SHOW)
            .env("http_proxy", &proxy.url())
            .env("HADOOP_CONF_DIR", "<sandbox>/work");
        let sandbox = project.sandbox();
        sandbox.write("core-site.xml", file("fs.defaultFS", "hdfs://name:8020"));
        sandbox.write("hdfs-site.xml", file("dfs.namenode.http-address", "name:50070"));
        run(&project, uri).expect_code(1);
        assert!(proxy.lines()[0].starts_with(expected), "{:?}", proxy.lines());
    }
    let project = Project::new().mlproject(SHOW);
    let finished = run(&project, "hdfs:/x").with_code(1);
    let expected = "an hdfs: address without a host cannot be used: no core-site.xml in HADOOP_CONF_DIR sets fs.defaultFS";
    assert_contains(finished.stderr(), expected);
}

#[test]
fn what_ssh_cannot_be_told_is_refused() {
    let project = Project::new().mlproject(SHOW);
    for (uri, expected) in [
        (
            "sftp:h/x",
            "is not a valid address: the colon must be followed by two slashes\n",
        ),
        ("sftp://h:port/x", "is not a valid address: invalid port number\n"),
        (
            "sftp://anna:geheim@host/x",
            "error: 'sftp://host/x' for the parameter 'data' is not a valid address: ssh does not accept a password in a URI\n\
             hint: remove the password from the URI, and install your key on the server with `ssh-copy-id USER@HOST`\n",
        ),
        (
            "sftp://-oProxyCommand=touch%20x/x",
            "is not a valid address: its host and user must not begin with '-' or contain special characters of a shell\n",
        ),
        (
            "sftp://-l@host/x",
            "is not a valid address: its host and user must not begin",
        ),
        (
            "sftp://$(id)/x",
            "is not a valid address: its host and user must not begin",
        ),
        (
            "sftp://a%60id%60@host/x",
            "is not a valid address: its host and user must not begin",
        ),
    ] {
        let finished = run(&project, uri).with_code(1);
        assert_contains(finished.stderr(), expected);
        assert_eq!(finished.store().runs.len(), 0);
    }
    let sandbox = Sandbox::new();
    let error = uploaded("sftp://anna:geheim@host/x", &[], &sandbox).unwrap();
    assert_ends_with(
        &error,
        "not a valid address: ssh does not accept a password in a URI",
    );
    assert_lacks(&error, "geheim");
}
