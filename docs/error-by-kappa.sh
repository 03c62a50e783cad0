#!/bin/sh
# Draws docs/error-by-kappa.svg: the largest error of y of a layer norm in float32 over blocks of 8, against kappa.
#   usage: docs/error-by-kappa.sh build/release/normlab docs/error-by-kappa.svg     (needs NumPy and gnuplot)
# cpu and reference run in the program; NumPy runs norms/examples/numpy_layer_norm.py on exported cases. The two points
# are batch norm at kappa = 1e6 as norms/peers/README.md has them: the libraries need not be installed.
set -eu
normlab=$1 out=$2 examples=$(dirname "$0")/../norms/examples
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=/usr/bin/python3   # Debian's, which has Debian's NumPy
curve() { # JSON IMPLEMENTATION: kappa and error, a line each, of the note that the check kappa_slope leaves
  "$python" - "$1" "$2" <<'PY'
import json, sys
for finding in json.load(open(sys.argv[1]))["findings"]:
    if finding["check"] == "kappa_slope" and finding["dtype"] == "f32" and finding["mode"] == "train":
        points = finding["note"].split("kappa", 1)[1].split()
        for i, point in enumerate(points):
            print(10 ** (i / 2), point.split(":")[1])
        break
else:
    sys.exit(f"no curve of {sys.argv[2]}")
PY
}
for impl in cpu reference; do
  "$normlab" verify --case "layer_norm $impl f32 nchw train 3x8x1 check=kappa_slope" --json "$work/$impl.json" >"$work/log"
  curve "$work/$impl.json" "$impl" >"$work/$impl"
done
"$normlab" export "$work/cases" --variant layer_norm >"$work/log"
"$python" "$examples/numpy_layer_norm.py" "$work/cases"
"$normlab" verify --judge "$work/cases" --check kappa_slope --json "$work/numpy.json" >"$work/log"
curve "$work/numpy.json" NumPy >"$work/numpy"
printf '1e6 0.19 oneDNN 2.6.3\n' >"$work/onednn"
printf '1e6 0.18 libtorch 1.13.1\n' >"$work/libtorch"
cd "$work"
gnuplot <<'GP'
set terminal svg size 760,380 dynamic background "white" font "sans-serif,13"
set output "figure.svg"
set logscale xy
set format x "10^{%T}"
set format y "10^{%T}"
set xrange [0.8:2.5e6]
set yrange [5e-8:1]
set xlabel "kappa: how many times larger the mean is than the spread"
set ylabel "largest error of y"
set key top left reverse Left
set grid lc rgb "#dddddd"
plot "numpy" with linespoints pt 7 ps 0.6 lw 2 lc rgb "#d55e00" title "NumPy 1.24, float32", \
     "reference" with linespoints pt 7 ps 0.6 lw 1 lc rgb "#999999" title "normlab, reference (mean rounded to float32)", \
     "onednn" using 1:2 with points pt 9 ps 1.1 lc rgb "#cc79a7" title "oneDNN 2.6.3, batch norm", \
     "libtorch" using 1:2 with points pt 5 ps 0.8 lc rgb "#e69f00" title "libtorch 1.13.1, batch norm", \
     "cpu" with linespoints pt 7 ps 0.6 lw 3 lc rgb "#0072b2" title "normlab, cpu kernels"
GP
cd - >/dev/null
mv "$work/figure.svg" "$out"
