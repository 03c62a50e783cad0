#!/bin/sh
# A variant that is not built in, with its file and its row alone (made_up/): verify, faults and their names, export, judge, vectors and plug-ins take it as
# any other. usage: made_up_test.sh PROGRAM NORMLAB FAULTY
set -u
program=$1 normlab=$2 faulty=$3
. "$(dirname "$0")/expect.sh"
variant=channel_rms_norm
says() { case $out in *"$1"*) ;; *) complain "not said: '$1': $out" ;; esac; }

expect 0 "$variant" list
expect 0 " 0 failed, 0 unresolved" verify --variant $variant --impl reference,cpu --tier smoke
says "channel_rms_norm, no row         yes       no "   # its invariances are measured and shown, and held to nothing
expect 0 " 0 failed, 0 unresolved" verify --variant $variant --impl cpu --hunt 1 --check accuracy

expect 0 " 0 failed, 0 unresolved" verify --variant $variant --plugin "$faulty" --tier smoke
expect 1 "FAIL accuracy y" verify --variant $variant --plugin "$faulty:eps_outside" --tier smoke --check accuracy
says "equals the fault eps_outside (eps outside the root: sqrt(var) + eps) to "
eval "expect 1 'FAIL' $(echo "$out" | sed -n 's/^ *rerun: normlab //p' | head -n 1)"
expect 0 "5 planted, 5 caught (4 named by fit); 0 false alarms and 0 unresolved" verify --faults --variant $variant --dtype f64,f32 --layout nchw \
  --check accuracy,contracts --only x_hat_term_missing,mean_removed,gamma_after_means,eps_times_2,past_end

expect 0 "then: normlab verify --judge script" export script --variant $variant
grep -q '"op": "channel_rms_norm"' script/channel_rms_norm_f64_0001/case.json || complain "the exported op"
"$program" answer script || complain "the script"
expect 0 " 0 failed, 0 unresolved" verify --judge script
expect 0 " 0 failed, 0 unresolved" verify --vectors script --impl reference,cpu
"$program" answer script gamma_forgotten_in_g || complain "the script with a fault"
expect 1 "equals the fault gamma_forgotten_in_g (gamma forgotten in g) to " verify --judge script
expect 1 "FAIL" verify --vectors script --impl cpu

# A vector by hand, without eps: x = (1, 7) has the root mean square 5, gamma = (5, 5) gives y = x.
array() { # FILE SHAPE BYTES...: f64, little-endian; the header has 118 bytes
  printf '\223NUMPY\001\000v\000%-117s\n' "{'descr': '<f8', 'fortran_order': False, 'shape': $2, }" >"$1"
  printf '%b' "$3" >>"$1"
}
one='\0\0\0\0\0\0\0360\0077' five='\0\0\0\0\0\0\0024\0100' seven='\0\0\0\0\0\0\0034\0100'
mkdir -p vectors/by_hand
array vectors/by_hand/x.npy "(1, 2)" "$one$seven"
array vectors/by_hand/gamma.npy "(2,)" "$five$five"
array vectors/by_hand/y.npy "(1, 2)" "$one$seven"
entry() { echo "{\"name\": \"$1\", \"file\": \"$1.npy\", \"dtype\": \"float64\", \"shape\": $2}"; }
echo "{\"op\": \"channel_rms_norm\", \"dtype\": \"float64\", \"attributes\": {\"eps\": 0.0, \"affine\": true}, \"inputs\": [$(entry x '[1, 2]'),
  $(entry gamma '[2]')], \"outputs\": [$(entry y '[1, 2]')]}" >vectors/by_hand/case.json
expect 0 "3 held, 0 failed, 0 unresolved" verify --vectors vectors --impl reference,cpu
expect 0 "2 held, 0 failed, 0 unresolved" verify --vectors vectors --plugin "$faulty"
array vectors/by_hand/y.npy "(1, 2)" "$one$five"
expect 1 "FAIL by_hand cpu nchw y: error 2" verify --vectors vectors --impl cpu
expect 1 "FAIL by_hand faulty nchw y: error 2" verify --vectors vectors --plugin "$faulty"

program=$normlab
expect 2 "unknown variant 'channel_rms_norm' (did you mean channel_norm?)" verify --variant $variant
expect 1 "unknown op 'channel_rms_norm' (did you mean channel_norm?)" verify --vectors vectors
exit $failed
