//! The tag of a run whose project's files are not those of its commit, beside what Git says.

use crate::harness::Project;

/// A repository with a project in `project` and something beside it.
fn repository() -> Project {
    let project = Project::new()
        .command("echo output > made.txt; echo changed >> tracked.txt")
        .file("tracked.txt", "one\n")
        .file("link", "")
        .file("sub/deep/file.txt", "two\n");
    project.sandbox().write("beside/file.txt", "three\n");
    project.sandbox().shell(
        "rm project/link && ln -s tracked.txt project/link
         printf '*.log\nignored/\n' > .gitignore
         git init -q && git add -A && git commit -qm one",
    );
    project
}

/// Whether the last run of the project has the tag.
fn is_marked(project: &Project) -> bool {
    let finished = project.run([]).with_code(0);
    let run = finished.store().runs.pop().unwrap();
    assert_eq!(run.tags["mlflow.source.git.commit"].len(), 40);
    match run.tags.get("mlflow.source.git.dirty").map(String::as_str) {
        None => false,
        Some("true") => true,
        Some(other) => panic!("{other}"),
    }
}

#[test]
fn changes_mark_a_run() {
    for (change, expected) in [
        (":", false),
        // Looked at again, since its time differs; its content does not.
        ("touch project/tracked.txt", false),
        ("echo more >> project/tracked.txt", true),
        // Of the same length and time.
        (
            "touch -r project/tracked.txt t && echo eno > project/tracked.txt && touch -r t project/tracked.txt && rm t",
            true,
        ),
        ("echo more >> beside/file.txt", true),
        ("rm project/sub/deep/file.txt", true),
        ("chmod +x project/tracked.txt", true),
        ("ln -sf elsewhere project/link", true),
        ("rm project/link && cp project/tracked.txt project/link", true),
        ("echo more >> project/tracked.txt && git add -A", true),
        ("git mv project/tracked.txt project/moved.txt", true),
        ("echo new > project/new.py", true),
        (
            "mkdir -p project/new/deep && echo new > project/new/deep/new.py",
            true,
        ),
        ("mkdir -p project/empty/deep", false),
        ("echo new > project/sub/new.py", true),
        ("echo new > beside/new.py", false),
        (
            "mkdir -p project/sub/ignored && echo new > project/sub/ignored/x && echo new > project/a.log",
            false,
        ),
        (
            "mkdir -p project/__pycache__ && echo new > project/__pycache__/x.pyc",
            false,
        ),
        (
            "git update-index --assume-unchanged project/tracked.txt && echo x > project/tracked.txt",
            false,
        ),
        (
            "touch .git/index && sleep 0.01 && touch project/tracked.txt",
            false,
        ),
        ("git init -q project/nested && echo x > project/nested/file", true),
    ] {
        let project = repository();
        project.sandbox().shell(change);
        assert_eq!(is_marked(&project), expected, "{change}");
    }
}

#[test]
fn what_a_run_itself_writes_does_not_mark_it() {
    let project = Project::new().command("echo output > made.txt");
    project
        .sandbox()
        .shell("git init -q project && cd project && git add -A && git commit -qm one");
    // The store, its journal and its artifacts, and the result, all lie in the project.
    let arguments = ["run", "project", "--no-conda", "--run-info", "project/info.json"];
    let project = project.env("MLFLOW_TRACKING_URI", "sqlite:///project/store.db");
    let tags = |project: &Project| {
        project.mlrun(&arguments).expect_code(0);
        let info = std::fs::read_to_string(project.sandbox().work().join("project/info.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&info).unwrap()["source"]["dirty"].clone()
    };
    project
        .sandbox()
        .shell("mkdir -p mlruns/0 && touch project/info.json");
    assert_eq!(tags(&project), false);
    project.sandbox().shell("rm project/made.txt");
    assert_eq!(tags(&project), false);
    // What the entry point wrote is no part of the commit.
    assert_eq!(tags(&project), true);
}

#[test]
fn a_clone_is_clean_and_what_is_no_commit_is_neither() {
    let project = repository();
    project.sandbox().shell("echo more >> project/tracked.txt");
    let clone = project.mlrun(&["run", "file://<sandbox>/work#project", "-v", "main", "--no-conda"]);
    clone.expect_code(0);
    let run = clone.store().runs.pop().unwrap();
    assert!(
        !run.tags.contains_key("mlflow.source.git.dirty"),
        "{:?}",
        run.tags
    );

    let project = Project::new().command("true");
    project.sandbox().shell("git init -q project");
    project.run(["--run-info", "info.json"]).expect_code(0);
    let info = project.run_info();
    assert_eq!(info["source"]["dirty"], serde_json::Value::Null);
}
