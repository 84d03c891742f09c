/* link.c -- messages between GPUs by NCCL: sends and receives of an exchange are one group in the
 * stream of their own, between two events of the device's.
 *
 * NCCL is loaded when it is asked for, so that the library does not need it; the emulator's is
 * linked. Its kernels wait for their partners: a stream that waits for a rank that has failed is
 * given up with ncclCommAbort.
 *
 * SPDX-License-Identifier: MIT */
#include "kernels/link.h"

#include <dlfcn.h>
#include <nccl.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/cuda.h"

#define CALLS(X)                                                                                   \
  X(GetUniqueId)                                                                                   \
  X(CommInitRank)                                                                                  \
  X(CommDestroy) X(CommAbort) X(GroupStart) X(GroupEnd) X(Send) X(Recv) X(GetErrorString)

typedef struct nccl_calls {
#define MEMBER(call) __typeof__(nccl##call) *call;
  CALLS(MEMBER)
} nccl_calls;

struct device_link {
  nccl_calls call;
  ncclComm_t nccl;
  device *d;
  comm *c;
  cudaStream_t aside; /* messages go here, behind `made`, and leave `there` */
  cudaEvent_t made, there;
};

#ifdef EQS_EMU
static eqs_status load(nccl_calls *out) {
#define LINKED(call) out->call = nccl##call;
  CALLS(LINKED)
  return EQS_OK;
}
#else
static eqs_status load(nccl_calls *out) {
  void *library = dlopen("libnccl.so.2", RTLD_NOW), *symbol;
  if (!library) EQS_FAIL(EQS_ERR_UNSUPPORTED, "NCCL: %s", dlerror());
#define LOADED(call)                                                                               \
  symbol = dlsym(library, "nccl" #call);                                                           \
  if (!symbol) EQS_FAIL(EQS_ERR_UNSUPPORTED, "NCCL: no nccl" #call " in libnccl.so.2");            \
  memcpy(&out->call, &symbol, sizeof symbol);
  CALLS(LOADED)
  return EQS_OK;
}
#endif

static eqs_status check(const nccl_calls *call, ncclResult_t result, const char *what) {
  if (result == ncclSuccess) return EQS_OK;
  EQS_FAIL(EQS_ERR_DEVICE, "NCCL: %s: %s", what, call->GetErrorString(result));
}

static eqs_status make_name(char name[LINK_NAME]) {
  nccl_calls call;
  ncclUniqueId id;
  _Static_assert(sizeof id <= LINK_NAME, "a name holds NCCL's");
  EQS_TRY(load(&call));
  EQS_TRY(check(&call, call.GetUniqueId(&id), "ncclGetUniqueId"));
  memset(name, 0, LINK_NAME);
  memcpy(name, &id, sizeof id);
  return EQS_OK;
}

static eqs_status ask(cudaError_t error, const char *what) {
  if (error == cudaSuccess) return EQS_OK;
  EQS_FAIL(EQS_ERR_DEVICE, "link between devices: %s: %s", what, cudaGetErrorString(error));
}

/* A stream of the highest priority, to which the runtime clamps: messages are not to wait until
 * kernels leave room. */
static eqs_status open_aside(device_link *l) {
  enum { PRIORITY = -100 };
  EQS_TRY(ask(cudaStreamCreateWithPriority(&l->aside, cudaStreamNonBlocking, PRIORITY), "stream"));
  EQS_TRY(ask(cudaEventCreateWithFlags(&l->made, cudaEventDisableTiming), "event"));
  return ask(cudaEventCreateWithFlags(&l->there, cudaEventDisableTiming), "event");
}

static int lost(void *user) {
  device_link *l = user;
  if (!comm_lost(l->c)) return 0;
  if (l->nccl) (void)l->call.CommAbort(l->nccl);
  l->nccl = NULL;
  return 1;
}

static void close_link(device_link *l) {
  if (!l) return;
  cuda_watch(l->d, NULL, NULL);
  if (l->nccl) (void)(l->c->broken ? l->call.CommAbort(l->nccl) : l->call.CommDestroy(l->nccl));
  if (l->made) (void)cudaEventDestroy(l->made);
  if (l->there) (void)cudaEventDestroy(l->there);
  if (l->aside) (void)cudaStreamDestroy(l->aside);
  free(l);
}

static eqs_status open_link(device *d, comm *c, const char name[LINK_NAME], device_link **out) {
  ncclUniqueId id;
  *out = NULL;
  device_link *l = calloc(1, sizeof *l);
  if (!l) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: a link between devices");
  l->d = d;
  l->c = c;
  memcpy(&id, name, sizeof id);
  eqs_status status = load(&l->call);
  if (status == EQS_OK)
    status =
        check(&l->call, l->call.CommInitRank(&l->nccl, c->size, id, c->rank), "ncclCommInitRank");
  if (status != EQS_OK) l->nccl = NULL;
  if (status == EQS_OK) status = open_aside(l);
  if (status != EQS_OK) {
    close_link(l);
    return status;
  }
  cuda_watch(d, lost, l);
  *out = l;
  return EQS_OK;
}

static eqs_status queue(device_link *l, int n_out, const comm_message *out, int n_in,
                        const comm_message *in) {
  const nccl_calls *k = &l->call;
  ncclResult_t bad = ncclSuccess, end;
  EQS_TRY(check(k, k->GroupStart(), "ncclGroupStart"));
  for (int i = 0; i < n_out && bad == ncclSuccess; i++)
    if (out[i].bytes)
      bad = k->Send(out[i].data, out[i].bytes, ncclInt8, out[i].rank, l->nccl, l->aside);
  for (int i = 0; i < n_in && bad == ncclSuccess; i++)
    if (in[i].bytes)
      bad = k->Recv(in[i].data, in[i].bytes, ncclInt8, in[i].rank, l->nccl, l->aside);
  end = k->GroupEnd();
  EQS_TRY(check(k, bad, "send or receive"));
  return check(k, end, "ncclGroupEnd");
}

static eqs_status begin(device_link *l, int n_out, const comm_message *out, int n_in,
                        const comm_message *in) {
  if (!l->nccl) EQS_FAIL(EQS_ERR_COMM, "NCCL: the ranks are no longer linked");
  EQS_TRY(ask(cudaEventRecord(l->made, l->d->ops->stream(l->d)), "event"));
  EQS_TRY(ask(cudaStreamWaitEvent(l->aside, l->made, 0), "waiting"));
  EQS_TRY(queue(l, n_out, out, n_in, in));
  return ask(cudaEventRecord(l->there, l->aside), "event");
}

static eqs_status end(device_link *l) {
  return ask(cudaStreamWaitEvent(l->d->ops->stream(l->d), l->there, 0), "waiting");
}

const link_ops *cuda_link(void) {
  static const link_ops ops = {make_name, open_link, begin, end, close_link};
  return &ops;
}
