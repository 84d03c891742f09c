// fake_memory.cpp -- device memory that the host cannot touch, and pinned host memory.
//
// One reserved range of addresses. Each allocation has pages of its own with closed pages between,
// and ends where its pages end, so that running over the end, or using what is freed, faults even
// without AddressSanitizer; bytes before its start are compared when it is freed. Pages are open
// only while work runs (struct opened). Freed addresses come back late.
//
// SPDX-License-Identifier: MIT
#include <cstdlib>
#include <cstring>
#include <map>
#include <sys/mman.h>

#include "core/asan.h"
#include "kernels/emu/fake_internal.h"

namespace fake {
namespace {
enum : size_t { RESERVED = (size_t)64 << 30, PAGE = 65536, ALIGN = 256 };

struct block {
  char *pages;
  size_t span; // of the pages
  char *p;
  size_t size;
  int device;
};
struct pinned_block {
  size_t size;
  bool owned;
};

struct memory {
  char *base = nullptr;
  size_t next = 0; // where to look for room
  std::map<const char *, block> live;
  std::map<const char *, pinned_block> pinned;
  int open = 0;
};
memory &mem() {
  static memory &m = *new memory;
  return m;
}

void protect_all(int how) {
  for (auto &entry : mem().live) mprotect(entry.second.pages, entry.second.span, how);
}

// Start of a free range of `span` bytes and a closed page behind it, beginning at `from`.
char *find_room(size_t from, size_t span) {
  memory &m = mem();
  char *at = m.base + from;
  for (auto it = m.live.lower_bound(at); it != m.live.end(); ++it) {
    if (at + span + PAGE <= it->second.pages) return at;
    at = it->second.pages + it->second.span + PAGE;
  }
  return at + span + PAGE <= m.base + RESERVED ? at : nullptr;
}

char *reserve(size_t span) {
  memory &m = mem();
  if (!m.base) {
    void *p =
        mmap(nullptr, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return nullptr;
    m.base = static_cast<char *>(p);
  }
  char *at = find_room(m.next, span);
  if (!at) at = find_room(0, span);
  if (at) m.next = (size_t)(at + span + PAGE - m.base);
  return at;
}

// The allocation that holds p, or nullptr.
const block *block_of(const void *pointer) {
  const char *p = static_cast<const char *>(pointer);
  memory &m = mem();
  auto it = m.live.upper_bound(p);
  if (it == m.live.begin()) return nullptr;
  const block &b = (--it)->second;
  return p >= b.p && p < b.p + b.size ? &b : nullptr;
}

size_t used(int device) {
  size_t sum = 0;
  for (auto &entry : mem().live)
    if (entry.second.device == device) sum += entry.second.size;
  return sum;
}

cudaError_t allocate(void **out, size_t bytes) {
  memory &m = mem();
  const int device = current_device();
  if (bytes > all().memory || used(device) > all().memory - bytes) return cudaErrorMemoryAllocation;
  const size_t room = (bytes + ALIGN - 1) / ALIGN * ALIGN, span = (room + PAGE - 1) / PAGE * PAGE;
  char *pages = reserve(span);
  if (!pages || mprotect(pages, span, PROT_READ | PROT_WRITE)) return cudaErrorMemoryAllocation;
  // A trace is of more memory than there is: only what check_margins looks at.
  memset(pages, 0xff, tracing() ? span - room : span);
  memset(pages + span - room + bytes, 0xff, room - bytes);
  block b = {pages, span, pages + span - room, bytes, device};
  ASAN_POISON_MEMORY_REGION(pages, span);
  ASAN_UNPOISON_MEMORY_REGION(b.p, bytes);
  if (!m.open) mprotect(pages, span, PROT_NONE);
  m.live[pages] = b;
  *out = b.p;
  return cudaSuccess;
}

// What lies around an allocation in its own pages still has to be as it was.
void check_margins(const block &b) {
  mprotect(b.pages, b.span, PROT_READ | PROT_WRITE);
  ASAN_UNPOISON_MEMORY_REGION(b.pages, b.span);
  for (const char *c = b.pages; c < b.pages + b.span; c++) {
    if (c == b.p) c += b.size;
    if (c < b.pages + b.span && *c != (char)0xff)
      die("%zu bytes of device memory at %p: something wrote %td bytes from its start", b.size,
          static_cast<void *>(b.p), c - b.p);
  }
}

void release(const block &b) {
  check_margins(b);
  // New pages: the memory goes, and ThreadSanitizer forgets who used it.
  mmap(b.pages, b.span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  mem().live.erase(b.pages);
}
} // namespace

opened::opened() {
  if (mem().open++ == 0) protect_all(PROT_READ | PROT_WRITE);
}
opened::~opened() {
  if (--mem().open == 0) protect_all(PROT_NONE);
}
closed::closed() : before(mem().open) {
  if (before) protect_all(PROT_NONE);
  mem().open = 0;
}
closed::~closed() {
  mem().open = before;
  if (before) protect_all(PROT_READ | PROT_WRITE);
}

bool is_device(const void *p) { return block_of(p) != nullptr; }

bool is_pinned(const void *pointer) {
  const char *p = static_cast<const char *>(pointer);
  auto it = mem().pinned.upper_bound(p);
  if (it == mem().pinned.begin()) return false;
  --it;
  return p < it->first + it->second.size;
}

void check_range(const void *p, size_t bytes, const char *what, const char *argument) {
  if (!bytes) return;
  const block *b = block_of(p);
  if (!b) die("%s: %s (%p) is not device memory that is alive", what, argument, p);
  if (bytes > b->size - (size_t)(static_cast<const char *>(p) - b->p))
    die("%s: %s reaches %zu bytes from %p, beyond the %zu bytes allocated at %p", what, argument,
        bytes, p, b->size, static_cast<void *>(b->p));
}

void sum_memory(eqs_fake_usage *u) {
  for (auto &entry : mem().live) u->allocations++, u->device_bytes += entry.second.size;
  for (auto &entry : mem().pinned)
    if (entry.second.owned) u->pinned++, u->pinned_bytes += entry.second.size;
}

int report_memory() {
  int n = 0;
  for (auto &entry : mem().live)
    n++, say("alive: %zu bytes of device memory at %p", entry.second.size,
             static_cast<void *>(entry.second.p));
  for (auto &entry : mem().pinned)
    if (entry.second.owned)
      n++, say("alive: %zu bytes of pinned memory at %p", entry.second.size,
               static_cast<const void *>(entry.first));
  return n;
}
} // namespace fake

using fake::all;
using fake::error;
using fake::guard;

extern "C" {
int eqs_fake_find(const void *p, void **start, size_t *size) {
  guard g;
  const fake::block *b = fake::block_of(p);
  if (!b) return 0;
  *start = b->p;
  *size = b->size;
  return 1;
}

cudaError_t cudaMalloc(void **p, size_t bytes) {
  guard g;
  if (fake::fail()) return error(cudaErrorMemoryAllocation);
  if (cudaError_t e = fake::forbid_in_capture()) return error(e);
  all().counts.allocations++;
  *p = nullptr;
  if (!bytes) return cudaSuccess;
  return error(fake::allocate(p, bytes));
}

cudaError_t cudaFree(void *p) {
  guard g;
  if (!p) return cudaSuccess;
  if (cudaError_t e = fake::forbid_in_capture()) return error(e);
  fake::synchronize_all();
  const fake::block *b = fake::block_of(p);
  if (!b || b->p != p) {
    fake::say("cudaFree: %p is not the start of device memory that is alive", p);
    return error(cudaErrorInvalidValue);
  }
  fake::release(*b);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void **p, size_t bytes, unsigned int) {
  guard g;
  if (fake::fail()) return error(cudaErrorMemoryAllocation);
  if (cudaError_t e = fake::forbid_in_capture()) return error(e);
  all().counts.allocations++;
  *p = nullptr;
  if (!bytes) return cudaSuccess;
  if (bytes > all().memory || posix_memalign(p, 4096, bytes)) {
    *p = nullptr;
    return error(cudaErrorMemoryAllocation);
  }
  memset(*p, 0xff, bytes);
  fake::mem().pinned[static_cast<char *>(*p)] = {bytes, true};
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void **p, size_t bytes) { return cudaHostAlloc(p, bytes, 0); }

cudaError_t cudaFreeHost(void *p) {
  guard g;
  if (!p) return cudaSuccess;
  if (cudaError_t e = fake::forbid_in_capture()) return error(e);
  fake::synchronize_all();
  auto it = fake::mem().pinned.find(static_cast<char *>(p));
  if (it == fake::mem().pinned.end() || !it->second.owned) {
    fake::say("cudaFreeHost: %p is not pinned memory", p);
    return error(cudaErrorInvalidValue);
  }
  fake::mem().pinned.erase(it);
  free(p);
  return cudaSuccess;
}

cudaError_t cudaHostRegister(void *p, size_t bytes, unsigned int) {
  guard g;
  if (fake::fail()) return error(cudaErrorMemoryAllocation);
  if (!p || !bytes || fake::is_device(p)) return error(cudaErrorInvalidValue);
  if (fake::is_pinned(p)) return error(cudaErrorHostMemoryAlreadyRegistered);
  fake::mem().pinned[static_cast<char *>(p)] = {bytes, false};
  return cudaSuccess;
}
cudaError_t cudaHostUnregister(void *p) {
  guard g;
  fake::synchronize_all();
  auto it = fake::mem().pinned.find(static_cast<char *>(p));
  if (it == fake::mem().pinned.end() || it->second.owned)
    return error(cudaErrorHostMemoryNotRegistered);
  fake::mem().pinned.erase(it);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  guard g;
  if (fake::fail()) return error(cudaErrorUnknown);
  *total = all().memory;
  *available = all().memory - fake::used(fake::current_device());
  return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *a, const void *p) {
  guard g;
  if (fake::fail()) return error(cudaErrorUnknown);
  memset(a, 0, sizeof *a);
  a->type = cudaMemoryTypeUnregistered;
  a->device = -2; // cudaInvalidDeviceId
  if (const fake::block *b = fake::block_of(p)) {
    a->type = cudaMemoryTypeDevice;
    a->device = b->device;
    a->devicePointer = const_cast<void *>(p);
  } else if (fake::is_pinned(p)) {
    a->type = cudaMemoryTypeHost;
    a->device = fake::current_device();
    a->hostPointer = a->devicePointer = const_cast<void *>(p);
  }
  return cudaSuccess;
}
}
