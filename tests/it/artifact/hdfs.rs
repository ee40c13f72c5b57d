//! `hdfs:` and `viewfs:` URIs where Hadoop's own program is on the `PATH`. The program is a small fake: the real one
//! is in no package.

use super::uploads::{upload_file, uploaded};
use super::{SHOW, assert_nothing_is_left, layout, run};
use crate::harness::{Project, Sandbox, assert_contains};

const PROGRAM: &str = r#"#!/bin/sh
echo "$@" >> "$HOME/calls"
[ "$1" = dfs ] || exit 9
files() {
  path=${1#hdfs://name:8020}
  case ${path#viewfs://view} in
  *\\*) echo "$HOME/files${path#viewfs://view}" | sed 's/\\\(.\)/\1/g' ;;
  *[*?[]*) echo "$HOME/a pattern" ;;
  *) echo "$HOME/files${path#viewfs://view}" ;;
  esac
}
case $2 in
-stat) place=$(files "$4") ;;
-get) place=$(files "$3") ;;
-mkdir) [ "$3" = -p ] && mkdir -p "$(files "$4")"; exit ;;
-put)
  [ ! -e "$HOME/broken" ] || { echo 'put: no space' >&2; exit 1; }
  [ "$3" = -f ] && cp "$4" "$(files "$5")"; exit ;;
esac
if [ ! -e "$place" ]; then
  echo "$2: \`$place': No such file or directory" >&2
  exit 1
fi
case $2 in
-stat) if [ -d "$place" ]; then echo directory; else echo 'regular file'; fi ;;
-get) [ ! -e "$HOME/broken" ] && cp -r "$place" "$4" || { echo half > "$4"; echo 'get: broken pipe' >&2; exit 1; } ;;
esac
"#;

#[test]
fn the_program_brings_files_and_directories() {
    let project = Project::new().mlproject(SHOW);
    let root = project.sandbox().root().to_owned();
    project.sandbox().write_executable("hdfs", PROGRAM);
    project
        .sandbox()
        .link_program("hdfs", &project.sandbox().work().join("hdfs"));
    std::fs::create_dir_all(root.join("home/files/top/tree/d")).unwrap();
    std::fs::write(root.join("home/files/top/tree/d/two words"), "two\n").unwrap();
    std::fs::write(root.join("home/files/top/tree/one.txt"), "one\n").unwrap();
    std::fs::write(root.join("home/files/top/a*[1].txt"), "odd\n").unwrap();
    for (uri, files, path) in [
        ("hdfs://name:8020/top/a*[1].txt", vec!["a*[1].txt"], "a*[1].txt"),
        (
            "hdfs://name:8020/top/tree",
            vec!["tree/d/two words", "tree/one.txt"],
            "tree",
        ),
        ("hdfs://name:8020/top/tree/", vec!["d/two words", "one.txt"], ""),
        ("hdfs://name:8020/top/tree/one.txt", vec!["one.txt"], "one.txt"),
        (
            "viewfs://view/top/tree",
            vec!["tree/d/two words", "tree/one.txt"],
            "tree",
        ),
        ("ViewFS://view/top/tree/one.txt", vec!["one.txt"], "one.txt"),
    ] {
        let finished = run(&project, uri).with_code(0);
        let (found, own) = layout(finished.stdout());
        let found: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!((found, own.as_str()), (files, path), "{uri}");
        let storage = project.sandbox().work().join("storage");
        std::fs::remove_dir_all(storage).unwrap();
    }
    let runs = project
        .run(["--dry-run", "-P", "data=project"])
        .store()
        .runs
        .len();
    let finished = run(&project, "hdfs://name:8020/nope").with_code(1);
    assert_contains(finished.stderr(), "No such file or directory");
    assert_eq!(finished.store().runs.len(), runs);
    std::fs::write(root.join("home/broken"), "").unwrap();
    let finished = run(&project, "hdfs://name:8020/top/tree").with_code(1);
    assert_contains(finished.stderr(), "get: broken pipe");
    assert_nothing_is_left(&project);
}

#[test]
fn the_program_takes_files() {
    let sandbox = Sandbox::new();
    sandbox.write_executable("hdfs", PROGRAM);
    sandbox.link_program("hdfs", &sandbox.work().join("hdfs"));
    let uri = "hdfs://name:8020/runs/1/artifacts";
    for (uri, place) in [(uri, "runs/1/artifacts"), ("viewfs://view/runs/2", "runs/2")] {
        assert_eq!(uploaded(uri, &[], &sandbox), None);
        let arrived = sandbox.root().join("home/files").join(place);
        let arrived = std::fs::read_to_string(arrived.join("logs/std out.txt"));
        assert_eq!(arrived.unwrap(), "a line\n");
    }
    std::fs::write(sandbox.root().join("home/broken"), "").unwrap();
    let error = upload_file(uri, &[], &sandbox).unwrap();
    assert_contains(&error, &format!("to the artifacts at '{uri}': "));
    assert_contains(&error, "put: no space");
}

/// Only Hadoop's own configuration says what a view is made of.
#[test]
fn a_view_needs_the_program() {
    let project = Project::new().mlproject(SHOW);
    let finished = run(&project, "viewfs://view/top/tree").with_code(1);
    let expected = "caused by: the program 'hdfs' was not found\nhint: install 'hdfs'";
    assert_contains(finished.stderr(), expected);
    assert_eq!(finished.store().runs.len(), 0);
}
