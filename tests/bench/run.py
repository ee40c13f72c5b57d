#!/usr/bin/env python3
"""Measures `mlrun run` as a whole process: wall time and peak memory on a trivial project, beside bare
`bash -c` and, where it is given, the reference. Needs nothing but Python's standard library.

    tests/bench/run.py target/release/mlrun --reference VENV/bin/mlflow
"""

import argparse
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time

COMMAND = "true"
# Long enough to look at the program while it waits.
PAUSE = "sleep 0.1; true"
MLPROJECT = f"""name: trivial
entry_points:
  main:
    parameters:
      a: {{type: float, default: 1}}
    command: "{COMMAND} {{a}}"
  pause:
    command: "{PAUSE}"
"""

# What is aimed at: milliseconds, MiB, and how many times faster than the reference.
AIMS = {"time": 10.0, "first": 25.0, "memory": 20.0, "ratio": 250.0}


class Bench:
    """Programs that run in one directory with a few variables and no output."""

    def __init__(self, directory):
        self.directory = directory
        os.chdir(directory)
        os.mkdir("project")
        with open("project/MLproject", "w") as file:
            file.write(MLPROJECT)
        self.environment = {"PATH": os.defpath + ":/usr/local/bin", "HOME": directory, "MLFLOW_DISABLE_TELEMETRY": "true"}
        self.null = os.open(os.devnull, os.O_RDWR)

    def spawn(self, arguments):
        actions = [(os.POSIX_SPAWN_DUP2, self.null, descriptor) for descriptor in range(3)]
        return os.posix_spawnp(arguments[0], arguments, self.environment, file_actions=actions)

    def wait(self, process, arguments):
        _, status = os.waitpid(process, 0)
        if status:
            sys.exit(f"failed with status {status}: {' '.join(arguments)}")

    def seconds(self, arguments):
        start = time.perf_counter()
        self.wait(self.spawn(arguments), arguments)
        return time.perf_counter() - start

    def peak_memory(self, arguments):
        """The program's own peak in MiB (not its children's): what /proc says last before it ends.

        The peak that the kernel reports after the end counts this Python program too, from which
        the measured one was forked.
        """
        process = self.spawn(arguments)
        peak = 0
        try:
            with open(f"/proc/{process}/status", "rb", buffering=0) as status:
                while position := (text := status.read(4096)).find(b"VmHWM:") + 1:
                    peak = max(peak, int(text[position + 6 :].split(None, 1)[0]))
                    status.seek(0)
        except ProcessLookupError:
            pass
        self.wait(process, arguments)
        return peak / 1024

    def sync_times(self, count):
        """Milliseconds until one changed page of a file is on the disk."""
        times = []
        file = os.open("page", os.O_RDWR | os.O_CREAT)
        for _ in range(count):
            os.pwrite(file, os.urandom(4096), 0)
            start = time.perf_counter()
            os.fsync(file)
            times.append((time.perf_counter() - start) * 1000)
        os.close(file)
        os.remove("page")
        return times

    def times(self, arguments, count, before=lambda: None):
        times = []
        for _ in range(count):
            before()
            times.append(self.seconds(arguments) * 1000)
        return times

    def remove_store(self):
        for name in os.listdir("."):
            if name.startswith("mlflow.db"):
                os.remove(name)
        shutil.rmtree("mlruns", ignore_errors=True)

    def empty_store(self):
        with sqlite3.connect("mlflow.db") as store:
            for table in ("params", "tags", "runs"):
                store.execute(f"DELETE FROM {table}")

    def at_once(self, arguments, count):
        """Starts many at the same time; returns the seconds until all have ended."""
        start = time.perf_counter()
        processes = [self.spawn(arguments) for _ in range(count)]
        failed = sum(os.waitpid(process, 0)[1] != 0 for process in processes)
        seconds = time.perf_counter() - start
        with sqlite3.connect("mlflow.db") as store:
            finished = store.execute("SELECT count(*) FROM runs WHERE status = 'FINISHED'").fetchone()[0]
        if failed or finished != count:
            sys.exit(f"{count} runs at once: {failed} failed, {finished} are FINISHED in the store")
        return seconds


def row(name, times, base, memory=None):
    median = statistics.median(times)
    peak = f"{memory:8.1f}" if memory is not None else " " * 8
    print(f"{name:44}{min(times):10.2f}{median:10.2f}{median / base:10.1f}{peak}", flush=True)
    return median


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("mlrun", help="a release binary")
    parser.add_argument("--reference", help="the reference's mlflow program")
    parser.add_argument("--count", type=int, default=100, help="measurements of each kind (default: 100)")
    parser.add_argument("--at-once", type=int, default=300, help="runs that start at the same time (default: 300)")
    parser.add_argument("--directory", help="where the runs take place; a memory file system shows the program alone")
    parser.add_argument("--check", action="store_true", help="fail where an aim is missed")
    options = parser.parse_args()
    mlrun = [os.path.abspath(options.mlrun), "run", "project", "--env-manager", "local"]
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        measure(Bench(os.path.realpath(directory)), mlrun, options)


def measure(bench, mlrun, options):
    bash = ["bash", "-c", f"{COMMAND} 1"]
    print(f"{'':44}{'min ms':>10}{'median ms':>10}{'x bash':>10}{'MiB':>8}")
    bench.times(bash, 5)
    base = row("bash -c", times := bench.times(bash, options.count), statistics.median(times), bench.peak_memory(["bash", "-c", PAUSE]))
    row("the disk: one page until it is safe", bench.sync_times(options.count), base)
    first = row("mlrun run, first run makes the store", bench.times(mlrun, options.count // 2, bench.remove_store), base)
    bench.remove_store()
    bench.times(mlrun, 5)
    memory = max(bench.peak_memory([*mlrun, "-e", "pause"]) for _ in range(5))
    again = row("mlrun run", bench.times(mlrun, options.count), base, memory)
    missed = [
        f"{name}: {value:.1f}, aimed at {AIMS[name]}"
        for name, value in (("time", again), ("first", first), ("memory", memory))
        if value > AIMS[name]
    ]
    for kind, prepare in (("a new store", bench.remove_store), ("an existing store", bench.empty_store)):
        prepare()
        seconds = bench.at_once(mlrun, options.at_once)
        name = f"mlrun run, {options.at_once} at once, {kind}"
        print(f"{name:44}{seconds * 1000:10.0f} all{seconds * 1000 / options.at_once:6.2f} each")
    if options.reference:
        reference = [os.path.abspath(options.reference), *mlrun[1:]]
        bench.remove_store()
        row("reference, first run makes the store", bench.times(reference, 2, bench.remove_store), base)
        other = row("reference", bench.times(reference, 5), base, bench.peak_memory([*reference, "-e", "pause"]))
        print(f"mlrun run is {other / again:.0f} times faster than the reference")
        if other / again < AIMS["ratio"]:
            missed.append(f"ratio: {other / again:.0f}, aimed at {AIMS['ratio']}")
    if missed:
        print("missed: " + "; ".join(missed))
        if options.check:
            sys.exit(1)


if __name__ == "__main__":
    main()
