"""A real MLflow client that makes and reads tracking stores for the tests.

Reads a line `make URI` or `read URI` on standard input and answers each with a line of JSON: the
experiments and runs that the store holds, deleted ones too.
"""

import json
import sys

from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient


def read_run(client, run):
    info = run.info
    return {
        "run_id": info.run_id,
        "experiment": client.get_experiment(info.experiment_id).name,
        "name": info.run_name,
        "status": info.status,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "lifecycle_stage": info.lifecycle_stage,
        "artifact_uri": info.artifact_uri,
        "user": info.user_id,
        "params": run.data.params,
        "tags": run.data.tags,
        "metrics": run.data.metrics,
    }


def main():
    # Only the answers may go where the answers go.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        action, uri = line.rstrip("\n").split(" ", 1)
        client = MlflowClient(uri)
        if action == "make":
            experiment = client.create_experiment("made before")
            run = client.create_run(experiment, tags={"mlflow.source.type": "LOCAL"})
            client.log_param(run.info.run_id, "before", "yes")
            client.set_terminated(run.info.run_id)
        experiments = client.search_experiments(view_type=ViewType.ALL)
        runs = client.search_runs([e.experiment_id for e in experiments], run_view_type=ViewType.ALL)
        runs.sort(key=lambda run: run.info.start_time)
        answer = {
            "experiments": {e.name: e.artifact_location for e in experiments},
            "runs": [read_run(client, client.get_run(run.info.run_id)) for run in runs],
        }
        print(json.dumps(answer), file=answers, flush=True)


main()
