"""Runs every fold, some at a time, and logs the mean and the spread of their scores."""

import argparse
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

PROJECT = Path(__file__).resolve().parent
sys.path.insert(0, str(PROJECT.parent / "python_driver"))
import mlrun_projects  # noqa: E402


def run_fold(fold, arguments, parent):
    parameters = {"fold": fold, "folds": arguments.folds, "alpha": arguments.alpha}
    # The folds have the same requirements as this program, so they share its environment.
    return mlrun_projects.run(
        PROJECT, "fold", parameters, env_manager="local", run_name=f"fold {fold}", parent_run_id=parent
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, required=True)
    parser.add_argument("--alpha", type=float, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    arguments = parser.parse_args()
    client = MlflowClient()
    with mlflow.start_run() as whole:
        parent = whole.info.run_id
        with ThreadPoolExecutor(arguments.parallel) as threads:
            runs = list(threads.map(lambda fold: run_fold(fold, arguments, parent), range(arguments.folds)))
        scores = [client.get_run(run.run_id).data.metrics for run in runs]
        for name in ("rmse", "r2"):
            values = [score[name] for score in scores]
            mlflow.log_metric(f"{name}_mean", statistics.mean(values))
            mlflow.log_metric(f"{name}_deviation", statistics.pstdev(values))
            print(f"{name}: {statistics.mean(values):.4f} ± {statistics.pstdev(values):.4f}")
        table = {"run": [run.run_id for run in runs], "rmse": [score["rmse"] for score in scores]}
        mlflow.log_dict(table, "folds.json")


if __name__ == "__main__":
    main()
