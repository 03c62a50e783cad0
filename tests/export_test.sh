#!/bin/sh
# export and judge from outside: the messages, and the examples in Python. usage: export_test.sh PROGRAM EXAMPLES_FOLDER
set -u
program=$1 examples=$2
. "$(dirname "$0")/expect.sh"

expect 0 "then: normlab verify --judge vectors" export vectors --variant layer_norm
expect 2 "exists already" export vectors --variant layer_norm
mkdir empty && ln -s empty to_empty && ln -s nowhere dangling
for folder in to_empty dangling; do expect 0 "verify --judge $folder" export $folder --variant layer_norm --dtype f64; done
[ -s empty/normlab.json ] && [ -s nowhere/normlab.json ] && [ -L dangling ] || complain "links to folders: $(ls -l)"
expect 0 "it calls instance_norm too, which is not selected" export "batch norm" --variant batch_norm --dtype f64
grep -h '"op"' "batch norm"/*/case.json | grep -v '"op": "batch_norm"' && complain "calls of another op than the variant asked for"
[ -z "$(ls -A | grep normlab-)" ] || complain "a temporary folder is left: $(ls -A)"
[ "$(stat -c %a "batch norm")" = "$(mkdir plain && stat -c %a plain)" ] || complain "the folder's permissions are not those of a new folder"
expect 2 "holds no outputs yet" verify --judge "batch norm"
expect 0 "then: normlab verify --judge half" export half --variant layer_norm --dtype bf16,f16 --check accuracy
grep -q '"dtype":"bfloat16","stored_as":"uint16"' half/layer_norm_bf16_0001/case.json || complain "bf16: $(cat half/layer_norm_bf16_0001/case.json)"
expect 0 "the script's eps is fixed" export keras --variant batch_norm --dtype f32 --convention keras
grep -h '"attributes"' keras/*/case.json | grep -v '"momentum":0.99,"momentum_weighs":"old","track_running_stats":true,"running_stat":"var_biased","eps":0.001' && complain "not as Keras"
expect 2 "did you mean keras" export other --convention kera
expect 2 "from 0 to 1" export other --momentum 1.5
expect 2 "0 or more" export other --eps -1
expect 2 "accepted without --case" export other --eps 1e-3 --case "layer_norm script f32 nchw 5x18x1 seed=1"
expect 2 "--denominator is for l2_norm and weight_standardization, of which --variant layer_norm chooses none; without --denominator it is accepted" \
  export other --variant layer_norm --denominator floor
expect 2 "--residual-dtype goes with --residual" export other --variant layer_norm --residual-dtype f32
expect 2 "--param-dtype f64; f32, bf16 or f16 is accepted" export other --param-dtype f64
expect 2 "goes with --judge" verify --accept-nan-at-zero-variance
expect 2 "did you mean layer_norm" export other --variant layernorm
expect 2 "accepted without --case" export other --tier ci --case "layer_norm script f32 nchw 5x18x1 seed=1"
expect 2 "DIR" export
[ ! -e other ] || complain "a refused call left a folder"
expect 2 "holds no outputs yet" verify --judge vectors
mkdir bare && echo '{}' >bare/normlab.json
expect 2 'bare/normlab.json: has no "schema"; a folder that normlab export wrote is accepted' verify --judge bare
echo '{"schema": 1, "cases": [{"case": 3}]}' >bare/normlab.json
expect 2 'a folder that normlab export wrote is accepted' verify --judge bare
case $out in *json.exception*) complain "in a parser's words: $out" ;; esac
expect 2 "nowhere" verify --judge nowhere
expect 2 "accepted beside it" verify --judge vectors --impl cpu
expect 2 "goes with --judge" verify --accumulation tree
expect 2 "kappa-free" verify --judge vectors --accumulation exact

python=
for candidate in python3 /usr/bin/python3; do
  [ -n "$python" ] || ! "$candidate" -c "import numpy" 2>/dev/null || python=$candidate
done
[ -n "$python" ] || { echo "no NumPy: the examples in Python are not run" >&2; [ $failed = 0 ] && exit 77; exit 1; }
"$python" "$examples/numpy_layer_norm.py" vectors || complain "numpy_layer_norm.py"
expect 0 " 0 failed, 0 unresolved" verify --judge vectors --json judged.json
grep -q '"impl": "script"' judged.json || complain "judged.json does not name the script"
expect 0 " 0 failed" verify --judge vectors --check zero_sum,xhat_dx --dtype f32
expect 0 " 0 failed" verify --vectors vectors --impl reference
expect 2 "vectors holds calls of layer_norm in f64 and f32; --variant batch_norm and --dtype f16 choose none of its cases" verify --judge vectors \
  --variant batch_norm --dtype f16
expect 2 "not exported" verify --judge vectors --case "layer_norm script f32 nchw 7x5x1 seed=3 check=accuracy"
sed 's/np.sqrt(var + eps)/(np.sqrt(var) + eps)/' "$examples/numpy_layer_norm.py" >wrong.py
"$python" wrong.py vectors || complain "wrong.py"
expect 1 "FAIL accuracy y" verify --judge vectors
name="equals the fault eps_outside (eps outside the root: sqrt(var) + eps) to "
case $out in *"$name"*) ;; *) complain "eps outside the root is not named: $out" ;; esac
line=$(echo "$out" | sed -n 's/^ *rerun: normlab //p' | head -n 1)
eval "expect 1 'FAIL' $line"
"$python" "$examples/numpy_layer_norm.py" vectors || complain "numpy_layer_norm.py"
first=$(find vectors -name y.npy | sort | head -n 1)
head -c 200 "$first" >cut.npy && cp cut.npy "$first"
expect 1 "y is missing or cannot be read: " verify --judge vectors
case $out in *"1. script: y is missing"*"2. script"*) complain "an array that is cut is no single cause: $out" ;; esac
case $out in *"$first: truncated: "*"; write it again"*) ;; *) complain "an array that is cut: $out" ;; esac
rm "$first"
expect 1 "y.npy: is missing" verify --judge vectors
printf '{"op"' >"$(find vectors -name case.json | sort | head -n 1)"
expect 2 "case.json" verify --judge vectors

if "$python" -c "import torch" 2>/dev/null; then
  expect 0 "" export torch_vectors --variant layer_norm,group_norm --check accuracy
  "$python" "$examples/torch_norms.py" torch_vectors || complain "torch_norms.py"
  out=$("$program" verify --judge torch_vectors 2>&1)
  [ $? -lt 2 ] || complain "$out"   # what verify finds wrong with PyTorch is no fault of ours
else
  echo "no PyTorch: torch_norms.py is not run"
fi
exit $failed
