#!/bin/sh
# The four steps as a shell script: workflow.sh [ALPHA]
# The `--run-info` file of each step says where its artifacts are.
set -eu
project=$(cd "$(dirname "$0")" && pwd)
alpha=${1:-0.1}
info=$(mktemp -d)
trap 'rm -rf "$info"' EXIT

# step ENTRY_POINT [-P NAME=VALUE]...
step() {
  mlrun run "$project" --env-manager "${ENV_MANAGER:-local}" --run-info "$info/$1.json" --run-name "$1" -e "$@"
}

# artifact ENTRY_POINT NAME
artifact() {
  echo "$(sed -n 's/^ *"artifact_uri": "\(.*\)",*$/\1/p' "$info/$1.json")/$2"
}

step download
step prepare -P raw="$(artifact download houses.csv)"
step train -P data="$(artifact prepare train.csv)" -P alpha="$alpha"
step evaluate -P data="$(artifact prepare test.csv)" -P model="$(artifact train model.json)"
