#!/usr/bin/env python3
"""Measures how fast `mlrun` downloads data from an S3 server on loopback, and how much memory it takes,
beside MLflow's own client and `aws s3 cp`: one large file, and many small ones. The virtual environment
is the one that `.ci/run` makes of moto, boto3, awscli and mlflow; moto serves, unless another server is
named, since moto itself may be what is slow.

    tests/bench/data.py target/release/mlrun --venv VENV
    tests/bench/data.py target/release/mlrun --venv VENV --server 's3s-fs --host 127.0.0.1 --port {port} --access-key key --secret-key secret {directory}'
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

MLPROJECT = "entry_points:\n  main:\n    parameters: {data: path}\n    command: \"true {data}\"\n"
REFERENCE = "import sys; from mlflow.artifacts import download_artifacts as get; get(artifact_uri=sys.argv[1], dst_path=sys.argv[2])"
# At least so much of the fastest other one's speed, and at most so much memory in MiB.
AIM = 0.9
MEMORY = 100


def measure(command, environment, directory):
    """The seconds that the command takes, and its peak memory in MiB."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    with open(os.path.join(os.path.dirname(directory), "log"), "wb") as log:
        begin = time.monotonic()
        child = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=os.path.dirname(directory))
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - begin
    if status:
        sys.exit(f"{command} failed:\n" + pathlib.Path(log.name).read_text())
    return seconds, usage.ru_maxrss / 1024


@contextlib.contextmanager
def serving(command, venv):
    """A new directory, and the variables of a client that uses the S3 server beside it."""
    with tempfile.TemporaryDirectory(prefix="mlrun-bench-") as directory:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = start(command or f"{venv}/bin/moto_server -H 127.0.0.1 -p {{port}}", directory, port)
        try:
            yield directory, {
                "PATH": os.environ["PATH"],
                "HOME": directory,
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "MLFLOW_TRACKING_URI": f"sqlite:///{directory}/mlflow.db",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
            }
        finally:
            server.kill()
            server.wait()


def start(command, directory, port):
    served = os.path.join(directory, "served")
    os.makedirs(served)
    command = [word.format(port=port, directory=served) for word in command.split()]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return server
        except OSError:
            time.sleep(0.1)
    sys.exit("the server does not answer")


def fill(venv, environment, large, small):
    program = f"""
import boto3, concurrent.futures, io, os
client = boto3.client("s3")
client.create_bucket(Bucket="bench")
block = os.urandom(1 << 20)
class Large(io.RawIOBase):
    left = {large} << 20
    def readable(self): return True
    def readinto(self, buffer):
        size = min(len(buffer), self.left, len(block))
        buffer[:size] = block[:size]
        self.left -= size
        return size
client.upload_fileobj(io.BufferedReader(Large(), 1 << 20), "bench", "large.bin")
def put(number):
    client.put_object(Bucket="bench", Key=f"small/{{number // 100:03}}/{{number:05}}.txt", Body=block[number : number + 2000])
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(put, range({small})))
"""
    subprocess.run([f"{venv}/bin/python", "-c", program], env=environment, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlrun")
    parser.add_argument("--venv", required=True)
    parser.add_argument("--server", help="a server's command, with {port} and {directory}")
    parser.add_argument("--large", type=int, default=1024, help="the large file's size in MiB")
    parser.add_argument("--small", type=int, default=10_000, help="how many small files")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--aim", type=float, default=AIM)
    arguments = parser.parse_args()
    mlrun, venv = os.path.abspath(arguments.mlrun), os.path.abspath(arguments.venv)
    with serving(arguments.server, venv) as (directory, environment):
        good = compare(arguments, mlrun, venv, directory, environment)
    sys.exit(0 if good else 1)


def compare(arguments, mlrun, venv, directory, environment):
    fill(venv, environment, arguments.large, arguments.small)
    project, place = f"{directory}/project", f"{directory}/place"
    os.makedirs(project)
    pathlib.Path(project, "MLproject").write_text(MLPROJECT)
    good = True
    for what, uri in [("large", "s3://bench/large.bin"), ("small", "s3://bench/small")]:
        commands = {
            "mlrun": [mlrun, "run", project, "--env-manager", "local", "--storage-dir", place, "-P", f"data={uri}"],
            "aws s3 cp": [f"{venv}/bin/aws", "s3", "cp", "--quiet", "--recursive", uri, place],
            "mlflow": [f"{venv}/bin/python", "-c", REFERENCE, uri, place],
        }
        if what == "large":
            commands["aws s3 cp"].remove("--recursive")
        results = {name: [] for name in commands}
        for _ in range(arguments.runs):
            for name, command in commands.items():
                results[name].append(measure(command, environment, place))
                files = sum(len(names) for _, _, names in os.walk(place))
                assert files == (1 if what == "large" else arguments.small), (name, files)
        times = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in results.items()}
        memory = {name: max(peak for _, peak in runs) for name, runs in results.items()}
        fastest = min(seconds for name, seconds in times.items() if name != "mlrun")
        ratio = fastest / times["mlrun"]
        for name in commands:
            print(f"{what:6} {name:10} {times[name]:8.2f} s {memory[name]:7.0f} MiB")
        print(f"{what:6} mlrun has {ratio:.2f} of the fastest other one's speed (aim: {arguments.aim:.2f})")
        good = good and ratio >= arguments.aim and memory["mlrun"] <= MEMORY
    return good


if __name__ == "__main__":
    main()
