// cuemu.cpp -- the scheduler behind cuemu.h: who runs, who waits, and what cannot go on.
//
// A block's threads are fibers. One warp after another runs until it can go no further; a warp
// collective lets its lanes go when every live lane of its mask has come, a barrier when all
// threads of the block have. ThreadSanitizer is told of exactly the orders that CUDA promises: all
// threads of a block at a barrier, the lanes of one mask at __syncwarp, the end of a launch.
//
// SPDX-License-Identifier: MIT
#include "kernels/emu/cuemu.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <vector>

#include "core/asan.h"
#include "kernels/emu/fiber.h"

namespace cuemu {
context *current;

namespace {
enum : unsigned { WARP = 32, THREADS_MAX = 1024 };
enum : size_t {
  SHARED_MAX = 227 * 1024,
  STATIC_MAX = 48 * 1024,
  ARENA = 320 * 1024,
  CLOCK_BYTES = (size_t)1 << 32
};
enum run_state { FRESH, READY, AT_BARRIER, AT_COLLECTIVE, DONE };

struct thread {
  context seen; // first: `current` points here
  run_state state;
  collective_kind kind;
  unsigned mask, peers, lane;
  bool vote;
  place at;
  fiber *stack;
  alignas(16) unsigned char in[16], out[16];
};
struct slot {
  const void *key;
  size_t offset;
};

// The block's threads, in pages that are never given back.
struct thread_list {
  thread *first;
  size_t n;
  size_t size() const { return n; }
  thread *data() const { return first; }
  thread *begin() const { return first; }
  thread *end() const { return first + n; }
  thread &operator[](size_t i) const { return first[i]; }
} threads;
std::vector<unsigned> order;
std::vector<slot> slots;
const std::function<void()> *kernel_body;
const launch_config *launch;
unsigned char *arena;
size_t arena_used, static_bytes;
int barrier_votes;
char *clocks, *end_of_launch; // of this block: one per possible first member of a group

thread &me() { return *reinterpret_cast<thread *>(current); }

bool same_place(const thread &a, const thread &b) {
  return a.state == b.state && a.at.line == b.at.line && a.at.file == b.at.file && a.mask == b.mask;
}

// Says where every thread of the block stands, and ends the process.
[[noreturn]] void die(const char *what) {
  static const char *const names[] = {"not started", "running", "block barrier", "warp collective",
                                      "exited"};
  uint3 b = current ? current->block : uint3{0, 0, 0};
  std::fprintf(stderr, "emulator: kernel %s launched at %s:%d, block (%u,%u,%u): %s\n",
               launch->kernel, launch->at.file, launch->at.line, b.x, b.y, b.z, what);
  for (size_t i = 0, first = 0; i < threads.size(); i++) {
    const thread &t = threads[i];
    if (i + 1 < threads.size() && same_place(t, threads[i + 1])) continue;
    std::fprintf(stderr, "  threads %zu..%zu: %s", first, i, names[t.state]);
    if (t.at.file && t.state != DONE) std::fprintf(stderr, " %s:%d", t.at.file, t.at.line);
    if (t.mask && t.state != DONE) std::fprintf(stderr, " mask %08x", t.mask);
    std::fputc('\n', stderr);
    first = i + 1;
  }
  std::abort();
}

[[noreturn]] void die_at(place at, const char *what) {
  me().at = at;
  die(what);
}

// These members, and no other, have met: what each did before is ordered before what each does
// next.
template <class F> void order_members(thread *t, unsigned n, bool block, F member) {
#ifdef EQS_EMU_TSAN
  void *self = identity_now();
  char *clock = nullptr;
  for (int acquire = 0; acquire < 2; acquire++)
    for (unsigned i = 0; i < n; i++) {
      if (!member(t[i])) continue;
      if (!clock) clock = clocks + 8 * (block ? 0 : &t[i] - threads.data() + 1);
      identity_become(identity_of(t[i].stack));
      acquire ? order_acquire(clock) : order_release(clock);
    }
  identity_become(self);
#else
  (void)t, (void)n, (void)block, (void)member;
#endif
}

void thread_main() {
  (*kernel_body)();
  me().state = DONE;
  order_release(end_of_launch);
}

void run_thread(thread &t) {
  if (t.state == FRESH) t.stack = fiber_take(thread_main);
  t.state = READY;
  current = &t.seen;
  fiber_enter(t.stack);
  if (t.state == DONE) fiber_give_back(t.stack), t.stack = nullptr;
}

// The lanes that thread t waits for and that have come; 0 while one is still missing.
unsigned complete_mask(const thread *warp, unsigned n, thread &t) {
  unsigned here = 0;
  for (unsigned k = 0; k < n; k++) {
    if (!(t.mask >> k & 1) || warp[k].state == DONE) continue;
    if (warp[k].state != AT_COLLECTIVE) return 0;
    if (warp[k].mask != t.mask || warp[k].kind != t.kind) {
      current = &t.seen;
      die("lanes of one mask met in different warp collectives");
    }
    here |= 1u << k;
  }
  return here;
}

bool release_warp(thread *warp, unsigned n) {
  bool any = false;
  for (unsigned l = 0; l < n; l++) {
    if (warp[l].state != AT_COLLECTIVE) continue;
    const unsigned here = complete_mask(warp, n, warp[l]);
    if (!here) continue;
    if (warp[l].kind == SYNC_WARP) // alone among the collectives: shuffles and votes order nothing
      order_members(warp, n, false, [here](const thread &x) { return (here >> x.lane & 1) != 0; });
    for (unsigned k = 0; k < n; k++) {
      if (!(here >> k & 1)) continue;
      memcpy(warp[k].out, warp[k].in, sizeof warp[k].out);
      warp[k].peers = here, warp[k].state = READY;
    }
    any = true;
  }
  return any;
}

// Every warp in turn, until it can go no further; false if no thread could run.
bool run_warps() {
  const unsigned n = (unsigned)threads.size();
  bool moved = false;
  for (unsigned w = 0; w < order.size(); w += WARP) {
    const unsigned first = order[w] / WARP * WARP, lanes = std::min<unsigned>(n - first, WARP);
    do {
      for (unsigned i = 0; i < WARP; i++) {
        const unsigned j = order[w + i];
        if (j >= n || threads[j].state > READY) continue;
        run_thread(threads[j]);
        moved = true;
      }
    } while (release_warp(&threads[first], lanes));
  }
  return moved;
}

void release_barrier(size_t waiting, size_t done, const thread *first) {
  if (waiting + done == threads.size() && done)
    die("barrier divergence: some threads left the kernel, others wait at a barrier");
  if (waiting != threads.size()) die("deadlock: no thread can go on");
  for (const thread &t : threads)
    if (!same_place(t, *first))
      die("barrier divergence: threads of one block wait at different barriers");
  barrier_votes = 0;
  for (thread &t : threads) barrier_votes += t.vote, t.state = READY;
  order_members(threads.data(), (unsigned)threads.size(), true,
                [](const thread &) { return true; });
}

void run_block() {
  for (;;) {
    run_warps();
    size_t waiting = 0, done = 0;
    const thread *first = nullptr;
    for (const thread &t : threads) {
      done += t.state == DONE;
      if (t.state != AT_BARRIER) continue;
      waiting++;
      if (!first) first = &t;
    }
    if (done == threads.size()) return;
    release_barrier(waiting, done, first);
  }
}

// Thread numbers in the order of EQS_EMU_ORDER, warp by warp.
void make_order(unsigned n) {
  static uint64_t state;
  const unsigned padded = (n + WARP - 1) / WARP * WARP;
  const char *e = std::getenv("EQS_EMU_ORDER");
  const bool reverse = e && *e == 'r', seeded = e && *e >= '0' && *e <= '9';
  order.resize(padded);
  for (unsigned i = 0; i < padded; i++) order[i] = reverse ? padded - 1 - i : i;
  if (!seeded) return;
  if (!state) state = std::strtoull(e, nullptr, 10) * 2 + 1;
  auto below = [](unsigned m) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((state >> 33) % m);
  };
  for (unsigned w = padded / WARP; w-- > 1;) {
    const unsigned k = below(w + 1);
    for (unsigned i = 0; i < WARP; i++) std::swap(order[w * WARP + i], order[k * WARP + i]);
  }
  for (unsigned w = 0; w < padded; w += WARP)
    for (unsigned i = WARP; i-- > 1;) std::swap(order[w + i], order[w + below(i + 1)]);
}

// Shared memory starts as NaN in every block, also behind its end; nobody is known to have used it.
void renew_shared(size_t dynamic) {
#ifdef EQS_EMU_TSAN
  fresh_pages(arena, ARENA);
  arena_used = ARENA;
#endif
  ASAN_UNPOISON_MEMORY_REGION(arena, ARENA);
  memset(arena, 0xff, std::max(arena_used, dynamic));
  ASAN_POISON_MEMORY_REGION(arena + dynamic, ARENA - dynamic);
  slots.clear();
  static_bytes = 0;
  arena_used = (dynamic + 31) & ~(size_t)15;
}

// ThreadSanitizer's clocks are never used twice: an old one would lend this block an order.
char *new_clocks(size_t n) {
#ifdef EQS_EMU_TSAN
  static char *all;
  static size_t used = CLOCK_BYTES;
  if (used + 8 * n > CLOCK_BYTES) {
    void *p = mmap(all, CLOCK_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (all ? MAP_FIXED : 0), -1, 0);
    if (p == MAP_FAILED) die("out of memory");
    all = static_cast<char *>(p);
    used = 0;
  }
  used += 8 * n;
  return all + used - 8 * n;
#else
  (void)n;
  return nullptr;
#endif
}

void start_block(uint3 at) {
  const dim3 b = launch->block;
  make_order((unsigned)threads.size());
  renew_shared(launch->shared);
  clocks = new_clocks(threads.size() + 1);
  for (unsigned i = 0; i < threads.size(); i++) {
    thread &t = threads[i];
    t = thread();
    t.seen = {{i % b.x, i / b.x % b.y, i / b.x / b.y}, at, b, launch->grid};
    t.lane = i % WARP;
  }
}
} // namespace

void run(const launch_config &config, const std::function<void()> &body) {
  const dim3 g = config.grid, b = config.block;
  launch = &config;
  kernel_body = &body;
  const size_t n = (size_t)b.x * b.y * b.z;
  if (!threads.first)
    threads.first = static_cast<thread *>(fresh_pages(nullptr, THREADS_MAX * sizeof(thread)));
  threads.n = 0;
  if (config.shared > SHARED_MAX) die("more than 227 KiB of dynamic shared memory");
  if (n > THREADS_MAX) die("more than 1024 threads in a block");
  threads.n = n;
  if (!arena) {
    arena = static_cast<unsigned char *>(fresh_pages(nullptr, ARENA));
    arena_used = ARENA;
  }
  end_of_launch = new_clocks(1);
  for (unsigned z = 0; z < g.z; z++)
    for (unsigned y = 0; y < g.y; y++)
      for (unsigned x = 0; x < g.x; x++) {
        start_block({x, y, z});
        run_block();
      }
  order_acquire(end_of_launch);
  current = nullptr;
}

void *dynamic_shared() { return arena; }

void *static_shared(const void *key, size_t size, size_t align) {
  for (const slot &s : slots)
    if (s.key == key) return arena + s.offset;
  const size_t offset = (arena_used + align - 1) / align * align;
  static_bytes += size;
  if (static_bytes > STATIC_MAX) die("more than 48 KiB of static shared memory");
  if (static_bytes + launch->shared > SHARED_MAX) die("more than 227 KiB of shared memory");
  slots.push_back({key, offset});
  arena_used = (offset + size + 31) & ~(size_t)15; // a gap, so that an overrun is seen
  ASAN_UNPOISON_MEMORY_REGION(arena + offset, size);
  return arena + offset;
}

int barrier(bool vote, place at) {
  thread &t = me();
  t.state = AT_BARRIER, t.vote = vote, t.at = at, t.mask = 0;
  fiber_leave();
  return barrier_votes;
}

void collective(collective_kind kind, unsigned mask, const void *v, size_t n, place at) {
  thread &t = me();
  t.kind = kind, t.mask = mask, t.at = at;
  if (!(mask >> t.lane & 1)) die("a lane called a warp collective whose mask leaves it out");
  for (size_t i = 0; i < n; i++) t.in[i] = static_cast<const unsigned char *>(v)[i];
  t.state = AT_COLLECTIVE;
  fiber_leave();
}

const void *peer(unsigned source, place at) {
  thread &t = me();
  if (!(t.peers >> source & 1)) die_at(at, "a lane read the value of a lane that took no part");
  return threads[(size_t)(&t - threads.data()) / WARP * WARP + source].out;
}

unsigned lane() { return me().lane; }
unsigned peers() { return me().peers; }

unsigned live_mask() {
  const size_t first = (size_t)(&me() - threads.data()) / WARP * WARP;
  unsigned m = 0;
  for (unsigned l = 0; l < WARP && first + l < threads.size(); l++)
    m |= (unsigned)(threads[first + l].state != DONE) << l;
  return m;
}

void trap(place at) { die_at(at, "trap"); }
} // namespace cuemu
