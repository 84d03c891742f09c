/* link.h -- messages between the devices of several ranks, queued like kernels, so that the host
 * waits for nothing in between (NCCL).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_LINK_H
#define EQS_LINK_H

#include "core/comm.h"
#include "core/device.h"

typedef struct device_link device_link;

enum { LINK_NAME = 128 };

typedef struct link_ops {
  /* Of a new group of ranks; rank 0 asks, and tells the others. EQS_ERR_UNSUPPORTED: no NCCL. */
  eqs_status (*name)(char name[LINK_NAME]);
  /* All ranks of c. While the device waits (device_ops.finish), it looks whether a rank has failed;
   * then the messages that it waits for are given up. The device must be entered. */
  eqs_status (*open)(device *d, comm *c, const char name[LINK_NAME], device_link **out);
  /* Messages from and to memory of the device, as one group, behind what is queued and beside what
   * will be, until `end`: what is queued behind that waits for them. */
  eqs_status (*begin)(device_link *l, int n_out, const comm_message *out, int n_in,
                      const comm_message *in);
  eqs_status (*end)(device_link *l);
  void (*close)(device_link *l); /* NULL is fine */
} link_ops;

/* Of this kind of device; NULL = there is none. */
const link_ops *backend_link(const device *d);

#endif
