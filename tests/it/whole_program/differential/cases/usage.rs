//! Options: how they are written, and what is an error.

use crate::whole_program::differential::{Case, Deviation, case};

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let mut cases = accepted();
    cases.extend(errors());
    cases
}

fn project(name: &'static str) -> Case {
    case(name).parameters("a: {default: 1}\nb: {default: 2}", "echo {a} {b}")
}

fn accepted() -> Vec<Case> {
    vec![
        project("options before the URI").call(["run", "-P", "a=3", "--env-manager", "local", "project"]),
        project("options joined to their values").call([
            "run",
            "project",
            "-Pa=3",
            "--env-manager=local",
            "--run-name=x",
            "--param-list=b=4",
        ]),
        project("options joined to their values before the URI").call([
            "run",
            "-emain",
            "-Pa=3",
            "-blocal",
            "-At",
            "--env-manager=local",
            "project",
        ]),
        project("options around the URI").call([
            "run",
            "-Pa=3",
            "--env-manager",
            "local",
            "project",
            "-Pb=4",
            "--run-name",
            "x",
        ]),
        project("values that look like options").call([
            "run",
            "--run-name",
            "--x",
            "-P",
            "a=-1",
            "-A",
            "-t",
            "--env-manager",
            "local",
            "project",
        ]),
        project("a value that is two dashes").call([
            "run",
            "--run-name",
            "--",
            "--env-manager",
            "local",
            "project",
        ]),
        project("an empty value").call(["run", "--run-name=", "--env-manager", "local", "project"]),
        project("a URI that begins with a dash")
            .work_file("-p/MLproject", "entry_points: {main: {command: echo dash}}\n")
            .call(["run", "--env-manager", "local", "--", "-p"]),
        project("options of the program before the command")
            .work_file("variables", "A=1\n")
            .call([
                "--env-file",
                "variables",
                "run",
                "-Pa=3",
                "--env-manager",
                "local",
                "project",
            ])
            .differs(Deviation::MessagesGoToStandardError, "stdout", "3 2\n"),
        project("an option given twice").run([
            "--run-name",
            "one",
            "--run-name",
            "two",
            "-e",
            "no",
            "-e",
            "main",
        ]),
        project("two dashes before the URI").call(["run", "--env-manager", "local", "--", "project"]),
        project("docker arguments without docker").run(["-A", "t", "-A", "gpus=all"]),
        project("a flag for docker without docker").run(["--build-image"]),
        project("a backend configuration that is not used").run(["-b", "local", "-c", "{\"x\": 1}"]),
        project("a backend configuration in a file")
            .work_file("c.json", "{}")
            .run(["-c", "c.json"]),
        project("the older spelling of the local environment")
            .call(["run", "project", "--no-conda"])
            .like(Deviation::NoCondaIsAccepted, project("").run([])),
    ]
}

fn errors() -> Vec<Case> {
    let own = |case: Case| case.own(Deviation::HelpIsItsOwn, "stdout");
    vec![
        project("no URI").call(["run"]),
        project("two URIs").call(["run", "project", "project"]),
        project("an unknown option").run(["--nope"]),
        project("an abbreviated option").run(["--run-n", "x"]),
        project("an unknown option before the URI").call(["run", "--experiment_name", "x", "project"]),
        project("an unknown option joined to its value").call(["run", "--paramlist=a=1", "project"]),
        project("an unknown short option").call(["run", "-x", "project"]),
        project("an unknown option among joined ones").call(["run", "-zPa=1", "project"]),
        project("a long option with one dash").call(["run", "-experiment-name", "x", "project"]),
        project("an abbreviated option before the URI").call(["run", "--param", "a=1", "project"]),
        project("a flag with a value").call(["run", "--build-image=true", "project"]),
        project("an option of the program after the command").call(["run", "--env-file", "x", "project"]),
        project("an option of the command before it").call(["-Pa=1", "run", "project"]),
        project("an option after two dashes").call(["run", "project", "--", "-Pa=1"]),
        project("a URI that begins with a dash without two dashes").call(["run", "-p"]),
        project("an option without its value").run(["-P"]),
        project("a parameter without a value").run(["-P", "a"]),
        project("a parameter given twice").run(["-P", "a=1", "-P", "a=1"]),
        project("a docker argument given twice").run(["-A", "t", "-A", "t"]),
        project("a docker argument given with and without a value").run(["-A", "gpus", "-A", "gpus=all"]),
        project("a backend configuration that is no JSON").run(["-c", "{x"]),
        project("a backend configuration file that is no JSON")
            .work_file("c.json", "{x")
            .run(["-c", "c.json"]),
        project("a backend configuration file that does not exist").run(["-c", "missing.json"]),
        project("kubernetes without a configuration").run(["-b", "kubernetes"]),
        project("an unknown backend")
            .also_in_a_process()
            .run(["-b", "nope"])
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        project("an unknown environment manager")
            .call(["run", "project", "--env-manager", "nope"])
            .differs(Deviation::WrongOptionsAreUsageErrors, "exit", "2"),
        project("an empty environment manager")
            .call(["run", "project", "--env-manager", ""])
            .differs(Deviation::WrongOptionsAreUsageErrors, "exit", "2"),
        project("an unknown command").call(["rum", "project"]),
        own(project("help").call(["--help"])),
        own(project("help of run").call(["run", "--help"])),
        own(project("the version").call(["--version"])),
        project("a usage error comes before a wrong project").call(["run", "missing", "-P", "a"]),
    ]
}
