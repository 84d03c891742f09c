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

/* From now on roof_clock counts this thread's own cycles, in thousand millions, and every "second"
 * is that many: a measure that other processes disturb less. 0, or -1 if the system has no such
 * counter. */
int roof_count_cycles(void);
double roof_clock(void); /* s; NaN: the counter was lent to another program just now */

/* isa: the beginning of a table's name ("avx512 single"). */
roof roof_measure(const char *isa);

#endif
