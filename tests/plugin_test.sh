#!/bin/sh
# Plug-ins that behave, and ones that do not, through the program. usage: plugin_test.sh PROGRAM HOSTILE.so
set -u
program=$1 hostile=$2
. "$(dirname "$0")/expect.sh"
two="layer_norm hostile f64 nchw train 2x8x3 seed=1 check=accuracy"
three="layer_norm hostile f64 nchw train 3x8x3 seed=1 check=accuracy"

# Right, as built for another minor version too.
for option in fine newer older; do
  expect 0 "0 failed" verify --plugin "$hostile:$option" --case "$three"
done
expect 0 "hostile" list --plugin "$hostile"
expect 0 " 0 failed, 0 unresolved" verify --plugin "$hostile" --tier smoke --check accuracy,contracts,repeat,isolation,zero_sum,kappa_slope

# What is no plug-in, or not for this program.
expect 2 "absent.so: No such file" verify --plugin absent.so
echo nonsense > text.so
expect 2 "cannot be loaded" verify --plugin ./text.so
expect 2 "version 2.0" list --plugin "$hostile:major"
expect 2 "up to and with backward" list --plugin "$hostile:short"
expect 2 "create is null" list --plugin "$hostile:incomplete"
expect 2 "'Hostile Norm'" list --plugin "$hostile:name"
expect 2 "named cpu is registered already" list --plugin "$hostile:cpu"
expect 2 "options 'none'" list --plugin "$hostile:none"
expect 1 "loading it killed by SIGSEGV" list --plugin "$hostile:load"
expect 2 "--timeout 0" verify --plugin "$hostile" --timeout 0

# What a case does to the process is reported with that case; the others run, and the line that reruns it does.
dies() { # OPTION TEXT [ARGS]
  option=$1 text=$2
  shift 2
  expect 1 "$text" verify --plugin "$hostile:$option" --case "$three" --case "$two" "$@"
  line="--plugin $hostile:$option --case \"$three\""
  case $out in *"$line"*) ;; *) complain "$option: no line that reruns it: $out" ;; esac
  case $out in *" 1 failed"*) ;; *) complain "$option: not one failure: $out" ;; esac
  "$program" verify --plugin "$hostile:$option" --case "$two" > /dev/null || complain "$option: the other case does not hold"
}
dies segv "killed by SIGSEGV"
dies fpe "killed by SIGFPE"
dies abort "it printed: assertion failed: N != 3"
dies exit "ended the process with exit status 7"
dies_late() { # OPTION TEXT: on a busy machine the case that ends may take more than the first limit, in seconds
  for limit in 2 10 50; do
    (failed=0; dies "$1" "$2" --timeout $limit; exit $failed) 2>late.txt && return
  done
  complain "$(cat late.txt)"
}
dies_late loop "it used no processor"
dies_late prints "; it printed: 00000"
dies refuse "no memory for three samples"
dies beyond "y: forward (call 1) wrote byte 1 after its end"
dies workspace "hostile asks for 4611686018427387904 bytes of workspace"
dies saved "hostile asks for 4611686018427387904 bytes of saved values"
# Bytes where the answer is expected are believed to be none, and the worker that sent them is asked no more.
dies babbles "sent what is no answer"
dies floods "one of more than 67108864 bytes"
expect 0 " 0 failed, 0 unresolved" verify --plugin "$hostile" --variant layer_norm --check empty   # which is asked about no empty tensor

# Bytes that are no UTF-8, in what it says and in its file's name, end no report.
latin1=$(printf 'caf\351.so')
cp "$hostile" "$latin1"
expect 0 "hostile" list --plugin "./$latin1:latin1" --json list.json
expect 1 "pas de m" verify --plugin "./$latin1:latin1" --case "$three" --case "$two" --json said.json --junit said.xml --html said.html
grep -q "$(printf 'pas de m\357\277\275moire')" said.json || complain "said.json is no UTF-8"
expect 1 "compared" verify --plugin "./$latin1:latin1" --case "$three" --case "$two" --baseline said.json   # which reads it
expect 1 "SIGSEGV" verify --plugin "$hostile:segv" --tier smoke --check accuracy,zero_sum --dtype f64

# What is printed, 8 MB or without end, is read away and kept nowhere: no file, in memory neither, grows beyond a MiB.
expect 0 " 0 failed" verify --plugin "$hostile:chatty" --case "$three"
(ulimit -f 2048 && exec "$program" verify --plugin "$hostile:prints" --case "$three" --timeout 2) > prints.txt 2>&1
[ $? = 1 ] && grep -q "did not end" prints.txt || complain "prints: $(cat prints.txt)"

# Failing cases are written down, made small, and replayed from there.
expect 1 "1 failed" verify --plugin "$hostile:segv" --case "$three" --replay replay.txt
grep -q "^layer_norm hostile f64 nchw train 3x" replay.txt || complain "replay.txt: $(cat replay.txt)"
expect 1 "replaying 1 cases of replay.txt" verify --plugin "$hostile:segv" --case "$two" --replay replay.txt
expect 0 "replaying 1 cases of replay.txt" verify --plugin "$hostile:fine" --case "$two" --replay replay.txt
expect 2 "replay.txt line 2" verify --impl cpu --tier smoke --replay replay.txt

# A path with blanks and a quote, in the line that reruns a case too.
blanks="a folder of mine's"
mkdir "$blanks" && cp "$hostile" "$blanks/my plug-in.so" || exit 1
expect 0 "0 failed" verify --plugin "$blanks/my plug-in.so" --case "$three"
expect 1 "1 failed" verify --plugin "$blanks/my plug-in.so:abort" --case "$three"
line=$(echo "$out" | sed -n 's/^  rerun: normlab //p')
eval "expect 1 'assertion failed' $line"

# Nobody is left behind by a run that is killed.
"$program" verify --plugin "$hostile:loop" --case "$three" --timeout 600 > killed.txt 2>&1 &
run=$!
workers() { for stat in /proc/[0-9]*/stat; do sed -n "s/^\([0-9]*\) (.*) [A-Z] $run .*/\1/p" "$stat" 2>/dev/null; done; }
alive() { for pid in $started; do case $(cat "/proc/$pid/stat" 2>/dev/null) in "" | *") Z "*) ;; *) echo "$pid" ;; esac; done; }
tries=0
until started=$(workers) && [ -n "$started" ] || [ $tries = 100 ]; do sleep 0.1; tries=$((tries + 1)); done
[ -n "$started" ] || complain "no worker was started: $(cat killed.txt)"
kill -KILL $run
wait $run 2>/dev/null
tries=0
while [ -n "$(alive)" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
[ -z "$(alive)" ] || { complain "workers $(alive) outlive the run"; kill -KILL $(alive); }

[ $failed = 0 ] && echo "all as expected"
exit $failed
