//! Commands: Python format strings, blocks, the shell, and exit codes.

use crate::whole_program::differential::{Case, Deviation, case};

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let mut cases = formats();
    cases.extend(blocks());
    cases.extend(endings());
    cases
}

/// A format string that Python refuses.
fn refused(name: &'static str, command: &str) -> Case {
    case(name)
        .parameters("a: {default: x}", command)
        .creates_no_run(Deviation::ErrorsComeBeforeTheRun)
}

fn formats() -> Vec<Case> {
    vec![
        case("doubled braces").parameters("a: {default: x}", "b=${{HOME:+set}}; echo $b {{}} {{{a}}} '}}{{'"),
        case("conversions").parameters("a: {default: \"it's ü\"}", "printf '%s\\n' {a!s} \"{a!r}\" \"{a!a}\"").logs(
            "a", "it's ü",
        ),
        case("format specifications").parameters(
            "a: {default: abc}",
            "printf '<%s>\\n' '{a:>10}' '{a:<6}' '{a:^7}' '{a:*^9}' '{a:.2}' '{a:5.1}' '{a:s}' '{a:08}' '{a:}' '{a!s:>5}'",
        ),
        case("nested format specifications")
            .parameters("a: {default: abc}\nw: {default: 8}\nf: {default: _}", "printf '<%s>\\n' '{a:>{w}}' '{a:{f}<{w}.{w}}'"),
        case("indices").parameters("a: {default: abc}", "echo {a[0]}{a[2]}"),
        refused("a placeholder that is not declared", "echo {nope}"),
        refused("a placeholder without a name", "echo {}"),
        refused("a placeholder that is a number", "echo {0}"),
        refused("a placeholder with spaces", "echo { a }"),
        refused("a variable of the shell in braces", "echo ${HOME}"),
        refused("a lone opening brace", "echo {"),
        refused("a lone closing brace", "echo }"),
        refused("a number's format for a text", "echo {a:d}"),
        refused("an unknown conversion", "echo {a!x}"),
        refused("an index that is not there", "echo {a[7]}"),
        refused("an attribute that is not there", "echo {a.nope}"),
    ]
}

fn blocks() -> Vec<Case> {
    let block = |style: &str| {
        format!(
            r"entry_points:
  main:
    parameters:
      a: {{default: 1}}
    command: {style}
      echo {{a}} \
        two
      echo three
"
        )
    };
    let folded = |style: &str| {
        format!(
            r"entry_points:
  main:
    command: {style}
      echo one
      two

      three
        four
      five
"
        )
    };
    // What the command is without the line breaks at its end, which mlrun cuts.
    let cut = |case: Case, model: Case| case.like(Deviation::BlockCommandsTakeExtras, model);
    let of = |text: &str| case("").mlproject(text);
    vec![
        cut(case("a literal block").mlproject(&block("|")), of(&block("|-"))),
        cut(case("a literal block that keeps its end").mlproject(&format!("{}\n\n", block("|+"))), of(&block("|-"))),
        case("a literal block without its last line break").mlproject(&block("|-")).run(["-P", "z=1"]),
        cut(
            case("a literal block and an undeclared parameter").mlproject(&block("|")).run(["-P", "z=1"]),
            of(&block("|-")).run(["-P", "z=1"]),
        ),
        cut(case("a folded block").mlproject(&folded(">")), of(&folded(">-"))),
        cut(
            case("a folded block and an undeclared parameter").mlproject(&folded(">")).run(["-P", "z=1"]),
            of(&folded(">-")).run(["-P", "z=1"]),
        ),
        case("a plain command on several lines")
            .mlproject("entry_points:\n  main:\n    command: echo one \\\n      two\n      three\n")
            .run(["-P", "z=1"]),
        case("a quoted command on several lines").mlproject(
            "entry_points:\n  main:\n    command: \"echo one \\\n      two\n      three\\n\n      echo 'four'\"\n",
        ),
        case("shell features").file("b.txt", "").file("a.txt", "").command(
            "X=1 env | grep ^X= | cat && echo *.txt $(echo sub) `echo tick` && (exit 3) || echo or; for i in 1 2; do echo $i; done",
        ),
        cut(
            case("a here-document").mlproject(&here_document("|")),
            of(&here_document("|-")),
        ),
        case("a comment at the end").command("echo a # comment").run(["-P", "z=1"]),
        case("quotes in a command").command("echo \"it's\" 'a \"b\"'"),
        case("an empty command").command(""),
    ]
}

fn here_document(style: &str) -> String {
    format!(
        r"entry_points:
  main:
    command: {style}
      cat <<END
        $((1 + 2)) {{{{x}}}}
      END
"
    )
}

fn endings() -> Vec<Case> {
    vec![
        case("the entry point fails")
            .command("echo out; echo err >&2; exit 3")
            .on_every_store(),
        case("the entry point is not found").command("no-such-program --flag"),
        case("the entry point is ended by a signal").command("kill -9 $$"),
        case("the entry point reads its input")
            .command("cat; echo end")
            .stdin("line\nno line break"),
        case("the entry point has no input").command("cat; echo end"),
        case("the entry point writes much").command("seq 1 20000 | tail -n 3; seq 1 20000 >&2"),
        case("the entry point's directory")
            .file("sub/x", "")
            .command("pwd; ls; echo $PWD"),
        case("the entry point removes its directory").command("cd ..; rm -r project; echo gone"),
        case("the entry point's variables")
            .env("OWN", "ü x")
            .env("EMPTY", "")
            .command("echo $OWN ${{EMPTY-unset}}"),
        case("the entry point leaves a file").command("echo a >left; mkdir deep; echo b >deep/left"),
    ]
}
