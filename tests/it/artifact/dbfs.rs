//! `dbfs:` URIs, from a workspace that the tests play.

use std::collections::BTreeMap;

use fake_databricks::{FakeDatabricks, Fault, Settings, TOKEN};

use super::uploads::uploaded;
use super::{SHOW, assert_nothing_is_left, layout, run};
use crate::harness::{Project, Sandbox};

fn filled() -> FakeDatabricks {
    let workspace = FakeDatabricks::start(Settings::default());
    workspace.put_dbfs_file("/top/tree/one.txt", b"one\n");
    workspace.put_dbfs_file("/top/tree/d/two words", b"two\n");
    workspace.put_dbfs_file("/top/big.bin", &vec![b'x'; 3 << 20]);
    workspace
}

fn project_for(workspace: &FakeDatabricks, token: &str) -> Project {
    Project::new()
        .mlproject(SHOW)
        .env("DATABRICKS_HOST", workspace.url())
        .env("DATABRICKS_TOKEN", token)
}

#[test]
fn files_and_directories_are_brought() {
    let workspace = filled();
    // A block whose connection breaks is asked for again.
    workspace.fail(Fault::new("GET /api/2.0/dbfs/read", 1, fake_databricks::Action::Break).after(2));
    for (uri, files, path) in [
        ("dbfs:/top/tree", vec!["tree/d/two words", "tree/one.txt"], "tree"),
        ("dbfs:/top/tree/", vec!["d/two words", "one.txt"], ""),
        ("dbfs:/top/tree/one.txt", vec!["one.txt"], "one.txt"),
        ("dbfs:/top/big.bin", vec!["big.bin"], "big.bin"),
    ] {
        let project = project_for(&workspace, TOKEN);
        let finished = run(&project, uri).with_code(0);
        let (found, own): (BTreeMap<_, _>, _) = layout(finished.stdout());
        let found: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!((found, own.as_str()), (files, path), "{uri}");
    }
    for (uri, token, expected) in [
        ("dbfs:/top/nope", TOKEN, "the workspace has no 'dbfs:/top/nope'"),
        ("dbfs:/top/tree", "geheim", "DATABRICKS_TOKEN"),
    ] {
        let project = project_for(&workspace, token);
        let finished = run(&project, uri).with_code(1);
        let told = finished.stderr();
        assert!(told.contains(expected) && !told.contains("geheim"), "{told}");
        assert_eq!(finished.store().runs.len(), 0);
        assert_nothing_is_left(&project);
    }
}

#[test]
fn files_are_put() {
    let workspace = FakeDatabricks::start(Settings::default());
    let sandbox = Sandbox::new();
    let variables = [
        ("DATABRICKS_HOST", workspace.url().to_owned()),
        ("DATABRICKS_TOKEN", TOKEN.to_owned()),
    ];
    assert_eq!(
        uploaded("dbfs:/databricks/mlflow/1/artifacts", &variables, &sandbox),
        None
    );
    let files = workspace.dbfs_files();
    assert_eq!(
        files["/databricks/mlflow/1/artifacts/logs/std out.txt"],
        b"a line\n"
    );
}
