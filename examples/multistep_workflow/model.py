"""Predicts the last column of a table from the others, by a ridge regression."""

import json

import numpy


def load(path):
    table = numpy.loadtxt(path, delimiter=",", skiprows=1)
    return table[:, :-1], table[:, -1]


def fit(features, target, alpha):
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    scaled = (features - mean) / deviation
    weights = numpy.linalg.solve(
        scaled.T @ scaled + alpha * numpy.eye(scaled.shape[1]), scaled.T @ (target - target.mean())
    )
    model = {"mean": mean, "deviation": deviation, "weights": weights}
    return {name: values.tolist() for name, values in model.items()} | {"offset": float(target.mean())}


def predict(model, features):
    return (features - model["mean"]) / model["deviation"] @ model["weights"] + model["offset"]


def scores(target, predicted):
    errors = target - predicted
    return {
        "rmse": float(numpy.sqrt((errors**2).mean())),
        "r2": float(1 - (errors**2).sum() / ((target - target.mean()) ** 2).sum()),
    }


def read(path):
    with open(path) as file:
        return json.load(file)


def write(model, path):
    with open(path, "w") as file:
        json.dump(model, file, indent=1)
