#!/bin/sh
# Steps per second of speed.cpp and, where it is built, of speed_libtorch.cpp, one after the other and again; median, least and most.
#   studies/nn/speed.sh [BUILD_FOLDER [REPEATS]]
set -eu
folder=${1:-build/release} repeats=${2:-9}
results=$(mktemp)
trap 'rm -f "$results"' EXIT
for activation in relu sigmoid; do
  for _ in $(seq "$repeats"); do
    echo "$activation normlab,1_thread $("$folder/normlab_nn_speed" $activation)"
    [ -x "$folder/normlab_nn_speed_libtorch" ] || continue
    echo "$activation libtorch,1_thread $(OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$folder/normlab_nn_speed_libtorch" $activation 2000 1)"
    echo "$activation libtorch,default_threads $("$folder/normlab_nn_speed_libtorch" $activation 2000 0)"
  done
done >"$results"
cut -d' ' -f1,2 "$results" | sort -u | while read -r activation who; do
  grep "^$activation $who " "$results" | cut -d' ' -f3 | sort -n |
    awk -v name="$activation $who" '{ v[NR] = $1 } END { printf "%-32s %6d steps/s (%d to %d, %d runs)\n", name, v[int((NR + 1) / 2)], v[1], v[NR], NR }'
done
