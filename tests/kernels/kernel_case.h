/* kernel_case.h -- what the tests of kernels share: all tables that this processor runs, random
 * numbers, and arrays of a table's reals made from doubles and turned back.
 *
 * Every operation is compared, in both precisions and all instruction sets, with a plain loop in
 * double; every reverse, in double, with finite differences of its forward along random directions.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TEST_KERNEL_CASE_H
#define EQS_TEST_KERNEL_CASE_H

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/status.h"
#include "kernels/backend.h"

enum { TABLES_MAX = 6 };

/* EQS_TEST_DEVICE=emu: the emulated CUDA kernels instead, which reach the host's arrays (with
 * EQS_FAKE_EAGER=1 they have run when the launch returns). */
static inline int device_tables(const char *name, const kernel_ops **out, int double_only) {
  device *d;
  int n = 0;
  cr_assert(backend_open(name, &d) == EQS_OK && d->ops->enter(d) == EQS_OK, "%s", eqs_error());
  for (int i = double_only; i < 2; i++) out[n++] = backend_kernels(d, i);
  return n;
}

static inline int kernel_tables(const kernel_ops **out, int double_only) {
  static const char *const isa[] = {"baseline", "avx2", "avx512"};
  const char *name = getenv("EQS_TEST_DEVICE");
  int n = 0;
  if (name) return device_tables(name, out, double_only);
  for (int i = 0; i < 3; i++)
    for (int d = double_only; d < 2; d++) {
      const kernel_ops *k = kernels_host_named(isa[i], d);
      if (k) out[n++] = k;
    }
  cr_assert(n >= 1, "there is no baseline table");
  return n;
}

#define FOR_TABLES(k, double_only)                                                                 \
  const kernel_ops *table_[TABLES_MAX], *k;                                                        \
  int n_table_ = kernel_tables(table_, double_only);                                               \
  for (int t_ = 0; t_ < n_table_ && (k = table_[t_], 1); t_++)

static inline double tolerance(const kernel_ops *k) { return k->real_size == 8 ? 1e-13 : 5e-6; }

/* Uniform in [-1, 1], the same sequence on every machine. */
static inline double uniform(uint64_t *state) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (double)(*state >> 11) / 4503599627370496.0 - 1;
}

static inline void *room(size_t n, size_t size) {
  void *p;
  cr_assert(alloc_array(&p, n, size, "test") == EQS_OK);
  return p;
}

static inline double *doubles(size_t n) { return room(n, sizeof(double)); }

static inline double *randoms(size_t n, uint64_t *state) {
  double *x = doubles(n);
  for (size_t i = 0; i < n; i++) x[i] = uniform(state);
  return x;
}

/* Random rows of `mul` numbers, zero from there to `pitch`. */
static inline double *padded(size_t rows, int mul, int pitch, uint64_t *state) {
  double *x = doubles(rows * (size_t)pitch);
  for (size_t i = 0; i < rows; i++)
    for (int j = 0; j < mul; j++) x[i * (size_t)pitch + (size_t)j] = uniform(state);
  return x;
}

/* Rounded to what the table's reals can hold, so that the reference sees the same input. */
static inline void *reals(const kernel_ops *k, double *x, size_t n) {
  void *p = room(n, k->real_size);
  k->convert(x, n, p);
  for (size_t i = 0; i < n; i++)
    x[i] = k->real_size == 8 ? ((double *)p)[i] : (double)((float *)p)[i];
  return p;
}

static inline double real_at(const kernel_ops *k, const void *p, size_t i) {
  return k->real_size == 8 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static inline void expect_close(const kernel_ops *k, const void *got, const double *want, size_t n,
                                double scale, const char *what) {
  for (size_t i = 0; i < n; i++) {
    double x = real_at(k, got, i);
    cr_assert(fabs(x - want[i]) <= scale * tolerance(k) * (1 + fabs(want[i])),
              "%s, %s [%zu]: %.17g, expected %.17g", k->name, what, i, x, want[i]);
  }
}

/* Rows hold exactly 0 from `mul` to `pitch`. */
static inline void expect_padding(const kernel_ops *k, const void *p, size_t rows, int mul,
                                  int pitch, const char *what) {
  for (size_t i = 0; i < rows; i++)
    for (int j = mul; j < pitch; j++)
      cr_assert(real_at(k, p, i * (size_t)pitch + (size_t)j) == 0, "%s, %s: row %zu, padding %d",
                k->name, what, i, j);
}

static inline double dot(const double *a, const double *b, size_t n) {
  double s = 0;
  for (size_t i = 0; i < n; i++) s += a[i] * b[i];
  return s;
}

/* x + h d in a new array. */
static inline double *shifted(const double *x, const double *d, double h, size_t n) {
  double *y = doubles(n);
  for (size_t i = 0; i < n; i++) y[i] = x[i] + h * d[i];
  return y;
}

static inline void expect_slope(const char *name, const char *what, double analytic, double plus,
                                double minus, double h) {
  double numeric = (plus - minus) / (2 * h);
  cr_assert(fabs(analytic - numeric) <= 2e-8 * (1 + fabs(numeric)),
            "%s, %s: derivative %.12g, by differences %.12g", name, what, analytic, numeric);
}

#endif
