/* Fake NCCL: ranks as threads, and several devices of one thread.
 * SPDX-License-Identifier: MIT */
#include <nccl.h>
#include <pthread.h>

#include "tests/emu/device.h"
#include "tests/emu/kernels.h"

enum { RANKS = 3, N = 8 };

/* A rank in its own thread says what went wrong instead of asserting there. */
typedef struct rank_data {
  int rank;
  ncclUniqueId id;
  const char *error;
} rank_data;
#define STEP(call)                                                                                 \
  if (call) return #call

static const char *run_rank(rank_data *r) {
  ncclComm_t comm;
  cudaStream_t s;
  float *x, *sum, *halo, h[N], right = (float)((r->rank + RANKS - 1) % RANKS);
  STEP(cudaSetDevice(r->rank));
  STEP(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  STEP(ncclCommInitRank(&comm, RANKS, r->id, r->rank));
  STEP(cudaMalloc((void **)&x, sizeof h));
  STEP(cudaMalloc((void **)&sum, sizeof h));
  STEP(cudaMalloc((void **)&halo, sizeof h));
  for (int step = 0; step < 10; step++) {
    launch_fill(x, N, (float)(r->rank + step), s);
    STEP(ncclAllReduce(x, sum, N, ncclFloat, ncclSum, comm, s));
    STEP(ncclGroupStart());
    STEP(ncclSend(x, N, ncclFloat, (r->rank + 1) % RANKS, comm, s));
    STEP(ncclRecv(halo, N, ncclFloat, (r->rank + RANKS - 1) % RANKS, comm, s));
    STEP(ncclGroupEnd());
    STEP(cudaMemcpyAsync(h, sum, sizeof h, cudaMemcpyDeviceToHost, s));
    STEP(cudaStreamSynchronize(s));
    if (h[N - 1] != (float)(RANKS * (RANKS - 1) / 2 + RANKS * step)) return "the sum";
    STEP(cudaMemcpyAsync(h, halo, sizeof h, cudaMemcpyDeviceToHost, s));
    STEP(cudaStreamSynchronize(s));
    if (h[0] != right + (float)step) return "the neighbour's value";
  }
  STEP(ncclCommDestroy(comm));
  STEP(cudaStreamDestroy(s));
  STEP(cudaFree(x));
  STEP(cudaFree(sum));
  STEP(cudaFree(halo));
  return NULL;
}

static void *rank_main(void *data) {
  rank_data *r = data;
  r->error = run_rank(r);
  return NULL;
}

Test(nccl, ranks_as_threads) {
  pthread_t thread[RANKS];
  rank_data r[RANKS];
  eqs_fake_set_devices(RANKS);
  cr_assert(ncclGetUniqueId(&r[0].id) == ncclSuccess);
  for (int i = 0; i < RANKS; i++) {
    r[i] = (rank_data){.rank = i, .id = r[0].id};
    cr_assert(pthread_create(&thread[i], NULL, rank_main, &r[i]) == 0);
  }
  for (int i = 0; i < RANKS; i++) {
    pthread_join(thread[i], NULL);
    cr_assert(r[i].error == NULL, "rank %d: %s", i, r[i].error);
  }
  cr_assert(eqs_fake_report() == 0);
}

/* All collectives, driven by one thread, in a graph that runs twice. */
Test(nccl, one_thread_with_several_devices) {
  ncclComm_t comm[RANKS];
  cudaStream_t s[RANKS];
  cudaGraphExec_t exec[RANKS];
  float *x[RANKS], *gathered[RANKS], *part[RANKS], h[N * RANKS];
  eqs_fake_set_devices(RANKS);
  cr_assert(ncclCommInitAll(comm, RANKS, NULL) == ncclSuccess);
  for (int i = 0; i < RANKS; i++) {
    cudaGraph_t graph;
    CUDA(cudaSetDevice(i));
    CUDA(cudaStreamCreateWithFlags(&s[i], cudaStreamNonBlocking));
    x[i] = device_room(N * sizeof(float));
    gathered[i] = device_room(N * RANKS * sizeof(float));
    part[i] = device_room(N * sizeof(float));
    CUDA(cudaStreamBeginCapture(s[i], cudaStreamCaptureModeRelaxed));
    launch_fill(x[i], N, (float)(i + 1), s[i]);
    cr_assert(ncclAllGather(x[i], gathered[i], N, ncclFloat, comm[i], s[i]) == ncclSuccess);
    cr_assert(ncclReduceScatter(gathered[i], part[i], N, ncclFloat, ncclMax, comm[i], s[i]) ==
              ncclSuccess);
    cr_assert(ncclBroadcast(x[i], x[i], N, ncclFloat, 2, comm[i], s[i]) == ncclSuccess);
    CUDA(cudaStreamEndCapture(s[i], &graph));
    CUDA(cudaGraphInstantiate(&exec[i], graph, 0));
    CUDA(cudaGraphDestroy(graph));
  }
  for (int step = 0; step < 2; step++) {
    for (int i = 0; i < RANKS; i++) CUDA(cudaGraphLaunch(exec[i], s[i]));
    for (int i = 0; i < RANKS; i++) {
      CUDA(cudaSetDevice(i));
      CUDA(cudaStreamSynchronize(s[i]));
      CUDA(cudaMemcpy(h, gathered[i], sizeof h, cudaMemcpyDeviceToHost));
      for (int j = 0; j < N * RANKS; j++) cr_assert(h[j] == (float)(j / N + 1));
      CUDA(cudaMemcpy(h, part[i], N * sizeof *h, cudaMemcpyDeviceToHost));
      cr_assert(h[0] == (float)(i + 1));
      CUDA(cudaMemcpy(h, x[i], N * sizeof *h, cudaMemcpyDeviceToHost));
      cr_assert(h[0] == 3);
    }
  }
  for (int i = 0; i < RANKS; i++) {
    CUDA(cudaSetDevice(i));
    CUDA(cudaGraphExecDestroy(exec[i]));
    CUDA(cudaStreamDestroy(s[i]));
    CUDA(cudaFree(x[i]));
    CUDA(cudaFree(gathered[i]));
    CUDA(cudaFree(part[i]));
    cr_assert(ncclCommDestroy(comm[i]) == ncclSuccess);
  }
  cr_assert(eqs_fake_report() == 0);
}

Test(nccl, refusals) {
  ncclUniqueId id;
  ncclComm_t comm;
  float *x = device_room(64);
  cr_assert(ncclGetUniqueId(&id) == ncclSuccess);
  cr_assert(ncclCommInitRank(&comm, 2, id, 2) == ncclInvalidArgument);
  cr_assert(ncclCommInitRank(&comm, 1, id, 0) == ncclSuccess);
  cr_assert(ncclAllReduce(x, x, 4, ncclFloat, ncclSum, NULL, NULL) == ncclInvalidArgument);
  cr_assert(ncclSend(x, 4, ncclFloat, 1, comm, NULL) == ncclInvalidArgument);
  cr_assert(ncclGroupEnd() == ncclInvalidUsage);
  eqs_fake_fail_call(1);
  cr_assert(ncclAllReduce(x, x, 4, ncclFloat, ncclSum, comm, NULL) == ncclSystemError);
  cr_assert(ncclCommDestroy(comm) == ncclSuccess);
  CUDA(cudaFree(x));
  cr_assert(eqs_fake_report() == 0);
}
