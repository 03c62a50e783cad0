#!/bin/sh
# The example plug-ins: each built by the one command at its head, in a folder with nothing but plugin.h beside it, then verified.
# usage: examples_test.sh PROGRAM NORMS_FOLDER NVCC (empty: the CUDA example is not built)
set -u
program=$1 norms=$2 nvcc=$3
. "$(dirname "$0")/expect.sh"
[ -z "$nvcc" ] || PATH=$(dirname "$nvcc"):$PATH
run() { # EXAMPLE: builds it as its head says; sets plugin, the name of the shared object
  mkdir "$1" && cp "$norms/plugin.h" "$norms/examples/layer_norm.$1" "$1" && cd "$1" || exit 1
  command=$(sed -nE 's#^(//| \*) +((cc|c\+\+|nvcc) .*)$#\2#p' "layer_norm.$1")
  [ -n "$command" ] || complain "layer_norm.$1 does not say how it is built"
  sh -c "$command" || complain "$command"
  plugin=$(echo *.so)
  cd ..
}
for example in c cpp; do
  run $example
  out=$("$program" verify --plugin "$example/$plugin" --tier smoke 2>&1) || complain "$out"
  case $out in *" 0 failed, 0 unresolved"*) ;; *) complain "$out" ;; esac
done
# The one with options of a layer: it is asked for them.
mkdir options && cp "$norms/plugin.h" "$norms/examples/rms_norm.cpp" options && cd options || exit 1
command=$(sed -nE 's#^// +(c\+\+ .*)$#\1#p' rms_norm.cpp)
sh -c "$command" || complain "$command"
cd ..
for option in residual=stored residual=wide gamma_offset=1 output=e4m3 "output=e4m3 scale=block" \
    "activation=threshold residual=wide gamma_offset=1" "activation=threshold output=e4m3 scale=block" \
    "output=e4m3 scale=channels scale_power_of_two=1 scale_inverse=1 residual=stored gamma_offset=1"; do
  for dtype in f32 bf16; do
    out=$("$program" verify --plugin options/rms_norm.so --case "rms_norm rms_norm_cpp $dtype nchw 5x135x3 $option" 2>&1) || complain "$out"
    case $out in *PASS*) ;; *) complain "not run: $out" ;; esac
  done
done
# The one that builds on another: differentiated twice.
cp "$norms/examples/layer_norm_twice.c" c && cd c || exit 1
command=$(sed -nE 's#^ \* +(cc .*)$#\1#p' layer_norm_twice.c)
sh -c "$command" || complain "$command"
cd ..
out=$("$program" verify --plugin c/layer_norm_twice.so --tier smoke --check double_backward,double_derivatives,double_identities 2>&1) || complain "$out"
case $out in *" 0 failed, 0 unresolved"*) ;; *) complain "$out" ;; esac
case $out in *"double_identities layer_norm_twice_c "*) ;; *) complain "not run: $out" ;; esac
# A NaN in x is one in the statistics too: a layer that hides it there hides it from whoever looks.
cat >c/nan.c <<'END'
#include <math.h>
#include "layer_norm.c"
int main(void) {
    float x[4] = {1, NAN, 1, 2}, y[4];
    double mean[2], var[2], rstd[2];
    normlab_problem p = {.size = sizeof p, .variant = "layer_norm", .N = 2, .C = 2, .S = 1, .dtype = NORMLAB_F32, .eps = 1e-5};
    normlab_plan *plan;
    const normlab_plugin *plugin = normlab_plugin_entry(NORMLAB_PLUGIN_VERSION, "");
    if (plugin->create(&p, &plan)) return 1;
    normlab_forward_args a = {.size = sizeof a, .x = x, .saved = {.mean = mean, .var = var, .rstd = rstd}, .y = y};
    if (plugin->forward(plan, &a)) return 1;
    plugin->destroy(plan);
    return !isnan(rstd[0]) || isnan(rstd[1]);
}
END
(cd c && cc -O2 nan.c -o nan -lm && ./nan) || complain "layer_norm.c hides a NaN"
if [ -n "$nvcc" ]; then
  run cu
  out=$("$program" list --plugin "cu/$plugin" 2>&1) || complain "$out"
  case $out in
    *"no CUDA device"*) echo "no CUDA device: layer_norm.cu is built and not run" ;;
    *) out=$("$program" verify --plugin "cu/$plugin" --tier smoke 2>&1) || complain "$out" ;;
  esac
fi
exit $failed
