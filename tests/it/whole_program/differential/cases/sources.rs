//! Where a project comes from: directories, however they are written, and zip files.

use crate::whole_program::differential::{Case, Deviation, case};

/// An MLproject that prints its directory.
const HERE: &str = "entry_points:\n  main:\n    command: pwd; ls | grep -v mlflow.db\n";

/// Makes `project.zip` of what is in `project`.
const ZIP: &str = "cd project; python -m zipfile -c ../project.zip $(ls)";

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let mut cases = directories();
    cases.extend(subdirectories());
    cases.extend(zips());
    cases
}

fn directories() -> Vec<Case> {
    vec![
        case("the current directory")
            .mlproject(HERE)
            .directory("project")
            .uri(".")
            .run([]),
        case("a directory with a slash at its end")
            .mlproject(HERE)
            .uri("project/")
            .run([])
            .on_every_store(),
        case("a directory with dots")
            .mlproject(HERE)
            .uri("./project/../project//.")
            .run([]),
        case("the directory above")
            .mlproject(HERE)
            .file("below/x", "")
            .directory("project/below")
            .uri("..")
            .run([]),
        case("an absolute directory")
            .mlproject(HERE)
            .uri("<sandbox>/work/project")
            .run([]),
        case("a directory with a space")
            .work_file("my project/MLproject", HERE)
            .uri("my project")
            .run([]),
        case("a directory beyond ASCII")
            .work_file("größe/MLproject", HERE)
            .uri("größe")
            .run([]),
        case("a directory with a percent sign")
            .work_file("a%20b/MLproject", HERE)
            .uri("a%20b")
            .run([]),
        case("a directory that is a symbolic link")
            .mlproject(HERE)
            .setup("ln -s project link")
            .uri("link")
            .run([]),
        case("a directory in quotes")
            .mlproject(HERE)
            .uri("'project'")
            .run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project",
            ),
        case("a file URI")
            .mlproject(HERE)
            .uri("file://<sandbox>/work/project")
            .run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project",
            ),
        case("a file URI with a slash at its end")
            .mlproject(HERE)
            .uri("file://<sandbox>/work/project/")
            .run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project",
            ),
        case("a directory that does not exist").uri("missing").run([]),
        case("a file URI that does not exist")
            .uri("file://<sandbox>/work/missing")
            .run([]),
        case("a file that is no project")
            .work_file("file.txt", "")
            .uri("file.txt")
            .run([]),
        case("an empty URI")
            .mlproject(HERE)
            .directory("project")
            .uri("")
            .run([])
            .refused_for(Deviation::EmptyUrisAreRefused)
            .differs(Deviation::EmptyUrisAreRefused, "stdout", ""),
        case("a version of a directory without Git")
            .mlproject(HERE)
            .run(["-v", "main"]),
    ]
}

fn subdirectories() -> Vec<Case> {
    vec![
        case("a subdirectory")
            .file("sub/deep/MLproject", HERE)
            .uri("project#sub/deep")
            .run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project#sub/deep",
            ),
        case("a subdirectory with a slash at its end")
            .file("sub/MLproject", HERE)
            .uri("project#sub/")
            .run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project#sub",
            ),
        case("a subdirectory of a file URI")
            .file("sub/MLproject", HERE)
            .uri("file://<sandbox>/work/project#sub")
            .run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project#sub",
            ),
        case("an empty subdirectory")
            .mlproject(HERE)
            .uri("project#")
            .run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project",
            ),
        case("a subdirectory that does not exist")
            .mlproject(HERE)
            .uri("project#missing")
            .run([]),
        case("a subdirectory with a dot")
            .file("sub.1/MLproject", HERE)
            .uri("project#sub.1")
            .run([])
            .like(
                Deviation::SubdirectoriesMayHaveDots,
                case("")
                    .file("sub.1/MLproject", HERE)
                    .uri("project/sub.1")
                    .run([]),
            )
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project#sub.1",
            ),
        case("a subdirectory above")
            .mlproject(HERE)
            .uri("project#../project")
            .run([]),
    ]
}

fn zips() -> Vec<Case> {
    vec![
        case("a zip file").mlproject(HERE).file("data/x.csv", "1").setup(ZIP).uri("project.zip").run([]).on_every_store(),
        case("a zip file by its URI").mlproject(HERE).setup(ZIP).uri("file://<sandbox>/work/project.zip").run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project.zip",
            ),
        case("a subdirectory of a zip file").file("sub/MLproject", HERE).setup(ZIP).uri("project.zip#sub").run([])
            .differs(
                Deviation::SourceNamesAreRight,
                "run1.tag.mlflow.source.name",
                "<sandbox>/work/project.zip#sub",
            ),
        case("a zip file with its project in a directory").work_file("top/MLproject", HERE).setup(
            "python -m zipfile -c project.zip top",
        )
        .uri("project.zip")
        .run([]),
        case("a zip file that leads out")
            .setup("python -c \"import zipfile; z = zipfile.ZipFile('p.zip', 'w'); z.writestr('../out', 'x'); z.writestr('MLproject', '')\"")
            .uri("p.zip")
            .run([]),
        case("a zip file that is none").work_file("p.zip", "text").uri("p.zip").run([]),
        case("a zip file that does not exist").uri("missing.zip").run([]),
    ]
}
