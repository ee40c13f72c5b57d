//! Environments that a real conda makes, from a channel on this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::harness::running::wait_until;
use crate::harness::{
    Finished, Project, Reference, Request, Requirement, assert_contains, assert_lacks, assert_starts_with,
    require,
};

const ENVIRONMENT: &str = "dependencies: [python, hellolab, labact]\n";
/// Says that the packages are there and that their activation script has run.
const MLPROJECT: &str = "conda_env: ../environments/the one.yml\nentry_points:\n  main: {command: 'hellolab && echo \"$LAB_ACT\" && cat \"$CONDA_PREFIX/share/lab.txt\"'}\n";

/// An empty project with a conda whose environments are in the sandbox; nothing where there is no
/// conda.
fn project() -> Option<Project> {
    let conda = require(Requirement::Conda)?;
    Some(
        Project::new()
            .env("MLFLOW_CONDA_HOME", conda.to_str().unwrap())
            .env("CONDA_ENVS_DIRS", "<sandbox>/envs"),
    )
}

/// The directories of environments.
fn environments(project: &Project) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(project.sandbox().root().join("envs")) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

#[track_caller]
fn succeed<'a>(project: &'a Project, arguments: &[&str]) -> Finished<'a> {
    let mut all = vec!["run", "project"];
    all.extend(arguments);

    project.mlrun(&all).with_code(0)
}

/// What the reference writes to standard error for `mlflow run project --env-manager conda`.
fn run_reference(reference: &Reference, project: &Project) -> String {
    let sandbox = project.sandbox();
    let conda = require(Requirement::Conda).unwrap();
    let mut environment = sandbox.environment();
    for (name, value) in [
        ("MLFLOW_CONDA_HOME", conda.to_str().unwrap()),
        ("CONDA_ENVS_DIRS", "<sandbox>/envs"),
        ("MLFLOW_TRACKING_URI", "sqlite:///<sandbox>/reference.db"),
    ] {
        environment.push((name.to_owned(), sandbox.expand(value)));
    }
    let file = |name: &str| sandbox.root().join("tmp").join(name);
    let request = Request {
        directory: &sandbox.work(),
        environment: &environment,
        streams: ["/dev/null".as_ref(), &file("stdout"), &file("stderr")],
    };
    let arguments = ["run", "project", "--env-manager", "conda"].map(str::to_owned);
    let code = reference.run(&request, &arguments);
    let stderr = fs::read_to_string(file("stderr")).unwrap();
    assert_eq!(code, 0, "{stderr}");
    stderr
}

/// The command of a run, from the line that tells it.
fn command(stderr: &str) -> &str {
    let (_, rest) = stderr.split_once("=== Running command '").unwrap();
    rest.split_once("' in run with ID").unwrap().0
}

#[test]
fn made_by_mlrun_and_used_by_the_reference() {
    let (Some(project), Some(reference)) = (project(), Reference::shared()) else {
        return;
    };
    let project = project.mlproject(MLPROJECT);
    project.sandbox().write("environments/the one.yml", ENVIRONMENT);
    let first = succeed(&project, &[]);
    let [environment] = &environments(&project)[..] else {
        panic!("{:?}", environments(&project));
    };
    let path = environment.to_str().unwrap();
    assert_eq!(
        first.stdout(),
        format!("hello from conda\n{path}\nprefix={path}\n"),
        "{}",
        first.stderr()
    );
    let name = environment.file_name().unwrap().to_str().unwrap();
    let creating = format!("=== Creating conda environment {name} ===\n");
    assert_contains(first.stderr(), &creating);
    assert_contains(first.stderr(), "\nExecuting transaction: ");
    assert_eq!(first.store().run().tags["mlflow.project.env"], "conda");

    let again = succeed(&project, &[]);
    assert_eq!(again.stdout(), first.stdout());
    assert_lacks(again.stderr(), "Creating conda");

    let reference = run_reference(reference, &project);
    let exists = format!("Conda environment {name} already exists.");
    assert_contains(&reference, &exists);
    assert_eq!(command(first.stderr()), command(&reference));
}

#[test]
fn made_by_the_reference_and_used_by_mlrun() {
    let (Some(project), Some(reference)) = (project(), Reference::shared()) else {
        return;
    };
    let project = project
        .command("hellolab")
        .file("conda.yaml", "dependencies:\r\n- hellolab\r\n");
    let reference = run_reference(reference, &project);
    assert_contains(&reference, "=== Creating conda environment");
    let [environment] = &environments(&project)[..] else {
        panic!("{:?}", environments(&project));
    };
    let used = succeed(&project, &[]);
    assert_eq!(used.stdout(), "hello from conda\n");
    assert_lacks(used.stderr(), "Creating conda");
    assert_eq!(environments(&project).len(), 1);
    // Nothing of mlrun is inside what others made.
    assert!(
        command(used.stderr()).contains("&& conda activate mlflow-"),
        "{}",
        used.stderr()
    );

    // Without the directory's name conda still knows where the environment is.
    let elsewhere = Project::new()
        .command("hellolab")
        .file("conda.yaml", "dependencies:\r\n- hellolab\r\n")
        .env(
            "MLFLOW_CONDA_HOME",
            require(Requirement::Conda).unwrap().to_str().unwrap(),
        );
    let noted = format!("{}\n", environment.display());
    elsewhere
        .sandbox()
        .write("../home/.conda/environments.txt", noted);
    let used = succeed(&elsewhere, &[]);
    assert_eq!(used.stdout(), "hello from conda\n", "{}", used.stderr());
    assert_lacks(used.stderr(), "Creating conda");
}

/// A project that says nothing of its environment gets one with Python, from conda where it is there.
#[test]
fn python_alone() {
    let Some(project) = project() else {
        return;
    };
    let project = project.command("python -c 'import sys; print(sys.prefix)'");
    let finished = succeed(&project, &[]);
    let name = "mlflow-da39a3ee5e6b4b0d3255bfef95601890afd80709";
    let prefix = project.sandbox().expand(&format!("<sandbox>/envs/{name}\n"));
    assert_eq!(finished.stdout(), prefix, "{}", finished.stderr());
    assert_contains(finished.stderr(), "no environment file");
}

#[test]
fn a_failed_creation_leaves_nothing() {
    let Some(project) = project() else {
        return;
    };
    let project = project.mlproject("conda_env: conda.yaml\nentry_points: {main: {command: echo ran}}\n");
    for (text, place, expected) in [
        (
            "dependencies:\n- python\n- no-such-package\n",
            "3:3",
            "no-such-package",
        ),
        // conda itself leaves the environment there when pip fails.
        (
            "dependencies:\n- python\n- pip\n- pip:\n  - ./missing\n",
            "5:5",
            "./missing",
        ),
    ] {
        project.sandbox().write("project/conda.yaml", text);
        let finished = project.mlrun(&["run", "project", "-q"]).with_code(1);
        let error = project.sandbox().anonymous(finished.stderr());
        let (_, error) = error
            .split_once(&format!(
                "error: <sandbox>/work/project/conda.yaml:{place}: cannot install '{expected}'\n   |\n"
            ))
            .unwrap_or_else(|| panic!("{error}"));
        assert_lacks(error, "condaenv.");
        assert_contains(error, "/build.log\n");
        assert_contains(error, "  caused by: `");
        assert_contains(error, "conda env create -n mlflow-");
        assert_contains(error, expected);
        assert_eq!(environments(&project), [] as [PathBuf; 0]);
        assert!(!finished.stdout().contains("ran"));
        assert_eq!(finished.store().runs.last().unwrap().status, "FAILED");
    }
}

/// What conda itself reads: UTF-16, and a requirements file, whose lines are packages of conda then.
#[test]
fn other_files_that_conda_reads() {
    let Some(project) = project() else {
        return;
    };
    let marked = format!("\u{feff}{ENVIRONMENT}");
    for (number, bytes) in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes]
        .into_iter()
        .map(|order| marked.encode_utf16().flat_map(order).collect::<Vec<u8>>())
        .chain(["hellolab\n".into()])
        .enumerate()
    {
        let file = if number < 2 {
            "conda.yaml"
        } else {
            "requirements.txt"
        };
        project.sandbox().write(format!("project/{file}"), bytes);
        project.sandbox().write(
            "project/MLproject",
            format!("conda_env: {file}\nentry_points: {{main: {{command: hellolab}}}}\n"),
        );
        let finished = succeed(&project, &[]);
        assert_eq!(finished.stdout(), "hello from conda\n", "{}", finished.stderr());
        let warning = "conda installs the lines of ";
        assert_eq!(
            finished.stderr().contains(warning),
            number == 2,
            "{}",
            finished.stderr()
        );
    }
    project
        .sandbox()
        .write("project/requirements.txt", "hellolab\n-r other.txt\n");
    let finished = project.mlrun(&["run", "project"]).with_code(1);
    let expected = r"/project/requirements.txt:2:1: '-r other.txt' is a pip option, which conda does not understand
   |
 2 | -r other.txt
   | ^^
hint: write a python_env.yaml with the line `dependencies: [-r requirements.txt]`";
    assert_contains(finished.stderr(), expected);
}

/// Neither conda's and pip's temporary files, nor the list for pip that conda writes into the project.
#[test]
fn a_signal_leaves_no_temporary_files() {
    let Some(mut project) = project() else {
        return;
    };
    for (file, text) in crate::environment::ENDLESS_PACKAGE {
        project = project.file(file, text);
    }
    let project = project
        .mlproject("conda_env: conda.yaml\nentry_points: {main: {command: echo ran}}\n")
        .file("conda.yaml", "dependencies: [python, pip, {pip: [./package]}]\n");
    let sandbox = project.sandbox();
    let (marker, log) = (sandbox.work().join("marker"), sandbox.work().join("log"));
    let before = fs::read_dir(sandbox.work().join("project")).unwrap().count();
    let mut child = sandbox
        .interruptible_mlrun()
        .args(["run", "project"])
        .envs(project.environment())
        .env("MARKER", &marker)
        .stdout(Stdio::null())
        .stderr(fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    wait_until("the program's start", || {
        marker.exists() || fs::read_to_string(&log).unwrap().contains("error: ")
    });
    assert!(marker.exists(), "{}", fs::read_to_string(&log).unwrap());
    assert_eq!(
        fs::read_dir(sandbox.work().join("project")).unwrap().count(),
        before + 1
    );
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert_eq!(
        fs::read_dir(sandbox.work().join("project")).unwrap().count(),
        before
    );
    let left: Vec<_> = fs::read_dir(sandbox.root().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Whatever a killed build has left, the next run makes the environment anew.
#[test]
fn a_killed_creation_is_made_anew() {
    let Some(project) = project() else {
        return;
    };
    let project = project
        .mlproject("conda_env: conda.yaml\nentry_points: {main: {command: hellolab}}\n")
        .file("conda.yaml", ENVIRONMENT);
    let conda = require(Requirement::Conda).unwrap();
    let sandbox = project.sandbox();
    let mut child = sandbox
        .mlrun()
        .args(["run", "project"])
        .env("MLFLOW_CONDA_HOME", conda)
        .env("CONDA_ENVS_DIRS", sandbox.root().join("envs"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // By then conda itself takes what is there for an environment.
    wait_until("the program's start", || {
        let history = |environment: &PathBuf| environment.join("conda-meta/history").exists();
        environments(&project).iter().any(history)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let finished = succeed(&project, &[]);
    assert_eq!(finished.stdout(), "hello from conda\n", "{}", finished.stderr());
    assert_contains(finished.stderr(), "to build it again: its build was interrupted");
    assert_eq!(environments(&project).len(), 1);
}

/// The example as its readers run it, from the local channel; pip's packages come from PyPI.
#[test]
fn sklearn_wine() {
    let Some(project) = project() else {
        return;
    };
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/sklearn_wine");
    let read = |name: &str| fs::read_to_string(example.join(name)).unwrap();
    let mlproject = read("MLproject").replace("\npython_env: python_env.yaml\n", "\nconda_env: conda.yaml\n");
    assert!(mlproject.contains("\nconda_env: conda.yaml\n"));
    // The channel has the Python of this machine only.
    let environment = read("conda.yaml").replace("python=3.11", "python");
    let mut project = project
        .mlproject(&mlproject)
        .file("conda.yaml", &environment)
        .file("train.py", &read("train.py"))
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("PIP_NO_COMPILE", "1")
        .env("PIP_CACHE_DIR", &format!("{}/pip", env!("CARGO_TARGET_TMPDIR")));
    for (name, value) in std::env::vars() {
        let is_of_pip = name.starts_with("PIP_") && name != "PIP_CACHE_DIR";
        if is_of_pip || name.starts_with("SSL_CERT_") || name.to_lowercase().ends_with("_proxy") {
            project = project.env(&name, &value);
        }
    }
    let first = succeed(&project, &["-P", "alpha=0.5"]);
    assert_starts_with(first.stdout(), "rmse=");
    let run = &first.store().runs[0];
    assert_eq!(run.status, "FINISHED");
    assert_eq!(run.params["alpha"], "0.5");
    let again = succeed(&project, &["-P", "alpha=0.5"]);
    assert_eq!(again.stdout(), first.stdout());
    assert_lacks(again.stderr(), "Creating conda");
}
