"""Step 1: downloads the measurements and stores them as the artifact `houses.csv`."""

import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

import mlflow


def read(source):
    parts = urllib.parse.urlsplit(source)
    if parts.scheme in ("", "file") and not parts.netloc:
        return Path(urllib.parse.unquote(parts.path)).read_bytes()
    with urllib.request.urlopen(source, timeout=60) as response:
        return response.read()


def main(source):
    # `mlrun` has created the run and logged the parameters; MLFLOW_RUN_ID is its id.
    with mlflow.start_run(), tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "houses.csv")
        file.write_bytes(read(source))
        mlflow.log_metric("bytes", file.stat().st_size)
        mlflow.log_artifact(str(file))


if __name__ == "__main__":
    main(sys.argv[1])
