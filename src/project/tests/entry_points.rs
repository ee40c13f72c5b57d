//! Entry points by name, and scripts that are some by convention.

use super::Fixture;
use crate::project::ProjectEnvironment;

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
            "there is no entry point 'mian': the project declares 'main', 'run.sh'; scripts that can be run: 'train.py'\n\
             hint: did you mean 'main'?",
        ),
        (
            Some(TWO),
            &["src/train.py", "src/data.csv", "other.py"],
            "src/trian.py",
            "there is no entry point 'src/trian.py', and no such file in <project>: the project declares 'main', \
             'run.sh'; scripts that can be run: 'src/train.py'\n\
             hint: did you mean 'src/train.py'?",
        ),
        (
            None,
            &["train.py", "run.sh"],
            "main",
            "there is no entry point 'main': the project declares none; scripts that can be run: 'run.sh', 'train.py'\n\
             hint: name one of the scripts, for example -e run.sh",
        ),
        (
            None,
            &["MLproject.yaml"],
            "main",
            "there is no entry point 'main': the project declares none\n\
             hint: rename MLproject.yaml to MLproject: a file of another name is not read",
        ),
        (
            None,
            &[],
            "main",
            "there is no entry point 'main': the project declares none\n\
             hint: is this the project's directory? It has no MLproject file with entry points",
        ),
        (
            None,
            &many,
            "main",
            "there is no entry point 'main': the project declares none; scripts that can be run: 's0.py', 's1.py', \
             's2.py', 's3.py', 's4.py', 's5.py', 's6.py', 's7.py' and 2 more\n\
             hint: name one of the scripts, for example -e s0.py",
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
            "there is no entry point 'train.py': the project declares 'main'",
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
