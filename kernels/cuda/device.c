/* device.c -- the host code of the CUDA backend: memory, streams, copies, cuBLAS. With
 * link.c and profile.c the only C file that sees NVIDIA's headers.
 *
 * A device is one GPU with a stream and a cuBLAS handle, and memory that the two may use. Failures
 * of launches and of cuBLAS are kept and reported by `finish`.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/cuda/cuda.h"

#include <stdlib.h>
#include <time.h>

#include <cublas_v2.h>
#include <cuda_runtime_api.h>

enum { BLAS_WORKSPACE = 4 << 20 }; /* small products, no split sums: far more than they use */

typedef struct cuda_device {
  device base;
  const char *name;
  int index;
  cudaStream_t own, stream; /* its own, and the one in use: its own, or a caller's */
  cudaStream_t before;      /* in use before a graph was begun */
  cublasHandle_t blas;
  int blas_lost; /* its stream may be another */
  void *blas_workspace;
  cudaError_t failure; /* the first of a launch, a fill or cuBLAS since the last finish */
  cublasStatus_t blas_failure;
  int (*lost)(void *user); /* asked while `finish` waits; may be NULL */
  void *lost_user;
  kernel_ops kernels[2]; /* single, double */
} cuda_device;

/* Like the current device of the CUDA runtime: a property of the thread. */
static _Thread_local cuda_device *entered;

static eqs_status check(const cuda_device *d, cudaError_t error, const char *what) {
  if (error == cudaSuccess) return EQS_OK;
  eqs_status code = error == cudaErrorMemoryAllocation ? EQS_ERR_MEMORY : EQS_ERR_DEVICE;
  EQS_FAIL(code, "%s: %s: %s", d->name, what, cudaGetErrorString(error));
}

static eqs_status check_blas(const cuda_device *d, cublasStatus_t status, const char *what) {
  if (status == CUBLAS_STATUS_SUCCESS) return EQS_OK;
  EQS_FAIL(EQS_ERR_DEVICE, "%s: %s: %s", d->name, what, cublasGetStatusString(status));
}

/* Copies and fills are queued behind the kernels that this thread has launched. */
static cuda_device *queue_of(cuda_device *d) {
  return entered && entered->index == d->index ? entered : d;
}

/* ------------------------------------------------------------------------------- device_ops */

static eqs_status take(device *base, size_t bytes, void **out) {
  cuda_device *d = (cuda_device *)base;
  *out = NULL;
  EQS_TRY(check(d, cudaSetDevice(d->index), "cudaSetDevice"));
  cudaError_t error = cudaMalloc(out, bytes ? bytes : 1);
  if (error == cudaErrorMemoryAllocation) {
    (void)cudaGetLastError(); /* not to be found again by `finish` */
    EQS_FAIL(EQS_ERR_MEMORY, "%s: out of memory: %zu bytes", d->name, bytes);
  }
  return check(d, error, "cudaMalloc");
}

static void give(device *base, void *p) {
  (void)base; /* an address tells its GPU */
  (void)cudaFree(p);
}

/* From memory that is not pinned the runtime takes the bytes before it returns. */
static eqs_status put(device *base, void *to, const void *from, size_t bytes) {
  cuda_device *d = (cuda_device *)base;
  if (!bytes) return EQS_OK;
  return check(d, cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, queue_of(d)->stream),
               "copy to the device");
}

static eqs_status get(device *base, void *to, const void *from, size_t bytes) {
  cuda_device *d = (cuda_device *)base;
  if (!bytes) return EQS_OK;
  return check(d, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, queue_of(d)->stream),
               "copy from the device");
}

static void zero(device *base, void *p, size_t bytes) {
  cuda_device *d = (cuda_device *)base, *to = queue_of(d);
  if (!bytes || to->failure != cudaSuccess) return;
  to->failure = cudaMemsetAsync(p, 0, bytes, to->stream);
}

static eqs_status enter(device *base) {
  cuda_device *d = (cuda_device *)base;
  entered = d;
  return check(d, cudaSetDevice(d->index), "cudaSetDevice");
}

static cudaError_t wait_for(cuda_device *d) {
  cudaError_t state = cudaErrorNotReady;
  for (int looks = 0; d->lost && state == cudaErrorNotReady; looks++) {
    state = cudaStreamQuery(d->stream);
    if (state != cudaErrorNotReady || d->lost(d->lost_user)) break;
    struct timespec moment = {.tv_nsec = looks < 100 ? 20000 : 500000};
    if (looks > 10) nanosleep(&moment, NULL);
  }
  if (state != cudaSuccess && state != cudaErrorNotReady) return state;
  return cudaStreamSynchronize(d->stream);
}

void cuda_watch(device *base, int (*lost)(void *user), void *user) {
  cuda_device *d = (cuda_device *)base;
  d->lost = lost;
  d->lost_user = user;
}

static eqs_status finish(device *base) {
  cuda_device *d = (cuda_device *)base, *queue = queue_of(d);
  cudaError_t launch = queue->failure, end = wait_for(queue);
  cublasStatus_t blas = queue->blas_failure;
  queue->failure = cudaSuccess;
  queue->blas_failure = CUBLAS_STATUS_SUCCESS;
  (void)cudaGetLastError(); /* what is reported here is not to be found again */
  EQS_TRY(check_blas(d, blas, "cuBLAS"));
  EQS_TRY(check(d, launch, "launch"));
  return check(d, end, "execution");
}

static void close_device(device *base) {
  cuda_device *d = (cuda_device *)base;
  if (entered == d) entered = NULL;
  (void)cudaSetDevice(d->index);
  if (d->own) (void)cudaStreamSynchronize(d->own);
  if (d->blas) (void)cublasDestroy(d->blas);
  (void)cudaFree(d->blas_workspace);
  if (d->own) (void)cudaStreamDestroy(d->own);
  (void)cudaGetLastError(); /* nobody is left to be told */
  free(d);
}

/* ----------------------------------------------------------------------------------- streams */

/* cuBLAS forgets its workspace with its stream; in one of ours it allocates nothing. */
static eqs_status choose_stream(cuda_device *d, cudaStream_t stream) {
  if (d->stream == stream && !d->blas_lost) return EQS_OK;
  d->blas_lost = 1;
  EQS_TRY(check_blas(d, cublasSetStream(d->blas, stream), "cuBLAS"));
  EQS_TRY(check_blas(d, cublasSetWorkspace(d->blas, d->blas_workspace, BLAS_WORKSPACE), "cuBLAS"));
  d->stream = stream;
  d->blas_lost = 0;
  return EQS_OK;
}

static eqs_status use_stream(device *base, void *stream) {
  cuda_device *d = (cuda_device *)base;
  return choose_stream(d, stream ? (cudaStream_t)stream : d->own);
}

static void *stream_of(const device *base) { return ((const cuda_device *)base)->stream; }

/* Always in its own stream: the default stream cannot be captured, and a caller may capture his. */
static eqs_status graph_begin(device *base) {
  cuda_device *d = (cuda_device *)base;
  cudaStream_t before = d->stream;
  EQS_TRY(choose_stream(d, d->own));
  d->before = before;
  return check(d, cudaStreamBeginCapture(d->own, cudaStreamCaptureModeThreadLocal), "capture");
}

static eqs_status graph_end(device *base, device_graph **out) {
  cuda_device *d = (cuda_device *)base;
  cudaGraph_t graph = NULL;
  cudaGraphExec_t ready = NULL;
  cudaError_t launch = d->failure, end = cudaStreamEndCapture(d->own, &graph);
  cublasStatus_t blas = d->blas_failure;
  d->failure = cudaSuccess;
  d->blas_failure = CUBLAS_STATUS_SUCCESS;
  *out = NULL;
  if (launch == cudaSuccess && end == cudaSuccess)
    end = cudaGraphInstantiateWithFlags(&ready, graph, 0);
  if (graph) (void)cudaGraphDestroy(graph);
  (void)cudaGetLastError();
  eqs_status status = check_blas(d, blas, "cuBLAS");
  if (status == EQS_OK) status = check(d, launch, "launch");
  if (status == EQS_OK) status = check(d, end, "capture");
  if (status == EQS_OK) status = choose_stream(d, d->before);
  if (status == EQS_OK) *out = (device_graph *)ready;
  else if (ready) (void)cudaGraphExecDestroy(ready);
  return status;
}

static eqs_status graph_launch(device *base, device_graph *g) {
  cuda_device *d = (cuda_device *)base;
  return check(d, cudaGraphLaunch((cudaGraphExec_t)g, d->stream), "graph");
}

static void graph_free(device *base, device_graph *g) {
  (void)base;
  if (g) (void)cudaGraphExecDestroy((cudaGraphExec_t)g);
}

static eqs_status move(device *base, void *to, const void *from, size_t bytes) {
  cuda_device *d = (cuda_device *)base;
  if (!bytes) return EQS_OK;
  return check(d, cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, queue_of(d)->stream),
               "copy on the device");
}

static int holds(device *base, const void *p) {
  const cuda_device *d = (const cuda_device *)base;
  struct cudaPointerAttributes a;
  if (cudaPointerGetAttributes(&a, p) != cudaSuccess) {
    (void)cudaGetLastError();
    return 0;
  }
  return a.type == cudaMemoryTypeManaged ||
         (a.type == cudaMemoryTypeDevice && a.device == d->index);
}

static const device_ops ops = {.name = "cuda",
                               .take = take,
                               .give = give,
                               .put = put,
                               .get = get,
                               .zero = zero,
                               .enter = enter,
                               .finish = finish,
                               .close = close_device,
                               .graph_begin = graph_begin,
                               .graph_end = graph_end,
                               .graph_launch = graph_launch,
                               .graph_free = graph_free,
                               .move = move,
                               .holds = holds,
                               .use_stream = use_stream,
                               .stream = stream_of};

/* ------------------------------------------------------------------------------------ opening */

static eqs_status set_up(cuda_device *d) {
  EQS_TRY(check(d, cudaSetDevice(d->index), "cudaSetDevice"));
  EQS_TRY(check(d, cudaStreamCreateWithFlags(&d->own, cudaStreamNonBlocking), "stream"));
  d->stream = d->own;
  EQS_TRY(check_blas(d, cublasCreate(&d->blas), "cuBLAS"));
  EQS_TRY(check_blas(d, cublasSetStream(d->blas, d->stream), "cuBLAS"));
  /* A workspace of ours, so that nothing is allocated while a graph is captured. */
  EQS_TRY(check(d, cudaMalloc(&d->blas_workspace, BLAS_WORKSPACE), "cudaMalloc"));
  EQS_TRY(check_blas(d, cublasSetWorkspace(d->blas, d->blas_workspace, BLAS_WORKSPACE), "cuBLAS"));
  /* Results must agree with the host's: no TF32. */
  return check_blas(d, cublasSetMathMode(d->blas, CUBLAS_PEDANTIC_MATH), "cuBLAS");
}

eqs_status cuda_open(int index, const char *name, device **out) {
  int count = 0;
  *out = NULL;
  cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count < 1)
    EQS_FAIL(EQS_ERR_DEVICE, "%s: %s", name,
             error == cudaSuccess ? "this machine has no GPU" : cudaGetErrorString(error));
  if (index < 0 || index >= count)
    EQS_FAIL(EQS_ERR_DEVICE, "%s: this machine has GPUs 0 to %d", name, count - 1);
  cuda_device *d = calloc(1, sizeof *d);
  if (!d) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: device");
  d->base.ops = &ops;
  d->name = name;
  d->index = index;
  d->kernels[0] = kernels_cuda_f32;
  d->kernels[1] = kernels_cuda_f64;
  d->kernels[0].device = d->kernels[1].device = &d->base;
  eqs_status status = set_up(d);
  if (status != EQS_OK) {
    close_device(&d->base);
    return status;
  }
  *out = &d->base;
  return EQS_OK;
}

int cuda_index(const device *d) { return ((const cuda_device *)d)->index; }

const kernel_ops *cuda_kernels(const device *d, int double_precision) {
  return &((const cuda_device *)d)->kernels[double_precision != 0];
}

void *cuda_entered_stream(void) { return entered->stream; }

int cuda_may_launch(void) { return entered->failure == cudaSuccess; }

void cuda_launched(void) {
  if (entered->failure == cudaSuccess) entered->failure = cudaPeekAtLastError();
}

/* -------------------------------------------------------------------------------- linear maps */

static void note(cublasStatus_t status) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  entered->blas_failure = status;
  entered->failure = cudaErrorUnknown;
}

/* Row-major out[atom][m] = in[atom][m] W as column-major W^T in^T, one product per m; rows of one m
 * are a stride apart. */
void cuda_linear_f32(const linear_args *a) {
  const float one = 1, beta = a->accumulate ? 1 : 0;
  if (!cuda_may_launch()) return;
  note(cublasSgemmStridedBatched(entered->blas, CUBLAS_OP_N, CUBLAS_OP_N, a->n, a->n_atom, a->k,
                                 &one, a->weight, a->n, 0, a->in, a->in_stride, a->in_pitch, &beta,
                                 a->out, a->out_stride, a->out_pitch, a->n_m));
}

void cuda_linear_f64(const linear_args *a) {
  const double one = 1, beta = a->accumulate ? 1 : 0;
  if (!cuda_may_launch()) return;
  note(cublasDgemmStridedBatched(entered->blas, CUBLAS_OP_N, CUBLAS_OP_N, a->n, a->n_atom, a->k,
                                 &one, a->weight, a->n, 0, a->in, a->in_stride, a->in_pitch, &beta,
                                 a->out, a->out_stride, a->out_pitch, a->n_m));
}
