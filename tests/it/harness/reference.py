"""Answers many `mlflow` command lines from one process that imports mlflow once.

Starting Python and importing mlflow takes some three seconds, so a test of a hundred projects would
spend five minutes on imports. This program imports everything first and then forks for each
request; the fork takes on the request's directory, variables and files and calls the same function
that the `mlflow` program calls. It reads one JSON object a line on standard input:

    {"id": 1, "arguments": ["run", "."], "directory": "/a", "environment": {"HOME": "/a"},
     "stdin": "/dev/null", "stdout": "/a/stdout", "stderr": "/a/stderr"}

with `"script": "..."` in place of `"arguments"` for Python text that is run with the name `client`
bound to an MlflowClient. It answers `{"id": 1, "code": 0}` (minus the number of the signal that
ended it) in the order in which the requests end, and ends when its standard input does.
"""

import atexit
import json
import os
import select
import signal
import sys
import tempfile
import time
import traceback

IMPORTS = """
    alembic.command alembic.script git mlflow mlflow.cli mlflow.projects mlflow.projects.backend.local
    mlflow.store.db.utils mlflow.store.tracking.file_store mlflow.store.tracking.rest_store
    mlflow.store.tracking.sqlalchemy_store mlflow.tracking mlflow.utils.git_utils requests sqlalchemy
    sqlalchemy.dialects.sqlite
""".split()


def forget_start(environment):
    """Puts a fork into the state of a program that was started with `environment`."""
    os.environ.clear()
    os.environ.update(environment)
    os.environ.update(SET_BY_IMPORTS)
    tempfile.tempdir = None
    time.tzset()


def run_fork(request):
    """Does what the request asks for; returns the exit code as Python itself would choose it."""
    for name, flags, descriptor in (
        ("stdin", os.O_RDONLY, 0),
        ("stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 1),
        ("stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 2),
    ):
        opened = os.open(request[name], flags, 0o644)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(request["directory"])
    forget_start(request["environment"])
    try:
        if "script" in request:
            from mlflow import MlflowClient

            exec(request["script"], {"client": MlflowClient()})
        else:
            import mlflow.cli

            sys.argv = ["mlflow", *request["arguments"]]
            mlflow.cli.cli(prog_name="mlflow")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def fork(request):
    """Starts the request's fork and returns its process id."""
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        code = run_fork(request)
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main():
    # Only the answers may go where the answers go; forks do not inherit it.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    wakeup_read, wakeup_write = os.pipe()
    os.set_blocking(wakeup_read, False)
    os.set_blocking(wakeup_write, False)
    signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    answers.write(json.dumps({"ready": IMPORTED_VERSION}) + "\n")
    running, text, open_ = {}, b"", True
    while open_ or running:
        readable, _, _ = select.select([wakeup_read] + ([0] if open_ else []), [], [])
        if 0 in readable:
            part = os.read(0, 1 << 16)
            open_ = bool(part)
            *lines, text = (text + part).split(b"\n")
            for line in lines:
                request = json.loads(line)
                running[fork(request)] = request["id"]
        if wakeup_read in readable:
            os.read(wakeup_read, 1 << 12)
        while running:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                break
            code = os.waitstatus_to_exitcode(status)
            answers.write(json.dumps({"id": running.pop(process), "code": code}) + "\n")


BEFORE_IMPORTS = dict(os.environ)
for module in IMPORTS:
    __import__(module)
SET_BY_IMPORTS = {k: v for k, v in os.environ.items() if BEFORE_IMPORTS.get(k) != v}
IMPORTED_VERSION = sys.modules["mlflow"].__version__

if __name__ == "__main__":
    main()
