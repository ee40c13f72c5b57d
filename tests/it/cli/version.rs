//! `mlrun version`, and `--version` as it always was.

use crate::harness::{Project, assert_contains_all, assert_starts_with};

#[test]
fn the_version_is_one_line_unless_more_is_asked_for() {
    let project = Project::new();
    let first = format!("mlrun {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(project.mlrun(&["--version"]).with_code(0).stdout(), first);
    for arguments in [
        &["version"][..],
        &["--version", "--verbose"],
        &["--verbose", "--version"],
    ] {
        let finished = project.mlrun(arguments).with_code(0);
        assert_starts_with(finished.stdout(), &first);
        let shown = finished.stdout().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_contains_all(
            &shown,
            &[
                " commit ",
                " target ",
                " rustc 1.",
                " openssl 3.",
                " libgit2 1.",
                " sqlite 3.",
            ],
        );
    }
    let json: serde_json::Value =
        serde_json::from_str(project.mlrun(&["version", "--json"]).with_code(0).stdout()).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    // Whatever the tests are built from: a hash, or that there is none.
    let commit = json["commit"].as_str().unwrap();
    assert!(commit == "unknown" || commit.len() >= 40, "{commit}");
}
