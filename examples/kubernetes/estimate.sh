# Approximates pi by the Leibniz series, and prints the id of its run.
echo "run $MLFLOW_RUN_ID"
awk -v points="$1" 'BEGIN {
  for (n = 0; n < points; n++) sum += (n % 2 ? -4 : 4) / (2 * n + 1)
  printf "pi is about %.4f\n", sum
}'
