//! Projects in Git work trees. Those that are fetched from repositories have their own comparison in
//! `fetch::git`.

use crate::whole_program::differential::{Case, Deviation, case};

const HERE: &str = "entry_points:\n  main:\n    command: pwd; ls | grep -v mlflow.db\n";

/// Makes the project a repository with one commit.
const COMMIT: &str = "cd project; git init -q; git add -A; git commit -qm one";

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    vec![
        case("a work tree with a commit").mlproject(HERE).setup(COMMIT).on_every_store(),
        case("a work tree with changes").mlproject(HERE).setup(COMMIT).setup("echo x >project/new")
            .differs(Deviation::ChangedTreesAreMarked, "run1.tag.mlflow.source.git.dirty", "true"),
        case("a work tree without a commit").mlproject(HERE).setup("cd project; git init -q"),
        case("a work tree at a commit of its own").mlproject(HERE).setup(COMMIT).setup("cd project; git checkout -q --detach"),
        case("a directory in a work tree").file("sub/MLproject", HERE).setup(COMMIT).uri("project/sub").run([]),
        case("a subdirectory of a work tree").file("sub/MLproject", HERE).setup(COMMIT).uri("project#sub").run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "file://<sandbox>/work/project#sub",
            ),
        case("a work tree that is the current directory").mlproject(HERE).setup(COMMIT).directory("project").uri(".").run([]),
        case("a work tree by its file URI")
            .mlproject(HERE)
            .setup(COMMIT)
            .uri("file://<sandbox>/work/project")
            .run([])
            .differs(Deviation::SourceNamesAreRight, "run1.tag.mlflow.source.name", "file://<sandbox>/work/project"),
        case("a work tree with a remote").mlproject(HERE).setup(COMMIT).setup(
            "cd project; git remote add origin https://example.com/org/repo.git",
        ),
        case("a work tree with credentials in its remote")
            .mlproject(HERE)
            .setup(COMMIT)
            .setup("cd project; git remote add origin https://user:token@example.com:8443/org/repo.git"),
        case("a work tree with an SSH remote").mlproject(HERE).setup(COMMIT).setup(
            "cd project; git remote add origin git@example.com:org/repo.git",
        ),
        case("a work tree with several remotes").also_in_a_process().mlproject(HERE).setup(COMMIT).setup(
            "cd project; git remote add zoo https://example.com/zoo; git remote add abc https://example.com/abc",
        ),
        case("an ignored directory in a work tree")
            .file("sub/MLproject", HERE)
            .file(".gitignore", "sub/\n")
            .setup(COMMIT)
            .uri("project/sub")
            .run([]),
        case("a second work tree of a repository")
            .mlproject(HERE)
            .setup(COMMIT)
            .setup("cd project; git worktree add -q ../second")
            .uri("second")
            .run([]),
    ]
}
