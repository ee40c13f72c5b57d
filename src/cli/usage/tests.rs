//! Mistakes and their answers, without the program around them.

use std::ffi::OsString;

use super::{Line, check, explain, normalized};
use crate::cli::args;

fn words(line: &[&str]) -> Vec<OsString> {
    ["mlrun"].iter().chain(line).map(OsString::from).collect()
}

/// The text of the answer, if there is something to say.
fn answer(line: &[&str]) -> Option<String> {
    let mut program = args::command();
    program.build();
    let words = normalized(&program, words(line));
    let line = Line::read(&program, &words);
    if let Err(failure) = check(&line) {
        return Some(failure.text());
    }
    let error = program.clone().try_get_matches_from(&words).err()?;
    explain(&line, &error).map(|failure| failure.text())
}

#[test]
fn what_is_right_passes() {
    for line in [
        &["run", "-Palpha=0.5", "."][..],
        &["run", "-P", "--x=1", ".", "-e", "--", "-vmain"],
        &["--env-file", "x", "run", "-qe", "-x", "."],
        &["run", ".", "--env-file", "x", "-q", "--log-format", "json"],
        &["status", "abc", "--verbose", "--log-format=json"],
        &["--env-file=x", "run", "--", "-x"],
        &["run", "-", "--run-name=", "--version", "-experiment-name"],
        &["run", "https://host.test/train.py"],
        &["env", "rm", "a", "b", "c"],
        &["status", "abc", "--json"],
        &["__complete", "1", "--", "mlrun", "--nope"],
        &["--version"],
        &["version"],
        &["run", "-h", "more", "words=1"],
        &["help"],
        &["help", "env", "rm"],
        &["env", "help"],
        &["-h", "run"],
        &["--help", "run"],
        &[],
    ] {
        assert_eq!(answer(line), None, "{line:?}");
    }
}

#[test]
fn options_answer_with_what_was_meant() {
    for (line, error, hint) in [
        (
            "run . --paramlist=token=s3cret",
            "unknown option '--paramlist' of `mlrun run`",
            "did you mean --param-list? Try: mlrun run . --param-list=token=VALUE",
        ),
        (
            "run -dry_run .",
            "unknown option '-dry_run'",
            "did you mean --dry-run? Try: mlrun run --dry-run .",
        ),
        (
            "run . --exp-name x",
            "'--exp-name'",
            "Try: mlrun run . --experiment-name x",
        ),
        (
            "run . --entrypiont x",
            "'--entrypiont'",
            "Try: mlrun run . --entry-point x",
        ),
        (
            "run -qx .",
            "unknown option '-x'",
            "`mlrun run --help` lists the options",
        ),
        (
            "-P a=1 run .",
            "unknown option '-P' of `mlrun`",
            "it is an option of `mlrun run`; try: mlrun run -P a=1 .",
        ),
        ("-e x .", "'-e' of `mlrun`", "try: mlrun run -e x ."),
        (
            "status --version abc",
            "'--version' of `mlrun status`",
            "try: mlrun --version status abc",
        ),
        ("status abc --jason", "'--jason'", "Try: mlrun status abc --json"),
        // Parameters.
        (
            "run . --alpha 0.5",
            "unknown option '--alpha'",
            "if 'alpha' is a parameter, try: mlrun run . -P alpha=0.5",
        ),
        (
            "run --alpha=-1e3 .",
            "'--alpha'",
            "try: mlrun run -P alpha=-1e3 .",
        ),
        ("run . --alpha -1", "'--alpha'", "try: mlrun run . -P alpha=-1"),
        ("run --alpha 0.5", "'--alpha'", "try: mlrun run . -P alpha=0.5"),
        (
            "run --token s3cret .",
            "'--token'",
            "try: mlrun run -P token=VALUE .",
        ),
        ("run --flag .", "'--flag'", "try: mlrun run -P flag=VALUE ."),
        // Of earlier versions and other programs.
        (
            "run . --mode local",
            "'--mode'",
            "use --backend instead; try: mlrun run . --backend local",
        ),
        (
            "run . -m databricks",
            "'-m'",
            "try: mlrun run . --backend databricks",
        ),
        (
            "run . --cluster-spec=c.json",
            "'--cluster-spec'",
            "try: mlrun run . --backend-config=c.json",
        ),
        (
            "run . --use-conda",
            "'--use-conda'",
            "try: mlrun run . --env-manager conda",
        ),
        (
            "run . --git-password s3cret",
            "'--git-password'",
            "credential helper",
        ),
        (
            "run . --experiment wine",
            "'--experiment'",
            "try: mlrun run . --experiment-name wine",
        ),
        (
            "run . --experiment=3",
            "'--experiment'",
            "try: mlrun run . --experiment-id=3",
        ),
        ("run . --params a=1", "'--params'", "try: mlrun run . -P a=1"),
        (
            "run . --params p.yaml",
            "'--params'",
            "try: mlrun run . --params-file p.yaml",
        ),
        ("run --uri .", "'--uri'", "try: mlrun run ."),
        ("run . --env uv", "'--env'", "try: mlrun run . --env-manager uv"),
    ] {
        assert_answer(line, error, hint);
    }
}

#[test]
fn words_answer_with_what_was_meant() {
    for (line, error, hint) in [
        (
            "run . alpha=0.5 beta=2",
            "extra argument 'alpha=0.5': `mlrun run` takes one URI",
            "try: mlrun run . -P alpha=0.5 -P beta=2",
        ),
        (
            "run alpha=0.5",
            "'alpha=0.5' is a parameter",
            "try: mlrun run . -P alpha=0.5",
        ),
        (
            "run token=s3cret .",
            "'token=VALUE' is a parameter",
            "try: mlrun run -P token=VALUE .",
        ),
        (
            "run . -- --alpha 0.5",
            "extra argument '--alpha'",
            "try: mlrun run . -P alpha=0.5",
        ),
        (
            "run . -P note=two words",
            "extra argument 'words'",
            "put a value with blanks in quotes",
        ),
        (
            "run nowhere.py",
            "'nowhere.py' is a script, not a project",
            "try: mlrun run . -e nowhere.py",
        ),
        (
            "run ../x/a.sh -P b=1",
            "is a script",
            "try: mlrun run ../x -e a.sh -P b=1",
        ),
        (
            "run python a.py",
            "extra argument 'a.py'",
            "try: mlrun run . -e a.py",
        ),
        ("lint a.R", "is a script", "try: mlrun lint ."),
        (
            "env list x",
            "extra argument 'x': `mlrun env list` takes no arguments",
            "--help",
        ),
        (
            "status a b",
            "extra argument 'b': `mlrun status` takes one RUN",
            "--help",
        ),
        ("run", "Missing argument 'URI'", "try: mlrun run ."),
        (
            "run -P alpha=0.5",
            "Missing argument 'URI'",
            "try: mlrun run . -P alpha=0.5",
        ),
        (
            "status",
            "Missing argument 'RUN' of `mlrun status`",
            "write the run's id",
        ),
        (
            "completions",
            "Missing argument 'SHELL'",
            "try: mlrun completions bash",
        ),
        (
            "env rm",
            "Missing argument 'NAME'",
            "`mlrun env list` shows the names",
        ),
        // Commands.
        (
            "env lsit",
            "unknown command 'lsit' of `mlrun env`",
            "did you mean `mlrun env list`?",
        ),
        (
            "env ls",
            "unknown command 'ls' of `mlrun env`",
            "did you mean `mlrun env list`?",
        ),
        (
            "rum . -P a=1",
            "unknown command 'rum'",
            "did you mean `mlrun run`? Try: mlrun run . -P a=1",
        ),
        (
            "completion bash",
            "unknown command 'completion'",
            "Try: mlrun completions bash",
        ),
        ("stop abc", "unknown command 'stop'", "Try: mlrun cancel abc"),
        (". -P a=1", "'.' is not a command", "try: mlrun run . -P a=1"),
        ("a.py", "'a.py' is not a command", "try: mlrun run . -e a.py"),
        (
            "https://user:s3cret@host.test/x",
            "is not a command",
            "try: mlrun run https://host.test/x",
        ),
        (
            "--verbose",
            "missing command",
            "`mlrun --help` lists the commands",
        ),
        // Values.
        (
            "run . -P alpha",
            "invalid -P parameter 'alpha'",
            "try: mlrun run . -P alpha=VALUE",
        ),
        (
            "run . -P alpha 0.5",
            "invalid -P parameter 'alpha'",
            "try: mlrun run . -P alpha=0.5",
        ),
        (
            "run -P alpha 0.5 .",
            "invalid -P parameter 'alpha'",
            "try: mlrun run -P alpha=0.5 .",
        ),
        (
            "run . -Palpha:0.5",
            "invalid -P parameter 'alpha'",
            "try: mlrun run . -Palpha=0.5",
        ),
        (
            "run . -P token:s3cret",
            "invalid -P parameter 'token'",
            "try: mlrun run . -P token=VALUE",
        ),
        (
            "run . --env-manager vritualenv",
            "invalid value 'vritualenv' for --env-manager",
            "did you mean 'virtualenv'? Try: mlrun run . --env-manager virtualenv",
        ),
        (
            "run . --env-manager=UV",
            "invalid value 'UV'",
            "Try: mlrun run . --env-manager=uv",
        ),
        (
            "run . --env-manager nope",
            "invalid value 'nope'",
            "use one of: local, virtualenv, uv, conda",
        ),
        (
            "run . -b kubernets",
            "unknown backend 'kubernets'",
            "Try: mlrun run . -b kubernetes",
        ),
        (
            "run . --timeout 5",
            "invalid value '5' for --timeout",
            "add a unit: 5s, 5m or 5h",
        ),
        (
            "run . --timeout soon",
            "invalid value 'soon'",
            "such as 90s, 2h or 30d",
        ),
        (
            "run . --timeout",
            "--timeout needs a value",
            "write --timeout TIME",
        ),
        (
            "run . --json",
            "--json needs --dry-run",
            "try: mlrun run . --json --dry-run",
        ),
        (
            "run . --build-image=true",
            "--build-image takes no value",
            "leave it out; try: mlrun run . --build-image",
        ),
        (
            "run . -q --verbose",
            "--quiet and --verbose cannot be used together",
            "keep one",
        ),
    ] {
        assert_answer(line, error, hint);
    }
}

#[track_caller]
fn assert_answer(line: &str, error: &str, hint: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let text = answer(&words).unwrap_or_else(|| panic!("{line}: nothing to say"));
    assert!(text.contains(error) && text.contains(hint), "{line}: {text}");
    assert!(!text.contains("s3cret"), "{line}: {text}");
}
