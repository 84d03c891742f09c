/* fiber.h -- stacks that take turns on one operating-system thread, for the emulator.
 *
 * x86-64 and arm64 switch in a few instructions; elsewhere, or with EQS_EMU_UCONTEXT, ucontext does
 * (10 to 15 times slower: two system calls for each switch). AddressSanitizer is told of every
 * switch; with EQS_EMU_TSAN, ThreadSanitizer sees each fiber as a thread, and switching orders no
 * memory: only fiber_release and fiber_acquire do. Files that use these are compiled without
 * -fsanitize=thread, the kernels with it.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_EMU_FIBER_H
#define EQS_EMU_FIBER_H

#include <cstddef>

namespace cuemu {
struct fiber;

/* A fiber that runs main() when it is entered; when main returns it leaves for good. */
fiber *fiber_take(void (*main)());
void fiber_give_back(fiber *f); /* its stack waits for the next fiber_take */
void fiber_enter(fiber *f);     /* from the thread's own stack; returns when f leaves */
void fiber_leave();             /* back to fiber_enter, from the fiber that it entered */

/* Who ThreadSanitizer takes us for. Without EQS_EMU_TSAN these do nothing. */
void *identity_new(); /* ordered after all that the present one did */
void identity_free(void *id);
void *identity_now();
void identity_become(void *id);    /* no order between the two */
void *identity_of(const fiber *f); /* made by fiber_take */
void order_release(void *clock);
void order_acquire(void *clock);
/* Memory accesses (of memcpy, malloc and the like) between these two are the emulator's own, not
 * the emulated program's. They nest, and belong to the present identity. */
void checks_off();
void checks_on();
struct unchecked {
  unchecked() { checks_off(); }
  ~unchecked() { checks_on(); }
};
struct checked { /* inside unchecked */
  checked() { checks_on(); }
  ~checked() { checks_off(); }
};

/* Fresh zero pages, at the same address if one is given: what was known of the old ones (who
 * touched them, for ThreadSanitizer) is forgotten. Aborts when there is no memory. */
void *fresh_pages(void *at, size_t size);
} // namespace cuemu
#endif
