"""Runs the four steps one after the other, each as a run inside this one.

The results of a step reach the next one through the tracking API.
"""

import argparse
import sys
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

PROJECT = Path(__file__).resolve().parent
sys.path.insert(0, str(PROJECT.parent / "python_driver"))
import mlrun_projects  # noqa: E402


def step(entry_point, **parameters):
    # The steps have the same requirements as this program, so they share its environment.
    return mlrun_projects.run(PROJECT, entry_point, parameters, env_manager="local", run_name=entry_point)


def artifact(run, name):
    return f"{MlflowClient().get_run(run.run_id).info.artifact_uri}/{name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="file:houses.csv")
    parser.add_argument("--alpha", type=float, default=0.1)
    arguments = parser.parse_args()
    with mlflow.start_run() as workflow:
        downloaded = step("download", source=arguments.source)
        prepared = step("prepare", raw=artifact(downloaded, "houses.csv"))
        trained = step("train", data=artifact(prepared, "train.csv"), alpha=arguments.alpha)
        evaluated = step(
            "evaluate", data=artifact(prepared, "test.csv"), model=artifact(trained, "model.json")
        )
        metrics = MlflowClient().get_run(evaluated.run_id).data.metrics
        mlflow.log_metrics(metrics)
        mlflow.set_tag("model_run", trained.run_id)
    print(f"workflow {workflow.info.run_id}: r2 = {metrics['r2']:.4f}")


if __name__ == "__main__":
    main()
