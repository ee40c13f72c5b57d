"""Step 3: fits a model and stores it as the artifact `model.json`."""

import argparse
import tempfile
from pathlib import Path

import mlflow

import model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--alpha", type=float, required=True)
    arguments = parser.parse_args()
    with mlflow.start_run(), tempfile.TemporaryDirectory() as directory:
        # A `uri` is passed unchanged, so the program downloads it itself.
        features, target = model.load(mlflow.artifacts.download_artifacts(arguments.data))
        fitted = model.fit(features, target, arguments.alpha)
        mlflow.log_metrics(model.scores(target, model.predict(fitted, features)))
        file = Path(directory, "model.json")
        model.write(fitted, file)
        mlflow.log_artifact(str(file))


if __name__ == "__main__":
    main()
