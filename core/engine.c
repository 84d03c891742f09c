/* engine.c -- contexts, models and the evaluation of a batch: from systems to energies, forces and
 * stress. A potential gives energies per atom and dE/d(edge vector); everything else is here.
 * Dispersion is added to what the potential gave.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/engine.h"
#include "core/model_metadata.h"
#include "core/model_path.h"
#include "core/shard.h"
#include "io/torch_archive.h"
#include "kernels/backend.h"
#include "potentials/mace.h"
#include "potentials/sevennet.h"
#include "potentials/walled.h"

/* ------------------------------------------------------------------------------------ context */

eqs_status eqs_context_open(const char *name, eqs_context **out) {
  *out = NULL;
  eqs_context *c = calloc(1, sizeof *c);
  if (!c) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: context");
  c->list.work = &c->work;
  eqs_status status = backend_open(name ? name : "auto", &c->device);
  if (status == EQS_OK) status = workspace_set_threads(&c->work, 0);
  if (status == EQS_OK && !device_is_host(c->device))
    status = workspace_use_device(&c->device_work, c->device);
  if (status != EQS_OK) eqs_context_free(&c);
  *out = c;
  return status;
}

eqs_status eqs_context_set_threads(eqs_context *c, int n) {
  if (!c) EQS_FAIL(EQS_ERR_ARGUMENT, "no context");
  return workspace_set_threads(&c->work, n);
}

eqs_status eqs_context_set_stream(eqs_context *c, void *stream) {
  if (!c) EQS_FAIL(EQS_ERR_ARGUMENT, "no context");
  if (device_is_host(c->device))
    EQS_FAIL(EQS_ERR_ARGUMENT, "the context is the host's, which has no streams");
  c->stream = stream;
  return EQS_OK;
}

void eqs_context_free(eqs_context **c) {
  if (!c || !*c) return;
  shard_free((*c)->shard);
  device_run_free(*c);
  neighbors_free(&(*c)->list);
  workspace_free(&(*c)->work);
  workspace_free(&(*c)->device_work);
  if ((*c)->device) (*c)->device->ops->close((*c)->device);
  free(*c);
  *c = NULL;
}

/* -------------------------------------------------------------------------------------- model */

static eqs_status load_potential(eqs_model *m, const eqs_model_options *o) {
  const kernel_ops *k = backend_kernels(m->device, o->precision == EQS_DOUBLE);
  const torch_value *root = torch_archive_root(m->archive);
  if (mace_is(root)) return mace_load(m->archive, o, k, &m->potential);
  if (sevennet_is(root)) return sevennet_load(m->archive, o, k, &m->potential);
  EQS_FAIL(EQS_ERR_UNSUPPORTED,
           "neither a MACE module nor a SevenNet checkpoint (its root is a %s %s)",
           torch_kind_name(torch_value_kind(root)), torch_class(root));
}

static eqs_status add_dispersion(eqs_model *m, const char *text) {
  if (text && !strcmp(text, "auto")) text = model_metadata_get(m, "dispersion");
  if (!text || !strcmp(text, "none")) return EQS_OK;
  EQS_TRY(dispersion_parse(text, m->potential->info.functional, &m->dispersion));
  m->has_dispersion = 1;
  return EQS_OK;
}

static eqs_status add_wall(eqs_model *m, const char *text) {
  wall_table *walls;
  if (!text || strcmp(text, "off") == 0) return EQS_OK;
  int is_auto = strcmp(text, "auto") == 0;
  const char *asked = model_metadata_get(m, "wall"); /* on, off; else it depends on ZBL */
  if (is_auto && (asked ? !strcmp(asked, "off") : m->potential->repulsive)) return EQS_OK;
  if (!is_auto && strcmp(text, "on") != 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "the wall is auto, on or off, not '%.40s'", text);
  EQS_TRY(wall_read(NULL, &walls));
  eqs_status status = walled_open(walls, &m->potential);
  wall_free(&walls);
  return status;
}

/* Everything behind the archive, which is open. */
static eqs_status build_model(eqs_model *m, const eqs_model_options *o) {
  eqs_status status = load_potential(m, o);
  if (status == EQS_ERR_FORMAT && torch_archive_metadata(m->archive))
    status = status_prefix(status, "the tensors do not make the model that the configuration "
                                   "describes (write the file again from the original)");
  if (status == EQS_OK) status = model_metadata_apply(m);
  if (status == EQS_OK) status = add_dispersion(m, o->dispersion);
  if (status == EQS_OK) status = add_wall(m, o->wall);
  return status;
}

eqs_status eqs_model_load(eqs_context *c, const char *path, const eqs_model_options *options,
                          eqs_model **out) {
  eqs_model_options o = {.size = sizeof o};
  char *file = NULL;
  *out = NULL;
  if (!c || !path) EQS_FAIL(EQS_ERR_ARGUMENT, "no context or no path");
  if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
  if (o.precision != EQS_SINGLE && o.precision != EQS_DOUBLE)
    EQS_FAIL(EQS_ERR_ARGUMENT, "precision is neither EQS_SINGLE nor EQS_DOUBLE");
  eqs_model *m = calloc(1, sizeof *m);
  if (!m) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: model");
  eqs_status status = backend_same(c->device, &m->device);
  if (status == EQS_OK) status = m->device->ops->enter(m->device);
  if (status == EQS_OK) status = model_path_find(path, &file);
  if (status == EQS_OK) status = torch_archive_open(file, &m->archive);
  if (status == EQS_OK) {
    status = build_model(m, &o);
    if (status != EQS_OK) status_prefix(status, "%s", file);
  }
  free(file);
  if (status != EQS_OK) {
    eqs_model_free(&m);
    return status;
  }
  potential *p = m->potential;
  p->info.precision = o.precision;
  m->loaded = clock_seconds();
  for (int z = 0; z < 120; z++) m->species[z] = -1;
  for (int s = 0; s < p->info.n_element; s++) m->species[p->element[s]] = s;
  *out = m;
  return EQS_OK;
}

eqs_status eqs_model_info_get(const eqs_model *m, eqs_model_info *out) {
  if (!m || !out || out->size < sizeof(size_t))
    EQS_FAIL(EQS_ERR_ARGUMENT, "no model, or the struct's size is not set");
  size_t size = out->size < sizeof *out ? out->size : sizeof *out;
  eqs_model_info info = m->potential->info;
  info.sha256 = torch_archive_sha256(m->archive);
  info.dispersion = m->has_dispersion ? m->dispersion.name : NULL;
  info.n_member = m->potential->committee.n;
  memcpy(out, &info, size);
  out->size = size;
  return EQS_OK;
}

void eqs_model_free(eqs_model **m) {
  if (!m || !*m) return;
  if ((*m)->potential) (*m)->potential->ops->free((*m)->potential);
  torch_archive_free(&(*m)->archive);
  if ((*m)->device) (*m)->device->ops->close((*m)->device);
  free(*m);
  *m = NULL;
}

/* --------------------------------------------------------------------------------- evaluation */

eqs_status engine_check_systems(const eqs_systems *s) {
  if (s->n_system < 0 || !s->first || s->first[0] != 0)
    EQS_FAIL(EQS_ERR_ARGUMENT, "a batch needs first[0 .. n_system] with first[0] = 0");
  for (int i = 0; i < s->n_system; i++)
    if (s->first[i + 1] < s->first[i])
      EQS_FAIL(EQS_ERR_ARGUMENT, "system %d: first[] decreases", i + 1);
  if (s->first[s->n_system] && (!s->number || !s->position))
    EQS_FAIL(EQS_ERR_ARGUMENT, "atoms without numbers or positions");
  if (s->memory != EQS_MEMORY_HOST)
    EQS_FAIL(EQS_ERR_ARGUMENT, "positions in device memory are for eqs_compute alone");
  return EQS_OK;
}

eqs_status engine_species(const eqs_model *m, const eqs_systems *s, int *species,
                          unsigned char *present) {
  for (int i = 0; i < s->n_system; i++)
    for (int a = s->first[i]; a < s->first[i + 1]; a++) {
      int z = s->number[a];
      species[a] = z > 0 && z < 120 ? m->species[z] : -1;
      if (species[a] < 0)
        EQS_FAIL(EQS_ERR_ARGUMENT,
                 "system %d, atom %d: the model does not know element Z = %d (%s)", i + 1,
                 a - s->first[i] + 1, z, *eqs_element_symbol(z) ? eqs_element_symbol(z) : "none");
      present[species[a]] = 1;
    }
  return EQS_OK;
}

/* What the sums over edges read and write. */
typedef struct edge_sums {
  const kernel_ops *k;
  const batch *b;
  const double (*gradient)[3];
  double (*forces)[3], (*virial)[9]; /* [n]; virial: NULL = not wanted */
} edge_sums;

static eqs_status sum_edges(void *argument, int block, arena *scratch) {
  const edge_sums *u = argument;
  const neighbors *nb = u->b->nb;
  int begin = batch_block_begin(u->b, block, nb->n);
  int n = batch_block_end(u->b, block, nb->n) - begin;
  edge_force_args f = {.n = n,
                       .first = nb->first + begin,
                       .transpose_first = nb->transpose_first + begin,
                       .transpose = nb->transpose,
                       .gradient = u->gradient,
                       .force = u->forces + begin};
  (void)scratch;
  u->k->edge_force(&f);
  if (!u->virial) return EQS_OK;
  edge_virial_args v = {.n = n,
                        .first = nb->first + begin,
                        .vector = (const double(*)[3])nb->vector,
                        .gradient = u->gradient,
                        .virial = u->virial + begin};
  u->k->edge_virial(&v);
  return EQS_OK;
}

eqs_status engine_sum_edges(const kernel_ops *k, workspace *w, const batch *b,
                            const double (*gradient)[3], double (*forces)[3], double (*virial)[9]) {
  edge_sums sums = {k, b, gradient, forces, virial};
  return workspace_run(w, batch_blocks(b, batch_rows(b)), sum_edges, &sums);
}

void engine_set_stress(const eqs_systems *s, const double (*virial)[9], double *stress) {
  for (int i = 0; i < s->n_system; i++) {
    const double *w = virial[i];
    double volume = s->cell ? fabs(cell_volume(s->cell + 9 * (size_t)i)) : 0;
    for (int a = 0; a < 3; a++)
      for (int b = 0; b < 3; b++)
        stress[9 * i + 3 * a + b] = volume > 0 ? (w[3 * a + b] + w[3 * b + a]) / 2 / volume : 0;
  }
}

eqs_status engine_diverged(const eqs_systems *s, int i) {
  int k = 0;
  while (s->first[k + 1] <= i) k++;
  EQS_FAIL(EQS_ERR_DIVERGED,
           "system %d, atom %d: the energy or force is not finite (atoms too close?)", k + 1,
           i - s->first[k] + 1);
}

static eqs_status check_finite(const eqs_systems *s, const double *energies, const double *forces) {
  for (int i = 0; i < s->first[s->n_system]; i++) {
    int finite = isfinite(energies[i]);
    for (int c = 0; forces && c < 3; c++) finite &= isfinite(forces[3 * i + c]) != 0;
    if (!finite) return engine_diverged(s, i);
  }
  return EQS_OK;
}

/* Per atom, on the host. */
typedef struct atom_results {
  double *energies, (*forces)[3], (*virial)[9]; /* those that are not wanted are NULL */
  double *committee;                            /* [members][n] */
} atom_results;

/* The potential alone, on the host. */
static eqs_status evaluate_potential(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                                     const int *species, const unsigned char *present,
                                     const atom_results *r) {
  potential *p = m->potential;
  workspace *w = &c->work;
  batch b = {
      .n = s->first[s->n_system], .species = species, .nb = &c->list, .committee = r->committee};
  double(*gradient)[3] = NULL;
  EQS_TRY(neighbors_build(&c->list, s, p->info.cutoff));
  EQS_TRY(p->ops->prepare(p, present));
  if (r->forces)
    EQS_TRY(arena_take(&w->shared, c->list.edge_capacity, sizeof *gradient, &gradient));
  EQS_TRY(p->ops->evaluate(p, w, &b, r->energies, gradient));
  if (!r->forces) return EQS_OK;
  return engine_sum_edges(p->k, w, &b, (const double(*)[3])gradient, r->forces, r->virial);
}

static void sum_virial(const eqs_systems *s, const double (*atom)[9], double (*virial)[9]) {
  for (int i = 0; i < s->n_system; i++)
    for (int a = s->first[i]; a < s->first[i + 1]; a++)
      for (int j = 0; j < 9; j++) virial[i][j] += atom[a][j];
}

/* Energies and forces of atoms, virials of systems: the potential and, if there is one, the
 * dispersion, on the host's arrays. */
static eqs_status evaluate_atoms(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                                 const int *species, const unsigned char *present,
                                 const atom_results *r, double (*virial)[9]) {
  double *forces = r->forces ? r->forces[0] : NULL, *total = r->virial ? virial[0] : NULL;
  if (device_is_host(c->device)) {
    EQS_TRY(evaluate_potential(c, m, s, species, present, r));
    if (r->virial) sum_virial(s, (const double(*)[9])r->virial, virial);
  } else {
    device_results to = {
        .energies = r->energies, .forces = forces, .virial = total, .committee = r->committee};
    EQS_TRY(device_run_evaluate(c, m, s, species, present, &to));
  }
  if (m->has_dispersion && (device_is_host(c->device) || !engine_device_dispersion(m)))
    EQS_TRY(dispersion_evaluate(&m->dispersion, &c->work, s, r->energies, forces, total));
  return check_finite(s, r->energies, forces);
}

/* Everything on the device; *out but for what comes of the committee. */
static eqs_status evaluate_there(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                                 const int *species, const unsigned char *present, double *members,
                                 const eqs_result *out) {
  device_results to = {.energy = out->energy,
                       .energies = out->energies,
                       .forces = out->forces,
                       .virial = out->stress,
                       .stress = 1,
                       .on_device = out->memory == EQS_MEMORY_DEVICE,
                       .committee = members};
  return device_run_evaluate(c, m, s, species, present, &to);
}

/* The same by way of the host's arrays. */
static eqs_status evaluate_here(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                                const int *species, const unsigned char *present, double *members,
                                const eqs_result *out) {
  arena *shared = &c->work.shared;
  int n = s->first[s->n_system], want = out->forces || out->stress;
  atom_results r = {.committee = members};
  double(*virial)[9];
  EQS_TRY(arena_take(shared, (size_t)n, sizeof *r.energies, &r.energies));
  if (want) EQS_TRY(arena_take(shared, (size_t)n, sizeof *r.forces, &r.forces));
  if (out->stress) EQS_TRY(arena_take(shared, (size_t)n, sizeof *r.virial, &r.virial));
  EQS_TRY(arena_take_zero(shared, (size_t)s->n_system + 1, sizeof *virial, &virial));
  EQS_TRY(evaluate_atoms(c, m, s, species, present, &r, virial));
  for (int i = 0; out->energy && i < s->n_system; i++) {
    out->energy[i] = 0;
    for (int a = s->first[i]; a < s->first[i + 1]; a++) out->energy[i] += r.energies[a];
  }
  if (out->energies) memcpy(out->energies, r.energies, (size_t)n * sizeof *r.energies);
  if (out->forces) memcpy(out->forces, r.forces, (size_t)n * sizeof *r.forces);
  if (out->stress) engine_set_stress(s, (const double(*)[9])virial, out->stress);
  return EQS_OK;
}

static int wants_committee(const eqs_result *out) {
  return out->uncertainty || out->committee || out->novelty;
}

/* de[members][n]: of atoms. */
static eqs_status give_uncertainty(const eqs_model *m, const eqs_systems *s, const int *species,
                                   const double *de, const eqs_result *out) {
  const committee *of = &m->potential->committee;
  int n = s->first[s->n_system];
  for (int i = 0; i < n; i++) {
    double spread = committee_spread(of, de, n, i);
    if (!isfinite(spread)) return engine_diverged(s, i);
    if (out->novelty) out->novelty[i] = spread / of->limit[species[i]];
    if (out->novelty && !(of->limit[species[i]] > 0)) out->novelty[i] = INFINITY;
  }
  for (int k = 0; k < s->n_system; k++) {
    double squares = 0;
    for (int j = 0; j < of->n; j++) {
      double sum = 0;
      for (int i = s->first[k]; i < s->first[k + 1]; i++)
        sum += de[(size_t)j * (size_t)n + (size_t)i];
      if (out->committee) out->committee[(size_t)k * (size_t)of->n + (size_t)j] = sum;
      squares += sum * sum;
    }
    if (out->uncertainty) out->uncertainty[k] = sqrt(squares / of->n);
  }
  return EQS_OK;
}

static eqs_status evaluate(eqs_context *c, const eqs_model *m, const eqs_systems *s,
                           const eqs_result *out) {
  arena *shared = &c->work.shared;
  int n = s->first[s->n_system], *species, wanted = wants_committee(out);
  int there = !device_is_host(c->device) && (!m->has_dispersion || engine_device_dispersion(m));
  double *members = NULL;
  unsigned char *present;
  EQS_TRY(arena_take(shared, (size_t)n, sizeof *species, &species));
  EQS_TRY(arena_take_zero(shared, (size_t)m->potential->info.n_element, 1, &present));
  EQS_TRY(engine_species(m, s, species, present));
  if (wanted)
    EQS_TRY(arena_take(shared, mul_size((size_t)m->potential->committee.n, (size_t)n),
                       sizeof *members, &members));
  EQS_TRY((there ? evaluate_there : evaluate_here)(c, m, s, species, present, members, out));
  return wanted ? give_uncertainty(m, s, species, members, out) : EQS_OK;
}

/* Whether uncertainties can be had, if they are wanted. */
static eqs_status check_uncertainty(const eqs_context *c, const eqs_model *m,
                                    const eqs_result *out) {
  if (!wants_committee(out)) return EQS_OK;
  if (!m->potential->committee.n)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "the model has no committee, which uncertainties come from: take a "
             "model file that has one (docs/models.md)");
  if (c->shard)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "uncertainties are not for systems over ranks: take one process");
  if (out->memory == EQS_MEMORY_DEVICE)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "uncertainties come to host memory: take all results there");
  return EQS_OK;
}

static eqs_status check_pointer(const eqs_context *c, const void *p, const char *what) {
  if (!p) return EQS_OK;
  if (device_is_host(c->device))
    EQS_FAIL(EQS_ERR_ARGUMENT, "%s in device memory, but the context is the host's", what);
  if (!c->device->ops->holds(c->device, p))
    EQS_FAIL(EQS_ERR_ARGUMENT, "%s: not memory of the context's GPU", what);
  return EQS_OK;
}

/* Whether the arrays lie where they are said to lie. */
static eqs_status check_memory(const eqs_context *c, const eqs_model *m, const eqs_systems *s,
                               const eqs_result *r) {
  if (s->memory > EQS_MEMORY_DEVICE || r->memory > EQS_MEMORY_DEVICE)
    EQS_FAIL(EQS_ERR_ARGUMENT, "memory is neither EQS_MEMORY_HOST nor EQS_MEMORY_DEVICE");
  if (m->has_dispersion && !engine_device_dispersion(m) && (s->memory || r->memory))
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "three-body dispersion is evaluated on the host: give and take arrays in host memory");
  if (s->memory) EQS_TRY(check_pointer(c, s->position, "position"));
  if (!r->memory) return EQS_OK;
  EQS_TRY(check_pointer(c, r->energy, "energy"));
  EQS_TRY(check_pointer(c, r->energies, "energies"));
  EQS_TRY(check_pointer(c, r->forces, "forces"));
  return check_pointer(c, r->stress, "stress");
}

eqs_status eqs_compute(eqs_context *c, const eqs_model *m, const eqs_systems *in, eqs_result *out) {
  eqs_systems s = {0};
  eqs_result r = {0};
  if (!c || !m || !in || !out) EQS_FAIL(EQS_ERR_ARGUMENT, "eqs_compute: an argument is NULL");
  memcpy(&s, in, in->size < sizeof s ? in->size : sizeof s);
  memcpy(&r, out, out->size < sizeof r ? out->size : sizeof r);
  EQS_TRY(check_memory(c, m, &s, &r));
  EQS_TRY(check_uncertainty(c, m, &r));
  eqs_memory memory = s.memory;
  s.memory = EQS_MEMORY_HOST;
  EQS_TRY(engine_check_systems(&s));
  s.memory = memory;
  if (m->potential->refusal[0]) EQS_FAIL(EQS_ERR_ARGUMENT, "%s", m->potential->refusal);
  if (c->shard) return shard_compute(c, m, &s, &r);
  arena_reset(&c->work.shared);
  return evaluate(c, m, &s, &r);
}

eqs_status engine_dispersion(eqs_context *c, const eqs_model *m, const eqs_systems *in,
                             double *energies) {
  size_t n = (size_t)in->first[in->n_system];
  for (size_t i = 0; i < n; i++) energies[i] = 0;
  if (!m->has_dispersion) return EQS_OK;
  EQS_TRY(engine_check_systems(in));
  arena_reset(&c->work.shared);
  return dispersion_evaluate(&m->dispersion, &c->work, in, energies, NULL, NULL);
}
