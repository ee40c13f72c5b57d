//! The command line: where options stand, what is a mistake, and names that nobody means.

use crate::harness::{Finished, Project, assert_contains};

fn project() -> Project {
    Project::new().mlproject(
        r#"entry_points:
  main:
    parameters: {alpha: {type: float, default: 0.1}}
    command: "echo {alpha}"
  spaced:
    parameters: {my param: string}
    command: "echo"
  bare: {command: "echo"}
"#,
    )
}

/// A refusal with these words, before anything is created.
#[track_caller]
fn expect_refused(finished: &Finished<'_>, project: &Project, code: i32, error: &str, hint: &str) {
    finished.expect_code(code);
    let told = finished.stderr();
    assert_contains(told, &format!("error: {error}"));
    assert_contains(told, &format!("hint: {hint}"));
    assert!(
        !project
            .sandbox()
            .files()
            .iter()
            .any(|file| file.contains("ml") && !file.starts_with("project/")),
        "{:?}",
        project.sandbox().files()
    );
}

#[test]
fn options_may_stand_anywhere() {
    let project = project();
    project.sandbox().shell("cp -r project ./-project");
    for line in [
        &["run", "-Palpha=0.5", "--env-manager=local", "project"][..],
        &["run", "-P", "alpha=0.5", "project", "--env-manager", "local"],
        &[
            "run",
            "--param-list=alpha=0.5",
            "--no-conda",
            "project",
            "-blocal",
        ],
        &[
            "run",
            "-qemain",
            "project",
            "-Palpha=0.5",
            "--env-manager",
            "local",
        ],
        &[
            "run",
            "--env-manager",
            "local",
            "-P",
            "alpha=0.5",
            "--",
            "-project",
        ],
        &[
            "run",
            "--run-name",
            "--x",
            "--env-manager",
            "local",
            "-Palpha=0.5",
            "project",
            "-At",
        ],
        &[
            "--env-file",
            "/dev/null",
            "run",
            "-Palpha=0.5",
            "--env-manager=local",
            "project",
        ],
        &[
            "-q",
            "run",
            "-Palpha=0.5",
            "--env-manager=local",
            "project",
            "--env-file",
            "/dev/null",
        ],
    ] {
        let finished = project.mlrun(line).with_code(0);
        assert_eq!(finished.stdout(), "0.5\n", "{line:?}");
    }
}

#[test]
fn an_unknown_option_is_named_with_what_was_meant() {
    let project = project();
    for (line, error, hint) in [
        (
            &["run", "--experiment_name", "x", "project"][..],
            "unknown option '--experiment_name' of `mlrun run`",
            "did you mean --experiment-name? Try: mlrun run --experiment-name x project",
        ),
        (
            &["run", "project", "--paramlist", "alpha=1"],
            "unknown option '--paramlist'",
            "did you mean --param-list? Try: mlrun run project --param-list alpha=1",
        ),
        (
            &["run", "project", "--env_manager=local"],
            "unknown option '--env_manager'",
            "did you mean --env-manager?",
        ),
        (
            &["run", "-experiment-name", "x", "project"],
            "unknown option '-experiment-name'",
            "did you mean --experiment-name?",
        ),
        (
            &["run", "-experiment-name=x", "project"],
            "unknown option '-experiment-name'",
            "did you mean --experiment-name?",
        ),
        (
            &["run", "project", "--alpha", "0.5"],
            "unknown option '--alpha'",
            "parameters are set with -P; try: mlrun run project -P alpha=0.5",
        ),
        (
            &["run", "project", "alpha=0.5"],
            "extra argument 'alpha=0.5': `mlrun run` takes one URI",
            "parameters are set with -P; try: mlrun run project -P alpha=0.5",
        ),
        (
            &["run", "project", "spaced"],
            "extra argument 'spaced': `mlrun run` takes one URI",
            "entry points are named with -e; try: mlrun run project -e spaced",
        ),
        (
            &[
                "run",
                "--log-format=text",
                "project",
                "--env-manager",
                "vritualenv",
            ],
            "invalid value 'vritualenv' for --env-manager",
            "did you mean 'virtualenv'? Try: mlrun run --log-format=text project --env-manager virtualenv",
        ),
        (
            &["run", "project", "-P", "alpha=1", "2"],
            "extra argument '2': `mlrun run` takes one URI",
            "put a value with blanks in quotes",
        ),
        (
            &["inspect", "--entrypoint", "x"],
            "unknown option '--entrypoint'",
            "did you mean --entry-point?",
        ),
        (
            &["status", "abc", "--jason"],
            "unknown option '--jason'",
            "did you mean --json?",
        ),
        (
            &["env", "prune", "--older_than", "1d"],
            "unknown option '--older_than'",
            "did you mean --older-than?",
        ),
        (
            &["project"],
            "'project' is not a command",
            "projects are run with `mlrun run`; try: mlrun run project",
        ),
        (
            &["ui"],
            "mlrun has no command 'ui'",
            "install MLflow for its other commands: pip install mlflow",
        ),
    ] {
        expect_refused(&project.mlrun(line), &project, 2, error, hint);
    }
}

#[test]
fn what_every_command_takes_may_stand_after_it() {
    let project = project();
    let failed = project
        .mlrun(&["status", "abc", "--log-format", "json"])
        .with_code(1);
    let line: serde_json::Value = serde_json::from_str(failed.stderr()).unwrap();
    assert_eq!(line["level"], "error");
    let refused = project.mlrun(&["env", "lsit", "--log-format=json"]).with_code(2);
    let line: serde_json::Value = serde_json::from_str(refused.stderr()).unwrap();
    assert!(line["hint"].as_str().unwrap().contains("env list"), "{line}");
    project
        .sandbox()
        .write("variables", "MLFLOW_TRACKING_URI=gopher://x\n");
    let failed = project
        .mlrun(&["status", "abc", "-q", "--env-file", "variables"])
        .with_code(1);
    assert_contains(failed.stderr(), "gopher");
}

#[test]
fn mistyped_parameters_get_a_warning() {
    let project = project();
    for (name, near) in [
        ("alpa", true),
        ("ALPHA", true),
        ("al-pha", true),
        ("momentum", false),
    ] {
        let argument = format!("{name}=0.5");
        let finished = project.run(["-P", &argument]).with_code(0);
        assert_eq!(finished.stdout(), format!("0.1 --{name} 0.5\n"));
        let warning = format!(
            "warning: entry point 'main' does not declare parameter '{name}' (passed on as --{name}); did you mean \
             'alpha'?\n"
        );
        assert_eq!(
            finished.stderr().contains(&warning),
            near,
            "{}",
            finished.stderr()
        );
        let planned = project.run(["-P", &argument, "--dry-run"]).with_code(0);
        assert_eq!(planned.stderr().contains(&warning), near, "{}", planned.stderr());
    }
    // Who gives the declared one too means both.
    let both = project.run(["-P", "alpha=1", "-P", "alpha2=2"]).with_code(0);
    assert!(!both.stderr().contains("warning"), "{}", both.stderr());
    let nothing_is_declared = project.run(["-e", "bare", "-P", "alpa=1"]).with_code(0);
    assert!(!nothing_is_declared.stderr().contains("warning"));
}

#[test]
fn strict_parameters_are_declared_ones() {
    let project = project();
    project
        .sandbox()
        .write("params.json", "{\"alpha\": 1, \"beta\": 2}");
    for (options, error, hint) in [
        (
            &["-P", "alpa=0.5"][..],
            "entry point 'main' does not declare the parameter 'alpa'",
            "did you mean 'alpha'?",
        ),
        (
            &["-P", "x=1", "-P", "alpha=2", "-P", "y=2"],
            "entry point 'main' does not declare the parameters 'x', 'y'",
            "it declares 'alpha'; leave --strict-params out to pass others on",
        ),
        (
            &["--params-file", "params.json"],
            "entry point 'main' does not declare the parameter 'beta'",
            "it declares 'alpha'",
        ),
        (
            &["-e", "bare", "-P", "x=1", "--dry-run"],
            "entry point 'bare' does not declare the parameter 'x'",
            "it declares no parameters",
        ),
    ] {
        let line = [
            &["run", "project", "--env-manager", "local", "--strict-params"],
            options,
        ]
        .concat();
        let finished = project.mlrun(&line).with_code(1);
        expect_refused(&finished, &project, 1, error, hint);
    }
    project.run(["--strict-params", "-P", "alpha=2"]).expect_code(0);
}

#[test]
fn names_with_blanks_are_refused() {
    let project = project();
    for (option, text, error, hint) in [
        (
            "-P",
            "alpha = 0.5",
            "invalid -P argument: the name 'alpha ' ends with a space",
            "write -P alpha=0.5,",
        ),
        (
            "-P",
            " alpha=0.5",
            "invalid -P argument: the name ' alpha' begins with a space",
            "write -P alpha=0.5,",
        ),
        (
            "-P",
            "alpha\t=x",
            "invalid -P argument: the name 'alpha\\t' ends with a tab",
            "write -P alpha=VALUE,",
        ),
        (
            "-P",
            "alpha\n=1",
            "invalid -P argument: the name 'alpha\\n' ends with a line break",
            "write -P alpha=1,",
        ),
        (
            "-P",
            "al\u{a0}pha=1",
            "invalid -P argument: the name 'al\\u{a0}pha' contains",
            "write -P al_pha=1,",
        ),
        (
            "-P",
            "=1",
            "invalid -P argument: the name '' is empty",
            "write -P name=1,",
        ),
        (
            "-P",
            "  =1",
            "invalid -P argument: the name '  ' begins with a space",
            "write -P name=1,",
        ),
        (
            "-A",
            "gpus = all",
            "invalid -A argument: the name 'gpus ' ends with a space",
            "write -A gpus=VALUE,",
        ),
        (
            "-A",
            "v /a:/b",
            "invalid -A argument: the name 'v /a:/b' contains a space",
            "write -A v=VALUE",
        ),
        (
            "-A",
            "",
            "invalid -A argument: the name '' is empty",
            "write -A name",
        ),
    ] {
        expect_refused(&project.run([option, text]), &project, 2, error, hint);
    }
    let undeclared = project.run(["-P", "two words=s3cret"]);
    let error = "the parameter name 'two words' contains a space";
    expect_refused(
        &undeclared,
        &project,
        1,
        error,
        "write -P two_words=VALUE, without blanks in the name",
    );
    assert!(!undeclared.stderr().contains("s3cret"));
    let near = project.run(["-P", "al pha=1"]);
    expect_refused(
        &near,
        &project,
        1,
        "the parameter name 'al pha' contains a space",
        "did you mean 'alpha'?",
    );
    // What the project itself calls so is no mistake.
    project.run(["-e", "spaced", "-P", "my param=1"]).expect_code(0);
}

#[test]
fn names_with_blanks_in_a_params_file_are_refused_with_their_place() {
    let project = project();
    for (name, text, place) in [
        ("p.yaml", "alpha: 1\n'beta ': 2\n", "p.yaml:2:1"),
        ("p.yaml", "'': 2\n", "p.yaml:1:1"),
        ("p.json", "{\"beta\\u00a0\": 2}", "p.json:1:"),
    ] {
        project.sandbox().write(name, text);
        let finished = project.run(["--params-file", name]).with_code(1);
        let told = finished.stderr();
        assert!(
            told.contains("the parameter name '") && told.contains(place),
            "{told}"
        );
    }
}

#[test]
fn a_backend_configuration_is_an_object() {
    let project = project();
    for (text, kind) in [
        ("[1]", "an array"),
        ("\"x\"", "a string"),
        ("null", "null"),
        ("1", "a number"),
        ("true", "a boolean"),
    ] {
        let error = format!("invalid backend config: it must be a JSON object, but it is {kind}");
        let hint = "write keys and values, such as {\"key\": \"value\"}, or {} for none";
        expect_refused(&project.run(["-c", text]), &project, 2, &error, hint);
        project.sandbox().write("config.json", text);
        let finished = project.run(["-c", "config.json"]).with_code(1);
        let told = finished.stderr();
        assert_contains(
            told,
            &format!("config.json: it must be a JSON object, but it is {kind}"),
        );
        std::fs::remove_file(project.sandbox().work().join("config.json")).unwrap();
    }
    project.run(["-c", "{}"]).expect_code(0);
}
