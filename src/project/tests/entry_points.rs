//! Entry points by name, scripts that are some by convention, and the commands that values make.

use super::Fixture;
use crate::project::parameter::ResolvedParameter;
use crate::project::{ParameterValue, ProjectEnvironment};

const TWO: &str = "entry_points: {main: {command: echo main}, run.sh: {command: echo declared}}";

#[test]
fn declared_names_come_before_scripts() {
    let fixture = Fixture::new(TWO, &["run.sh", "a{b}.py"]);
    let project = fixture.load().unwrap();
    for (name, expected) in [
        ("main", "echo main"),
        ("run.sh", "echo declared"),
        ("./run.sh", "/bin/zsh ./run.sh"),
        ("a{b}.py", "python 'a{{b}}.py'"),
    ] {
        let entry_point = project.entry_point(name, Some("/bin/zsh")).unwrap();
        assert_eq!(entry_point.name, name);
        assert_eq!(entry_point.command.as_deref(), Some(expected));
    }
}

#[test]
fn what_is_no_entry_point_gets_a_message() {
    let many: Vec<String> = (0..10).map(|number| format!("s{number}.py")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (mlproject, files, name, expected) in [
        (
            Some(TWO),
            &["train.py"][..],
            "mian",
            "there is no entry point 'mian': the project has 'main', 'run.sh'; scripts that can be run: 'train.py'\n\
             hint: did you mean 'main'?",
        ),
        (
            Some(TWO),
            &["src/train.py", "src/data.csv", "other.py"],
            "src/trian.py",
            "there is no entry point 'src/trian.py', and no such file in <project>: the project has 'main', \
             'run.sh'; scripts that can be run: 'src/train.py'\n\
             hint: did you mean 'src/train.py'?",
        ),
        (
            None,
            &["train.py", "run.sh"],
            "main",
            "there is no entry point 'main': the project declares none; scripts that can be run: 'run.sh', 'train.py'\n\
             hint: run one of the scripts, for example -e run.sh",
        ),
        (
            None,
            &["MLproject.yaml"],
            "main",
            "there is no entry point 'main': the project declares none\n\
             hint: rename MLproject.yaml to MLproject: files of other names are not read",
        ),
        (
            None,
            &[],
            "main",
            "there is no entry point 'main': the project declares none\n\
             hint: name the directory of the project, or write an MLproject file with entry points",
        ),
        (
            None,
            &many,
            "main",
            "there is no entry point 'main': the project declares none; scripts that can be run: 's0.py', 's1.py', \
             's2.py', 's3.py', 's4.py', 's5.py', 's6.py', 's7.py' and 2 more\n\
             hint: run one of the scripts, for example -e s0.py",
        ),
        (
            Some("databricks_spark_job: {python_file: job.py}"),
            &["train.py"],
            "train.py",
            "the project is the Databricks Spark job 'job.py' and has no entry points\n\
             hint: run it with --backend databricks, or declare entry points instead of 'python_file'",
        ),
        (
            Some("databricks_spark_job: {}\nentry_points: {main: {command: python x.py}}"),
            &["train.py"],
            "train.py",
            "there is no entry point 'train.py': the project has 'main'",
        ),
    ] {
        let fixture = Fixture::without_mlproject(files);
        if let Some(text) = mlproject {
            fixture.write("MLproject", text);
        }
        let error = fixture.load().unwrap().entry_point(name, None).unwrap_err();
        assert_eq!(fixture.message(&error), expected, "{name}");
    }
}

#[test]
fn a_script_in_a_container_need_not_be_in_the_project() {
    let project = Fixture::new("docker_env: {image: x}", &[]).load().unwrap();
    assert!(matches!(project.environment, ProjectEnvironment::Docker(_)));
    let entry_point = project.entry_point("/app/run.py", None).unwrap();
    assert_eq!(entry_point.command.as_deref(), Some("python /app/run.py"));
}

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
