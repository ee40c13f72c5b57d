//! Completions in the real shells, and manual pages as their readers take them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Project, assert_golden, require_program};

/// A project with two entry points, whose parameters have types and descriptions.
fn project() -> Project {
    Project::new()
        .mlproject(
            r"name: wine
entry_points:
  main:
    parameters:
      data: path
      alpha: {type: float, default: 0.5, description: The weight}
      algorithm: {default: ''}
    command: python train.py {data} {alpha} {algorithm}
  validate:
    parameters: {model: uri}
    command: python validate.py {model}
",
        )
        .file("train.py", "")
        .file("data set.csv", "")
        .file("data/a.csv", "")
}

/// What the program offers for the last of these words.
fn offered(project: &Project, words: &[&str]) -> Vec<String> {
    let index = (words.len() - 1).to_string();
    let mut arguments = vec!["__complete", &index, "--"];
    arguments.extend(words);
    let finished = project.mlrun(&arguments);
    assert_eq!(finished.expect_code(0).stderr(), "");
    finished.stdout().lines().map(str::to_owned).collect()
}

#[test]
fn candidates_fit_the_words_before() {
    let project = project();
    for (words, expected) in [
        (
            &["mlrun", "r"][..],
            &["run\tRun an MLflow project from a directory, a Git repository or a zip"][..],
        ),
        (&["mlrun", "run", "pro"], &["project/"]),
        (
            &["mlrun", "run", "project", "-e", ""],
            &[
                "main\tpython train.py {data} {alpha} {algorithm}",
                "validate\tpython validate.py {model}",
                "train.py",
            ],
        ),
        (
            &["mlrun", "run", "project", "--entry-point=v"],
            &["--entry-point=validate\tpython validate.py {model}"],
        ),
        (
            &["mlrun", "inspect", "project", "-e", "m"],
            &["main\tpython train.py {data} {alpha} {algorithm}"],
        ),
        (
            &["mlrun", "run", "project", "-P", "al"],
            &[
                "alpha=\tfloat, default 0.5: The weight",
                "algorithm=\tstring, default ''",
            ],
        ),
        (
            &["mlrun", "run", "project", "-P", "alpha=1", "-P", "al"],
            &["algorithm=\tstring, default ''"],
        ),
        (
            &["mlrun", "run", "project", "-e", "validate", "-P", ""],
            &["model=\turi, required"],
        ),
        (&["mlrun", "run", "-P", "d"], &[]),
        (
            &["mlrun", "run", "project", "-P", "data=project/da"],
            &["data=project/data/", "data=project/data set.csv"],
        ),
        (&["mlrun", "run", "project", "-P", "alpha=p"], &[]),
        (&["mlrun", "run", "project", "-b", "l"], &["local"]),
        (
            &["mlrun", "run", "project", "--env-manager", "u"],
            &["uv\tA virtual environment, its packages installed by uv"],
        ),
        (&["mlrun", "run", "https://host.test/org/project", "-e", ""], &[]),
        (&["mlrun", "run", "missing", "-P", ""], &[]),
        (
            &["mlrun", "run", "project", "--dry"],
            &["--dry-run\tShow what would be done, and do nothing of it"],
        ),
        (
            &["mlrun", "completions", "z"],
            &["zsh\tsource <(mlrun completions zsh), after compinit"],
        ),
    ] {
        let mut offered = offered(&project, words);
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        offered.sort();
        expected.sort();
        assert_eq!(offered, expected, "{words:?}");
    }
    // In the project's directory its name is not needed.
    let sandbox = project.sandbox();
    sandbox.link_program("mlrun", Path::new(env!("CARGO_BIN_EXE_mlrun")));
    let offered = sandbox.shell("cd project && mlrun __complete 3 -- mlrun run -P alp");
    assert_eq!(offered, "alpha=\tfloat, default 0.5: The weight\n");
    // Broken files and odd words are no matter.
    let broken = Project::new().mlproject("a: [\n");
    for words in [
        &["mlrun"][..],
        &["mlrun", "run", "project", "-e", ""],
        &["mlrun", "nope", ""],
    ] {
        let mut arguments = vec!["__complete", "7", "--"];
        arguments.extend(words);
        broken.mlrun(&arguments).expect_code(0);
    }
}

/// Runs a shell's program text in the sandbox, with `mlrun` on its PATH.
fn shell(project: &Project, program: &Path, arguments: &[&str], text: &str) -> String {
    let sandbox = project.sandbox();
    let link = sandbox.root().join("bin/mlrun");
    if !link.exists() {
        sandbox.link_program("mlrun", Path::new(env!("CARGO_BIN_EXE_mlrun")));
    }
    let output = sandbox
        .command(program)
        .args(arguments)
        .arg(text)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "", "{text}");
    String::from_utf8(output.stdout).unwrap()
}

/// The lines that are completed in every shell, and what becomes of them. `_` marks a space at the end.
const LINES: [(&str, &str); 6] = [
    ("mlrun ins", "mlrun inspect_"),
    ("mlrun run project -e val", "mlrun run project -e validate_"),
    ("mlrun run project -P alp", "mlrun run project -P alpha="),
    (
        "mlrun run project -P data=project/data/",
        "mlrun run project -P data=project/data/a.csv_",
    ),
    (
        "mlrun run project -P alpha=1 -P dat",
        "mlrun run project -P alpha=1 -P data=",
    ),
    ("mlrun run proj", "mlrun run project/"),
];

#[test]
fn in_bash() {
    let Some(bash) = require_program("bash") else {
        return;
    };
    let project = project();
    for (line, expected) in LINES {
        // What readline does: words break at '=' and ':', and the last of them is replaced.
        let text = format!(
            r#"source <(mlrun completions bash)
            compopt() {{ :; }}
            COMP_LINE='{line}' COMP_POINT={}
            COMP_WORDS=() rest=$COMP_LINE
            while [[ -n $rest ]]; do
                [[ $rest =~ ^([[:space:]]*)([=:]+|[^[:space:]=:]+)(.*)$ ]]
                COMP_WORDS+=("${{BASH_REMATCH[2]}}") rest=${{BASH_REMATCH[3]}}
            done
            COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
            current=${{COMP_WORDS[COMP_CWORD]}}
            _mlrun mlrun "$current" "${{COMP_WORDS[COMP_CWORD - 1]}}"
            [[ ${{#COMPREPLY[@]}} == 1 ]] || {{ echo "${{#COMPREPLY[@]}}: ${{COMPREPLY[*]}}"; exit; }}
            result=${{COMP_LINE%"$current"}}${{COMPREPLY[0]}}
            echo "${{result/% /_}}""#,
            line.len()
        );
        let result = shell(&project, &bash, &["--norc", "-c"], &text);
        assert_eq!(result.trim_end(), expected, "{line}");
    }
    // Right after the '=', where readline replaces nothing.
    let text = "source <(mlrun completions bash); compopt() { :; }; COMP_LINE='mlrun run project -P data=' COMP_POINT=26 \
                COMP_WORDS=(mlrun run project -P data =) COMP_CWORD=5; _mlrun mlrun '' data; printf '%s|' \"${COMPREPLY[@]}\"";
    assert_eq!(shell(&project, &bash, &["--norc", "-c"], text), "project/|");
}

#[test]
fn in_zsh() {
    let Some(zsh) = require_program("zsh") else { return };
    let project = project();
    for (line, expected) in LINES {
        // A shell in a terminal of its own, in which a key completes and another one shows the line.
        let text = format!(
            r#"zmodload zsh/zpty
            zpty shell {} -f -i
            send() {{ zpty -w shell "$1"; }}
            send 'PS1= PS2= RPS1=; unsetopt beep zle_bracketed_paste; autoload -U compinit; compinit -u -D; source <(mlrun completions zsh)'
            send 'show() {{ print -r -- "<<${{BUFFER/% /_}}>>" >result; }}; zle -N show; bindkey "^X" show; : >ready'
            repeat 600; do [[ -e ready ]] && break; sleep 0.1; done
            zpty -w -n shell $'{line}\t\x18'
            repeat 600; do [[ -s result ]] && break; sleep 0.1; done
            cat result; rm -f ready result; zpty -d shell"#,
            zsh.display()
        );
        let result = shell(&project, &zsh, &["-f", "-c"], &text);
        assert_eq!(result.trim_end(), format!("<<{expected}>>"), "{line}");
    }
}

#[test]
fn in_fish() {
    let Some(fish) = require_program("fish") else {
        return;
    };
    let project = project();
    for (line, expected) in LINES {
        let text = format!("mlrun completions fish | source; complete -C '{line}'");
        let result = shell(&project, &fish, &["--no-config", "-c"], &text);
        let word = expected.trim_end_matches('_').rsplit(' ').next().unwrap();
        let values: Vec<&str> = result
            .lines()
            .map(|line| line.split('\t').next().unwrap())
            .collect();
        assert_eq!(values, [word], "{line}");
    }
    let text = "mlrun completions fish | source; complete -C 'mlrun run project -P alph'";
    let result = shell(&project, &fish, &["--no-config", "-c"], text);
    assert_eq!(result, "alpha=\tfloat, default 0.5: The weight\n");
}

#[test]
fn manual_pages() {
    let project = Project::new();
    project.mlrun(&["man", "pages/man1"]).expect_code(0);
    let files = project.sandbox().files();
    for name in [
        "mlrun",
        "mlrun-run",
        "mlrun-inspect",
        "mlrun-lint",
        "mlrun-env",
        "mlrun-completions",
    ] {
        assert!(files.contains(&format!("pages/man1/{name}.1")), "{files:?}");
    }
    assert!(!files.iter().any(|file| file.contains("__complete")), "{files:?}");
    let own = project.mlrun(&["man"]);
    let written = std::fs::read_to_string(project.sandbox().work().join("pages/man1/mlrun.1")).unwrap();
    assert_eq!(own.expect_code(0).stdout(), written);
    let _refused = project.mlrun(&["man", "/proc/none"]).with_code(1);
    let Some(mandoc) = require_program("mandoc") else {
        return;
    };
    for file in files.iter().filter(|file| file.ends_with(".1")) {
        let path = project.sandbox().work().join(file);
        let output = Command::new(&mandoc)
            .args(["-T", "lint", "-W", "error"])
            .arg(&path)
            .output()
            .unwrap();
        let remarks = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{file}: {remarks}");
        let page = Command::new(&mandoc)
            .args(["-T", "ascii"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(page.stdout.len() > 200, "{file}");
    }
    let scripts = ["bash", "zsh", "fish"].map(|shell| project.mlrun(&["completions", shell]).transcript());
    assert_golden("completions", &scripts.join("\n"));
}
