#!/bin/bash
# What the tests of the command share; sourced. Gives a scratch folder as working directory, and
# counts in `checks`.
# SPDX-License-Identifier: MIT
equisorb=${EQUISORB:?the path of the command}
data=${EQS_SOURCE_DIR:?}/tests/data
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
checks=0

fail() {
  echo "FAILED: $*"
  exit 1
}
# check CODE WHAT COMMAND...: the exit code. Its output is in the files `out` and `err`.
check() {
  local want=$1 what=$2 code=0
  shift 2
  "$@" > out 2> err < /dev/null || code=$?
  checks=$((checks + 1))
  [ "$code" = "$want" ] && return
  cat out err
  fail "$what: exit code $code, not $want"
}
# says FILE TEXT, matches FILE EXPRESSION: the file holds it.
says() {
  checks=$((checks + 1))
  grep -qF -- "$2" "$1" && return
  cat "$1"
  fail "'$2' is not in $1"
}
matches() {
  checks=$((checks + 1))
  grep -qE -- "$2" "$1" && return
  cat "$1"
  fail "'$2' is not in $1"
}
# same FILE FILE WHAT
same() {
  checks=$((checks + 1))
  cmp "$1" "$2" && return
  diff "$1" "$2" || true
  fail "$3"
}
# A made-up host, wide enough for a guest: host.xyz.
write_host() {
  cat > host.xyz << XYZ
4
Lattice="9 0 0 1.5 9.5 0 -1 0.5 10" Properties=species:S:1:pos:R:3 pbc="T T T"
O 0.3 0.2 0.1
C 1.5 0.4 0.1
H 2.2 1.2 0.3
Zn -0.4 1.9 1.0
XYZ
}
