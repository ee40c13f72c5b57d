//! Completions in the real shells, and manual pages as their readers take them.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::harness::{Project, StoredRun, assert_golden, require_program};

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
        (&["mlrun", "r"][..], &["run\tRun a project"][..]),
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
        (&["mlrun", "run", "project", "-b", "l"], &["local\tthis machine"]),
        (
            &["mlrun", "run", "--params-file", "project/tr"],
            &["project/train.py"],
        ),
        (&["mlrun", "status", "abc", "--log-format", "j"], &["json"]),
        (
            &["mlrun", "run", "project", "--env-manager", "u"],
            &["uv\tVirtual environment, packages installed by uv"],
        ),
        (&["mlrun", "run", "https://host.test/org/project", "-e", ""], &[]),
        (&["mlrun", "run", "missing", "-P", ""], &[]),
        (
            &["mlrun", "run", "project", "--dry"],
            &["--dry-run\tPrint the plan without running anything"],
        ),
        (
            &["mlrun", "completions", "z"],
            &["zsh\tIn ~/.zshrc, after compinit: source <(mlrun completions zsh)"],
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

/// Three runs of two experiments in the store at hand, the newest last; the first two have names.
fn with_runs() -> (Project, Vec<String>) {
    let project = Project::new()
        .mlproject("entry_points:\n  main: {command: \"true\"}\n  fail: {command: \"false\"}\n");
    let named = |name| ["--run-name", name, "--experiment-name", "wine"];
    project.run(named("xylo-fox")).expect_code(0);
    project.run(named("xyla-owl")).expect_code(0);
    project.run(["-e", "fail"]).expect_code(1);
    let runs = project.store().runs;
    let ids = ["xylo-fox", "xyla-owl", ""].map(|name| {
        let is_it = |run: &&StoredRun| run.name == name || (name.is_empty() && run.status == "FAILED");
        runs.iter().find(is_it).unwrap().run_id.clone()
    });
    (project, ids.to_vec())
}

#[test]
fn runs_and_experiments_of_the_store() {
    let (project, ids) = with_runs();
    for command in ["status", "wait", "cancel", "run"] {
        let mut words = vec!["mlrun", command];
        if command == "run" {
            words.extend(["project", "--run-id"]);
        }
        let all = offered(&project, &[&words[..], &[""]].concat());
        let found: Vec<&str> = all.iter().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(found, [&ids[2], &ids[1], &ids[0]], "{command}: the newest first");
        assert!(
            all[0].contains(", FAILED, ") && all[1].contains("\txyla-owl, FINISHED, "),
            "{all:?}"
        );
        let by_id = offered(&project, &[&words[..], &[&ids[0][..12]]].concat());
        assert!(by_id.len() == 1 && by_id[0].starts_with(&ids[0]), "{by_id:?}");
        // One name leads to its id, several do not.
        let by_name = offered(&project, &[&words[..], &["xyla"]].concat());
        assert!(
            by_name.len() == 1 && by_name[0].starts_with(&ids[1]),
            "{by_name:?}"
        );
        assert_eq!(offered(&project, &[&words[..], &["xyl"]].concat()), [""; 0]);
    }
    let names = offered(&project, &["mlrun", "run", "project", "--experiment-name", ""]);
    assert_eq!(names, ["wine\tid 1", "Default\tid 0"]);
    let ids = offered(&project, &["mlrun", "run", "project", "--experiment-id="]);
    assert_eq!(ids, ["--experiment-id=1\twine", "--experiment-id=0\tDefault"]);
}

/// A store that is not there is not made, and one that is silent is not waited for.
#[test]
fn stores_that_do_not_answer_offer_nothing() {
    let project = Project::new();
    assert_eq!(offered(&project, &["mlrun", "status", "a"]), [""; 0]);
    assert_eq!(
        project.sandbox().files().into_iter().collect::<Vec<_>>(),
        ["project/"]
    );
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uris = [
        format!("http://{}", silent.local_addr().unwrap()),
        "gopher://host".to_owned(),
        "sqlite:////proc/none".to_owned(),
    ];
    for uri in uris {
        let project = Project::new().env("MLFLOW_TRACKING_URI", &uri);
        assert_eq!(offered(&project, &["mlrun", "status", "a"]), [""; 0], "{uri}");
    }
    project.sandbox().write(
        "variables",
        format!("MLFLOW_TRACKING_URI={}/runs", project.sandbox().work().display()),
    );
    let words = [
        "mlrun",
        "--env-file",
        "variables",
        "run",
        ".",
        "--experiment-name",
        "",
    ];
    assert_eq!(offered(&project, &words), [""; 0]);
}

#[test]
fn environments_that_were_built() {
    let project = Project::new();
    let root = project.sandbox().root().join("envs");
    for name in ["mlflow-0a1b", "mlflow-2c3d", "other"] {
        project.sandbox().write(root.join(name).join("pyvenv.cfg"), "");
    }
    let project = project.env("MLFLOW_ENV_ROOT", "<sandbox>/envs");
    let found = offered(&project, &["mlrun", "env", "rm", "mlflow-0"]);
    assert_eq!(found, ["mlflow-0a1b"]);
    let found = offered(&project, &["mlrun", "env", "rm", "mlflow-0a1b", ""]);
    assert_eq!(found, ["mlflow-0a1b", "mlflow-2c3d"]);
}

#[test]
fn called_mlflow_its_commands_are_offered_too() {
    let project = project();
    assert_eq!(
        offered(&project, &["mlflow", "exp"]),
        ["experiments\tcommand of MLflow"]
    );
    assert_eq!(
        offered(&project, &["mlflow", "run", "project", "-e", "v"]).len(),
        1
    );
    let sandbox = project.sandbox();
    sandbox.link_program("mlflow", Path::new(env!("CARGO_BIN_EXE_mlrun")));
    for (shell, line) in [
        ("bash", "-F _mlrun mlflow"),
        ("zsh", "compdef _mlrun mlflow"),
        ("fish", "complete --command mlflow"),
    ] {
        let script = sandbox.shell(&format!("mlflow completions {shell}"));
        assert!(script.contains(line) && !script.contains("@PROGRAM@"), "{script}");
    }
    let Some(bash) = require_program("bash") else {
        return;
    };
    let text = "source <(mlflow completions bash); compopt() { :; }; COMP_LINE='mlflow run project -P alp' COMP_POINT=25 \
                COMP_WORDS=(mlflow run project -P alp) COMP_CWORD=4; _mlrun mlflow alp -P; printf '%s|' \"${COMPREPLY[@]}\"";
    assert_eq!(shell(&project, &bash, &["--norc", "-c"], text), "alpha=|");
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
    // A list that is only shown says what the names mean, each on a line of its own.
    for (kind, columns, expected) in [
        (9, 80, "alpha=|algorithm=|"),
        (37, 80, "alpha=|algorithm=|"),
        (
            63,
            80,
            "alpha=      float, default 0.5: The weight|algorithm=  string, default ''          |",
        ),
        (
            33,
            80,
            "alpha=      float, default 0.5: The weight|algorithm=  string, default ''          |",
        ),
        (63, 30, "alpha=      float, default |algorithm=  string, default|"),
    ] {
        let text = format!(
            "source <(mlrun completions bash); compopt() {{ :; }}; COMP_LINE='mlrun run project -P al' COMP_POINT=23 \
             COMP_TYPE={kind} COLUMNS={columns} COMP_WORDS=(mlrun run project -P al) COMP_CWORD=4; _mlrun mlrun al -P; \
             printf '%s|' \"${{COMPREPLY[@]}}\""
        );
        assert_eq!(
            shell(&project, &bash, &["--norc", "-c"], &text),
            expected,
            "{kind} {columns}"
        );
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

/// The whole way to a person: what readline shows for a second Tab, and what becomes of a run's name.
#[test]
fn on_the_terminal() {
    let (Some(bash), Some(python)) = (require_program("bash"), require_program("python3")) else {
        return;
    };
    let (project, ids) = with_runs();
    let sandbox = project.sandbox();
    sandbox.link_program("mlrun", Path::new(env!("CARGO_BIN_EXE_mlrun")));
    let steps = serde_json::json!([
        [
            "type",
            "PS1='REA''DY> ' HISTFILE=; bind 'set bell-style none'; source <(mlrun completions bash)\n"
        ],
        ["see", "READY> "],
        ["type", "mlrun status \t\t"],
        ["see", &ids[2]],
        ["see", "FAILED, "],
        ["see", "xyla-owl, FINISHED"],
        ["see", "xylo-fox, FINISHED"],
        ["see", "READY> mlrun status "],
        ["type", "xyla\t"],
        ["see", &ids[1]],
        ["type", "\nexit\n"],
    ]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/harness/terminal.py");
    let output = sandbox
        .command(python)
        .arg(script)
        .arg(steps.to_string())
        .arg(bash)
        .args(["--norc", "--noprofile", "-i"])
        .env("TERM", "dumb")
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_ne!(output.status.code(), Some(99), "{shown}");
    assert!(shown.contains("FINISHED"), "{shown}");
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
        "mlrun-env-list",
        "mlrun-env-prune",
        "mlrun-env-rm",
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
            .args(["-T", "lint", "-W", "warning"])
            .arg(&path)
            .output()
            .unwrap();
        let remarks = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && remarks.is_empty(), "{file}: {remarks}");
        let page = Command::new(&mandoc)
            .args(["-T", "ascii"])
            .arg(&path)
            .output()
            .unwrap();
        let page = String::from_utf8_lossy(&page.stdout).replace('\u{8}', "");
        for title in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXIT STATUS",
            "EXAMPLES",
            "SEE ALSO",
        ] {
            let bold: String = title
                .chars()
                .map(|letter| {
                    if letter == ' ' {
                        " ".to_owned()
                    } else {
                        format!("{letter}{letter}")
                    }
                })
                .collect();
            assert!(
                page.contains(title) || page.contains(&bold),
                "{file} lacks {title}: {page}"
            );
        }
    }
    let scripts = ["bash", "zsh", "fish"].map(|shell| project.mlrun(&["completions", shell]).transcript());
    assert_golden("completions", &scripts.join("\n"));
}
