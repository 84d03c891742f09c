#!/bin/bash
# Compiles the kernel bodies as CUDA C++, so that they stay in the common subset of C11 and C++17.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${EQS_CUDA_ARCH:-sm_90}
nvcc=$(command -v nvcc || true)
if [ -z "$nvcc" ]; then
  echo "cuda: SKIPPED, nvcc is not on PATH; the kernel bodies were not compiled as CUDA"
  exit 0
fi
shopt -s nullglob
sources=(kernels/cuda/*.cu)
if [ ${#sources[@]} = 0 ]; then
  echo "cuda: kernels/cuda holds no .cu file"
  exit 1
fi
out=build/cuda_check
mkdir -p "$out"
for source in "${sources[@]}"; do
  "$nvcc" -std=c++17 -arch="$arch" --Werror all-warnings -I. -c "$source" \
    -o "$out/$(basename "$source" .cu).o"
done
echo "cuda: ${#sources[@]} files compiled for $arch by $("$nvcc" --version | tail -n 1)"
