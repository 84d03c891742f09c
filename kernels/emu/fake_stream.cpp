// fake_stream.cpp -- streams, events, launches and copies of the fake runtime.
//
// Work waits in its stream until the host synchronises. Then streams take turns in a seeded order
// that stream order, events and the default stream allow; only as much runs as the host waits for.
// For ThreadSanitizer every stream is a thread of its own, ordered with others by events and with
// the host by submission and synchronisation alone.
//
// SPDX-License-Identifier: MIT
#include <algorithm>
#include <chrono>
#include <cstring>

#include "kernels/emu/cuemu.h"
#include "kernels/emu/fake_internal.h"
#include "kernels/emu/fiber.h"

namespace fake {
namespace {
double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::vector<CUstream_st *> &default_streams() {
  static auto &s = *new std::vector<CUstream_st *>;
  return s;
}

CUstream_st *make_stream(bool blocking) {
  CUstream_st *s = new CUstream_st();
  s->device = current_device();
  s->blocking = blocking;
  s->identity = cuemu::identity_new();
  return s;
}

CUstream_st *default_stream(int device) {
  auto &list = default_streams();
  while ((int)list.size() <= device) list.push_back(nullptr);
  if (!list[(size_t)device]) list[(size_t)device] = make_stream(true);
  return list[(size_t)device];
}
bool is_default(const CUstream_st *s) {
  auto &list = default_streams();
  return std::find(list.begin(), list.end(), s) != list.end();
}

template <class F> void each_stream(F f) {
  for (CUstream_st *s : all().streams) f(s);
  for (CUstream_st *s : default_streams())
    if (s) f(s);
}

// The default stream runs after all earlier work of blocking streams, and they after its.
bool waits_for(const CUstream_st *s, const CUstream_st *other) {
  return s != other && s->device == other->device && s->blocking && other->blocking &&
         (is_default(s) || is_default(other));
}
bool may_start(const CUstream_st *s) {
  bool ok = true;
  each_stream([&](const CUstream_st *other) {
    if (waits_for(s, other) && !other->queue.empty())
      ok &= other->queue.front()->number > s->queue.front()->number;
  });
  return ok;
}

progress step_stream(CUstream_st *s) {
  progress result = BLOCKED;
  as(s->identity, [&] {
    task *t = s->queue.front().get();
    cuemu::order_acquire(&t->clock);
    each_stream([s](CUstream_st *other) {
      if (waits_for(s, other)) cuemu::order_acquire(&other->clock);
    });
    result = t->step();
    if (result != FINISHED) return;
    cuemu::order_release(&s->clock);
    s->queue.pop_front();
  });
  return result;
}

// Steps one stream that can go on; false if none can.
bool step_any() {
  std::vector<CUstream_st *> ready;
  each_stream([&](CUstream_st *s) {
    if (!s->queue.empty() && may_start(s)) ready.push_back(s);
  });
  std::sort(ready.begin(), ready.end(), [](const CUstream_st *a, const CUstream_st *b) {
    return a->queue.front()->number < b->queue.front()->number;
  });
  if (all().seed)
    for (size_t i = ready.size(); i-- > 1;) std::swap(ready[i], ready[below((unsigned)i + 1)]);
  for (CUstream_st *s : ready) {
    const progress p = step_stream(s);
    if (p == BLOCKED) continue;
    if (p == FINISHED) all().changed.notify_all();
    return true;
  }
  return false;
}

[[noreturn]] void die_stuck(const char *what) {
  say("%s: nothing can go on; at the head of each stream:", what);
  each_stream([](const CUstream_st *s) {
    if (!s->queue.empty())
      say("  stream %p of device %d: %s", static_cast<const void *>(s), s->device,
          s->queue.front()->what.c_str());
  });
  die("a wait for something that was never submitted, or ranks that disagree");
}

// All that was submitted to s before now has finished.
std::function<bool()> finished(CUstream_st *s) {
  const long last = all().number;
  return [s, last] { return s->queue.empty() || s->queue.front()->number > last; };
}

cudaError_t synchronize(CUstream_st *s) {
  if (s->capture) {
    s->capture->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  drain(finished(s), "stream synchronisation");
  cuemu::order_acquire(&s->clock);
  return cudaSuccess;
}

progress record(mark &m, CUstream_st *) {
  m.done = true;
  m.time = now();
  cuemu::order_release(&m.clock);
  return FINISHED;
}

void capture_work(CUstream_st *s, const char *what, maker make) {
  graph &g = *s->capture;
  g.nodes.push_back({what, std::move(make), s->tail});
  s->tail.assign(1, g.nodes.size() - 1);
}

// A wait inside a capture: s comes to belong to the event's capture, after its nodes.
cudaError_t capture_wait(CUstream_st *s, const mark *m) {
  if (m && m->captured && m->captured->ended) return cudaErrorCapturedEvent;
  if (!m || !m->captured || (s->capture && s->capture != m->captured)) {
    if (s->capture) s->capture->invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (!s->capture) s->tail.clear();
  s->capture = m->captured;
  for (size_t n : m->nodes)
    if (std::find(s->tail.begin(), s->tail.end(), n) == s->tail.end()) s->tail.push_back(n);
  return cudaSuccess;
}

bool implicit_in_capture(const CUstream_st *s) {
  bool found = false;
  if (is_default(s))
    each_stream([&](const CUstream_st *other) { found |= other->capture && other->blocking; });
  return found;
}
} // namespace

void as(void *identity, const std::function<void()> &fn) {
  void *self = cuemu::identity_now();
  cuemu::identity_become(identity);
  cuemu::checks_off();
  fn();
  cuemu::checks_on();
  cuemu::identity_become(self);
}

CUstream_st *stream_of(cudaStream_t handle) {
  if (handle == nullptr || handle == cudaStreamLegacy || handle == cudaStreamPerThread)
    return default_stream(current_device());
  auto &list = all().streams;
  return std::find(list.begin(), list.end(), handle) == list.end() ? nullptr : handle;
}

bool is_capturing(cudaStream_t handle) {
  const CUstream_st *s = stream_of(handle);
  return s && s->capture;
}

void drain(const std::function<bool()> &done, const char *what) {
  const double end = now() + all().timeout;
  if (done()) return; // opening memory costs a system call per allocation
  for (;;) {
    {
      opened memory;
      while (!done() && step_any()) {}
    }
    if (done()) return;
    if (now() > end) die_stuck(what);
    all().changed.wait_for(all().lock, std::chrono::milliseconds(20));
  }
}

cudaError_t submit(cudaStream_t handle, const char *what, maker make) {
  CUstream_st *s = stream_of(handle);
  if (!s) return cudaErrorInvalidResourceHandle;
  if (s->capture) {
    capture_work(s, what, std::move(make));
    return cudaSuccess;
  }
  if (implicit_in_capture(s)) {
    each_stream([](CUstream_st *other) {
      if (other->capture && other->blocking) other->capture->invalid = true;
    });
    return cudaErrorStreamCaptureImplicit;
  }
  auto t = std::make_unique<task>(task{what, make(), ++all().number, 0});
  cuemu::order_release(&t->clock);
  s->queue.push_back(std::move(t));
  all().changed.notify_all();
  if (all().eager) drain(finished(s), what);
  return cudaSuccess;
}

cudaError_t submit_once(cudaStream_t handle, const char *what, std::function<void()> run) {
  auto shared = std::make_shared<std::function<void()>>(std::move(run));
  return submit(handle, what, [shared]() -> step_function {
    return [shared] {
      (*shared)();
      return FINISHED;
    };
  });
}

cudaError_t forbid_in_capture() {
  cudaError_t e = cudaSuccess;
  each_stream([&](CUstream_st *s) {
    if (!s->capture || s->capture->mode == cudaStreamCaptureModeRelaxed) return;
    if (s->capture->mode == cudaStreamCaptureModeThreadLocal && s->capture->thread != &last_error)
      return;
    s->capture->invalid = true;
    e = cudaErrorStreamCaptureUnsupported;
  });
  return e;
}

cudaError_t synchronize_all() {
  const long last = all().number;
  const int device = current_device();
  drain(
      [last, device] {
        bool ok = true;
        each_stream([&](const CUstream_st *s) {
          ok &= s->device != device || s->queue.empty() || s->queue.front()->number > last;
        });
        return ok;
      },
      "device synchronisation");
  each_stream([device](CUstream_st *s) {
    if (s->device == device) cuemu::order_acquire(&s->clock);
  });
  return cudaSuccess;
}

/* --------------------------------------------------------------------------------- copies */
namespace {
// What the kind of a copy says about both ends has to be true.
cudaError_t check_copy(void *to, const void *from, size_t n, cudaMemcpyKind kind) {
  if (!n) return cudaSuccess;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice ||
                         (kind == cudaMemcpyDefault && is_device(to));
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice ||
                           (kind == cudaMemcpyDefault && is_device(from));
  if (to_device != is_device(to) || from_device != is_device(from)) {
    say("copy of %zu bytes from %p to %p: its kind (%d) does not say which is device memory", n,
        from, to, (int)kind);
    return cudaErrorInvalidValue;
  }
  if (to_device) check_range(to, n, "copy", "its target");
  if (from_device) check_range(from, n, "copy", "its source");
  return cudaSuccess;
}

cudaError_t copy(void *to, const void *from, size_t n, cudaMemcpyKind kind, cudaStream_t stream) {
  cudaError_t e = check_copy(to, from, n, kind);
  if (e != cudaSuccess) return e;
  // The runtime stages pageable sources before it returns; a graph reads them when it runs.
  if (!is_device(from) && !is_pinned(from) && n && !is_capturing(stream)) {
    auto staged = std::make_shared<std::vector<char>>(static_cast<const char *>(from),
                                                      static_cast<const char *>(from) + n);
    return submit_once(stream, "copy", [to, staged, n] {
      all().counts.copies++;
      if (is_device(to)) check_range(to, n, "copy", "its target");
      cuemu::checked program;
      memcpy(to, staged->data(), n);
    });
  }
  return submit_once(stream, "copy",
                     [to, from, n, to_device = is_device(to), from_device = is_device(from)] {
                       all().counts.copies++;
                       if (to_device) check_range(to, n, "copy", "its target");
                       if (from_device) check_range(from, n, "copy", "its source");
                       cuemu::checked program;
                       memmove(to, from, n);
                     });
}

cudaError_t set(void *to, int value, size_t n, cudaStream_t stream) {
  if (n && !is_device(to)) {
    say("memset of %zu bytes at %p, which is not device memory", n, to);
    return cudaErrorInvalidValue;
  }
  check_range(to, n, "memset", "its target");
  return submit_once(stream, "memset", [to, value, n] {
    all().counts.memsets++;
    check_range(to, n, "memset", "its target");
    cuemu::checked program;
    memset(to, value, n);
  });
}
} // namespace
} // namespace fake

/* -------------------------------------------------------------------------------- launches */
namespace {
const char *refuse_launch(const cuemu::launch_config &c, size_t argument_bytes) {
  const dim3 g = c.grid, b = c.block;
  const size_t threads = (size_t)b.x * b.y * b.z;
  if (!threads || threads > 1024 || b.z > 64) return "blocks have 1 to 1024 threads, 64 along z";
  if (!g.x || !g.y || !g.z) return "the grid is empty";
  if (g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535) return "the grid is too large";
  if (c.shared > (size_t)fake::shared_limit(c.function))
    return "more dynamic shared memory than cudaFuncSetAttribute allowed (48 KiB without it)";
  if (argument_bytes > 4096) return "more than 4096 bytes of arguments";
  const CUstream_st *s = fake::stream_of(c.stream);
  if (!s) return "the stream does not exist";
  if (s->device != fake::current_device()) return "the stream belongs to another device";
  return nullptr;
}
} // namespace

void cuemu::enqueue(const launch_config &config, size_t argument_bytes,
                    std::function<void()> body) {
  fake::guard g;
  if (fake::fail()) {
    fake::error(cudaErrorLaunchFailure);
    return;
  }
  if (const char *why = refuse_launch(config, argument_bytes)) {
    fake::say("%s:%d: launch of %s refused: %s", config.at.file, config.at.line, config.kernel,
              why);
    fake::error(config.stream && !fake::stream_of(config.stream) ? cudaErrorInvalidResourceHandle
                                                                 : cudaErrorInvalidConfiguration);
    return;
  }
  if (fake::traced(config)) return;
  const std::string what = std::string("kernel ") + config.kernel;
  auto shared = std::make_shared<std::function<void()>>(std::move(body));
  fake::error(fake::submit_once(config.stream, what.c_str(), [config, shared] {
    fake::all().counts.launches++;
    cuemu::run(config, *shared);
  }));
}

using fake::all;
using fake::error;
using fake::guard;

extern "C" {
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t n, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
  guard g;
  if (fake::fail()) return error(cudaErrorInvalidValue);
  return error(fake::copy(to, from, n, kind, stream));
}
cudaError_t cudaMemcpy(void *to, const void *from, size_t n, enum cudaMemcpyKind kind) {
  guard g;
  if (fake::fail()) return error(cudaErrorInvalidValue);
  if (cudaError_t e = fake::forbid_in_capture()) return error(e);
  if (cudaError_t e = fake::copy(to, from, n, kind, nullptr)) return error(e);
  all().counts.synchronizations++;
  return error(fake::synchronize(fake::stream_of(nullptr)));
}
cudaError_t cudaMemsetAsync(void *to, int value, size_t n, cudaStream_t stream) {
  guard g;
  if (fake::fail()) return error(cudaErrorInvalidValue);
  return error(fake::set(to, value, n, stream));
}
cudaError_t cudaMemset(void *to, int value, size_t n) {
  return cudaMemsetAsync(to, value, n, nullptr);
}
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t fn, void *data) {
  guard g;
  if (fake::fail()) return error(cudaErrorUnknown);
  return error(fake::submit_once(stream, "host function", [fn, data] {
    fake::closed memory;
    cuemu::checked program;
    fn(data);
  }));
}

/* -------------------------------------------------------------------------------- streams */
cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned int flags) {
  guard g;
  if (fake::fail()) return error(cudaErrorMemoryAllocation);
  if (!all().devices) return error(cudaErrorNoDevice);
  *out = fake::make_stream(!(flags & cudaStreamNonBlocking));
  all().streams.push_back(*out);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t *out) { return cudaStreamCreateWithFlags(out, 0); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t *out, unsigned int flags, int) {
  return cudaStreamCreateWithFlags(out, flags);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  guard g;
  CUstream_st *s = stream ? fake::stream_of(stream) : nullptr;
  if (!s) return error(cudaErrorInvalidResourceHandle);
  s->capture.reset();
  fake::drain(fake::finished(s), "destruction of a stream");
  cuemu::order_acquire(&s->clock);
  cuemu::identity_free(s->identity);
  all().streams.erase(std::find(all().streams.begin(), all().streams.end(), s));
  delete s;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  guard g;
  if (fake::fail()) return error(cudaErrorLaunchFailure);
  CUstream_st *s = fake::stream_of(stream);
  if (!s) return error(cudaErrorInvalidResourceHandle);
  all().counts.synchronizations++;
  return error(fake::synchronize(s));
}
cudaError_t cudaDeviceSynchronize(void) {
  guard g;
  if (fake::fail()) return error(cudaErrorLaunchFailure);
  if (cudaError_t e = fake::forbid_in_capture()) return error(e);
  all().counts.synchronizations++;
  return error(fake::synchronize_all());
}
/* Each question lets some work run, so that asking in a loop ends: one piece at first, then more.
 */
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  guard g;
  if (fake::fail()) return error(cudaErrorLaunchFailure);
  CUstream_st *s = fake::stream_of(stream);
  if (!s) return error(cudaErrorInvalidResourceHandle);
  if (s->capture) return error((s->capture->invalid = true, cudaErrorStreamCaptureUnsupported));
  if (!s->queue.empty()) {
    fake::opened memory;
    s->asked = std::min(2 * s->asked + 1, 255);
    for (int i = 0; i < s->asked && !s->queue.empty() && fake::step_any(); i++) {}
  }
  if (!s->queue.empty()) return cudaErrorNotReady;
  s->asked = 0;
  cuemu::order_acquire(&s->clock);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  guard g;
  if (fake::fail()) return error(cudaErrorInvalidResourceHandle);
  CUstream_st *s = fake::stream_of(stream);
  if (!s || !event) return error(cudaErrorInvalidResourceHandle);
  std::shared_ptr<fake::mark> m = event->last;
  if (s->capture || (m && m->captured)) return error(fake::capture_wait(s, m.get()));
  if (!m) return cudaSuccess;
  return error(fake::submit(stream, "wait for an event", [m]() -> fake::step_function {
    return [m] {
      if (!m->done) return fake::BLOCKED;
      cuemu::order_acquire(&m->clock);
      return fake::FINISHED;
    };
  }));
}

/* --------------------------------------------------------------------------------- events */
cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned int flags) {
  guard g;
  if (fake::fail()) return error(cudaErrorMemoryAllocation);
  *out = new CUevent_st{!(flags & cudaEventDisableTiming), nullptr};
  all().events++;
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t *out) { return cudaEventCreateWithFlags(out, 0); }
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  guard g;
  if (!event) return error(cudaErrorInvalidResourceHandle);
  delete event;
  all().events--;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  guard g;
  if (fake::fail()) return error(cudaErrorInvalidResourceHandle);
  CUstream_st *s = fake::stream_of(stream);
  if (!s || !event) return error(cudaErrorInvalidResourceHandle);
  auto m = std::make_shared<fake::mark>();
  event->last = m;
  if (s->capture) {
    m->captured = s->capture;
    m->nodes = s->tail;
    return cudaSuccess;
  }
  return error(fake::submit(stream, "event", [m, s]() -> fake::step_function {
    return [m, s] { return fake::record(*m, s); };
  }));
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned int) {
  return cudaEventRecord(event, stream);
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  guard g;
  if (fake::fail()) return error(cudaErrorLaunchFailure);
  if (!event) return error(cudaErrorInvalidResourceHandle);
  std::shared_ptr<fake::mark> m = event->last;
  if (!m) return cudaSuccess;
  if (m->captured) return error((m->captured->invalid = true, cudaErrorCapturedEvent));
  all().counts.synchronizations++;
  fake::drain([m] { return m->done; }, "event synchronisation");
  cuemu::order_acquire(&m->clock);
  return cudaSuccess;
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  guard g;
  if (fake::fail()) return error(cudaErrorLaunchFailure);
  if (!event) return error(cudaErrorInvalidResourceHandle);
  std::shared_ptr<fake::mark> m = event->last;
  if (!m) return cudaSuccess;
  if (m->captured) return error((m->captured->invalid = true, cudaErrorCapturedEvent));
  if (!m->done) {
    fake::opened memory;
    fake::step_any();
  }
  if (!m->done) return cudaErrorNotReady;
  cuemu::order_acquire(&m->clock);
  return cudaSuccess;
}
cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t from, cudaEvent_t to) {
  guard g;
  if (fake::fail()) return error(cudaErrorUnknown);
  if (!from || !to || !from->timing || !to->timing || !from->last || !to->last)
    return error(cudaErrorInvalidResourceHandle);
  if (!from->last->done || !to->last->done) return error(cudaErrorNotReady);
  *ms = (float)((to->last->time - from->last->time) * 1e3);
  return cudaSuccess;
}

/* -------------------------------------------------------------------------------- capture */
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
  guard g;
  if (fake::fail()) return error(cudaErrorStreamCaptureUnsupported);
  CUstream_st *s = fake::stream_of(stream);
  if (!s) return error(cudaErrorInvalidResourceHandle);
  if (fake::is_default(s) || s->capture) return error(cudaErrorStreamCaptureUnsupported);
  s->capture = std::make_shared<fake::graph>();
  s->capture->mode = mode;
  s->capture->thread = &fake::last_error;
  s->capture->origin = s;
  s->tail.clear();
  all().counts.captures++;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, enum cudaStreamCaptureStatus *out) {
  guard g;
  if (fake::fail()) return error(cudaErrorUnknown);
  const CUstream_st *s = fake::stream_of(stream);
  if (!s) return error(cudaErrorInvalidResourceHandle);
  *out = !s->capture           ? cudaStreamCaptureStatusNone
         : s->capture->invalid ? cudaStreamCaptureStatusInvalidated
                               : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out) {
  guard g;
  *out = nullptr;
  CUstream_st *s = fake::stream_of(stream);
  if (!s || !s->capture) return error(cudaErrorIllegalState);
  std::shared_ptr<fake::graph> work = s->capture;
  if (work->origin != s) return error((work->invalid = true, cudaErrorStreamCaptureUnmatched));
  work->ended = true;
  // Every stream that took part has to have come back to the first.
  std::vector<char> joined(work->nodes.size());
  for (size_t n : s->tail) joined[n] = 1;
  for (size_t i = work->nodes.size(); i-- > 0;)
    for (size_t n : work->nodes[i].after) joined[n] |= joined[i];
  bool all_joined = true;
  fake::each_stream([&](CUstream_st *other) {
    if (other->capture != work) return;
    for (size_t n : other->tail) all_joined &= joined[n] != 0;
    other->capture.reset();
    other->tail.clear();
  });
  if (work->invalid) return error(cudaErrorStreamCaptureInvalidated);
  if (!all_joined) return error(cudaErrorStreamCaptureUnjoined);
  if (fake::fail()) return error(cudaErrorMemoryAllocation);
  *out = new CUgraph_st{work};
  all().graphs++;
  return cudaSuccess;
}
}
