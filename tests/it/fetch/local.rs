//! Local sources and what a run's tags say of them, through the library.
//!
//! Every expectation below was read from runs of MLflow 3.17.2 on the same layouts; the last test
//! asks an MLflow at hand again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mlrun::internals::events::Silent;
use mlrun::internals::fetch::{FetchError, FetchOptions, Source, WorkDir, fetch};
use mlrun::internals::project_uri::ProjectUri;

use crate::harness::{Sandbox, describe, mlflow3};

/// Makes every layout that the tests use, in the current directory.
const LAYOUTS: &str = r#"
project() { mkdir -p "$1"; echo 'name: x' > "$1/MLproject"; }
repository() { project "$1"; git -C "$1" init -q; git -C "$1" add -A; git -C "$1" commit -qm "$1"; }
commit_all() { git -C "$1" add -A; git -C "$1" commit -qm "$2"; }
project plain; project 'with space'; project plain/sub
repository r; project r/sub/deep; commit_all r 2; git -C r remote add origin https://user:tok@host/org/r.git
git -C r branch feature HEAD~1
repository ignoring; printf 'build/\n/out\n*.tmp\n' > ignoring/.gitignore
for name in build build/inner out x.tmp ok; do project ignoring/$name; done; commit_all ignoring 2
repository tracked; project tracked/build; commit_all tracked 2; echo build/ > tracked/.gitignore
repository excluding; project excluding/e; echo e/ >> excluding/.git/info/exclude
repository contents; echo 'd/*' > contents/.gitignore; project contents/d
mkdir empty; git -C empty init -q; project empty; git -C empty remote add up git@host:a/b.git
repository two; git -C two remote add zeta ssh://git@h/z.git; git -C two remote add alpha https://h/a.git
repository wt; git -C wt remote add origin https://h/wt; git -C wt worktree add -q ../linked -b other; project linked/s
repository inner; repository super; git -C super submodule -q add "$PWD/inner" mod; git -C super commit -qm sub; git -C super remote add origin https://h/super
repository detached; git -C detached commit -q --allow-empty -m 2; git -C detached checkout -q HEAD~1
repository packed; git -C packed pack-refs --all; git -C packed gc -q
ln -s r link-to-root; ln -s r/sub link-to-sub
repository foreign; git -C foreign remote add origin https://h/foreign; project foreign/s; chown -R 12345:12345 foreign 2>/dev/null || true
repository outer; echo n/ > outer/.gitignore; repository outer/n
repository bad-file; project bad-file/b; echo garbage > bad-file/b/.git
repository empty-dir; project empty-dir/b; mkdir empty-dir/b/.git
repository sha256-plain; project sha256; git -C sha256 init -q --object-format=sha256; commit_all sha256 1; git -C sha256 remote add origin https://h/s
repository included; printf '[remote "inc"]\n url = https://u:p@h/inc\n' > included/extra; git -C included config include.path ../extra
repository several; git -C several remote add origin https://h/1; git -C several remote set-url --add origin https://h/2
repository valueless; printf '[remote "origin"]\n url\n' >> valueless/.git/config
repository instead; git -C instead remote add origin gh:org/x; git -C instead config url.https://github.com/.insteadOf gh:
repository elsewhere; project elsewhere-tree; git -C elsewhere config core.worktree "$PWD/elsewhere-tree"
git clone -q --bare r bare.git
"#;

/// Project URI, directory it is given in, source name, repository of the commit, repository URL.
type Row = [&'static str; 5];

fn rows(text: &'static str) -> impl Iterator<Item = Row> {
    let row = |line: &'static str| {
        let mut cells = line.split('|').map(str::trim);
        std::array::from_fn(|_| cells.next().unwrap())
    };
    text.lines().map(row)
}

/// What MLflow records as well.
const SAME_AS_REFERENCE: &str = "\
<top>/plain           | .              | <top>/plain                        | -         | -
plain                 | .              | <top>/plain                        | -         | -
./plain/              | .              | <top>/plain                        | -         | -
r/../plain            | .              | <top>/plain                        | -         | -
.                     | plain          | <top>/plain                        | -         | -
with space            | .              | <top>/with space                   | -         | -
<top>/plain#sub       | .              | <top>/plain#sub                    | -         | -
r                     | .              | file://<top>/r                     | r         | https://host/org/r.git
r/                    | .              | file://<top>/r                     | r         | https://host/org/r.git
r/sub/deep            | .              | file://<top>/r#sub/deep            | r         | https://host/org/r.git
.                     | r/sub/deep     | file://<top>/r#sub/deep            | r         | https://host/org/r.git
ignoring              | .              | file://<top>/ignoring              | ignoring  | -
ignoring/build        | .              | file://<top>/ignoring#build        | -         | -
.                     | ignoring/build | file://<top>/ignoring#build        | -         | -
ignoring/build/inner  | .              | file://<top>/ignoring#build/inner  | -         | -
ignoring/out          | .              | file://<top>/ignoring#out          | -         | -
ignoring/x.tmp        | .              | file://<top>/ignoring#x.tmp        | -         | -
ignoring/ok           | .              | file://<top>/ignoring#ok           | ignoring  | -
tracked/build         | .              | file://<top>/tracked#build         | tracked   | -
excluding/e           | .              | file://<top>/excluding#e           | -         | -
contents/d            | .              | file://<top>/contents#d            | contents  | -
empty                 | .              | file://<top>/empty                 | -         | git@host:a/b.git
two                   | .              | file://<top>/two                   | two       | ssh://h/z.git
linked                | .              | file://<top>/linked                | wt        | https://h/wt
linked/s              | .              | file://<top>/linked#s              | wt        | https://h/wt
super                 | .              | file://<top>/super                 | super     | https://h/super
super/mod             | .              | file://<top>/super/mod             | inner     | <top>/inner
detached              | .              | file://<top>/detached              | detached  | -
packed                | .              | file://<top>/packed                | packed    | -
link-to-root          | .              | file://<top>/link-to-root          | r         | https://host/org/r.git
link-to-root/sub/deep | .              | file://<top>/link-to-root#sub/deep | r         | https://host/org/r.git
link-to-sub/deep      | .              | <top>/link-to-sub/deep             | -         | -
foreign               | .              | file://<top>/foreign               | foreign   | https://h/foreign
foreign/s             | .              | file://<top>/foreign#s             | foreign   | https://h/foreign
outer/n               | .              | file://<top>/outer/n               | outer/n   | -
bad-file/b            | .              | <top>/bad-file/b                   | -         | -
empty-dir/b           | .              | file://<top>/empty-dir#b           | empty-dir | -
sha256                | .              | file://<top>/sha256                | -         | https://h/s
included              | .              | file://<top>/included              | included  | https://h/inc
several               | .              | file://<top>/several               | several   | https://h/2
instead               | .              | file://<top>/instead               | instead   | gh:org/x
elsewhere             | .              | file://<top>/elsewhere             | -         | -
elsewhere-tree        | .              | <top>/elsewhere-tree               | -         | -";

/// Where MLflow records quotes, relative paths, or a `file://` URI taken for a relative path.
const MADE_RIGHT: &str = "\
'plain'                   | . | <top>/plain                 | -         | -
plain#sub                 | . | <top>/plain#sub             | -         | -
file://<top>/plain        | . | <top>/plain                 | -         | -
file://<top>/with%20space | . | <top>/with space            | -         | -
file://<top>/r            | . | file://<top>/r              | r         | https://host/org/r.git
file://<top>/r#sub/deep   | . | file://<top>/r#sub/deep     | r         | https://host/org/r.git
r#sub/deep                | . | file://<top>/r#sub/deep     | r         | https://host/org/r.git
<top>/r#sub/deep          | . | file://<top>/r#sub/deep     | r         | https://host/org/r.git
ignoring#build            | . | file://<top>/ignoring#build | -         | -
valueless                 | . | file://<top>/valueless      | valueless | -";

/// All layouts in one directory.
struct Layouts(Sandbox);

impl Layouts {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.shell(LAYOUTS);
        Self(sandbox)
    }

    fn top(&self) -> PathBuf {
        self.0.work()
    }

    fn expand(&self, text: &str) -> String {
        text.replace("<top>", self.top().to_str().unwrap())
    }

    fn anonymous(&self, text: &str) -> String {
        text.replace(self.top().to_str().unwrap(), "<top>")
    }

    /// What the `git` program says is checked out; nothing where it refuses to look.
    fn head(&self, repository: &str) -> Option<String> {
        let output = Command::new("git")
            .args(["rev-parse", "HEAD"])
            .current_dir(self.top().join(repository))
            .output()
            .unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    async fn fetch(&self, uri: &str, cwd: &str, version: Option<&str>) -> Result<WorkDir, FetchError> {
        let cwd = self.top().join(cwd).components().collect::<PathBuf>();
        let uri = ProjectUri::parse(&self.expand(uri), &cwd).unwrap();
        let options = FetchOptions {
            version: version.map(str::to_owned),
            keep: false,
        };
        fetch(&uri, &options, &Silent).await
    }

    fn expected(&self, [_, _, name, commit, repo_url]: Row) -> Source {
        let given = |cell: &'static str| Some(cell).filter(|cell| *cell != "-");
        Source {
            name: self.expand(name),
            commit: given(commit).and_then(|repository| self.head(repository)),
            repo_url: given(repo_url).map(|url| self.expand(url)),
            branch: None,
        }
    }
}

#[tokio::test]
async fn tags_of_local_directories() {
    let layouts = Layouts::new();
    for row in rows(SAME_AS_REFERENCE).chain(rows(MADE_RIGHT)) {
        let work_dir = layouts.fetch(row[0], row[1], None).await.unwrap();
        assert_eq!(work_dir.source(), &layouts.expected(row), "{row:?}");
        assert!(work_dir.path().is_absolute() && work_dir.path().is_dir() && !work_dir.is_temporary());
    }
}

/// MLflow 3.17.2 records the first remote as well, and adds the URI as one where there is none.
#[tokio::test]
async fn a_version_of_a_file_uri_names_the_uri() {
    let layouts = Layouts::new();
    for (uri, version, repo_url) in [
        ("file://<top>/ignoring", "main", "file://<top>/ignoring"),
        ("file://<top>/ignoring/", "main", "file://<top>/ignoring/"),
        ("file://<top>/ignoring#ok", "main", "file://<top>/ignoring"),
        ("ignoring", "main", "<top>/ignoring"),
        ("file://<top>/r", "feature", "https://host/org/r.git"),
    ] {
        let work_dir = layouts.fetch(uri, ".", Some(version)).await.unwrap();
        let expected = layouts.expand(repo_url);
        assert_eq!(work_dir.source().repo_url, Some(expected), "{uri}");
    }
}

#[tokio::test]
async fn local_directories_are_used_in_place() {
    let layouts = Layouts::new();
    for (uri, cwd, expected) in [
        ("plain", ".", "<top>/plain"),
        ("./plain/", ".", "<top>/plain"),
        (".", "r/sub", "<top>/r/sub"),
        ("r#sub/deep", ".", "<top>/r/sub/deep"),
        ("file://<top>/r#sub", ".", "<top>/r/sub"),
        ("link-to-sub#deep", ".", "<top>/link-to-sub/deep"),
    ] {
        let work_dir = layouts.fetch(uri, cwd, None).await.unwrap();
        assert_eq!(work_dir.path(), Path::new(&layouts.expand(expected)), "{uri}");
    }
    let before = work_tree(&layouts.top());
    drop(layouts.fetch("r#sub", ".", None).await.unwrap());
    assert_eq!(work_tree(&layouts.top()), before);
}

#[tokio::test]
async fn what_cannot_be_had_from_a_directory_is_told() {
    let layouts = Layouts::new();
    for (uri, version, message, hint) in [
        (
            "plain",
            Some("main"),
            "cannot check out a version of '<top>/plain': it is not a Git repository",
            Some("leave -v/--version out to use the files as they are"),
        ),
        (
            "r/sub",
            Some("main"),
            "cannot check out a version of '<top>/r/sub': it is not a Git repository",
            Some("it is inside a Git repository; use '<top>/r#sub'"),
        ),
        (
            "r",
            Some("--upload-pack=x"),
            "'--upload-pack=x' is not a valid version: it begins with '-'",
            Some("use the name of a branch or tag, or a commit's hash"),
        ),
        (
            "r",
            Some(""),
            "'' is not a valid version: it is empty",
            Some("use the name of a branch or tag, or a commit's hash"),
        ),
        (
            "r",
            Some("a b"),
            "'a b' is not a valid version: it contains a space or a control character",
            Some("use the name of a branch or tag, or a commit's hash"),
        ),
        (
            "r#sab",
            None,
            "there is no directory 'sab' in '<top>/r'",
            Some("did you mean 'sub'?"),
        ),
        (
            "r#sub/deeep",
            None,
            "there is no directory 'sub/deeep' in '<top>/r'",
            Some("did you mean 'sub/deep'?"),
        ),
        (
            "r#sub/other",
            None,
            "there is no directory 'sub/other' in '<top>/r'",
            Some("the directories in 'sub' are: deep"),
        ),
        (
            "ignoring#none",
            None,
            "there is no directory 'none' in '<top>/ignoring'",
            Some("the directories at its top are: build, ok, out, x.tmp"),
        ),
        (
            "plain/sub#none",
            None,
            "there is no directory 'none' in '<top>/plain/sub'",
            Some("it has no subdirectories; remove the '#…' part of the URI"),
        ),
        (
            "r#MLproject",
            None,
            "'MLproject' in '<top>/r' is a file, not a directory",
            None,
        ),
    ] {
        let error = layouts.fetch(uri, ".", version).await.unwrap_err();
        assert_eq!(layouts.anonymous(&error.to_string()), message, "{uri}");
        assert_eq!(
            error.hint().map(|hint| layouts.anonymous(&hint)).as_deref(),
            hint,
            "{uri}"
        );
    }
}

#[tokio::test]
async fn a_zip_file_is_named_by_its_place() {
    let layouts = Layouts::new();
    // The smallest zip file: nothing but the end of its empty list.
    let empty_zip = [b"PK\x05\x06".as_slice(), &[0; 18]].concat();
    fs::write(layouts.top().join("p.zip"), &empty_zip).unwrap();
    fs::write(layouts.top().join("r/in.zip"), &empty_zip).unwrap();
    for (uri, name) in [
        ("p.zip", "<top>/p.zip"),
        ("file://<top>/p.zip", "<top>/p.zip"),
        ("r/in.zip", "file://<top>/r#in.zip"),
    ] {
        let work_dir = layouts.fetch(uri, ".", None).await.unwrap();
        let name = layouts.expand(name);
        assert_eq!(
            work_dir.source(),
            &Source {
                name,
                commit: None,
                repo_url: None,
                branch: None
            }
        );
        assert!(work_dir.is_temporary() && work_dir.path().is_dir());
    }
    let error = layouts.fetch("p.zip", ".", Some("main")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot check out version 'main' of 'p.zip': only a Git repository has versions, and this is a zip file"
    );
}

/// Every path below a directory with its time of change.
fn work_tree(directory: &Path) -> BTreeMap<PathBuf, std::time::SystemTime> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let metadata = entry.path().symlink_metadata().unwrap();
        found.insert(entry.path(), metadata.modified().unwrap());
        if metadata.is_dir() {
            found.extend(work_tree(&entry.path()));
        }
    }
    found
}

/// Asks MLflow for the tags that its own run would get.
const REFERENCE: &str = r#"
import json, os, sys, warnings
from mlflow.projects import utils
from mlflow.tracking._tracking_service.utils import _get_git_url_if_present
from mlflow.utils.git_utils import get_git_commit, get_git_repo_url
for line in sys.stdin:
    cwd, uri = json.loads(line)
    os.chdir(cwd)
    work_dir = utils._fetch_project(uri, None)
    name = _get_git_url_if_present(utils._expand_uri(uri)) if utils._is_local_uri(uri) else utils._expand_uri(uri)
    print(json.dumps([name, get_git_commit(work_dir), get_git_repo_url(work_dir)]))
"#;

#[test]
fn the_reference_records_the_same() {
    let Some(environment) = mlflow3() else { return };
    let layouts = Layouts::new();
    let questions: String = rows(SAME_AS_REFERENCE)
        .map(|[uri, cwd, ..]| serde_json::json!([layouts.top().join(cwd), layouts.expand(uri)]))
        .map(|question| format!("{question}\n"))
        .collect();
    let input = layouts.top().join("questions");
    fs::write(&input, questions).unwrap();
    let output = Command::new(environment.join("bin/python"))
        .args(["-W", "ignore", "-c", REFERENCE])
        .stdin(fs::File::open(&input).unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", describe(&output));
    let answers: Vec<(String, Option<String>, Option<String>)> = output
        .stdout
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(answers.len(), rows(SAME_AS_REFERENCE).count());
    for (row, answer) in rows(SAME_AS_REFERENCE).zip(answers) {
        let expected = layouts.expected(row);
        let expected = (expected.name, expected.commit, expected.repo_url);
        assert_eq!(expected, answer, "{row:?}");
    }
}
