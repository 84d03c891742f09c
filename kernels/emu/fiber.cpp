// fiber.cpp -- the switch between stacks, and what the sanitizers have to hear of it.
// SPDX-License-Identifier: MIT
#include "kernels/emu/fiber.h"

#include <cstdio>
#include <cstdlib>
#include <sys/mman.h>
#include <vector>

#include "core/asan.h"

#ifdef EQS_EMU_TSAN
extern "C" {
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
void *__tsan_get_current_fiber(void);
void __tsan_acquire(void *clock);
void __tsan_release(void *clock);
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
}
enum { NO_ORDER = 1 };
#endif

// eqs_emu_switch(save, load): pushes what a call preserves, changes stacks, pops it again.
#if defined(__x86_64__) && !defined(EQS_EMU_UCONTEXT)
#define EQS_EMU_ASM 1
enum { SAVED_WORDS = 7, ENTRY_WORD = 6 };
asm(".text\n.globl eqs_emu_switch\n.hidden eqs_emu_switch\n.type eqs_emu_switch,@function\n"
    "eqs_emu_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n"
    ".size eqs_emu_switch,.-eqs_emu_switch\n");
#elif defined(__aarch64__) && !defined(EQS_EMU_UCONTEXT)
#define EQS_EMU_ASM 1
enum { SAVED_WORDS = 20, ENTRY_WORD = 11 };
asm(".text\n.globl eqs_emu_switch\n.hidden eqs_emu_switch\n.type eqs_emu_switch,%function\n"
    "eqs_emu_switch:\n"
    "sub sp,sp,#160\n"
    "stp x19,x20,[sp]\nstp x21,x22,[sp,#16]\nstp x23,x24,[sp,#32]\nstp x25,x26,[sp,#48]\n"
    "stp x27,x28,[sp,#64]\nstp x29,x30,[sp,#80]\n"
    "stp d8,d9,[sp,#96]\nstp d10,d11,[sp,#112]\nstp d12,d13,[sp,#128]\nstp d14,d15,[sp,#144]\n"
    "mov x9,sp\nstr x9,[x0]\nmov sp,x1\n"
    "ldp x19,x20,[sp]\nldp x21,x22,[sp,#16]\nldp x23,x24,[sp,#32]\nldp x25,x26,[sp,#48]\n"
    "ldp x27,x28,[sp,#64]\nldp x29,x30,[sp,#80]\n"
    "ldp d8,d9,[sp,#96]\nldp d10,d11,[sp,#112]\nldp d12,d13,[sp,#128]\nldp d14,d15,[sp,#144]\n"
    "add sp,sp,#160\nret\n"
    ".size eqs_emu_switch,.-eqs_emu_switch\n");
#else
#include <ucontext.h>
#endif
#ifdef EQS_EMU_ASM
extern "C" void eqs_emu_switch(void **save, void *load);
#endif

namespace cuemu {
#ifdef EQS_ASAN
enum : size_t { STACK = 512 * 1024 }; // instrumented frames are larger
#else
enum : size_t { STACK = 128 * 1024 };
#endif
enum : size_t { GUARD = 65536 }; // no machine has larger pages

struct fiber {
  char *stack;
  void (*main)();
  void *identity, *host_identity;
#ifdef EQS_EMU_ASM
  void *sp;
#else
  ucontext_t context;
#endif
};

namespace {
std::vector<fiber *> &idle = *new std::vector<fiber *>; // stacks live as long as the process
fiber host, *running;
#ifdef EQS_ASAN
const void *host_bottom;
size_t host_size;
#endif

void switch_stacks(fiber &from, fiber &to) {
#ifdef EQS_ASAN
  void *fake = nullptr;
  const bool home = &to == &host;
  __sanitizer_start_switch_fiber(&fake, home ? host_bottom : to.stack + GUARD,
                                 home ? host_size : STACK);
#endif
#ifdef EQS_EMU_ASM
  eqs_emu_switch(&from.sp, to.sp);
#else
  swapcontext(&from.context, &to.context);
#endif
#ifdef EQS_ASAN
  if (&from == &host) __sanitizer_finish_switch_fiber(fake, nullptr, nullptr);
  else __sanitizer_finish_switch_fiber(fake, &host_bottom, &host_size);
#endif
}

void fiber_start() {
#ifdef EQS_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &host_bottom, &host_size);
#endif
  for (;;) {
    running->main();
    fiber_leave();
  }
}

void prepare(fiber *f) {
  static unsigned colour; // or the tops of all stacks meet in one set of the cache
#ifdef EQS_EMU_ASM
  char *top = f->stack + GUARD + STACK - colour++ % 64 * 320;
  void **sp = reinterpret_cast<void **>(top) - 2 - SAVED_WORDS + (ENTRY_WORD == 6 ? 1 : 0);
  for (int i = 0; i < SAVED_WORDS; i++) sp[i] = nullptr;
  sp[ENTRY_WORD] = reinterpret_cast<void *>(fiber_start);
  f->sp = sp;
#else
  getcontext(&f->context);
  f->context.uc_stack.ss_sp = f->stack + GUARD;
  f->context.uc_stack.ss_size = STACK - colour++ % 64 * 320;
  makecontext(&f->context, fiber_start, 0);
#endif
}
} // namespace

void *fresh_pages(void *at, size_t size) {
  void *p = mmap(at, size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | (at ? MAP_FIXED : 0), -1, 0);
  if (p == MAP_FAILED) {
    std::fprintf(stderr, "emulator: out of memory (%zu bytes)\n", size);
    std::abort();
  }
  return p;
}

fiber *fiber_take(void (*main)()) {
  fiber *f;
  if (idle.empty()) {
    f = new fiber();
    f->stack = static_cast<char *>(fresh_pages(nullptr, GUARD + STACK));
    mprotect(f->stack, GUARD, PROT_NONE);
    prepare(f);
  } else {
    f = idle.back();
    idle.pop_back();
#ifdef EQS_EMU_TSAN
    fresh_pages(f->stack + GUARD, STACK);
    prepare(f);
#endif
  }
  f->main = main;
  f->identity = identity_new();
  return f;
}

void fiber_give_back(fiber *f) {
  identity_free(f->identity);
  idle.push_back(f);
}

void fiber_enter(fiber *f) {
  fiber *outer = running;
  f->host_identity = identity_now();
  running = f;
  identity_become(f->identity);
  switch_stacks(host, *f);
  running = outer;
}

void fiber_leave() {
  fiber *f = running;
  identity_become(f->host_identity);
  switch_stacks(*f, host);
}

void *identity_of(const fiber *f) { return f->identity; }

#ifdef EQS_EMU_TSAN
void *identity_new() { return __tsan_create_fiber(0); }
void identity_free(void *id) { __tsan_destroy_fiber(id); }
void *identity_now() { return __tsan_get_current_fiber(); }
void identity_become(void *id) { __tsan_switch_to_fiber(id, NO_ORDER); }
void order_release(void *clock) { __tsan_release(clock); }
void order_acquire(void *clock) { __tsan_acquire(clock); }
void checks_off() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); } // and writes
void checks_on() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
#else
void *identity_new() { return nullptr; }
void identity_free(void *) {}
void *identity_now() { return nullptr; }
void identity_become(void *) {}
void order_release(void *) {}
void order_acquire(void *) {}
void checks_off() {}
void checks_on() {}
#endif
} // namespace cuemu
