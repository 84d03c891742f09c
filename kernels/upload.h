/* upload.h -- parameters of a model, from the host's doubles to the memory of a table's device.
 * All arrays are freed by device_give(k->device, &p); EQS_ERR_MEMORY names `what`.
 * SPDX-License-Identifier: MIT */
#ifndef EQS_UPLOAD_H
#define EQS_UPLOAD_H

#include "core/device.h"
#include "kernels/kernels.h"

/* n reals. */
eqs_status upload_reals(const kernel_ops *k, const double *x, size_t n, const char *what,
                        void *out) EQS_CHECK;
/* A row-major matrix [rows][columns] (padded) in the order that `linear` reads. */
eqs_status upload_matrix(const kernel_ops *k, const double *w, int rows, int columns,
                         const char *what, void *out) EQS_CHECK;
/* Coefficients [n_monomial][channels] in the order that the contraction reads. */
eqs_status upload_monomials(const kernel_ops *k, const double *c, int n_monomial, int channels,
                            const char *what, void *out) EQS_CHECK;

#endif
