#!/bin/sh
# Draws docs/error-by-kappa.svg: the largest error of y in float32 against kappa, in oneDNN, libtorch and the CPU kernels.
#   usage: docs/error-by-kappa.sh build/release/normlab docs/error-by-kappa.svg
# It needs ./dev setup --peers, python3 and gnuplot. The numbers are those that the check kappa_slope leaves in its note.
set -eu
normlab=$1 out=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
curve() { # NAME CASE: kappa and error, a line each
  # a slope of 2 is a failure, and exit status 1
  "$normlab" verify --case "$2 check=kappa_slope" --json "$work/$1.json" >"$work/log" || [ $? = 1 ]
  python3 - "$work/$1.json" >"$work/$1" <<'PY'
import json, sys
note = json.load(open(sys.argv[1]))["findings"][0]["note"]
for i, point in enumerate(note.split("kappa", 1)[1].split()):   # kappa = 10^(i/2)
    print(10 ** (i / 2), point.split(":")[1].rstrip(";,"))
PY
}
curve onednn "batch_norm onednn f32 nhwc train 16x3x4"
curve libtorch "batch_norm libtorch f32 nhwc train 16x3x4"
curve libtorch_group "group_norm libtorch f32 nhwc train 3x16x4 G=4"
curve cpu "batch_norm cpu f32 nhwc train 16x3x4"
curve cpu_group "group_norm cpu f32 nhwc train 3x16x4 G=4"
(
  cd "$work"
  gnuplot <<'GP'
set terminal svg size 760,380 dynamic background "white" font "sans-serif,13"
set output "figure.svg"
set logscale xy
set format x "10^{%T}"
set format y "10^{%T}"
set xrange [0.8:1.3e6]
set yrange [5e-8:1e4]
set ytics 100
set xlabel "kappa: how many times larger the mean is than the spread"
set ylabel "largest error of y"
set key top left reverse Left
set grid lc rgb "#dddddd"
plot "libtorch_group" with linespoints pt 5 ps 0.6 lw 2 lc rgb "#d55e00" title "libtorch 1.13.1, group norm, channels last", \
     "libtorch" with linespoints pt 5 ps 0.6 lw 2 lc rgb "#e69f00" title "libtorch 1.13.1, batch norm", \
     "onednn" with linespoints pt 9 ps 0.8 lw 2 lc rgb "#cc79a7" title "oneDNN 2.6.3, batch norm", \
     "cpu_group" with linespoints pt 6 ps 0.6 lw 2 lc rgb "#56b4e9" title "normlab's cpu kernels, group norm", \
     "cpu" with linespoints pt 7 ps 0.6 lw 2 lc rgb "#0072b2" title "normlab's cpu kernels, batch norm"
GP
)
mv "$work/figure.svg" "$out"
