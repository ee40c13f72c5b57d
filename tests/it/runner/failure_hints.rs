//! What a person is told to do about an entry point that failed.

use serde_json::Value;

use crate::harness::{Project, assert_contains, assert_golden, assert_lacks, require_program};

/// A module whose imports but the last are no reason to fail.
const HELPERS: &str = "'''
import the data
'''
try:
    import no_such_extra
except ImportError:
    pass
import no_such_package.part as part
";

/// A project with scripts that cannot be run, each for another reason.
fn broken() -> Option<Project> {
    let python = require_program("python3")?;
    let project = Project::new()
        .file("plain.sh", "#!/bin/bash\ntrue\n")
        .executable("run.sh", "#!/bin/bash\nno_such_program_inside\n")
        .executable("windows.sh", "#!/bin/bash\r\ntrue\r\n")
        .executable("windows-env.sh", "#!/usr/bin/env bash\r\ntrue\r\n")
        .executable("zsh.sh", "#!/no/such/zsh\ntrue\n")
        .executable("ruby.sh", "#!/usr/bin/env no-such-ruby\ntrue\n")
        .executable("other-machine", "\u{7f}ELF\u{2}\u{1}\u{1}\0")
        .file("train.py", "import json\nimport helpers\n")
        .file("helpers.py", HELPERS)
        .file("ends.py", "import sys\nsys.exit(1)\n")
        .file("src/a", "");
    project.sandbox().link_program("python3", &python);
    Some(project)
}

/// The lines of mlrun's own about the failure, after the command.
fn told(project: &Project, command: &str) -> String {
    let finished = project.run([]).with_code(1);
    let lines = finished.stderr().lines();
    let own = lines.filter(|line| line.starts_with("The entry point ended") || line.starts_with("hint: "));
    let own: String = own.map(|line| format!("{line}\n")).collect();
    format!("$ {command}\n{}", project.sandbox().anonymous(&own))
}

#[test]
fn a_failed_run_says_what_may_help() {
    let Some(mut project) = broken() else { return };
    let mut text = String::new();
    for command in [
        "python train.py",
        "pyhton3 train.py",
        "cd src && no_such_program_at_all --fast || exit",
        "plain.sh",
        "run.sh",
        "./plain.sh",
        "./rnu.sh",
        "scripts/run.sh",
        "./src",
        "./windows.sh",
        "./windows-env.sh",
        "bash windows.sh; exit 127",
        "bash no-such-file.sh",
        "./zsh.sh",
        "./ruby.sh",
        "./other-machine",
        "bash run.sh",
        "python3 train.py",
        "python3 -m no_such_module",
        "cd src && ./a; exit $?",
        "cd src && python3 ../train.py",
        "cd $HOME && ./a",
        "python3 trian.py",
        "python3 ends.py",
        "exit 3",
        "for x in 1; do no_such_program_in_a_loop; done",
    ] {
        project = project.command(command);
        text.push_str(&told(&project, command));
    }
    assert_golden("failure-hints", &text);
}

#[test]
fn a_run_that_was_killed_may_have_had_too_little_memory() {
    let project = Project::new().command("kill -9 $$");
    let finished = project.run([]).with_code(1);
    assert_contains(finished.stderr(), "memory");
    let project = project.env("SLURM_JOB_ID", "7").env("SLURM_MEM_PER_NODE", "2048");
    let finished = project.run([]).with_code(1);
    assert_contains(finished.stderr(), "ask Slurm for more than 2.0 GiB: `--mem`");
}

#[test]
fn a_missing_module_s_hint_names_the_file_that_lists_packages() {
    for (mlproject, file, expected) in [
        (
            "python_env: python_env.yaml\n",
            ("python_env.yaml", "python: '3'\n"),
            "hint: the Python module 'no_such_package' is not installed on this machine; leave out --env-manager local, \
             and the run gets the packages in python_env.yaml\n",
        ),
        (
            "",
            ("requirements.txt", "no-such-package\n"),
            "hint: the Python module 'no_such_package' is not installed on this machine; replace --env-manager local \
             with `--requirements requirements.txt`, or install it yourself\n",
        ),
    ] {
        let Some(project) = broken() else { return };
        let project = project
            .mlproject(&format!(
                "{mlproject}entry_points:\n  main: {{command: python3 train.py}}\n"
            ))
            .file(file.0, file.1);
        let finished = project.run([]).with_code(1);
        assert_contains(finished.stderr(), expected);
    }
}

#[test]
fn what_was_kept_of_the_output_tells_the_missing_module() {
    let project =
        Project::new().command("echo \"ModuleNotFoundError: No module named 'torch.nn'\" >&2; exit 5");
    let finished = project.run(["--log-output"]).with_code(1);
    assert_contains(
        finished.stderr(),
        "hint: the Python module 'torch' is not installed",
    );
    assert_lacks(project.run([]).stderr(), "hint:");
}

#[test]
fn the_hint_is_a_field_of_the_json_line() {
    let project = Project::new().command("./run.sh").file("run.sh", "true\n");
    let finished = project.run(["--log-format", "json"]).with_code(1);
    let lines = finished.stderr().lines().filter(|line| line.starts_with('{'));
    let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert!(
        last["message"].as_str().unwrap().ends_with("failed ==="),
        "{last}"
    );
    assert!(
        last["hint"].as_str().unwrap().contains("chmod +x ./run.sh"),
        "{last}"
    );
    assert!(lines[0].get("hint").is_none());
}

#[test]
fn foreign_names_in_a_hint_cannot_act_on_the_terminal() {
    let project = Project::new().command("'\u{1b}2J\n=== Run'");
    let finished = project.run([]).with_code(1);
    let (_, hint) = finished.stderr().split_once("failed ===").unwrap();
    assert_contains(hint, "\nhint: '\\u{1b}2J\n  === Run' was not found on PATH");
    assert_lacks(hint, "\u{1b}");
}

#[test]
fn a_script_that_cannot_be_read_gives_no_wrong_hint() {
    let Some(project) = broken() else { return };
    let project = project
        .file("train.py", "import no_such_package\nthis is no Python\n")
        .command("python3 train.py");
    let finished = project.run([]).with_code(1);
    assert_lacks(finished.stderr(), "hint:");
}
