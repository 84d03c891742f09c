/* device_list.h -- the neighbour list of a batch, made by a device where its kernels read it.
 *
 * The same list as the host's (core/neighbors.h), bit for bit, without images. The number of edges
 * stays on the device: they go into arrays of a fixed capacity, and if that is too small, or the
 * structure is one that the host would refuse, the list is empty and the status says why.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_DEVICE_LIST_H
#define EQS_DEVICE_LIST_H

#include "core/neighbors.h"
#include "kernels/kernels.h"

/* Arrays are of an arena of the device. */
typedef struct device_list {
  const kernel_ops *k;
  search_args search;
  scan_args bins, edges;
} device_list;

/* For n atoms of n_system systems; block_atoms, a multiple of SCAN_TILE, are a block of the batch.
 * EQS_ERR_ARGUMENT: too many atoms. EQS_ERR_MEMORY. */
eqs_status device_list_open(device_list *l, const kernel_ops *k, int n, int n_system,
                            int block_atoms, arena *a) EQS_CHECK;
/* The input, from the host: neighbors_boxes of the batch, and its positions. */
eqs_status device_list_put_boxes(device_list *l, const search_box *box) EQS_CHECK;
/* Room for so many edges of the batch and of one block; `scratch` has 24 bytes for each and is free
 * again when the list is made. *out is the list, n_edge its capacity. */
eqs_status device_list_reserve(device_list *l, int edges, int block_edges, void *scratch, arena *a,
                               neighbors *out) EQS_CHECK;
/* Queues the search, from positions and boxes that lie there, up to the number of edges... */
void device_list_count(const device_list *l);
/* ... and from there to the list. */
void device_list_fill(const device_list *l);
/* Queues, behind the search: atoms[n] such that neighbours are near each other, system after
 * system, the same in every run. */
void device_list_order(const device_list *l, int *order);

#endif
