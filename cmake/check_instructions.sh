#!/bin/bash
# usage: check_instructions.sh BUILD [--update]
# Counts the instructions of a small fixed evaluation with callgrind, which unlike time repeats to
# the last digit, and compares them with benchmarks/instructions.txt: "first" is reading the model,
# its tables and one evaluation, "steady" each evaluation after that. Counted from main on: loading
# shared libraries depends on how they were built. More than 3 % more fails;
# more than 3 % less asks for a new baseline, which --update writes. Valgrind shows programs a
# processor with AVX2 and without AVX-512, so that the count is the same on both.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:?usage: check_instructions.sh BUILD [--update]}
baseline=benchmarks/instructions.txt
compiler=gcc-$(gcc -dumpversion | cut -d. -f1)

skip() {
  echo "instructions: SKIPPED, $1; nothing was compared"
  exit 0
}
[ "$(uname -m)" = x86_64 ] || skip "the baseline is for x86-64"
grep -q avx2 /proc/cpuinfo || skip "this processor has no AVX2"
command -v valgrind > /dev/null || skip "valgrind is not installed"
grep -q "^$compiler " "$baseline" || [ "${2:-}" = --update ] || skip "no baseline for $compiler"

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# $1 model, $2 evaluations
count() {
  valgrind --tool=callgrind --toggle-collect=main --callgrind-out-file="$out/calls" \
    "$build/bench_evaluate" \
    "tests/data/models/$1.model" benchmarks/instructions.xyz --threads 1 --evaluations "$2" \
    > /dev/null 2> "$out/log" || { cat "$out/log"; exit 1; }
  sed -n 's/^\(summary\|totals\): //p' "$out/calls" | head -n 1
}

lines=() bad=0
for model in tiny_L0 tiny_L1_dens_agnesi_zbl; do
  one=$(count "$model" 1)
  three=$(count "$model" 3)
  lines+=("$compiler $model $one $(((three - one) / 2))")
done
if [ "${2:-}" = --update ]; then
  {
    echo "# compiler, model, instructions from main to the first result, of each further evaluation"
    { grep -v -e '^#' -e "^$compiler " "$baseline" 2> /dev/null || true; }
    printf '%s\n' "${lines[@]}"
  } > "$out/new"
  cp "$out/new" "$baseline"
  cat "$baseline"
  exit 0
fi
for line in "${lines[@]}"; do
  read -r _ model first steady <<< "$line"
  read -r was_first was_steady < <(awk -v c="$compiler" -v m="$model" \
    '$1 == c && $2 == m { print $3, $4 }' "$baseline") ||
    { echo "instructions: no baseline for $model"; bad=1; continue; }
  awk -v m="$model" -v f="$first" -v F="$was_first" -v s="$steady" -v S="$was_steady" '
    function judge(name, now, was, change) {
      change = 100 * (now - was) / was
      printf "instructions: %s, %s: %d, baseline %d (%+.2f %%)\n", m, name, now, was, change
      if (change < -3) print "instructions: well below: write a new baseline (--update)"
      return change > 3
    }
    BEGIN { bad = judge("first", f, F); bad += judge("steady", s, S); exit bad > 0 }' || bad=1
done
exit $bad
