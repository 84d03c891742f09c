// fake_cublas.cpp -- the cuBLAS calls that the backend makes, as plain loops in stream order.
//
// Stricter than cuBLAS where it matters: a product in a captured stream needs a workspace of the
// caller's (cuBLAS would add allocations to the graph), changing the stream takes that workspace
// away, as the manual says, and what lies in the workspace is lost at every product. Matrices are
// checked against the allocations that hold them.
//
// SPDX-License-Identifier: MIT
#include <cstring>
#include <cublas_v2.h>

#include "kernels/emu/fake_internal.h"
#include "kernels/emu/gemm.h"

struct cublasContext {
  cudaStream_t stream;
  void *workspace;
  size_t workspace_size;
  cublasPointerMode_t pointer_mode;
  cublasMath_t math;
};

namespace {
using fake::guard;

using fake::shape;

// Elements that a column-major matrix of so many rows and columns reaches over.
size_t extent(int rows, int columns, int ld) {
  return rows && columns ? (size_t)(columns - 1) * (size_t)ld + (size_t)rows : 0;
}

template <class T>
void checked_multiply(const shape &s, T alpha, const T *a, const T *b, T beta, T *c) {
  if (s.k) {
    fake::check_range(a, sizeof(T) * (s.ta ? extent(s.k, s.m, s.lda) : extent(s.m, s.k, s.lda)),
                      "gemm", "A");
    fake::check_range(b, sizeof(T) * (s.tb ? extent(s.n, s.k, s.ldb) : extent(s.k, s.n, s.ldb)),
                      "gemm", "B");
  }
  fake::check_range(c, sizeof(T) * extent(s.m, s.n, s.ldc), "gemm", "C");
  cuemu::checked program;
  fake::multiply(s, alpha, a, b, beta, c);
}

cublasStatus_t check(cublasHandle_t h, const shape &s) {
  if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (s.m < 0 || s.n < 0 || s.k < 0) return CUBLAS_STATUS_INVALID_VALUE;
  auto at_least_1 = [](int x) { return x > 1 ? x : 1; };
  if (s.lda < at_least_1(s.ta ? s.k : s.m) || s.ldb < at_least_1(s.tb ? s.n : s.k) ||
      s.ldc < at_least_1(s.m)) {
    fake::say("gemm: leading dimensions %d %d %d for m, n, k = %d, %d, %d", s.lda, s.ldb, s.ldc,
              s.m, s.n, s.k);
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  return CUBLAS_STATUS_SUCCESS;
}

bool transposed(cublasOperation_t op) { return op != CUBLAS_OP_N; }

cublasStatus_t submit(cublasHandle_t h, const char *what, std::function<void()> run) {
  if (!h->workspace && fake::is_capturing(h->stream)) {
    fake::say("%s in a captured stream: cublasSetWorkspace has to come first, and again after "
              "each cublasSetStream",
              what);
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  void *workspace = h->workspace;
  const size_t size = h->workspace_size;
  cudaError_t e = fake::submit_once(h->stream, what, [run = std::move(run), workspace, size] {
    if (size) {
      fake::check_range(workspace, size, "gemm", "the workspace");
      cuemu::checked program;
      memset(workspace, 0xff, size < 4096 ? size : 4096);
    }
    fake::all().counts.gemms++;
    run();
  });
  return e == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

// One scalar, read now from the host or later from the device.
template <class T> std::function<T()> scalar(cublasHandle_t h, const T *p) {
  if (h->pointer_mode == CUBLAS_POINTER_MODE_DEVICE)
    return [p] {
      fake::check_range(p, sizeof *p, "gemm", "a scalar");
      return *p;
    };
  return [v = *p] { return v; };
}

template <class T>
cublasStatus_t strided(cublasHandle_t h, const shape &s, const T *alpha, const T *a, long long da,
                       const T *b, long long db, const T *beta, T *c, long long dc, int count) {
  guard g;
  if (fake::fail()) return CUBLAS_STATUS_EXECUTION_FAILED;
  cublasStatus_t e = check(h, s);
  if (e != CUBLAS_STATUS_SUCCESS || !s.m || !s.n || count == 0) return e;
  if (count < 0 || !alpha || !beta) return CUBLAS_STATUS_INVALID_VALUE;
  if (fake::traced(s.m, s.n, s.k, count)) return CUBLAS_STATUS_SUCCESS;
  auto x = scalar(h, alpha), y = scalar(h, beta);
  return submit(h, "gemm", [=] {
    for (int i = 0; i < count; i++)
      checked_multiply<T>(s, x(), a + i * da, b + i * db, y(), c + i * dc);
  });
}

template <class T> struct group {
  shape s;
  T alpha, beta;
  int count;
};

template <class T>
cublasStatus_t pointers(cublasHandle_t h, std::vector<group<T>> groups, const T *const *a,
                        const T *const *b, T *const *c) {
  size_t n = 0;
  for (const auto &x : groups) {
    cublasStatus_t e = check(h, x.s);
    if (e != CUBLAS_STATUS_SUCCESS) return e;
    if (x.count < 0) return CUBLAS_STATUS_INVALID_VALUE;
    n += (size_t)x.count;
  }
  if (!n) return CUBLAS_STATUS_SUCCESS;
  return submit(h, "gemm", [=] {
    fake::check_range(a, n * sizeof *a, "gemm", "the array of A");
    fake::check_range(b, n * sizeof *b, "gemm", "the array of B");
    fake::check_range(c, n * sizeof *c, "gemm", "the array of C");
    size_t at = 0;
    for (const auto &x : groups)
      for (int i = 0; i < x.count; i++, at++)
        if (x.s.m && x.s.n) checked_multiply<T>(x.s, x.alpha, a[at], b[at], x.beta, c[at]);
  });
}

template <class T>
cublasStatus_t batched(cublasHandle_t h, const shape &s, const T *alpha, const T *const *a,
                       const T *const *b, const T *beta, T *const *c, int count) {
  guard g;
  if (fake::fail()) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (h->pointer_mode != CUBLAS_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
  return pointers<T>(h, {{s, *alpha, *beta, count}}, a, b, c);
}

template <class T>
cublasStatus_t grouped(cublasHandle_t h, const cublasOperation_t *ta, const cublasOperation_t *tb,
                       const int *m, const int *n, const int *k, const T *alpha, const T *const *a,
                       const int *lda, const T *const *b, const int *ldb, const T *beta,
                       T *const *c, const int *ldc, int count, const int *sizes) {
  guard g;
  if (fake::fail()) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (count < 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (h->pointer_mode != CUBLAS_POINTER_MODE_HOST) return CUBLAS_STATUS_NOT_SUPPORTED;
  std::vector<group<T>> groups;
  for (int i = 0; i < count; i++)
    groups.push_back(
        {{transposed(ta[i]), transposed(tb[i]), m[i], n[i], k[i], lda[i], ldb[i], ldc[i]},
         alpha[i],
         beta[i],
         sizes[i]});
  return pointers<T>(h, std::move(groups), a, b, c);
}
} // namespace

extern "C" {
cublasStatus_t cublasCreate_v2(cublasHandle_t *out) {
  guard g;
  if (fake::fail() || !fake::all().devices) return CUBLAS_STATUS_ALLOC_FAILED;
  if (fake::forbid_in_capture() != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
  *out = new cublasContext();
  fake::all().blas_handles++;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t h) {
  guard g;
  if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
  fake::synchronize_all();
  delete h;
  fake::all().blas_handles--;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetStream_v2(cublasHandle_t h, cudaStream_t stream) {
  guard g;
  if (fake::fail() || !h) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!fake::stream_of(stream)) return CUBLAS_STATUS_INVALID_VALUE;
  h->stream = stream;
  h->workspace = nullptr;
  h->workspace_size = 0;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetStream_v2(cublasHandle_t h, cudaStream_t *stream) {
  if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
  *stream = h->stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t h, void *workspace, size_t bytes) {
  guard g;
  if (fake::fail() || !h) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (bytes && ((uintptr_t)workspace % 256 || !fake::is_device(workspace))) {
    fake::say("cublasSetWorkspace: %p is not device memory aligned to 256 bytes", workspace);
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (bytes) fake::check_range(workspace, bytes, "cublasSetWorkspace", "the workspace");
  h->workspace = bytes ? workspace : nullptr;
  h->workspace_size = bytes;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetMathMode(cublasHandle_t h, cublasMath_t mode) {
  guard g;
  if (fake::fail() || !h) return CUBLAS_STATUS_NOT_INITIALIZED;
  h->math = mode;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetMathMode(cublasHandle_t h, cublasMath_t *mode) {
  if (!h) return CUBLAS_STATUS_NOT_INITIALIZED;
  *mode = h->math;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t h, cublasPointerMode_t mode) {
  guard g;
  if (fake::fail() || !h) return CUBLAS_STATUS_NOT_INITIALIZED;
  h->pointer_mode = mode;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int *version) {
  *version = CUBLAS_VERSION;
  return CUBLAS_STATUS_SUCCESS;
}
const char *cublasGetStatusName(cublasStatus_t s) { return cublasGetStatusString(s); }
const char *cublasGetStatusString(cublasStatus_t s) {
  switch (s) {
  case CUBLAS_STATUS_SUCCESS: return "success";
  case CUBLAS_STATUS_NOT_INITIALIZED: return "the library was not initialized";
  case CUBLAS_STATUS_ALLOC_FAILED: return "the resource allocation failed";
  case CUBLAS_STATUS_INVALID_VALUE: return "an invalid value was used as an argument";
  case CUBLAS_STATUS_EXECUTION_FAILED: return "the function failed to launch on the GPU";
  case CUBLAS_STATUS_NOT_SUPPORTED: return "the functionality requested is not supported";
  default: return "an internal operation failed";
  }
}

// The same six calls for float and double.
#define GEMM(P, T)                                                                                 \
  cublasStatus_t cublas##P##gemm_v2(cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb,  \
                                    int m, int n, int k, const T *alpha, const T *a, int lda,      \
                                    const T *b, int ldb, const T *beta, T *c, int ldc) {           \
    return strided<T>(h, {transposed(ta), transposed(tb), m, n, k, lda, ldb, ldc}, alpha, a, 0, b, \
                      0, beta, c, 0, 1);                                                           \
  }                                                                                                \
  cublasStatus_t cublas##P##gemmStridedBatched(                                                    \
      cublasHandle_t h, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,           \
      const T *alpha, const T *a, int lda, long long int da, const T *b, int ldb,                  \
      long long int db, const T *beta, T *c, int ldc, long long int dc, int count) {               \
    return strided<T>(h, {transposed(ta), transposed(tb), m, n, k, lda, ldb, ldc}, alpha, a, da,   \
                      b, db, beta, c, dc, count);                                                  \
  }                                                                                                \
  cublasStatus_t cublas##P##gemmBatched(cublasHandle_t h, cublasOperation_t ta,                    \
                                        cublasOperation_t tb, int m, int n, int k, const T *alpha, \
                                        const T *const a[], int lda, const T *const b[], int ldb,  \
                                        const T *beta, T *const c[], int ldc, int count) {         \
    return batched<T>(h, {transposed(ta), transposed(tb), m, n, k, lda, ldb, ldc}, alpha, a, b,    \
                      beta, c, count);                                                             \
  }                                                                                                \
  cublasStatus_t cublas##P##gemmGroupedBatched(                                                    \
      cublasHandle_t h, const cublasOperation_t ta[], const cublasOperation_t tb[], const int m[], \
      const int n[], const int k[], const T alpha[], const T *const a[], const int lda[],          \
      const T *const b[], const int ldb[], const T beta[], T *const c[], const int ldc[],          \
      int count, const int sizes[]) {                                                              \
    return grouped<T>(h, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, count, sizes);      \
  }
GEMM(S, float)
GEMM(D, double)
#undef GEMM
}
