//! Defaults and whole files in YAML.

use crate::whole_program::differential::{Case, Deviation, case};

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let mut cases = defaults();
    cases.extend(files());
    cases
}

/// A case whose parameters `p0`, `p1`, … have these defaults and are printed, a line each. What
/// mlrun logs unquoted is given beside those that the reference quotes.
fn scalars<const N: usize>(name: &'static str, defaults: [(&str, Option<&str>); N]) -> Case {
    let lines: Vec<String> = defaults
        .iter()
        .enumerate()
        .map(|(i, (text, _))| format!("p{i}: {{default: {text}}}"))
        .collect();
    let uses: Vec<String> = (0..N).map(|i| format!("{{p{i}}}")).collect();
    let mut case = case(name).parameters(&lines.join("\n"), &format!("printf '%s\\n' {}", uses.join(" ")));
    for (index, (_, logged)) in defaults.iter().enumerate() {
        if let Some(logged) = logged {
            case = case.logs(&format!("p{index}"), logged);
        }
    }
    case
}

fn defaults() -> Vec<Case> {
    vec![
        scalars(
            "integers",
            [
                ("0", None),
                ("-1", None),
                ("+12", None),
                ("010", None),
                ("0o17", None),
                ("089", None),
                ("0x1F", None),
                ("0b101", None),
                ("1_000", None),
                ("12:30:45", None),
                ("190:20:30", None),
                ("-1:30", None),
                ("123456789012345678901234567890", None),
                ("0x_f", None),
                ("_1", None),
                ("1__0", None),
            ],
        ),
        scalars(
            "floats",
            [
                ("1.0", None),
                ("1.", None),
                (".5", None),
                ("-.5", None),
                ("+.5", None),
                ("1e5", None),
                ("1e-5", None),
                ("1.0e5", None),
                ("1.0e-5", None),
                ("1.0e+5", None),
                ("0.000001", None),
                ("1_000.5", None),
                (".inf", None),
                ("-.INF", None),
                (".NaN", None),
                ("1:30.5", None),
                ("1.5E+3", None),
                ("100000000000000000.0", None),
                ("0.1", None),
                ("1.10", None),
            ],
        ),
        scalars(
            "booleans",
            [
                ("yes", None),
                ("No", None),
                ("ON", None),
                ("off", None),
                ("true", None),
                ("False", None),
                ("TRUE", None),
                ("y", None),
                ("n", None),
                ("tRUE", None),
                ("'yes'", None),
            ],
        ),
        scalars(
            "strings",
            [
                ("plain", None),
                ("two words", Some("two words")),
                ("'it''s'", Some("it's")),
                (r#""tab\tü\x41\u00e9\U0001F600""#, Some("tab\tüAé😀")),
                ("None", None),
                ("\"1\"", None),
                ("!!str 1", None),
                ("!!int '7'", None),
                ("!!float 1", None),
                ("a#b", Some("a#b")),
                ("'#'", Some("#")),
                ("C:\\x", Some("C:\\x")),
                ("'{a}'", Some("{a}")),
                ("'http://host/a?b=c&d'", Some("http://host/a?b=c&d")),
            ],
        ),
        scalars(
            "times",
            [
                ("2024-01-02", None),
                ("2024-1-2", None),
                ("2024-01-02T03:04:05Z", Some("2024-01-02 03:04:05+00:00")),
                ("2024-01-02 03:04:05", Some("2024-01-02 03:04:05")),
                (
                    "2024-01-02t03:04:05.678+01:30",
                    Some("2024-01-02 03:04:05.678000+01:30"),
                ),
                ("2024-01-02 3:4:5 -5", Some("2024-01-02 3:4:5 -5")),
                ("2024-01-02 03:04:05 -05:00", Some("2024-01-02 03:04:05-05:00")),
                ("2024-01", None),
            ],
        ),
        scalars(
            "collections",
            [
                ("[1, 2]", Some("[1, 2]")),
                ("[]", Some("[]")),
                (
                    "{a: 1, b: [x, 'it''s', null, true, 1.50]}",
                    Some("{'a': 1, 'b': ['x', \"it's\", None, True, 1.5]}"),
                ),
                ("{}", Some("{}")),
                ("!!set {a}", Some("{'a'}")),
                (
                    "[2024-01-02, 2024-01-02T03:04:05Z]",
                    Some(
                        "[datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)]",
                    ),
                ),
                ("!!binary aGk=", Some("b'hi'")),
                ("!!omap [a: 1]", Some("[('a', 1)]")),
                ("[\"ü\\n\\x00\"]", Some("['ü\\n\\x00']")),
                ("[.inf, .nan, 1.0e+20]", Some("[inf, nan, 1e+20]")),
            ],
        ),
        case("blocks as defaults")
            .mlproject(
                r#"entry_points:
  main:
    parameters:
      a:
        type: string
        default: |
          one
            two

          three
      b:
        default: >-
          one
          two

          three
            four
          five
      c:
        default: |+
          kept

      d:
        default: "folded
          quoted \
          text"
    command: printf '<%s>\n' {a} {b} {c} {d}
"#,
            )
            .logs("a", "one\n  two\n\nthree\n")
            .logs("b", "one two\nthree\n  four\nfive")
            .logs("c", "kept\n\n")
            .logs("d", "folded quoted text"),
        case("anchors, aliases and merge keys").mlproject(
            r"defaults: &defaults
  type: float
  default: 1
entry_points:
  main:
    parameters:
      a: *defaults
      b:
        <<: *defaults
        default: 2
      c:
        <<: [{default: 3}, *defaults]
      <<: {d: {default: 4}, a: {default: 9}}
    command: echo {a} {b} {c} {d}
",
        ),
        case("a key that is a type and a colon").parameters(
            "a: {type:int, default: 1}\nb: {type str, default: 2}",
            "echo {a} {b}",
        ),
    ]
}

fn files() -> Vec<Case> {
    let simple = "name: x\nentry_points:\n  main:\n    command: echo simple\n";
    vec![
        case("a file name in other letters").file("mlPROJECT", simple),
        case("a file with a byte order mark").mlproject(&format!("\u{feff}{simple}")),
        case("a file with carriage returns").mlproject(&simple.replace('\n', "\r\n")),
        case("a file with a directive and document marks")
            .mlproject(&format!("%YAML 1.1\n---\n{simple}...\n")),
        case("a file with two documents").mlproject(&format!("{simple}---\n{simple}")),
        case("a file with comments").mlproject(&format!(
            "# first\n{}",
            simple.replace("main:", "main: # the main one")
        )),
        case("a file with a tab for indentation").mlproject("entry_points:\n\tmain:\n\t\tcommand: echo a\n"),
        case("a file that is no YAML").mlproject("entry_points: [unclosed\n"),
        case("a file with an unknown tag")
            .mlproject("name: !custom x\nentry_points:\n  main:\n    command: echo a\n"),
        case("a file that is a list").mlproject("- a\n"),
        case("a file that is a word").mlproject("just text\n"),
        case("a file with a control character").mlproject("name: \"a\u{1}\"\n"),
        case("a file in another encoding").setup("printf 'name: \\xfc\\n' >project/MLproject"),
        case("an empty file")
            .mlproject("")
            .file("run.sh", "echo ran")
            .run(["-e", "run.sh"])
            .like(
                Deviation::EmptyMlprojectsAreAbsent,
                case("").file("run.sh", "echo ran").run(["-e", "run.sh"]),
            ),
        case("an empty file and no script").mlproject("# only a comment\n"),
        case("no entry points").mlproject("name: x\n"),
        case("entry points that are null").mlproject("name: x\nentry_points:\n"),
        case("an entry point that is null").mlproject("name: x\nentry_points:\n  main:\n"),
        case("an entry point that is its command").mlproject("name: x\nentry_points:\n  main: echo a\n"),
        case("an entry point without a command")
            .mlproject("name: x\nentry_points:\n  main:\n    parameters: {a: {default: 1}}\n")
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("an entry point that is not asked for is broken").mlproject(
            "entry_points:\n  main:\n    command: echo a\n  other:\n    parameters: {a: {default: 1}}\n",
        ),
        case("a command that is a number")
            .mlproject("entry_points:\n  main:\n    command: 1\n")
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("a command that is a list")
            .mlproject("entry_points:\n  main:\n    command: [echo, a]\n")
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("a command that is given twice")
            .mlproject("entry_points:\n  main:\n    command: echo a\n    command: echo b\n"),
        case("entry points that are given twice").mlproject(
            "entry_points:\n  main: {command: echo a}\nentry_points:\n  main: {command: echo b}\n",
        ),
        case("unknown keys").mlproject(&format!("conda env: x\nbuild_context: .\nnamespace: y\n{simple}")),
        case("a name that is a number").mlproject(&simple.replace("name: x", "name: 1.0")),
        case("two environments").mlproject(&format!("conda_env: a.yaml\npython_env: b.yaml\n{simple}")),
        case("an environment file that is missing").mlproject(&format!("conda_env: a.yaml\n{simple}")),
        case("a python_env file that is missing").mlproject(&format!("python_env: a.yaml\n{simple}")),
        case("an environment file that is there")
            .file("a.yaml", "name: x\n")
            .mlproject(&format!("conda_env: a.yaml\n{simple}")),
        case("a symbolic link")
            .work_file("elsewhere", simple)
            .setup("ln -s ../elsewhere project/mlproject"),
        case("both MLproject and another name of it")
            .mlproject(simple)
            .file("MLproject.yaml", "name: other\n"),
    ]
}
