# Adds up the Leibniz series, which comes near to pi, and tells which run it belongs to.
echo "run $MLFLOW_RUN_ID"
awk -v points="$1" 'BEGIN {
  for (n = 0; n < points; n++) sum += (n % 2 ? -4 : 4) / (2 * n + 1)
  printf "pi is about %.4f\n", sum
}'
