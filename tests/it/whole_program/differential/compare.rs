//! Compares what both programs gave.

use std::collections::BTreeSet;

use super::Deviation;
use super::attempt::{Attempt, Program};
use super::case::{Case, Exception, Expected, Store};
use super::fields::Fields;
use crate::harness::Reference;

/// Compares both programs on all cases.
///
/// # Panics
/// With a report of every difference, when there is one.
pub(super) fn compare_all(cases: &[Case]) {
    let Some(reference) = Reference::shared() else {
        return;
    };
    let only = std::env::var("MLRUN_TEST_CASE").unwrap_or_default();
    let mut failures = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        for store in case.stores {
            let differences = compare(case, *store, reference);
            if differences.is_empty() {
                continue;
            }
            // Both programs depend on the clock, and with a server on its load: a real difference
            // shows again.
            if compare(case, *store, reference).is_empty() {
                eprintln!("{} ({store:?}) differed once:\n{differences}", case.name);
            } else {
                failures.push(format!("{} ({store:?}):\n{differences}", case.name));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{} cases differ:\n\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// Runs one case with both programs; returns what differs, as text for a person.
fn compare(case: &Case, store: Store, reference: &Reference) -> String {
    let mut expected = Attempt::new(case, store, Program::Reference, reference)
        .run()
        .fields;
    let actual = Attempt::new(case, store, Program::Mlrun, reference).run();
    let mut text = String::new();
    if let Some((deviation, model)) = &case.model {
        let of_model = Attempt::new(model, store, Program::Reference, reference)
            .run()
            .fields;
        if of_model == expected {
            text.push_str(&format!(
                "  the reference does not differ here ({})\n",
                deviation.sentence()
            ));
        }
        expected = of_model;
    }
    text.push_str(&differences(
        &exceptions(case, &expected),
        &expected,
        &actual.fields,
    ));
    if std::env::var_os("MLRUN_TEST_SHOW").is_some() {
        eprintln!(
            "=== {} ({store:?})\n{}",
            case.name,
            side_by_side(&expected, &actual.fields)
        );
    }
    if !text.is_empty() {
        text.push_str(&format!("  --- mlrun says\n{}", actual.stderr));
    }
    text
}

/// Compares the reference in a fork with the reference in a process of its own.
///
/// # Panics
/// With both results, when they differ.
pub(super) fn compare_forks<'a>(cases: impl Iterator<Item = &'a Case>) {
    let Some(reference) = Reference::shared() else {
        return;
    };
    for case in cases {
        let store = case.stores[case.stores.len() - 1];
        let fork = Attempt::new(case, store, Program::Reference, reference)
            .run()
            .fields;
        let mut attempt = Attempt::new(case, store, Program::Reference, reference);
        attempt.in_own_process = true;
        let process = attempt.run().fields;
        assert!(
            fork == process,
            "{} ({store:?})\n{}",
            case.name,
            side_by_side(&fork, &process)
        );
    }
}

/// The case's own exceptions and those that every case with a server has.
fn exceptions(case: &Case, expected: &Fields) -> Vec<Exception> {
    let mut exceptions = case.exceptions.clone();
    let has_no_run = exceptions.iter().any(|exception| exception.field == "run1.*");
    for (name, urls) in expected
        .iter()
        .filter(|(name, urls)| name.ends_with("urls.stdout") && !urls.is_empty())
    {
        let deviation = Deviation::MessagesGoToStandardError;
        let nothing = Expected::Text(String::new());
        exceptions.push(Exception {
            deviation,
            field: name.clone(),
            expected: nothing,
        });
        if !has_no_run {
            let (field, expected) = (name.replace("stdout", "stderr"), Expected::Text(urls.clone()));
            exceptions.push(Exception {
                deviation,
                field,
                expected,
            });
        }
    }
    exceptions
}

/// The fields in which mlrun does not give what it should, as lines for a person.
fn differences(exceptions: &[Exception], expected: &Fields, actual: &Fields) -> String {
    let names: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    let mut found = Vec::new();
    let mut used = vec![false; exceptions.len()];
    for name in names {
        let (reference, mlrun) = (expected.get(name), actual.get(name));
        let position = exceptions.iter().position(|exception| exception.covers(name));
        let wanted = match position.map(|index| &exceptions[index].expected) {
            None => reference.cloned(),
            Some(Expected::Text(text)) => Some(text.clone()),
            Some(Expected::Nothing) => None,
            Some(Expected::ItsOwn) => mlrun.cloned(),
        };
        if let Some(index) = position {
            used[index] |= reference != wanted.as_ref();
        }
        if mlrun != wanted.as_ref() {
            let why = position.map(|index| exceptions[index].deviation);
            found.push(Difference {
                name,
                reference,
                mlrun,
                wanted,
                why,
            });
        }
    }
    let mut text = describe(&found, actual);
    for (exception, _) in exceptions.iter().zip(used).filter(|(_, used)| !used) {
        let why = exception.deviation.sentence();
        text.push_str(&format!(
            "  {}: the reference does not differ here ({why})\n",
            exception.field
        ));
    }
    text
}

/// A field in which mlrun does not give what it should.
struct Difference<'a> {
    name: &'a String,
    reference: Option<&'a String>,
    mlrun: Option<&'a String>,
    wanted: Option<String>,
    why: Option<Deviation>,
}

/// Lists differences; a run or a child that mlrun lacks altogether takes one line.
fn describe(differences: &[Difference<'_>], actual: &Fields) -> String {
    let mut text = String::new();
    let mut last_missing = "";
    for Difference {
        name,
        reference,
        mlrun,
        wanted,
        why,
    } in differences
    {
        let group = name.split_inclusive('.').next().unwrap_or_default();
        if group.ends_with('.') && mlrun.is_none() && !actual.keys().any(|name| name.starts_with(group)) {
            if group != last_missing {
                text.push_str(&format!("  {group}*\n    mlrun:     (nothing)\n"));
            }
            last_missing = group;
            continue;
        }
        text.push_str(&format!(
            "  {name}\n    reference: {}\n    mlrun:     {}\n",
            shown(*reference),
            shown(*mlrun)
        ));
        if let Some(why) = why {
            text.push_str(&format!(
                "    wanted:    {} ({})\n",
                shown(wanted.as_ref()),
                why.sentence()
            ));
        }
    }
    text
}

fn shown(value: Option<&String>) -> String {
    value.map_or("(nothing)".to_owned(), |value| format!("{value:?}"))
}

fn side_by_side(expected: &Fields, actual: &Fields) -> String {
    let names: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    let mut text = String::new();
    for name in names {
        match (expected.get(name), actual.get(name)) {
            (Some(one), Some(other)) if one == other => text.push_str(&format!("  {name}: {one:?}\n")),
            (one, other) => text.push_str(&format!(
                "  {name}:\n    reference {one:?}\n    mlrun     {other:?}\n"
            )),
        }
    }
    text
}
