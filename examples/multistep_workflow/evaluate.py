"""Step 4: evaluates the model on rows that it has not seen."""

import sys

import mlflow

import model


def main(data, model_uri):
    with mlflow.start_run():
        fitted = model.read(mlflow.artifacts.download_artifacts(model_uri))
        # A `path` is always a local file, whatever the parameter named.
        features, target = model.load(data)
        scores = model.scores(target, model.predict(fitted, features))
        mlflow.log_metrics(scores)
        mlflow.log_text("".join(f"{name} {value:.4f}\n" for name, value in scores.items()), "scores.txt")


if __name__ == "__main__":
    main(*sys.argv[1:])
