//! What the words of the `git` program, and of libgit2, mean. It has no codes for its errors; its English words are
//! the same in all versions, up to what the HTTP and TLS libraries below it say.

use super::problem::GitProblem;
use super::remote::Remote;

/// Texts of which one in a line tells what went wrong; the first match counts.
const MEANINGS: &[(&[&str], Meaning)] = &[
    (
        &[
            "Could not resolve host",
            "unable to look up ",
            "failed to resolve address",
        ],
        Meaning::UnknownHost,
    ),
    (
        &[
            "Connection timed out",
            "Operation timed out",
            "ailed to connect to",
            "unable to connect to",
            "Couldn't connect to server",
            "Could not connect to server",
            "Connection refused",
        ],
        Meaning::Unreachable,
    ),
    (
        &[
            "wrong version number",
            "unexpected TLS packet",
            "packet length too long",
        ],
        Meaning::NoTls,
    ),
    (
        &[
            "certificate problem",
            "certificate verification failed",
            "SSL: ",
            "error setting certificate",
        ],
        Meaning::Certificate,
    ),
    (
        &["could not read Username", "could not read Password"],
        Meaning::NoCredentials,
    ),
    (
        &[
            "Authentication failed for",
            "returned error: 401",
            "returned error: 403",
        ],
        Meaning::WrongCredentials,
    ),
    (
        &[
            "not exported",
            "does not appear to be a git repository",
            "returned error: 404",
            "returned error: 410",
        ],
        Meaning::NoRepository,
    ),
    (&["not valid: is this a git repository?"], Meaning::NotGit),
    (&["detected dubious ownership in"], Meaning::Foreign),
];

#[derive(Debug, Clone, Copy)]
enum Meaning {
    UnknownHost,
    Unreachable,
    NoTls,
    Certificate,
    NoCredentials,
    WrongCredentials,
    NoRepository,
    NotGit,
    Foreign,
}

/// The problem that these lines tell of, if it is one of the usual.
pub(super) fn meaning(lines: &[String], remote: &Remote) -> Option<GitProblem> {
    let host = remote.host();
    let (line, meaning) = lines.iter().find_map(|line| {
        if line.starts_with("fatal: repository '") && line.ends_with("' not found") {
            return Some((line, Meaning::NoRepository));
        }
        let says = |texts: &[&str]| texts.iter().any(|text| line.contains(text));
        MEANINGS
            .iter()
            .find(|(texts, _)| says(texts))
            .map(|(_, meaning)| (line, *meaning))
    })?;
    Some(match meaning {
        Meaning::UnknownHost => GitProblem::UnknownHost { host },
        Meaning::Unreachable => GitProblem::Unreachable {
            host,
            reason: if lines.iter().any(|line| line.contains("timed out")) {
                "no answer".to_owned()
            } else if lines.iter().any(|line| line.contains("refused")) {
                "connection refused".to_owned()
            } else {
                "connection refused, or no route to it".to_owned()
            },
        },
        Meaning::NoTls => GitProblem::Protocol {
            reason: format!("'{host}' does not speak the protocol of the URL"),
        },
        Meaning::Certificate => GitProblem::Certificate {
            host,
            reason: format!("the server's certificate is not trusted: {}", answer(line)),
        },
        Meaning::NoCredentials => GitProblem::Access {
            host,
            tried: vec!["Git's credential helpers and GIT_ASKPASS, which know none".to_owned()],
        },
        Meaning::WrongCredentials => GitProblem::Access {
            host,
            tried: vec![
                match remote.credentials() {
                    Some(known) if known.password.is_some() => "the user and password in the URL",
                    _ => "what Git's credential helpers or GIT_ASKPASS gave",
                }
                .to_owned(),
            ],
        },
        Meaning::NoRepository => GitProblem::NoRepository { answer: answer(line) },
        Meaning::NotGit => GitProblem::not_git(remote),
        Meaning::Foreign => GitProblem::ForeignRepository {
            path: remote.url().trim_start_matches("file://").into(),
        },
    })
}

/// The line without what `git` begins every error with.
fn answer(line: &str) -> String {
    let line = ["fatal: ", "error: ", "remote error: ", "unable to access '"]
        .into_iter()
        .fold(line, |line, beginning| {
            line.strip_prefix(beginning).unwrap_or(line)
        });
    let line = line.split_once("': ").map_or(line, |(_, answer)| answer);
    line.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_failures_are_understood() {
        for (line, expected) in [
            (
                "fatal: unable to access 'https://host/x/': Could not resolve host: host",
                "the host 'host' is not known",
            ),
            (
                "fatal: unable to look up host (port 9418) (Name or service not known)",
                "the host 'host' is not known",
            ),
            (
                "fatal: unable to access 'https://host/x/': Failed to connect to host port 1 after 0 ms: Couldn't connect to server",
                "cannot connect to 'host': connection refused, or no route to it",
            ),
            (
                "ssh: connect to host host port 22: Connection refused",
                "cannot connect to 'host': connection refused",
            ),
            (
                "ssh: connect to host host port 22: Connection timed out",
                "cannot connect to 'host': no answer",
            ),
            (
                "fatal: unable to access 'https://host/x/': SSL certificate problem: certificate has expired",
                "cannot connect to 'host' securely: the server's certificate is not trusted: SSL certificate problem: certificate has expired",
            ),
            (
                "fatal: could not read Username for 'https://host': terminal prompts disabled",
                "'host' refuses access; tried: Git's credential helpers and GIT_ASKPASS, which know none",
            ),
            (
                "fatal: Authentication failed for 'https://host/x/'",
                "'host' refuses access; tried: the user and password in the URL",
            ),
            (
                "fatal: remote error: access denied or repository not exported: /x",
                "there is no repository that can be read: access denied or repository not exported: /x",
            ),
            (
                "fatal: repository 'https://host/x/' not found",
                "there is no repository that can be read: repository 'https://host/x/' not found",
            ),
            (
                "fatal: https://host/x/info/refs not valid: is this a git repository?",
                "the server is not a Git server: 'https://host/x' does not speak Git's protocol",
            ),
        ] {
            let lines = ["remote: hello".to_owned(), line.to_owned()];
            let problem = meaning(&lines, &Remote::new("https://u:p@host/x")).expect(line);
            assert_eq!(problem.to_string(), expected);
        }
        let lines = ["fatal: couldn't find remote ref x".to_owned()];
        assert!(meaning(&lines, &Remote::new("https://host/x")).is_none());
    }
}
