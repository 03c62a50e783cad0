#!/bin/bash
# What bash completes after some words. usage: completion_test.sh PROGRAM
failed=0
source <("$1" completion bash) || exit 1
expect() { # TEXT WORDS...: the last word is the one that is completed; the text is all that is offered, in one line
  local text=$1
  shift
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  _normlab 2>/dev/null
  [ "${COMPREPLY[*]}" = "$text" ] || { echo "FAILED: '$*' offers '${COMPREPLY[*]}', not '$text'" >&2; failed=1; }
}
expect "verify" normlab ver
expect "--tier --threads --timeout" normlab verify --t
expect "smoke" normlab verify --tier s
expect "smoke" normlab verify --tier = s
expect "f64,bf16" normlab verify --dtype f64,b
expect "layer_norm" normlab verify --impl cpu --variant lay
expect "" normlab verify --json ""
expect "" normlab verify --threads ""
expect "soak study" normlab help s
expect "bash zsh fish" normlab completion ""
expect "--cache" normlab bench --c
expect "cold warm" normlab bench --cache ""
expect "scale small-batch" normlab study s
expect "--standard --samples --seed" normlab study noise --s
exit $failed
