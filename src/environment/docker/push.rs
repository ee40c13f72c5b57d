//! The push of an image to its registry, and the digest that the registry knows it by.

use super::{DockerError, Engine};
use crate::events::Progress;

/// How often an image is pushed whose name another run gave away meanwhile.
const TRIES: u32 = 3;

/// Pushes the image `id`, which is called `uri`, and gives its digest.
///
/// A name can come to mean another image at any time, and a push goes by the name: so the digest is the
/// one that the engine has for the image itself.
pub(super) async fn push(
    engine: &Engine,
    uri: &str,
    id: &str,
    progress: &dyn Progress,
) -> Result<String, DockerError> {
    if engine.is_podman() {
        return push_by_id(engine, uri, id, progress).await;
    }
    for _ in 0..TRIES {
        // Scripts look for this line; it is MLflow's own.
        progress.info(&format!("=== Pushing docker image {uri} ==="));
        let pushed = engine
            .call(["push", uri])
            .stream(&mut |line| progress.program_line(line))
            .await;
        pushed.map_err(|error| DockerError::of_push(engine.program(), uri, error))?;
        if let Some(digest) = digest(engine, uri, id).await? {
            return Ok(digest);
        }
        let tagged = engine.call(["tag", id, uri]).capture().await;
        tagged.map_err(|error| DockerError::of_engine(engine.program(), error))?;
    }
    Err(no_digest(engine, uri))
}

/// Pushes by podman, which takes the image itself, and may compress it anew: so only the push knows
/// the digest.
async fn push_by_id(
    engine: &Engine,
    uri: &str,
    id: &str,
    progress: &dyn Progress,
) -> Result<String, DockerError> {
    let temporary = || DockerError::temporary(engine.program());
    let file = tempfile::Builder::new()
        .prefix("mlrun-digest-")
        .tempfile()
        .map_err(temporary())?;
    // Scripts look for this line; it is MLflow's own.
    progress.info(&format!("=== Pushing docker image {uri} ==="));
    let pushed = engine
        .call(["push", "--digestfile"])
        .argument(file.path())
        .arguments([id, uri])
        .stream(&mut |line| progress.program_line(line))
        .await;
    pushed.map_err(|error| DockerError::of_push(engine.program(), uri, error))?;
    let digest = std::fs::read_to_string(file.path()).map_err(temporary())?;
    match digest.trim() {
        "" => Err(no_digest(engine, uri)),
        digest => Ok(digest.to_owned()),
    }
}

/// The engine has pushed the image but does not say its digest.
fn no_digest(engine: &Engine, uri: &str) -> DockerError {
    let program = engine.program();
    DockerError::new(
        format!("{program} does not say the digest of the pushed image '{uri}'"),
        format!("look whether `{program} image inspect {uri}` shows RepoDigests"),
    )
}

/// The digest of the image in the repository of this name.
async fn digest(engine: &Engine, uri: &str, id: &str) -> Result<Option<String>, DockerError> {
    let call = engine.call([
        "image",
        "inspect",
        "--format",
        "{{range .RepoDigests}}{{println .}}{{end}}",
        "--",
        id,
    ]);
    let shown = call.capture().await;
    let shown = shown.map_err(|error| DockerError::of_engine(engine.program(), error))?;
    Ok(digest_in(&shown.text(), repository(uri)).map(str::to_owned))
}

/// The name without a tag.
fn repository(uri: &str) -> &str {
    match uri.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => uri,
    }
}

/// The newest digest of the repository among lines of `NAME@DIGEST`. Engines put the host of their
/// default registry before names, or leave it out.
fn digest_in<'a>(lines: &'a str, repository: &str) -> Option<&'a str> {
    let mut found = lines.lines().filter_map(|line| {
        let (name, digest) = line.trim().split_once('@')?;
        let is_same = name == repository
            || ["docker.io/", "docker.io/library/", "index.docker.io/"]
                .iter()
                .any(|host| {
                    name.strip_prefix(host) == Some(repository) || repository.strip_prefix(host) == Some(name)
                });
        is_same.then_some(digest)
    });
    found.next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_repository() {
        let lines = "other/x@sha256:0\nlocalhost:5000/a/b@sha256:1\nuser/c@sha256:2\n\n";
        for (uri, expected) in [
            ("localhost:5000/a/b:0123456", Some("sha256:1")),
            ("localhost:5000/a/b", Some("sha256:1")),
            ("docker.io/user/c:1", Some("sha256:2")),
            ("user/c", Some("sha256:2")),
            ("user/d", None),
        ] {
            assert_eq!(digest_in(lines, repository(uri)), expected, "{uri}");
        }
    }
}
