"""Fits a line to points by gradient descent, and logs the loss of every step."""

import argparse
import pathlib
import tempfile

import mlflow

POINTS = [(x, 3.0 * x - 1.0) for x in (-1.0, -0.5, 0.0, 0.5, 1.0)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--steps", type=int, required=True)
    arguments = parser.parse_args()
    slope = offset = 0.0
    # This is the run that mlrun created outside of the container.
    with mlflow.start_run():
        for step in range(arguments.steps):
            errors = [(slope * x + offset - y, x) for x, y in POINTS]
            mlflow.log_metric("loss", sum(error**2 for error, _ in errors) / len(errors), step=step)
            slope -= arguments.learning_rate * sum(error * x for error, x in errors)
            offset -= arguments.learning_rate * sum(error for error, _ in errors)
        with tempfile.TemporaryDirectory() as directory:
            model = pathlib.Path(directory, "model.txt")
            model.write_text(f"y = {slope:.3f} x + {offset:.3f}\n")
            mlflow.log_artifact(str(model))
    print(f"y = {slope:.3f} x + {offset:.3f}")


if __name__ == "__main__":
    main()
