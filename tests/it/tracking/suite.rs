//! What every tracking store must do. A store's own test module makes a [`StoreFixture`] and passes
//! it to [`store_suite`].

mod reading;

use std::collections::BTreeMap;

use crate::harness::assert_ends_with;
use async_trait::async_trait;
use mlrun::internals::entities::{ExperimentId, RunId, RunStatus, UnixMillis, tag};
use mlrun::internals::tracking::{ExperimentSelector, NewRun, RunEnd, TrackingError, TrackingStore};

/// A store under test, and a way to look into it and to change it past [`TrackingStore`].
#[async_trait]
pub(crate) trait StoreFixture: Sync {
    /// Opens the store as another program would.
    async fn open(&self) -> Box<dyn TrackingStore>;

    /// What the store holds of a run.
    async fn recorded(&self, run_id: &RunId) -> RecordedRun;

    /// Marks an experiment as deleted.
    async fn delete_experiment(&self, experiment_id: &ExperimentId);

    /// Marks a run as deleted.
    async fn delete_run(&self, run_id: &RunId);

    /// How many characters the values of parameters and tags may have.
    fn value_limits(&self) -> [usize; 2] {
        [6000, 8000]
    }

    /// Whether the store has a status `KILLED`.
    fn takes_killed(&self) -> bool {
        true
    }
}

/// A run as it lies in a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordedRun {
    pub(crate) experiment_id: String,
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) status: String,
    pub(crate) start_time: i64,
    pub(crate) end_time: Option<i64>,
    pub(crate) artifact_uri: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) params: BTreeMap<String, String>,
}

/// Runs every check. They may share a store with each other and with what it held before.
pub(crate) async fn store_suite(fixture: &impl StoreFixture) {
    a_run_is_recorded_whole(fixture).await;
    a_run_without_a_name_gets_one(fixture).await;
    any_text_is_kept(fixture).await;
    long_values_are_cut(fixture).await;
    a_hundred_and_more_params_fit(fixture).await;
    bad_keys_create_nothing(fixture).await;
    tags_are_set_and_replaced(fixture).await;
    a_run_is_renamed(fixture).await;
    runs_end(fixture).await;
    an_entry_points_own_failure_is_kept(fixture).await;
    experiments_are_found_and_made(fixture).await;
    what_does_not_exist_is_not_found(fixture).await;
    what_is_deleted_is_refused(fixture).await;
    one_name_makes_one_experiment(fixture).await;
    stores_are_used_at_once(fixture).await;
    reading::all_of_a_run_is_read_back(fixture).await;
    reading::finished_runs_are_found_by_their_tags(fixture).await;
    reading::more_finished_runs_than_a_page_are_found(fixture).await;
    reading::the_newest_come_first(fixture).await;
}

const START: UnixMillis = UnixMillis(1_700_000_000_123);
const END: UnixMillis = UnixMillis(1_700_000_001_456);

fn pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Vec<(String, String)> {
    pairs
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

async fn new_run(store: &dyn TrackingStore) -> NewRun {
    NewRun {
        experiment_id: store.experiment(&ExperimentSelector::Default).await.unwrap(),
        user: "ada".to_owned(),
        name: Some("first".to_owned()),
        start_time: START,
        tags: pairs([
            (tag::USER, "ada"),
            (tag::SOURCE_NAME, "/work/project"),
            (tag::SOURCE_TYPE, "PROJECT"),
        ]),
        params: pairs([("alpha", "0.5"), ("empty", ""), ("a/b.c-d_e f:g", "x")]),
    }
}

fn unique_name(what: &str) -> String {
    format!("{what} {}", RunId::random())
}

async fn a_run_is_recorded_whole(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let new_run = new_run(store.as_ref()).await;
    let info = store.create_run(new_run.clone()).await.unwrap();
    assert_eq!(info.run_name, "first");
    assert_eq!(info.status, RunStatus::Running);
    assert_eq!(info.experiment_id.as_str(), "0");
    assert_ends_with(&info.artifact_uri, &format!("/0/{}/artifacts", info.run_id));

    let mut tags: BTreeMap<_, _> = new_run.tags.into_iter().collect();
    tags.insert(tag::RUN_NAME.to_owned(), "first".to_owned());
    let expected = RecordedRun {
        experiment_id: "0".to_owned(),
        name: "first".to_owned(),
        user: "ada".to_owned(),
        status: "RUNNING".to_owned(),
        start_time: START.0,
        end_time: None,
        artifact_uri: info.artifact_uri.clone(),
        tags,
        params: new_run.params.into_iter().collect(),
    };
    assert_eq!(fixture.recorded(&info.run_id).await, expected);

    let found = fixture.open().await.run(&info.run_id).await.unwrap();
    assert_eq!(found, info);
}

async fn a_run_without_a_name_gets_one(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    for name in [None, Some(String::new())] {
        let info = store
            .create_run(NewRun {
                name,
                ..new_run(store.as_ref()).await
            })
            .await
            .unwrap();
        let recorded = fixture.recorded(&info.run_id).await;
        assert!((1..=20).contains(&info.run_name.len()), "{}", info.run_name);
        assert_eq!(recorded.name, info.run_name);
        assert_eq!(recorded.tags[tag::RUN_NAME], info.run_name);
    }
}

async fn any_text_is_kept(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let values = [
        "ünïcödé 日本 😀",
        "it's \"quoted\" \\",
        "two\nlines\t",
        " spaces ",
        "{}",
        "null",
        "0012",
        "?",
    ];
    let numbered = |prefix: &str| {
        pairs(
            values
                .iter()
                .enumerate()
                .map(|(number, value)| (format!("{prefix}{number}"), *value)),
        )
    };
    let info = store
        .create_run(NewRun {
            name: Some("näme 日本 'x'".to_owned()),
            user: "ünïcödé".to_owned(),
            tags: numbered("tag"),
            params: [numbered("param"), pairs([("schlüssel", "wert"), ("鍵", "値")])].concat(),
            ..new_run(store.as_ref()).await
        })
        .await
        .unwrap();
    let recorded = fixture.recorded(&info.run_id).await;
    assert_eq!(recorded.name, "näme 日本 'x'");
    assert_eq!(recorded.user, "ünïcödé");
    for (number, value) in values.iter().enumerate() {
        assert_eq!(&recorded.tags[&format!("tag{number}")], value);
        assert_eq!(&recorded.params[&format!("param{number}")], value);
    }
    assert_eq!(recorded.params["schlüssel"], "wert");
    assert_eq!(recorded.params["鍵"], "値");
    assert_eq!(store.run(&info.run_id).await.unwrap().run_name, "näme 日本 'x'");
}

async fn long_values_are_cut(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let [param_limit, tag_limit] = fixture.value_limits();
    let params = pairs([("long", "ü".repeat(7000)), ("fits", "ü".repeat(param_limit))]);
    let info = store
        .create_run(NewRun {
            params,
            ..new_run(store.as_ref()).await
        })
        .await
        .unwrap();
    let recorded = fixture.recorded(&info.run_id).await;
    assert_eq!(recorded.params["long"], "ü".repeat(param_limit));
    assert_eq!(recorded.params["fits"], "ü".repeat(param_limit));

    store
        .set_tags(&info.run_id, &pairs([("long", "t".repeat(9000))]))
        .await
        .unwrap();
    assert_eq!(
        fixture.recorded(&info.run_id).await.tags["long"],
        "t".repeat(tag_limit)
    );
}

async fn a_hundred_and_more_params_fit(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let params = pairs((0..250).map(|number| (format!("p{number}"), number.to_string())));
    let run = NewRun {
        params: params.clone(),
        ..new_run(store.as_ref()).await
    };
    let info = store.create_run(run).await.unwrap();
    assert_eq!(
        fixture.recorded(&info.run_id).await.params,
        params.into_iter().collect()
    );
}

async fn bad_keys_create_nothing(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    for key in ["it's", "a//b", "", "../up"] {
        let params = pairs([("good", "1"), (key, "2")]);
        let error = store
            .create_run(NewRun {
                params,
                ..new_run(store.as_ref()).await
            })
            .await
            .unwrap_err();
        assert!(matches!(error, TrackingError::Refused { .. }), "{key}: {error}");
    }
}

async fn tags_are_set_and_replaced(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let info = store.create_run(new_run(store.as_ref()).await).await.unwrap();
    store.set_tags(&info.run_id, &[]).await.unwrap();
    let tags = pairs([(tag::USER, "grace"), ("new", ""), (tag::PROJECT_BACKEND, "local")]);
    store.set_tags(&info.run_id, &tags).await.unwrap();
    let recorded = fixture.recorded(&info.run_id).await;
    assert_eq!(recorded.tags[tag::USER], "grace");
    assert_eq!(recorded.tags["new"], "");
    assert_eq!(recorded.tags[tag::PROJECT_BACKEND], "local");
    assert_eq!(recorded.tags[tag::SOURCE_NAME], "/work/project");
}

async fn a_run_is_renamed(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let info = store.create_run(new_run(store.as_ref()).await).await.unwrap();
    store
        .set_tags(&info.run_id, &pairs([(tag::RUN_NAME, "second"), ("other", "1")]))
        .await
        .unwrap();
    let recorded = fixture.recorded(&info.run_id).await;
    assert_eq!(recorded.name, "second");
    assert_eq!(recorded.tags[tag::RUN_NAME], "second");
    assert_eq!(recorded.tags["other"], "1");
    assert_eq!(recorded.status, "RUNNING");
    assert_eq!(store.run(&info.run_id).await.unwrap().run_name, "second");
}

fn end(status: RunStatus, keep_failure: bool) -> RunEnd {
    RunEnd {
        status,
        end_time: END,
        keep_failure,
    }
}

async fn runs_end(fixture: &impl StoreFixture) {
    let killed = if fixture.takes_killed() {
        RunStatus::Killed
    } else {
        RunStatus::Failed
    };
    for (status, expected) in [
        (RunStatus::Finished, RunStatus::Finished),
        (RunStatus::Failed, RunStatus::Failed),
        (RunStatus::Killed, killed),
    ] {
        let store = fixture.open().await;
        let info = store.create_run(new_run(store.as_ref()).await).await.unwrap();
        assert_eq!(
            store.end_run(&info.run_id, end(status, true)).await.unwrap(),
            expected
        );
        let recorded = fixture.recorded(&info.run_id).await;
        assert_eq!(recorded.status, expected.as_str());
        assert_eq!(recorded.end_time, Some(END.0));
        assert_eq!(recorded.start_time, START.0);
        assert_eq!(store.run(&info.run_id).await.unwrap().status, expected);
    }
}

async fn an_entry_points_own_failure_is_kept(fixture: &impl StoreFixture) {
    use RunStatus::{Failed, Finished};
    for (own, status, keep_failure, expected) in [
        (Failed, Finished, true, Failed),
        (Failed, Finished, false, Finished),
        (Finished, Failed, false, Failed),
        (Finished, Finished, true, Finished),
    ] {
        let store = fixture.open().await;
        let info = store.create_run(new_run(store.as_ref()).await).await.unwrap();
        let own_end = RunEnd {
            status: own,
            end_time: UnixMillis(END.0 - 1),
            keep_failure: false,
        };
        fixture.open().await.end_run(&info.run_id, own_end).await.unwrap();
        let ended = store
            .end_run(&info.run_id, end(status, keep_failure))
            .await
            .unwrap();
        assert_eq!(ended, expected, "{own} {status} {keep_failure}");
        let recorded = fixture.recorded(&info.run_id).await;
        assert_eq!(
            recorded.status,
            expected.as_str(),
            "{own} {status} {keep_failure}"
        );
        assert!(recorded.end_time.is_some());
    }
}

async fn experiments_are_found_and_made(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let default = store.experiment(&ExperimentSelector::Default).await.unwrap();
    assert_eq!(default.as_str(), "0");
    assert_eq!(
        store
            .experiment(&ExperimentSelector::Id(default.clone()))
            .await
            .unwrap(),
        default
    );
    assert_eq!(
        store
            .experiment(&ExperimentSelector::Name("Default".to_owned()))
            .await
            .unwrap(),
        default
    );

    let selector = ExperimentSelector::Name(unique_name("ünïcödé 'x'"));
    let made = store.experiment(&selector).await.unwrap();
    assert_ne!(made, default);
    assert_eq!(fixture.open().await.experiment(&selector).await.unwrap(), made);
    assert_eq!(
        store
            .experiment(&ExperimentSelector::Id(made.clone()))
            .await
            .unwrap(),
        made
    );

    let run = NewRun {
        experiment_id: made.clone(),
        ..new_run(store.as_ref()).await
    };
    let info = store.create_run(run).await.unwrap();
    assert_eq!(info.experiment_id, made);
    assert_ends_with(&info.artifact_uri, &format!("/{made}/{}/artifacts", info.run_id));
    assert_eq!(fixture.recorded(&info.run_id).await.experiment_id, made.as_str());
}

async fn what_does_not_exist_is_not_found(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let missing = ExperimentId::new("987654321");
    let error = store
        .experiment(&ExperimentSelector::Id(missing.clone()))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, TrackingError::NotFound { what: "experiment", id, .. } if id == "987654321"),
        "{error}"
    );
    let run = NewRun {
        experiment_id: missing,
        ..new_run(store.as_ref()).await
    };
    let error = store.create_run(run).await.unwrap_err();
    assert!(
        matches!(
            error,
            TrackingError::NotFound {
                what: "experiment",
                ..
            }
        ),
        "{error}"
    );

    let run_id = RunId::random();
    let not_found = |error: TrackingError| {
        assert!(
            matches!(error, TrackingError::NotFound { what: "run", .. }),
            "{error}"
        );
    };
    not_found(store.run(&run_id).await.unwrap_err());
    not_found(store.set_tags(&run_id, &pairs([("a", "b")])).await.unwrap_err());
    not_found(
        store
            .end_run(&run_id, end(RunStatus::Finished, true))
            .await
            .unwrap_err(),
    );
}

async fn what_is_deleted_is_refused(fixture: &impl StoreFixture) {
    let store = fixture.open().await;
    let name = ExperimentSelector::Name(unique_name("gone"));
    let id = store.experiment(&name).await.unwrap();
    fixture.delete_experiment(&id).await;
    let run = NewRun {
        experiment_id: id.clone(),
        ..new_run(store.as_ref()).await
    };
    for error in [
        store.experiment(&name).await.unwrap_err(),
        store.experiment(&ExperimentSelector::Id(id)).await.unwrap_err(),
        store.create_run(run).await.unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                TrackingError::Deleted {
                    what: "experiment",
                    ..
                }
            ),
            "{error}"
        );
        assert!(error.hint().is_some());
    }

    let info = store.create_run(new_run(store.as_ref()).await).await.unwrap();
    fixture.delete_run(&info.run_id).await;
    for error in [
        store.run(&info.run_id).await.unwrap_err(),
        store
            .set_tags(&info.run_id, &pairs([("a", "b")]))
            .await
            .unwrap_err(),
        store
            .end_run(&info.run_id, end(RunStatus::Finished, true))
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(error, TrackingError::Deleted { what: "run", .. }),
            "{error}"
        );
    }
}

async fn one_name_makes_one_experiment(fixture: &impl StoreFixture) {
    let (one, other) = (fixture.open().await, fixture.open().await);
    for _ in 0..5 {
        let selector = ExperimentSelector::Name(unique_name("race"));
        let (first, second) = tokio::join!(one.experiment(&selector), other.experiment(&selector));
        assert_eq!(first.unwrap(), second.unwrap());
    }
}

async fn stores_are_used_at_once(fixture: &impl StoreFixture) {
    let stores = [fixture.open().await, fixture.open().await, fixture.open().await];
    let one_after_another = async |store: &dyn TrackingStore| {
        let mut ids = Vec::new();
        for _ in 0..5 {
            let info = store.create_run(new_run(store).await).await.unwrap();
            store
                .set_tags(&info.run_id, &pairs([("step", "1")]))
                .await
                .unwrap();
            store
                .end_run(&info.run_id, end(RunStatus::Finished, true))
                .await
                .unwrap();
            ids.push(info.run_id);
        }
        ids
    };
    let [one, two, three] = &stores;
    let (one, two, three) = tokio::join!(
        one_after_another(one.as_ref()),
        one_after_another(two.as_ref()),
        one_after_another(three.as_ref())
    );
    for run_id in [one, two, three].concat() {
        let recorded = fixture.recorded(&run_id).await;
        assert_eq!(recorded.status, "FINISHED");
        assert_eq!(recorded.params.len(), 3);
        assert_eq!(recorded.tags["step"], "1");
    }
}
