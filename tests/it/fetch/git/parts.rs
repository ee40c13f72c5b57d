//! What comes with a repository or only with effort: commits that no branch names, default branches,
//! submodules, Git LFS, pages, settings.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::forms::{Access, run, runner};
use super::servers::Servers;
use super::{FETCHERS, Fetcher};
use crate::harness::{Project, assert_contains, assert_lacks, require_program};

/// What the marker file holds in the run's own words: the line before the commit's hash.
pub(super) fn marker(stdout: &str) -> String {
    let lines: Vec<&str> = stdout.lines().collect();
    let commit = lines.iter().position(|line| line.len() == 40).expect(stdout);
    lines[commit - 1].to_owned()
}

/// The clone that `--keep-workdir` left.
fn clone_of(project: &Project) -> PathBuf {
    let temporary = project.sandbox().root().join("tmp");
    let mut entries = std::fs::read_dir(temporary).unwrap();
    entries.next().unwrap().unwrap().path()
}

fn commits_in(project: &Project) -> usize {
    let clone = clone_of(project);
    let mut command = project.sandbox().command("git");
    command.current_dir(clone).args(["rev-list", "--count", "HEAD"]);
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

#[test]
fn commits_are_found_by_whole_and_short_hashes() {
    let Some(servers) = Servers::shared() else { return };
    let main = servers.git("source", &["rev-parse", "main"]);
    let second = servers.git("source", &["rev-parse", "feature/a"]);
    let first = servers.git("source", &["rev-parse", "light"]);
    let between = servers.git("source", &["rev-parse", "main~1"]);
    assert_eq!(between, second);
    for fetcher in FETCHERS {
        for (uri, version, expected, commits) in [
            // Named by a branch: alone, from any server.
            ("http://<http>/open/project.git", main.as_str(), "three", Some(1)),
            ("http://<http>/open/project.git", &main[..8], "three", Some(1)),
            ("git://<daemon>/project.git", &second, "two", Some(1)),
            ("http://<http>/open/project.git", &first[..5], "one", None),
            (
                "http://<http>/open/project.git",
                &first.to_uppercase(),
                "one",
                None,
            ),
            ("<repositories>/source", &first[..6], "one", None),
        ] {
            let project = fetcher.of(runner(servers, Access::Open));
            let uri = servers.expand(uri);
            let finished = project.mlrun(&[
                "run",
                &uri,
                "--env-manager",
                "local",
                "-v",
                version,
                "--keep-workdir",
            ]);
            finished.expect_code(0);
            let clone = clone_of(&project);
            let marker = std::fs::read_to_string(clone.join("marker")).unwrap();
            assert_eq!(marker.trim(), expected, "{uri} {version}");
            if let Some(commits) = commits {
                assert_eq!(commits_in(&project), commits, "{uri} {version}");
            }
        }
    }
}

#[test]
fn commits_that_no_branch_names_come_alone_where_the_server_gives_them() {
    let Some(servers) = Servers::shared() else { return };
    // A commit between the branches' own: make one by asking for main's parent's parent.
    let middle = servers.git("super-source", &["rev-parse", "HEAD"]);
    assert_eq!(middle.len(), 40);
    let hidden = servers.git("source", &["rev-parse", "refs/hidden/x"]);
    for (repository, fetcher, commits) in [
        ("lenient.git", Fetcher::Library, 1),
        ("lenient.git", Fetcher::Program, 1),
        ("project.git", Fetcher::Program, 1),
    ] {
        let project = fetcher.of(runner(servers, Access::Open));
        let uri = servers.expand(&format!("http://<http>/open/{repository}"));
        let finished = project.mlrun(&[
            "run",
            &uri,
            "--env-manager",
            "local",
            "-v",
            &hidden,
            "--keep-workdir",
        ]);
        finished.expect_code(0);
        let marker = std::fs::read_to_string(clone_of(&project).join("marker")).unwrap();
        assert_eq!(marker.trim(), "hidden");
        assert_eq!(commits_in(&project), commits, "{repository}");
    }
}

#[test]
fn the_default_branch_is_what_head_names() {
    let Some(servers) = Servers::shared() else { return };
    for uri in [
        "http://<http>/open/trunk.git",
        "git://<daemon>/trunk.git",
        "<repositories>/trunk.git",
    ] {
        let project = runner(servers, Access::Open);
        let finished = run(&project, servers, uri, None).with_code(0);
        assert_eq!(marker(finished.stdout()), "three", "{uri}");
        assert_contains(finished.stderr(), "Fetched 'trunk' branch");
    }
}

#[test]
fn pages_are_understood() {
    let Some(servers) = Servers::shared() else { return };
    for (page, expected) in [
        ("tree/main/sub/deep", "one"),
        ("tree/feature/a", "two"),
        ("tree/feature/a/sub/deep", "one"),
        ("tree/v1", "one"),
        ("-/tree/alone/sub", "no marker"),
        ("src/branch/main/sub/deep", "one"),
        ("blob/main/sub/deep/MLproject", "one"),
    ] {
        let project = runner(servers, Access::Open);
        let uri = servers.expand(&format!("http://<http>/open/project.git/{page}"));
        let finished = project.mlrun(&["run", &uri, "--env-manager", "local"]);
        if expected == "no marker" {
            // There is no MLproject in that directory: the directory was found all the same.
            finished.expect_code(1);
            assert_contains(finished.stderr(), "Fetched 'alone' branch");
            continue;
        }
        finished.expect_code(0);
        assert_eq!(marker(finished.stdout()), expected, "{page}");
        let store = finished.store();
        let repository = servers.expand("http://<http>/open/project.git");
        assert_eq!(store.run().tags["mlflow.source.git.repoURL"], repository);
        assert_eq!(store.run().tags["mlflow.source.name"], uri);
    }
}

#[test]
fn submodules_come_at_their_pinned_commits() {
    let Some(servers) = Servers::shared() else { return };
    for fetcher in FETCHERS {
        for (uri, access) in [
            ("http://<http>/open/super.git", Access::Open),
            ("http://<http>/old/super.git", Access::Open),
            ("http://user:t0ken@<http>/private/super.git", Access::Open),
            ("git://<daemon>/super.git", Access::Open),
            ("gitserver:<repositories>/super.git", Access::Ssh),
            ("<repositories>/super.git", Access::Open),
        ] {
            if fetcher == Fetcher::Library && access == Access::Ssh {
                continue;
            }
            let project = fetcher.of(runner(servers, access));
            let finished = run(&project, servers, uri, None).with_code(0);
            for file in ["parts/library/library 644", "parts/library/inner/nested 644"] {
                assert!(finished.stdout().contains(file), "{uri}\n{}", finished.stdout());
            }
        }
    }
}

#[test]
fn hostile_submodules_are_refused() {
    let Some(servers) = Servers::shared() else { return };
    for (repository, reason) in [
        ("ext", "remote helper 'ext'"),
        ("option", "it begins with '-'"),
        ("disk", "must not refer to a repository on this machine"),
        ("path", "must not refer to a repository on this machine"),
        ("word", "it is not a URL"),
        ("lines", "it contains a control character"),
    ] {
        for fetcher in FETCHERS {
            let project = fetcher.of(runner(servers, Access::Open));
            let finished = run(
                &project,
                servers,
                &format!("http://<http>/open/{repository}.git"),
                None,
            );
            finished.expect_code(1);
            assert!(
                finished
                    .stderr()
                    .contains("cannot fetch the submodule 'parts/library'")
                    && finished.stderr().contains(reason),
                "{}",
                finished.stderr()
            );
            assert!(finished.store().runs.is_empty());
        }
    }
}

#[test]
fn a_submodule_without_a_url_is_an_error() {
    for (number, modules) in [
        "",
        "[submodule \"other\"]\n path = other\n url = ../other\n",
        "[submodule \"part\"]\n path\n url = ../other\n",
    ]
    .iter()
    .enumerate()
    {
        for fetcher in FETCHERS {
            let project = fetcher.of(Project::new());
            let sandbox = project.sandbox();
            sandbox.write("source/MLproject", "entry_points: {main: {command: 'true'}}");
            if number > 0 {
                sandbox.write("source/.gitmodules", modules);
            }
            sandbox.shell(
                "cd source && git init -q && git add -A && git commit -qm one
                 git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),part && git commit -qm two",
            );
            let finished = project.mlrun(&["run", "source", "-v", "main", "--env-manager", "local"]);
            finished.expect_code(1);
            for expected in [
                "cannot fetch the submodule 'part'",
                "the repository's file '.gitmodules' has no URL for it",
            ] {
                assert_contains(finished.stderr(), expected);
            }
        }
    }
}

#[test]
fn a_repository_in_a_directory_of_any_name_is_cloned() {
    for fetcher in FETCHERS {
        let project = fetcher.of(Project::new());
        let sandbox = project.sandbox();
        let directory = sandbox.work().join(OsStr::from_bytes(b"caf\xe9 1%25"));
        std::fs::create_dir(&directory).unwrap();
        let text = "entry_points: {main: {command: 'cat marker'}}";
        std::fs::write(directory.join("MLproject"), text).unwrap();
        sandbox.shell(
            "cd caf* && git init -q && echo one >marker && git add -A && git commit -qm one
             git tag v1 && echo two >marker && git commit -qam two",
        );
        for (version, expected) in [("v1", "one\n"), ("main", "two\n"), ("main~1", "")] {
            let mut command = sandbox.interruptible_mlrun();
            command.args(["run", ".", "-v", version, "--env-manager", "local"]);
            command.current_dir(&directory).envs(project.environment());
            // A store must have a name that is text.
            command.env("MLFLOW_TRACKING_URI", sandbox.work().join("store"));
            let output = command.output().unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            let stdout = String::from_utf8_lossy(&output.stdout);
            assert_eq!(stdout, expected, "{fetcher:?} {version}: {stderr}");
            assert_eq!(output.status.success(), !expected.is_empty(), "{stderr}");
        }
    }
}

#[test]
fn files_in_git_lfs_are_named_or_fetched() {
    let Some(servers) = Servers::shared() else { return };
    let project = runner(servers, Access::Open);
    let finished = run(&project, servers, "http://<http>/open/lfs.git", None);
    finished.expect_code(0);
    assert_contains(finished.stderr(), "only pointers: 'large.bin'; install git-lfs");
    let project = runner(servers, Access::Open).env("GIT_LFS_SKIP_SMUDGE", "1");
    let finished = run(&project, servers, "http://<http>/open/lfs.git", None);
    finished.expect_code(0);
    assert_lacks(finished.stderr(), "LFS");

    let Some(lfs) = require_program("git-lfs") else {
        return;
    };
    let project = runner(servers, Access::Open);
    project.sandbox().link_program("git-lfs", &lfs);
    let uri = servers.expand("file://<repositories>/lfs.git");
    let finished = project.mlrun(&["run", &uri, "--env-manager", "local", "--keep-workdir"]);
    finished.expect_code(0);
    assert_contains(finished.stderr(), "Fetching Git LFS files: 'large.bin'");
    let contents = project.sandbox().shell("cat ../tmp/*/large.bin");
    assert_eq!(contents, "the contents of a large file\n");
}

#[test]
fn an_old_server_gives_a_commit_with_all_others() {
    let Some(servers) = Servers::shared() else { return };
    // No branch names it.
    let pinned = servers.git(".", &["-C", "library-source", "rev-parse", "main~1"]);
    for fetcher in FETCHERS {
        for version in [&pinned, &pinned[..9]] {
            let project = fetcher.of(runner(servers, Access::Open));
            let uri = servers.expand("http://<http>/old/library.git");
            let finished = project.mlrun(&["run", &uri, "-v", version]);
            let fetched = format!("Fetched commit {pinned}");
            assert_contains(finished.stderr(), &fetched);
        }
    }
}

#[test]
fn settings_of_git_count() {
    let Some(servers) = Servers::shared() else { return };
    let project = runner(servers, Access::Open);
    let config = servers.expand(
        "[url \"http://user:t0ken@<http>/private/\"]\n insteadOf = company:\n[http \"http://<http>/open/\"]\n extraHeader = \"X: y\"\n",
    );
    std::fs::write(project.sandbox().root().join("home/.gitconfig"), config).unwrap();
    let finished = project.mlrun(&["run", "company:project.git", "--env-manager", "local"]);
    finished.expect_code(0);
    // The project's own call of `git` tells what the configuration says.
    assert_lacks(finished.stderr(), "t0ken");
    assert_eq!(
        finished.store().run().tags["mlflow.source.git.repoURL"],
        "company:project.git"
    );
}

#[test]
fn files_are_written_as_git_writes_them() {
    let Some(servers) = Servers::shared() else { return };
    for (repository, config, has_line_feeds) in [
        ("plain.git", "", [true, true]),
        ("plain.git", "[core]\n autocrlf = true\n", [false, false]),
        ("plain.git", "[core]\n autocrlf = false\n", [true, true]),
        (
            "plain.git",
            "[core]\n attributesFile = ~/attributes\n",
            [false, false],
        ),
        ("attributes.git", "", [true, false]),
    ] {
        let project = runner(servers, Access::Open);
        let sandbox = project.sandbox();
        sandbox.write("../home/.gitconfig", config);
        sandbox.write("../home/attributes", "*.txt text eol=crlf\n");
        let uri = servers.expand(&format!("http://<http>/open/{repository}"));
        let finished = project.mlrun(&["run", &uri, "--env-manager", "local", "--keep-workdir"]);
        finished.expect_code(0);
        sandbox.shell(&format!("git clone -q {uri} theirs"));
        let [ours, theirs] = [clone_of(&project), sandbox.work().join("theirs")];
        for file in ["text.txt", "below/text.txt", "MLproject", "tool.sh", "link"] {
            let [ours, theirs] = [&ours, &theirs].map(|directory| {
                let path = directory.join(file);
                let mode = path.symlink_metadata().unwrap().permissions().mode();
                (mode, std::fs::read_to_string(path).unwrap())
            });
            assert_eq!(ours, theirs, "{repository} {config} {file}");
        }
        assert_eq!(
            sandbox.shell("git -C ../tmp/*/ status --porcelain"),
            "",
            "{repository} {config}"
        );
        for (file, has_line_feeds) in ["text.txt", "below/text.txt"].into_iter().zip(has_line_feeds) {
            let expected = if has_line_feeds { "a\nb\n" } else { "a\r\nb\r\n" };
            let text = std::fs::read_to_string(sandbox.work().join("theirs").join(file)).unwrap();
            assert_eq!(text, expected, "{repository} {config} {file}");
        }
    }
}
