//! Error messages whole, with place and hint.

use super::Fixture;

/// Checks a table of file texts and messages; a text without a message's own problem must load.
fn check(table: &[(&str, &str)]) {
    for (mlproject, expected) in table {
        let fixture = Fixture::new(mlproject, &["data.csv"]);
        let error = fixture.resolve(&[]).expect_err(mlproject);
        assert_eq!(fixture.message(&error), *expected, "{mlproject}");
    }
}

#[test]
fn wrong_kinds_have_a_place() {
    check(&[
        (
            "[a]",
            "an MLproject file must be a mapping, not a list\n  --> MLproject:1:1",
        ),
        (
            "\n  text",
            "an MLproject file must be a mapping, not text\n  --> MLproject:2:3",
        ),
        ("name: [a]", "name must be text, not a list\n  --> MLproject:1:7"),
        (
            "name: x\nentry_points:\n  - main",
            "entry_points must be a mapping, not a list\n  --> MLproject:3:3",
        ),
        (
            "entry_points:\n  main: python train.py",
            "entry point 'main' must be a mapping, not text\n  --> MLproject:2:9\n\
             hint: write the command as `command: ...` on a line below the name",
        ),
        (
            "entry_points:\n  main:\n    parameters: [a]",
            "the parameters of entry point 'main' must be a mapping, not a list\n  --> MLproject:3:17\n\
             hint: write each parameter as `NAME: TYPE` on a line of its own",
        ),
        (
            "entry_points:\n  main:\n    parameters:\n      a:\n    command: x",
            "parameter 'a' of entry point 'main' must be a type or a mapping, not empty\n  --> MLproject:4:9\n\
             hint: write `NAME: TYPE` or `NAME: {type: TYPE, default: VALUE}`",
        ),
        (
            "entry_points: {main: {parameters: {a: 0.5}}}",
            "parameter 'a' of entry point 'main' must be a type or a mapping, not a number\n  --> MLproject:1:39\n\
             hint: write `NAME: TYPE` or `NAME: {type: TYPE, default: VALUE}`",
        ),
        (
            "entry_points: {main: {command: true}}",
            "the command of entry point 'main' must be text, not a boolean\n  --> MLproject:1:32\n\
             hint: put the command in quotes",
        ),
        (
            "conda_env: [x]",
            "conda_env must be the path of a file, not a list\n  --> MLproject:1:12",
        ),
    ]);
}

#[test]
fn broken_yaml_has_a_place() {
    let fixture = Fixture::new("name: x\nentry_points: [", &[]);
    let error = fixture.load().unwrap_err();
    let message = fixture.message(&error);
    assert!(message.starts_with("MLproject is not valid YAML: "), "{message}");
    assert!(message.contains("\n  --> MLproject:2:"), "{message}");
}

#[test]
fn names_that_are_one_have_a_place() {
    check(&[
        (
            "entry_points:\n  1: {command: x}\n  yes: {command: y}",
            "entry_points: 'True' is the same name as '1' on line 2\n  --> MLproject:3:3\n\
             hint: put the names in quotes, or choose others",
        ),
        (
            "entry_points: {main: {parameters: {1: string, '1': string}}}",
            "the parameters of entry point 'main': '1' is the same name as '1' on line 1\n  --> MLproject:1:47\n\
             hint: put the names in quotes, or choose others",
        ),
    ]);
}

#[test]
fn environments_have_a_place() {
    let list = "\nhint: write each variable as `- [NAME, VALUE]`, or as `- NAME` to copy its value";
    let volume = "\nhint: write each volume as `- \"/path/here:/path/there\"`";
    check(&[
        (
            "name: x\nconda_env: a\ndocker_env: {image: x}\npython_env: b",
            "a project can have only one environment, but this one has 'conda_env', 'docker_env', 'python_env'\n  \
             --> MLproject:3:1\nhint: keep one of them",
        ),
        (
            "conda_env: env/missing.yaml",
            "the conda_env file 'env/missing.yaml' does not exist\n  --> MLproject:1:12\n\
             hint: the path is relative to the project's directory",
        ),
        (
            "docker_env: my-image",
            "docker_env must be a mapping, not text\n  --> MLproject:1:13\n\
             hint: write the image's name as `image: NAME` on a line below docker_env",
        ),
        (
            "docker_env:\n  volumes: []",
            "docker_env has no 'image'\n  --> MLproject:2:3\nhint: add `image: NAME` to docker_env",
        ),
        (
            "docker_env: {image: x, volumes: /a:/b}",
            &format!(
                "docker_env's 'volumes' must be a list of texts, not text\n  --> MLproject:1:33{volume}"
            ),
        ),
        (
            "docker_env: {image: x, volumes: [/a, 5]}",
            &format!("a volume of docker_env must be text, not a number\n  --> MLproject:1:38{volume}"),
        ),
        (
            "docker_env: {image: x, environment: {A: b}}",
            &format!("docker_env's 'environment' must be a list, not a mapping\n  --> MLproject:1:37{list}"),
        ),
        (
            "docker_env: {image: x, environment: [A, 5]}",
            &format!(
                "a variable in docker_env's 'environment' must be a name, or a list of a name and a value, not a \
                 number\n  --> MLproject:1:41{list}"
            ),
        ),
        (
            "docker_env: {image: x, environment: [[A]]}",
            "a list in docker_env's 'environment' must be a name and a value, both text\n  --> \
             MLproject:1:38\nhint: write `[NAME, VALUE]` to set a variable, or only `NAME` to copy its value",
        ),
    ]);
}

#[test]
fn spark_jobs_have_rules() {
    check(&[
        (
            "databricks_spark_job: {}",
            "databricks_spark_job has no 'python_file', and the project has no entry points\n  --> MLproject:1:1\n\
             hint: add one of them",
        ),
        (
            "databricks_spark_job: {python_file: x}\nentry_points: {main: {}}",
            "databricks_spark_job has a 'python_file', but the project has entry points too\n  --> MLproject:1:1\n\
             hint: keep one of them",
        ),
        (
            "databricks_spark_job: {}\nentry_points: {main: {parameters: {a: path}}}",
            "parameter 'a' is of type path, which a databricks_spark_job cannot have\n  --> MLproject:2:36\n\
             hint: the job sees no local files: use the type uri or string",
        ),
        (
            "databricks_spark_job: {python_file: x}\nconda_env:",
            "a project with a databricks_spark_job cannot have a conda_env\n  --> MLproject:2:1\n\
             hint: list the packages under 'python_libraries' instead",
        ),
        (
            "databricks_spark_job: 5",
            "databricks_spark_job must be a mapping, not a number\n  --> MLproject:1:23",
        ),
        (
            "databricks_spark_job: {python_file: x, parameters: y}",
            "databricks_spark_job's 'parameters' must be a list, not text\n  --> MLproject:1:52",
        ),
    ]);
}

#[test]
fn values_that_do_not_fit_have_a_place() {
    let text = "entry_points:\n  main:\n    parameters:\n      a: float\n      b: string\n      p: {type: path, default: data.csv}\n      \
                u: {type: uri, default: x}\n    command: echo\n";
    let fixture = Fixture::new(text, &["data.csv"]);
    for (given, expected) in [
        (
            &[("c", "1")][..],
            "No value given for missing parameters: 'a', 'b'\n  --> MLproject:4:7\nhint: pass -P a=... -P b=...",
        ),
        (
            &[("a", "1"), ("B", "1")],
            "No value given for missing parameters: 'b'\n  --> MLproject:5:7\n\
             hint: you gave 'B', which is not declared; did you mean 'b'?",
        ),
        (
            &[("a", "abc"), ("b", "")],
            "parameter 'a' of entry point 'main' must be a float, got 'abc'\n  --> MLproject:4:7\n\
             hint: pass a number, for example -P a=0.5",
        ),
        (
            &[("a", "1"), ("b", ""), ("p", "")],
            "parameter 'p' of entry point 'main' must be a path, but its value is empty\n  --> MLproject:6:7\n\
             hint: pass one with -P p=...",
        ),
        (
            &[("a", "1"), ("b", ""), ("u", "")],
            "parameter 'u' of entry point 'main' must be a path or a URI, but its value is empty\n  --> \
             MLproject:7:7\nhint: pass one with -P u=...",
        ),
        (
            &[("a", "1"), ("b", ""), ("p", "./x/../missing.csv")],
            "parameter 'p' of entry point 'main': file or directory '<project>/missing.csv' does not exist\n  --> \
             MLproject:6:7\nhint: relative paths start from the current directory, not from the project's",
        ),
        (
            &[("a", "1"), ("b", ""), ("p", "~/x")],
            "parameter 'p' of entry point 'main': file or directory '<project>/~/x' does not exist\n  --> MLproject:6:7\n\
             hint: '~' is not expanded here: write the whole path",
        ),
        (
            &[("a", "1"), ("b", ""), ("p", "/no/such")],
            "parameter 'p' of entry point 'main': file or directory '/no/such' does not exist\n  --> MLproject:6:7",
        ),
    ] {
        let error = fixture.resolve(given).unwrap_err();
        assert_eq!(fixture.message(&error), expected, "{given:?}");
    }
    check(&[(
        "entry_points:\n  main:\n    parameters:\n      alpha: {type: float, default: None}\n    command: x",
        "the default of parameter 'alpha' of entry point 'main' must be a float, got 'None'\n  --> MLproject:4:37\n\
         hint: write a number in MLproject, or pass one, for example -P alpha=0.5",
    )]);
}

#[test]
fn commands_that_cannot_be_filled_in_have_a_place() {
    let parameters = "alpha: {default: 1}, l1.ratio: {default: 2}, 0: {default: 3}";
    let declared = "it declares 'alpha', 'l1.ratio', '0'";
    for (command, expected, hint) in [
        (
            "run {nope}",
            format!("'{{nope}}', but parameter 'nope' is not declared; {declared}"),
            "declare it under `parameters:`, or double the braces if they are meant for the shell: '{{nope}}'",
        ),
        (
            "run ${HOME:-x}",
            format!("'{{HOME:-x}}', but parameter 'HOME' is not declared; {declared}"),
            "double the braces that are meant for the shell: '${{HOME:-x}}'",
        ),
        (
            "run { alpha }",
            format!("'{{ alpha }}', but parameter ' alpha ' is not declared; {declared}"),
            "did you mean '{alpha}'? Double the braces if they are meant for the shell: '{{ alpha }}'",
        ),
        (
            "run {}",
            format!("'{{}}', but parameters have no numbers, only names; {declared}"),
            "double the braces that are meant for the shell: '{{}}'",
        ),
        (
            "run {l1.ratio}",
            format!("'{{l1.ratio}}', but parameter 'l1' is not declared; {declared}"),
            "Python's format syntax cannot use the name 'l1.ratio': rename the parameter to letters, digits and '_'",
        ),
        (
            "run {0}",
            format!("'{{0}}', but parameters have no numbers, only names; {declared}"),
            "Python's format syntax cannot use the name '0': rename the parameter to letters, digits and '_'",
        ),
        (
            "run }",
            "a lone '}'".to_owned(),
            "double a brace that is meant for the shell: '}}'",
        ),
        (
            "awk '{print $1'",
            "'{print $1'', which has no matching '}'".to_owned(),
            "double the braces that are meant for the shell: '{{' and '}}'",
        ),
        (
            "run {alpha.x}",
            "'{alpha.x}', but the value of a parameter has no attributes".to_owned(),
            "double the braces that are meant for the shell: '{{' and '}}'",
        ),
    ] {
        let yaml = command.replace('\'', "''");
        let fixture = Fixture::new(
            &format!("entry_points:\n  main:\n    parameters: {{{parameters}}}\n    command: '{yaml}'"),
            &[],
        );
        let error = fixture.resolve(&[]).unwrap_err();
        let part = expected.split('\'').nth(1).unwrap();
        let column = 14 + format!("'{yaml}'").find(part).unwrap();
        let expected = format!(
            "the command of entry point 'main' has {expected}\n  --> MLproject:4:{column}\nhint: {hint}"
        );
        assert_eq!(fixture.message(&error), expected, "{command}");
    }
    check(&[
        (
            "entry_points:\n  main: {command: '{x}'}",
            "the command of entry point 'main' has '{x}', but parameter 'x' is not declared; it declares no parameters\n  --> \
             MLproject:2:20\nhint: declare it under `parameters:`, or double the braces if they are meant for the shell: '{{x}}'",
        ),
        (
            "entry_points:\n  main:",
            "entry point 'main' has no command\n  --> MLproject:2:3\nhint: add `command: ...` to the entry point",
        ),
    ]);
}
