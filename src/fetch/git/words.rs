//! What the words of the `git` program, and of libgit2, mean. It has no codes for its errors; its English words are
//! the same in all versions, up to what the HTTP and TLS libraries below it say.

use super::problem::GitProblem;
use super::remote::Remote;

/// The problem that these lines tell of, if it is one of the usual.
pub(super) fn meaning(lines: &[String], remote: &Remote) -> Option<GitProblem> {
    let says = |texts: &[&str]| {
        let mut lines = lines.iter();
        lines.find(|line| texts.iter().any(|text| line.contains(text)))
    };
    let host = remote.host();
    let access = |tried: &str| GitProblem::Access {
        host: remote.host(),
        tried: tried.to_owned(),
    };
    if says(UNKNOWN_HOST).is_some() {
        return Some(GitProblem::UnknownHost { host });
    }
    if says(&["timed out"]).is_some() {
        let reason = "no answer".to_owned();
        return Some(GitProblem::Unreachable { host, reason });
    }
    if says(&["Connection refused"]).is_some() {
        let reason = "connection refused".to_owned();
        return Some(GitProblem::Unreachable { host, reason });
    }
    if says(&["code 407", "response 407", "returned error: 407"]).is_some() {
        let reason = "the proxy asks for a user and password".to_owned();
        return Some(GitProblem::Unreachable { host, reason });
    }
    if let Some(line) = says(&["Could not resolve proxy"]) {
        let reason = answer(line);
        return Some(GitProblem::Unreachable { host, reason });
    }
    if says(UNREACHABLE).is_some() {
        let reason = "connection refused, or no route to it".to_owned();
        return Some(GitProblem::Unreachable { host, reason });
    }
    if says(NO_TLS).is_some() {
        let reason = format!("'{host}' does not speak the protocol of the URL");
        return Some(GitProblem::Protocol { reason });
    }
    if let Some(line) = says(CERTIFICATE) {
        let reason = format!("the server's certificate is not trusted: {}", answer(line));
        return Some(GitProblem::Certificate { host, reason });
    }
    if says(&["could not read Username", "could not read Password"]).is_some() {
        return Some(access(
            "Git's credential helpers and GIT_ASKPASS, which know none",
        ));
    }
    if says(REFUSED).is_some() {
        let is_of_url = remote.credentials().is_some_and(|known| known.password.is_some());
        return Some(access(if is_of_url {
            "the user and password in the URL"
        } else {
            "what Git's credential helpers or GIT_ASKPASS gave"
        }));
    }
    if let Some(line) = says(NO_REPOSITORY) {
        return Some(GitProblem::NoRepository { answer: answer(line) });
    }
    if says(&["not valid: is this a git repository?"]).is_some() {
        return Some(GitProblem::not_git(remote));
    }
    if says(&["detected dubious ownership in"]).is_some() {
        return Some(GitProblem::foreign(remote));
    }
    // What is written down may be what ends too early.
    let line = says(BROKEN).filter(|_| says(&["No space left on device"]).is_none())?;
    let reason = answer(line);
    Some(GitProblem::Broken { reason })
}

/// What an unknown host is told by, and so on. The words of libgit2 begin in lower case.
const UNKNOWN_HOST: &[&str] = &[
    "Could not resolve host",
    "unable to look up ",
    "failed to resolve address",
];
const UNREACHABLE: &[&str] = &["ailed to connect to", "unable to connect to", "connect to server"];
const NO_TLS: &[&str] = &[
    "wrong version number",
    "unexpected TLS packet",
    "packet length too long",
];
const CERTIFICATE: &[&str] = &["certificate problem", "certificate verification failed", "SSL: "];
const REFUSED: &[&str] = &[
    "Authentication failed for",
    "returned error: 401",
    "returned error: 403",
];
const BROKEN: &[&str] = &[
    "early EOF",
    "hung up unexpectedly",
    "unexpected disconnect",
    "RPC failed",
];
const NO_REPOSITORY: &[&str] = &[
    "fatal: repository '",
    "not exported",
    "does not appear to be a git repository",
    "returned error: 404",
    "returned error: 410",
];

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
                "fatal: unable to access 'https://host/x/': Could not resolve proxy: proxy",
                "cannot connect to 'host': Could not resolve proxy: proxy",
            ),
            (
                "fatal: unable to access 'https://host/x/': CONNECT tunnel failed, response 407",
                "cannot connect to 'host': the proxy asks for a user and password",
            ),
            (
                "fatal: the remote end hung up unexpectedly",
                "the connection broke: the remote end hung up unexpectedly",
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
