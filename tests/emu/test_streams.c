/* Streams, events and graphs of the fake runtime: what is ordered, what is not, and what a capture
 * refuses.
 * SPDX-License-Identifier: MIT */
#include <cublas_v2.h>

#include "tests/emu/device.h"
#include "tests/emu/kernels.h"

enum { N = 16, SEEDS = 24, BYTES = N * sizeof(float) };

static cudaStream_t new_stream(void) {
  cudaStream_t s;
  CUDA(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  return s;
}
static float first(const float *d) {
  float v;
  CUDA(cudaDeviceSynchronize());
  CUDA(cudaMemcpy(&v, d, sizeof v, cudaMemcpyDeviceToHost));
  return v;
}

/* What follows looks at memory before it may: ThreadSanitizer says so, rightly. */
static void skip_if_races_are_reported(void) {
  if (!strcmp(EQS_TEST_SANITIZER, "thread")) cr_skip_test("races on purpose: ThreadSanitizer");
}

Test(streams, nothing_runs_before_the_host_waits) {
  skip_if_races_are_reported();
  float *d = device_room(BYTES), *h;
  cudaStream_t s = new_stream();
  CUDA(cudaMallocHost((void **)&h, BYTES));
  for (int i = 0; i < N; i++) h[i] = -1;
  launch_fill(d, N, 2, s);
  CUDA(cudaMemcpyAsync(h, d, BYTES, cudaMemcpyDeviceToHost, s));
  cr_assert(h[0] == -1 && eqs_fake_count().launches == 0);
  CUDA(cudaStreamSynchronize(s));
  cr_assert(h[0] == 2 && h[N - 1] == 2);
  CUDA(cudaStreamDestroy(s));
  CUDA(cudaFree(d));
  CUDA(cudaFreeHost(h));
}

/* Pinned memory is read when the copy runs, so changing it too early shows. */
Test(streams, pinned_sources_are_read_late) {
  skip_if_races_are_reported();
  float *d = device_room(BYTES), *h;
  CUDA(cudaMallocHost((void **)&h, BYTES));
  h[0] = 1;
  CUDA(cudaMemcpyAsync(d, h, BYTES, cudaMemcpyHostToDevice, NULL));
  h[0] = 2;
  cr_assert(first(d) == 2);
  CUDA(cudaFree(d));
  CUDA(cudaFreeHost(h));
}

/* fill 1 in one stream, times 3 in another: 3 if ordered, 1 (or NaN * 3 filled over) if not. */
static float fill_and_scale(uint64_t seed, int with_event) {
  cudaStream_t a = new_stream(), b = new_stream();
  cudaEvent_t event;
  float *d = device_room(BYTES);
  eqs_fake_set_seed(seed);
  CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  launch_fill(d, N, 1, a);
  if (with_event) {
    CUDA(cudaEventRecord(event, a));
    CUDA(cudaStreamWaitEvent(b, event, 0));
  }
  launch_scale(d, N, 3, b);
  float v = first(d);
  CUDA(cudaStreamDestroy(a));
  CUDA(cudaStreamDestroy(b));
  CUDA(cudaEventDestroy(event));
  CUDA(cudaFree(d));
  return v;
}

Test(streams, an_event_orders_two_streams) {
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    float v = fill_and_scale(seed, 1);
    cr_assert(v == 3, "seed %d: %g", (int)seed, (double)v);
  }
  cr_assert(eqs_fake_report() == 0);
}

Test(streams, a_missing_event_shows) {
  int right = 0;
  skip_if_races_are_reported();
  for (uint64_t seed = 1; seed <= SEEDS; seed++) right += fill_and_scale(seed, 0) == 3;
  cr_assert(right > 0 && right < SEEDS, "without the event %d of %d seeds are right", right, SEEDS);
  cr_assert(fill_and_scale(0, 0) == 3, "seed 0 is the order of submission");
  cr_assert(eqs_fake_report() == 0);
}

Test(streams, the_default_stream_waits_for_blocking_ones) {
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    cudaStream_t a, b;
    float *d = device_room(BYTES);
    eqs_fake_set_seed(seed);
    CUDA(cudaStreamCreate(&a));
    CUDA(cudaStreamCreate(&b));
    launch_fill(d, N, 1, a);
    launch_scale(d, N, 3, NULL);
    launch_scale(d, N, 5, b);
    cr_assert(first(d) == 15);
    CUDA(cudaStreamDestroy(a));
    CUDA(cudaStreamDestroy(b));
    CUDA(cudaFree(d));
  }
}

Test(streams, only_what_is_waited_for_has_to_run) {
  int unfinished = 0;
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    cudaStream_t a = new_stream(), b = new_stream();
    float *d = device_room(BYTES), *e = device_room(BYTES);
    eqs_fake_set_seed(seed);
    launch_fill(d, N, 1, a);
    launch_fill(e, N, 2, b);
    CUDA(cudaStreamSynchronize(b));
    unfinished += eqs_fake_count().launches == 1;
    while (cudaStreamQuery(a) == cudaErrorNotReady) {}
    eqs_fake_reset_counts();
    CUDA(cudaStreamDestroy(a));
    CUDA(cudaStreamDestroy(b));
    CUDA(cudaFree(d));
    CUDA(cudaFree(e));
  }
  cr_assert(unfinished > 0 && unfinished < SEEDS, "%d of %d", unfinished, SEEDS);
  cr_assert(eqs_fake_report() == 0);
}

static void CUDART_CB note(void *data) { ++*(int *)data; }

Test(streams, host_functions_and_events_are_in_order) {
  int calls = 0;
  float ms = -1, *d = device_room(BYTES);
  cudaStream_t s = new_stream();
  cudaEvent_t a, b;
  CUDA(cudaEventCreate(&a));
  CUDA(cudaEventCreate(&b));
  CUDA(cudaEventRecord(a, s));
  CUDA(cudaLaunchHostFunc(s, note, &calls));
  launch_fill(d, N, 1, s);
  CUDA(cudaEventRecord(b, s));
  CUDA_FAILS(cudaEventElapsedTime(&ms, a, b), cudaErrorNotReady);
  CUDA(cudaEventSynchronize(b));
  cr_assert(calls == 1);
  CUDA(cudaEventQuery(a));
  CUDA(cudaEventElapsedTime(&ms, a, b));
  cr_assert(ms >= 0);
  CUDA(cudaEventDestroy(a));
  CUDA(cudaEventDestroy(b));
  CUDA(cudaStreamDestroy(s));
  CUDA(cudaFree(d));
}

/* ---------------------------------------------------------------------------------- graphs */

static cudaGraphExec_t instantiate(cudaGraph_t graph) {
  cudaGraphExec_t exec;
  CUDA(cudaGraphInstantiate(&exec, graph, 0));
  CUDA(cudaGraphDestroy(graph));
  return exec;
}

Test(graphs, recorded_work_runs_at_each_launch) {
  cudaStream_t s = new_stream();
  cudaGraph_t graph;
  enum cudaStreamCaptureStatus status;
  float *x = device_room(BYTES), *y = device_room(BYTES);
  launch_fill(y, N, 0, s);
  CUDA(cudaStreamSynchronize(s));
  CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  CUDA(cudaStreamIsCapturing(s, &status));
  cr_assert(status == cudaStreamCaptureStatusActive);
  launch_fill(x, N, 2, s);
  launch_add(y, x, N, s);
  CUDA(cudaStreamEndCapture(s, &graph));
  size_t nodes;
  CUDA(cudaGraphGetNodes(graph, NULL, &nodes));
  cr_assert(nodes == 2);
  cr_assert(first(y) == 0, "capturing runs nothing");
  cudaGraphExec_t exec = instantiate(graph);
  for (int i = 0; i < 5; i++) CUDA(cudaGraphLaunch(exec, s));
  cr_assert(first(y) == 10);
  cr_assert(eqs_fake_count().nodes == 10 && eqs_fake_count().graph_launches == 5);
  CUDA(cudaGraphExecDestroy(exec));
  CUDA(cudaStreamDestroy(s));
  CUDA(cudaFree(x));
  CUDA(cudaFree(y));
  cr_assert(eqs_fake_report() == 0);
}

/* Two branches from one stream and back: (fill x, fill y) then y += x; without the last event the
 * capture is not joined. */
static cudaError_t capture_fork(cudaStream_t a, cudaStream_t b, float *x, float *y, int join,
                                cudaGraph_t *graph) {
  cudaEvent_t fork, back;
  CUDA(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  CUDA(cudaEventCreateWithFlags(&back, cudaEventDisableTiming));
  CUDA(cudaStreamBeginCapture(a, cudaStreamCaptureModeThreadLocal));
  CUDA(cudaEventRecord(fork, a));
  CUDA(cudaStreamWaitEvent(b, fork, 0));
  launch_fill(x, N, 4, b);
  launch_fill(y, N, 3, a);
  CUDA(cudaEventRecord(back, b));
  if (join) CUDA(cudaStreamWaitEvent(a, back, 0));
  launch_add(y, x, N, a);
  cudaError_t e = cudaStreamEndCapture(a, graph);
  CUDA(cudaEventDestroy(fork));
  CUDA(cudaEventDestroy(back));
  return e;
}

Test(graphs, branches_follow_their_events) {
  cudaStream_t a = new_stream(), b = new_stream();
  cudaGraph_t graph;
  float *x = device_room(BYTES), *y = device_room(BYTES);
  CUDA_FAILS(capture_fork(a, b, x, y, 0, &graph), cudaErrorStreamCaptureUnjoined);
  cr_assert_null(graph);
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    eqs_fake_set_seed(seed);
    CUDA(capture_fork(a, b, x, y, 1, &graph));
    cudaGraphExec_t exec = instantiate(graph);
    CUDA(cudaGraphLaunch(exec, a));
    cr_assert(first(y) == 7);
    CUDA(cudaGraphExecDestroy(exec));
  }
  launch_fill(x, N, 9, b); /* b is an ordinary stream again */
  cr_assert(first(x) == 9);
  CUDA(cudaStreamDestroy(a));
  CUDA(cudaStreamDestroy(b));
  CUDA(cudaFree(x));
  CUDA(cudaFree(y));
  cr_assert(eqs_fake_report() == 0);
}

Test(graphs, an_event_of_a_capture_stays_there) {
  cudaStream_t a = new_stream(), b = new_stream();
  cudaEvent_t inside, before;
  cudaGraph_t graph;
  CUDA(cudaEventCreateWithFlags(&inside, cudaEventDisableTiming));
  CUDA(cudaEventCreateWithFlags(&before, cudaEventDisableTiming));
  CUDA(cudaEventRecord(before, b));
  CUDA(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
  CUDA(cudaEventRecord(inside, a));
  CUDA(cudaStreamEndCapture(a, &graph));
  CUDA(cudaGraphDestroy(graph));
  CUDA_FAILS(cudaStreamWaitEvent(b, inside, 0), cudaErrorCapturedEvent);
  CUDA(cudaStreamBeginCapture(a, cudaStreamCaptureModeGlobal));
  CUDA_FAILS(cudaStreamWaitEvent(a, before, 0), cudaErrorStreamCaptureIsolation);
  CUDA_FAILS(cudaStreamEndCapture(a, &graph), cudaErrorStreamCaptureInvalidated);
  CUDA(cudaEventDestroy(inside));
  CUDA(cudaEventDestroy(before));
  CUDA(cudaStreamDestroy(a));
  CUDA(cudaStreamDestroy(b));
  cr_assert(eqs_fake_report() == 0);
}

static cudaGraph_t fill_graph(cudaStream_t s, float *x, float v, int twice) {
  cudaGraph_t graph;
  CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeRelaxed));
  launch_fill(x, N, v, s);
  if (twice) CUDA(cudaMemsetAsync(x, 0, BYTES, s));
  CUDA(cudaStreamEndCapture(s, &graph));
  return graph;
}

Test(graphs, an_update_keeps_the_shape) {
  cudaStream_t s = new_stream();
  cudaGraphExecUpdateResultInfo info;
  float *x = device_room(BYTES);
  cudaGraphExec_t exec = instantiate(fill_graph(s, x, 1, 0));
  CUDA(cudaGraphLaunch(exec, s)); /* under way: keeps what it was */
  cudaGraph_t other = fill_graph(s, x, 2, 0), longer = fill_graph(s, x, 2, 1);
  CUDA(cudaGraphExecUpdate(exec, other, &info));
  cr_assert(info.result == cudaGraphExecUpdateSuccess);
  cr_assert(first(x) == 1);
  CUDA(cudaGraphLaunch(exec, s));
  cr_assert(first(x) == 2);
  CUDA_FAILS(cudaGraphExecUpdate(exec, longer, &info), cudaErrorGraphExecUpdateFailure);
  cr_assert(info.result == cudaGraphExecUpdateErrorTopologyChanged);
  CUDA(cudaGraphLaunch(exec, s));
  cr_assert(first(x) == 2);
  CUDA(cudaGraphDestroy(other));
  CUDA(cudaGraphDestroy(longer));
  CUDA(cudaGraphExecDestroy(exec));
  CUDA(cudaStreamDestroy(s));
  CUDA(cudaFree(x));
  cr_assert(eqs_fake_report() == 0);
}

/* What a capture forbids fails, ends the capture, and does no harm afterwards. */
Test(graphs, what_a_capture_refuses) {
  cudaStream_t s = new_stream(), legacy;
  cudaGraph_t graph;
  void *p;
  float h = 0, *x = device_room(BYTES);
  CUDA(cudaStreamCreate(&legacy));
  for (int i = 0; i < 6; i++) {
    cudaStream_t in = i == 5 ? legacy : s;
    CUDA(cudaStreamBeginCapture(in, cudaStreamCaptureModeGlobal));
    launch_fill(x, N, 1, in);
    cudaError_t want = i == 5 ? cudaErrorStreamCaptureImplicit : cudaErrorStreamCaptureUnsupported;
    if (i == 0) CUDA_FAILS(cudaStreamSynchronize(s), want);
    if (i == 1) CUDA_FAILS(cudaMalloc(&p, 64), want);
    if (i == 2) CUDA_FAILS(cudaFree(x), want);
    if (i == 3) CUDA_FAILS(cudaDeviceSynchronize(), want);
    if (i == 4) CUDA_FAILS(cudaMemcpy(&h, x, sizeof h, cudaMemcpyDeviceToHost), want);
    if (i == 5) CUDA_FAILS(cudaMemsetAsync(x, 0, BYTES, NULL), want);
    CUDA_FAILS(cudaStreamEndCapture(in, &graph), cudaErrorStreamCaptureInvalidated);
    cr_assert_null(graph);
  }
  launch_fill(x, N, 8, s);
  cr_assert(first(x) == 8);
  CUDA(cudaStreamDestroy(s));
  CUDA(cudaStreamDestroy(legacy));
  CUDA(cudaFree(x));
}

Test(graphs, copies_in_a_graph_read_when_it_runs) {
  cudaStream_t s = new_stream();
  cudaGraph_t graph;
  float h[N] = {1}, back[N], *x = device_room(BYTES);
  CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
  CUDA(cudaMemcpyAsync(x, h, BYTES, cudaMemcpyHostToDevice, s));
  CUDA(cudaMemcpyAsync(back, x, BYTES, cudaMemcpyDeviceToHost, s));
  CUDA(cudaStreamEndCapture(s, &graph));
  cudaGraphExec_t exec = instantiate(graph);
  for (int i = 0; i < 3; i++) {
    h[0] = (float)(10 + i);
    CUDA(cudaGraphLaunch(exec, s));
    CUDA(cudaStreamSynchronize(s));
    cr_assert(back[0] == (float)(10 + i));
  }
  CUDA(cudaGraphExecDestroy(exec));
  CUDA(cudaStreamDestroy(s));
  CUDA(cudaFree(x));
}

Test(graphs, cublas_needs_a_workspace_first) {
  cudaStream_t s = new_stream();
  cudaGraph_t graph;
  cublasHandle_t blas;
  const float one = 1, zero = 0, two[4] = {2, 0, 0, 2};
  float *a = device_copy(two, sizeof two), *c = device_room(sizeof two), out[4];
  void *workspace = device_room(4096);
  cr_assert(cublasCreate(&blas) == CUBLAS_STATUS_SUCCESS);
  for (int with = 0; with < 2; with++) {
    cr_assert(cublasSetWorkspace(blas, workspace, 4096) == CUBLAS_STATUS_SUCCESS);
    cr_assert(cublasSetStream(blas, s) == CUBLAS_STATUS_SUCCESS); /* takes the workspace away */
    if (with) cr_assert(cublasSetWorkspace(blas, workspace, 4096) == CUBLAS_STATUS_SUCCESS);
    CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeGlobal));
    cublasStatus_t e =
        cublasSgemm(blas, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, a, 2, a, 2, &zero, c, 2);
    cr_assert((e == CUBLAS_STATUS_SUCCESS) == with);
    CUDA(cudaStreamEndCapture(s, &graph));
    if (!with) CUDA(cudaGraphDestroy(graph));
  }
  cudaGraphExec_t exec = instantiate(graph);
  CUDA(cudaGraphLaunch(exec, s));
  device_take(out, c, sizeof out);
  cr_assert(out[0] == 4 && out[1] == 0 && out[3] == 4);
  cr_assert(cublasDestroy(blas) == CUBLAS_STATUS_SUCCESS);
  CUDA(cudaGraphExecDestroy(exec));
  CUDA(cudaStreamDestroy(s));
  CUDA(cudaFree(a));
  CUDA(cudaFree(workspace));
  cr_assert(eqs_fake_report() == 0);
}
