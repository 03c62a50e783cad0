#!/bin/sh
# Right kernels in many styles, each with its declaration: nothing fails. usage: styles_test.sh PROGRAM STYLES.so
set -u
program=$1 styles=$2
. "$(dirname "$0")/expect.sh"
held() { # STYLE ARGS
  style=$1
  shift
  expect 0 " 0 failed, 0 unresolved" verify --plugin "$styles:$style" --variant layer_norm,batch_norm --dtype f32 --tier smoke "$@"
}
# Three quarters of the time go to many calls of the same kernel, which tell of a style only how it uses threads.
for style in naive welford chan kahan pairwise pivot_first pivot_running double one_pass_double kappa_free fma recomputed \
  moves_state threads lanes4 lanes8 lanes16 atomics newton keeps_x_hat coefficients by_memory; do
  held $style --filter "^(?!.*check=(threads|many_calls))"
done
for style in naive threads atomics; do held $style --check threads,many_calls; done

# Every pair of values: one wrong pair of 2^32 is found where it is, and its own case shows it too.
exhaustive() { expect "$1" "$2" verify --exhaustive --plugin "$styles:$3" --variant layer_norm --dtype bf16 --timeout 600 --filter "seed=($4) "; }
exhaustive 0 " 0 failed, 0 unresolved" naive "0|511"
exhaustive 1 "x=3.140625,-0.0078125: " one_pair "257"
case $out in *" 1 wrong"*" 2 failed"*) ;; *) complain "not one pair: $out" ;; esac
expect 1 "FAIL accuracy y" verify --plugin "$styles:one_pair" --case "layer_norm style_one_pair bf16 nchw train 1x2x1 affine=none x=3.140625,-0.0078125"
exit $failed
