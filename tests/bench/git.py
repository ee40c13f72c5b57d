#!/usr/bin/env python3
"""Measures how long `mlrun` takes to fetch a large repository, and how much memory, beside
`git clone --depth 1`: over HTTPS on loopback, where both talk to the same `git http-backend`, and
from `file://`; without and with `.gitattributes`. Needs git, openssl and Python's standard library.

    tests/bench/git.py target/release/mlrun
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

SERVER = os.path.join(os.path.dirname(__file__), "../../tests/it/fetch/git/http_server.py")
ATTRIBUTES = b"* text=auto\n*.txt text\n*.sh text eol=lf\n*.png binary\n"
MLPROJECT = b'name: large\nentry_points:\n  main:\n    command: "true"\n'
# How much longer than `git clone --depth 1` a fetch may take.
AIM = 1.05
SAMPLE_SECONDS = 0.02


def generate(path, files, commits, attributes):
    """A bare repository with so many files in its last commit and so many commits."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", path], check=True)
    dice = random.Random(1)
    names = [f"data/{number // 1000:03}/{number // 50 % 20:02}/file{number:05}.txt" for number in range(files - 1)]
    program = subprocess.Popen(["git", "-C", path, "fast-import", "--quiet"], stdin=subprocess.PIPE)
    write = program.stdin.write

    def blob(name, contents):
        write(b"M 100644 inline %s\ndata %d\n%s\n" % (name.encode(), len(contents), contents))

    def text():
        return b"".join(b"%d line of text\n" % dice.getrandbits(64) for _ in range(dice.randrange(5, 60)))

    for number in range(commits):
        write(b"commit refs/heads/main\ncommitter B <b@example.com> %d +0000\ndata 1\nx\n" % (1700000000 + number))
        if number == 0:
            blob("MLproject", MLPROJECT)
            if attributes:
                blob(".gitattributes", attributes)
            for name in names:
                blob(name, text())
        else:
            for name in dice.sample(names, min(5, len(names))):
                blob(name, text())
    program.stdin.close()
    if program.wait():
        sys.exit("git fast-import failed")
    # As on a server that is looked after.
    subprocess.run(["git", "-C", path, "repack", "-adq", "--write-bitmap-index"], check=True)


def certificates(directory):
    """A certificate for the loopback address, which is its own authority."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -days 2 -subj /CN=127.0.0.1"
    command = command.split() + ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, cwd=directory, check=True, stderr=subprocess.DEVNULL)
    return os.path.join(directory, "certificate.pem"), os.path.join(directory, "key.pem")


def tree_memory(process):
    """Bytes that a process and all below it hold in memory."""
    total, waiting = 0, [process]
    while waiting:
        current = waiting.pop()
        try:
            with open(f"/proc/{current}/statm") as file:
                total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in os.listdir(f"/proc/{current}/task"):
                with open(f"/proc/{current}/task/{task}/children") as file:
                    waiting.extend(file.read().split())
        except OSError:
            pass
    return total


def measure(arguments, environment, watched):
    """Seconds and, where it is watched, the peak of memory in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    peak = 0
    while watched and process.poll() is None:
        peak = max(peak, tree_memory(process.pid))
        time.sleep(SAMPLE_SECONDS)
    _, errors = process.communicate()
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{' '.join(arguments)}: {errors.decode()}")
    return seconds, peak / (1 << 20)


def compare(name, url, mlrun, environment, directory, runs):
    """Measures both by turns; returns the ratio of the medians."""
    places = {"git clone --depth 1": "clone", "mlrun": "mlrun"}
    times = {program: [] for program in places}
    memory = {}
    for run in range(runs + 1):
        for program, place in places.items():
            place = os.path.join(directory, place)
            os.mkdir(place)
            arguments = {
                "clone": ["git", "clone", "--quiet", "--depth", "1", url, place],
                "mlrun": [mlrun, "run", url, "--env-manager", "local", "--dry-run", "--keep-workdir"],
            }[os.path.basename(place)]
            # The first run warms the caches, and is the one whose memory is watched.
            seconds, peak = measure(arguments, {**environment, "TMPDIR": place}, run == 0)
            if run == 0:
                memory[program] = peak
            else:
                times[program].append(seconds)
            shutil.rmtree(place)
    medians = {program: statistics.median(values) for program, values in times.items()}
    for program, median in medians.items():
        spread = f"{min(times[program]):.2f}-{max(times[program]):.2f}"
        print(f"{name:<20} {program:<20} {median:6.2f} s ({spread})  peak {memory[program]:6.1f} MiB")
    git, own = medians.values()
    print(f"{name:<20} ratio {own / git:.2f} (aim: at most {AIM})", flush=True)
    return own / git


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlrun")
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--commits", type=int, default=2_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--aim", type=float, default=AIM, help="the highest ratio that is no failure")
    parser.add_argument("--directory", help="where the repository is kept for the next time")
    arguments = parser.parse_args()
    mlrun = os.path.abspath(arguments.mlrun)
    with tempfile.TemporaryDirectory(prefix="mlrun-bench-") as directory:
        root = os.path.abspath(arguments.directory or directory)
        os.makedirs(root, exist_ok=True)
        repositories = {"large.git": None, "attributes.git": ATTRIBUTES}
        for name, attributes in repositories.items():
            repository = os.path.join(root, name)
            if not os.path.exists(repository):
                generate(repository, arguments.files, arguments.commits, attributes)
        certificate, key = certificates(directory)
        server = subprocess.Popen(
            [sys.executable, SERVER, root, "--tls", certificate, key], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        port = server.stdout.readline().decode().strip()
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": directory,
            "GIT_SSL_CAINFO": certificate,
            "MLFLOW_TRACKING_URI": f"sqlite:///{directory}/mlflow.db",
        }
        os.chdir(directory)
        ratios = []
        for name in repositories:
            for url in (f"https://127.0.0.1:{port}/open/{name}", f"file://{root}/{name}"):
                label = f"{url.partition(':')[0]} {name}"
                ratios.append(compare(label, url, mlrun, environment, directory, arguments.runs))
        server.stdin.close()
        server.wait()
    if max(ratios) > arguments.aim:
        sys.exit("the aim is missed")


main()
