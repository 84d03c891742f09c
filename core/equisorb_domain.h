/* equisorb_domain.h -- the public interface to a part of a system: atoms of one's own, and the
 * ghosts of a neighbouring part's around them. For codes that divide space among processes.
 *
 * A part of equisorb.h, which says what holds for all of it and is the header to include.
 * docs/domains.md tells what travels, when, and how large it is.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQUISORB_DOMAIN_H
#define EQUISORB_DOMAIN_H

#ifndef EQUISORB_H
#error "include equisorb.h"
#endif

/* ------------------------------------------------------------------------ parts of a system */

/* Rows of features, one for every atom of the domain (owned first, then ghosts), in memory of the
 * context's device. A row is row_bytes long, all of it reals of real_size bytes, and row i begins
 * at rows + i row_bytes. */
typedef struct eqs_rows {
  size_t size;
  void *rows;
  size_t row_bytes;
  int real_size; /* 4 or 8 */
  /* 0: the rows of ghosts are to be set to those of the atoms that they are images of, wherever
   * these are owned. 1: the rows of ghosts are to be added to the rows of these atoms, in an order
   * that does not depend on time; what becomes of the ghosts' own rows does not matter. */
  int reverse;
  int on_device; /* 1: the rows are the GPU's, and the work is to be queued on `stream` */
  void *stream;  /* cudaStream_t; what made the rows is queued there, what reads them will be */
} eqs_rows;

/* Called by the thread that called eqs_compute_domain, once before every layer but the first, and
 * in the reverse pass (forces or a virial are wanted) once after every layer but the first: the
 * same calls with the same row_bytes in every domain of a system, whatever it contains, none
 * included. Other than 0: it failed. The rows must not be kept. */
typedef int (*eqs_exchange)(const eqs_rows *rows, void *user);

/* Ghosts are all atoms of other domains, and images of atoms of this one, within one cutoff of an
 * owned atom: one cutoff (eqs_model_info) whatever the number of layers. More of them do no harm.
 */
typedef struct eqs_domain {
  size_t size;
  int n_owned, n_ghost;
  const int *number;      /* [n_owned + n_ghost] atomic numbers */
  const double *position; /* [n_owned + n_ghost][3] angstrom; a ghost is where the image is */
  /* The caller's list, full: neighbours of owned atom i are neighbor[first[i]] ... up to
   * first[i + 1], indices of owned atoms or ghosts, each once, in any order, those beyond the
   * cutoff are left out. NULL: the engine searches, O(n). Same bits either way. */
  const int64_t *first;  /* [n_owned + 1], first[0] = 0 */
  const int *neighbor;   /* [first[n_owned]] */
  eqs_exchange exchange; /* may be NULL if there are no ghosts, or the model has one layer */
  void *user;
} eqs_domain;

/* The caller's arrays, in the host's memory; NULL = not wanted and not computed. Whether there are
 * forces or virials must be the same in all domains. */
typedef struct eqs_domain_result {
  size_t size;
  double *energy;   /* [1] eV, of the owned atoms */
  double *energies; /* [n_owned] eV */
  double *forces;   /* [n_owned + n_ghost][3] eV/angstrom; the caller adds ghosts' to their atoms */
  double *virial;   /* [3][3] eV: sum of r (x) dE/dr over the edges of owned atoms. Their sum over
                       all domains, symmetrised, over the volume, is the stress */
  double *virials;  /* [n_owned][3][3] eV */
} eqs_domain_result;

/* Energy of the owned atoms, and its derivatives. Everything that can fail by itself in one domain
 * is tried before the first exchange but for what runs out of memory later, and results that are
 * not finite (EQS_ERR_DIVERGED) are told after the last: only then may others still wait in an
 * exchange, and the caller has to end them. The context can be used again after any failure.
 * EQS_ERR_ARGUMENT: counts, an element the model does not know, a position that is not finite,
 * atoms on one place, a neighbour that does not exist or comes twice; names the atom, from 1, the
 * ghosts after the owned ones. EQS_ERR_UNSUPPORTED: the model adds dispersion, which reaches
 * further than the ghosts. EQS_ERR_INTERRUPTED: the exchange failed. */
EQS_API eqs_status eqs_compute_domain(eqs_context *c, const eqs_model *m, const eqs_domain *domain,
                                      eqs_domain_result *out) EQS_CHECK;

/* row_bytes of the exchange before layer 2 .. n_layer, or (reverse = 1) of the one behind its
 * reverse, for buffers and predictions. EQS_ERR_ARGUMENT: no such layer. */
EQS_API eqs_status eqs_domain_row_bytes(const eqs_model *m, int layer, int reverse,
                                        size_t *bytes) EQS_CHECK;

#endif
