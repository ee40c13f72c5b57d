//! The same Docker projects by the real `mlflow run --build-image` and by `mlrun run`: the call of
//! `docker run`, what the container sees and writes, and the run's record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::harness::docker::{Docker, unique_name};
use crate::harness::{Reference, Request, Sandbox, StoreContents};

/// A script in docker's place that writes down its calls, and calls docker.
const WRAPPER: &str = "#!/bin/bash\n\
    if [ \"$1\" = run ]; then\n\
      printf '%s\\0' \"$@\" >\"$MLRUN_TEST_CALLS\"\n\
    fi\n\
    exec DOCKER \"$@\"\n";

/// A case: the lines below `docker_env:` besides `image`, the command, and how it is called.
struct Case {
    name: &'static str,
    docker_env: &'static str,
    command: &'static str,
    arguments: &'static [&'static str],
}

const fn case(
    name: &'static str,
    docker_env: &'static str,
    command: &'static str,
    arguments: &'static [&'static str],
) -> Case {
    Case {
        name,
        docker_env,
        command,
        arguments,
    }
}

/// In commands only what both read alike: the reference has its command line read by the host's shell.
const CASES: [Case; 20] = [
    case("plain", "", "pwd", &[]),
    case("the files", "", "find . -type f", &[]),
    case("a failure", "", "cat missing", &[]),
    case("no such program", "", "no-such-program", &[]),
    case("all variables", "", "env", &[]),
    case(
        "parameters",
        "",
        "echo {text} {number}",
        &["-P", "text=two words; $HOME", "-P", "number=1e3", "-P", "extra=x"],
    ),
    case(
        "a quoted script",
        "",
        "sh -c 'echo $MLFLOW_EXPERIMENT_ID; exit 3'",
        &[],
    ),
    case(
        "new variables",
        "environment: [[\"A\", \"1\"], [\"B\", \"x\"], [\"A\", \"2\"]]",
        "env",
        &[],
    ),
    case(
        "copied variables",
        "environment: [\"COPIED\", [\"NEW\", \"1\"]]",
        "env",
        &[],
    ),
    case(
        "an overridden variable",
        "environment: [[\"MLFLOW_RUN_ID\", \"mine\"]]",
        "env",
        &[],
    ),
    case(
        "volumes of pwd",
        "volumes: [\"$(pwd)/sub:/one\", \"${PWD}/sub:/two:ro\", \"`pwd`:/three\"]",
        "cat /one/data /two/data /three/sub/data",
        &[],
    ),
    case(
        "volumes of variables",
        "volumes: [\"$HOME:/home\", \"~:/tilde\"]",
        "ls -d /home /tilde",
        &[],
    ),
    case(
        "a quoted volume",
        "volumes: [\"\\\"$(pwd)\\\":/one\"]",
        "cat /one/sub/data",
        &[],
    ),
    case("a flag", "", "id", &["-A", "read-only"]),
    case("short flags", "", "id", &["-A", "i"]),
    case(
        "options",
        "",
        "id",
        &["-A", "user=12:34", "-A", "w=/tmp", "-A", "hostname=own"],
    ),
    case(
        "options in their order",
        "",
        "env",
        &["-A", "e=FIRST=1", "-A", "env=SECOND=2", "-A", "label=a=b"],
    ),
    case("a volume argument", "", "cat /x/data", &["-A", "v=$(pwd)/sub:/x"]),
    case(
        "more options in a value",
        "",
        "hostname",
        &["-A", "m=64m --hostname=own"],
    ),
    case("an entry point's exit code", "", "sh -c 'exit 42'", &[]),
];

/// What a program did with a case: names and values that are compared.
type Fields = BTreeMap<String, String>;

#[test]
fn projects_run_as_by_the_reference() {
    let (Some(docker), Some(reference)) = (Docker::find(), Reference::shared()) else {
        return;
    };
    let Some(image) = docker.busybox() else { return };
    // Both wait for Docker most of the time.
    let failures: String = std::thread::scope(|scope| {
        let parts = CASES.chunks(CASES.len().div_ceil(4));
        let threads: Vec<_> = parts
            .map(|cases| scope.spawn(|| compare(cases, docker, &image, reference)))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(failures.is_empty(), "\n{failures}");
}

/// What differs in all cases, as text for a person.
fn compare(cases: &[Case], docker: &Docker, image: &str, reference: &Reference) -> String {
    let differences = |case| differences(case, docker, image, reference);
    cases
        .iter()
        // Docker sometimes refuses the reference's build while others build and remove images: what
        // counts is a difference that stays.
        .filter_map(|case| differences(case).and_then(|first| Some((first, differences(case)?))))
        .map(|(first, second)| format!("{first}and again:\n{second}"))
        .collect()
}

/// What differs in a case, with what both programs said.
fn differences(case: &Case, docker: &Docker, image: &str, reference: &Reference) -> Option<String> {
    let (expected, reference_said) = run(case, docker, image, Some(reference));
    let (actual, mlrun_said) = run(case, docker, image, None);
    let names: BTreeSet<_> = expected.keys().chain(actual.keys()).collect();
    let mut text = String::new();
    for name in names {
        let (expected, actual) = (expected.get(name), actual.get(name));
        if expected != actual {
            text += &format!(
                "{}: {name}\n  reference: {expected:?}\n  mlrun:     {actual:?}\n",
                case.name
            );
        }
    }
    (!text.is_empty())
        .then(|| format!("{text}The reference said:\n{reference_said}\nmlrun said:\n{mlrun_said}\n"))
}

/// What a program did with the case, and what it wrote to standard error.
fn run(case: &Case, docker: &Docker, image: &str, reference: Option<&Reference>) -> (Fields, String) {
    let sandbox = Sandbox::new();
    let name = unique_name();
    let docker_env: String = case
        .docker_env
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    let command = serde_json::to_string(case.command).unwrap();
    sandbox.write(
        "project/MLproject",
        format!(
            r"name: {name}
docker_env:
  image: {image}
{docker_env}entry_points:
  main:
    parameters:
      text: {{default: x}}
      number: {{default: y}}
    command: {command}
"
        ),
    );
    sandbox.write("project/sub/data", "data\n");
    let root = sandbox.root();
    let wrapper = WRAPPER.replace("DOCKER", docker.program.to_str().unwrap());
    sandbox.write_executable(root.join("bin/docker"), &wrapper);
    let calls = root.join("calls");
    let mut environment = sandbox.environment();
    environment.push(("MLRUN_TEST_CALLS".to_owned(), calls.to_str().unwrap().to_owned()));
    environment.push(("COPIED".to_owned(), "copied".to_owned()));
    let streams = ["stdin", "stdout", "stderr"].map(|name| root.join(name));
    std::fs::write(&streams[0], "").unwrap();
    let mut arguments: Vec<String> = ["run", "project"].map(str::to_owned).into();
    arguments.extend(case.arguments.iter().map(|argument| (*argument).to_owned()));
    let code = match reference {
        Some(reference) => {
            arguments.push("--build-image".to_owned());
            let request = Request {
                directory: &sandbox.work(),
                environment: &environment,
                streams: [&streams[0], &streams[1], &streams[2]],
            };
            reference.run(&request, &arguments)
        }
        None => {
            let open = |path: &Path| std::fs::File::create(path).unwrap();
            let mut command = sandbox.mlrun();
            command.args(&arguments).env_clear().envs(environment);
            command.stdout(open(&streams[1])).stderr(open(&streams[2]));
            command.status().unwrap().code().unwrap()
        }
    };
    let contents = StoreContents::of_sqlite(&sandbox.work().join("mlflow.db"));
    let stdout = std::fs::read_to_string(&streams[1]).unwrap();
    let mut fields = Fields::new();
    fields.insert("exit".to_owned(), code.to_string());
    fields.insert("stdout".to_owned(), without_order(case.command, &stdout));
    let call = std::fs::read_to_string(&calls).unwrap_or_default();
    fields.extend(call_fields(&call, docker, &name));
    let run = contents.run();
    fields.insert("run.status".to_owned(), run.status.clone());
    for name in [
        "mlflow.project.env",
        "mlflow.docker.image.uri",
        "mlflow.project.backend",
    ] {
        fields.insert(
            format!("tag.{name}"),
            run.tags.get(name).cloned().unwrap_or_default(),
        );
    }
    let id = run
        .tags
        .get("mlflow.docker.image.id")
        .cloned()
        .unwrap_or_default();
    let is_built = Some(&id) == docker.image_id(&name).as_ref();
    fields.insert(
        "tag.mlflow.docker.image.id".to_owned(),
        format!("of the image: {is_built}"),
    );
    docker.remove_image(&name);
    let run_id = run.run_id.clone();
    let fields = fields
        .into_iter()
        .map(|(key, value)| (key, anonymous(&value, root, &run_id, &name)))
        .collect();
    (fields, std::fs::read_to_string(&streams[2]).unwrap())
}

/// The call of `docker run`: what only mlrun gives left out, and each program's way of naming the same
/// image, the same variables and the same store made alike.
fn call_fields(call: &str, docker: &Docker, image: &str) -> Fields {
    let id = docker.image_id(image).unwrap_or_default();
    let mut variables = Vec::new();
    let mut others = Vec::new();
    let mut words = call.split_terminator('\0');
    while let Some(word) = words.next() {
        match word {
            // A name of its own and the file with the id are mlrun's way to find the container again.
            "--name" | "--cidfile" => {
                words.next();
            }
            // Their values are compared where they arrive: in the container. `-A env=…` is one too.
            "-e" | "--env" => {
                variables.extend(
                    words
                        .next()
                        .map(|variable| variable.split('=').next().unwrap_or_default()),
                );
            }
            // The store's directory with its journal, where the reference mounts the file alone.
            _ if word.ends_with("/mlflow.db:/mlflow/tmp/mlruns") => {
                others.push(word.replace("/mlflow.db:", ":").replace("//", "/"));
            }
            _ if word == id || word == format!("{image}:latest") => others.push("<image>".to_owned()),
            _ => others.push(word.to_owned()),
        }
    }
    variables.sort_unstable();
    variables.dedup();
    Fields::from([
        ("call.variables".to_owned(), variables.join(" ")),
        ("call.arguments".to_owned(), others.join("\n")),
    ])
}

/// The output of `env` in a fixed order, without what is each container's own.
fn without_order(command: &str, stdout: &str) -> String {
    if command != "env" {
        // The reference's Dockerfile is one of the project's files then.
        return stdout.replace("./Dockerfile.mlflow-autogenerated\n", "");
    }
    let mut lines: Vec<String> = stdout
        .lines()
        .filter(|line| !line.starts_with("HOSTNAME="))
        // The file in the mounted directory, where the reference mounts the file as that directory.
        .map(|line| {
            line.replace(
                "sqlite:////mlflow/tmp/mlruns/mlflow.db",
                "sqlite:////mlflow/tmp/mlruns",
            )
        })
        .collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn anonymous(text: &str, root: &Path, run_id: &str, image: &str) -> String {
    text.replace(root.to_str().unwrap(), "<sandbox>")
        .replace(run_id, "<run>")
        .replace(image, "<name>")
}
