#!/bin/sh
# Estimates pi: the share of random points of the unit square that lie in the quarter circle, times four.
# Usage: estimate_pi.sh POINTS SEED
awk -v points="$1" -v seed="$2" 'BEGIN {
  srand(seed)
  for (i = 0; i < points; i++) {
    x = rand(); y = rand()
    if (x * x + y * y <= 1) inside++
  }
  printf "pi is about %.5f (%d points)\n", 4 * inside / points, points
}'
