//! Tracking URIs that look like something else than a directory: refused before anything is created.

use crate::harness::{Project, assert_lacks};

fn project(uri: &str) -> Project {
    Project::new().command("echo ran").env("MLFLOW_TRACKING_URI", uri)
}

#[test]
fn what_looks_like_a_server_a_url_or_a_database_is_refused() {
    for (uri, hint) in [
        ("127.0.0.1:5000", "did you mean http://127.0.0.1:5000?"),
        ("mlflow.example.com", "did you mean http://mlflow.example.com?"),
        ("\"http://127.0.0.1:5000\"", "did you mean http://127.0.0.1:5000?"),
        (" http://127.0.0.1:5000", "did you mean http://127.0.0.1:5000?"),
        ("http://127.0.0.1:5000\n", "did you mean http://127.0.0.1:5000?"),
        ("http//127.0.0.1", "did you mean http://127.0.0.1?"),
        ("http:/127.0.0.1", "did you mean http://127.0.0.1?"),
        ("htp://127.0.0.1", "did you mean http://127.0.0.1?"),
        ("mlflow.db", "did you mean sqlite:///mlflow.db?"),
        (
            "<sandbox>/work/data/mlflow.db",
            "did you mean sqlite:///<sandbox>/work/data/mlflow.db?",
        ),
        ("file:mlflow.db", "did you mean sqlite:///mlflow.db?"),
        ("sqlite://x.db", "did you mean sqlite:///x.db"),
        ("file://./mlruns", "did you mean ./mlruns or file:///mlruns?"),
        ("file://mlruns", "did you mean ./mlruns?"),
        (
            "postgres://anna:geheim@127.0.0.1/x",
            "write postgresql:// instead of postgres:",
        ),
        (
            "postgresql+asyncpg://anna:geheim@127.0.0.1/x",
            "write postgresql+psycopg2:// instead",
        ),
        (
            "anna:geheim@127.0.0.1:5000",
            "write http:// or https:// in front of it",
        ),
    ] {
        let project = project(uri);
        for line in [
            &["run", "project", "--env-manager", "local"][..],
            &["run", "project", "--env-manager", "local", "--dry-run"],
            &["status", "0123456789abcdef0123456789abcdef"],
        ] {
            let finished = project.mlrun(line).with_code(1);
            let told = finished.stderr();
            assert!(told.contains("error: the tracking URI '"), "{uri}: {told}");
            assert!(told.contains(&project.sandbox().expand(hint)), "{uri}: {told}");
            assert_lacks(told, "geheim");
        }
        let files = project.sandbox().files();
        assert_eq!(files.iter().collect::<Vec<_>>(), ["project/MLproject"], "{uri}");
    }
}

/// An environment file is where quotes and line ends come from.
#[test]
fn an_environment_file_is_read_with_its_quotes() {
    let project = Project::new().command("echo ran");
    for (file, code) in [
        ("MLFLOW_TRACKING_URI=\"sqlite:///own.db\"\r\n", 0),
        ("MLFLOW_TRACKING_URI='\"sqlite:///own.db\"'\n", 1),
    ] {
        project.sandbox().write("variables", file);
        let line = [
            "--env-file",
            "variables",
            "run",
            "project",
            "--env-manager",
            "local",
        ];
        project.mlrun(&line).expect_code(code);
    }
}

#[test]
fn a_directory_is_used_whatever_its_name() {
    for uri in [
        "mlflow.example.com",
        "127.0.0.1:5000",
        "mlflow.db",
        "runs.v2",
        "./10.0.0.1",
    ] {
        let project = project(uri);
        let directory = project.sandbox().work().join(uri);
        if !matches!(uri, "runs.v2" | "./10.0.0.1") {
            std::fs::create_dir(&directory).unwrap();
        }
        project.run([]).expect_code(0);
        assert!(directory.join("0/meta.yaml").is_file(), "{uri}");
    }
}
