#!/bin/sh
# Builds the fuzzers and runs them one after the other. usage: run.sh [TARGET...] [SECONDS]; ./dev fuzz calls it.
set -u
cd "$(dirname "$(readlink -f -- "$0")")/../.." || exit 1
targets="npy npz idx json case"
refuse() { echo "dev: fuzz: $*" >&2; exit 2; }

chosen= seconds=60
for argument; do
  case $argument in
    '' | 0*) refuse "'$argument' seconds; a number of at least 1 is accepted" ;;
    *[!0-9]*) case " $targets " in *" $argument "*) chosen="$chosen $argument" ;; *) refuse "unknown target '$argument'; accepted: $targets" ;; esac ;;
    *) seconds=$argument ;;
  esac
done
[ -n "$chosen" ] || chosen=$targets
./dev build --preset fuzz || exit

fuzz() { # TARGET: what it finds is in build/fuzz/found, what it learns in build/fuzz/corpus
  program=build/fuzz/normlab_fuzz_$1 log=build/fuzz-$1.log
  corpus=build/fuzz/corpus/$1 found=build/fuzz/found
  mkdir -p "$corpus" "$found" || exit 1
  target=$1
  set -- "$corpus" "tests/fuzz/seeds/$1"
  [ ! -d ../shared/vectors ] || case $target in npy | json) set -- "$@" ../shared/vectors ;; esac
  [ ! -t 2 ] || echo "fuzz: $target: $seconds s" >&2
  if "$program" "-max_total_time=$seconds" -timeout=20 -rss_limit_mb=4096 -print_final_stats=1 "-artifact_prefix=$found/$target-" "$@" >"$log" 2>&1 </dev/null; then
    echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s, nothing found;" \
      "coverage $(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)"
    return 0
  fi
  tail -n 30 "$log" >&2
  echo "fuzz: $target: found a crash (whole log: $log)"
  sed -n "s|.*Test unit written to \(.*\)|  rerun: $program \1|p" "$log"
  return 1
}

failed=0
for target in $chosen; do fuzz "$target" || failed=1; done
exit $failed
