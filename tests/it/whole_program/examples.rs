//! The example projects, as a reader runs them.

use std::path::PathBuf;
use std::process::Command;

use crate::harness::{
    Project, Requirement, StoreContents, assert_contains, assert_starts_with, mlflow3, require,
};

fn example(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A program in `examples`. Cargo builds them with the tests, but not where only this test binary is
/// asked for.
fn program_of_example(name: &str) -> PathBuf {
    let mut program = std::env::current_exe().unwrap();
    program.pop();
    program.pop();
    program.extend(["examples", name]);
    if !program.exists() {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--locked", "--example", name])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status();
        assert!(built.unwrap().success());
    }
    program
}

#[test]
fn quickstart() {
    let project = Project::new().env("PATH", &std::env::var("PATH").unwrap());
    let directory = example("quickstart");
    for (arguments, lines) in [
        (&["-P", "points=1000"][..], 1),
        (&["-e", "convergence", "-P", "steps=3"], 3),
    ] {
        let mut all = vec!["run", &directory, "--env-manager", "local"];
        all.extend(arguments);
        let finished = project.mlrun(&all).with_code(0);
        let output = finished.stdout();
        assert_eq!(output.lines().count(), lines, "{output}");
        assert!(
            output.lines().all(|line| line.starts_with("pi is about ")),
            "{output}"
        );
    }
}

#[test]
fn rust_driver() {
    let driver = program_of_example("rust_driver");
    let project = Project::new();
    let output = project
        .sandbox()
        .command(driver)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for points in ["10", "1000", "100000"] {
        assert_contains(&text, &format!("{points} points: FINISHED ("));
        assert_contains(&text, &format!("({points} points)\n"));
    }
    let store = project.store();
    assert_eq!(store.runs.len(), 3);
    assert!(store.runs.iter().all(|run| run.status == "FINISHED"));
}

#[test]
fn sklearn_wine() {
    let Some(venv) = mlflow3() else { return };
    let path = format!("{}/bin:{}", venv.display(), std::env::var("PATH").unwrap());
    let project = Project::new()
        .env("PATH", &path)
        .env("MLFLOW_DISABLE_TELEMETRY", "true");
    let finished = project.mlrun(&["run", &example("sklearn_wine"), "--no-conda", "-P", "alpha=0.5"]);
    finished.expect_code(0);
    assert_starts_with(finished.stdout(), "rmse=");

    let contents = project.store();
    let run = contents.run();
    assert_eq!(run.status, "FINISHED");
    assert_eq!(run.params["alpha"], "0.5");
    let artifacts = run.artifact_uri.trim_start_matches("file://");
    assert!(
        std::path::Path::new(artifacts).join("model.joblib").is_file(),
        "{artifacts}"
    );
}

/// On a machine that has only Python, or only Python and uv, the example brings its packages itself.
#[test]
fn sklearn_wine_brings_its_packages() {
    let Some(uv) = require(Requirement::Uv) else {
        return;
    };
    for manager in ["uv", "virtualenv"] {
        let project = index_variables()
            .into_iter()
            .fold(Project::new(), |project, (name, value)| {
                project.env(&name, &value)
            })
            .env("MLFLOW_DISABLE_TELEMETRY", "true");
        let sandbox = project.sandbox();
        sandbox.link_program("python3", &uv.join("bin/python3").canonicalize().unwrap());
        if manager == "uv" {
            sandbox.link_program("uv", &uv.join("bin/uv"));
        }
        for creation in [1, 0] {
            let finished = project.mlrun(&[
                "run",
                &example("sklearn_wine"),
                "--env-manager",
                manager,
                "-P",
                "alpha=0.5",
            ]);
            finished.expect_code(0);
            assert_starts_with(finished.stdout(), "rmse=");
            let created = finished.stderr().matches("Building environment").count();
            assert_eq!(created, creation, "{}", finished.stderr());
        }
    }
}

/// How this machine reaches the index of packages.
fn index_variables() -> Vec<(String, String)> {
    let is_for_index = |name: &str| {
        ["PIP_", "UV_", "SSL_CERT_"]
            .iter()
            .any(|start| name.starts_with(start))
            || name.to_ascii_uppercase().ends_with("_PROXY")
    };
    std::env::vars().filter(|(name, _)| is_for_index(name)).collect()
}

/// Scripts that say `mlflow run` need nothing but a link of that name.
#[test]
fn called_as_mlflow() {
    let project = Project::new().command("echo as mlflow");
    let sandbox = project.sandbox();
    sandbox.link_program("mlflow", std::path::Path::new(env!("CARGO_BIN_EXE_mlrun")));
    assert_eq!(
        sandbox.shell("mlflow run project --no-conda 2>/dev/null").trim(),
        "as mlflow"
    );
    let usage = sandbox.shell("mlflow run project -P x 2>&1 || echo exit $?");
    assert!(usage.trim().ends_with("exit 2"), "{usage}");
    let contents = StoreContents::of_sqlite(&sandbox.work().join("mlflow.db"));
    assert_eq!(contents.run().status, "FINISHED");
}
