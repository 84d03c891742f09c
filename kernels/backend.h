/* backend.h -- the devices of this build by name: "host", "cuda:N" (or "emu"), "auto".
 * SPDX-License-Identifier: MIT */
#ifndef EQS_BACKEND_H
#define EQS_BACKEND_H

#include "core/device.h"
#include "kernels/kernels.h"

/* "auto" takes the first GPU that works, else the host. EQS_ERR_UNSUPPORTED: not in this build, or
 * no such name; EQS_ERR_DEVICE: the GPU that was asked for by name does not work, and why. Closed
 * by ops->close. */
eqs_status backend_open(const char *name, device **out) EQS_CHECK;
/* The same device once more, with a queue of its own. */
eqs_status backend_same(const device *d, device **out) EQS_CHECK;
/* Its table of kernels, which lives as long as the device is open. */
const kernel_ops *backend_kernels(const device *d, int double_precision);

#endif
