//! `mlrun env list`, `prune` and `rm`.

use std::fs;
use std::process::Child;

use serde_json::Value;

use super::{only_environment, records, start, tiny_project, wait_until};
use crate::harness::Project;

const UV: [&str; 2] = ["--env-manager", "uv"];

/// A run that uses its environment until the file `stop` is there.
fn long_run(project: &Project, number: usize) -> Child {
    let stop = project.sandbox().work().join("stop");
    project.sandbox().write(
        "project/MLproject",
        format!(
            "name: tiny\npython_env: python_env.yaml\nentry_points:\n  main:\n    command: \"touch ready; until test -e {}; do sleep 0.05; done\"\n",
            stop.display()
        ),
    );
    let run = start(project, number, &UV);
    let ready = project.sandbox().work().join("project/ready");
    wait_until("the entry point's start", || ready.exists());
    run
}

fn stop(project: &Project, mut run: Child) {
    project.sandbox().write("stop", "");
    assert!(run.wait().unwrap().success());
}

fn list(project: &Project) -> Vec<Value> {
    let finished = project.mlrun(&["env", "list", "--json"]);
    finished.expect_code(0);
    serde_json::from_str(finished.stdout()).unwrap()
}

#[test]
fn environments_are_listed() {
    let Some(project) = tiny_project() else { return };
    assert_eq!(list(&project), Vec::<Value>::new());
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    let environment = only_environment(&project);
    let [listed] = list(&project).try_into().unwrap();
    assert_eq!(listed["name"], environment.file_name().unwrap().to_str().unwrap());
    assert_eq!(listed["directory"], environment.to_str().unwrap());
    assert_eq!(listed["manager"], "uv");
    assert_eq!(listed["project"], "tiny");
    assert_eq!(listed["state"], "ready");
    assert!(listed["bytes"].as_u64().unwrap() > 10_000, "{listed}");
    assert!(
        listed["created"].as_i64() <= listed["last_used"].as_i64(),
        "{listed}"
    );

    let created = listed["created"].clone();
    project
        .mlrun(&["run", "project", "--env-manager", "virtualenv"])
        .expect_code(0);
    let [later] = list(&project).try_into().unwrap();
    assert_eq!(later["created"], created);
    assert!(
        later["last_used"].as_i64() > listed["last_used"].as_i64(),
        "{later}"
    );

    let table = project.mlrun(&["env", "list"]);
    let lines: Vec<&str> = table.stdout().lines().collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let words: Vec<&str> = lines[0].split_whitespace().collect();
    assert_eq!(
        words,
        [
            "NAME", "MANAGER", "SIZE", "CREATED", "LAST", "USED", "STATE", "PROJECT"
        ]
    );
    assert!(lines[1].ends_with("ready  tiny"), "{}", lines[1]);
}

#[test]
fn an_environment_in_use_is_never_removed() {
    let Some(project) = tiny_project() else { return };
    let run = long_run(&project, 0);
    let environment = only_environment(&project);
    let name = environment.file_name().unwrap().to_str().unwrap();
    assert_eq!(list(&project)[0]["state"], "in use");

    let pruned = project.mlrun(&["env", "prune", "--older-than", "0s"]);
    pruned.expect_code(0);
    assert_eq!(pruned.stdout(), "");
    let removed = project.mlrun(&["env", "rm", name]);
    removed.expect_code(1);
    assert!(
        removed.stderr().contains(&format!(
            "the environment {name} is not removed: used by process {} on '",
            run.id()
        )),
        "{}",
        removed.stderr()
    );
    assert!(environment.join("bin/python").exists());
    assert!(!records(&environment).join("building").exists());
    // Others can use it all the while.
    project.sandbox().write("stop", "");
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    stop(&project, run);

    // By the beginning of its name, too.
    let removed = project.mlrun(&["env", "rm", &name[..12]]);
    removed.expect_code(0);
    assert_eq!(removed.stdout(), format!("Removed {name}\n"));
    assert!(!environment.exists());
    assert!(!records(&environment).exists());
    assert_eq!(list(&project), Vec::<Value>::new());
}

#[test]
fn old_environments_are_pruned() {
    let Some(project) = tiny_project() else { return };
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    let old = only_environment(&project);
    let project = project.file(
        "python_env.yaml",
        &super::PYTHON_ENV.replace("[]", "[./wheels/tiny-1.0-py3-none-any.whl]"),
    );
    project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .expect_code(0);
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    let used = std::time::SystemTime::now() - day * 40;
    let record = records(&old).join("record.json");
    let mut text: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    text["created"] = Value::from(1);
    fs::write(&record, text.to_string()).unwrap();
    fs::File::options()
        .write(true)
        .open(&record)
        .unwrap()
        .set_modified(used)
        .unwrap();

    let name = old.file_name().unwrap().to_str().unwrap();
    for (arguments, stdout, left) in [
        (&["--older-than", "41d"][..], String::new(), 2),
        (&["--dry-run"], format!("Would remove {name} ("), 2),
        (&[], format!("Removed {name} ("), 1),
        (&["--older-than", "0s"], "Removed mlflow-".to_owned(), 0),
    ] {
        let mut all = vec!["env", "prune"];
        all.extend(arguments);
        let pruned = project.mlrun(&all);
        pruned.expect_code(0);
        assert!(pruned.stdout().starts_with(&stdout), "{}", pruned.stdout());
        assert_eq!(pruned.stdout().lines().count(), usize::from(!stdout.is_empty()));
        assert_eq!(list(&project).len(), left);
    }
    assert!(!old.exists());
}
