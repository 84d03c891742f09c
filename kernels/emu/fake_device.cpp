// fake_device.cpp -- the fake runtime's settings, failures on demand, counts, errors and devices.
// SPDX-License-Identifier: MIT
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "kernels/emu/fake_internal.h"

namespace fake {
thread_local cudaError_t last_error = cudaSuccess;

namespace {
thread_local int device;

double number(const char *name, double otherwise) {
  const char *text = std::getenv(name);
  if (!text || !*text) return otherwise;
  char *end;
  double x = std::strtod(text, &end);
  if (*end || !(x >= 0) || x > 9e15) die("%s=%s is not a number of at least 0", name, text);
  return x;
}

state *from_environment() {
  state *s = new state; // never freed: streams may outlive main
  s->fail_at = (long)number("EQS_FAKE_FAIL", 0);
  s->seed = s->random = (uint64_t)number("EQS_FAKE_SEED", 1);
  s->devices = (int)number("EQS_FAKE_DEVICES", 1);
  s->memory = (size_t)number("EQS_FAKE_MEMORY", (double)s->memory);
  s->timeout = number("EQS_FAKE_TIMEOUT", s->timeout);
  s->eager = number("EQS_FAKE_EAGER", 0) != 0;
  return s;
}

std::map<const void *, int> &shared_limits() {
  static auto &limits = *new std::map<const void *, int>;
  return limits;
}
} // namespace

state &all() {
  static state &s = *from_environment();
  return s;
}

bool fail() {
  state &s = all();
  s.counts.calls++;
  if (s.fail_at == 0 || --s.fail_at > 0) return false;
  s.failed = true;
  return true;
}

cudaError_t error(cudaError_t e) {
  if (e != cudaSuccess) last_error = e;
  return e;
}

void say(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  std::fprintf(stderr, "fake CUDA: %s\n", text);
}

void die(const char *format, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  std::fprintf(stderr, "fake CUDA: %s\n", text);
  std::abort();
}

unsigned below(unsigned n) {
  uint64_t &r = all().random;
  r = r * 6364136223846793005u + 1442695040888963407u;
  return (unsigned)((r >> 33) % n);
}

int current_device() { return device; }

int shared_limit(const void *function) {
  auto it = shared_limits().find(function);
  return it == shared_limits().end() ? 48 * 1024 : it->second;
}
} // namespace fake

using fake::all;
using fake::error;
using fake::guard;

extern "C" {
/* -------------------------------------------------------------------------------- control */
void eqs_fake_fail_call(long n) {
  guard g;
  all().fail_at = n;
  all().failed = false;
}
int eqs_fake_failed(void) {
  guard g;
  return all().failed;
}
void eqs_fake_set_seed(uint64_t seed) {
  guard g;
  all().seed = all().random = seed;
}
void eqs_fake_set_eager(int eager) {
  guard g;
  all().eager = eager != 0;
}
void eqs_fake_set_devices(int n) {
  guard g;
  all().devices = n;
}
void eqs_fake_set_memory(size_t bytes) {
  guard g;
  all().memory = bytes;
}
void eqs_fake_set_compute(int major, int minor) {
  guard g;
  all().major = major;
  all().minor = minor;
}
void eqs_fake_set_timeout(double seconds) {
  guard g;
  all().timeout = seconds;
}

eqs_fake_usage eqs_fake_alive(void) {
  guard g;
  const fake::state &s = all();
  eqs_fake_usage u = {};
  fake::sum_memory(&u);
  u.streams = (int)s.streams.size();
  u.events = s.events;
  u.graphs = s.graphs;
  u.graph_execs = s.graph_execs;
  u.blas_handles = s.blas_handles;
  u.communicators = s.communicators;
  return u;
}

int eqs_fake_report(void) {
  guard g;
  const eqs_fake_usage u = eqs_fake_alive();
  int n = fake::report_memory();
  const struct {
    const char *name;
    int n;
  } handles[] = {{"streams", u.streams},
                 {"events", u.events},
                 {"graphs", u.graphs},
                 {"graph executables", u.graph_execs},
                 {"cuBLAS handles", u.blas_handles},
                 {"communicators", u.communicators}};
  for (const auto &h : handles) {
    if (h.n) fake::say("alive: %d %s", h.n, h.name);
    n += h.n;
  }
  return n;
}

eqs_fake_counts eqs_fake_count(void) {
  guard g;
  return all().counts;
}
void eqs_fake_reset_counts(void) {
  guard g;
  all().counts = {};
}

/* --------------------------------------------------------------------------------- errors */
cudaError_t cudaGetLastError(void) {
  cudaError_t e = fake::last_error;
  fake::last_error = cudaSuccess;
  return e;
}
cudaError_t cudaPeekAtLastError(void) { return fake::last_error; }

const char *cudaGetErrorName(cudaError_t e) {
  static thread_local char text[32];
  std::snprintf(text, sizeof text, "CUDA error %d", (int)e);
  return text;
}
const char *cudaGetErrorString(cudaError_t e) {
  switch (e) {
  case cudaSuccess: return "no error";
  case cudaErrorInvalidValue: return "invalid argument";
  case cudaErrorMemoryAllocation: return "out of memory";
  case cudaErrorInitializationError: return "initialization error";
  case cudaErrorInvalidConfiguration: return "invalid configuration argument";
  case cudaErrorNoDevice: return "no CUDA-capable device is detected";
  case cudaErrorInvalidDevice: return "invalid device ordinal";
  case cudaErrorInvalidResourceHandle: return "invalid resource handle";
  case cudaErrorNotReady: return "device not ready";
  case cudaErrorLaunchFailure: return "unspecified launch failure";
  case cudaErrorLaunchOutOfResources: return "too many resources requested for launch";
  case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
  case cudaErrorStreamCaptureInvalidated:
    return "operation failed due to a previous error during capture";
  case cudaErrorStreamCaptureUnjoined: return "capture has unjoined work";
  case cudaErrorStreamCaptureImplicit:
    return "operation would make the legacy stream depend on a capturing blocking stream";
  case cudaErrorGraphExecUpdateFailure: return "the graph update was not performed";
  default: return cudaGetErrorName(e);
  }
}

/* -------------------------------------------------------------------------------- devices */
cudaError_t cudaRuntimeGetVersion(int *version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int *version) {
  guard g;
  *version = all().devices ? CUDART_VERSION : 0;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *n) {
  guard g;
  *n = 0;
  if (fake::fail()) return error(cudaErrorInitializationError);
  *n = all().devices;
  return error(*n ? cudaSuccess : cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int i) {
  guard g;
  if (fake::fail()) return error(cudaErrorInitializationError);
  if (!all().devices) return error(cudaErrorNoDevice);
  if (i < 0 || i >= all().devices) return error(cudaErrorInvalidDevice);
  fake::device = i;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int *i) {
  guard g;
  if (fake::fail()) return error(cudaErrorInitializationError);
  *i = fake::device;
  return error(all().devices ? cudaSuccess : cudaErrorNoDevice);
}

/* What kernels may count on, as an H200 has it. */
cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr what, int i) {
  guard g;
  if (fake::fail()) return error(cudaErrorUnknown);
  if (i < 0 || i >= all().devices) return error(cudaErrorInvalidDevice);
  switch (what) {
  case cudaDevAttrMaxThreadsPerBlock: *value = 1024; break;
  case cudaDevAttrMaxBlockDimX:
  case cudaDevAttrMaxBlockDimY: *value = 1024; break;
  case cudaDevAttrMaxBlockDimZ: *value = 64; break;
  case cudaDevAttrMaxGridDimX: *value = 0x7fffffff; break;
  case cudaDevAttrMaxGridDimY:
  case cudaDevAttrMaxGridDimZ: *value = 65535; break;
  case cudaDevAttrMaxSharedMemoryPerBlock: *value = 48 * 1024; break;
  case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = 227 * 1024; break;
  case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = 228 * 1024; break;
  case cudaDevAttrMaxRegistersPerBlock:
  case cudaDevAttrMaxRegistersPerMultiprocessor: *value = 65536; break;
  case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
  case cudaDevAttrWarpSize: *value = 32; break;
  case cudaDevAttrMultiProcessorCount: *value = 132; break;
  case cudaDevAttrComputeCapabilityMajor: *value = all().major; break;
  case cudaDevAttrComputeCapabilityMinor: *value = all().minor; break;
  default: return error(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *p, int i) {
  guard g;
  if (fake::fail()) return error(cudaErrorUnknown);
  if (i < 0 || i >= all().devices) return error(cudaErrorInvalidDevice);
  memset(p, 0, sizeof *p);
  std::snprintf(p->name, sizeof p->name, "emulated device %d", i);
  p->totalGlobalMem = all().memory;
  p->sharedMemPerBlock = 48 * 1024;
  p->sharedMemPerBlockOptin = 227 * 1024;
  p->sharedMemPerMultiprocessor = 228 * 1024;
  p->regsPerBlock = p->regsPerMultiprocessor = 65536;
  p->warpSize = 32;
  p->maxThreadsPerBlock = 1024;
  p->maxThreadsPerMultiProcessor = 2048;
  p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = 0x7fffffff;
  p->maxGridSize[1] = p->maxGridSize[2] = 65535;
  p->multiProcessorCount = 132;
  p->major = all().major;
  p->minor = all().minor;
  return cudaSuccess;
}

/* ------------------------------------------------------------------------------ functions */
cudaError_t cudaFuncSetAttribute(const void *function, enum cudaFuncAttribute what, int value) {
  guard g;
  if (fake::fail()) return error(cudaErrorInvalidDeviceFunction);
  if (what == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || value > 227 * 1024) return error(cudaErrorInvalidValue);
    fake::shared_limits()[function] = value;
  }
  return cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *a, const void *function) {
  guard g;
  if (fake::fail()) return error(cudaErrorInvalidDeviceFunction);
  memset(a, 0, sizeof *a);
  a->maxThreadsPerBlock = 1024;
  a->maxDynamicSharedSizeBytes = fake::shared_limit(function);
  return cudaSuccess;
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *n, const void *, int threads,
                                                          size_t shared) {
  guard g;
  if (fake::fail()) return error(cudaErrorInvalidDeviceFunction);
  if (threads < 1 || threads > 1024) return error(cudaErrorInvalidValue);
  const int by_threads = 2048 / ((threads + 31) / 32 * 32);
  const int by_shared = (int)(228 * 1024 / (shared + 1024));
  *n = by_threads < by_shared ? by_threads : by_shared;
  return cudaSuccess;
}
}
