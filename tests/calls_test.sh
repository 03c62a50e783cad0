#!/bin/sh
# Makes each call of calls.txt, or of another table, in order and in one empty folder, and compares what it ends with and says. usage: calls_test.sh PROGRAM [TABLE]
program=$1
calls=$(realpath "${0%/*}/${2:-calls.txt}")
. "${0%/*}/expect.sh"
PATH=${program%/*}:$PATH
unset NORMLAB_COMMAND NORMLAB_SOURCE GITHUB_ACTIONS CLICOLOR_FORCE

trimmed() { # the text without blanks around it
  set -- "${1#"${1%%[! ]*}"}"
  printf '%s' "${1%"${1##*[! ]}"}"
}
while IFS='|' read -r status word call; do
  case $status in '' | \#*) continue ;; esac
  status=$(trimmed "$status") word=$(trimmed "$word") call=$(trimmed "$call")
  out=$(eval "$call" 2>&1 </dev/null)
  got=$? shown=$(printf '%.600s' "$out")
  [ "$got" = "$status" ] || complain "'$call' ended with $got, not $status: $shown"
  case $word in
    !*) case $out in *"${word#!}"*) complain "'$call' says '${word#!}': $shown" ;; esac ;;
    *) case $out in *"$word"*) ;; *) complain "'$call' does not say '$word': $shown" ;; esac ;;
  esac
done <"$calls"
exit $failed
