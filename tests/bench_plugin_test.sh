#!/bin/sh
# bench with plug-ins that end or hold up its process: the run completes, says which row did it, and ends with exit status 1. And on the peers that
# were built, or that stand where peers do and cannot be loaded. usage: bench_plugin_test.sh PROGRAM HOSTILE.so
set -u
program=$1 hostile=$2
. "$(dirname "$0")/expect.sh"
printf '{"problems": [{"prim": "lnorm", "shape": [3, 6]}, {"prim": "lnorm", "shape": [3, 7]}]}' >shapes.json
short() { # STATUS TEXT ARGS...
  status=$1 text=$2
  shift 2
  expect "$status" "$text" bench --shapes shapes.json --direction forward --seconds 1 "$@"
}
crashing() { # OPTION HOW ARGS...
  option=$1 how=$2
  shift 2
  row="WRONG layer_norm/3x6/f32/nchw/train/forward/threads:1/warm/hostile"
  short 1 "$row: $how" --impl naive,hostile --plugin "$hostile:$option" --json out.json "$@"
  for text in "WRONG layer_norm/3x7" "bench: 2 rows timed, 2 wrong"; do
    case $out in *"$text"*) ;; *) complain "$option: does not say '$text': $out" ;; esac
  done
  grep -q '"error_occurred": true' out.json || complain "$option: out.json has no error"
}
crashing segv "killed by SIGSEGV"
crashing exit0 "ended the process with exit status 0"
crashing loop "did not end within 1 s" --timeout 1
crashing latin1 "hostile: forward failed with 5: pas de m"
grep -q "$(printf 'm\357\277\275moire')" out.json || complain "out.json is no UTF-8"

short 1 "runs" --impl naive,hostile --plugin "$hostile:invents"   # of rows that it does not have, again and again
case $out in *"bench: its plug-ins ended "*) ;; *) complain "invents: $out" ;; esac

short 2 "absent.so" --plugin absent.so
short 2 "--timeout 0; seconds, above 0" --plugin "$hostile" --timeout 0
short 2 "--timeout 0; seconds, above 0" --impl naive --timeout 0
short 1 "loading $hostile:load: killed by SIGSEGV" --impl naive,hostile --plugin "$hostile:load"
# Loading may take longer than a repetition. Whether a check takes half a second is the machine's affair.
"$program" bench --shapes shapes.json --direction forward --seconds 1 --impl naive,hostile --plugin "$hostile:slow" --timeout 0.5 >out 2>&1
! grep -q "loading" out || complain "slow: $(cat out)"
grep -q "bench: .* rows timed" out || complain "slow: $(cat out)"
for peer in onednn libtorch; do
  case $("$program" list) in
    *"$peer "*) short 0 "bench: 4 rows timed, 0 wrong" --impl "cpu,$peer" ;;
    *) echo "$peer: not built, not tested" ;;
  esac
done

# A program with peers that cannot be loaded: left out where nobody asked for them.
mkdir -p beside/lib/normlab
cp "$program" "$program-bench" beside && cp "$hostile" beside/lib/normlab/onednn.so && echo nonsense >beside/lib/normlab/cudnn.so
program=$work/beside/normlab HOSTILE=load
export HOSTILE
short 0 " rows timed, 0 wrong"
for text in "left out: $work/beside/lib/normlab/onednn.so: loading it killed by SIGSEGV" "/cudnn.so: cannot be loaded"; do
  case $out in *"$text"*) ;; *) complain "does not say '$text': $out" ;; esac
done
short 1 "onednn.so: killed by SIGSEGV" --impl naive,onednn
short 2 "cudnn.so: cannot be loaded" --impl naive,cudnn
for verb in verify bench list; do
  expect 2 "did you mean onednn?); accepted: reference, cpu, cuda" $verb --impl onedn
  case $out in *cudnn,*onednn*) ;; *) complain "$verb: does not name what is built along: $out" ;; esac
done
expect 0 "cudnn.so; --impl cudnn brings it in" list --json list.json
grep -q '"file": ".*/cudnn.so"' list.json || complain "list.json does not say what is built along"
exit $failed
