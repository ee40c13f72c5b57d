//! Real mlflow clients inside of containers: the example, as a reader runs it, on an image that the test
//! makes instead of its Dockerfile; and a tracking server on this machine.

use crate::harness;
use crate::harness::docker::{Docker, DockerProject, TestImage, unique_name};
use crate::harness::{
    MlflowServer, Project, Requirement, StoreContents, assert_contains, assert_lacks, require,
};

const READ: &str = r#"
import json, sys
from mlflow import MlflowClient
client = MlflowClient()
(run,) = client.search_runs(["0"])
losses = client.get_metric_history(run.info.run_id, "loss")
artifacts = [file.path for file in client.list_artifacts(run.info.run_id)]
text = open(client.download_artifacts(run.info.run_id, "model.txt")).read()
print(json.dumps([run.info.status, run.data.params, len(losses), losses[-1].value < 0.01, artifacts, text]))
"#;

#[test]
fn metrics_logged_inside_are_read_back_outside() {
    let (Some(docker), Some(venv)) = (Docker::find(), require(Requirement::Mlflow3)) else {
        return;
    };
    let Some(image) = docker.mlflow() else { return };
    let project = Project::new().env("MLFLOW_DISABLE_TELEMETRY", "true");
    let sandbox = project.sandbox();
    sandbox.link_program("docker", &docker.program);
    let example = format!("{}/examples/docker", env!("CARGO_MANIFEST_DIR"));
    sandbox.shell(&format!("cp -r {example}/. project"));
    let TestImage(_, name) = &TestImage(docker, unique_name());
    let text = std::fs::read_to_string(format!("{example}/MLproject")).unwrap();
    assert!(text.contains("image: mlrun-example") && text.contains("name: docker example"));
    let text = text
        .replace("mlrun-example", &image)
        .replace("name: docker example", &format!("name: {name}"));
    sandbox.write("project/MLproject", text);

    let finished = project.mlrun(&["run", "project", "-P", "steps=30"]);
    finished.expect_code(0);
    assert_eq!(finished.stdout(), "y = 2.999 x + -1.000\n");
    let contents = StoreContents::of_sqlite(&sandbox.work().join("mlflow.db"));
    let run = contents.run();
    assert_eq!(&run.tags["mlflow.docker.image.uri"], name);
    let read = harness::python(&venv, &sandbox.work(), "sqlite:///mlflow.db", &[], READ, &[]);
    assert_eq!(
        read,
        serde_json::json!([
            "FINISHED",
            {"learning_rate": "0.1", "steps": "30"},
            30,
            true,
            ["model.txt"],
            "y = 2.999 x + -1.000\n"
        ])
    );
}

#[test]
fn a_server_on_this_machine_is_reached_by_the_hosts_network() {
    let (Some(docker), Some(venv)) = (Docker::find(), require(Requirement::Mlflow3)) else {
        return;
    };
    let (Some(image), Some(server)) = (docker.mlflow(), MlflowServer::shared()) else {
        return;
    };
    let command = "python -c 'import mlflow; mlflow.log_metric(\"inside\", 4.5)'";
    let project = DockerProject::on(docker, &image, "", command).env("MLFLOW_TRACKING_URI", server.url());
    let finished = project.run(&["-A", "network=host"]).with_code(0);
    assert_lacks(finished.stderr(), "warning:");
    let code = "import json, sys; from mlflow import MlflowClient; run = MlflowClient().get_run(sys.argv[1]); \
                print(json.dumps([run.info.status, run.data.metrics, run.data.tags['mlflow.docker.image.uri']]))";
    let (_, told) = finished.stderr().split_once("in run with ID '").unwrap();
    let run_id = &told[..32];
    let work = project.project.sandbox().work();
    let read = harness::python(&venv, &work, server.url(), &[], code, &[run_id]);
    assert_eq!(
        read,
        serde_json::json!(["FINISHED", {"inside": 4.5}, project.name])
    );

    let other = DockerProject::on(docker, &image, "", "true").env("MLFLOW_TRACKING_URI", server.url());
    let finished = other.run(&[]).with_code(0);
    let warning = format!(
        "warning: the container cannot reach the tracking server {} on this machine; pass -A network=host",
        server.url()
    );
    assert_contains(finished.stderr(), &warning);
}
