//! The same forms in the hands of the real `mlflow`: the same tags, the same files.

use std::collections::BTreeMap;
use std::fs;

use super::forms::{Access, ROWS, Row, run, runner};
use super::servers::Servers;
use crate::harness::{Project, Reference, Request, StoreContents};

/// What is compared of a run.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    source_tags: BTreeMap<String, String>,
    /// What the entry point printed: its files, the commit, the remote.
    printed: String,
}

impl Seen {
    fn new(store: &StoreContents, stdout: &str, project: &Project) -> Self {
        let run = store.run();
        assert_eq!(run.status, "FINISHED");
        let tags = run
            .tags
            .iter()
            .filter(|(name, _)| name.starts_with("mlflow.source."));
        let tags = tags.map(|(name, value)| (name.clone(), made_right(&project.sandbox().anonymous(value))));
        let without_credentials = stdout.replace("user:t0ken@", "").replace("user@", "");
        Self {
            source_tags: tags.collect(),
            printed: project.sandbox().anonymous(&without_credentials),
        }
    }
}

/// Where mlrun differs on purpose: the reference's tags keep quotes and credentials.
fn made_right(value: &str) -> String {
    mlrun::internals::redact::without_credentials(value.trim_matches('\''))
}

/// A local repository is copied: the reference checks out, and runs, in it.
fn own_uri(row: &Row, project: &Project, servers: &Servers) -> String {
    let uri = servers.expand(row.0);
    if row.0.starts_with("<repositories>") {
        let sandbox = project.sandbox();
        sandbox.shell(&format!("cp -r '{uri}' repository; chmod 700 repository"));
        return sandbox.expand("<sandbox>/work/repository");
    }
    uri
}

#[test]
fn the_reference_records_and_runs_the_same() {
    let (Some(servers), Some(reference)) = (Servers::shared(), Reference::shared()) else {
        return;
    };
    let mut compared = 0;
    for row in ROWS {
        // The reference takes `file://` for a path that it does not find, has no version without a
        // working tree, and its git program may not know OpenSSL's variable.
        let is_beyond = row.0.starts_with("file://")
            || row.0 == "<repositories>/project.git"
            || row.2 == Access::CertFile;
        if is_beyond {
            continue;
        }
        let project = runner(servers, row.2);
        let finished = run(&project, servers, &own_uri(row, &project, servers), row.1);
        finished.expect_code(0);
        let ours = Seen::new(&finished.store(), finished.stdout(), &project);

        let project = runner(servers, row.2);
        let uri = own_uri(row, &project, servers);
        let mut arguments = vec![
            "run".to_owned(),
            uri,
            "--env-manager".to_owned(),
            "local".to_owned(),
        ];
        if let Some(version) = row.1 {
            arguments.extend(["-v".to_owned(), version.to_owned()]);
        }
        let work = project.sandbox().work();
        let streams = ["in", "out", "err"].map(|name| project.sandbox().root().join(name));
        fs::write(&streams[0], "").unwrap();
        let request = Request {
            directory: &work,
            environment: &project.environment(),
            streams: [&streams[0], &streams[1], &streams[2]],
        };
        let code = reference.run(&request, &arguments);
        let errors = fs::read_to_string(&streams[2]).unwrap();
        assert_eq!(code, 0, "{row:?}\n{errors}");
        let store = StoreContents::of_sqlite(&work.join("mlflow.db"));
        let theirs = Seen::new(&store, &fs::read_to_string(&streams[1]).unwrap(), &project);
        assert_eq!(ours, theirs, "{row:?}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}
