"""Descends a parabola and records each step in the project's run."""

import argparse

import mlflow


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alpha", type=float, default=0.5)
    parser.add_argument("--steps", type=float, default=10)
    arguments = parser.parse_args()
    with mlflow.start_run():
        x = 10.0
        for step in range(int(arguments.steps)):
            x -= arguments.alpha * 2 * x * 0.1
            mlflow.log_metric("loss", x * x, step=step)
        print(f"the minimum is near {x:.3f}")


if __name__ == "__main__":
    main()
