#!/bin/sh
# Pages of `normlab verify --html` in a headless Chromium: html_test.js looks at each and clicks through it. usage: html_test.sh PROGRAM TESTS
# Exit status 77: no Chromium here, nothing tested.
set -u
program=$1 tests=$2
script=$(dirname "$(readlink -f -- "$0")")/html_test.js
for browser in "${CHROMIUM:-}" chromium chromium-browser google-chrome none; do
  command -v "${browser:-none}" >/dev/null 2>&1 && break
done
if [ "$browser" = none ]; then
  echo "skipped: no chromium here (Debian: apt-get install chromium)"
  exit 77
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

look() { # PAGE EXPECTED: opens a copy that carries the test
  copy=$work/copy.html
  {
    cat <<'END'
<!DOCTYPE html><script>
window.pageErrors = [];
for (const kind of ['error', 'unhandledrejection', 'securitypolicyviolation'])   // the last: something was asked of the network
  addEventListener(kind, e => pageErrors.push(`${kind}: ${e.message || e.reason || e.blockedURI}`), true);
console.error = console.warn = (...all) => pageErrors.push(`console: ${all}`);
</script>
END
    sed 's|</body>.*||; /^<!DOCTYPE/d; s|</html>||' "$1"
    printf '<script>const EXPECTED = %s;\n' "$2"
    cat "$script"
    echo '</script></body></html>'
  } >"$copy"
  rm -rf "$work/profile"
  HOME=$work timeout 120 "$browser" --headless --no-sandbox --disable-dev-shm-usage --disable-gpu --no-first-run --disable-extensions \
    --user-data-dir="$work/profile" --host-resolver-rules='MAP * ~NOTFOUND' --window-size=1200,900 --virtual-time-budget=60000 --dump-dom \
    "file://$copy" >"$work/dom" 2>"$work/log"
  status=$?
  if grep -q 'id="test-result">the page is as expected<' "$work/dom"; then
    echo "$(basename "$1"): the page is as expected"
  else
    failed=1
    echo "$(basename "$1"): FAILED (browser's exit status $status)"
    sed -n '/<pre id="test-result"/,$p' "$work/dom" | head -n 40
    grep -q '<pre id="test-result"' "$work/dom" || tail -n 15 "$work/log"
  fi
  if grep -Eiq "(src|href|url)[=(]?[\"']?(https?:)?//" "$1"; then
    failed=1
    echo "$(basename "$1") names something on the network"
  fi
}

"$program" verify --tier smoke --impl reference,cpu --html "$work/smoke.html" >/dev/null || { echo "smoke failed"; failed=1; }
look "$work/smoke.html" '{"verdict": "Everything held", "sections": ["kappa", "derivatives", "checks", "invariance", "matrix", "worst", "cases"],
  "absent": ["failed", "unresolved", "losses"],
  "least": {".facets figure": 4, ".facets .point": 16, ".facets .bound": 8, ".facets .sweep": 20, "#derivatives .bin": 50, "#checks .point": 10,
            "#invariance .answer": 60, "#matrix .chip": 100, "#worst .cases li": 20},
  "click": [".facets svg a", "#derivatives svg a", "#invariance .answer", "#matrix .chip", "#worst .cases a"]}'

"$program" verify --case "batch_norm reference f32 nchw 8x3x5 eps=0 sigma=3e-22 check=accuracy" --html "$work/one.html" >/dev/null
[ $? = 1 ] || { echo "an unresolved case did not end with 1"; failed=1; }
look "$work/one.html" '{"verdict": "unresolved", "sections": ["cases", "checks"], "absent": ["failed", "unresolved", "kappa", "invariance", "worst"],
  "least": {".case": 1, ".findings .badge.unresolved": 1, ".rerun code": 1}, "click": ["#matrix .chip"]}'

NORMLAB_PAGE=$work/failed.html "$tests" "a page of a run with failures says so" >/dev/null || { echo "no page with failures"; failed=1; }
look "$work/failed.html" '{"verdict": "failed", "sections": ["failed", "checks", "matrix", "cases"], "absent": ["kappa"],
  "least": {"#failed .cases li": 3, "#failed .badge.fail": 3, ".matrix .chip.fail": 1, ".bin.bad": 1}, "click": ["#failed .cases a", ".matrix .chip.fail"]}'
exit $failed
