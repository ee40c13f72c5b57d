//! Projects and calls with thousands of parts: each is looked at once, and a signal ends the look.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};

use rustix::process::Signal;

use crate::harness::running::{send, wait_until};
use crate::harness::{Project, assert_contains};

const MANY: usize = 20_000;

/// The lines that a function gives for each number.
fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        writeln!(text, "{}", line(number)).unwrap();
        text
    })
}

/// `{p0} {p1} …`.
fn placeholders(count: usize) -> String {
    (0..count).map(|number| format!(" {{p{number}}}")).collect()
}

fn many_entry_points(count: usize) -> String {
    let entry = |number| format!("  e{number}: {{parameters: {{a: float}}, command: 'echo {{a}}'}}");
    format!("entry_points:\n{}", lines(count, entry))
}

#[test]
fn thousands_of_parameters_are_declared() {
    let parameter = |number| format!("      p{number}: {{type: float, default: {number}}}");
    let declared = lines(MANY, parameter);
    let project = Project::new().mlproject(&format!(
        "entry_points:\n  main:\n    parameters:\n{declared}    command: echo{}\n",
        placeholders(MANY)
    ));
    let inspected = project.mlrun(&["inspect", "project"]);
    assert!(inspected.expect_code(0).stdout().contains("  p19999 "));
    let dry = project.run(["--dry-run", "--json", "-P", "p7=0.5"]);
    let plan: serde_json::Value = serde_json::from_str(dry.expect_code(0).stdout()).unwrap();
    assert_eq!(plan["parameters"][7]["recorded"], "0.5");
    assert_eq!(plan["parameters"].as_array().unwrap().len(), MANY);
    let words = ["__complete", "4", "--", "mlrun", "run", "project", "-P", "p1999"];
    assert_eq!(project.mlrun(&words).stdout().lines().count(), 11);
}

#[test]
fn thousands_of_findings_are_shown() {
    let project = Project::new().mlproject(&format!(
        "entry_points:\n  main:\n    parameters:\n{}    command: echo{}\n",
        lines(MANY, |number| format!("      q{number}: string")),
        placeholders(MANY)
    ));
    let linted = project.mlrun(&["lint", "project"]);
    let text = linted.expect_code(1).stdout();
    assert!(
        text.ends_with("20000 errors, 20000 warnings\n"),
        "{}",
        text.lines().last().unwrap()
    );
    // The first ones have their place and a near name.
    assert!(
        text.contains(":20004:19: error: the command of entry point 'main' has '{p0}', but parameter 'p0'")
    );
    assert!(text.contains("hint: did you mean '{q0}'?"));
    let refused = project.run([]);
    let text = refused.expect_code(1).stderr();
    assert_contains(text, "'q49' and 19950 more\n");
    assert!(text.len() < 4000, "{} bytes", text.len());
    let given = lines(MANY, |number| format!("given{number}: 1"));
    let project = project.file("params.yaml", &given);
    let refused = project.run(["--params-file", "project/params.yaml"]);
    assert!(refused.expect_code(1).stderr().len() < 4000);
}

#[test]
fn thousands_of_entry_points_are_declared() {
    let entry = |number| format!("e{number}: {{command: 'echo {{a}}'}}");
    let one_line: Vec<String> = (0..MANY).map(entry).collect();
    let project = Project::new().mlproject(&format!("entry_points: {{{}}}\n", one_line.join(", ")));
    let linted = project.mlrun(&["lint", "project"]);
    assert!(linted.expect_code(1).stdout().ends_with("20000 errors\n"));
    let project = Project::new().mlproject(&many_entry_points(MANY));
    let inspected = project.mlrun(&["inspect", "project", "-e", "e19999"]);
    assert!(
        inspected
            .expect_code(0)
            .stdout()
            .contains("entry point e19999\n  echo {a}\n")
    );
    let missing = project.mlrun(&["inspect", "project", "-e", "f1"]);
    assert!(missing.expect_code(1).stderr().len() < 4000);
}

#[test]
fn long_texts_are_cut_nowhere_and_widen_nothing() {
    let long = "x".repeat(1 << 20);
    let others = lines(1000, |number| format!("      p{number}: float"));
    let project = Project::new().mlproject(&format!(
        r"entry_points:
  main:
    parameters:
      ? {long}
      : {{type: {long}, default: {long}}}
{others}    command: echo
  ? {long}
  : {{}}
"
    ));
    let inspected = project.mlrun(&["inspect", "project"]);
    let text = inspected.expect_code(0).stdout();
    assert!(
        text.contains(&long) && text.len() < 16 << 20,
        "{} bytes",
        text.len()
    );
    project.mlrun(&["lint", "project"]).expect_code(1);
    project.run(["-e", &long[..100_000]]).expect_code(1);
}

#[test]
fn a_hundred_thousand_parameters_are_given() {
    let count = 100_000;
    let project = Project::new()
        .command("echo")
        .file(
            "params.yaml",
            &lines(count, |number| format!("p{number}: {number}")),
        )
        .file(
            "params.json",
            &format!(
                "{{{}\"last\": 1}}",
                lines(count, |number| format!("\"p{number}\": {number},"))
            ),
        );
    for file in ["project/params.yaml", "project/params.json"] {
        let dry = project.run(["--dry-run", "--params-file", file, "-P", "p5=given"]);
        let text = dry.expect_code(0).stdout();
        assert!(text.contains("  p5         command line, undeclared  given\n"));
        assert!(text.contains("  p99999     params file, undeclared   99999\n"));
    }
}

/// Waits for the end that a signal must bring.
fn assert_ended_by(mut child: Child, signal: Signal) {
    send(&child, signal);
    let mut status = None;
    wait_until("the end by a signal", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(128 + signal.as_raw()));
}

const LOOKS: [&[&str]; 4] = [
    &["inspect", "project"],
    &["inspect", "project", "--json"],
    &["lint", "project"],
    &["run", "project", "--env-manager", "local", "--dry-run"],
];

/// The file is one that can be opened and never read.
#[test]
fn a_signal_ends_reading() {
    for arguments in LOOKS {
        for signal in [Signal::INT, Signal::TERM] {
            let project = Project::new();
            let sandbox = project.sandbox();
            rustix::fs::mkfifoat(
                rustix::fs::CWD,
                sandbox.work().join("project/MLproject"),
                rustix::fs::Mode::RWXU,
            )
            .unwrap();
            let mut command = sandbox.interruptible_mlrun();
            command
                .args(arguments)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            let child = command.spawn().unwrap();
            // Returns once mlrun has opened the other end.
            let _writer = OpenOptions::new()
                .write(true)
                .open(sandbox.work().join("project/MLproject"))
                .unwrap();
            assert_ended_by(child, signal);
        }
    }
}

/// Whoever reads the output has stopped to do so.
#[test]
fn a_signal_ends_writing() {
    let project = Project::new().mlproject(&many_entry_points(2000));
    let sandbox = project.sandbox();
    sandbox.shell("cd project && sed -i 's/  e0:/  main:/; s/float/{default: 1}/' MLproject && git init -q && git add . && git commit -qm first");
    let given = lines(5000, |number| format!("p{number}: 1"));
    sandbox.write("params.yaml", given);
    let source = format!("file://{}/project", sandbox.work().display());
    for arguments in LOOKS {
        let mut command = sandbox.interruptible_mlrun();
        command
            .args(arguments.iter().map(|word| match *word {
                "project" => source.as_str(),
                word => word,
            }))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if arguments[0] == "lint" {
            sandbox.shell("cd project && sed -i 's/{a}/{b}/' MLproject && git commit -qam second");
        }
        if arguments[0] == "run" {
            sandbox.shell("cd project && sed -i 's/{b}/{a}/' MLproject && git commit -qam third");
            command.args(["--params-file", "params.yaml"]);
        }
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::with_capacity(1, child.stdout.take().unwrap());
        output.read_line(&mut String::new()).unwrap();
        assert_ended_by(child, Signal::TERM);
        drop(output);
        let left: Vec<_> = std::fs::read_dir(sandbox.root().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{arguments:?} leaves {left:?}");
    }
}
