//! `.dockerignore`: the same files reach the image as with a plain `docker build` of the directory.

use super::engine::DockerProject;

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
        let finished = project.run(&[]);
        finished.expect_code(0);
        project.docker.remove_image(&image);
        assert_eq!(finished.stdout().trim(), expected, "{text:?}");
    }
}
