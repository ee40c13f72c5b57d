"""`mlflow.projects.run` on top of the program `mlrun`. Needs nothing but Python.

    run = mlrun_projects.run(".", "train", {"alpha": 0.5}, synchronous=False)
    print(run.run_id, run.get_status())
    run.wait()

Runs are nested in MLflow's active run, or in `parent_run_id`. Give that in threads, which see no active
run of another thread.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time


class ExecutionException(Exception):
    """A run that did not end well, or could not be started."""


class SubmittedRun:
    """A run that has been started. It is in the tracking store from the beginning."""

    def __init__(self, process, directory):
        self._process = process
        self._directory = directory
        self.info = self._wait_for_start()

    @property
    def run_id(self):
        return self.info["run_id"]

    def wait(self):
        """Waits for the end; whether the run succeeded."""
        code = self._process.wait()
        self._read_info()
        self._directory.cleanup()
        return code == 0

    def get_status(self):
        """`RUNNING`, `FINISHED`, `FAILED` or `KILLED`."""
        if self._process.poll() is not None:
            self._read_info()
        return self.info["status"]

    def cancel(self):
        """Ends all that the run has started, wherever that is. The run becomes `KILLED`."""
        cancelled = subprocess.run([_program(), "cancel", self.run_id], capture_output=True, text=True)
        if cancelled.returncode != 0:
            if self._process.poll() is not None:
                raise ExecutionException(cancelled.stderr.strip())
            # Where `mlrun cancel` cannot find processes, as outside of Linux.
            self._process.terminate()
        self.wait()

    def _wait_for_start(self):
        # `mlrun` writes the file when the run is in the store, and again when it has ended.
        while not self._read_info():
            if self._process.poll() is not None and not self._read_info():
                self._directory.cleanup()
                raise ExecutionException(f"no run was started (exit code {self._process.returncode})")
            time.sleep(0.01)
        return self.info

    def _read_info(self):
        try:
            self.info = json.loads(pathlib.Path(self._directory.name, "run.json").read_text())
        except FileNotFoundError:
            return False
        return True


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
    """Runs a project. The arguments are those of `mlflow.projects.run`; `options` are more of `mlrun run`."""
    directory = tempfile.TemporaryDirectory(prefix="mlrun-run-info-")
    command = [_program(), "run", str(uri), "--run-info", os.path.join(directory.name, "run.json")]
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
    # `mlflow.start_run()` takes the variable away that would tell.
    variables = os.environ | ({"MLFLOW_RUN_ID": parent} if parent else {})
    submitted = SubmittedRun(subprocess.Popen(command, env=variables), directory)
    if synchronous and not submitted.wait():
        raise ExecutionException(f"run (ID '{submitted.run_id}') of entry point '{entry_point}' failed")
    return submitted


def _active_run_id():
    mlflow = sys.modules.get("mlflow")
    active = mlflow.active_run() if mlflow else None
    return active.info.run_id if active else None


def _program():
    program = os.environ.get("MLRUN") or shutil.which("mlrun")
    if not program:
        raise ExecutionException("there is no program 'mlrun' on PATH; set MLRUN to where it is")
    return program
