"""Step 2: drops incomplete rows and splits the rest into the artifacts `train.csv` and `test.csv`."""

import argparse
import csv
import random
import tempfile
from pathlib import Path

import mlflow


def write(path, header, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("raw")
    parser.add_argument("--test-share", type=float, required=True)
    arguments = parser.parse_args()
    with open(arguments.raw, newline="") as file:
        header, *rows = csv.reader(file)
    complete = [row for row in rows if all(row)]
    random.Random(1).shuffle(complete)
    tests = round(len(complete) * arguments.test_share)
    with mlflow.start_run(), tempfile.TemporaryDirectory() as directory:
        write(Path(directory, "test.csv"), header, complete[:tests])
        write(Path(directory, "train.csv"), header, complete[tests:])
        mlflow.log_metrics({"rows": len(complete), "dropped": len(rows) - len(complete)})
        mlflow.log_artifacts(directory)


if __name__ == "__main__":
    main()
