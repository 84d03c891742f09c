#!/bin/bash
# Evaluations on this machine's GPU by size, model and number of neighbours, each kernel's share of
# them, and what the model of gpu_model.py says of each kernel: one CSV with machine, compiler and
# commit, and a table. Without a GPU (or without nvcc) it says so and ends with exit code 0.
# usage: benchmarks/gpu.sh [--atoms N]... [--models DIR] [--out FILE.csv]
# Models are those of make_models.py in DIR (build/compare/models; made there if mace-torch is in
# build/compare/venv, see compare_mace.py); without them the small ones of tests/data are measured.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
atoms=() models=build/compare/models out=build/gpu/gpu.csv
while [ $# -gt 0 ]; do
  case "$1" in
    --atoms) atoms+=(--atoms "$2") ;;
    --models) models=$2 ;;
    --out) out=$2 ;;
    *)
      sed -nE 's/^# usage: /usage: /p' "$0" >&2
      exit 2
      ;;
  esac
  shift 2
done
[ ${#atoms[@]} -gt 0 ] || atoms=(--atoms 1000 --atoms 10000 --atoms 50000)

skip() {
  echo "gpu: SKIPPED, nothing measured: $1"
  [ -z "${EQS_SKIP:-}" ] || exit 77
  exit 0
}
command -v nvidia-smi > /dev/null && gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader) ||
  skip "this machine has no GPU that nvidia-smi knows"
command -v nvcc > /dev/null || skip "nvcc is not on PATH"

mkdir -p build/gpu "$(dirname "$out")"
cmake -S . -B build/gpu -G Ninja -DCMAKE_BUILD_TYPE=Release -DEQS_CUDA=ON -DEQS_BENCHMARKS=ON > build/gpu/log
cmake --build build/gpu --target bench_gpu >> build/gpu/log || {
  tail -n 30 build/gpu/log
  exit 1
}
python=build/compare/venv/bin/python
if [ ! -f "$models/mpa0_medium_like.model" ] && [ -x $python ]; then
  mkdir -p "$models"
  $python benchmarks/make_models.py "$models" 1 mpa0_medium_like mp0b2_small_like
fi
files=()
for name in mpa0_medium_like mp0b2_small_like; do
  [ ! -f "$models/$name.model" ] || files+=("$models/$name.model")
done
if [ ${#files[@]} = 0 ]; then
  echo "gpu: $models has no models of published size: those of tests/data are measured instead"
  files=(tests/data/models/tiny_L1_dens_agnesi_zbl.model)
fi
{
  echo "# $gpu; $(nvcc --version | sed -nE 's/.*(V[0-9.]+).*/nvcc \1/p');" \
    "commit $(git rev-parse --short HEAD 2> /dev/null || echo unknown)"
  build/gpu/bench_gpu "${atoms[@]}" --kernels "${files[@]}"
} > "$out"
cat "$out"
objects=(build/gpu/cuda/kernels_0.o)
for model in medium small; do
  case "${files[*]}" in
    *$model*)
      python3 benchmarks/gpu_model.py "${objects[0]}" --model $model --measured "$out" || true
      ;;
  esac
done
