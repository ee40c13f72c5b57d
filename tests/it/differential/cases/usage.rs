//! Options: how they are written, and what is an error.

use crate::differential::{Case, Deviation, case};

pub(in crate::differential) fn cases() -> Vec<Case> {
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
