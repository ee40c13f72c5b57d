//! The files of a project that reach its image: without those of `.dockerignore`, as with a plain `docker build`
//! of the directory, and with its links.

use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::docker::DockerProject;
use crate::harness::{Project, assert_contains};

/// What is in the project of every case.
const FILES: [&str; 14] = [
    "a.csv",
    "b.txt",
    "README.md",
    "README-secret.md",
    "data/a.csv",
    "data/keep/x",
    "data/keep/a.csv",
    "data/drop/y",
    "deep/er/data/a.csv",
    "deep/er/x",
    "temp1",
    "temp22",
    "[odd]",
    "é.csv",
];

/// Texts of `.dockerignore`. None of the files is one that only mlrun leaves out.
const TEXTS: [&str; 14] = [
    "",
    "*.csv",
    "**/*.csv",
    "data\n!data/keep",
    "*\n!data/keep/*.csv\n!.dockerignore",
    "# all notes but one\n*.md\n!README*.md\nREADME-secret.md",
    "temp?",
    "/deep/*/data/",
    "deep/**",
    "**/data",
    "  data/../b.txt  ",
    "[ab].*\n\\[odd]",
    "[^a-r]*",
    "**\n!data/keep",
];

#[test]
fn the_same_files_as_with_docker_itself_reach_the_image() {
    let Some(project) = DockerProject::new("", "find . -type f | sort; find . -type d | sort") else {
        return;
    };
    let project = FILES
        .into_iter()
        .fold(project, |project, file| project.file(file, ""));
    let sandbox = project.project.sandbox();
    let image = format!("{}-plain", project.name);
    let base = project.docker.busybox().unwrap();
    sandbox.write(
        "Dockerfile",
        format!("FROM {base}\nCOPY . /mlflow/projects/code\nWORKDIR /mlflow/projects/code\n"),
    );
    for text in TEXTS {
        sandbox.write("project/.dockerignore", text);
        let directory = sandbox.work().join("project");
        let dockerfile = sandbox.work().join("Dockerfile");
        let paths = [&dockerfile, &directory].map(|path| path.to_str().unwrap());
        project
            .docker
            .output(&["build", "-t", &image, "-f", paths[0], paths[1]]);
        let find = "find . -type f | sort; find . -type d | sort";
        let expected = project.docker.output(&["run", "--rm", &image, "sh", "-c", find]);
        let finished = project.run(&[]).with_code(0);
        project.docker.remove_image(&image);
        assert_eq!(finished.stdout().trim(), expected, "{text:?}");
    }
}

fn link(project: &Project, target: &str, link: &str) {
    symlink(target, project.sandbox().work().join("project").join(link)).unwrap();
}

#[test]
fn what_a_link_out_of_the_project_leads_to_is_in_the_image() {
    let command = "cat common.py lib/deep/more.py lib/near absolute; readlink inside; cat inside";
    let Some(project) = DockerProject::new("", command) else {
        return;
    };
    let project = project.file("own.py", "own\n");
    let sandbox = project.project.sandbox();
    sandbox.write("shared/common.py", "common\n");
    sandbox.write("shared/deep/more.py", "more\n");
    symlink("deep/more.py", sandbox.work().join("shared/near")).unwrap();
    let absolute = sandbox.work().join("shared/common.py").display().to_string();
    for (target, name) in [
        ("../shared/common.py", "common.py"),
        ("../shared", "lib"),
        (absolute.as_str(), "absolute"),
        ("own.py", "inside"),
    ] {
        link(&project.project, target, name);
    }
    let image = |expected: &str| {
        let finished = project.run(&[]).with_code(0);
        assert_eq!(finished.stdout(), expected);
        let mut runs = finished.store().runs;
        runs.pop().unwrap().tags["mlflow.docker.image.id"].clone()
    };
    let first = image("common\nmore\nmore\ncommon\nown.py\nown\n");
    assert_eq!(image("common\nmore\nmore\ncommon\nown.py\nown\n"), first);
    // A change outside of the project is one of the image.
    sandbox.write("shared/common.py", "changed\n");
    assert_ne!(image("changed\nmore\nmore\nchanged\nown.py\nown\n"), first);
}

#[test]
fn links_that_cannot_be_copied_are_told_before_there_is_a_run() {
    let Some(project) = DockerProject::new("", "true") else {
        return;
    };
    let sandbox = project.project.sandbox();
    let path = sandbox.work().join("project/odd");
    for (target, expected) in [
        (
            "/dev/zero",
            "it points to '/dev/zero', which is neither a file nor a directory",
        ),
        ("..", "it points to '..', which holds the link itself"),
    ] {
        symlink(target, &path).unwrap();
        for arguments in [&[][..], &["--dry-run"]] {
            let finished = project.run(arguments).with_code(1);
            let expected = format!(
                "error: cannot add the link 'odd' to the image: {expected}\nhint: remove the link, or exclude it in the \
                 project's .dockerignore\n"
            );
            assert_eq!(finished.stderr(), expected);
        }
        std::fs::remove_file(&path).unwrap();
    }
    assert!(!sandbox.work().join("mlflow.db").exists());
    symlink("/dev/zero", &path).unwrap();
    sandbox.write("project/.dockerignore", "odd\n");
    project.run(&[]).expect_code(0);
    symlink("gone", sandbox.work().join("project/nowhere")).unwrap();
    let finished = project.run(&[]).with_code(0);
    let warning = "warning: the link 'nowhere' in the project is broken\n";
    assert_contains(finished.stderr(), warning);
}

/// The author of a project from elsewhere does not decide which files of this machine are read.
#[test]
fn links_of_a_fetched_project_stay_in_what_was_fetched() {
    let Some(project) = DockerProject::new("", "cat shared") else {
        return;
    };
    let sandbox = project.project.sandbox();
    sandbox.write("secret", "geheim\n");
    let secret = sandbox.work().join("secret").display().to_string();
    sandbox.shell(
        "git init -q repository && mv project repository/project && echo common >repository/common && \
         ln -s ../common repository/project/shared && cd repository && git add . && git commit -qm first",
    );
    let uri = format!("file://{}#project", sandbox.work().join("repository").display());
    let finished = project.project.mlrun(&["run", &uri, "-v", "main"]);
    finished.expect_code(0);
    assert_eq!(finished.stdout(), "common\n");
    for run in finished.store().runs {
        project.docker.remove_image(&run.tags["mlflow.docker.image.uri"]);
    }
    symlink(
        Path::new(&secret),
        sandbox.work().join("repository/project/stolen"),
    )
    .unwrap();
    sandbox.shell("cd repository && git add . && git commit -qm second");
    let finished = project.project.mlrun(&["run", &uri, "-v", "main"]);
    finished.expect_code(1);
    let told = finished.stderr();
    assert_contains(told, "cannot add the link 'stolen' to the image: it points to '");
    assert_contains(told, "', which was not fetched with the project\nhint: ");
}
