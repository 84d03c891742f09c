/* trace.cpp -- with EQS_EMU_TRACE=FILE the fake runtime writes what would be launched (a line
 * "kernel GRID BLOCK", or "gemm M N K COUNT") and runs none of it but the count of edges, on which
 * the size of arrays depends: launches and memory of a whole evaluation of many atoms in a moment,
 * for benchmarks/gpu_model.py and bench_gpu --memory. What it returns means nothing.
 * SPDX-License-Identifier: MIT */
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels/emu/cuemu.h"
#include "kernels/emu/fake_internal.h"

namespace {
FILE *trace() {
  static FILE *const file = [] {
    const char *path = std::getenv("EQS_EMU_TRACE");
    FILE *f = path ? std::fopen(path, "w") : nullptr;
    if (f) std::setvbuf(f, nullptr, _IOLBF, BUFSIZ);
    return f;
  }();
  return file;
}

bool counts_edges(const char *kernel) {
  static const char *const names[] = {"search_range", "search_bin", "search_place", "search_count",
                                      "scan_"};
  for (const char *name : names)
    if (!std::strncmp(kernel, name, std::strlen(name))) return true;
  return false;
}
} // namespace

bool fake::tracing() { return trace() != nullptr; }

bool fake::traced(const cuemu::launch_config &c) {
  if (!trace()) return false;
  std::fprintf(trace(), "%s %u %u\n", c.kernel, c.grid.x * c.grid.y * c.grid.z,
               c.block.x * c.block.y * c.block.z);
  return !counts_edges(c.kernel);
}

bool fake::traced(int m, int n, int k, int count) {
  if (!trace()) return false;
  std::fprintf(trace(), "gemm %d %d %d %d\n", m, n, k, count);
  return true;
}
