#!/bin/bash
# The CUDA backend as a user would build it, as far as a machine without a GPU can tell: kernels of
# both precisions for every architecture without warnings, no spills or local arrays in the
# single-precision kernels beyond those listed below, linked with NVIDIA's libraries to the objects
# of build/default; the command must then work on the host and refuse a GPU politely. Registers,
# memory and occupancy of each kernel must be those of kernels/cuda/figures.txt.
# usage: cmake/check_cuda.sh [--update]   (EQS_CUDA_ARCHS="80 90 100"; the last one also as PTX)
#   --update writes figures.txt anew and checks nothing.
# SPDX-License-Identifier: MIT
set -euo pipefail
cd "$(dirname "$0")/.."
read -ra archs <<< "${EQS_CUDA_ARCHS:-80 90 100}"
nvcc=$(command -v nvcc || true)
if [ -z "$nvcc" ]; then
  echo "cuda: SKIPPED, nvcc is not on PATH; the CUDA backend was not compiled"
  exit 0
fi
# Kernels that may keep an array in local memory: that of the basis functions, in double, whose sines
# reduce large arguments there.
allowed='radial_basis_kernel'
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

table=kernels/cuda/figures.txt
cmake/cuda_figures.sh "$nvcc" "$out/ptxas_0.log" "$out/ptxas_1.log" > "$out/figures.txt"
if [ "${1:-}" = --update ]; then
  cp "$out/figures.txt" $table
  echo "cuda: wrote $table"
  exit 0
fi
if [ "${archs[*]}" != "80 90 100" ] || [ "$(head -n 1 $table)" != "$(head -n 1 "$out/figures.txt")" ]; then
  echo "cuda: $table is of another nvcc or other architectures: SKIPPED, not compared"
elif ! awk -f cmake/compare_figures.awk "$table" "$out/figures.txt" > "$out/figures.diff"; then
  echo "cuda: registers, memory or occupancy of kernels have changed (< before, > now):"
  cat "$out/figures.diff"
  echo "cuda: if that is meant: cmake/check_cuda.sh --update, and commit $table"
  exit 1
fi
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
gcc "${flags[@]}" "${include[@]}" -c kernels/cuda/profile.c -o "$out/profile.o"
link=link
[ -e "$toolkit/include/nccl.h" ] || link=link_none
gcc "${flags[@]}" "${include[@]}" -c kernels/cuda/$link.c -o "$out/link.o"
gcc "${flags[@]}" "${include[@]}" -DEQS_CUDA=1 -c kernels/backend.c -o "$out/backend.o"
mapfile -t parts < <(find "$objects/equisorb_objects.dir" "$objects"/kernels_*_f*.dir \
  "$objects/equisorb_cli.dir" -name '*.o')
# spglib, and HDF5 and libxc where they were found.
mapfile -t found < <(sed -nE 's/^EQS_(SPGLIB|HDF5|LIBXC)_LIBRARY:[A-Z]*=(.*)$/\2/p' \
  build/default/CMakeCache.txt | grep -v NOTFOUND)
g++ -o "$out/equisorb" "${parts[@]}" "$out"/{device,profile,link,backend,kernels_0,kernels_1}.o \
  -L"$toolkit/lib64" -Wl,-rpath,"$toolkit/lib64" -lcudart_static -lcublas \
  -fopenmp -lsqlite3 -lyaml "${found[@]}" -lm -ldl -lrt -lpthread
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
