"""`mlflow.projects.run` on top of the program `mlrun`. Needs nothing but Python.

    run = mlrun_projects.run(".", "train", {"alpha": 0.5}, synchronous=False)
    print(run.run_id, run.get_status())
    run.wait()

Runs are nested in MLflow's active run, or in `parent_run_id`. Pass it in threads, which do not see the active
run of another thread.
"""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ENDED = ("FINISHED", "FAILED", "KILLED")


class ExecutionException(Exception):
    """A run that failed or could not be started. The text is that of `mlrun`: the error, its causes
    and a hint."""


class SubmittedRun:
    """A started run. It is in the tracking store from the beginning."""

    def __init__(self, command, variables):
        self._command = command
        self._variables = variables
        self._current_directory = os.getcwd()
        self._directory = tempfile.TemporaryDirectory(prefix="mlrun-run-info-")
        self.info = {}
        try:
            report = ["--run-info", os.path.join(self._directory.name, "run.json")]
            self._process = _started(subprocess.Popen, command + report, env=variables)
            self._wait_for_start()
        except ExecutionException:
            self._directory.cleanup()
            raise

    @property
    def run_id(self):
        return self.info["run_id"]

    def wait(self):
        """Waits for the end and returns whether the run succeeded.

        Raises `ExecutionException` if the run was not possible, or if its end is unknown.
        """
        self._process.wait()
        self._conclude()
        if self.info.get("error"):
            raise ExecutionException(self._error())
        if self.info["status"] not in ENDED:
            self._check_process()
            # The backend continues without `mlrun`.
            waited = self._mlrun("wait")
            if self._refresh_status() not in ENDED:
                raise ExecutionException(_error_in(waited.stderr) or f"the end of run '{self.run_id}' is unknown")
        return self.info["status"] == "FINISHED"

    def get_status(self):
        """`RUNNING`, `FINISHED`, `FAILED` or `KILLED`.

        Raises `ExecutionException` if it is unknown because `mlrun` was killed.
        """
        if self._process.poll() is None:
            self._read_info()
            return self.info["status"]
        self._conclude()
        if self.info["status"] not in ENDED:
            self._check_process()
            self._refresh_status()
        return self.info["status"]

    def cancel(self):
        """Stops everything that the run started, wherever it is. The run becomes `KILLED`.

        Raises `ExecutionException` if it cannot be stopped.
        """
        try:
            cancelled = self._mlrun("cancel")
            problem = cancelled.returncode != 0 and (_error_in(cancelled.stderr) or _ending(cancelled.returncode))
        except ExecutionException as error:
            problem = str(error)
        if problem:
            if self._process.poll() is not None:
                raise ExecutionException(problem)
            # `mlrun cancel` may not find the processes, for example outside of Linux.
            self._process.terminate()
        self._process.wait()
        self._conclude()
        if self.info["status"] not in ENDED:
            self._refresh_status()

    def _wait_for_start(self):
        # `mlrun` writes the file when the run is in the store, and again when it ends.
        while True:
            has_ended = self._process.poll() is not None
            self._read_info()
            if self.info.get("run_id"):
                return
            if has_ended:
                raise ExecutionException(self._why_not_started())
            time.sleep(0.01)

    def _why_not_started(self):
        code = self._process.returncode
        if self.info.get("error"):
            return self._error()
        said = None
        if code > 0 and not self.info:
            # A wrong command line is reported on standard error only. A dry run repeats the error and starts nothing.
            asked = _started(
                subprocess.run,
                self._command + ["--dry-run"],
                env=self._variables,
                cwd=self._current_directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
            )
            said = asked.returncode != 0 and _error_in(asked.stderr)
        return said or f"no run was started: {_ending(code)}"

    def _error(self):
        return f"error: {self.info['error']}"

    def _check_process(self):
        """Raises if `mlrun` was killed: then nobody records the end of the run."""
        code = self._process.returncode
        if code != 0:
            raise ExecutionException(
                f"error: {_ending(code)}, so the end of run '{self.run_id}' was not recorded\n"
                f"hint: `mlrun cancel {self.run_id}` records it as KILLED"
            )

    def _mlrun(self, *arguments):
        return _started(
            subprocess.run,
            [_program(), *arguments, self.run_id],
            cwd=self._current_directory,
            capture_output=True,
            text=True,
            errors="replace",
        )

    def _refresh_status(self):
        asked = self._mlrun("status", "--json")
        if asked.returncode != 0:
            raise ExecutionException(_error_in(asked.stderr) or _ending(asked.returncode))
        self.info["status"] = json.loads(asked.stdout)["status"]
        return self.info["status"]

    def _conclude(self):
        """Reads the final report of `mlrun`."""
        # A status that is already final stays.
        if self.info.get("status") not in ENDED:
            self._read_info()
        self._directory.cleanup()

    def _read_info(self):
        try:
            self.info = json.loads(pathlib.Path(self._directory.name, "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            pass


def run(
    uri,
    entry_point="main",
    parameters=None,
    version=None,
    experiment_name=None,
    experiment_id=None,
    backend="local",
    backend_config=None,
    env_manager=None,
    storage_dir=None,
    run_name=None,
    synchronous=True,
    parent_run_id=None,
    options=(),
):
    """Runs a project. The arguments are those of `mlflow.projects.run`; `options` are further options of `mlrun run`.

    Raises `ExecutionException` if the run cannot be started or, if synchronous, does not succeed.
    """
    # The lines that it writes are read.
    command = [_program(), "run", "--color", "never", str(uri)]
    command += ["--entry-point", entry_point, "--backend", backend, *options]
    for name, value in (parameters or {}).items():
        command += ["--param-list", f"{name}={value}"]
    if isinstance(backend_config, dict):
        backend_config = json.dumps(backend_config)
    for option, value in {
        "--version": version,
        "--experiment-name": experiment_name,
        "--experiment-id": experiment_id,
        "--backend-config": backend_config,
        "--env-manager": env_manager,
        "--storage-dir": storage_dir,
        "--run-name": run_name,
    }.items():
        if value is not None:
            command += [option, str(value)]
    parent = parent_run_id or _active_run_id()
    # `mlflow.start_run()` removes the variable.
    variables = os.environ | ({"MLFLOW_RUN_ID": parent} if parent else {})
    submitted = SubmittedRun(command, variables)
    if synchronous and not submitted.wait():
        reason = _reason(submitted.info)
        raise ExecutionException(f"run (ID '{submitted.run_id}') of entry point '{entry_point}' {reason}")
    return submitted


def _reason(info):
    """Why a run did not succeed."""
    ended = info.get("entry_point") or {}
    if info["status"] == "KILLED":
        return f"was stopped by {ended['interrupted_by']}" if ended.get("interrupted_by") else "was cancelled"
    if ended.get("signal") is not None:
        return f"failed: the entry point was killed by {_signal_name(ended['signal'])}"
    if ended.get("exit_code"):
        return f"failed: the entry point ended with exit code {ended['exit_code']}"
    return "failed"


def _active_run_id():
    mlflow = sys.modules.get("mlflow")
    active = mlflow.active_run() if mlflow else None
    return active.info.run_id if active else None


def _program():
    program = os.environ.get("MLRUN") or shutil.which("mlrun")
    if not program:
        raise ExecutionException("the program 'mlrun' was not found on PATH; set MLRUN to its path")
    return program


def _started(start, command, **options):
    try:
        return start(command, **options)
    except OSError as error:
        raise ExecutionException(f"cannot start '{command[0]}': {error.strerror}; set MLRUN to the path of mlrun") from error


def _error_in(stderr):
    """The error in mlrun's output, without the log before it."""
    lines = [_plain(line) for line in stderr.splitlines()]
    starts = [number for number, line in enumerate(lines) if line.startswith("error: ")]
    return "\n".join(lines[starts[0] :]).strip() if starts else None


def _plain(line):
    """The line as without `--log-format json`."""
    try:
        record = json.loads(line)
        message = record["message"]
    except (ValueError, TypeError, KeyError):
        return line
    if record.get("level") != "error" or "event" in record:
        return message
    lines = [f"error: {message}"]
    lines += [f"  caused by: {cause}" for cause in record.get("causes", [])]
    if "hint" in record:
        lines.append(f"hint: {record['hint']}")
    return "\n".join(lines)


def _ending(code):
    if code < 0:
        return f"mlrun was killed by {_signal_name(-code)}"
    if code > 128:
        return f"mlrun was interrupted by {_signal_name(code - 128)}"
    return f"mlrun ended with exit code {code}"


def _signal_name(number):
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
