//! Experiments and runs: which, by what name, and what becomes of them.

use crate::whole_program::differential::case::Step;
use crate::whole_program::differential::{Case, Deviation, case};

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let mut cases = experiments();
    cases.extend(runs());
    cases.extend(ids());
    cases
}

fn experiments() -> Vec<Case> {
    vec![
        case("an experiment by its name, twice")
            .also_in_a_process()
            .command("echo")
            .run(["--experiment-name", "first <unique>"])
            .run(["--experiment-name", "first <unique>"])
            .on_every_store(),
        case("an experiment by its id")
            .command("echo")
            .run(["--experiment-name", "first <unique>"])
            .run(["--experiment-id", "<experiment first <unique>>"])
            .on_every_store(),
        case("the default experiment by its id")
            .command("echo")
            .run(["--experiment-id", "0"]),
        case("an experiment by a variable with its name")
            .command("echo")
            .env("MLFLOW_EXPERIMENT_NAME", "by <unique> variable")
            .on_every_store(),
        case("an experiment by a variable with its id")
            .command("echo")
            .run(["--experiment-name", "first"])
            .run_with([("MLFLOW_EXPERIMENT_ID", "<experiment first>")], []),
        case("an experiment's name beyond ASCII")
            .command("echo")
            .run(["--experiment-name", "größe/測試 'x' \"y\" #1"]),
        case("an empty experiment name")
            .command("echo")
            .run(["--experiment-name", ""]),
        case("an empty experiment id")
            .command("echo")
            .run(["--experiment-id", ""]),
        case("an empty variable with the experiment's name")
            .command("echo")
            .env("MLFLOW_EXPERIMENT_NAME", "")
            .like(Deviation::EmptyVariablesAreUnset, case("").command("echo")),
        case("an empty variable with the experiment's id")
            .command("echo")
            .env("MLFLOW_EXPERIMENT_ID", ""),
        case("an experiment id that does not exist")
            .command("echo")
            .run(["--experiment-id", "42"])
            .on_every_store(),
        case("an experiment id that is no number")
            .command("echo")
            .run(["--experiment-id", "abc"]),
        case("both an experiment's name and an id").command("echo").run([
            "--experiment-name",
            "a",
            "--experiment-id",
            "0",
        ]),
        case("an experiment's name and a variable with the id")
            .command("echo")
            .env("MLFLOW_EXPERIMENT_ID", "0")
            .run(["--experiment-name", "a"]),
        case("both variables")
            .command("echo")
            .env("MLFLOW_EXPERIMENT_ID", "0")
            .env("MLFLOW_EXPERIMENT_NAME", "a"),
        case("an experiment id and an empty variable with the name")
            .command("echo")
            .env("MLFLOW_EXPERIMENT_NAME", "")
            .run(["--experiment-id", "0"]),
        case("the flag overrides the variable")
            .command("echo")
            .env("MLFLOW_EXPERIMENT_NAME", "variable")
            .run(["--experiment-name", "flag"]),
        case("a deleted experiment by its name")
            .seeded()
            .command("echo")
            .step(Step::Client(
                "client.delete_experiment(client.create_experiment('gone'))",
            ))
            .run(["--experiment-name", "gone"]),
        case("a deleted experiment by its id")
            .seeded()
            .command("echo")
            .step(Step::Client(
                "client.delete_experiment(client.create_experiment('gone'))",
            ))
            .run(["--experiment-id", "<experiment gone>"]),
        case("an experiment with an artifact location of its own")
            .seeded()
            .command("echo")
            .step(Step::Client("client.create_experiment('own', 's3://bucket/a b')"))
            .run(["--experiment-name", "own"]),
        case("an experiment is made although the entry point fails")
            .command("exit 1")
            .run(["--experiment-name", "made"]),
        case("an experiment is made although a parameter is missing")
            .parameters("a: string", "echo {a}")
            .run(["--experiment-name", "made"])
            .lacks(Deviation::ErrorsComeBeforeTheRun, "experiment.made"),
    ]
}

fn runs() -> Vec<Case> {
    vec![
        case("a run's name").command("echo").run(["--run-name", "my 'run' ü #1"]).on_every_store(),
        case("an empty run name").command("echo").run(["--run-name", ""]),
        case("a run's name when the entry point fails").command("exit 1").run(["--run-name", "named"]),
        case("a run inside a run that exists")
            .command("echo")
            .run([])
            .run_with([("MLFLOW_RUN_ID", "<run 1>")], [])
            .on_every_store()
            .differs(Deviation::NestedRunsHaveAParent, "run2.tag.mlflow.parentRunId", "<run 1>"),
        case("a run inside a run that does not exist").command("echo").env("MLFLOW_RUN_ID", "0123456789abcdef0123456789abcdef"),
        case("the user's name by LOGNAME").command("echo").env("LOGNAME", "log ü").env("USER", "user"),
        case("the user's name by USER").command("echo").env("USER", "user"),
        case("the user's name when LOGNAME is empty").command("echo").env("LOGNAME", "").env("USERNAME", "windows"),
        case("the entry point ends its own run")
            .seeded()
            .command("python -c \"import sqlite3; c = sqlite3.connect('../mlflow.db'); c.execute('update runs set status = \\'KILLED\\', end_time = 1999999999999'); c.commit()\"")
            .differs(Deviation::VerdictsAreKept, "run1.status", "KILLED"),
        case("the entry point ends its own run well and then fails")
            .command("python -c \"import sqlite3; c = sqlite3.connect('../mlflow.db'); c.execute('update runs set status = \\'FINISHED\\', end_time = 1999999999999'); c.commit()\"; exit 1"),
        case("a project runs another one")
            .file("inner/MLproject", "entry_points:\n  main:\n    command: echo inner $MLFLOW_EXPERIMENT_ID\n")
            .command("\"$MLRUN_TEST_TOOL\" run inner --env-manager local 2>&1 | grep -c succeeded")
            .differs(Deviation::NestedRunsHaveAParent, "run2.tag.mlflow.parentRunId", "<run 1>"),
    ]
}

fn ids() -> Vec<Case> {
    let created = "run = client.create_run('0', run_name='made before', tags={'own': 'tag'})";
    vec![
        case("a run by its id")
            .seeded()
            .parameters("a: {default: 1}", "echo {a}")
            .step(Step::Client(created))
            .run(["--run-id", "<run 1>", "-P", "b=2"]),
        case("a run by its id and another name")
            .seeded()
            .command("echo")
            .step(Step::Client(created))
            .run(["--run-id", "<run 1>", "--run-name", "renamed"]),
        case("a run by its id that fails")
            .seeded()
            .command("exit 1")
            .step(Step::Client(created))
            .run(["--run-id", "<run 1>"]),
        case("a run by its id in another experiment")
            .seeded()
            .command("echo $MLFLOW_EXPERIMENT_ID")
            .step(Step::Client(
                "client.create_run(client.create_experiment('other'))",
            ))
            .run(["--run-id", "<run 1>"])
            .differs(
                Deviation::RunsKeepTheirExperiment,
                "child.environment.MLFLOW_EXPERIMENT_ID",
                "1",
            )
            .differs(Deviation::RunsKeepTheirExperiment, "stdout", "1\n"),
        case("a run by its id with an experiment's name")
            .seeded()
            .command("echo $MLFLOW_EXPERIMENT_ID")
            .step(Step::Client(created))
            .run(["--run-id", "<run 1>", "--experiment-name", "third"])
            .lacks(Deviation::RunsKeepTheirExperiment, "experiment.third")
            .differs(
                Deviation::RunsKeepTheirExperiment,
                "child.environment.MLFLOW_EXPERIMENT_ID",
                "0",
            )
            .differs(Deviation::RunsKeepTheirExperiment, "stdout", "0\n"),
        case("a run by its id that has ended")
            .seeded()
            .command("echo")
            .step(Step::Client(
                "client.set_terminated(client.create_run('0').info.run_id, 'FAILED', 1700000000000)",
            ))
            .run(["--run-id", "<run 1>"]),
        case("a run by an id that does not exist")
            .command("echo")
            .run(["--run-id", "0123456789abcdef0123456789abcdef"])
            .on_every_store(),
        case("a run by an id that is empty")
            .command("echo")
            .run(["--run-id", ""]),
        case("a run by its id on every store")
            .command("echo")
            .run([])
            .run(["--run-id", "<run 1>", "--run-name", "again"])
            .on_every_store(),
    ]
}
