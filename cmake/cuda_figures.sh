#!/bin/bash
# What ptxas says of each kernel, as the table of kernels/cuda/figures.txt: registers, bytes of
# shared and local memory, bytes spilled (stored + loaded), and the share of a multiprocessor's
# warps that fit at once, as cuda_occupancy.h computes it.
# usage: cuda_figures.sh NVCC SINGLE.log DOUBLE.log    (logs of nvcc -Xptxas -v)
# SPDX-License-Identifier: MIT
set -euo pipefail
echo "# $("$1" --version | sed -nE 's/.*(release [0-9.]+, V[0-9.]+).*/nvcc \1/p')." \
  "Renew: cmake/check_cuda.sh --update"
echo "# kernel precision sm threads registers shared local spills occupancy_%"
for precision in single double; do
  log=$2
  [ $precision = single ] || log=$3
  awk -v precision=$precision '
    /Compiling entry function/ { split($0, part, "\x27"); name = part[2]; sm = part[4] }
    /bytes stack frame/ { frame = $1; spills = $5 + $9 }
    /Used [0-9]+ registers/ {
      registers = shared = 0
      for (i = 1; i < NF; i++) {
        if ($i == "Used") registers = $(i + 1)
        if ($(i + 2) ~ /^smem/ && $(i + 1) == "bytes") shared = $i
      }
      print name, precision, substr(sm, 4), registers, shared, frame, spills
    }' "$log"
done | c++filt | sed -E 's/\(anonymous namespace\):://g; s/^(void )?([^(]*)\([^)]*\)/\2/; s/, /,/g' |
  awk '
    # Threads of a block, where they are not 128.
    function threads_of(name) {
      if (name ~ /^(search_range|system_sum)/) return 512
      return name ~ /^conv_forward/ ? 256 : 128
    }
    function least(a, b) { return a < b ? a : b }
    {
      t = threads_of($1)
      warps = t / 32
      per_warp = int(($4 + 7) / 8) * 8 * 32
      blocks = least(32, int(64 / warps))
      blocks = least(blocks, int(int(65536 / per_warp / 4) * 4 / warps))
      memory = ($3 == 80 ? 164 : 228) * 1024
      blocks = least(blocks, int(memory / ($5 + 1024)))
      printf "%s %s %s %d %d %d %d %d %d\n", $1, $2, $3, t, $4, $5, $6, $7, 100 * blocks * warps / 64
    }' | LC_ALL=C sort -k1,1 -k2,2r -k3,3n
