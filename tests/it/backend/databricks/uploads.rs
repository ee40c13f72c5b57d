//! Interrupted uploads, and upload paths other than DBFS.

use fake_databricks::{Action, FakeDatabricks, Fault, Settings};

use super::{CLUSTER, EXPERIMENT, project, recorded, run, workspace};
use crate::harness::{Project, assert_contains};

/// Bytes that do not become less when they are packed: the upload takes five blocks.
fn large(project: Project) -> Project {
    let mut state = 1_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    })
    .take(4_500_000)
    .collect();
    project.sandbox().write("project/data.bin", bytes);
    project
}

/// The only file, whose name is the hash of its contents.
#[track_caller]
fn assert_whole(fake: &FakeDatabricks, what: &str) {
    let files = fake.dbfs_files();
    let names: Vec<&String> = files.keys().collect();
    assert_eq!(files.len(), 1, "{what}: {names:?}");
    let (path, contents) = files.iter().next().unwrap();
    let hash: String = openssl::sha::sha256(contents)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(
        path.ends_with(&format!("/{hash}.tar.gz")),
        "{what}: {path} has {} bytes",
        contents.len()
    );
}

#[test]
fn an_upload_that_breaks_at_any_block_is_begun_again() {
    let settings = Settings {
        has_direct_upload: false,
        ..Settings::default()
    };
    for block in 0..5 {
        for (what, action) in [
            ("broken before", Action::Break),
            ("broken after", Action::BreakAfter),
        ] {
            let Some(fake) = workspace(settings.clone()) else {
                return;
            };
            fake.fail(Fault::new("POST /dbfs/add-block", 1, action).after(block));
            let project = large(project(&fake));
            run(&project, &[]).expect_code(0);
            assert_whole(&fake, &format!("{what} block {block}"));
        }
    }
    for call in [
        "POST /dbfs/create",
        "POST /dbfs/close",
        "POST /dbfs/move",
        "POST /dbfs/add-block",
    ] {
        let Some(fake) = workspace(settings.clone()) else {
            return;
        };
        fake.fail(Fault::answer(call, 1, 503, "TEMPORARILY_UNAVAILABLE", "busy"));
        fake.fail(Fault::answer(call, 2, 429, "REQUEST_LIMIT_EXCEEDED", "slowly").after(1));
        let project = large(project(&fake));
        run(&project, &[]).expect_code(0);
        assert_whole(&fake, call);
    }
}

#[test]
fn an_upload_that_cannot_end_leaves_nothing() {
    let Some(fake) = workspace(Settings {
        has_direct_upload: false,
        ..Settings::default()
    }) else {
        return;
    };
    fake.fail(Fault::new("POST /dbfs/add-block", 1000, Action::Break).after(2));
    let project = large(project(&fake));
    let finished = run(&project, &[]).with_code(1);
    assert_contains(
        finished.stderr(),
        "error: cannot upload the project to /dbfs/mlflow-experiments/",
    );
    assert!(fake.dbfs_files().is_empty(), "{:?}", fake.dbfs_files().keys());
    assert!(fake.submitted().is_empty());
    assert_eq!(recorded(&finished).status, "FAILED");
    fake.heal();
    run(&project, &[]).expect_code(0);
    assert_whole(&fake, "afterwards");
}

#[test]
fn what_a_broken_upload_of_another_program_left_is_replaced() {
    for has_direct_upload in [true, false] {
        let Some(fake) = workspace(Settings {
            has_direct_upload,
            ..Settings::default()
        }) else {
            return;
        };
        let project = large(project(&fake));
        run(&project, &[]).expect_code(0);
        let path = fake.dbfs_files().into_keys().next().unwrap();
        fake.put_dbfs_file(&path, b"a part");
        run(&project, &[]).expect_code(0);
        assert_whole(&fake, "replaced");
    }
}

#[test]
fn a_workspace_without_dbfs_takes_the_project_elsewhere() {
    let Some(fake) = workspace(Settings {
        has_dbfs: false,
        ..Settings::default()
    }) else {
        return;
    };
    let project = large(project(&fake));
    let finished = run(&project, &[]).with_code(1);
    let text = finished.stderr();
    assert!(
        text.contains("PERMISSION_DENIED: Public DBFS root is disabled. Access is denied on path: /mlflow-experiments")
            && text.contains("hint: set another place in the backend config, for example \"upload-path\": \"/Volumes/catalog/schema/volume\""),
        "{text}"
    );
    assert!(!text.contains("Run (ID"), "a run was created: {text}");

    for path in [
        "/Volumes/main/default/models/my projects",
        "/Workspace/Users/user@example.com/my projects",
    ] {
        let config = CLUSTER.replacen('{', &format!("{{\"upload-path\": \"{path}\", "), 1);
        for _ in 0..2 {
            let finished = project.mlrun(&[
                "run",
                "project",
                "-b",
                "databricks",
                "-c",
                &config,
                "--experiment-name",
                EXPERIMENT,
            ]);
            finished.expect_code(0);
        }
        let files = match path.strip_prefix("/Workspace") {
            None => fake.volume_files(),
            Some(_) => fake.workspace_files(),
        };
        assert_eq!(files.len(), 1);
        let (name, contents) = files.iter().next().unwrap();
        let hash: String = openssl::sha::sha256(contents)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let below = path.strip_prefix("/Workspace").unwrap_or(path);
        assert_eq!(*name, format!("{below}/{hash}.tar.gz"));
        let uploads = fake
            .requests()
            .iter()
            .filter(|request| request.body.len() > 1_000_000)
            .count();
        assert_eq!(uploads, 1, "the second run uploads nothing");
        fake.forget_requests();
        let body = fake.submitted().pop().unwrap();
        let command = body["shell_command_task"]["command"][2].as_str().unwrap();
        assert_contains(
            command,
            &format!("--ignore-existing '{path}/{hash}.tar.gz' /databricks"),
        );
        assert!(body["new_cluster"].get("upload-path").is_none());
    }
}

#[test]
fn a_place_in_dbfs_is_read_in_all_spellings() {
    let Some(fake) = workspace(Settings::default()) else {
        return;
    };
    for (place, expected) in [
        ("dbfs:/a/b", "/a/b/"),
        ("dbfs:///a", "/a/"),
        ("dbfs:/dbfs/a", "/dbfs/a/"),
        ("dbfs:/c/", "/c/"),
    ] {
        let project = project(&fake);
        let config = CLUSTER.replacen('{', &format!("{{\"upload-path\": \"{place}\", "), 1);
        run(&project, &["-c", &config]).expect_code(0);
        let body = fake.submitted().pop().unwrap();
        let command = body["shell_command_task"]["command"][2].as_str().unwrap();
        let (_, rest) = command.split_once("--ignore-existing ").unwrap();
        let path = rest.split(' ').next().unwrap();
        let name = path.rsplit('/').next().unwrap();
        assert_eq!(path, format!("/dbfs{expected}{name}"), "{place}");
        let there = fake.dbfs_files();
        assert!(
            there.contains_key(&format!("{expected}{name}")),
            "{place}: {:?}",
            there.keys()
        );
    }
}
