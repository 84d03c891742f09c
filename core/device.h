/* device.h -- where arrays live and kernels run: memory, copies and the order of work of a device.
 *
 * Work on a device is queued in the order of the calls and runs later; what fails in between is
 * reported by `finish`. The host's own memory is a device too, whose work is done at once.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DEVICE_H
#define EQS_DEVICE_H

#include "core/status.h"

typedef struct device device;
typedef struct device_graph device_graph; /* recorded work */

typedef struct device_ops {
  const char *name; /* "host", "cuda", "emu" */
  /* 64-byte aligned, not initialised, at least one byte; EQS_ERR_MEMORY. */
  eqs_status (*take)(device *d, size_t bytes, void **out);
  void (*give)(device *d, void *p); /* NULL is fine; waits for work that may still use it */
  /* From the host's memory, which may change as soon as it returns. */
  eqs_status (*put)(device *d, void *to, const void *from, size_t bytes);
  eqs_status (*get)(device *d, void *to, const void *from, size_t bytes); /* to the host */
  void (*zero)(device *d, void *p, size_t bytes);
  /* Kernels that this thread launches run on `d` from now on. */
  eqs_status (*enter)(device *d);
  /* Waits until all work is done, `get` included. */
  eqs_status (*finish)(device *d);
  void (*close)(device *d);
  /* The rest is NULL for the host. */
  /* Work queued after graph_begin is recorded, not run, until graph_end; nothing may be taken,
   * given back, copied or waited for in between. It is the same work, on the same arrays, each time
   * that it is queued by graph_launch. After a failure there is no graph and nothing is recorded.
   */
  eqs_status (*graph_begin)(device *d);
  eqs_status (*graph_end)(device *d, device_graph **out);
  eqs_status (*graph_launch)(device *d, device_graph *g);
  void (*graph_free)(device *d, device_graph *g); /* NULL is fine */
  /* Between arrays of the device. */
  eqs_status (*move)(device *d, void *to, const void *from, size_t bytes);
  int (*holds)(device *d, const void *p); /* whether p points to memory of this device */
  /* Work is queued in the caller's stream (cudaStream_t) from now on; NULL = in its own. */
  eqs_status (*use_stream)(device *d, void *stream);
  void *(*stream)(const device *d); /* the one in use */
} device_ops;

/* The head of every implementation's struct. */
struct device {
  const device_ops *ops;
};

extern device device_host;

static inline int device_is_host(const device *d) { return d == &device_host; }

/* n elements of `size` bytes, not initialised; NULL after a failure. EQS_ERR_MEMORY names `what`.
 */
eqs_status device_take(device *d, size_t n, size_t size, const char *what, void *out) EQS_CHECK;
/* The same, with what lies at `from` on the host. */
eqs_status device_copy(device *d, const void *from, size_t n, size_t size, const char *what,
                       void *out) EQS_CHECK;
/* Frees *p and sets it to NULL; NULL is fine. */
void device_give(device *d, void *p);

#endif
