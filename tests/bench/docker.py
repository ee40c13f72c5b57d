#!/usr/bin/env python3
"""Measures `mlrun run` of a Docker project beside the plain calls that do the same: `docker build` of the
project's files, and `docker run` of the image. Needs Docker, busybox-static and Python's standard library.

    tests/bench/docker.py target/release/mlrun
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

IMAGE = "mlrun-test/bench-base"
NAME = "mlrun-test/bench"
PLAIN = "mlrun-test/bench-plain"
MLPROJECT = f"""name: {NAME}
docker_env: {{image: {IMAGE}}}
entry_points: {{main: {{command: "true"}}}}
"""
DOCKERFILE = f"FROM {IMAGE}\nCOPY project /mlflow/projects/code\nWORKDIR /mlflow/projects/code\n"

# What is aimed at: milliseconds over the plain calls.
AIM = 50.0


def quiet(*arguments, **options):
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def make_base():
    busybox = shutil.which("busybox") or sys.exit("busybox is not installed")
    os.makedirs("root/bin")
    shutil.copy(busybox, "root/bin/busybox")
    os.symlink("busybox", "root/bin/true")
    tar = subprocess.Popen(["tar", "-C", "root", "-c", "."], stdout=subprocess.PIPE)
    quiet("docker", "import", "--change", "ENV PATH=/bin", "-", IMAGE, stdin=tar.stdout)
    tar.wait()


def plain():
    quiet("docker", "build", "-t", PLAIN, ".")
    quiet("docker", "run", "--rm", PLAIN, "true")


def milliseconds(action):
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("mlrun", help="a release binary")
    parser.add_argument("--count", type=int, default=20, help="measurements of each kind (default: 20)")
    parser.add_argument("--files", type=int, default=200, help="files of the project, 4 KiB each (default: 200)")
    parser.add_argument("--check", action="store_true", help="fail where the aim is missed")
    options = parser.parse_args()
    mlrun = os.path.abspath(options.mlrun)
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        try:
            measure(mlrun, options)
        finally:
            subprocess.run(["docker", "image", "rm", "-f", NAME, PLAIN, IMAGE], stdout=subprocess.DEVNULL)


def measure(mlrun, options):
    make_base()
    os.makedirs("project/data")
    for path, text in (("project/MLproject", MLPROJECT), ("Dockerfile", DOCKERFILE), (".dockerignore", "root\n")):
        with open(path, "w") as file:
            file.write(text)
    for number in range(options.files):
        with open(f"project/data/{number}", "wb") as file:
            file.write(os.urandom(4096))
    os.mkdir("runs")
    actions = {"docker build && docker run": plain, "mlrun run": lambda: quiet(mlrun, "run", "../project", cwd="runs")}
    times = {name: [] for name in actions}
    for name, action in actions.items():
        action()
    # One after the other, so that a busy machine is busy for both.
    for _ in range(options.count):
        for name, action in actions.items():
            times[name].append(milliseconds(action))
    print(f"{'':32}{'min ms':>10}{'median ms':>10}")
    for name, found in times.items():
        print(f"{name:32}{min(found):10.1f}{statistics.median(found):10.1f}")
    plain_times, own_times = times.values()
    overhead = statistics.median(own - other for own, other in zip(own_times, plain_times))
    print(f"{'overhead, median of the pairs':32}{'':10}{overhead:10.1f}  (aim: {AIM:.0f})")
    if options.check and overhead > AIM:
        sys.exit(1)


if __name__ == "__main__":
    main()
