//! The example projects, as a reader runs them.

use crate::harness::{Project, Requirement, StoreContents, require};

fn example(name: &str) -> String {
    format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"))
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
        let finished = project.mlrun(&all);
        finished.expect_code(0);
        let output = finished.stdout();
        assert_eq!(output.lines().count(), lines, "{output}");
        assert!(
            output.lines().all(|line| line.starts_with("pi is about ")),
            "{output}"
        );
    }
}

#[test]
fn sklearn_wine() {
    let Some(venv) = require(Requirement::Mlflow3) else {
        return;
    };
    let path = format!("{}/bin:{}", venv.display(), std::env::var("PATH").unwrap());
    let project = Project::new()
        .env("PATH", &path)
        .env("MLFLOW_DISABLE_TELEMETRY", "true");
    let finished = project.mlrun(&["run", &example("sklearn_wine"), "--no-conda", "-P", "alpha=0.5"]);
    finished.expect_code(0);
    assert!(finished.stdout().starts_with("rmse="), "{}", finished.stdout());

    let contents = StoreContents::of_sqlite(&project.sandbox().work().join("mlflow.db"));
    let run = contents.run();
    assert_eq!(run.status, "FINISHED");
    assert_eq!(run.params["alpha"], "0.5");
    let artifacts = run.artifact_uri.trim_start_matches("file://");
    assert!(
        std::path::Path::new(artifacts).join("model.joblib").is_file(),
        "{artifacts}"
    );
}

/// Scripts that say `mlflow run` need nothing but a link of that name.
#[test]
fn called_as_mlflow() {
    let project = Project::new().mlproject("entry_points: {main: {command: echo as mlflow}}");
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
