//! Parameters: types, defaults, those that no one declared, quoting.

use crate::whole_program::differential::{Case, Deviation, case};

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let mut cases = types();
    cases.extend(names());
    cases.extend(values());
    cases
}

fn types() -> Vec<Case> {
    vec![
        case("declared types and an undeclared parameter")
            .parameters(
                "a: {type: float, default: 0.1}\nb: string\nc: {default: 3}\nd: {type: int, default: 4}\ne: list[int]",
                "echo {a} {b} {c} {d} {e}",
            )
            .run(["-P", "b=text", "-P", "e=[1, 2]", "-P", "z=1", "-P", "y=2", "-P", "d=four"])
            .on_every_store()
            .logs("e", "[1, 2]"),
        case("a required parameter is missing").parameters("a: float", "echo {a}").run([]),
        case("several required parameters are missing")
            .parameters("a: float\nb: string\nc: {type: path}\nd: {default: 1}", "echo {a} {b} {c} {d}")
            .run(["-P", "b=1"])
            .on_every_store(),
        case("defaults that are null are none")
            .parameters("a: {default: null}\nb: {default: ~}\nc: {default: }\nd: {default: ''}", "echo {a}")
            .run([]),
        case("an empty default is a default").parameters("a: {default: ''}", "echo [{a}]").logs("a", ""),
        case("floats as Python takes them")
            .parameters(
                "a: float\nb: float\nc: float\nd: float\ne: float\nf: float\ng: float",
                "echo {a} {b} {c} {d} {e} {f} {g}",
            )
            .run([
                "-P", "a=1e-3", "-P", "b=nan", "-P", "c=-Infinity", "-P", "d=1_000.5", "-P", "e= 7 ", "-P", "f=.5", "-P",
                "g=٣",
            ])
            .logs("e", " 7 ")
            .logs("g", "٣"),
        case("a float that is none")
            .parameters("a: float", "echo {a}")
            .run(["-P", "a=abc"])
            .refused_for(Deviation::FloatsAreChecked)
            .differs(Deviation::FloatsAreChecked, "stdout", ""),
        case("a float that is none on every store")
            .parameters("a: {type: float, default: 1}", "echo {a}")
            .run(["-P", "a=0x10"])
            .on_every_store()
            .refused_for(Deviation::FloatsAreChecked)
            .differs(Deviation::FloatsAreChecked, "stdout", ""),
        case("an empty float")
            .parameters("a: float", "echo [{a}]")
            .run(["-P", "a="])
            .refused_for(Deviation::FloatsAreChecked)
            .differs(Deviation::FloatsAreChecked, "stdout", ""),
        case("a path relative to the caller").work_file("data.csv", "1").parameters("a: path", "echo {a}; cat {a}").run(
            ["-P", "a=data.csv"],
        ),
        case("a path is not sought in the project").file("data.csv", "1").parameters("a: path", "cat {a}").run([
            "-P",
            "a=data.csv",
        ])
        .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("a path that is a directory with a space").work_file("a b/c.csv", "1").parameters(
            "a: {type: path, default: ./a b/../a b}",
            "ls {a}",
        )
        .logs("a", "./a b/../a b"),
        case("a path that is absolute").work_file("data.csv", "1").parameters("a: path", "echo {a}").run([
            "-P",
            "a=<sandbox>/work/data.csv",
        ]),
        case("a path that is a file URI").work_file("data.csv", "1").parameters("a: path", "echo {a}").run([
            "-P",
            "a=file://<sandbox>/work/data.csv",
        ]),
        case("a path that does not exist")
            .parameters("a: path", "echo {a}")
            .run(["-P", "a=missing.csv"])
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("a path that is empty")
            .parameters("a: path", "test -d {a}")
            .run(["-P", "a="])
            .refused_for(Deviation::EmptyPathsAreRefused),
        case("a URI of a remote store").parameters("a: uri", "echo {a}").run(["-P", "a=s3://bucket/key?x=1#y"]).logs(
            "a",
            "s3://bucket/key?x=1#y",
        ),
        case("a URI that is a relative path")
            .parameters("a: uri", "echo {a}")
            .run(["-P", "a=data/x.csv"])
            .like(
                Deviation::LocalUrisBecomeAbsolute,
                case("").parameters("a: string", "echo {a}").run(["-P", "a=<sandbox>/work/data/x.csv"]),
            )
            .differs(Deviation::LocalUrisBecomeAbsolute, "run1.param.a", "data/x.csv"),
        case("a URI that is a file URI").parameters("a: uri", "echo {a}").run(["-P", "a=file:///data/x.csv"]),
        case("no parameters").command("echo no parameters"),
        case("parameters that are null")
            .mlproject("entry_points:\n  main:\n    parameters:\n    command: echo a\n")
            .like(
                Deviation::NullParametersAreNone,
                case("").mlproject("entry_points:\n  main:\n    parameters: {}\n    command: echo a\n"),
            ),
        case("parameters that are an empty mapping")
            .mlproject("entry_points:\n  main:\n    parameters: {}\n    command: echo a\n")
            .run(["-P", "b=1"]),
        case("a parameter that is null").parameters("a:", "echo {a}").run(["-P", "a=1"]),
        case("a parameter that is an empty mapping").parameters("a: {}", "echo {a}").run(["-P", "a=1"]),
        case("a parameter that is a number").parameters("a: 1", "echo {a}").run(["-P", "a=1"]),
        case("a parameter's type that is a list").parameters("a: {type: [float], default: 1}", "echo {a}"),
    ]
}

fn names() -> Vec<Case> {
    vec![
        case("names with hyphens, capitals and underscores").parameters(
            "dataset-path: {default: x}\nnEpochs: {default: 1}\n_a: {default: 2}",
            "echo {dataset-path} {nEpochs} {_a}",
        ),
        case("names beyond ASCII")
            .parameters("größe: {default: 1}\n名前: {default: ü}", "echo {größe} {名前}")
            .logs("名前", "ü"),
        case("names that YAML resolves").parameters(
            "yes: {default: 1}\n2: {default: 2}\n1.50: {default: 3}\n~: {default: 4}",
            "echo {True} {None}",
        ),
        case("names that YAML resolves are given as Python prints them")
            .parameters("on: string\n010: string", "echo {True} {8}")
            .run(["-P", "True=1", "-P", "8=2"]),
        case("names that collide")
            .parameters("1: {default: a}\nyes: {default: b}", "echo {True}{1}")
            .creates_no_run(Deviation::CollidingNamesAreRefused),
        case("a name that is declared twice").parameters(
            "a: {default: 1}\nb: {default: 2}\na: {default: 3}",
            "echo {a} {b}",
        ),
        case("an undeclared name with dots, slashes and dashes")
            .command("echo")
            .run(["-P", "a.b/c-d=1", "-P", "_=2"]),
        case("an undeclared name with a space")
            .command("echo")
            .run(["-P", "a b=1"])
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("an undeclared name that ends with a space")
            .command("echo")
            .run(["-P", "a =1"])
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun)
            .differs(Deviation::WrongOptionsAreUsageErrors, "exit", "2"),
        case("an undeclared name that no store takes")
            .command("echo")
            .run(["-P", "a;b=1"])
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("an undeclared name that is empty")
            .command("echo")
            .run(["-P", "=1"])
            .differs(Deviation::WrongOptionsAreUsageErrors, "exit", "2")
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("a declared name that no store takes")
            .parameters("'a;b': {default: 1}", "echo")
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("a parameter's description and unknown keys").parameters(
            "a: {type: string, default: x, description: 'what: it is', defulat: y}",
            "echo {a}",
        ),
        case("declared but not used").parameters("a: {default: 1}\nb: {default: 2}", "echo {b}"),
        case("used twice")
            .parameters("a: {default: x y}", "echo {a} {a}")
            .logs("a", "x y"),
    ]
}

fn values() -> Vec<Case> {
    let quoting = [
        ("a", "it's"),
        ("b", "say \"hi\""),
        ("c", "$HOME `id` $(id)"),
        ("d", "a;b|c&d>e"),
        ("e", "*"),
        ("f", "~"),
        ("g", "#x"),
        ("h", "back\\slash"),
        ("i", "two\nlines"),
        ("j", "tab\there"),
        ("k", "ü"),
        ("l", "a=b=c"),
        ("m", "{a}"),
        ("n", "--flag"),
        ("o", "%@+=:,./-_"),
        ("p", "!x"),
    ];
    let mut declared = case("values that the shell would change").parameters(
        &quoting.map(|(name, _)| format!("{name}: string")).join("\n"),
        &format!(
            "printf '<%s>\\n' {}",
            quoting.map(|(name, _)| format!("{{{name}}}")).join(" ")
        ),
    );
    let mut extra = case("undeclared values that the shell would change").command("printf '<%s>\\n'");
    for (name, value) in quoting {
        // What needs no quotes is logged alike.
        if !matches!(name, "l" | "n" | "o") {
            declared = declared.logs(name, value);
            extra = extra.logs(name, value);
        }
    }
    let arguments: Vec<String> = quoting
        .iter()
        .flat_map(|(name, value)| ["-P".to_owned(), format!("{name}={value}")])
        .collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let long = "x".repeat(7000);
    vec![
        declared.run_all(&arguments),
        extra.run_all(&arguments),
        case("a value that is empty")
            .parameters("a: string", "echo [{a}]")
            .run(["-P", "a="])
            .logs("a", ""),
        case("an undeclared value that is empty")
            .command("printf '<%s>'")
            .run(["-P", "a="])
            .logs("a", ""),
        case("a value longer than a store takes")
            .parameters("a: string", "a={a}; echo ${{#a}}")
            .run(["-P", &format!("a={long}")])
            .on_every_store(),
        case("a long value that has to be quoted")
            .parameters("a: string", "a={a}; echo ${{#a}}")
            .run(["-P", &format!("a={} b", "ü".repeat(5990))])
            .logs("a", &format!("{} b", "ü".repeat(5990))),
        case("a default is overridden by the same value")
            .parameters("a: {default: 1.0}", "echo {a}")
            .run(["-P", "a=1.0"]),
        case("values with commas and equals signs")
            .parameters("a: string", "echo {a}")
            .run(["-P", "a=x=1,2 -m"])
            .logs("a", "x=1,2 -m"),
        case("the order of undeclared parameters").command("echo").run([
            "-P", "z=1", "-P", "b=2", "-P", "a=3", "-P", "Z=4", "-P", "10=5", "-P", "9=6",
        ]),
    ]
}
