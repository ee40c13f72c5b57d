//! The lines of runs that are started inside a run: they can be told apart.

use crate::harness::{Project, assert_contains};

#[test]
fn lines_of_a_run_inside_a_run_name_it() {
    let project = Project::new()
        .command("exit 3")
        .env("MLFLOW_RUN_ID", &"0".repeat(32));
    let finished = project.run([]).with_code(1);
    let run_id = finished.store().run().run_id.clone();
    let short = &run_id[..8];
    let expected = format!(
        "=== Running command 'exit 3' in run with ID '{run_id}' ===\n[{short}] The entry point ended with exit code 3\n\
         === Run (ID '{run_id}') failed ===\n"
    );
    assert_contains(finished.stderr(), &expected);
}

#[test]
fn a_run_by_itself_has_no_label() {
    let project = Project::new().command("exit 3");
    let finished = project.run([]).with_code(1);
    assert_contains(finished.stderr(), "===\nThe entry point ended with exit code 3\n");
    // Who starts a run both ways means one run, not two.
    let run_id = finished.store().run().run_id.clone();
    let project = project.env("MLFLOW_RUN_ID", &run_id);
    let finished = project.run(["--run-id", &run_id]).with_code(1);
    assert_contains(finished.stderr(), "===\nThe entry point ended with exit code 3\n");
}
