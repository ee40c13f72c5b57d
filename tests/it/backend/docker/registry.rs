//! Images that are pulled from a real registry, with and without a password.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::docker::{Docker, DockerProject, TestImage, unique_name};
use crate::harness::{
    Sandbox, assert_contains, assert_ends_with, assert_starts_with, free_port, require_program,
};

/// A line of an htpasswd file: `user` with the password `s3cret`.
const PASSWORDS: &str = "user:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";
/// The same in a configuration of docker.
const CREDENTIALS: &str = "dXNlcjpzM2NyZXQ=";

/// A registry on this machine, and the client's configuration with its password.
pub(crate) struct Registry {
    pub(crate) address: String,
    process: Child,
    sandbox: Sandbox,
}

impl Registry {
    pub(crate) fn start(with_password: bool) -> Option<Self> {
        let program = require_program("docker-registry")?;
        let sandbox = Sandbox::new();
        let address = format!("127.0.0.1:{}", free_port());
        let root = sandbox.root().display();
        let mut configuration = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {root}/store}}}}\nhttp: {{addr: \
             \"{address}\"}}\n"
        );
        if with_password {
            sandbox.write("passwords", PASSWORDS);
            configuration += &format!("auth: {{htpasswd: {{realm: tests, path: {root}/work/passwords}}}}\n");
        }
        sandbox.write("registry.yml", configuration);
        let text = format!("{{\"auths\": {{\"{address}\": {{\"auth\": \"{CREDENTIALS}\"}}}}}}");
        sandbox.write(sandbox.root().join("config/config.json"), text);
        let process = Command::new(program)
            .arg("serve")
            .arg(sandbox.work().join("registry.yml"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while TcpStream::connect(&address).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "the registry must answer"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self {
            address,
            process,
            sandbox,
        })
    }

    /// Puts the image into the registry and takes it off this machine; returns its name there.
    fn push(&self, docker: &Docker, image: &str) -> String {
        let name = format!("{}/{}", self.address, unique_name());
        docker.output(&["tag", image, &name]);
        let configuration = self.sandbox.root().join("config");
        docker.output(&[
            "--config",
            configuration.to_str().unwrap(),
            "push",
            "--quiet",
            &name,
        ]);
        docker.output(&["image", "rm", &name]);
        name
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_missing_image_is_pulled() {
    let (Some(docker), Some(registry)) = (Docker::find(), Registry::start(false)) else {
        return;
    };
    let Some(base) = docker.busybox() else { return };
    let image = TestImage(docker, registry.push(docker, &base));
    let project = DockerProject::on(docker, &image.1, "", "cat MLproject");
    let shown = project.run(&["--dry-run"]);
    assert_contains(shown.stdout(), &format!("image {} (to be pulled)\n", image.1));
    assert_eq!(docker.image_id(&image.1), None, "a dry run pulls nothing");
    let finished = project.run(&[]).with_code(0);
    assert_starts_with(finished.stderr(), &format!("Pulling {}\n", image.1));
    assert_contains(finished.stderr(), "Status: Downloaded newer image");
    assert_contains(finished.stderr(), &format!("\nPulled image {} in ", image.1));
    assert!(docker.image_id(&image.1).is_some());
}

#[test]
fn a_registry_with_a_password_takes_the_clients_own() {
    let (Some(docker), Some(registry)) = (Docker::find(), Registry::start(true)) else {
        return;
    };
    let Some(base) = docker.busybox() else { return };
    let image = TestImage(docker, registry.push(docker, &base));
    let project = DockerProject::on(docker, &image.1, "", "true");
    let refused = project.run(&[]).with_code(1);
    let error = format!("error: the registry denied access to the image '{}'\n", image.1);
    assert_contains(refused.stderr(), &error);
    let hint = format!(
        "hint: log in with `docker login {}`, and check the name of the image\n",
        registry.address
    );
    assert_ends_with(refused.stderr(), &hint);
    assert_eq!(refused.store().run().status, "FAILED");

    let sandbox = project.project.sandbox();
    sandbox.write(
        sandbox.root().join("home/.docker/config.json"),
        std::fs::read(registry.sandbox.root().join("config/config.json")).unwrap(),
    );
    project.run(&["--no-build-image"]).expect_code(0);
}

#[test]
fn an_image_that_its_registry_has_not_is_said_to_be_missing() {
    let (Some(docker), Some(registry)) = (Docker::find(), Registry::start(false)) else {
        return;
    };
    let image = format!("{}/no/such:image", registry.address);
    let project = DockerProject::on(docker, &image, "", "true");
    let refused = project.run(&[]).with_code(1);
    let error = format!("error: image '{image}' not found, neither on this machine nor in its registry\n");
    assert_contains(refused.stderr(), &error);
}
