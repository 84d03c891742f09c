// fake_nccl.cpp -- NCCL's calls for ranks of one process: host threads, or several devices of one
// thread.
//
// Calls of one group become one piece of work in each stream. When its turn comes it is posted;
// it ends when all its parts have met their partners, so ranks that disagree or wait for each other
// in a circle stop here too, and the runtime's time limit says so. Collectives of a communicator
// meet in the order of their calls; sends and receives of a pair of ranks in that of theirs.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstring>
#include <map>

#include <nccl.h>

#include "kernels/emu/fake_internal.h"
#include "kernels/emu/fiber.h"

namespace {
using fake::all;
using fake::guard;

enum part_kind { ALL_REDUCE, REDUCE, BROADCAST, ALL_GATHER, REDUCE_SCATTER, SEND, RECEIVE };

struct part {
  part_kind kind;
  const void *from;
  void *to;
  size_t n;
  ncclDataType_t type;
  ncclRedOp_t op;
  int peer; // or root
  int rank;
  bool done = false;
  char clock = 0; // what this rank's stream had done
};

struct meeting { // one collective
  std::vector<part *> parts;
  size_t here = 0;
};

struct world {
  int size;
  std::vector<bool> joined;
  std::map<long, meeting> meetings; // by the number of the collective
  std::map<std::pair<int, int>, std::deque<part *>> sends, receives; // by (from, to)
  char clock = 0;                                                    // all that met
};
} // namespace

struct ncclComm {
  std::shared_ptr<world> ranks;
  std::shared_ptr<bool> aborted;
  int rank, device;
  long collectives; // called so far
  bool ready;
};

namespace {
std::map<std::string, std::shared_ptr<world>> &worlds() {
  static auto &w = *new std::map<std::string, std::shared_ptr<world>>;
  return w;
}

struct call {
  ncclComm_t comm;
  cudaStream_t stream;
  part p;
};
struct joining {
  ncclComm_t comm;
};
thread_local int depth;
thread_local std::vector<call> grouped;
thread_local std::vector<joining> joins;

size_t size_of(ncclDataType_t t) {
  switch (t) {
  case ncclInt8:
  case ncclUint8: return 1;
  case ncclInt32:
  case ncclUint32:
  case ncclFloat32: return 4;
  case ncclInt64:
  case ncclUint64:
  case ncclFloat64: return 8;
  default: return 0;
  }
}

template <class T> T combine(T a, T b, ncclRedOp_t op) {
  switch (op) {
  case ncclProd: return (T)(a * b);
  case ncclMax: return a < b ? b : a;
  case ncclMin: return b < a ? b : a;
  default: return (T)(a + b); // sum, average
  }
}

// out[i] = the operation over all ranks of in[rank][first + i], in the order of ranks.
template <class T>
void reduce(const std::vector<part *> &ranks, size_t first, size_t n, std::vector<char> &bytes) {
  bytes.resize(n * sizeof(T));
  for (size_t i = 0; i < n; i++) {
    T v = static_cast<const T *>(ranks[0]->from)[first + i];
    for (size_t r = 1; r < ranks.size(); r++)
      v = combine(v, static_cast<const T *>(ranks[r]->from)[first + i], ranks[0]->op);
    if (ranks[0]->op == ncclAvg) v = (T)(v / (T)ranks.size());
    memcpy(&bytes[i * sizeof(T)], &v, sizeof v);
  }
}

void reduce_any(const std::vector<part *> &ranks, size_t first, size_t n, std::vector<char> &out) {
  switch (ranks[0]->type) {
  case ncclInt8: return reduce<int8_t>(ranks, first, n, out);
  case ncclUint8: return reduce<uint8_t>(ranks, first, n, out);
  case ncclInt32: return reduce<int32_t>(ranks, first, n, out);
  case ncclUint32: return reduce<uint32_t>(ranks, first, n, out);
  case ncclInt64: return reduce<int64_t>(ranks, first, n, out);
  case ncclUint64: return reduce<uint64_t>(ranks, first, n, out);
  case ncclFloat32: return reduce<float>(ranks, first, n, out);
  default: return reduce<double>(ranks, first, n, out);
  }
}

bool reads_all(part_kind k) { return k == REDUCE_SCATTER; }
bool writes_all(part_kind k) { return k == ALL_GATHER; }

void check_buffers(const part &p, size_t ranks) {
  const size_t bytes = p.n * size_of(p.type);
  if (p.kind != RECEIVE && (p.kind != BROADCAST || p.rank == p.peer))
    fake::check_range(p.from, reads_all(p.kind) ? bytes * ranks : bytes, "NCCL", "what is sent");
  if (p.kind != SEND && (p.kind != REDUCE || p.rank == p.peer))
    fake::check_range(p.to, writes_all(p.kind) ? bytes * ranks : bytes, "NCCL", "what is received");
}

// All ranks are here: does what they came for.
void perform(const std::vector<part *> &r) {
  const part &a = *r[0];
  const size_t bytes = a.n * size_of(a.type), n = r.size();
  for (const part *p : r)
    if (p->kind != a.kind || p->n != a.n || p->type != a.type || p->op != a.op || p->peer != a.peer)
      fake::die("NCCL: ranks %d and %d met in different collectives (count %zu and %zu)", a.rank,
                p->rank, a.n, p->n);
  std::vector<char> result;
  all().counts.collectives++;
  cuemu::checked program;
  switch (a.kind) {
  case ALL_REDUCE:
  case REDUCE:
    reduce_any(r, 0, a.n, result);
    for (part *p : r)
      if (a.kind == ALL_REDUCE || p->rank == a.peer) memcpy(p->to, result.data(), bytes);
    return;
  case BROADCAST:
    for (part *p : r) memmove(p->to, r[(size_t)a.peer]->from, bytes);
    return;
  case ALL_GATHER: {
    for (const part *p : r) {
      const char *from = static_cast<const char *>(p->from);
      result.insert(result.end(), from, from + bytes);
    }
    for (part *p : r) memcpy(p->to, result.data(), bytes * n);
    return;
  }
  default: { // REDUCE_SCATTER, which may be in place
    std::vector<std::vector<char>> pieces(n);
    for (size_t i = 0; i < n; i++) reduce_any(r, i * a.n, a.n, pieces[i]);
    for (size_t i = 0; i < n; i++) memcpy(r[i]->to, pieces[i].data(), bytes);
  }
  }
}

void deliver(world &w, std::pair<int, int> pair) {
  auto &out = w.sends[pair], &in = w.receives[pair];
  while (!out.empty() && !in.empty()) {
    part *s = out.front(), *r = in.front();
    out.pop_front();
    in.pop_front();
    if (s->n != r->n || s->type != r->type)
      fake::die("NCCL: rank %d sends %zu elements to rank %d, which expects %zu", pair.first, s->n,
                pair.second, r->n);
    cuemu::order_acquire(&s->clock);
    cuemu::order_acquire(&r->clock);
    {
      cuemu::checked program;
      memmove(r->to, s->from, s->n * size_of(s->type));
    }
    all().counts.collectives++;
    s->done = r->done = true;
    cuemu::order_release(&w.clock);
  }
}

void post(world &w, part &p, long number) {
  check_buffers(p, (size_t)w.size);
  cuemu::order_release(&p.clock);
  if (p.kind == SEND) {
    w.sends[{p.rank, p.peer}].push_back(&p);
    return deliver(w, {p.rank, p.peer});
  }
  if (p.kind == RECEIVE) {
    w.receives[{p.peer, p.rank}].push_back(&p);
    return deliver(w, {p.peer, p.rank});
  }
  meeting &m = w.meetings[number];
  m.parts.resize((size_t)w.size);
  m.parts[(size_t)p.rank] = &p;
  if (++m.here < m.parts.size()) return;
  for (part *q : m.parts) cuemu::order_acquire(&q->clock);
  perform(m.parts);
  for (part *q : m.parts) q->done = true;
  cuemu::order_release(&w.clock);
  w.meetings.erase(number);
}

// Nothing of this rank is there to be met any more.
void withdraw(world &w, int rank) {
  for (auto *waiting : {&w.sends, &w.receives})
    for (auto &pair : *waiting) {
      auto &parts = pair.second;
      parts.erase(std::remove_if(parts.begin(), parts.end(),
                                 [rank](const part *p) { return p->rank == rank; }),
                  parts.end());
    }
  for (auto &m : w.meetings) {
    auto &parts = m.second.parts;
    if ((size_t)rank >= parts.size() || !parts[(size_t)rank]) continue;
    parts[(size_t)rank] = nullptr;
    m.second.here--;
  }
}

// The calls of one group in one stream.
struct fused {
  struct item {
    std::shared_ptr<world> ranks;
    std::shared_ptr<bool> aborted;
    part p;
    long number;
  };
  std::vector<item> items;
};

cudaError_t submit_fused(cudaStream_t stream, const std::vector<call> &calls) {
  auto f = std::make_shared<fused>();
  for (const call &c : calls) {
    const bool pair = c.p.kind == SEND || c.p.kind == RECEIVE;
    f->items.push_back({c.comm->ranks, c.comm->aborted, c.p, pair ? 0 : c.comm->collectives++});
  }
  return fake::submit(stream, "NCCL", [f]() -> fake::step_function {
    auto mine = std::make_shared<fused>(*f); // captured work starts anew each time
    // A graph that runs again is a new collective, in the same place of every rank's order.
    for (auto &i : f->items) i.number += 1L << 32;
    auto posted = std::make_shared<bool>(false);
    return [mine, posted] {
      for (const auto &i : mine->items)
        if (*i.aborted) return fake::FINISHED;
      if (!*posted)
        for (auto &i : mine->items) post(*i.ranks, i.p, i.number);
      *posted = true;
      for (const auto &i : mine->items)
        if (!i.p.done) return fake::BLOCKED;
      for (const auto &i : mine->items) cuemu::order_acquire(&i.ranks->clock);
      return fake::FINISHED;
    };
  });
}

// All ranks have called ncclCommInitRank.
bool complete(const world &w) {
  return std::find(w.joined.begin(), w.joined.end(), false) == w.joined.end();
}

ncclResult_t finish_join(ncclComm_t c) {
  fake::drain([c] { return complete(*c->ranks); }, "ncclCommInitRank: waiting for other ranks");
  c->ready = true;
  return ncclSuccess;
}

ncclResult_t finish_group() {
  ncclResult_t result = ncclSuccess;
  for (const joining &j : joins) finish_join(j.comm);
  joins.clear();
  std::vector<call> calls;
  calls.swap(grouped);
  while (!calls.empty()) {
    const cudaStream_t stream = calls[0].stream;
    auto middle = std::stable_partition(calls.begin(), calls.end(),
                                        [stream](const call &c) { return c.stream == stream; });
    if (submit_fused(stream, std::vector<call>(calls.begin(), middle)) != cudaSuccess)
      result = ncclInvalidUsage;
    calls.erase(calls.begin(), middle);
  }
  return result;
}

ncclResult_t enqueue(ncclComm_t c, cudaStream_t stream, part p) {
  guard g;
  if (fake::fail()) return ncclSystemError;
  if (!c || !size_of(p.type) || p.op < ncclSum || p.op > ncclAvg) return ncclInvalidArgument;
  if (p.peer < 0 || p.peer >= c->ranks->size || !fake::stream_of(stream))
    return ncclInvalidArgument;
  p.rank = c->rank;
  grouped.push_back({c, stream, p});
  return depth ? ncclSuccess : finish_group();
}
} // namespace

extern "C" {
ncclResult_t ncclGetVersion(int *version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
const char *ncclGetErrorString(ncclResult_t r) {
  switch (r) {
  case ncclSuccess: return "no error";
  case ncclSystemError: return "unhandled system error";
  case ncclInvalidArgument: return "invalid argument";
  case ncclInvalidUsage: return "invalid usage";
  case ncclRemoteError: return "remote process exited or there was a network error";
  default: return "internal error";
  }
}
const char *ncclGetLastError(ncclComm_t) { return ""; }

ncclResult_t ncclGetUniqueId(ncclUniqueId *id) {
  static long number;
  guard g;
  if (fake::fail()) return ncclSystemError;
  memset(id, 0, sizeof *id);
  number++;
  memcpy(id, &number, sizeof number);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRank(ncclComm_t *out, int size, ncclUniqueId id, int rank) {
  guard g;
  *out = nullptr;
  if (fake::fail()) return ncclSystemError;
  if (size < 1 || rank < 0 || rank >= size) return ncclInvalidArgument;
  const std::string key(id.internal, sizeof id.internal);
  std::shared_ptr<world> w = worlds()[key];
  if (!w) {
    w = std::make_shared<world>();
    w->size = size;
    w->joined.assign((size_t)size, false);
    worlds()[key] = w;
  }
  if (w->size != size || w->joined[(size_t)rank]) return ncclInvalidArgument;
  w->joined[(size_t)rank] = true;
  if (complete(*w)) worlds().erase(key);
  all().changed.notify_all();
  *out = new ncclComm{w, std::make_shared<bool>(false), rank, fake::current_device(), 0, false};
  all().communicators++;
  if (!depth) return finish_join(*out);
  joins.push_back({*out});
  return ncclSuccess;
}

ncclResult_t ncclCommInitAll(ncclComm_t *out, int n, const int *devices) {
  ncclUniqueId id;
  int before = 0;
  if (n < 1) return ncclInvalidArgument;
  ncclResult_t r = ncclGetUniqueId(&id);
  if (r != ncclSuccess || cudaGetDevice(&before) != cudaSuccess) return ncclSystemError;
  for (int i = 0; i < n; i++) out[i] = nullptr;
  ncclGroupStart();
  for (int i = 0; i < n && r == ncclSuccess; i++)
    r = cudaSetDevice(devices ? devices[i] : i) != cudaSuccess
            ? ncclInvalidArgument
            : ncclCommInitRank(&out[i], n, id, i);
  if (r != ncclSuccess) {
    depth--;
    joins.clear();
    for (int i = 0; i < n; i++)
      if (out[i]) ncclCommDestroy(out[i]), out[i] = nullptr;
  } else r = ncclGroupEnd();
  if (cudaSetDevice(before) != cudaSuccess) r = ncclSystemError;
  return r;
}

ncclResult_t ncclCommDestroy(ncclComm_t c) {
  guard g;
  if (!c) return ncclSuccess;
  delete c;
  all().communicators--;
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t) { return ncclSuccess; }
/* What this rank waits for ends, undone; its partners go on waiting. */
ncclResult_t ncclCommAbort(ncclComm_t c) {
  if (c) {
    guard g;
    *c->aborted = true;
    withdraw(*c->ranks, c->rank);
    all().changed.notify_all();
  }
  return ncclCommDestroy(c);
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t, ncclResult_t *e) {
  *e = ncclSuccess;
  return ncclSuccess;
}
ncclResult_t ncclCommCount(const ncclComm_t c, int *n) {
  if (!c) return ncclInvalidArgument;
  *n = c->ranks->size;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(const ncclComm_t c, int *rank) {
  if (!c) return ncclInvalidArgument;
  *rank = c->rank;
  return ncclSuccess;
}
ncclResult_t ncclCommCuDevice(const ncclComm_t c, int *device) {
  if (!c) return ncclInvalidArgument;
  *device = c->device;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart(void) {
  depth++;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd(void) {
  guard g;
  if (depth < 1) return ncclInvalidUsage;
  return --depth ? ncclSuccess : finish_group();
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t n, ncclDataType_t type,
                           ncclRedOp_t op, ncclComm_t c, cudaStream_t stream) {
  return enqueue(c, stream, {ALL_REDUCE, from, to, n, type, op, 0, 0});
}
ncclResult_t ncclReduce(const void *from, void *to, size_t n, ncclDataType_t type, ncclRedOp_t op,
                        int root, ncclComm_t c, cudaStream_t stream) {
  return enqueue(c, stream, {REDUCE, from, to, n, type, op, root, 0});
}
ncclResult_t ncclBroadcast(const void *from, void *to, size_t n, ncclDataType_t type, int root,
                           ncclComm_t c, cudaStream_t stream) {
  return enqueue(c, stream, {BROADCAST, from, to, n, type, ncclSum, root, 0});
}
ncclResult_t ncclBcast(void *buffer, size_t n, ncclDataType_t type, int root, ncclComm_t c,
                       cudaStream_t stream) {
  return ncclBroadcast(buffer, buffer, n, type, root, c, stream);
}
ncclResult_t ncclAllGather(const void *from, void *to, size_t n, ncclDataType_t type, ncclComm_t c,
                           cudaStream_t stream) {
  return enqueue(c, stream, {ALL_GATHER, from, to, n, type, ncclSum, 0, 0});
}
ncclResult_t ncclReduceScatter(const void *from, void *to, size_t n, ncclDataType_t type,
                               ncclRedOp_t op, ncclComm_t c, cudaStream_t stream) {
  return enqueue(c, stream, {REDUCE_SCATTER, from, to, n, type, op, 0, 0});
}
ncclResult_t ncclSend(const void *from, size_t n, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream) {
  return enqueue(c, stream, {SEND, from, nullptr, n, type, ncclSum, peer, 0});
}
ncclResult_t ncclRecv(void *to, size_t n, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream) {
  return enqueue(c, stream, {RECEIVE, nullptr, to, n, type, ncclSum, peer, 0});
}
}
