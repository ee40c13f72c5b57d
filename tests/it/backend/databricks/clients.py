"""Independent clients of a Databricks workspace: databricks-sdk and databricks-cli."""

import io
import json
import subprocess
import sys

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError
from databricks.sdk.service import compute, jobs
from databricks.sdk.service.workspace import ImportFormat

CLI = sys.argv[1]


def cli(*arguments):
    done = subprocess.run([CLI, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"databricks {arguments}: {done.stdout}{done.stderr}")
    return done.stdout


def check(what, condition):
    if not condition:
        raise SystemExit(f"failed: {what}")


client = WorkspaceClient()
check("me", client.current_user.me().user_name == "user@example.com")

# DBFS: what one client writes, the other reads, in blocks of a mebibyte.
contents = bytes(range(256)) * 10_000
with client.dbfs.open("/tests/sdk.bin", write=True, overwrite=True) as file:
    file.write(contents)
with client.dbfs.open("/tests/sdk.bin", read=True) as file:
    read = b""
    while chunk := file.read(1 << 20):
        read += chunk
check("dbfs round trip", read == contents)
status = client.dbfs.get_status("/tests/sdk.bin")
check("dbfs size", status.file_size == len(contents) and not status.is_dir)
check("dbfs list", [f.path for f in client.dbfs.list("/tests")] == ["/tests/sdk.bin"])
client.dbfs.mkdirs("/tests/deep/er")
try:
    client.dbfs.get_status("/nope")
except DatabricksError as error:
    check("dbfs missing", error.error_code == "RESOURCE_DOES_NOT_EXIST")
else:
    raise SystemExit("a missing file has a status")
cli("fs", "cp", "dbfs:/tests/sdk.bin", "copied.bin")
with open("copied.bin", "rb") as file:
    check("cli copies from", file.read() == contents)
cli("fs", "cp", "copied.bin", "dbfs:/tests/cli.bin")
check("cli lists", sorted(cli("fs", "ls", "dbfs:/tests").split()) == ["cli.bin", "deep", "sdk.bin"])
cli("fs", "mv", "dbfs:/tests/cli.bin", "dbfs:/tests/moved.bin")
check("cli moves", client.dbfs.get_status("/tests/moved.bin").file_size == len(contents))
cli("fs", "rm", "-r", "dbfs:/tests")

# Volumes and files of the workspace.
volume = "/Volumes/main/default/models"
client.files.create_directory(f"{volume}/a/b")
client.files.upload(f"{volume}/a/b/c d.bin", io.BytesIO(b"volume"), overwrite=True)
check("volume", client.files.download(f"{volume}/a/b/c d.bin").contents.read() == b"volume")
check("volume size", client.files.get_metadata(f"{volume}/a/b/c d.bin").content_length == 6)
client.workspace.mkdirs("/Users/user@example.com/dir")
path = "/Users/user@example.com/dir/file.bin"
client.workspace.upload(path, io.BytesIO(b"\r\n--workspace\r\n"), format=ImportFormat.AUTO, overwrite=True)
check("workspace", client.workspace.get_status(path).size == 15)

# Jobs: one submitted by each, each followed by the other.
submitted = client.jobs.submit(
    run_name="by the SDK",
    tasks=[
        jobs.SubmitTask(
            task_key="main",
            new_cluster=compute.ClusterSpec(spark_version="15.4.x-scala2.12", num_workers=1, node_type_id="i3.xlarge"),
            spark_python_task=jobs.SparkPythonTask(python_file="dbfs:/x.py"),
        )
    ],
).response
cli("jobs", "configure", "--version=2.0")
states = [json.loads(cli("runs", "get", "--run-id", str(submitted.run_id)))["state"]["life_cycle_state"] for _ in range(3)]
check(f"states {states}", states == ["PENDING", "RUNNING", "TERMINATED"])
body = {
    "run_name": "by the CLI",
    "new_cluster": {"spark_version": "15.4.x-scala2.12", "num_workers": 1, "node_type_id": "i3.xlarge"},
    "spark_python_task": {"python_file": "dbfs:/x.py"},
}
run_id = json.loads(cli("runs", "submit", "--json", json.dumps(body)))["run_id"]
run = client.jobs.wait_get_run_job_terminated_or_skipped(run_id)
check("result", run.state.result_state == jobs.RunResultState.SUCCESS)
cli("runs", "get-output", "--run-id", str(run_id))
run_id = json.loads(cli("runs", "submit", "--json", json.dumps(body)))["run_id"]
client.jobs.cancel_run(run_id)
run = client.jobs.wait_get_run_job_terminated_or_skipped(run_id)
check("canceled", run.state.result_state == jobs.RunResultState.CANCELED)
body["new_cluster"]["no_such_field"] = 1
refused = subprocess.run([CLI, "runs", "submit", "--json", json.dumps(body)], capture_output=True, text=True, check=False)
check("strict", refused.returncode != 0 and "no_such_field" in refused.stdout + refused.stderr)

# A service principal.
import os

environment = dict(os.environ)
for name in ("DATABRICKS_TOKEN",):
    environment.pop(name)
program = "from databricks.sdk import WorkspaceClient; print(WorkspaceClient().current_user.me().user_name)"
environment.update(DATABRICKS_CLIENT_ID=sys.argv[2], DATABRICKS_CLIENT_SECRET=sys.argv[3])
done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
check("service principal", done.stdout == "user@example.com\n")
print("well")
