"""Tries learning rates in parallel, cancels runs that are worse than the others, and tags the best one."""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

PROJECT = Path(__file__).resolve().parent
sys.path.insert(0, str(PROJECT.parent / "python_driver"))
import mlrun_projects  # noqa: E402

# How many losses a run must log before it is judged.
WARM_UP = 3


def losses(client, run_id):
    """The losses that a run has logged so far, by epoch."""
    return {metric.step: metric.value for metric in client.get_metric_history(run_id, "loss")}


def is_bad(own, others):
    """Whether a run diverges, or was never as good as half of the others at the same epoch."""
    if len(own) < WARM_UP:
        return False
    last = max(own)
    if not math.isfinite(own[last]) or own[last] > own[min(own)]:
        return True
    rivals = [min(value for epoch, value in other.items() if epoch <= last) for other in others if last in other]
    return len(rivals) >= WARM_UP and min(own.values()) > statistics.median(rivals)


def search(client, rates, parallel, epochs):
    """Runs all rates and returns the losses of every run by its id."""
    waiting, active, seen = list(rates), [], {}
    while waiting or active:
        while waiting and len(active) < parallel:
            parameters = {"learning_rate": waiting.pop(0), "epochs": epochs}
            # The runs have the same requirements as this program, so they share its environment.
            run = mlrun_projects.run(
                PROJECT, "train", parameters, env_manager="local", synchronous=False, options=["--quiet"]
            )
            active.append(run)
        for run in list(active):
            has_ended = run.get_status() != "RUNNING"
            seen[run.run_id] = losses(client, run.run_id)
            others = [other for run_id, other in seen.items() if run_id != run.run_id]
            if has_ended:
                run.wait()
                active.remove(run)
            elif is_bad(seen[run.run_id], others):
                print(f"cancelling {run.run_id} after {len(seen[run.run_id])} epochs")
                run.cancel()
                active.remove(run)
        time.sleep(0.1)
    return seen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rates", required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    arguments = parser.parse_args()
    client = MlflowClient()
    with mlflow.start_run() as parent:
        rates = [float(rate) for rate in arguments.learning_rates.split()]
        runs = [client.get_run(run_id) for run_id in search(client, rates, arguments.parallel, arguments.epochs)]
        finished = [run for run in runs if run.info.status == "FINISHED"]
        if not finished:
            sys.exit("no run finished")
        best = min(finished, key=lambda run: run.data.metrics["loss"])
        client.set_tag(parent.info.run_id, "best_run", best.info.run_id)
        client.set_tag(parent.info.run_id, "best_learning_rate", best.data.params["learning_rate"])
        mlflow.log_metrics(
            {"best_loss": best.data.metrics["loss"], "finished": len(finished), "runs": len(runs)}
        )
    print(f"best: learning rate {best.data.params['learning_rate']}, loss {best.data.metrics['loss']:.4f}")


if __name__ == "__main__":
    main()
