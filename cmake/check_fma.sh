#!/bin/bash
# usage: check_fma.sh BUILD. The wide kernel objects must hold fused multiply-adds: a lost flag
# costs half the speed and no test would notice.
# SPDX-License-Identifier: MIT
set -euo pipefail
build=${1:?usage: check_fma.sh BUILD}
if [ "$(uname -m)" != x86_64 ]; then
  echo "fma: SKIPPED, this is no x86-64 machine"
  exit 0
fi
checked=0
for isa in avx2 avx512; do
  for precision in f32 f64; do
    object=$(find "$build" -path "*kernels_${isa}_${precision}.dir*" -name '*.o' | head -n 1)
    [ -n "$object" ] || { echo "fma: no object for $isa $precision under $build"; exit 1; }
    count=$(objdump -d "$object" | grep -c vfm || true)
    echo "fma: $isa $precision: $count fused multiply-adds"
    [ "$count" -gt 0 ] || exit 1
    checked=$((checked + 1))
  done
done
echo "fma: $checked objects hold fused multiply-adds"
