//! Traps that real MLproject files set, rebuilt small. The names of the cases say who set them.

use crate::whole_program::differential::{Case, Deviation, case};

/// A Python program that prints its arguments.
const PRINT: &str = "import sys\nprint(sys.argv)\n";

pub(in crate::whole_program::differential) fn cases() -> Vec<Case> {
    let mut cases = searches();
    cases.extend(pipelines());
    cases.extend(shells());
    cases
}

/// MLflow's own examples and files like them.
fn searches() -> Vec<Case> {
    let hyperparam = concat!(
        r"name: Search

conda_env: conda.yaml

entry_points:
  # train
  train:
    parameters:
",
        "      data: {type: string, default: \"../wine/wine-quality.csv\"}\n      epochs: {type: int, default: 32}\n",
        "      rate: {type: float, default: 1e-1}\n      momentum: {type: float, default: .0}\n",
        "      tiny: {type: float, default: 0.000001}\n      one: {type: float, default: 1.}\n",
        "      experiment: {type: string, default: \"\"}\n",
        "    command: \"python train.py {data}\n                              --epochs {epochs}\n",
        "                              --rate {rate} {momentum} {tiny} {one}\n",
        r#"                              --experiment {experiment}"

  other:
    command: "python other.py"


"#,
    );
    let with_files = |case: Case| {
        case.mlproject(hyperparam)
            .file("conda.yaml", "name: x\n")
            .file("train.py", PRINT)
    };
    vec![
        with_files(case("hyperparam: a quoted command on several lines"))
            .run(["-e", "train", "-P", "epochs=1"])
            .logs("experiment", "")
            .on_every_store(),
        with_files(case("hyperparam: there is no main")),
        with_files(case("hyperparam: a declared float is given as an integer"))
            .run(["-e", "train", "-P", "rate=1"])
            .logs("experiment", ""),
        case("kph: a key called type:int")
            .mlproject(
                r#"name: kph
entry_points:
  main:
    parameters:
      max_p: {type:int, default: 1}
      n: {type:int, default: 10}
    command: "python train.py {max_p} {n}"
"#,
            )
            .file("train.py", PRINT)
            .run(["-P", "n=x"]),
        case("mlflow-slurm: a command that is given twice").mlproject(
            r#"name: tutorial
entry_points:
  main:
    parameters:
        num_runs: {type: int, default: 2}
    command: "echo first {num_runs}"
    command: "echo second {num_runs}"
#    command: "echo third"
"#,
        ),
        case("maelstrom-a6: a default that is the text None")
            .mlproject(
                r#"entry_points:
  main:
    parameters:
      options: {type: str, default: None}
      rate: {type: str, default: 1e-5}
      empty: {type: str, default: ""}
    command: echo {options} {rate} [{empty}]
"#,
            )
            .run(["-P", "options=a=1,2 -m"])
            .logs("options", "a=1,2 -m")
            .logs("empty", ""),
        case("rental prices: descriptions and hyphens")
            .mlproject(
                r"name: basic_cleaning
conda_env: conda.yml

entry_points:
  main:
    parameters:

      input_artifact:
        description: Fully qualified name for the input
        type: string

      min-price:
        description: The lowest
        type: float
        default: 10

    command: >-
        python run.py  --input_artifact {input_artifact} --min-price {min-price}
",
            )
            .file("conda.yml", "name: x\n")
            .file("run.py", PRINT)
            .run(["-P", "input_artifact=sample.csv:latest"]),
    ]
}

fn pipelines() -> Vec<Case> {
    vec![
        case("ml-system: a block that ends with the file")
            .mlproject(r#"name: housing

entry_points:
  main:
    parameters:
      data: {type: string, default: housing}
      id: {type: string, default: ""}

    command: |
      python main.py \
        --data {data} \
        --id {id}"#)
            .file("main.py", PRINT)
            .run(["-P", "more=1"])
            .logs("id", ""),
        case("sdg-mlops: folded descriptions and an echo in the shell")
            .mlproject("name: SDG\nentry_points:\n  main:\n    parameters:\n      steps:\n        description: >\n          Which steps. By default: all of them, but\n          others are possible.\n        type: str\n        default: \"train,evaluate\"\n\n      configs:\n        description: >\n          Overrides. \n        type: str\n        default: \"\"\n\n    command: echo main.py main.steps=[{steps}] $(echo {configs})\n")
            .run(["-P", "configs=a.b=1 c=2"])
            .logs("configs", "a.b=1 c=2"),
        case("sdg-mlops: a plain command on lines that end in backslashes").mlproject(
            r"entry_points:
  main:
    parameters:
      a: {default: 1}
    command: echo main.py \
      --a {a} \
      --b
",
        ),
        case("metno: a folded command with deeper lines").mlproject(&deeper(">")).like(
            Deviation::BlockCommandsTakeExtras,
            case("").mlproject(&deeper(">-")),
        ),
        case("orthrus: a placeholder with another name")
            .mlproject(r"entry_points:
  main:
    parameters:
      dataset-path: {type: path, default: .}
    command: echo {data_path}
")
            .creates_no_run(Deviation::ErrorsComeBeforeTheRun),
        case("AIP: an entry point without a command")
            .mlproject("name: AIP\nentry_points:\n  main:\n    parameters: {}\n  train:\n    parameters:\n")
            .run(["-e", "main"]),
        case("BLS: values with commas and quotes")
            .mlproject(r#"entry_points:
  main:
    parameters:
      codes: {type: string, default: "1, 10, 100"}
      text: {type: string, default: 'he said "no"'}
    command: "echo {codes} {text}"
"#)
            .logs("codes", "1, 10, 100")
            .logs("text", "he said \"no\""),
        case("CHAP: keys of its own")
            .mlproject(r#"name: model
uv_env: pyproject.toml
adapters: {a: b}
entry_points:
  train:
    parameters:
      train_data: str
      model: str
    command: "echo train {train_data} {model}"
"#)
            .run(["-e", "train", "-P", "train_data=a.csv", "-P", "model=m"]),
    ]
}

fn deeper(style: &str) -> String {
    format!(
        r"entry_points:
  main:
    parameters:
      a: {{type: int, default: 3}}
    command: {style}
      echo start &&
      (echo one;
        echo two
        echo {{a}})
"
    )
}

fn shells() -> Vec<Case> {
    vec![
        case("Slurm: braces of the shell by doubling").mlproject(
            r#"entry_points:
  main:
    parameters:
      n: {type: int, default: 2}
    command: |-
      echo nodes ${{SLURM_NNODES:-1}} {n}; \
      echo "${{#SHELL}}" >/dev/null
"#,
        ),
        case("CAT-Net: a program of the project's own")
            .executable("run.sh", "#!/bin/sh\necho own \"$@\"\n")
            .mlproject("entry_points:\n  main:\n    parameters:\n      a: {default: x}\n    command: \"./run.sh {a}\"\n"),
        case("a pipeline that hides its failure").command("false | cat"),
        case("a variable before the command").command("X=1 bash -c 'echo $X' && cd / && pwd"),
        case("a program that changes to another directory and back").file("sub/a.sh", "pwd").command("cd sub && sh a.sh; cd - >/dev/null; pwd"),
    ]
}
