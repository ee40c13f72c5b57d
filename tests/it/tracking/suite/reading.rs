//! Reading runs back, and finding those that ended well.

use mlrun::internals::entities::{ExperimentId, LifecycleStage, RunId, RunStatus, UnixMillis};
use mlrun::internals::tracking::{ExperimentSelector, FinishedRuns, NewRun, TrackingError, TrackingStore};

use super::{END, START, StoreFixture, end, new_run, pairs, unique_name};

pub(super) async fn all_of_a_run_is_read_back(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let mut wanted = new_run(store.as_ref()).await;
    wanted.tags.extend(pairs([("a/b", "ü\nx"), ("none", "")]));
    let info = store.create_run(wanted.clone()).await.unwrap();
    let data = fixture.open().await.run_data(&info.run_id).await.unwrap();
    let recorded = fixture.recorded(&info.run_id).await;
    assert_eq!(data.info, info);
    assert_eq!(data.user, "ada");
    assert_eq!((data.start_time, data.end_time), (Some(START), None));
    assert_eq!(data.lifecycle_stage, LifecycleStage::Active);
    let sorted: Vec<_> = recorded.tags.into_iter().collect();
    assert_eq!(data.tags, sorted);
    let sorted: Vec<_> = recorded.params.into_iter().collect();
    assert_eq!(data.params, sorted);
    assert_eq!(data.tag("a/b"), Some("ü\nx"));
    assert_eq!(data.param("alpha"), Some("0.5"));
    assert_eq!((data.tag("no"), data.param("no")), (None, None));

    store
        .end_run(&info.run_id, end(RunStatus::Finished, false))
        .await
        .unwrap();
    fixture.delete_run(&info.run_id).await;
    let data = store.run_data(&info.run_id).await.unwrap();
    assert_eq!(data.info.status, RunStatus::Finished);
    assert_eq!(data.end_time, Some(END));
    assert_eq!(data.lifecycle_stage, LifecycleStage::Deleted);
    assert_eq!(data.params, sorted);

    let error = store.run_data(&RunId::random()).await.unwrap_err();
    assert!(
        matches!(error, TrackingError::NotFound { what: "run", .. }),
        "{error}"
    );
}

/// Makes a run with these tags that began so many milliseconds after [`START`] and ended so.
async fn ended_run(
    store: &dyn TrackingStore,
    experiment_id: &ExperimentId,
    tags: &[(&str, &str)],
    offset: i64,
    status: RunStatus,
) -> RunId {
    let run = NewRun {
        experiment_id: experiment_id.clone(),
        start_time: UnixMillis(START.0 + offset),
        tags: pairs(tags.iter().copied()),
        ..new_run(store).await
    };
    let info = store.create_run(run).await.unwrap();
    if status != RunStatus::Running {
        store.end_run(&info.run_id, end(status, false)).await.unwrap();
    }
    info.run_id
}

pub(super) async fn finished_runs_are_found_by_their_tags(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let store = store.as_ref();
    let selector = ExperimentSelector::Name(unique_name("search"));
    let experiment = store.experiment(&selector).await.unwrap();
    let hard = "it's \"ü\" \\ 100%_\n`x`";
    let made = async |tags: &[(&str, &str)], offset, status| {
        ended_run(store, &experiment, tags, offset, status).await
    };
    let old = made(&[("commit", "abc"), ("entry", "main")], 0, RunStatus::Finished).await;
    let new = made(
        &[("commit", "abc"), ("entry", "main"), ("hard", hard)],
        5,
        RunStatus::Finished,
    )
    .await;
    let other_case = made(&[("commit", "ABC"), ("entry", "main")], 6, RunStatus::Finished).await;
    made(&[("commit", "abc"), ("entry", "main")], 7, RunStatus::Failed).await;
    made(&[("commit", "abc"), ("entry", "main")], 8, RunStatus::Running).await;
    let empty = made(&[("commit", "abc "), ("entry", "")], 9, RunStatus::Finished).await;
    let deleted = made(&[("commit", "abc"), ("entry", "main")], 10, RunStatus::Finished).await;
    fixture.delete_run(&deleted).await;
    let elsewhere = store.experiment(&ExperimentSelector::Default).await.unwrap();
    ended_run(store, &elsewhere, &[("commit", "abc")], 11, RunStatus::Finished).await;

    for (tags, limit, expected) in [
        (&[("commit", "abc")][..], 10, vec![&new, &old]),
        (&[("commit", "abc")], 1, vec![&new]),
        (&[("entry", "main"), ("commit", "ABC")], 10, vec![&other_case]),
        (&[("commit", "abc"), ("hard", hard)], 10, vec![&new]),
        (&[("hard", "it's")], 10, vec![]),
        (&[("entry", "")], 10, vec![&empty]),
        (&[("nothing", "abc")], 10, vec![]),
        (&[], 10, vec![&empty, &other_case, &new, &old]),
        (&[], 0, vec![]),
    ] {
        let wanted = FinishedRuns {
            experiment_id: experiment.clone(),
            tags: pairs(tags.iter().copied()),
            limit,
        };
        let found = store.finished_runs(&wanted).await.unwrap();
        let ids: Vec<&RunId> = found.iter().map(|run| &run.info.run_id).collect();
        assert_eq!(ids, expected, "{tags:?} {limit}");
        for run in &found {
            assert_eq!(*run, store.run_data(&run.info.run_id).await.unwrap());
        }
    }
    let nowhere = FinishedRuns {
        experiment_id: ExperimentId::new("987654321"),
        tags: Vec::new(),
        limit: 10,
    };
    assert_eq!(store.finished_runs(&nowhere).await.unwrap(), []);
}

pub(super) async fn more_finished_runs_than_a_page_are_found(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let store = store.as_ref();
    let selector = ExperimentSelector::Name(unique_name("pages"));
    let experiment_id = store.experiment(&selector).await.unwrap();
    let mut ids = Vec::new();
    for offset in 0..105 {
        let tags = [("step", "1"), ("long", &"x".repeat(300))];
        ids.push(ended_run(store, &experiment_id, &tags, offset, RunStatus::Finished).await);
    }
    ids.reverse();
    for (limit, expected) in [(200, 105), (103, 103), (2, 2)] {
        let wanted = FinishedRuns {
            experiment_id: experiment_id.clone(),
            tags: pairs([("step", "1".to_owned()), ("long", "x".repeat(300))]),
            limit,
        };
        let found = store.finished_runs(&wanted).await.unwrap();
        let found: Vec<RunId> = found.into_iter().map(|run| run.info.run_id).collect();
        assert_eq!(found, ids[..expected]);
    }
}

/// Others may write to the store meanwhile, so only the order of what is made here is looked at.
pub(super) async fn the_newest_come_first(fixture: &impl StoreFixture) {
    const FAR_AHEAD: i64 = 2_000_000_000_000;
    let store = fixture.open().await;
    let store = store.as_ref();
    let mut experiments = Vec::new();
    for _ in 0..3 {
        let name = unique_name("newest");
        let id = store
            .experiment(&ExperimentSelector::Name(name.clone()))
            .await
            .unwrap();
        experiments.push((id, name));
    }
    let mut ids = Vec::new();
    for (offset, place, status) in [
        (1, 0, RunStatus::Finished),
        (2, 1, RunStatus::Failed),
        (3, 0, RunStatus::Running),
        (4, 1, RunStatus::Finished),
    ] {
        let experiment = &experiments[place].0;
        ids.push(ended_run(store, experiment, &[("a", "b")], FAR_AHEAD + offset, status).await);
    }
    fixture.delete_run(&ids[3]).await;
    fixture.delete_experiment(&experiments[2].0).await;

    let found = store.newest_runs(100).await.unwrap();
    let ours: Vec<_> = found
        .iter()
        .filter(|run| ids.contains(&run.info.run_id))
        .collect();
    let found_ids: Vec<&RunId> = ours.iter().map(|run| &run.info.run_id).collect();
    assert_eq!(found_ids, [&ids[2], &ids[1], &ids[0]]);
    for run in ours {
        assert_eq!(*run, store.run_data(&run.info.run_id).await.unwrap());
    }
    assert_eq!(store.newest_runs(1).await.unwrap().len(), 1);

    let found = store.newest_experiments(1000).await.unwrap();
    let is_found: Vec<bool> = experiments.iter().map(|one| found.contains(one)).collect();
    assert_eq!(is_found, [true, true, false]);
    assert_eq!(store.newest_experiments(1).await.unwrap().len(), 1);
}
