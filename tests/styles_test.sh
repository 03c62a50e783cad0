#!/bin/sh
# Right kernels in many styles, each with its declaration: nothing fails. usage: styles_test.sh PROGRAM STYLES.so
set -u
program=$1 styles=$2
. "$(dirname "$0")/expect.sh"
for style in naive welford chan kahan pairwise pivot_first pivot_running double one_pass_double kappa_free fma recomputed \
  moves_state threads lanes4 lanes8 lanes16 atomics newton keeps_x_hat coefficients by_memory; do
  expect 0 " 0 failed, 0 unresolved" verify --plugin "$styles:$style" --variant layer_norm,batch_norm --dtype f32,bf16 --tier smoke
done
exit $failed
