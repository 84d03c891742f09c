/* torch_number.c -- IEEE 754 halves, bfloat16, floats and integers to double, along any strides.
 *
 * Storages are little-endian and not aligned to anything.
 *
 * SPDX-License-Identifier: MIT */
#include "io/torch_number.h"

#include <math.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensor storages are little-endian; a big-endian machine needs a swap here"
#endif

static float bits_to_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static double half_to_double(uint16_t h) {
  int exponent = h >> 10 & 31, fraction = h & 1023;
  double x = exponent == 0    ? ldexp(fraction, -24)
             : exponent == 31 ? (fraction ? NAN : INFINITY)
                              : ldexp(1024 + fraction, exponent - 25);
  return h & 0x8000 ? -x : x;
}

static torch_number real(double x) { return (torch_number){0, 0, x}; }
static torch_number integer(int64_t i) { return (torch_number){1, i, (double)i}; }

torch_number number_decode(torch_dtype dtype, const unsigned char *p) {
  union {
    double f64;
    float f32;
    int64_t i64;
    int32_t i32;
    int16_t i16;
    int8_t i8;
    uint16_t u16;
    uint8_t u8;
  } raw = {0};
  if (dtype >= DTYPE_COMPLEX64) return real(0);
  memcpy(&raw, p, dtype_size(dtype));
  switch (dtype) {
  case DTYPE_FLOAT64: return real(raw.f64);
  case DTYPE_FLOAT32: return real((double)raw.f32);
  case DTYPE_FLOAT16: return real(half_to_double(raw.u16));
  case DTYPE_BFLOAT16: return real((double)bits_to_float((uint32_t)raw.u16 << 16));
  case DTYPE_INT64: return integer(raw.i64);
  case DTYPE_INT32: return integer(raw.i32);
  case DTYPE_INT16: return integer(raw.i16);
  case DTYPE_INT8: return integer(raw.i8);
  case DTYPE_UINT8: return integer(raw.u8);
  case DTYPE_BOOL: return integer(raw.u8 != 0);
  default: return real(0);
  }
}

/* n elements, `step` bytes apart. */
static void widen_run(torch_dtype dtype, const unsigned char *p, size_t step, size_t n,
                      double *out) {
  if (dtype == DTYPE_FLOAT64 && step == sizeof(double)) {
    memcpy(out, p, n * sizeof(double));
  } else if (dtype == DTYPE_FLOAT32) {
    for (size_t i = 0; i < n; i++) {
      float x;
      memcpy(&x, p + i * step, sizeof x);
      out[i] = (double)x;
    }
  } else {
    for (size_t i = 0; i < n; i++) out[i] = number_decode(dtype, p + i * step).x;
  }
}

static int is_contiguous(const torch_tensor *t) {
  int64_t expected = 1;
  for (int k = t->rank - 1; k >= 0; k--) {
    if (t->shape[k] != 1 && t->stride[k] != expected) return 0;
    expected *= t->shape[k]; /* at most count */
  }
  return 1;
}

/* Where runs of the last dimension begin, in elements, in row-major order; a contiguous tensor is
 * one run. */
typedef struct runs {
  const torch_tensor *t;
  int64_t index[PICKLE_RANK_MAX];
  size_t at, length, step;
} runs;

static runs first_run(const torch_tensor *t) {
  if (is_contiguous(t)) return (runs){.t = t, .length = t->count, .step = 1};
  int last = t->rank - 1; /* a tensor of rank 0 is contiguous */
  return (runs){.t = t, .length = (size_t)t->shape[last], .step = (size_t)t->stride[last]};
}

static void next_run(runs *r) {
  const torch_tensor *t = r->t;
  for (int k = t->rank - 2; k >= 0; k--) {
    r->at += (size_t)t->stride[k];
    if (++r->index[k] < t->shape[k]) break;
    r->at -= (size_t)(t->shape[k] * t->stride[k]);
    r->index[k] = 0;
  }
}

void tensor_widen(const torch_tensor *t, double *out) {
  size_t size = dtype_size(t->dtype);
  if (t->count == 0) return;
  const unsigned char *from = t->storage->data + t->offset * size;
  runs r = first_run(t);
  for (size_t done = 0; done < t->count; done += r.length, next_run(&r))
    widen_run(t->dtype, from + r.at * size, r.step * size, r.length, out + done);
}

void tensor_pack(const torch_tensor *t, unsigned char *out) {
  size_t size = dtype_size(t->dtype);
  if (t->count == 0) return;
  const unsigned char *from = t->storage->data + t->offset * size;
  runs r = first_run(t);
  for (size_t done = 0; done < t->count; done += r.length, next_run(&r)) {
    if (r.step == 1) memcpy(out + done * size, from + r.at * size, r.length * size);
    else
      for (size_t i = 0; i < r.length; i++)
        memcpy(out + (done + i) * size, from + (r.at + i * r.step) * size, size);
  }
}

eqs_status tensor_verify(const torch_tensor *t) {
  torch_storage *s = t->storage;
  if (!s->verify || atomic_load_explicit(&s->verified, memory_order_acquire)) return EQS_OK;
  EQS_TRY(s->verify(s->owner, s));
  atomic_store_explicit(&s->verified, 1, memory_order_release);
  return EQS_OK;
}
