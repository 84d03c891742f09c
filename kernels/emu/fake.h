/* fake.h -- what tests ask of the fake CUDA runtime (fake_*.cpp), which defines the symbols of
 * libcudart, libcublas and libnccl and is linked instead of them.
 *
 * Device memory cannot be touched by host code: its pages are open only while work of a stream
 * runs. Fresh memory is NaN. Work is queued and runs when the host synchronises, one piece after
 * another in an order that streams and events allow and that a seed chooses; so a missing
 * synchronisation shows. Captured work is recorded and replayed.
 *
 * Environment, read at the first call: EQS_FAKE_FAIL=n (the n-th call fails), EQS_FAKE_SEED (0: in
 * the order of submission), EQS_FAKE_DEVICES (default 1), EQS_FAKE_MEMORY (bytes per device),
 * EQS_FAKE_TIMEOUT (seconds to wait for other ranks; default 20), EQS_FAKE_EAGER=1 (everything
 * runs when it is submitted).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_EMU_FAKE_H
#define EQS_EMU_FAKE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The n-th call from now on that can fail does, once; 0: none. Calls that free never fail. */
void eqs_fake_fail_call(long n);
int eqs_fake_failed(void); /* whether the call asked for has come */

void eqs_fake_set_seed(uint64_t seed);
void eqs_fake_set_eager(int eager);
void eqs_fake_set_devices(int n);                /* 0: a machine without a GPU */
void eqs_fake_set_memory(size_t bytes);          /* of each device */
void eqs_fake_set_compute(int major, int minor); /* what devices say of themselves; 9.0 */
void eqs_fake_set_timeout(double seconds);

/* What exists now. All zero: nothing leaked. */
typedef struct eqs_fake_usage {
  size_t device_bytes, pinned_bytes;
  int allocations, pinned, streams, events, graphs, graph_execs, blas_handles, communicators;
} eqs_fake_usage;
eqs_fake_usage eqs_fake_alive(void);
/* Writes one line for each thing alive to stderr and returns how many there are. */
int eqs_fake_report(void);

/* How often since the start of the process or the last eqs_fake_reset_counts. Work inside a graph
 * counts each time that it runs, under `nodes` and its own name. */
typedef struct eqs_fake_counts {
  long calls; /* all that can fail */
  long launches, copies, memsets, gemms, collectives;
  long synchronizations; /* of a stream, an event, a device; synchronous copies */
  long allocations;      /* device and pinned memory */
  long captures, instantiations, updates, graph_launches, nodes;
} eqs_fake_counts;
eqs_fake_counts eqs_fake_count(void);
void eqs_fake_reset_counts(void);

/* Whether a byte of device memory is alive there; its allocation's start and size. */
int eqs_fake_find(const void *p, void **start, size_t *size);

#ifdef __cplusplus
}
#endif
#endif
