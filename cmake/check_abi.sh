#!/bin/bash
# The public types and functions against those recorded in cmake/abi: programs that were linked
# before have to go on working. Needs a library built with -g (preset clang).
# usage: check_abi.sh BUILD [--record]   (--record: with a new version, or to add what is new)
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
library=${1:?usage: check_abi.sh BUILD [--record]}/libequisorb.so.0
recorded=cmake/abi/equisorb.abi found=build/equisorb.abi
mkdir -p build
abidw --suppressions cmake/abi/opaque.ini --exported-interfaces-only --no-show-locs \
  --no-comp-dir-path --no-elf-needed --no-corpus-path --no-parameter-names --no-architecture \
  --type-id-style hash --out-file "$found" "$library"
sed -i -E "s# path='[^']*/(core|io|kernels|potentials)/# path='\\1/#" "$found"
grep -q "class-decl name='eqs_systems'" "$found" || {
  echo "$library: no types in it; build it with -g"
  exit 1
}
if [ "${2:-}" = --record ]; then
  cp "$found" "$recorded"
  exit
fi
abidiff --suppressions cmake/abi/growth.ini --no-added-syms "$recorded" "$found" || {
  echo "The binary interface has changed: take the change back, or raise the soname and record it" \
    "(cmake/check_abi.sh $1 --record)"
  exit 1
}
# What is new is recorded with it, so that it is held from now on.
if grep -o "elf-symbol name='[a-z_]*'" "$found" |
  grep -vxFf <(grep -o "elf-symbol name='[a-z_]*'" "$recorded"); then
  echo "These functions are not recorded: cmake/check_abi.sh $1 --record"
  exit 1
fi
echo "abi: $(grep -c '<elf-symbol' "$found") functions as recorded"
