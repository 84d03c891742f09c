/* roof.h -- what one core of this machine can do at most, measured: fused multiply-adds per second
 * from registers, and bytes per second read from an array that fits the second-level cache, both
 * with the vectors of the kernel table in question.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_BENCH_ROOF_H
#define EQS_BENCH_ROOF_H

typedef struct roof {
  double fma;       /* FLOP/s */
  double bandwidth; /* byte/s */
} roof;

/* isa: the beginning of a table's name ("avx512 single"). */
roof roof_measure(const char *isa);

#endif
