//! `mlrun init`: what it writes for scripts of every kind, and that this runs.

use std::path::Path;

use crate::harness::docker::{Docker, TestImage, unique_name};
use crate::harness::{
    Project, Requirement, assert_contains, assert_contains_all, assert_golden, assert_lacks, mlflow3,
    require, require_program,
};

/// A script with everything that argparse has.
const TRAIN: &str = r##"#!/usr/bin/env python
"""Trains a model."""
import argparse
import os
from pathlib import Path

import numpy as np
import mlflow.sklearn
from sklearn.linear_model import ElasticNet
from google.cloud import storage

import helpers
import models.linear

try:
    import torch
except ImportError:
    torch = None

ALPHA = 0.5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data", help="the CSV file")
    parser.add_argument("--alpha", "-a", type=float, default=ALPHA, help="weight of the penalty (%(default)s), 100%% tested.")
    parser.add_argument("--epochs", type=int, default=1_0)
    parser.add_argument("--optimizer", choices=["sgd", "adam"], default="adam")
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--model.depth", default=-3, type=int)
    parser.add_argument("-s", default="yes")
    parser.add_argument("--tiny", type=float, default=0.00001)
    parser.add_argument("--note", default="", help="""a note:
          of "several" lines""")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--progress", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--out", default=os.environ.get("OUT", "x"), type=Path)
    parser.add_argument("--size", type=lambda text: int(text) * 2, default=3)
    parser.add_argument("--layers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--resume")
    parser.add_argument("--version", action="version", version="1")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--cpu", default="1")
    group.add_argument("--gpu", default="2")
    for name in ("x", "y"):
        parser.add_argument("--" + name)
    args = parser.parse_args()


if __name__ == "__main__":
    main()
"##;

fn read(project: &Project, file: &str) -> String {
    std::fs::read_to_string(project.sandbox().work().join("project").join(file)).unwrap()
}

/// What init says and writes.
fn written(project: &Project, arguments: &[&str]) -> String {
    let mut text = project
        .mlrun(&[&["init", "project"], arguments].concat())
        .with_code(0)
        .transcript();
    for file in ["MLproject", "python_env.yaml", "conda.yaml", "Dockerfile"] {
        if project.sandbox().work().join("project").join(file).exists() {
            text.push_str(&format!("--- project/{file}\n{}", read(project, file)));
        }
    }
    expect_no_finding(project);
    text
}

/// What init writes is never remarked on.
#[track_caller]
fn expect_no_finding(project: &Project) {
    let finished = project.mlrun(&["lint", "project", "--json"]).with_code(0);
    let found: serde_json::Value = serde_json::from_str(finished.stdout()).unwrap();
    assert_eq!(
        found["findings"],
        serde_json::json!([]),
        "{}",
        read(project, "MLproject")
    );
}

/// A project whose commands find this Python.
fn with_python(project: &Project, python: &Path) {
    let call = format!("#!/bin/sh\nexec {} \"$@\"\n", python.display());
    for name in ["python", "python3"] {
        project
            .sandbox()
            .write_executable(format!("../bin/{name}"), &call);
    }
}

#[test]
fn options_of_argparse_become_parameters() {
    let project = Project::new()
        .file("train.py", TRAIN)
        .file("evaluate.py", "import sys\nprint(sys.argv[1])\n")
        .file("helpers.py", "import yaml\n\ndef help():\n    pass\n")
        .file("models/linear.py", "from . import common\n")
        .file("models/common.py", "import pandas\n")
        .file("test_train.py", "import pytest\npytest.main()\n")
        .file("setup.py", "import setuptools\nsetuptools.setup()\n")
        .file(".python-version", "3.12\n");
    assert_golden("init_argparse", &written(&project, &[]));
}

#[test]
fn options_of_click_typer_and_fire_become_parameters() {
    let project = Project::new()
        .file(
            "evaluate.py",
            r#"import click

@click.command()
@click.option("--threshold", "-t", default=0.9, help="Lower bound", show_default=True)
@click.option("--count", default=5)
@click.option("--shout/--no-shout", default=False)
@click.option("--debug", is_flag=True)
@click.option("--kind", type=click.Choice(["a", "b"]), required=True)
@click.option("--size", type=SIZE, default=1)
@click.option("--tag", multiple=True)
@click.argument("model")
def evaluate(threshold, count, shout, debug, kind, size, tag, model):
    pass

evaluate()
"#,
        )
        .file(
            "predict.py",
            r#"from typing import Annotated, Optional
import typer

app = typer.Typer()

@app.command()
def predict(
    context: typer.Context,
    name: str,
    count: int = 3,
    rate: Annotated[float, typer.Option(help="the rate")] = 0.1,
    fast: bool = False,
    limit: Optional[float] = None,
    why: str = typer.Option("a", "--reason", help="why"),
    out: Annotated[str, typer.Argument()] = "out.csv",
):
    pass

if __name__ == "__main__":
    app()
"#,
        )
        .file(
            "report.py",
            "import fire\n\ndef report(title, rows=10, scale: float = 1, **rest):\n    pass\n\nfire.Fire(report)\n",
        );
    assert_golden("init_click", &written(&project, &["--name", "Three kinds"]));
}

/// Options may be declared in another file, or by something that is not read.
#[test]
fn options_are_looked_for_where_they_are() {
    let project = Project::new()
        .file("main.py", "import sys\nfrom lib.options import parse\nprint(sys.argv, parse())\n")
        .file("-hf.py", "from transformers import HfArgumentParser\nprint(HfArgumentParser(int).parse_args())\n")
        .file("sub.py", "import argparse\np = argparse.ArgumentParser()\ns = p.add_subparsers()\nq = s.add_parser('fit')\nq.add_argument('--rate', default=1)\np.parse_args()\n")
        .file("group.py", "import click\n@click.group()\ndef all(): pass\n@all.command()\n@click.option('--x', default=1)\ndef one(x): pass\nall()\n")
        .file("configured.py", "import hydra\n@hydra.main()\ndef main(c): pass\nmain()\n")
        .file("lib/options.py", "import argparse\ndef parse():\n    p = argparse.ArgumentParser()\n    p.add_argument('--rate', type=float, default=0.5)\n    return p.parse_args()\n");
    let written = written(&project, &[]);
    assert_contains_all(
        &written,
        &[
            "command: python main.py --rate {rate}\n",
            "command: python ./-hf.py\n",
            "command: python sub.py\n",
            "-hf.py:2         the options are read by HfArgumentParser",
            "sub.py:3         the script has subcommands (add_subparsers)",
            "group.py:2       the script has subcommands (a click group)",
            "configured.py:1  the options are read by hydra",
            "  - hydra-core\n",
        ],
    );
    assert_lacks(&written, "sys.argv");
}

/// The parameters reach the script as it declares them, by the real argparse.
#[test]
fn what_is_written_runs() {
    let Some(python) = require_program("python3") else {
        return;
    };
    let head = "import argparse\nparser = argparse.ArgumentParser()\nadd = parser.add_argument\n";
    let tail = "\nprint(sorted(vars(parser.parse_args()).items()))\n";
    for (declarations, arguments, expected) in [
        ("", &[][..], "[]"),
        (
            "parser.add_argument('--alpha', type=float, default=0.5)",
            &[],
            "[('alpha', 0.5)]",
        ),
        (
            "add('--alpha', type=float, default=1e-5)",
            &["-P", "alpha=3"],
            "[('alpha', 3.0)]",
        ),
        ("add('--n', type=int, default=0x10)", &[], "[('n', 16)]"),
        (
            "add('--learning-rate', '-l', type=float, required=True)",
            &["-P", "learning_rate=1"],
            "[('learning_rate', 1.0)]",
        ),
        ("add('-x', default='a b')", &[], "[('x', 'a b')]"),
        (
            "add('--text', default='yes')\nadd('--off', default='it\\'s {x} #1: \"2\"')",
            &[],
            "[('off', 'it\\'s {x} #1: \"2\"'), ('text', 'yes')]",
        ),
        (
            "add('data')\nadd('out', nargs='?', default='o.csv')",
            &["-P", "data=d.csv"],
            "[('data', 'd.csv'), ('out', 'o.csv')]",
        ),
        ("add('--empty', default='')", &[], "[('empty', '')]"),
        (
            "add('--verbose', action='store_true')\nadd('--resume')",
            &["-P", "resume=x"],
            "[('resume', 'x'), ('verbose', False)]",
        ),
        (
            "add('--many', nargs='+', default=[1])\nadd('--odd', type=lambda text: text * 2, default='a')",
            &[],
            "[('many', [1]), ('odd', 'aa')]",
        ),
        ("import os\nadd('--home', default=os.sep)", &[], "[('home', '/')]"),
        (
            "g = parser.add_mutually_exclusive_group()\ng.add_argument('--a', default=1)\ng.add_argument('--b', default=2)",
            &[],
            "[('a', 1), ('b', 2)]",
        ),
        (
            "add('--zone', choices=['a', 'b'], default='b')\nparser.set_defaults(zone='a')",
            &[],
            "[('zone', 'a')]",
        ),
        (
            "add('--when', default='2020-01-01')\nadd('--time', default='12:30:45')\nadd('--none', default='null')",
            &[],
            "[('none', 'null'), ('time', '12:30:45'), ('when', '2020-01-01')]",
        ),
    ] {
        let script = format!("{head}{declarations}{tail}");
        let project = Project::new().file("a {script}.py", &script);
        with_python(&project, &python);
        project.mlrun(&["init", "project"]).expect_code(0);
        expect_no_finding(&project);
        let mut run = vec!["run", "project", "--env-manager", "local"];
        run.extend(arguments);
        let finished = project.mlrun(&run).with_code(0);
        assert_eq!(
            finished.stdout().trim(),
            expected
                .replace("it\\'s", "it's")
                .replace("'it's {x} #1: \"2\"'", "'it\\'s {x} #1: \"2\"'"),
            "{declarations}"
        );
    }
}

/// An empty directory gets a script that logs to the store.
#[test]
fn a_new_project_runs_at_once() {
    let Some(mlflow) = mlflow3() else { return };
    let project = Project::new();
    with_python(&project, &mlflow.join("bin/python"));
    let finished = project.mlrun(&["init", "new/wine"]).with_code(0);
    assert_golden("init_new", &finished.transcript());
    let finished = project
        .mlrun(&["run", "new/wine", "--env-manager", "local", "-P", "alpha=0.3"])
        .with_code(0);
    assert_contains(finished.stdout(), "score: 1.000");
    let run = finished.store().runs.remove(0);
    assert_eq!(run.status, "FINISHED");
    let question = "import sqlite3; print(sqlite3.connect('mlflow.db').execute('select key, value from metrics').fetchall())";
    let logged = project.sandbox().shell(&format!("python -c \"{question}\""));
    assert_eq!(logged, "[('score', 1.0)]\n");
}

#[test]
fn uv_makes_the_environment() {
    let (Some(uv), Some(python)) = (require(Requirement::Uv), require_program("python3")) else {
        return;
    };
    let project = Project::new().file("main.py", "import sys\nprint(sys.prefix != sys.base_prefix)\n");
    project.sandbox().link_program("uv", &uv.join("bin/uv"));
    project.sandbox().link_program("python3", &python);
    let finished = project.mlrun(&["init", "project", "--uv"]).with_code(0);
    assert_contains(finished.stdout(), "\n  mlrun run project --env-manager uv\n");
    expect_no_finding(&project);
    let finished = project
        .mlrun(&["run", "project", "--env-manager", "uv"])
        .with_code(0);
    assert_eq!(finished.stdout(), "True\n");
}

/// A Dockerfile that is there is used; the commands that init names run the project.
#[test]
fn an_image_is_built_and_run() {
    let Some(docker) = Docker::find() else { return };
    let Some(base) = docker.mlflow() else { return };
    let project = Project::new()
        .file("main.py", "import os\nprint(os.getcwd())\n")
        .file("Dockerfile", &format!("FROM {base}\n"));
    let name = unique_name().replace('/', "-");
    let _images = [name.clone(), format!("{name}-base")].map(|image| TestImage(docker, image));
    project.sandbox().link_program("docker", &docker.program);
    let finished = project
        .mlrun(&["init", "project", "--docker", "--name", &name])
        .with_code(0);
    let build = format!("docker build -t {name}-base project");
    assert_contains(finished.stdout(), &format!("  {build}\n  mlrun run project\n"));
    assert_contains(&read(&project, "MLproject"), &format!("image: {name}-base\n"));
    expect_no_finding(&project);
    project.sandbox().shell(&build);
    let finished = project.mlrun(&["run", "project"]).with_code(0);
    assert_contains(finished.stdout(), "/mlflow/projects/code\n");
}

/// Files that describe an environment are used; none is repeated or changed.
#[test]
fn environments_come_from_the_files_that_are_there() {
    let pyproject = "[project]\nname = \"x\"\ndependencies = [\"numpy>=2\"]\nrequires-python = \">=3.10\"\n";
    let build = format!("{pyproject}[build-system]\nrequires = [\"hatchling\"]\n");
    for (files, options, key, file, parts) in [
        (
            &[("python_env.yaml", "dependencies: [a]\n")][..],
            &[][..],
            "python_env: python_env.yaml",
            "python_env.yaml",
            &["dependencies: [a]"][..],
        ),
        (
            &[("environment.yml", "dependencies: [python=3.11]\n")],
            &[],
            "conda_env: environment.yml",
            "environment.yml",
            &["dependencies: [python=3.11]"],
        ),
        (
            &[("environment.yml", "dependencies: [python=3.11]\n")],
            &["--conda"],
            "conda_env: environment.yml",
            "environment.yml",
            &["dependencies: [python=3.11]"],
        ),
        (
            &[("requirements.txt", "numpy\n")],
            &[],
            "python_env: python_env.yaml",
            "python_env.yaml",
            &["dependencies:\n  - -r requirements.txt\n"],
        ),
        (
            &[("requirements.txt", "numpy\n")],
            &["--conda"],
            "conda_env: conda.yaml",
            "conda.yaml",
            &["  - pip:\n      - -r requirements.txt\n"],
        ),
        (
            &[("requirements.txt", "numpy\n")],
            &["--docker"],
            "image: project-base",
            "Dockerfile",
            &["COPY requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt\n"],
        ),
        (
            &[("pyproject.toml", pyproject)],
            &[],
            "python_env: python_env.yaml",
            "python_env.yaml",
            &["python: \"3.10\"\n", "  - numpy>=2\n"],
        ),
        (
            &[("pyproject.toml", &build)],
            &[],
            "python_env: python_env.yaml",
            "python_env.yaml",
            &["  - .\n"],
        ),
        (
            &[("pyproject.toml", pyproject), ("uv.lock", "version = 1\n")],
            &[],
            "name: project\n\nentry_points:",
            "MLproject",
            &["entry_points:"],
        ),
        (
            &[(".python-version", "3.9\n")],
            &["--docker"],
            "image: project-base",
            "Dockerfile",
            &["FROM python:3.9-slim\n", "    scikit-learn"],
        ),
        (
            &[],
            &["--conda"],
            "conda_env: conda.yaml",
            "conda.yaml",
            &["  - conda-forge\n", "      - scikit-learn\n"],
        ),
    ] {
        let mut project = Project::new().file("train.py", "import sklearn, os\nprint(1)\n");
        for (name, text) in files {
            project = project.file(name, text);
        }
        let finished = project
            .mlrun(&[&["init", "project"], options].concat())
            .with_code(0);
        assert_contains(&read(&project, "MLproject"), key);
        assert_contains_all(&read(&project, file), parts);
        expect_no_finding(&project);
        for (name, text) in files {
            assert_eq!(read(&project, name), *text);
            if *name != ".python-version"
                && (*name != "pyproject.toml" || text.contains("build-system"))
                && !files.iter().any(|(other, _)| *other == "uv.lock")
            {
                assert_contains(finished.stdout(), &format!("project/{name}\n"));
            }
        }
    }
}

/// Nothing is overwritten, and what cannot be done is said with what to do.
#[test]
fn mistakes_are_explained() {
    for (files, arguments, code, error, hint) in [
        (
            &[("MLproject", "name: x\n")][..],
            &["project"][..],
            1,
            "'project/MLproject' exists already",
            "`mlrun lint project` checks it; remove it to start anew",
        ),
        (
            &[("mlPROJECT", "name: x\n")],
            &["project"],
            1,
            "'project/mlPROJECT' exists already",
            "`mlrun lint project`",
        ),
        (
            &[("MLproject.yaml", "name: x\n")],
            &["project"],
            1,
            "'project/MLproject.yaml' exists already",
            "rename it to MLproject",
        ),
        (
            &[("train.py", "print(1)\n")],
            &["project/train.py"],
            1,
            "'project/train.py' is a file, not a directory",
            "name the directory of the project",
        ),
        (
            &[("train.py", "print(1)\n")],
            &["project", "--from", "trian.py"],
            1,
            "the script 'trian.py' does not exist",
            "did you mean 'train.py'?",
        ),
        (
            &[("train.py", "print(1)\n")],
            &["project", "--from", "x.sh"],
            1,
            "the script 'x.sh' does not exist",
            "'project' has: train.py",
        ),
        (
            &[("a.ipynb", "{}")],
            &["project", "--from", "a.ipynb"],
            1,
            "'a.ipynb' is not a script that can be an entry point",
            "name a .py, .sh or .R file",
        ),
        (
            &[("a.ipynb", "{}")],
            &["project"],
            1,
            "'project' itself has no Python script",
            "make a script of the notebook: jupyter nbconvert --to script a.ipynb",
        ),
        (
            &[("src/train.py", "print(1)\n"), ("src/b.py", "")],
            &["project"],
            1,
            "'project' itself has no Python script",
            "name the script that starts the work: --from src/b.py (it has 1 more script)",
        ),
        (
            &[("train.py", "print(1)\n"), ("sub/README", "")],
            &["project/sub", "--from", "project/train.py"],
            1,
            "the script 'project/train.py' is not in the project's directory 'project/sub'",
            "make the project where the script is: mlrun init project --from train.py",
        ),
        (
            &[],
            &["https://github.com/org/project"],
            2,
            "'https://github.com/org/project' is not a local directory",
            "clone the repository first",
        ),
        (
            &[],
            &["project", "--name", " "],
            2,
            "the project's name is empty",
            "leave --name out",
        ),
        (
            &[("pyproject.toml", "[project\n"), ("train.py", "print(1)\n")],
            &["project"],
            1,
            "pyproject.toml:1: ",
            "correct the file",
        ),
    ] {
        let mut project = Project::new();
        for (name, text) in files {
            project = project.file(name, text);
        }
        let before = project.sandbox().files();
        let finished = project.mlrun(&[&["init"], arguments].concat()).with_code(code);
        assert_contains(finished.stderr(), &format!("error: {error}"));
        assert_contains(finished.stderr(), &format!("hint: {hint}"));
        assert_eq!(finished.stdout(), "");
        assert_eq!(project.sandbox().files(), before);
    }
}

/// What is hard to read is read as far as it goes, and said.
#[test]
fn odd_sources_are_told_of() {
    for (bytes, code, told) in [
        (
            &b"import os\ndef f(:\n    pass\nprint('x')\n"[..],
            0,
            "warning: train.py:2: this is not valid Python",
        ),
        (b"print 'Python 2', x\n", 0, ""),
        (b"# coding: latin-1\nprint('\xe9')\n", 0, ""),
        (
            b"print('\xe9')\n",
            1,
            "error: cannot read 'train.py': line 1 is not valid UTF-8",
        ),
        (
            b"\xff\xfep\0r\0",
            1,
            "error: cannot read 'train.py': it is UTF-16LE, which Python does not read",
        ),
        (
            b"\x7fELF\0\0",
            1,
            "error: cannot read 'train.py': it is not a text file",
        ),
        (
            &vec![b'#'; 5 << 20],
            1,
            "error: cannot read 'train.py': it is larger than 4 MiB",
        ),
        (
            b"\x1b[2J = 1\nimport argparse\nargparse.ArgumentParser().add_argument('\\x1b[2J', default=1)\n",
            0,
            "warning: train.py:1: ",
        ),
    ] {
        let project = Project::new();
        project.sandbox().write("project/train.py", bytes);
        for arguments in [
            &["init", "project"][..],
            &["init", "project", "--from", "train.py"],
        ] {
            let finished = project.mlrun(arguments).with_code(code);
            assert_contains(finished.stderr(), told);
            assert_lacks(finished.stdout(), "\u{1b}");
            assert_lacks(finished.stderr(), "\u{1b}");
            if code == 0 {
                expect_no_finding(&project);
                project
                    .sandbox()
                    .shell("rm project/MLproject project/python_env.yaml");
            }
        }
    }
    // Deeper than any stack, and with more calls than anybody writes.
    let deep = format!("x = {}1{}\nprint(x)\n", "(".repeat(100_000), ")".repeat(100_000));
    let long = "p.add_argument('--a', default=0)\n".repeat(20_000);
    for text in [deep, long] {
        let project = Project::new().file("train.py", &text);
        project.mlrun(&["init", "project"]).expect_code(0);
        expect_no_finding(&project);
    }
}
