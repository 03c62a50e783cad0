#!/bin/sh
# A study that is killed, or whose disk is full, loses at most the runs in hand: the same call ends with the same bytes. usage: study_resume_test.sh PROGRAM
program=$1
. "${0%/*}/expect.sh"

study() { # OUT: small runs, several a process
  exec "$program" study activations --steps 300 --log 100 --seeds 1,2,3 --width 20 --probe 100 --jobs 2 --out "$1" >"$1.txt" 2>&1 </dev/null
}
same_records() { # OUT
  [ "$(ls whole/records)" = "$(ls "$1/records")" ] || complain "the records of $1 are not those of one call: $(ls -a "$1/records")"
  for record in whole/records/*; do cmp "$record" "$1/records/${record##*/}" || complain "$1: $record differs"; done
  cmp whole/activations.csv "$1/activations.csv" || complain "$1: another table"
}

(study whole) || complain "the study ended with $?: $(cat whole.txt)"
runs=$(ls whole/records | wc -l)
[ "$runs" -ge 6 ] || complain "$runs records of 6 runs"
grep -q "no verdict" whole.txt || complain "changed settings have a verdict: $(cat whole.txt)"

cut=0
for round in 1 2 3 4 5 6 7 8; do
  study torn &
  pid=$!
  sleep "0.$(($(od -An -N2 -tu2 /dev/urandom) % 8 + 1))"
  kill -9 $pid 2>/dev/null && cut=$((cut + 1))
  wait $pid 2>/dev/null
done
[ $cut -ge 1 ] || complain "no call was running when it should be killed"
sleep 0.2   # the workers end with the one that asked
(study torn) || complain "resumed, the study ended with $?: $(cat torn.txt)"
rm -f torn/records/.normlab-*.tmp
same_records torn

(trap '' XFSZ; ulimit -f 0; "$program" study activations --steps 300 --log 100 --seeds 1,2,3 --width 20 --probe 100 --jobs 2 --out full >/dev/null 2>&1 </dev/null)
got=$?
[ $got = 1 ] || complain "with no room for records it ended with $got, not 1"
[ -z "$(ls full/records 2>/dev/null)" ] || complain "with no room there are records: $(ls full/records)"
(study full) || complain "with room again it ended with $?: $(cat full.txt)"
same_records full

expect 2 "its settings is" study activations --steps 200 --log 100 --seeds 1,2,3 --width 20 --probe 100 --out whole
printf '{' >whole/records/"$(ls whole/records | head -n 1)"
for fresh in "" --fresh; do
  # shellcheck disable=SC2086
  expect 2 "no record of a study" study activations --steps 300 --log 100 --seeds 1,2,3 --width 20 --probe 100 --out whole $fresh
done
expect 0 "6 runs" study activations --steps 300 --log 100 --seeds 1,2,3 --width 20 --probe 100 --out whole --fresh --force
expect 2 "--steps = 'ten'" study activations --steps ten
expect 2 "accepted" study activations --paper --standard
expect 0 "runs, about" study activations --dry-run
expect 2 "nowhere" study activations --dry-run --data nowhere
expect 0 "6 runs" study activations --steps 300 --log 100 --seeds 1,2,3 --width 20 --probe 100 --out whole
expect 2 "nowhere" study activations --steps 300 --log 100 --seeds 1,2,3 --width 20 --probe 100 --out whole --fresh --data nowhere
[ "$(ls whole/records | wc -l)" = 6 ] || complain "--fresh with a wrong --data discarded records"
expect 0 "changed settings" study activations --steps 100,200 --log 100 --seeds 1 --width 20 --probe 100 --out apart
[ -s apart/activations-steps=100.csv ] && [ -s apart/activations-steps=200.svg ] && [ "$(ls apart/records | wc -l)" = 4 ] || complain "no report for each value: $(ls -R apart)"
mkdir -p folder/activations && cp -r whole/records folder/activations
expect 0 "6 records that are not the runs of one size" study --ledger --records folder
expect 2 "--ledger" study --ledger scale
expect 2 "--ledger" study --records folder
expect 0 "NOT TESTABLE HERE" study --ledger --records "${0%/*}/../studies"
exit $failed
