#!/bin/bash
# The CUDA backend as a user would build it, as far as a machine without a GPU can tell: kernels of
# both precisions for every architecture without warnings, no spills or local arrays in the
# single-precision kernels beyond those listed below, linked with NVIDIA's libraries to the objects
# of build/default; the command must then work on the host and refuse a GPU politely.
# usage: cmake/check_cuda.sh   (EQS_CUDA_ARCHS="80 90 100"; the last one also as PTX)
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
read -ra archs <<< "${EQS_CUDA_ARCHS:-80 90 100}"
nvcc=$(command -v nvcc || true)
if [ -z "$nvcc" ]; then
  echo "cuda: SKIPPED, nvcc is not on PATH; the CUDA backend was not compiled"
  exit 0
fi
# Kernels that may keep an array in local memory: sums indexed by the couplings (16), a gradient that
# the host makes by lanes (3), jets of a basis in double, which runs in the double mode only.
allowed='radial_basis_kernel|edge_gradient_kernel|coupling_reverse_kernel'
out=build/cuda_check
mkdir -p "$out"
targets=()
for arch in "${archs[@]}"; do targets+=(-gencode "arch=compute_$arch,code=sm_$arch"); done
targets+=(-gencode "arch=compute_${archs[-1]},code=compute_${archs[-1]}")

# compile PRECISION(0 single, 1 double)
compile() {
  "$nvcc" -std=c++17 -O3 "${targets[@]}" --Werror all-warnings -I. -DEQS_KERNEL_DOUBLE="$1" \
    -Xcompiler -fPIC -Xptxas -v -c kernels/cuda/kernels.cu -o "$out/kernels_$1.o" \
    2> "$out/ptxas_$1.log" || {
    grep -vE '^ptxas info|bytes stack frame' "$out/ptxas_$1.log"
    return 1
  }
}
compile 0 &
compile 1
wait $!

# ptxas says the name of a function, then its frame.
spilling() {
  awk -v allowed="$allowed" '/Function properties for/ { name = $NF }
    /bytes stack frame/ && ($1 > 0 || $5 > 0 || $9 > 0) && name !~ allowed { print name ": " $0 }' "$1"
}
spilling "$out/ptxas_0.log" > "$out/spills"
if [ -s "$out/spills" ]; then
  echo "cuda: single-precision kernels with local memory:"
  cat "$out/spills"
  exit 1
fi
kernels=$(grep -c 'bytes stack frame' "$out/ptxas_0.log")
with_spills=$(spilling "$out/ptxas_1.log" | wc -l)
echo "cuda: $kernels kernels for sm ${archs[*]}, none of them spills; in double $with_spills do"

objects=build/default/CMakeFiles
if [ ! -d "$objects/equisorb_objects.dir" ]; then
  echo "cuda: build/default is not built: nothing was linked"
  exit 1
fi
toolkit=$(dirname "$(dirname "$(readlink -f "$nvcc")")")
include=("-I." -isystem "$toolkit/include")
flags=(-std=gnu11 -O2 -fPIC -Wall -Wextra -Wconversion -Werror)
gcc "${flags[@]}" "${include[@]}" -c kernels/cuda/device.c -o "$out/device.o"
gcc "${flags[@]}" "${include[@]}" -DEQS_CUDA=1 -c kernels/backend.c -o "$out/backend.o"
mapfile -t parts < <(find "$objects/equisorb_objects.dir" "$objects"/kernels_*_f*.dir \
  "$objects/equisorb_cli.dir" -name '*.o')
spglib=$(sed -nE 's/^EQS_SPGLIB_LIBRARY:[A-Z]*=//p' build/default/CMakeCache.txt)
g++ -o "$out/equisorb" "${parts[@]}" "$out"/{device,backend,kernels_0,kernels_1}.o \
  -L"$toolkit/lib64" -Wl,-rpath,"$toolkit/lib64" -lcudart_static -lcublas \
  -fopenmp -lsqlite3 -lyaml "$spglib" -lm -ldl -lrt -lpthread
printf '3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n' > "$out/water.xyz"
evaluate=("$out/equisorb" evaluate --model tests/data/models/tiny_L1.model "$out/water.xyz"
  --output "$out/water.extxyz")
"${evaluate[@]}" --device auto
if "${evaluate[@]}" --device cuda:0 2> "$out/refusal"; then
  echo "cuda: linked, and evaluated on a GPU"
else
  grep 'cuda: ' "$out/refusal"
  echo "cuda: linked; works on the host, refuses the GPU that is not there"
fi
