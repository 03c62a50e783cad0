#!/bin/sh
# A plug-in whose results are right, and what it does beside them, through the program. usage: careless_test.sh PROGRAM CARELESS.so
set -u
program=$1 careless=$2
. "$(dirname "$0")/expect.sh"
case="rms_norm careless f32 nchw train 3x7x5 seed=1"

# Right, and what is kept once is nothing that is kept from call to call.
for option in fine caches; do
  expect 0 " 0 failed, 0 unresolved" verify --plugin "$careless:$option" --variant rms_norm --check contracts,repeat,accuracy --tier smoke
done
expect 0 "process state" verify --plugin "$careless:fine" --case "$case check=contracts"

# Where and of which call, in whatever check makes it.
where() { # OPTION TEXT
  expect 1 "$2" verify --plugin "$careless:$1" --case "$case check=contracts"
  expect 1 "$2" verify --plugin "$careless:$1" --variant rms_norm --check accuracy --dtype f32 --layout nchw --tier smoke
}
where reads_past_x "x: forward (call 1) read byte 1 after its end"
where reads_before_x "x: forward (call 1) read byte 4 before its begin"
where reads_past_gamma "gamma: forward (call 1) read byte 1 after its end"
where reads_past_dy "dy: backward (call 2) read byte 1 after its end"
where restores_x "x: forward (call 1) wrote byte 0 of it, an input"
where restores_rstd "rstd: backward (call 2) wrote byte 0 of it, an input"
where restores_before_y "y: forward (call 1) read byte 4 before its begin"
expect 1 "x: forward (call 1) read byte 1 after its end" verify --plugin "$careless:reads_past_odd" --case "$case check=contracts"
expect 1 "was read after its call had ended: other x of" verify --plugin "$careless:reads_earlier_x" --case "$case check=contracts"

# What is left behind is put back, so that one case is not that of the next.
leaves() { # OPTION TEXT
  expect 1 "FAIL contracts $2" verify --plugin "$careless:$1" --case "$case check=contracts"
  expect 1 "FAIL accuracy $2" verify --plugin "$careless:$1" --case "$case check=accuracy"
}
leaves rounding "floating-point environment"
leaves locale "locale"
leaves directory "current directory"
leaves signal "signal handlers"
leaves alarm "timers"
leaves environment "environment variables"
leaves umask "umask"
leaves child "child processes"   # in another session
expect 1 "loading it: rounding upward" verify --plugin "$careless:rounding_at_load" --case "$case check=contracts"
case $out in *"; left behind by loading the plug-in"*) ;; *) complain "by whom: $out" ;; esac
[ "$(uname -m)" != x86_64 ] || leaves traps "floating-point environment"
for option in keeps keeps_history keeps_of_plan descriptor; do
  expect 1 "FAIL contracts kept from call to call" verify --plugin "$careless:$option" --case "$case check=contracts"
done

# What the diagnosis says beside the numbers: what comes out when a case is run again, alone or behind others.
diagnosed() { # OPTION CHECKS TIER TEXT...
  option=$1 checks=$2 tier=$3
  shift 3
  expect 1 "diagnosis:" verify --plugin "$careless:$option" --variant rms_norm --dtype f32 --layout nchw --check "$checks" --tier "$tier"
  for text in "$@"; do case $out in *"$text"*) ;; *) complain "$option: no '$text' in $out" ;; esac; done
}
diagnosed keys_without_eps accuracy,reuse ci "1. careless: depends on earlier calls of the process: y, " "FAIL reuse other plans" \
  "again: y of rms_norm careless f32 nchw train " "it holds when its case is run alone, and fails behind rms_norm careless f32 nchw "
diagnosed by_the_clock accuracy smoke "1. careless: dx: " "again: differs from run to run"
diagnosed wrong_in_place tiled ci "; called in place, y over x; not in place it holds"
expect 1 "subsets that differ: error 2, bound 0 at dgamma differs when asked for dgamma; dgamma differs when asked for dgamma and dbeta" verify --plugin "$careless:dgamma_alone" --case "$case check=gradient_masks"

# What it has started ends with it, in a session of its own too.
marked() { for p in /proc/[0-9]*; do grep -qz "^CARELESS_MARK=$$" "$p/environ" 2>/dev/null && [ "${p#/proc/}" != $$ ] && case $(cat "$p/cmdline" | tr '\0' ' ') in *" worker "*) echo "$p" ;; esac; done; }
export CARELESS_MARK=$$
expect 1 "killed by SIGABRT" verify --plugin "$careless:child_of_the_dead" --case "$case check=accuracy"
[ -z "$(marked)" ] || complain "children outlive the run: $(marked)"

# Slow by processor time; given up on where cases without a result have taken too long.
expect 1 "did not end within 1 s of processor time" verify --plugin "$careless:spins" --case "$case check=accuracy" --timeout 1
expect 1 "given up" verify --plugin "$careless:dies_slowly" --variant rms_norm --check accuracy --threads 1 --timeout 2 --json given_up.json
grep -q "cases without a result took more than 12 s" given_up.json || complain "given_up.json does not say when"

[ $failed = 0 ] && echo "all as expected"
exit $failed
