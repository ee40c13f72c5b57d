//! Explains the error messages of `git`, `ssh` and libgit2. They have no error codes, but their English wording is
//! stable across versions, except for texts of the HTTP and TLS libraries below them.

use super::progress;
use super::remote::Remote;
use crate::fetch::FetchError;
use crate::fetch::error::{FetchErrorKind, NO_SPACE};
use crate::process::ProcessError;

/// The meaning of an error message, and a hint.
struct Meaning {
    /// Alternatives, separated by `|`.
    words: &'static str,
    /// Replaces the program's whole output, unless it is empty. `{host}`, `{url}` and `{path}` are those of the
    /// repository, `{answer}` is the line with the words, `{tried}` says which credentials were sent.
    message: &'static str,
    hint: &'static str,
    kind: FetchErrorKind,
}

const fn meaning(words: &'static str, message: &'static str, hint: &'static str) -> Meaning {
    Meaning {
        words,
        message,
        hint,
        kind: FetchErrorKind::Final,
    }
}

const fn passing(words: &'static str, message: &'static str, hint: &'static str) -> Meaning {
    Meaning {
        kind: FetchErrorKind::Any,
        ..meaning(words, message, hint)
    }
}

const CERTIFICATE: &str =
    "set GIT_SSL_CAINFO or Git's http.sslCAInfo to the file of the certificate authority";
const CREDENTIALS: &str =
    "set up a Git credential helper or GIT_ASKPASS, or use a URL with https://USER:TOKEN@…";
const NETWORK: &str = "check the network connection and the proxy settings (http.proxy, https_proxy)";
const NO_REPOSITORY: &str = "cannot read the repository: {answer}";
const SPELLING: &str = "check the spelling; a private repository needs credentials";
const URL: &str = "check the URL";
const INSTALL_GIT: &str = "install git, or add its directory to PATH";

/// The first match counts. libgit2's messages begin in lower case.
const MEANINGS: &[Meaning] = &[
    meaning(
        "Could not resolve host|unable to look up |failed to resolve address",
        "unknown host '{host}'",
        "check the spelling and the network connection",
    ),
    meaning("timed out", "cannot connect to '{host}': no answer", NETWORK),
    meaning(
        "Connection refused",
        "cannot connect to '{host}': connection refused",
        NETWORK,
    ),
    meaning(
        "code 407|response 407|returned error: 407|answers 407",
        "cannot connect to '{host}': the proxy requires a user and password",
        NETWORK,
    ),
    meaning(
        "Could not resolve proxy",
        "cannot connect to '{host}': {answer}",
        NETWORK,
    ),
    meaning(
        "ailed to connect to|unable to connect to|connect to server",
        "cannot connect to '{host}': connection refused, or no route to it",
        NETWORK,
    ),
    passing(
        "wrong version number|unexpected TLS packet|packet length too long",
        "the server is not a Git server: '{host}' does not speak the protocol of the URL",
        URL,
    ),
    meaning(
        "certificate is not trusted|not accept the client's certificate",
        "cannot connect to '{host}' securely: {answer}",
        CERTIFICATE,
    ),
    meaning(
        "certificate problem|certificate verification failed|SSL: ",
        "cannot connect to '{host}' securely: the server's certificate is not trusted: {answer}",
        CERTIFICATE,
    ),
    meaning(
        "could not read Username|could not read Password",
        "'{host}' refuses access; no credentials found in the URL, Git's credential helpers or GIT_ASKPASS",
        CREDENTIALS,
    ),
    meaning(
        "Authentication failed for|returned error: 401|returned error: 403",
        "'{host}' refuses access; tried: {tried}",
        CREDENTIALS,
    ),
    meaning("refuses access; tried: ", "{answer}", CREDENTIALS),
    meaning(
        "fatal: repository '|not exported|not appear to be a git repository|could not find repository",
        NO_REPOSITORY,
        SPELLING,
    ),
    meaning(
        "returned error: 404|returned error: 410|answers 404|answers 410",
        NO_REPOSITORY,
        SPELLING,
    ),
    passing(
        "not valid: is this a git repository?|does not speak Git's protocol",
        "the server is not a Git server: '{url}' does not speak Git's protocol",
        URL,
    ),
    meaning(
        "detected dubious ownership in|is not owned by current user",
        "the repository '{path}' belongs to another user",
        "if you trust it: git config --global --add safe.directory '{path}'",
    ),
    passing(
        "object format '|extensions.objectformat",
        "a SHA-256 repository needs the program 'git', which was not found",
        INSTALL_GIT,
    ),
    // Before "early EOF", which a full disk may cause too.
    passing("No space left on device", "", NO_SPACE),
    passing(
        "early EOF|hung up unexpectedly|unexpected disconnect|RPC failed",
        "the connection was lost: {answer}",
        NETWORK,
    ),
    meaning(
        "Host key verification failed|host key is known",
        "",
        "run 'ssh HOST' once and confirm the host's key, which adds it to ~/.ssh/known_hosts",
    ),
    meaning(
        "Permission denied (",
        "",
        "add your key to the SSH agent, or set GIT_SSH_COMMAND=\"ssh -i KEY\"; \
         a key with a passphrase needs the agent",
    ),
    meaning("Could not read from remote repository", "", ""),
];

pub(super) fn needs_program(need: &str) -> FetchError {
    let message = format!("{need} needs the program 'git', which was not found");
    FetchError::new(message, INSTALL_GIT)
}

pub(super) fn no_git_server(remote: &Remote) -> FetchError {
    let message = format!("the server is not a Git server: '{remote}' does not speak Git's protocol");
    FetchError::new(message, URL)
}

pub(super) fn of_program(mut error: ProcessError, remote: &Remote) -> FetchError {
    let mut lines = Vec::new();
    if let ProcessError::Failed { last_lines, .. } = &mut error {
        last_lines.retain(|line| !is_noise(line));
        lines.clone_from(last_lines);
    }
    let whole = error.to_string();
    problem(&lines, &whole, remote).unwrap_or_else(|| {
        let problem = FetchError::new(whole, error.hint().unwrap_or_default());
        match error {
            ProcessError::Start { source, .. } | ProcessError::Output { source, .. } => {
                problem.caused_by(source)
            }
            _ => problem,
        }
    })
}

pub(super) fn of_library(action: &str, error: git2::Error, remote: &Remote) -> FetchError {
    let message = error.message();
    problem(&[message.to_owned()], message, remote).unwrap_or_else(|| library(action)(error))
}

/// For `map_err` on a libgit2 error that needs no explanation.
pub(super) fn library(action: &str) -> impl FnOnce(git2::Error) -> FetchError {
    move |error| FetchError::new(format!("cannot {action}"), "").caused_by(error)
}

/// The problem that these lines describe; `whole` is the whole message.
fn problem(lines: &[String], whole: &str, remote: &Remote) -> Option<FetchError> {
    let (meaning, line) = MEANINGS.iter().find_map(|meaning| {
        let says = |line: &&String| meaning.words.split('|').any(|words| line.contains(words));
        Some((meaning, lines.iter().find(says)?))
    })?;
    let tried = match &remote.credentials {
        Some(known) if known.password.is_some() => "the user and password in the URL",
        _ => "the credentials of Git's helpers or GIT_ASKPASS",
    };
    let url = remote.to_string();
    let filled = |text: &str| {
        text.replace("{host}", &remote.host())
            .replace("{tried}", tried)
            .replace("{path}", url.trim_start_matches("file://"))
            .replace("{url}", &url)
            .replace("{answer}", answer(line))
    };
    let message = match meaning.message {
        "" => whole.to_owned(),
        message => filled(message),
    };
    Some(FetchError::new(message, filled(meaning.hint)).of_kind(meaning.kind))
}

/// The line without the prefixes of `git`'s errors.
fn answer(line: &str) -> &str {
    let line = ["fatal: ", "error: ", "remote error: ", "unable to access '"]
        .into_iter()
        .fold(line, |line, beginning| {
            line.strip_prefix(beginning).unwrap_or(line)
        });
    let line = line.split_once("': ").map_or(line, |(_, answer)| answer);
    line.trim_end_matches('.')
}

/// Whether a line of `git`'s output says nothing about a failure.
fn is_noise(line: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "Cloning into '",
        "From ",
        " * ",
        "remote: Total ",
        "Please make sure you have the correct access rights",
        "and the repository exists.",
        "warning: redirecting to ",
    ];
    line.trim().is_empty()
        || progress::parse(line).is_some()
        || BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}
