//! The real Docker, the images that the tests make, and projects that run on them.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Finished, Project, Requirement, require, require_docker, require_program};

/// The program that makes the images.
const IMAGE_PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/harness/image.py");

/// A Docker that answers.
#[derive(Debug)]
pub(crate) struct Docker {
    pub(crate) program: PathBuf,
}

impl Docker {
    /// The machine's Docker; nothing where there is none.
    pub(crate) fn find() -> Option<&'static Self> {
        static DOCKER: OnceLock<Option<Docker>> = OnceLock::new();
        let find = || require_docker().map(|program| Docker { program });
        DOCKER.get_or_init(find).as_ref()
    }

    pub(crate) fn call(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// What the call writes to standard output.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub(crate) fn output(&self, arguments: &[&str]) -> String {
        let output = self.call(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}\n{errors}");
        text
    }

    /// The image's id, if it is there.
    pub(crate) fn image_id(&self, image: &str) -> Option<String> {
        let call = ["image", "inspect", "--format", "{{.Id}}", image];
        let output = self.call(&call).output().unwrap();
        let id = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(id)
    }

    /// Removes images of the tests.
    pub(crate) fn remove_image(&self, image: &str) {
        let _ = self.call(&["image", "rm", "-f", image]).output();
    }

    /// The containers whose names begin so, whatever their state.
    pub(crate) fn containers(&self, beginning: &str) -> String {
        let filter = format!("name=^/{beginning}");
        self.output(&[
            "ps",
            "--all",
            "--filter",
            &filter,
            "--format",
            "{{.Names}} {{.Status}}",
        ])
    }

    /// An image that holds busybox alone.
    pub(crate) fn busybox(&self) -> Option<String> {
        static IMAGE: OnceLock<Option<String>> = OnceLock::new();
        IMAGE
            .get_or_init(|| {
                let python = require_program("python3")?;
                Some(self.make_image("busybox", &python, &[], "/bin"))
            })
            .clone()
    }

    /// An image with the Python, and the mlflow, of the virtual environment.
    pub(crate) fn mlflow(&self) -> Option<String> {
        static IMAGE: OnceLock<Option<String>> = OnceLock::new();
        IMAGE
            .get_or_init(|| {
                let venv = require(Requirement::Mlflow3)?;
                let path = format!("{}/bin:/bin", venv.display());
                Some(self.make_image("mlflow", &venv.join("bin/python"), &["--python"], &path))
            })
            .clone()
    }

    /// Makes the image, unless an earlier test program has left it.
    fn make_image(&self, name: &str, python: &Path, options: &[&str], path: &str) -> String {
        let busybox = require_program("busybox").expect("busybox, from which the images are made");
        let mut hasher = DefaultHasher::new();
        (include_str!("image.py"), python, options, path).hash(&mut hasher);
        let image = format!("mlrun-test/{name}:{:016x}", hasher.finish());
        if self.image_id(&image).is_some() {
            return image;
        }
        let mut files = Command::new(python)
            .arg(IMAGE_PROGRAM)
            .arg(busybox)
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let change = format!("ENV PATH={path}");
        let imported = self
            .call(&["import", "--change", &change, "-", &image])
            .stdin(files.stdout.take().unwrap())
            .output()
            .unwrap();
        assert!(
            files.wait().unwrap().success() && imported.status.success(),
            "{imported:?}"
        );
        image
    }
}

/// A project that runs in a container. The image that is built for it goes with it.
pub(crate) struct DockerProject {
    pub(crate) docker: &'static Docker,
    pub(crate) project: Project,
    /// The project's name, and that of its image.
    pub(crate) name: String,
    /// The image that its image is built on.
    pub(crate) base: String,
}

impl DockerProject {
    /// A project on busybox with these lines below `docker_env:`, and this below `command:`.
    pub(crate) fn new(docker_env: &str, command: &str) -> Option<Self> {
        let docker = Docker::find()?;
        let image = docker.busybox()?;
        Some(Self::on(docker, &image, docker_env, command))
    }

    /// As [`DockerProject::new`], on an image.
    pub(crate) fn on(docker: &'static Docker, image: &str, docker_env: &str, command: &str) -> Self {
        let name = unique_name();
        let docker_env: String = docker_env.lines().map(|line| format!("  {line}\n")).collect();
        let command = serde_json::to_string(command).unwrap();
        let project = Project::new().mlproject(&format!(
            r"name: {name}
docker_env:
  image: {image}
{docker_env}entry_points:
  main:
    command: {command}
"
        ));
        project.sandbox().link_program("docker", &docker.program);
        Self {
            docker,
            project,
            name,
            base: image.to_owned(),
        }
    }

    /// As [`Project::file`].
    pub(crate) fn file(mut self, path: &str, contents: &str) -> Self {
        self.project = std::mem::replace(&mut self.project, Project::new()).file(path, contents);
        self
    }

    /// As [`Project::env`].
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.project = std::mem::replace(&mut self.project, Project::new()).env(name, value);
        self
    }

    /// Runs `mlrun run project` with these arguments after it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished<'_> {
        let all: Vec<&str> = ["run", "project"]
            .into_iter()
            .chain(arguments.iter().copied())
            .collect();
        self.project.mlrun(&all)
    }
}

impl Drop for DockerProject {
    fn drop(&mut self) {
        self.docker.remove_image(&self.name);
        let base = self.docker.image_id(&self.base);
        let store = self.project.store();
        for mut run in store.runs {
            // Those that lost their name to a later build of the same project.
            let id = run.tags.remove("mlflow.docker.image.id");
            if id.is_some() && id != base {
                self.docker.remove_image(&id.unwrap_or_default());
            }
        }
    }
}

/// The name of an image that is removed at the end.
pub(crate) struct TestImage<'a>(pub(crate) &'a Docker, pub(crate) String);

impl Drop for TestImage<'_> {
    fn drop(&mut self) {
        self.0.remove_image(&self.1);
    }
}

/// A project's name that no other test has, and that an image may have.
pub(crate) fn unique_name() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("mlrun-test/p{}-{count}", std::process::id())
}
