"""Predicts the alcohol of a wine from its other measurements, with an elastic net."""

import argparse
import os
import tempfile

import joblib
import mlflow
from sklearn.datasets import load_wine
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alpha", type=float, required=True, help="strength of the regularization")
    parser.add_argument("--l1-ratio", type=float, required=True, help="share of the L1 penalty, 0 to 1")
    return parser.parse_args()


def load_measurements():
    """Twelve measurements of each of 178 wines, and their alcohol in percent."""
    wines = load_wine(as_frame=True).data
    return train_test_split(wines.drop(columns="alcohol"), wines["alcohol"], test_size=0.25, random_state=42)


def main():
    arguments = read_arguments()
    train_x, test_x, train_y, test_y = load_measurements()
    model = make_pipeline(
        StandardScaler(), ElasticNet(alpha=arguments.alpha, l1_ratio=arguments.l1_ratio, random_state=42)
    )
    # `mlrun` has created the run and logged the parameters; MLFLOW_RUN_ID is its id.
    with mlflow.start_run():
        model.fit(train_x, train_y)
        predicted = model.predict(test_x)
        metrics = {
            "rmse": root_mean_squared_error(test_y, predicted),
            "mae": mean_absolute_error(test_y, predicted),
            "r2": r2_score(test_y, predicted),
        }
        mlflow.log_metrics(metrics)
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "model.joblib")
            joblib.dump(model, path)
            mlflow.log_artifact(path)
    print(" ".join(f"{name}={value:.4f}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
