#!/bin/sh
# Nothing of the user's is lost: what a call reads, or another file of theirs, is never replaced; what is done when a signal comes is reported.
# usage: lost_test.sh PROGRAM
set -u
program=$1
. "$(dirname "$0")/expect.sh"
array() { # FILE DESCR SHAPE BYTES: a .npy file
  text="{'descr': '$2', 'fortran_order': False, 'shape': $3, }"
  printf '\223NUMPY\001\000v\000%-117s\n' "$text" >"$1"
  printf "$4" >>"$1"
}
one='\000\000\200\077' two='\000\000\000\100'   # of f32
array x.npy '<f4' '(2, 2)' "$one$two$two$one"
sum=$(cksum <x.npy)
small="--variant layer_norm --impl reference"
short="$small --check accuracy"   # of cases drawn by chance none that takes seconds, which a signal would wait for
refused() { # TEXT ARGS...: and nothing was written
  text=$1
  shift
  before=$(ls -lR --time-style=full-iso)
  expect 2 "$text" "$@"
  [ "$(ls -lR --time-style=full-iso)" = "$before" ] || complain "'$*' wrote something: $before, and now $(ls -lR)"
  [ "$(cksum <x.npy)" = "$sum" ] || complain "'$*' changed x.npy"
}

# What is read, under any name, is not written.
ln -s x.npy link.npy && ln x.npy hard.npy && mkdir in && cp x.npy in/x.npy
for name in x.npy ./x.npy "$PWD/x.npy" in/../x.npy link.npy hard.npy; do
  for flag in --json --junit --html; do refused "$flag $name: it is what --input x.npy reads" verify --input x.npy $flag "$name" --force; done
done
refused "what --gamma x.npy reads" verify --input in/x.npy --gamma x.npy --json x.npy
refused "what --shapes x.npy reads" bench --shapes x.npy --json x.npy
refused "what --plugin x.npy reads" list --plugin x.npy:fast --json x.npy
refused "--json in/out.json is in --judge in, which is read" verify --judge in --json in/out.json
refused "is in --data in, which is read" verify --data in --html in/out.html
refused "is in --out results/scale, where the program keeps files of its own" study scale --json results/scale/a.json
refused "--junit a and --html ./a name one file" verify --junit a --html ./a
refused "name one file" study scale --json a --csv a
refused "name one file" verify --json - --html /dev/stdout
refused "name one file" bench --json a.svg --plot a.svg
("$program" verify --input x.npy --json out.json >out.json 2>err; [ $? = 2 ] && grep -q "standard output goes to that file" err) || complain "$(cat err)"
rm -f out.json err

# A file of another kind stays unless --force is said; one of the same kind is replaced.
echo "a letter" >letter
for flag in --json --junit --html; do refused "letter is there and is not" verify --input x.npy $flag letter; done
refused "letter is there and is not" list --json letter
refused "letter is there and is not" soak --json letter
refused "letter is there and is not" bench --json letter
refused "letter is there and is not" study scale --csv letter
refused "letter line 1" verify --hunt 1 --replay letter
cp letter letter.svg && refused "letter.svg is there and is not a figure that normlab drew" study scale --plot letter.svg
mkdir mine && cp letter mine/scale.csv && refused "mine/scale.csv is there and is not a table of this study" study scale --out mine
[ "$(cat letter mine/scale.csv letter.svg | grep -c letter)" = 3 ] || complain "a letter is lost"
refused "--force takes no value" verify --input x.npy $small --json letter --force=false
# A file that only speaks of normlab's is the user's.
echo '{"summary": "my audit", "findings": [], "header": {"program": "audit"}}' >audit.json
echo '{"study": "cohort 7", "seconds": 3, "worst": 1, "failed_or_unresolved": [], "variants": [], "checks": 3, "hostile_inputs": []}' >own.json
echo 'a note on <testsuites name="normlab verify"> and <p class="eyebrow">normlab verify</p>' >note.txt
printf '<?xml version="1.0"?>\n<svg><!-- like <title>normlab</title> --></svg>\n' >own.svg
refused "audit.json is there and is not" verify --input x.npy --json audit.json
for verb in list "soak --cases 5" "study scale"; do refused "own.json is there and is not" $verb --json own.json; done
refused "note.txt is there and is not" verify --input x.npy --junit note.txt
refused "note.txt is there and is not" verify --input x.npy --html note.txt
refused "own.svg is there and is not" study scale --plot own.svg
mkdir -p mine/man && echo '.TH "normlab-notes" 1' >mine/man/normlab.1 && refused "normlab.1 is there and is not" man mine/man
# shellcheck disable=SC2086
for time in first second; do
  expect 0 " 0 failed" verify --input x.npy $small --json out.json --junit out.xml --html out.html
  expect 0 "variants" list --json list.json
  expect 0 "soak: 5 cases" soak --cases 5 --impl reference --json soak.json
done
refused "list.json is there and is not a report of normlab verify" verify --input x.npy --json list.json
expect 0 " 0 failed" verify --input x.npy $small --json letter --force
grep -q '"summary"' letter || complain "--force did not replace the letter"
expect 0 " 0 failed" verify --input x.npy $small --baseline out.json --json now.json
ln -s target.json to_target
expect 0 " 0 failed" verify --input x.npy $small --json to_target
{ [ -L to_target ] && [ -s target.json ]; } || complain "a link was replaced"

# What is no regular file, and standard output.
expect 0 " 0 failed" verify --input x.npy $small --json /dev/null --html /dev/null
expect 1 "/dev/full: cannot be written: No space left on device" verify --input x.npy $small --json /dev/full --junit whole.xml
[ -s whole.xml ] || complain "a full disk took another report with it"
for name in - /dev/stdout; do
  "$program" verify --input x.npy $small --json $name 2>text | grep -q '"verdict": "PASS"' || complain "--json $name"
  grep -q " 0 failed" text || complain "--json $name: what is printed goes to standard error"
done
"$program" verify --input x.npy $small --json full.json >/dev/full 2>text
{ [ $? = 1 ] && grep -q "standard output" text && [ -s full.json ]; } || complain "standard output is full: $(cat text)"
mkfifo pipe
cat pipe >through & "$program" verify --input x.npy $small --json pipe >/dev/null && wait $! && grep -q '"summary"' through || complain "a pipe"

# Types of 16 bits, and shapes.
half='\000\074' halves='\000\074\000\100\000\100\000\074'
array f16.npy '<f2' '(2, 2)' "$halves"
array bf16.npy '<V2' '(2, 2)' "$halves"
array named.npy 'bfloat16' '(2, 2)' "$halves"
array bits.npy '<u2' '(2, 2)' "$halves"
for dtype in f16 bf16; do expect 0 "reference $dtype" verify --input $dtype.npy $small; done
expect 0 "reference bf16" verify --input named.npy $small
expect 0 "reference f16" verify --input bits.npy --bits f16 $small
expect 2 "--bits bf16" verify --input bits.npy $small
expect 2 "has more than 16 bits" verify --input bits.npy --bits f32 $small
array g2.npy '<f4' '(2,)' "$one$two" && array g21.npy '<f4' '(2, 1)' "$one$two" && array g12.npy '<f4' '(1, 2)' "$one$two"
for g in g2 g21; do expect 0 " 0 failed" verify --input x.npy --variant weight_norm --impl reference --gamma $g.npy; done
refused "shape (1, 2), but weight_norm has a g of shape (2,)" verify --input x.npy --variant weight_norm --gamma g12.npy
refused "shape (2, 1), but batch_norm has a gamma or beta of shape (2,)" verify --input x.npy --variant batch_norm --beta g21.npy
refused "--groups is for group_norm" verify --input x.npy --variant layer_norm --groups 2

begin() { # ARGS...: until a signal would be caught
  env --default-signal=INT "$program" "$@" >said 2>&1 </dev/null & # what a script starts in the background is deaf to it
  pid=$!
  while kill -0 $pid && ! grep -q '^SigCgt:.*[4-7c-f]..[2367abef]$' /proc/$pid/status; do sleep 0.1; done
}

# Another run, or somebody, writes the file during this one: theirs stays, and so does what this one found.
expect_late() { # FILE SIGNAL ARGS...: written while the program runs, which the signal ends (0: none, it ends by itself)
  late=$1 signal=$2
  shift 2
  begin "$@"
  echo theirs >"$late"
  kill -s "$signal" $pid
  wait $pid
  { [ $? = 1 ] && [ "$(cat "$late")" = theirs ] && [ -s "$late.1" ] && grep -q "another program wrote it" said; } || complain "$late: $(cat said)"
}
expect_late late.json INT soak --cases 1000000000 $short --json late.json
expect_late late.csv 0 study scale --seeds 1,2 --steps 100 --csv late.csv

# A signal: what is done so far, a report that says it is not all, no process left.
interrupted() { # STATUS SIGNAL ARGS...
  status=$1 signal=$2
  shift 2
  begin "$@"
  sleep 1 && kill -s "$signal" $pid
  wait $pid
  got=$?
  out=$(cat said)
  [ $got = "$status" ] || complain "'$*' ended with $got: $out"
  case $out in *"interrupted, "*" not run; "* | *"interrupted; "*) ;; *) complain "'$*' does not say what was not run: $out" ;; esac
}
interrupted 130 INT soak --cases 1000000000 $short --json cut.json
grep -q '"interrupted": true' cut.json || complain "cut.json does not say that it is not all"
interrupted 143 TERM verify --tier full $small --json cut.json --junit cut.xml --html cut.html --force
grep -q '"not_run"' cut.json && grep -q 'type="interrupted"' cut.xml && grep -q 'Interrupted' cut.html || complain "reports that do not say that they are not all"
interrupted 130 INT verify --hunt 600 $short
interrupted 143 TERM verify --faults --variant layer_norm --json faults.json
interrupted 143 TERM study scale --out cut --paper
grep -q "interrupted; [0-9]* of 360 runs are in cut/records" said || complain "study: $(cat said)"
sleep 1
[ "$(ps -eo ppid,args | grep -c "^ *1 $program worker")" = 0 ] || complain "a worker is left"
exit $failed
