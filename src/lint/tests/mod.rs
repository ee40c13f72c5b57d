//! Texts of files in, findings out: each rule by a table, and mistakes from real files.

mod files;

use super::{Code, Finding, check};

/// The findings of a project with this MLproject file, a script and these empty files.
fn findings(mlproject: &str, files: &[&str]) -> Vec<Finding> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("train.py"), "").unwrap();
    std::fs::write(directory.path().join("MLproject"), mlproject).unwrap();
    for file in files {
        std::fs::write(directory.path().join(file), "").unwrap();
    }
    check(directory.path()).unwrap()
}

/// Each finding as `code line:column`.
fn summary(mlproject: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("MLproject", mlproject),
        ("train.py", ""),
        ("conda.yaml", "name: x\n"),
    ] {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    check(directory.path()).unwrap().iter().map(short).collect()
}

fn short(finding: &Finding) -> String {
    match &finding.location {
        Some(location) => format!(
            "{} {}:{}",
            finding.code.name(),
            location.position.line,
            location.position.column
        ),
        None => finding.code.name().to_owned(),
    }
}

/// The message and hint of the one finding.
fn message(mlproject: &str) -> String {
    match findings(mlproject, &[]).as_slice() {
        [finding] => format!(
            "{}\n{}",
            finding.message,
            finding.hint.as_deref().unwrap_or("no hint")
        ),
        others => panic!("{others:#?}"),
    }
}

/// A file with one entry point, whose parameters and command are given.
fn entry_point(parameters: &str, command: &str) -> String {
    format!("entry_points:\n  main:\n    parameters: {parameters}\n    command: {command}\n")
}

/// The summaries of files with one entry point each.
fn check_entry_points(cases: &[(&str, &str, &[&str])]) {
    for (parameters, command, expected) in cases {
        let text = entry_point(parameters, command);
        assert_eq!(summary(&text), *expected, "{text}");
    }
}

#[test]
fn a_good_file_has_no_findings() {
    let text = "# A comment\nname: good-project\nconda_env: conda.yaml\nentry_points:\n  main:\n    parameters:\n      \
                data: path\n      alpha: {type: float, default: 0.5, description: the rate}\n      note: {default: ''}\n    \
                command: |-\n      python train.py \\\n        --alpha {alpha} \\\n        {data} {note} ${{HOME}}\n  other:\n    \
                command: \"python other.py && echo done\"\n";
    assert_eq!(summary(text), [""; 0]);
}

#[test]
fn names_are_stable_and_distinct() {
    let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Code::ALL.len());
}

#[test]
fn keys() {
    for (text, expected) in [
        ("conda env: conda.yaml\n", &["unknown-key 1:1"][..]),
        (
            "name: a\nkubernetes_env: {}\nnamespace: x\n",
            &["unknown-key 2:1", "unknown-key 3:1"],
        ),
        (
            "name: x\ndocker_env: {image: a, build_context: .}\n",
            &["unknown-key 2:24"],
        ),
        (
            "name: x\ndocker_env: {image: a, volume: []}\n",
            &["unknown-key 2:24"],
        ),
        (
            "entry_points:\n  main:\n    comand: a\n",
            &["missing-command 2:3", "unknown-key 3:5"],
        ),
        ("name: a\nname: b\n", &["duplicate-key 2:1"]),
        (
            "entry_points:\n  main:\n    command: a\n    command: b\n  main:\n    command: c\n",
            &["duplicate-key 5:3"],
        ),
        (
            "entry_points:\n  main:\n    command: a\n    command: b\n",
            &["duplicate-key 4:5"],
        ),
    ] {
        assert_eq!(summary(text), expected, "{text}");
    }
    check_entry_points(&[
        ("{a: {defulat: 1}}", "echo {a}", &["unknown-key 3:22"]),
        (
            "{a: {type:int, default: 1}}",
            "echo {a}",
            &["malformed-entry 3:22"],
        ),
        (
            "{a: {type str, default: b}}",
            "echo {a}",
            &["malformed-entry 3:22"],
        ),
        ("{a: {float, default: 1}}", "echo {a}", &["malformed-entry 3:22"]),
        ("{a: float 0.5}", "echo {a}", &["malformed-entry 3:21"]),
        ("{a: float, a: path}", "echo {a}", &["duplicate-key 3:28"]),
    ]);
}

#[test]
fn keys_have_hints() {
    for (text, expected) in [
        (
            "conda env: conda.yaml\n",
            "unknown key 'conda env' in an MLproject file\ndid you mean 'conda_env'?",
        ),
        (
            "image: busybox\n",
            "unknown key 'image' in an MLproject file\nit belongs to docker_env; check the indentation",
        ),
        (
            "name: x\ndocker_env: {image: a, context: .}\n",
            "unknown key 'context' in docker_env\nthe keys are image, volumes, environment",
        ),
        (
            "entry_points: {main: {command: 'echo {a}', parameters: {a: {type:int, default: 1}}}}\n",
            "'type:int' in parameter 'a' is one key without a value\nwrite `type: int`",
        ),
        (
            "name: a\nname: b\n",
            "'name' is repeated; the value on line 1 is lost\nremove one of them",
        ),
    ] {
        assert_eq!(message(text), expected, "{text}");
    }
}

#[test]
fn placeholders() {
    check_entry_points(&[
        ("{a: {default: 1}}", "echo", &["unused-parameter 3:18"]),
        (
            "{a: {default: 1}, b: path}",
            "echo {a}",
            &["unused-parameter 3:35"],
        ),
        (
            "{}",
            "echo {a} and {b} {a}",
            &["undeclared-placeholder 4:19", "undeclared-placeholder 4:27"],
        ),
        (
            "{a: path}",
            "'echo {b}'",
            &["unused-parameter 3:18", "undeclared-placeholder 4:20"],
        ),
        ("{a: path}", "echo ${HOME} {a}", &["undeclared-placeholder 4:20"]),
        (
            "{a: path}",
            "|-\n      echo {a} \\\n        {b}",
            &["undeclared-placeholder 6:9"],
        ),
        ("{dataset-path: path}", "echo {dataset-path}", &[]),
        ("{a: path}", "echo {a} {", &["invalid-placeholder 4:19"]),
        ("{a: path}", "echo {a.b}", &["invalid-placeholder 4:19"]),
        ("{a: path}", "echo {a} {{b}} }}", &[]),
        ("{a: path, w: int}", "echo {a:>{w}}", &["unchecked-type 3:30"]),
        ("{a: path}", "echo {a[5]}", &[]),
        ("", "echo {}", &["invalid-placeholder 4:19"]),
        ("", "", &["missing-command 2:3"]),
    ]);
}

#[test]
fn placeholders_have_hints() {
    for (parameters, command, expected) in [
        (
            "{}",
            "echo ${HOME}",
            "the command of entry point 'main' has '{HOME}', but parameter 'HOME' is not declared; it declares no parameters\n\
             double the braces that are meant for the shell: '${{HOME}}'",
        ),
        (
            "{}",
            "echo {x}",
            "the command of entry point 'main' has '{x}', but parameter 'x' is not declared; it declares no parameters\n\
             declare it under `parameters:`, or double the braces if they are meant for the shell: '{{x}}'",
        ),
        (
            "{alpha: {default: 1}}",
            "echo {alpha} {alhpa}",
            "the command of entry point 'main' has '{alhpa}', but parameter 'alhpa' is not declared; it declares 'alpha'\n\
             did you mean '{alpha}'? Double the braces if they are meant for the shell: '{{alhpa}}'",
        ),
        (
            "{alpha: {default: 1}}",
            "echo",
            "the command of entry point 'main' does not use parameter 'alpha'\n\
             pass it to the program: write `{alpha}` in the command",
        ),
    ] {
        assert_eq!(message(&entry_point(parameters, command)), expected);
    }
}

#[test]
fn lines_of_commands() {
    check_entry_points(&[
        (
            "",
            "python a.py \\\n      --b 1 \\\n      --c 2",
            &["folded-backslash 4:26"],
        ),
        (
            "",
            ">-\n      python a.py \\\n      --b 1",
            &["folded-backslash 5:19"],
        ),
        ("", "'python a.py \\\n      --b 1'", &["folded-backslash 4:27"]),
        // An escape in double quotes, and a line that goes on in the shell.
        ("", "\"python a.py \\\n      --b 1\"", &[]),
        ("", "|-\n      python a.py \\\n      --b 1", &[]),
        ("", "echo a\\ b", &[]),
        // Lines that are indented more keep their ends.
        (
            "",
            ">\n      python a.py\n        --b 1\n        --c 2\n",
            &["trailing-newline 4:14", "split-command 6:9"],
        ),
        ("", ">-\n      python a.py\n        \\\n        --b 1", &[]),
        ("", "|-\n      python a.py\n      --b 1", &["split-command 6:7"]),
        ("", ">-\n      python a.py\n\n      -b 1", &["split-command 7:7"]),
        ("", "|-\n      python a.py\n      python b.py --c", &[]),
        ("", "|\n      python a.py", &["trailing-newline 4:14"]),
        ("", ">\n      python a.py\n", &["trailing-newline 4:14"]),
    ]);
}

#[test]
fn types() {
    check_entry_points(&[
        ("{a: int}", "echo {a}", &["unchecked-type 3:21"]),
        (
            "{a: {type: bool, default: x}}",
            "echo {a}",
            &["unchecked-type 3:28"],
        ),
        ("{a: 'list[int]'}", "echo {a}", &["unchecked-type 3:21"]),
        ("{a: str}", "echo {a}", &["unchecked-type 3:21"]),
        ("{a: flaot}", "echo {a}", &["misspelt-type 3:21"]),
        ("{a: String}", "echo {a}", &["misspelt-type 3:21"]),
        (
            "{a: string, b: float, c: path, d: uri, e: {default: x}}",
            "echo {a}{b}{c}{d}{e}",
            &[],
        ),
    ]);
}

#[test]
fn values() {
    for (parameter, expected) in [
        ("{type: float, default: 0.000001}", &["value-respelt"][..]),
        ("{type: float, default: 1e-5}", &[]),
        ("{type: float, default: 1.0e5}", &[]),
        ("{type: float, default: 1.0e+5}", &["value-respelt"]),
        ("{type: float, default: .0}", &["value-respelt"]),
        ("{type: float, default: 1.}", &["value-respelt"]),
        ("{type: float, default: 1_000}", &["value-respelt"]),
        ("{type: float, default: '0.000001'}", &[]),
        ("{type: float, default: 0.5}", &[]),
        ("{type: float, default: None}", &["float-default"]),
        ("{type: float, default: ''}", &["float-default"]),
        ("{type: float, default: abc}", &["float-default"]),
        ("{type: float, default: no}", &["value-changes", "float-default"]),
        ("{default: no}", &["value-changes"]),
        ("{default: 'no'}", &[]),
        ("{default: True}", &[]),
        ("{default: true}", &["value-respelt"]),
        ("{default: 010}", &["value-changes"]),
        ("{default: 0x1F}", &["value-changes"]),
        ("{default: 12:30:45}", &["value-changes"]),
        ("{default: 2024-01-02}", &[]),
        ("{default: 2024-01-02T03:04:05Z}", &["value-changes"]),
        ("{default: None}", &[]),
        ("{default: null}", &["empty-default"]),
        ("{default: }", &["empty-default"]),
        ("{default: ''}", &[]),
        ("{default: [64, 64]}", &["value-respelt"]),
        ("{default: {b: 1}}", &["value-changes"]),
        ("{default: '1, 10, 100'}", &[]),
    ] {
        let text = entry_point(&format!("{{a: {parameter}}}"), "echo {a}");
        let mut found: Vec<&str> = findings(&text, &[])
            .iter()
            .map(|finding| finding.code.name())
            .collect();
        found.sort_unstable();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{parameter}");
    }
    for (text, expected) in [
        ("name: 010\n", &["value-changes 1:7"][..]),
        (
            "docker_env: {image: 1.10}\n",
            &["invalid-value 1:1", "value-respelt 1:21"],
        ),
        (
            "name: x\ndocker_env: {image: a, environment: [[PORT, 0123], [on, x]]}\n",
            &["value-changes 2:45", "value-changes 2:53"],
        ),
        ("entry_points: {yes: {command: a}}\n", &["value-changes 1:16"]),
        (
            "entry_points: {main: {command: 'a {True}', parameters: {y: path, yes: path}}}\n",
            &["unused-parameter 1:57", "value-changes 1:66"],
        ),
    ] {
        assert_eq!(summary(text), expected, "{text}");
    }
    assert_eq!(
        message(&entry_point("{a: {type: float, default: 0.000001}}", "echo {a}")),
        "the default of parameter 'a' is written 0.000001, but YAML reads 1e-06\n\
         put it in quotes to keep it: \"0.000001\""
    );
}

#[test]
fn docker() {
    for (name, expected) in [
        ("tutorial", None),
        ("my-project", None),
        ("my_project", Some("job-name 1:7")),
        (
            "a-name-that-is-far-too-long-for-a-job-there",
            Some("job-name 1:7"),
        ),
        ("My Project", Some("image-name 1:7")),
    ] {
        let text = format!("name: {name}\ndocker_env: {{image: a}}\n");
        assert_eq!(summary(&text).first().map(String::as_str), expected, "{name}");
        assert_eq!(summary(&format!("name: {name}\n")), [""; 0], "{name}");
    }
    let secret = "name: x\ndocker_env:\n  image: a\n  environment: [[MODE, x], [HF_TOKEN, geheim], AWS_SECRET_ACCESS_KEY]\n";
    let found = findings(secret, &[]);
    assert_eq!(found.iter().map(short).collect::<Vec<_>>(), ["secret 4:39"]);
    assert!(!format!("{found:?}").contains("geheim"));
}

#[test]
fn paths_and_names() {
    for (parameter, expected) in [
        ("data: {type: path, default: train.py}", &["path-default"][..]),
        ("data: {type: path, default: no.csv}", &["path-default"]),
        ("data: {type: path, default: /no/such}", &["path-default"]),
        ("data: {type: path, default: ~/x}", &["path-default"]),
        ("data: {type: path, default: 's3://bucket/x'}", &[]),
        ("data: {type: path, default: /}", &[]),
        ("data: {type: path, default: ''}", &["invalid-value"]),
        ("data: {type: uri, default: ''}", &["invalid-value"]),
        ("data: {type: uri, default: train.py}", &["path-default"]),
        ("data: {type: uri, default: no.csv}", &[]),
        ("data: {default: train.py}", &[]),
        ("'a;b': string", &["parameter-name"]),
    ] {
        let name = parameter.split(':').next().unwrap().trim_matches('\'');
        let text = entry_point(&format!("{{{parameter}}}"), &format!("'echo {{{name}}}'"));
        let found = findings(&text, &[]);
        let codes: Vec<&str> = found.iter().map(|finding| finding.code.name()).collect();
        assert_eq!(codes, expected, "{parameter}");
    }
}

#[test]
fn commands_that_yaml_cuts() {
    check_entry_points(&[
        ("", "python x.py --color #fff", &["cut-command 4:34"]),
        ("", "python -c \"print(1) # one\"", &["cut-command 4:34"]),
        ("", "python x.py # trains", &[]),
        ("", "python x.py", &[]),
        ("", "'python x.py' #fff", &[]),
        ("", "python x.py#fff", &[]),
    ]);
}
