#!/usr/bin/env python3
"""Measures how fast `mlrun run --log-output` puts a large log to an S3 server on loopback, and how much
memory it takes, beside MLflow's own client with the same file; mlrun's time has the run in it that writes
the log. The virtual environment and the server are as for `data.py`.

    tests/bench/uploads.py target/release/mlrun --venv VENV --server 's3s-fs --host 127.0.0.1 --port {port} --access-key key --secret-key secret {directory}'
"""

import argparse
import os
import pathlib
import subprocess
import sys

from data import MEMORY, measure, serving

PREPARE = "import boto3, mlflow; boto3.client('s3').create_bucket(Bucket='bench'); mlflow.create_experiment('far', artifact_location='s3://bench/runs')"
REFERENCE = "import sys, mlflow; mlflow.set_experiment('far'); mlflow.start_run(); mlflow.log_artifact(sys.argv[1])"
CHECK = "import boto3; print(sorted(entry['Size'] for entry in boto3.client('s3').list_objects_v2(Bucket='bench')['Contents']))"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlrun")
    parser.add_argument("--venv", required=True)
    parser.add_argument("--server", help="a server's command, with {port} and {directory}")
    parser.add_argument("--size", type=int, default=1024, help="the log's size in MiB")
    arguments = parser.parse_args()
    mlrun, venv = os.path.abspath(arguments.mlrun), os.path.abspath(arguments.venv)
    with serving(arguments.server, venv) as (directory, environment):
        good = compare(arguments.size << 20, mlrun, venv, directory, environment)
    sys.exit(0 if good else 1)


def compare(size, mlrun, venv, directory, environment):
    python = f"{venv}/bin/python"
    subprocess.run([python, "-c", PREPARE], env=environment, check=True, stderr=subprocess.DEVNULL)
    log = pathlib.Path(directory, "log.txt")
    with log.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))
    project = pathlib.Path(directory, "project")
    project.mkdir()
    command = f'entry_points:\n  main:\n    command: "cat {log}"\n'
    (project / "MLproject").write_text(command)
    run = [mlrun, "run", str(project), "--env-manager", "local", "--experiment-name", "far", "--log-output"]
    commands = {"mlrun": run, "mlflow": [python, "-c", REFERENCE, str(log)]}
    peaks = {}
    for name, command in commands.items():
        seconds, peaks[name] = measure(command, environment, f"{directory}/place")
        print(f"{name:8} {seconds:8.2f} s {peaks[name]:7.0f} MiB")
    sizes = subprocess.run([python, "-c", CHECK], env=environment, check=True, capture_output=True, text=True).stdout
    assert sizes.strip() == str([0, size, size]), sizes
    return peaks["mlrun"] <= MEMORY


if __name__ == "__main__":
    main()
