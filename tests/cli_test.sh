#!/bin/sh
# The program from outside: exit statuses, messages, files. usage: cli_test.sh PROGRAM
set -u
program=$1
. "$(dirname "$0")/expect.sh"

expect 0 "0 failed" verify --tier smoke --variant layer_norm --check zero_sum
expect 0 "accuracy" list
expect 0 "dx: error" verify --case "group_norm reference f32 nchw 2x6x5 G=3 seed=71 check=dx"
expect 2 "did you mean batch_norm" verify --variant batchnorm
expect 2 "did you mean reference" verify --impl referense
expect 2 "unknown flag" verify --wrong
expect 2 "tier" verify --tier quick
expect 2 "C = 6" verify --case "group_norm reference f32 nchw 2x6x5 G=4"
expect 2 "one value a channel" verify --case "batch_norm reference f32 nchw 1x6x1"
expect 2 "momentum" verify --case "batch_norm reference f32 nchw 2x6x1 momentum=2"
expect 2 "f64, f32, bf16, f16" verify --dtype quad
expect 2 "cannot run" verify --case "rms_norm reference f32 nchw 2x6x5 check=zero_sum"
expect 2 "absent.npy" verify --input absent.npy
expect 2 "together" verify --input absent.npy --data .
expect 2 "--eps goes with --input" verify --eps 1
expect 2 "--threads 0; a whole number from 1 to 1024 is accepted" verify --threads 0
expect 2 "--threads ten; a whole number" verify --threads ten
expect 2 "--threads -1; a whole number from 1 to 1024 is accepted" verify --threads -1
expect 2 "did you mean smoke" verify --tier smokey
expect 2 "did you mean train" verify --mode trian
expect 2 "--tier does not go with it" verify --hunt 1 --tier ci
expect 2 "seconds, above 0" verify --hunt nan
expect 2 "--tests and --json were given together" list --tests --json list.json
for verb in verify bench soak export "study scale"; do
  # shellcheck disable=SC2086
  expect 0 ", as in \`normlab ${verb%% *} " $verb --help
done
expect 2 "train-images" verify --data .
expect 2 "nowhere" verify --tier smoke --check zero_sum --json nowhere/out.json
expect 2 "did you mean list" lsit
expect 2 "did you mean --variant" verify --varient batch_norm
expect 2 "is empty" verify --input ""
expect 2 "goes with" verify --seed 7
expect 2 "0 or more" verify --data . --seed -1
expect 2 "kappa" verify --case "batch_norm reference f32 nchw 2x6x1 kappa=0.5"
expect 2 "twice" verify --case "batch_norm reference f32 nchw 2x6x1 eps=1 eps=2"
expect 2 "no groups" verify --case "batch_norm reference f32 nchw 2x6x1 G=3"
expect 2 "overflows f16" verify --case "batch_norm reference f16 nchw 2x6x1 kappa=1e6"
expect 2 "GiB" verify --case "batch_norm reference f32 nchw 100000x10000x100"

# bench: a tiny run, and calls that are wrong
printf '{"problems": [{"prim": "bnorm", "shape": [4, 6, 5]}, {"prim": "bnorm", "shape": [4, 6, 5]}, {"prim": "gnorm", "shape": [4, 6, 5], "G": 3}]}' >shapes.json
expect 0 "bench: 4 rows timed, 0 wrong" bench --shapes shapes.json --impl naive --seconds 1 --json bench.json
grep -q '"error_over_bound"' bench.json || complain "bench.json has no error_over_bound"
expect 2 "did you mean peers" bench --shapes peer
expect 2 "absent.json" bench --shapes ./absent.json
expect 2 "did you mean --shapes" bench --shape peers
expect 2 "did you mean naive" bench --impl naiv
expect 2 "forward, backward" bench --direction sideways
expect 2 "cold, warm" bench --cache hot
expect 2 "--threads 0" bench --threads 0
expect 2 "--seconds 0" bench --seconds 0
expect 2 "nothing to time" bench --shapes shapes.json --dtype f16 --impl naive
expect 2 ".svg or .png" bench --shapes shapes.json --plot out.pdf
expect 2 "nowhere" bench --shapes shapes.json --json nowhere/out.json
for wrong in '{"problems": [{"prim": "bnorm", "shape": [4, 6' '[1, 2]' '{"problems": []}' '{"problems": [{"prim": "xnorm", "shape": [4, 6]}]}' \
  '{"problems": [{"prim": "bnorm", "shape": [4, 0]}]}' '{"problems": [{"prim": "bnorm", "shape": [4, 2.5]}]}' \
  '{"problems": [{"prim": "gnorm", "shape": [4, 6], "G": 4}]}' '{"problems": [{"prim": "gnorm", "shape": [4, 6]}]}' \
  '{"problems": [{"prim": "bnorm", "shape": [9000000000, 9000000000]}]}' '{"problems": [{"prim": "bnorm", "shape": [4, 6], "eps": -1}]}'; do
  printf '%s' "$wrong" >wrong.json
  expect 2 "wrong.json: " bench --shapes wrong.json
done

# studies
expect 0 "no verdict" study noise --m 2,4 --samples 4096 --impl reference --json noise.json --csv noise.csv --plot noise.svg,noise.png --out noise
grep -q '"held": true' noise.json || complain "noise.json has no cells"
[ "$(grep -c reference noise.csv)" -gt 50 ] || complain "noise.csv has no cells"
[ -s noise.svg ] && [ -s noise.png ] || complain "no figure"
sed -i 's/"measured":[0-9.e-]*/"measured":9/' noise/records/*statistics-m=4.json   # the first of its cells
expect 1 "87 cells held, 1 failed" study noise --m 2,4 --samples 4096 --impl reference --out noise
expect 0 "small-batch" study
expect 2 "did you mean noise" study nois
expect 2 "did you mean --samples" study noise --sample 7
expect 2 "--m 1;" study noise --m 1
expect 2 "--samples 64; 128 " study noise --m 4 --samples 64
expect 2 "did you mean reference" study noise --impl referense
expect 2 "accepted: f64, f32" study noise --dtype bf16
expect 2 "--threads 0" study noise --threads 0
expect 2 "nowhere" study noise --json nowhere/out.json
expect 2 ".svg or .png" study noise --plot figure.jpg

# a file that lies about its size is refused without allocating what it claims
printf '\223NUMPY\001\000\166\000{"descr": "<f8", "fortran_order": False, "shape": (1000000, 1000000), }%40s\n' '' >huge.npy
limit=2000000   # KiB; AddressSanitizer reserves more address space than any limit worth setting
(ulimit -v $limit; exec "$program" list) >out 2>&1 || limit=unlimited
(ulimit -v $limit; exec "$program" verify --input huge.npy) >out 2>&1
[ $? = 2 ] || complain "huge.npy: $(cat out)"
printf 'not a npy file' >junk.npy
expect 2 "junk.npy" verify --input junk.npy

# .npz: a stored member x.npy, (4, 2) of f32; then with a byte of its data changed
head='PK\003\004\024\000\000\000\000\000\000\000!\000\010\315\015]f\000\000\000f\000\000\000\005\000\000\000x.npy\223NUMPY\001\000<\000'
text='{\047descr\047: \047<f4\047, \047fortran_order\047: False, \047shape\047: (4, 2), }\012'
data='\000\000\200?\000\000\000@\000\000@@\000\000\240@\000\000\000A\000\000PA\000\000\250A\000\000\010'
tail='PK\001\002\024\003\024\000\000\000\000\000\000\000!\000\010\315\015]f\000\000\000f\000\000\000\005\000\000\000\000\000\000\000\000\000\000\000\200\001\000\000\000\000x.npy'
end='PK\005\006\000\000\000\000\001\000\001\0003\000\000\000\211\000\000\000\000\000'
# shellcheck disable=SC2059
printf "$head$text${data}B$tail$end" >good.npz
# shellcheck disable=SC2059
printf "$head$text${data}C$tail$end" >spoiled.npz
expect 0 "0 failed" verify --input good.npz --variant batch_norm --impl reference
expect 2 "spoiled.npz: member 'x.npy': corrupt: its CRC-32" verify --input spoiled.npz

# outside vectors: an op that normlab lacks is skipped, what cannot be judged fails, a folder without any is refused
mkdir -p vectors/lacking empty
printf '{"op": "sync_batch_norm", "dtype": "float32", "attributes": {}, "inputs": [], "outputs": []}' >vectors/lacking/case.json
expect 0 "sync_batch_norm 1" verify --vectors vectors --json vectors.json
grep -q '"SKIPPED"' vectors.json || complain "vectors.json does not say what was skipped"
mkdir vectors/bad && printf '{"op": "layer_norm"}' >vectors/bad/case.json
expect 1 "rerun: normlab verify --vectors vectors --only bad" verify --vectors vectors
expect 1 "has no \"dtype\"" verify --vectors vectors --only bad
expect 2 "did you mean bad" verify --vectors vectors --only bat
expect 0 "normlab has no sync_batch_norm" verify --vectors vectors --only lacking --html vectors.html --junit vectors.xml
expect 2 "holds no vector" verify --vectors empty
expect 2 "is no folder" verify --vectors nowhere
expect 2 "--only goes with" verify --only bad
expect 2 "accepted beside it" verify --vectors vectors --tier ci

# named cases, replay, hunting, soaking
expect 0 "0 failed" verify --case spike --variant layer_norm --impl reference --dtype f32
expect 0 "0 failed" verify --case "eps matched" --variant layer_norm --impl reference --dtype f32
expect 2 "did you mean spike?" verify --case spik
expect 2 "no synchronised batch norm" verify --case shards
expect 2 "a selection is accepted beside the name" verify --case "layer_norm reference f32 nchw 2x3x4 seed=1" --impl cpu
printf '# seen once\nlayer_norm reference f32 nchw train 2x3x4 seed=9 check=dx\n' >replay.txt
expect 0 "9 held" verify --replay replay.txt --case "layer_norm reference f32 nchw 2x3x4 seed=1"
printf 'layer_norm faulty f32 nchw train 2x3x4 seed=9 check=dx\n' >along.txt   # a plug-in that is built along
expect 0 " 0 failed" verify --replay along.txt --case "layer_norm reference f32 nchw 2x3x4 seed=1"
expect 0 "accuracy          faulty           1 " verify --replay along.txt --tier smoke --check zero_sum --variant layer_norm
case $out in *"zero_sum          faulty"*) complain "what a replayed case names runs in the tier too: $out" ;; esac
printf 'layer_norm reference f32\n' >wrong.txt
expect 2 "wrong.txt line 1" verify --replay wrong.txt --tier smoke
expect 0 "0 failed" verify --hunt 1 --variant rms_norm --impl reference --dtype f64 --check accuracy
expect 2 "accepted beside it" verify --hunt 1 --eps 5
expect 2 "tile goes with check=tiled" verify --case "layer_norm cpu f32 nchw 2x3x4 tile=2x3x2"
expect 2 "--hunt 0" verify --hunt 0
expect 2 "accepted beside it" verify --hunt 1 --tier ci
expect 0 "soak: 60 cases, seed 4" soak --cases 60 --seed 4 --impl reference --json soak.json
grep -q '"failed": 0' soak.json || complain "soak.json has no count"
expect 2 "--cases 0" soak --cases 0

# planted faults: caught and named; without one nothing is said
expect 0 "3 planted, 3 caught" verify --faults --only eps_outside,past_end,momentum_scaled --variant batch_norm --dtype f32 --layout nchw \
  --check accuracy,contracts,running_stats --json faults.json
grep -q '"false_alarms": 0' faults.json || complain "faults.json has no count of false alarms"
expect 1 "equals the fault eps_outside (" verify --plugin "${program%/*}/lib/normlab/faulty.so:eps_outside" --case "layer_norm faulty_eps_outside f32 nchw train 5x6x3 sigma=0.01"
expect 1 "FAIL accuracy y" verify --plugin "${program%/*}/lib/normlab/faulty.so:beta_scaled" --case "batch_norm faulty_beta_scaled f32 nchw eval 5x6x3"
case $out in *"memory access"*) complain "what a fault that it is compared with writes is held against a plug-in: $out" ;; esac
expect 2 "did you mean eps_outside" verify --faults --only eps_outsid
expect 2 "--only, --all" verify --faults --impl cpu

# results: a file appears whole or not at all
expect 0 "" verify --tier smoke --variant layer_norm --check zero_sum --json out.json
grep -q '"verdict": "PASS"' out.json || complain "out.json has no verdict"
expect 0 "0 failed" verify --tier smoke --variant layer_norm --check zero_sum --junit out.xml --html out.html
grep -q '<testsuite name="zero_sum.reference"' out.xml || complain "out.xml has no testsuite"
grep -q 'Everything held' out.html || complain "out.html has no verdict"
expect 0 " worse, " verify --tier smoke --variant layer_norm --check zero_sum --baseline out.json
expect 0 "" verify --tier smoke --variant layer_norm --check y --dtype f32 --json y.json
sed -E 's/"error": [0-9.]+e-0[0-9]/"error": 1e-30/' y.json >better.json   # as if it had been far more accurate
expect 1 "accuracy got worse since better.json" verify --tier smoke --variant layer_norm --check y --dtype f32 --baseline better.json
expect 2 "no finding of any case" verify --tier smoke --variant layer_norm --check xhat_dx --baseline out.json
expect 2 "absent.json" verify --tier smoke --baseline absent.json
expect 2 "no list of findings" verify --tier smoke --baseline shapes.json
expect 2 "wrong.json" verify --tier smoke --baseline wrong.json --json bad.json
expect 2 "--replay -: a file" verify --tier smoke --replay -
expect 2 "name one file" verify --tier smoke --junit same.out --html ./same.out
expect 2 "nowhere" verify --tier smoke --junit nowhere/out.xml
expect 2 "" verify --variant nope --json bad.json
[ ! -e bad.json ] || complain "a refused call left bad.json"
"$program" verify --tier full --json killed.json >/dev/null 2>&1 &
pid=$!
sleep 0.5
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
[ ! -e killed.json ] || complain "a killed run left killed.json"
[ "$(find . -name '*killed*' | wc -l)" = 0 ] || complain "a killed run left $(find . -name '*killed*')"
exit $failed
