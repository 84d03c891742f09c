/* fake_internal.h -- streams, work and memory of the fake runtime, shared by its files.
 *
 * One lock holds all. A piece of work is something to be stepped until it says that it is done;
 * `make` starts it anew, because captured work runs many times.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_EMU_FAKE_INTERNAL_H
#define EQS_EMU_FAKE_INTERNAL_H

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cuda_runtime_api.h>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/emu/fake.h"
#include "kernels/emu/fiber.h"

namespace cuemu {
struct launch_config;
}
namespace fake {
enum progress { BLOCKED, MOVED, FINISHED };
typedef std::function<progress()> step_function;
typedef std::function<step_function()> maker;

struct graph;

struct task { /* in a stream's queue */
  std::string what;
  step_function step;
  long number; /* order of submission */
  char clock;  /* what the host had done before */
};

/* One cudaEventRecord. */
struct mark {
  bool done = false;
  double time = 0;
  char clock = 0;
  std::shared_ptr<graph> captured; /* recorded into this capture, after these nodes */
  std::vector<size_t> nodes;
};

struct node {
  std::string what;
  maker make;
  std::vector<size_t> after;
};
struct graph {
  std::deque<node> nodes;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  const void *thread = nullptr; /* who captures */
  CUstream_st *origin = nullptr;
  bool invalid = false, ended = false;
};

struct state {
  std::recursive_mutex lock;
  std::condition_variable_any changed; /* work was submitted or finished */
  eqs_fake_counts counts = {};
  long fail_at = 0, number = 0;
  bool failed = false, eager = false;
  uint64_t seed = 1, random = 1;
  int devices = 1, major = 9, minor = 0;
  size_t memory = (size_t)4 << 30;
  double timeout = 20;
  std::vector<CUstream_st *> streams;
  int events = 0, graphs = 0, graph_execs = 0, blas_handles = 0, communicators = 0;
};
state &all();
struct guard {
  cuemu::unchecked own;
  std::unique_lock<std::recursive_mutex> held;
  guard() : held(all().lock) {}
};

/* Whether this call has to fail; counts it. */
bool fail();
/* Remembers the error for cudaGetLastError, and hands it back. */
cudaError_t error(cudaError_t e);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
unsigned below(unsigned n); /* a seeded random number */
int current_device();
int shared_limit(const void *function); /* bytes of dynamic shared memory that it may have */

/* ---------------------------------------------------------------------------------- memory */
struct opened { /* device memory may be touched while this lives */
  opened();
  ~opened();
};
struct closed { /* and inside it not, for a callback into the host */
  int before;
  closed();
  ~closed();
};
bool is_device(const void *p);
bool is_pinned(const void *p);
/* Ends the process unless [p, p + bytes) lies within one live allocation. */
void check_range(const void *p, size_t bytes, const char *what, const char *argument);
void sum_memory(eqs_fake_usage *u);
int report_memory();

/* --------------------------------------------------------------------------------- streams */
/* NULL for a handle that is none. */
CUstream_st *stream_of(cudaStream_t handle);
/* Queues work, or records it if the stream is captured. What it does to memory of the program has
 * to lie in a cuemu::checked. */
cudaError_t submit(cudaStream_t handle, const char *what, maker make);
/* The same for work that is done in one step with device memory open. */
cudaError_t submit_once(cudaStream_t handle, const char *what, std::function<void()> run);
bool is_capturing(cudaStream_t handle);
/* Calls that a capture forbids (those that may synchronise) end it. */
cudaError_t forbid_in_capture();
cudaError_t synchronize_all();
/* Whether this must not run because a trace is written (trace.cpp), which it is in now. */
bool tracing();
bool traced(const cuemu::launch_config &c);
bool traced(int m, int n, int k, int count);
/* Runs what may run until done() holds; the process ends when nothing can go on. */
void drain(const std::function<bool()> &done, const char *what);
/* Runs fn as ThreadSanitizer's thread `identity`, unchecked, and comes back. */
void as(void *identity, const std::function<void()> &fn);

extern thread_local cudaError_t last_error;
} // namespace fake

struct CUstream_st {
  int device;
  bool blocking; /* waits for the default stream, and it for this one */
  std::deque<std::unique_ptr<fake::task>> queue;
  std::shared_ptr<fake::graph> capture;
  std::vector<size_t> tail; /* nodes that the next captured work comes after */
  void *identity;
  char clock;
  int asked = 0; /* how much may run at the next question whether it is done */
};
struct CUevent_st {
  bool timing;
  std::shared_ptr<fake::mark> last;
};
struct CUgraph_st {
  std::shared_ptr<fake::graph> work;
};
struct CUgraphExec_st {
  std::shared_ptr<fake::graph> work;
  std::shared_ptr<fake::mark> last; /* the end of its last launch */
};
#endif
