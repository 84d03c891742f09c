/* evaluate_domain.c -- a part of a system: owned atoms and the ghosts around them.
 *
 * The graph has edges centred at owned atoms only. Each layer computes the owned rows; ghosts' are
 * read in the forward pass, after the exchange has brought them, and given adjoints in the reverse
 * pass, which the exchange adds to the atoms that they are images of. Hence one cutoff of ghosts
 * for any number of layers, and an edge's gradient is complete where its centre is.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "core/device_domain.h"
#include "core/engine.h"

static const double largest = 1e9; /* angstrom */

static eqs_status check(const eqs_model *m, const eqs_domain *d) {
  if (d->n_owned < 0 || d->n_ghost < 0 || d->n_ghost > INT32_MAX / 8 - d->n_owned)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a domain of %d atoms and %d ghosts", d->n_owned, d->n_ghost);
  if (d->n_owned + d->n_ghost && (!d->number || !d->position))
    EQS_FAIL(EQS_ERR_ARGUMENT, "atoms without numbers or positions");
  if (d->first && !d->neighbor && d->first[d->n_owned] != 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "first[] without the neighbours that it points to");
  if (d->n_ghost && !d->exchange && m->potential->info.n_layer > 1)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "ghosts without an exchange: layer 2 of the model reads features of theirs that are "
             "computed elsewhere");
  if (m->potential->refusal[0]) EQS_FAIL(EQS_ERR_ARGUMENT, "%s", m->potential->refusal);
  return EQS_OK;
}

static eqs_status check_atoms(const eqs_model *m, const eqs_domain *d, int *species,
                              unsigned char *present) {
  for (int i = 0; i < d->n_owned + d->n_ghost; i++) {
    const char *kind = i < d->n_owned ? "" : " (a ghost)";
    int z = d->number[i];
    species[i] = z > 0 && z < 120 ? m->species[z] : -1;
    if (species[i] < 0)
      EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d%s: the model does not know element Z = %d (%s)", i + 1,
               kind, z, *eqs_element_symbol(z) ? eqs_element_symbol(z) : "none");
    present[species[i]] = 1;
    for (int k = 0; k < 3; k++)
      if (!(fabs(d->position[3 * (size_t)i + (size_t)k]) <= largest))
        EQS_FAIL(EQS_ERR_ARGUMENT, "atom %d%s: the position is not finite, or beyond 1e9 angstrom",
                 i + 1, kind);
  }
  return EQS_OK;
}

/* What one evaluation works on, on the host. */
typedef struct work {
  int n_owned, n; /* n: with ghosts */
  int *species;
  unsigned char *present;
  double *energies, (*forces)[3], (*virials)[9];
} work;

static eqs_status make_list(eqs_context *c, const eqs_model *m, const eqs_domain *d) {
  int first[2] = {0, d->n_owned + d->n_ghost};
  double cutoff = m->potential->info.cutoff;
  eqs_systems s = {.size = sizeof s, .n_system = 1, .first = first, .position = d->position};
  if (d->first) return neighbors_take(&c->list, &s, d->n_owned, d->first, d->neighbor, cutoff);
  return neighbors_build_owned(&c->list, &s, d->n_owned, cutoff);
}

/* The first owned atoms that have no ghosts as neighbours. */
static int count_interior(const neighbors *nb, int n_owned) {
  int i = 0;
  for (int e = 0; i < n_owned; i++)
    for (; e < nb->first[i + 1]; e++)
      if (nb->neighbor[e] >= n_owned) return i;
  return i;
}

static eqs_status evaluate(eqs_context *c, const eqs_model *m, const eqs_domain *d,
                           eqs_exchange begin, const work *k) {
  potential *p = m->potential;
  workspace *w = &c->work;
  halo ghosts = {.exchange = d->exchange, .user = d->user, .begin = begin};
  batch b = {
      .n = k->n_owned, .species = k->species, .nb = &c->list, .halo = d->exchange ? &ghosts : NULL};
  double(*gradient)[3] = NULL;
  if (begin) ghosts.n_interior = count_interior(&c->list, k->n_owned);
  EQS_TRY(p->ops->prepare(p, k->present));
  if (!device_is_host(c->device)) {
    device_domain_results to = {k->energies, k->forces, k->virials};
    return device_domain_evaluate(c, m, &b, &to);
  }
  if (k->forces)
    EQS_TRY(arena_take(&w->shared, c->list.edge_capacity, sizeof *gradient, &gradient));
  EQS_TRY(p->ops->evaluate(p, w, &b, k->energies, gradient));
  if (!k->forces) return EQS_OK;
  return engine_sum_edges(p->k, w, &b, (const double(*)[3])gradient, k->forces, k->virials);
}

static eqs_status check_finite(const work *k) {
  for (int i = 0; i < k->n; i++) {
    int finite = i >= k->n_owned || isfinite(k->energies[i]);
    for (int a = 0; k->forces && a < 3; a++) finite &= isfinite(k->forces[i][a]) != 0;
    if (!finite)
      EQS_FAIL(EQS_ERR_DIVERGED, "atom %d: the energy or force is not finite (atoms too close?)",
               i + 1);
  }
  return EQS_OK;
}

static void give_results(const work *k, const eqs_domain_result *out) {
  size_t n = (size_t)k->n_owned;
  if (out->energy) *out->energy = 0;
  for (size_t i = 0; out->energy && i < n; i++) *out->energy += k->energies[i];
  for (int j = 0; out->virial && j < 9; j++) out->virial[j] = 0;
  for (size_t i = 0; out->virial && i < n; i++)
    for (int j = 0; j < 9; j++) out->virial[j] += k->virials[i][j];
  if (out->energies && n) memcpy(out->energies, k->energies, n * sizeof *k->energies);
  if (out->forces && k->n) memcpy(out->forces, k->forces, (size_t)k->n * sizeof *k->forces);
  if (out->virials && n) memcpy(out->virials, k->virials, n * sizeof *k->virials);
}

eqs_status eqs_domain_row_bytes(const eqs_model *m, int layer, int reverse, size_t *bytes) {
  if (!m || !bytes || layer < 2 || layer > m->potential->info.n_layer)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no model, or nothing is exchanged at its layer %d", layer);
  int reals = m->potential->ops->exchanged(m->potential, layer - 1, reverse != 0);
  *bytes = (size_t)reals * m->potential->k->real_size;
  return EQS_OK;
}

eqs_status engine_compute_domain(eqs_context *c, const eqs_model *m, const eqs_domain *domain,
                                 const eqs_domain_result *out, eqs_exchange begin) {
  eqs_domain d = {0};
  eqs_domain_result r = {0};
  memcpy(&d, domain, domain->size < sizeof d ? domain->size : sizeof d);
  memcpy(&r, out, out->size < sizeof r ? out->size : sizeof r);
  EQS_TRY(check(m, &d));
  work k = {.n_owned = d.n_owned, .n = d.n_owned + d.n_ghost};
  arena *shared = &c->work.shared;
  size_t n = (size_t)k.n;
  int virial = r.virial || r.virials;
  arena_reset(shared);
  EQS_TRY(arena_take(shared, n, sizeof *k.species, &k.species));
  EQS_TRY(arena_take_zero(shared, (size_t)m->potential->info.n_element, 1, &k.present));
  EQS_TRY(arena_take(shared, n, sizeof *k.energies, &k.energies));
  if (r.forces || virial) EQS_TRY(arena_take(shared, n, sizeof *k.forces, &k.forces));
  if (virial) EQS_TRY(arena_take(shared, n, sizeof *k.virials, &k.virials));
  EQS_TRY(check_atoms(m, &d, k.species, k.present));
  EQS_TRY(make_list(c, m, &d));
  EQS_TRY(evaluate(c, m, &d, begin, &k));
  EQS_TRY(check_finite(&k));
  give_results(&k, &r);
  return EQS_OK;
}

eqs_status eqs_compute_domain(eqs_context *c, const eqs_model *m, const eqs_domain *domain,
                              eqs_domain_result *out) {
  if (!c || !m || !domain || !out)
    EQS_FAIL(EQS_ERR_ARGUMENT, "eqs_compute_domain: an argument is NULL");
  if (m->has_dispersion)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "dispersion reaches further than the ghosts of a domain: load the model without it");
  return engine_compute_domain(c, m, domain, out, NULL);
}
