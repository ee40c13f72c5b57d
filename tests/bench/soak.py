#!/usr/bin/env python3
"""Starts many runs at once on each kind of tracking store, kills others with `kill -9` at random moments,
and counts what became of them. Needs Python's standard library, a virtual environment with MLflow and the
database clients (psycopg2-binary, pymysql), and the programs of PostgreSQL and MariaDB.

    tests/bench/soak.py target/release/mlrun --venv VENV
"""

import argparse
import collections
import contextlib
import dataclasses
import os
import pathlib
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

DATABASES = pathlib.Path(__file__).resolve().parents[2] / "tests/it/tracking/sql/servers"
SERVER = "mlflow server"
PASSWORD = "p@ss/w:rd"
MARK = "MLRUN_SOAK"
MLPROJECT = """name: soak
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
    command: "true {alpha}"
  stays:
    command: "sleep 600 & sleep 600"
"""

# The aims: every run at once FINISHED and none twice, no process of a killed run left, none RUNNING after
# `mlrun cancel`, and less time a run at the server than its own client takes.

# How long the processes of an entry point may outlive a killed mlrun, in seconds.
ORPHAN_LIMIT = 5.0
RUNS = "SELECT concat(run_uuid, ' ', status) FROM runs"
# How the file store numbers the states of a run.
NUMBERS = {"1": "RUNNING", "2": "SCHEDULED", "3": "FINISHED", "4": "FAILED", "5": "KILLED"}


@dataclasses.dataclass
class Store:
    """A tracking store: its URI, and what reads its runs past mlrun: their states by their ids."""

    kind: str
    uri: str
    runs: collections.abc.Callable


@dataclasses.dataclass
class Bench:
    """Programs that run in one directory with a few variables and no output."""

    directory: pathlib.Path
    venv: pathlib.Path
    logs: pathlib.Path | None = None

    def environment(self, store, **more):
        path = f"{self.venv}/bin:{os.defpath}:/usr/local/bin"
        quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
        return {"PATH": path, "HOME": str(self.directory), "MLFLOW_TRACKING_URI": store.uri, **quiet, **more}

    def spawn(self, arguments, environment, log):
        with open(log, "ab") as output:
            actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
            actions += [(os.POSIX_SPAWN_DUP2, output.fileno(), descriptor) for descriptor in (1, 2)]
            return os.posix_spawnp(arguments[0], arguments, environment, file_actions=actions)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def of_sqlite(file):
    with contextlib.closing(sqlite3.connect(file, timeout=60)) as store:
        has_runs = store.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchone()
        return dict(store.execute("SELECT run_uuid, status FROM runs") if has_runs else ())


def of_files(root):
    lines = [(meta.parent.name, line) for meta in root.glob("*/*/meta.yaml") for line in meta.read_text().splitlines()]
    return {run: NUMBERS[line.split()[1]] for run, line in lines if line.startswith("status:")}


@contextlib.contextmanager
def mlflow_server(bench):
    database, port = bench.directory / "server.db", free_port()
    arguments = [f"{bench.venv}/bin/mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    arguments += ["--backend-store-uri", f"sqlite:///{database}"]
    store = Store(SERVER, f"http://127.0.0.1:{port}", lambda: of_sqlite(database))
    environment = bench.environment(store, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    environment.pop("MLFLOW_TRACKING_URI")
    with open(bench.directory / "server.log", "wb") as log:
        server = subprocess.Popen(arguments, env=environment, cwd=bench.directory, stdout=log, stderr=log, start_new_session=True)
    try:
        while server.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{store.uri}/health", timeout=5):
                break
            time.sleep(0.1)
        yield store
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@contextlib.contextmanager
def database_server(bench, kind, script, dialect, client):
    port = free_port()
    server = subprocess.Popen(["bash", DATABASES / script, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    query = [argument.format(port=port) for argument in client]
    secrets = {**os.environ, "PGPASSWORD": PASSWORD, "MYSQL_PWD": PASSWORD}

    def ask(sql, database):
        done = subprocess.run([*query, database], input=sql.encode(), env=secrets, check=True, stdout=subprocess.PIPE)
        return done.stdout.decode().split("\n")

    try:
        if not server.stdout.readline().startswith(b"ready"):
            sys.exit(f"{kind} does not start")
        ask("CREATE DATABASE soak", {"PostgreSQL": "postgres"}.get(kind, "mysql"))
        uri = f"{dialect}://mlflow:p%40ss%2Fw%3Ard@127.0.0.1:{port}/soak"
        yield Store(kind, uri, lambda: dict(line.split() for line in ask(RUNS, "soak") if line))
    finally:
        server.stdin.close()
        server.wait()


def stores(bench):
    """The kinds of stores by name: what makes each."""
    database, files = bench.directory / "mlflow.db", bench.directory / "files"
    postgres = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "mlflow", "-p", "{port}"]
    mariadb = ["mariadb", "--no-defaults", "-N", "-B", "-h", "127.0.0.1", "-u", "mlflow", "-P", "{port}"]
    return {
        "sqlite": lambda: contextlib.nullcontext(Store("SQLite", f"sqlite:///{database}", lambda: of_sqlite(database))),
        "file": lambda: contextlib.nullcontext(Store("file store", str(files), lambda: of_files(files))),
        "server": lambda: mlflow_server(bench),
        "postgres": lambda: database_server(bench, "PostgreSQL", "postgres.sh", "postgresql+psycopg2", postgres),
        "mariadb": lambda: database_server(bench, "MariaDB", "mariadb.sh", "mysql+pymysql", mariadb),
    }


def prepare(bench, store):
    """Makes the tables in a database, which mlrun does not."""
    if store.uri.startswith(("postgresql", "mysql")):
        script = "import mlflow; mlflow.MlflowClient().search_experiments()"
        arguments = [bench.venv / "bin" / "python", "-c", script]
        subprocess.run(arguments, env=bench.environment(store), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(processes, limit):
    """The exit statuses of processes; those that take too long are killed."""
    codes, end = [], time.monotonic() + limit
    left = set(processes)
    while left:
        for process in list(left):
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                left.remove(process)
                codes.append(os.waitstatus_to_exitcode(status))
        if left and time.monotonic() > end:
            for process in left:
                os.kill(process, signal.SIGKILL)
        time.sleep(0.01)
    return codes


def marked(mark):
    """The processes that have the mark among their variables."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as environ:
            if f"{MARK}={mark}".encode() in environ.read().split(b"\0"):
                found.append(int(name))
    return found


def end_orphans(mark):
    """How many marked processes do not end by themselves; they are ended."""
    end = time.monotonic() + ORPHAN_LIMIT
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return len(left)


class Table:
    """The rows that are printed, and the names of those that missed their aim."""

    def __init__(self):
        self.missed = []
        titles = "started", "exit 0", "runs", "FINISHED", "FAILED", "RUNNING", "KILLED", "orphans", "seconds", "s/run"
        self.print("", *titles)

    def print(self, name, *cells):
        print(f"{name:32}" + "".join(f"{cell:>9}" for cell in cells), flush=True)

    def row(self, name, codes, states, orphans, seconds, is_good):
        count = collections.Counter(states)
        cells = [count[state] for state in ("FINISHED", "FAILED", "RUNNING", "KILLED")]
        times = f"{seconds:.1f}", f"{seconds / len(codes):.3f}"
        self.print(name, len(codes), codes.count(0), len(states), *cells, orphans, *times)
        if not is_good:
            self.missed.append(name)


class Soak:
    """The runs of one store."""

    def __init__(self, bench, store, options, table):
        self.bench, self.store, self.options, self.table = bench, store, options, table
        self.log = (bench.logs or bench.directory) / f"{store.kind}.log"

    def spawn(self, program, *arguments, mark):
        command = [program, "run", "project", "--env-manager", "local", *arguments]
        return self.bench.spawn(command, self.bench.environment(self.store, **{MARK: mark}), self.log)

    def new_states(self, before):
        return [state for run, state in self.store.runs().items() if run not in before]

    def at_once(self, name, program, count):
        """Starts runs at the same time. Each must end well, in one run. Gives the seconds of a run."""
        before, mark = self.store.runs(), uuid.uuid4().hex
        start = time.monotonic()
        codes = wait_for([self.spawn(program, mark=mark) for _ in range(count)], self.options.limit)
        seconds = time.monotonic() - start
        states, orphans = self.new_states(before), end_orphans(mark)
        is_good = codes == [0] * count and states == ["FINISHED"] * count and not orphans
        self.table.row(f"{self.store.kind}: {name}", codes, states, orphans, seconds, is_good)
        return seconds / count

    def kills(self, mlrun, count):
        """Kills mlrun at random moments. The entry point must end too, and `mlrun cancel` must end each run
        that the store still has as RUNNING."""
        before, orphans, codes = self.store.runs(), 0, []
        start = time.monotonic()
        for _ in range(count):
            mark = uuid.uuid4().hex
            process = self.spawn(mlrun, "-e", "stays", mark=mark)
            time.sleep(random.uniform(0, self.options.longest))
            os.kill(process, signal.SIGKILL)
            codes += wait_for([process], self.options.limit)
            orphans += end_orphans(mark)
        for run, state in self.store.runs().items():
            if run not in before and state == "RUNNING":
                cancel = self.bench.spawn([mlrun, "cancel", run], self.bench.environment(self.store), self.log)
                wait_for([cancel], self.options.limit)
        states = self.new_states(before)
        is_good = not orphans and "RUNNING" not in states
        self.table.row(f"{self.store.kind}: kill -9", codes, states, orphans, time.monotonic() - start, is_good)


def soak(bench, store, mlrun, options, table):
    prepare(bench, store)
    runs = Soak(bench, store, options, table)
    own = runs.at_once("mlrun", mlrun, options.runs)
    if store.kind == SERVER and options.reference_runs:
        reference = f"{bench.venv}/bin/mlflow"
        other = runs.at_once("mlflow", reference, options.reference_runs)
        # That the reference fails under load is not a fault of mlrun.
        table.missed = [name for name in table.missed if not name.endswith(": mlflow")]
        if own > other:
            table.missed.append(f"{SERVER}: faster than its own client")
    if options.kills:
        runs.kills(mlrun, options.kills)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mlrun", help="a release binary")
    parser.add_argument("--venv", required=True, help="a virtual environment with MLflow")
    parser.add_argument("--runs", type=int, default=200, help="runs at once in each store (default: 200)")
    parser.add_argument("--kills", type=int, default=20, help="kills of mlrun in each store (default: 20)")
    parser.add_argument("--longest", type=float, default=0.3, help="seconds before a kill, at most (default: 0.3)")
    parser.add_argument("--reference-runs", type=int, default=20, help="the same with MLflow's client (default: 20)")
    parser.add_argument("--limit", type=float, default=1800, help="seconds before a hanging run is killed (default: 1800)")
    parser.add_argument("--stores", default="sqlite,file,server,postgres,mariadb", help="kinds (default: all)")
    parser.add_argument("--logs", help="keep what the programs say in this directory")
    options = parser.parse_args()
    mlrun, table = os.path.abspath(options.mlrun), Table()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        logs = options.logs and pathlib.Path(options.logs).absolute()
        bench = Bench(pathlib.Path(directory).resolve(), pathlib.Path(options.venv).absolute(), logs)
        os.chdir(directory)
        os.mkdir("project")
        pathlib.Path("project/MLproject").write_text(MLPROJECT)
        for name in options.stores.split(","):
            with stores(bench)[name]() as store:
                soak(bench, store, mlrun, options, table)
    if table.missed:
        print("missed: " + "; ".join(table.missed))
        sys.exit(1)


if __name__ == "__main__":
    main()
