//! What a project finds in its container, and what the run's record says.

use std::os::unix::fs::MetadataExt;

use crate::harness::docker::DockerProject;
use crate::harness::scripted::{ScriptedServer, Step};
use crate::harness::{assert_contains, assert_lacks, assert_starts_with};

#[test]
fn a_project_runs_in_an_image_with_its_files() {
    let Some(project) = DockerProject::new("", "pwd; ls -a; cat sub/data; id -u") else {
        return;
    };
    let project = project
        .file("sub/data", "from the file\n")
        .file(".git/config", "")
        .file("mlruns/0/meta.yaml", "");
    let finished = project.run(&[]).with_code(0);
    assert_eq!(
        finished.stdout(),
        "/mlflow/projects/code\n.\n..\nMLproject\nsub\nfrom the file\n0\n"
    );
    let contents = finished.store();
    let run = contents.run();
    assert_eq!(run.status, "FINISHED");
    assert_eq!(run.tags["mlflow.project.env"], "docker");
    assert_eq!(run.tags["mlflow.project.backend"], "local");
    assert_eq!(run.tags["mlflow.docker.image.uri"], project.name);
    assert_eq!(
        Some(&run.tags["mlflow.docker.image.id"]),
        project.docker.image_id(&project.name).as_ref()
    );
    let running = format!("=== Running command 'docker run --rm --name mlrun-{}", run.run_id);
    assert_contains(finished.stderr(), &running);
    assert_eq!(project.docker.containers(&format!("mlrun-{}", run.run_id)), "");
}

#[test]
fn files_of_every_kind_reach_the_image() {
    let Some(project) = DockerProject::new("", "stat -c '%n %A %s' *; readlink dangling; cat link") else {
        return;
    };
    let script = "cd project && head -c 5000000 /dev/zero >big; echo x >run; chmod 750 run; \
                  ln -s run link; ln -s nowhere dangling; : >empty; mkdir none; chmod 700 none";
    project.project.sandbox().shell(script);
    let finished = project.run(&[]).with_code(0);
    let found: Vec<&str> = finished
        .stdout()
        .lines()
        .filter(|line| !line.starts_with("MLproject"))
        .collect();
    assert_eq!(
        found,
        [
            "big -rw-r--r-- 5000000",
            "dangling lrwxrwxrwx 7",
            "empty -rw-r--r-- 0",
            "link lrwxrwxrwx 3",
            "none drwx------ 4096",
            "run -rwxr-x--- 2",
            "nowhere",
            "x",
        ]
    );
}

#[test]
fn downloaded_data_is_found_in_the_container() {
    let Some(project) = DockerProject::new("", "true") else {
        return;
    };
    let (name, base) = (project.name.clone(), project.base.clone());
    let project = project.file(
        "MLproject",
        &format!(
            r"name: {name}
docker_env: {{image: {base}}}
entry_points:
  main:
    parameters: {{data: path}}
    command: cat {{data}}
"
        ),
    );
    let body = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndata".to_vec();
    let server = ScriptedServer::start(vec![Step::Raw(body)]);
    let finished = project.run(&["-P", &format!("data={}/x.csv", server.url())]);
    finished.expect_code(0);
    assert_eq!(finished.stdout(), "data");
}

#[test]
fn an_unchanged_project_is_built_from_the_cache() {
    let Some(project) = DockerProject::new("", "cat data") else {
        return;
    };
    let project = project.file("data", "one\n");
    let id = |code: i32| {
        let finished = project.run(&[]).with_code(code);
        let mut runs = finished.store().runs;
        (
            runs.pop().unwrap().tags["mlflow.docker.image.id"].clone(),
            finished.stdout().to_owned(),
        )
    };
    let first = id(0);
    // Only the time of its last change is another one.
    std::fs::write(project.project.sandbox().work().join("project/data"), "one\n").unwrap();
    assert_eq!(id(0), first);
    project.project.sandbox().write("project/data", "two\n");
    let changed = id(0);
    assert_ne!(changed.0, first.0);
    assert_eq!(changed.1, "two\n");
}

#[test]
fn the_named_image_is_run_as_it_is_on_demand() {
    let Some(project) = DockerProject::new("", "ls -a /mlflow /; pwd") else {
        return;
    };
    let finished = project.run(&["--no-build-image"]).with_code(0);
    assert_lacks(finished.stdout(), "projects");
    let contents = finished.store();
    let image = project.docker.busybox().unwrap();
    assert_eq!(contents.run().tags["mlflow.docker.image.uri"], image);
    assert_eq!(
        Some(&contents.run().tags["mlflow.docker.image.id"]),
        project.docker.image_id(&image).as_ref()
    );
    assert_eq!(project.docker.image_id(&project.name), None);
}

#[test]
fn an_image_is_called_by_the_commit_and_by_a_valid_name() {
    let Some(mut project) = DockerProject::new("", "true") else {
        return;
    };
    let text = std::fs::read_to_string(project.project.sandbox().work().join("project/MLproject")).unwrap();
    let name = format!("{} My Project!", project.name);
    project
        .project
        .sandbox()
        .write("project/MLproject", text.replacen(&project.name, &name, 1));
    let commit = project
        .project
        .sandbox()
        .shell("cd project && git init -q && git add . && git commit -qm one && git rev-parse HEAD");
    let finished = project.run(&[]).with_code(0);
    let uri = format!("{}-my-project:{}", project.name, &commit[..7]);
    assert_eq!(finished.store().run().tags["mlflow.docker.image.uri"], uri);
    let told = format!("'{name}' is not a valid image name; the image is called {uri}\n");
    assert_contains(finished.stderr(), &told);
    project.name = uri;
}

#[test]
fn variables_and_volumes_reach_the_container_and_no_log() {
    let Some(project) = DockerProject::new(
        "volumes: [\"$(pwd)/sub:/one:ro\", \"${PWD}:/two\", \"./sub:/three\", \"~/x:/four\"]\n\
         environment: [[\"NEW\", \"s3cret new\"], \"COPIED\", [\"HOME\", \"/s3cret home\"], [\"DOCKER_HOST\", \"s3cret host\"]]",
        "cat /one/data /two/sub/data /three/data /four/data; env | grep -E 's3.ret|two'",
    ) else {
        return;
    };
    let project = project
        .file("sub/data", "data\n")
        .file("../../home/x/data", "home\n")
        .env("COPIED", "s3cret copied\nin two lines");
    let finished = project.run(&["-A", "e=MORE=s3cret more", "-A", "hostname=own"]);
    finished.expect_code(0);
    let mut lines: Vec<&str> = finished.stdout().lines().collect();
    lines[4..].sort_unstable();
    assert_eq!(
        lines,
        [
            "data",
            "data",
            "data",
            "home",
            "COPIED=s3cret copied",
            "DOCKER_HOST=s3cret host",
            "HOME=/s3cret home",
            "MORE=s3cret more",
            "NEW=s3cret new",
            "in two lines",
        ]
    );
    assert_lacks(finished.stderr(), "s3cret");
    let shown = project.run(&["--dry-run", "-A", "e=MORE=s3cret"]);
    shown.expect_code(0);
    assert_lacks(shown.stdout(), "s3cret");
    assert_contains(shown.stdout(), "-e MORE ");
    // Nothing with a value is left behind.
    let left = std::fs::read_dir(project.project.sandbox().root().join("tmp")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn the_exit_code_of_the_container_decides() {
    let Some(project) = DockerProject::new("", "exit 7") else {
        return;
    };
    let finished = project.run(&[]).with_code(1);
    assert!(
        finished
            .stderr()
            .contains("The entry point ended with exit code 7\n")
    );
    assert_eq!(finished.store().run().status, "FAILED");
}

#[test]
fn files_belong_to_the_user_of_the_argument() {
    let Some(project) = DockerProject::new("volumes: [\"$(pwd)/out:/out\"]", "id -u; touch /out/made") else {
        return;
    };
    let project = project.file("out/there", "");
    project.project.sandbox().shell("chmod 777 project/out");
    let finished = project.run(&["-A", "user=1234:1234"]).with_code(0);
    assert_eq!(finished.stdout(), "1234\n");
    let made = project.project.sandbox().work().join("project/out/made");
    assert_eq!(made.metadata().unwrap().uid(), 1234);
}

#[test]
fn stores_and_artifacts_are_reached_from_inside() {
    let Some(project) = DockerProject::new(
        "",
        "echo $MLFLOW_TRACKING_URI $MLFLOW_ALLOW_FILE_STORE; ls -d /mlflow/tmp/mlruns/*",
    ) else {
        return;
    };
    for (uri, expected) in [
        (
            "sqlite:///<sandbox>/work/a%b.db",
            "sqlite:////mlflow/tmp/mlruns/a%b.db\n/mlflow/tmp/mlruns/a%b.db\n",
        ),
        (
            "file:store",
            "file:///mlflow/tmp/mlruns true\n/mlflow/tmp/mlruns/0\n",
        ),
    ] {
        let uri = project.project.sandbox().expand(uri);
        let mut command = project.project.sandbox().mlrun();
        let output = command
            .args(["run", "project"])
            .env("MLFLOW_TRACKING_URI", &uri)
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(
            stdout.starts_with(expected) || stdout.ends_with(expected),
            "{uri}: {output:?}"
        );
    }
}

/// What artifacts elsewhere need is what `mlflow run` hands over, and the files where the libraries look.
#[test]
fn credentials_for_remote_artifacts_are_handed_over() {
    let Some(project) = DockerProject::new(
        "",
        "env | grep -E '^(AWS|AZURE|GOOGLE|MLFLOW_S3|MLFLOW_KERB)' | sort; cat /.aws/* /.gcs",
    ) else {
        return;
    };
    let mut project = project.file("../../home/.aws/credentials", "keys\n");
    project = project
        .file("../google.json", "google\n")
        .env("MLFLOW_TRACKING_URI", "file:store");
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SESSION_TOKEN", "token"),
        ("MLFLOW_S3_ENDPOINT_URL", "http://s3"),
        ("AZURE_STORAGE_ACCESS_KEY", "key"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "<sandbox>/work/google.json"),
        ("MLFLOW_KERBEROS_USER", "me"),
    ] {
        project = project.env(name, value);
    }
    for (location, expected) in [
        (
            "s3://bucket/x",
            "AWS_ACCESS_KEY_ID=id\nAWS_CONFIG_FILE=/.aws/config\nAWS_SESSION_TOKEN=token\n\
             AWS_SHARED_CREDENTIALS_FILE=/.aws/credentials\nMLFLOW_S3_ENDPOINT_URL=http://s3\nkeys\n",
        ),
        (
            "wasbs://box@account.blob.core.windows.net/x",
            "AZURE_STORAGE_ACCESS_KEY=key\n",
        ),
        ("gs://bucket/x", "GOOGLE_APPLICATION_CREDENTIALS=/.gcs\ngoogle\n"),
        ("hdfs://host/x", "MLFLOW_KERBEROS_USER=me\n"),
        ("mlflow-artifacts:/x", ""),
    ] {
        let experiment = format!(
            "artifact_location: {location}\ncreation_time: 1\nexperiment_id: '123'\nlast_update_time: 1\n\
             lifecycle_stage: active\nname: remote\n"
        );
        project.project.sandbox().write("store/123/meta.yaml", experiment);
        let finished = project.run(&["--experiment-id", "123"]);
        assert_eq!(finished.stdout(), expected, "{location}: {}", finished.stderr());
    }
}

#[test]
fn an_env_manager_is_not_used() {
    let Some(project) = DockerProject::new("", "true") else {
        return;
    };
    let shown = project.run(&["--dry-run", "--env-manager", "conda"]);
    shown.expect_code(0);
    let warning = "warning: ignoring --env-manager: the project runs in a container (docker_env)\n";
    assert_eq!(shown.stderr(), warning);
}

#[test]
fn volumes_of_a_directory_with_a_colon_in_its_path_are_mounted() {
    let docker_env = "volumes: [\"$(pwd)/sub:/one:ro\", \"./sub:/two\", \"$PWD:/three\"]";
    let command =
        "cat /one/data /two/data /three/sub/data; touch /one/x 2>/dev/null || echo read-only; cat /four/data";
    let Some(project) = DockerProject::new(docker_env, command) else {
        return;
    };
    let project = project.file("sub/data", "data\n");
    project.project.sandbox().shell("mv project pro:ject");
    let finished = project
        .project
        .mlrun(&["run", "pro:ject", "-A", "v=$(pwd)/sub:/four"]);
    finished.expect_code(0);
    assert_eq!(finished.stdout(), "data\ndata\ndata\nread-only\ndata\n");
    // What docker would refuse is refused before there is a run.
    for (volume, expected) in [
        ("/a:b:/c:ro", "it has 4 parts separated by colons"),
        ("/a:b", "the path in the container, 'b', must begin with a slash"),
    ] {
        let finished = project
            .project
            .mlrun(&["run", "pro:ject", "-A", &format!("volume={volume}")]);
        finished.expect_code(1);
        let expected = format!("error: cannot use the volume '{volume}': {expected}");
        assert_starts_with(finished.stderr(), &expected);
        assert_eq!(finished.store().runs.len(), 1);
    }
}

/// Docker's client of today reaches BuildKit by a program of its own, which is not installed everywhere.
#[test]
fn buildkit_that_cannot_be_reached_is_done_without() {
    let Some(project) = DockerProject::new("", "cat data") else {
        return;
    };
    let project = project.file("data", "data\n").env("DOCKER_BUILDKIT", "1");
    let sandbox = project.project.sandbox();
    let docker = sandbox.root().join("bin/docker");
    let real = project.docker.program.display();
    std::fs::remove_file(&docker).unwrap();
    let says = "ERROR: BuildKit is enabled but the buildx component is missing or broken.";
    sandbox.write_executable(
        &docker,
        &format!(
            "#!/bin/bash\nif [ \"$1 $DOCKER_BUILDKIT\" = 'build 1' ]; then echo '{says}' >&2; exit 1; fi\nexec {real} \"$@\"\n"
        ),
    );
    let finished = project.run(&[]).with_code(0);
    assert_eq!(finished.stdout(), "data\n");
    let told =
        "building without BuildKit: DOCKER_BUILDKIT asks for it, but docker's buildx is not installed\n";
    assert_contains(finished.stderr(), told);
    // An engine that can build in no other way.
    sandbox.write_executable(
        &docker,
        &format!(
            "#!/bin/bash\nif [ \"$1\" = build ]; then echo '{says}' >&2; exit 1; fi\nexec {real} \"$@\"\n"
        ),
    );
    let finished = project.run(&[]).with_code(1);
    let hint =
        "hint: install docker's buildx (https://docs.docker.com/go/buildx), or set DOCKER_BUILDKIT=0\n";
    assert_contains(finished.stderr(), hint);
}
