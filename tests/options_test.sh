#!/bin/sh
# Every option of every verb that takes a value, found in --help, is given what is no value of it: the call ends with 2, names the flag, and writes nothing.
# usage: options_test.sh PROGRAM [EVERY]: every so many of these calls are made, 1 by default. Under a sanitizer, where a call takes as long to start as thirty
# do without, one in eight: values and flags are 7 and dozens, so each value meets each kind of flag, and the code that parses a kind is the same for all verbs.
set -u
program=$1 every=${2:-1}
. "$(dirname "$0")/expect.sh"
printf '\223NUMPY\001\000v\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }" >x.npy
printf '\000\000\200\077\000\000\000\100\000\000\000\100\000\000\200\077' >>x.npy
mkdir folder
few="--variant layer_norm --tier smoke --check zero_sum --impl reference"
options() { # VERB: flags that take a value, as the help shows them
  # shellcheck disable=SC2086
  "$program" $1 --help | sed -nE 's/^ +(-[a-z],)?(--[a-z-]+) [A-Z].*/\2/p'
}
beside() { # VERB FLAG: what the flag goes with, and what makes a call short if the value should be accepted
  case "$1 $2" in
    "verify --gamma" | "verify --beta" | "verify --eps" | "verify --groups" | "verify --normalized" | "verify --dim" | "verify --bits") echo --input x.npy ;;
    "verify --outputs" | "verify --accumulation") echo --judge folder ;;
    "verify --layer" | "verify --seed") echo --data folder ;;
    "verify --only") echo --vectors folder ;;
    "verify --input" | "verify --data" | "verify --judge" | "verify --vectors" | "verify --hunt" | "verify --case") ;;
    "verify "*) echo "$few" ;;
    soak*) echo --cases 1 ;;
    bench*) echo --shapes transformer --limit 1 --impl naive --variant layer_norm --seconds 1 ;;
    study*) echo --dry-run ;;
    export*) echo new ;;
  esac
}
accepted() { # FLAG VALUE: it is a value; or, for a name, what else the call lacks is said first
  case "$1 $2" in
    --json* | --junit* | --html* | --csv* | --replay* | --accept-write* | --out\ *) case $2 in */*) return 1 ;; *) return 0 ;; esac ;;
    --outputs* | --only* | "--eps 99999999999999999999" | --filter*) return 0 ;;
    *) return 1 ;;
  esac
}
calls=0 kept=0
for verb in verify soak bench list export "study noise" "study scale" "study adaptation" "study small-batch"; do
  for flag in $(options "$verb"); do
    others=$(beside "$verb" "$flag" | sed -E "s/(^| )$flag [^ ]*//")
    for value in "" -1 nan inf 1e400 99999999999999999999 absent/file; do
      [ "$flag" = --out ] && [ -n "$value" ] && continue
      [ -n "$value" ] && accepted "$flag" "$value" && continue
      calls=$((calls + 1))
      [ $((calls % every)) = 0 ] || continue
      kept=$((kept + 1))
      # shellcheck disable=SC2086
      out=$(timeout 20 "$program" $verb $others "$flag" "$value" 2>&1 </dev/null)
      got=$?
      [ $got = 2 ] || complain "'$verb $others $flag $value' ended with $got: $(echo "$out" | tail -n 1)"
      case $out in *"$flag"*) ;; *) complain "'$verb $others $flag $value' does not name the flag: $out" ;; esac
    done
  done
done
[ $calls -gt 400 ] && [ $((kept * every)) -gt 400 ] || complain "only $calls calls, $kept of them made: --help has another form"
[ "$(echo *)" = "folder x.npy" ] || complain "something was written: $(echo *)"
exit $failed
