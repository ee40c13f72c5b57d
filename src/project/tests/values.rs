//! Values of parameters, and the commands that they make.

use super::Fixture;
use crate::project::parameter::ResolvedParameter;
use crate::project::{ParameterContext, ParameterValue};

fn command(mlproject: &str, given: &[(&str, &str)]) -> String {
    let fixture = Fixture::new(mlproject, &["data.csv", "100%25.csv"]);
    let (entry_point, parameters) = fixture.resolve(given).unwrap();
    let command = entry_point.command(&parameters).unwrap();
    command.replace(fixture.path().to_str().unwrap(), "<project>")
}

#[test]
fn a_way_through_a_missing_directory_leads_nowhere() {
    let fixture = Fixture::new(
        "entry_points: {main: {parameters: {p: path}, command: 'run {p}'}}",
        &["data.csv"],
    );
    assert!(fixture.resolve(&[("p", "./data.csv")]).is_ok());
    assert!(fixture.resolve(&[("p", "missing/../data.csv")]).is_err());
}

#[test]
fn last_newlines_are_cut_unless_they_continue_the_line() {
    for (yaml, expected) in [
        (r#""run""#, "run --k v"),
        (r#""run\n""#, "run --k v"),
        (r#""a\nb\n\n""#, "a\nb --k v"),
        (r#""run \\\n""#, "run \\\n --k v"),
        (r#""run \\\n\n""#, "run \\\n --k v"),
        (r#""run \\\\\n""#, "run \\\\ --k v"),
        (r#""run \\""#, "run \\ --k v"),
        (r#""""#, " --k v"),
    ] {
        let mlproject = format!("entry_points: {{main: {{command: {yaml}}}}}");
        assert_eq!(command(&mlproject, &[("k", "v")]), expected, "{yaml}");
    }
}

#[test]
fn what_lies_elsewhere_is_to_be_downloaded() {
    let fixture = Fixture::new(
        "entry_points: {main: {parameters: {a: {default: 1}, p: path, q: path}, command: 'run {p} {q}'}}",
        &["data.csv"],
    );
    let (entry_point, mut parameters) = fixture
        .resolve(&[("p", "s3://b/k"), ("q", "file://host/x")])
        .unwrap();
    let download = |name: &str, uri: &str, position| ResolvedParameter {
        name: name.to_owned(),
        logged: uri.to_owned(),
        value: ParameterValue::Download {
            uri: uri.to_owned(),
            position,
        },
    };
    assert_eq!(
        parameters.declared[1..],
        [download("p", "s3://b/k", 1), download("q", "file://host/x", 2)]
    );
    assert_eq!(
        entry_point.command(&parameters).unwrap(),
        "run s3://b/k file://host/x"
    );
    parameters.declared[1].value = ParameterValue::Text("/data/a b".to_owned());
    assert_eq!(
        entry_point.command(&parameters).unwrap(),
        "run '/data/a b' file://host/x"
    );
}
