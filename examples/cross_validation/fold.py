"""Fits a model to all parts of the data but one, and logs how well it does on that one."""

import argparse

import mlflow
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import KFold


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fold", type=int, required=True)
    parser.add_argument("--folds", type=int, required=True)
    parser.add_argument("--alpha", type=float, required=True)
    arguments = parser.parse_args()
    features, target = load_diabetes(return_X_y=True)
    parts = list(KFold(arguments.folds, shuffle=True, random_state=1).split(features))
    train, test = parts[arguments.fold]
    with mlflow.start_run():
        model = Ridge(arguments.alpha).fit(features[train], target[train])
        predicted = model.predict(features[test])
        mlflow.log_metrics(
            {
                "rmse": root_mean_squared_error(target[test], predicted),
                "r2": r2_score(target[test], predicted),
                "rows": len(test),
            }
        )


if __name__ == "__main__":
    main()
