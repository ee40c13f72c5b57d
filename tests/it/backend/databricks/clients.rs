//! The workspace on loopback answers as a real one: clients that know nothing of mlrun get along with it.

use std::path::Path;

use fake_databricks::{CLIENT, FakeDatabricks, Settings, TOKEN};

use crate::harness::{Requirement, Sandbox, require};

#[test]
fn the_sdk_and_the_older_program_get_along_with_the_workspace() {
    let Some(venv) = require(Requirement::Databricks) else {
        return;
    };
    let fake = FakeDatabricks::start(Settings::default());
    let sandbox = Sandbox::new();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/backend/databricks/clients.py");
    let output = sandbox
        .command(venv.join("bin/python"))
        .args(["-B", "-W", "ignore"])
        .arg(program)
        .arg(venv.join("bin/databricks"))
        .args([CLIENT.0, CLIENT.1])
        // The older program knows no ports: the workspace is its proxy too.
        .env("DATABRICKS_HOST", "http://databricks.test")
        .env("HTTP_PROXY", fake.url())
        .env("DATABRICKS_TOKEN", TOKEN)
        .env("DATABRICKS_DISABLE_EXPERIMENTAL_FILES_API_CLIENT", "true")
        .env("PYTHONWARNINGS", "ignore")
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let requests: Vec<String> = fake.requests().iter().map(|request| request.line()).collect();
    assert!(
        output.status.success() && stdout == "well\n",
        "{stdout}{stderr}\n{}",
        requests.join("\n")
    );
}
