//! Many programs on one store at once: hundreds may start in one second on one shared home directory.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use mlrun::internals::entities::{ExperimentId, RunInfo, RunStatus};
use mlrun::internals::tracking::{ExperimentSelector, TrackingStore};

use super::store;
use crate::harness::block_on;
use crate::tracking::{ended, new_run};

const WRITERS: usize = 50;

/// Does the same in as many threads as there are writers, all beginning at once.
fn at_once<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(WRITERS);
    let (work, barrier) = (&work, &barrier);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    barrier.wait();
                    work(writer)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// One whole run in a store that may not be there yet.
fn whole_run(root: &Path, selector: &ExperimentSelector) -> (ExperimentId, RunInfo) {
    block_on(async {
        let store = store(root);
        let experiment = store.experiment(selector).await.unwrap();
        let info = store
            .create_run(new_run(experiment.as_str(), &[("a", "1")]))
            .await
            .unwrap();
        store
            .end_run(&info.run_id, ended(RunStatus::Finished, true))
            .await
            .unwrap();
        (experiment, info)
    })
}

#[test]
fn a_store_and_an_experiment_are_made_once() {
    for selector in [
        ExperimentSelector::Default,
        ExperimentSelector::Name("raced".to_owned()),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("a/b");
        let made = at_once(|_| whole_run(&root, &selector));
        let experiments: HashSet<&ExperimentId> = made.iter().map(|(experiment, _)| experiment).collect();
        assert_eq!(experiments.len(), 1, "{experiments:?}");
        let runs: HashSet<&str> = made.iter().map(|(_, info)| info.run_id.as_str()).collect();
        assert_eq!(runs.len(), WRITERS);
        let mut names: Vec<String> = std::fs::read_dir(&root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let id = made[0].0.as_str();
        let expected: Vec<&str> = if id == "0" {
            vec![".trash", "0"]
        } else {
            vec![".trash", "0", id]
        };
        assert_eq!(names, expected);
        for (_, info) in &made {
            assert_eq!(
                block_on(store(&root).run(&info.run_id)).unwrap().status,
                RunStatus::Finished
            );
        }
        // Nothing of the ways to a whole file is left.
        let left = std::fs::read_dir(root.join(id)).unwrap().count();
        assert_eq!(left, WRITERS + 1);
    }
}

#[test]
fn nobody_sees_half_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    block_on(store(root).experiment(&ExperimentSelector::Default)).unwrap();
    let params: Vec<(String, String)> = (0..50)
        .map(|index| (format!("p{index}"), "v".repeat(100)))
        .collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..60 {
                let mut run = new_run("0", &[]);
                run.params.clone_from(&params);
                let info = block_on(store(root).create_run(run)).unwrap();
                block_on(store(root).end_run(&info.run_id, ended(RunStatus::Failed, false))).unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
        let mut looks = 0;
        while !done.load(Ordering::SeqCst) {
            for entry in std::fs::read_dir(root.join("0")).unwrap() {
                let run = entry.unwrap().path();
                let Ok(meta) = std::fs::read_to_string(run.join("meta.yaml")) else {
                    continue;
                };
                assert!(
                    meta.starts_with("artifact_uri: ") && meta.ends_with("user_id: anna\n"),
                    "{meta}"
                );
                assert_eq!(std::fs::read_dir(run.join("params")).unwrap().count(), 50);
                assert_eq!(std::fs::read_dir(run.join("tags")).unwrap().count(), 3);
                looks += 1;
            }
        }
        assert!(looks > 0);
    });
}
