"""Fits a line through noisy points by gradient descent, and logs the loss of every epoch."""

import argparse
import time

import mlflow
import numpy


def points(seed, count=200):
    random = numpy.random.default_rng(seed)
    features = random.normal(size=(count, 5)) * [1, 2, 3, 1, 2]
    return features, features @ [1.0, -2.0, 0.5, 3.0, -1.0] + random.normal(scale=0.3, size=count)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning-rate", type=float, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    arguments = parser.parse_args()
    (features, target), (test_features, test_target) = points(seed=1), points(seed=2)
    weights = numpy.zeros(features.shape[1])
    with mlflow.start_run():
        for epoch in range(arguments.epochs):
            gradient = features.T @ (features @ weights - target) / len(target)
            weights -= arguments.learning_rate * gradient
            loss = float(((test_features @ weights - test_target) ** 2).mean())
            mlflow.log_metric("loss", loss, step=epoch)
            time.sleep(0.2)  # real epochs take longer


if __name__ == "__main__":
    main()
