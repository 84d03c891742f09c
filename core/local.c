/* local.c -- energies of changed copies of one system, computing only what the change reaches.
 *
 * Exactly: what layer l leaves behind differs on S_l only, the atoms within l edges of the change,
 * and dE = sum over S_L of (e_i' - e_i) plus and minus the atoms put in and taken out. Features of
 * all layers are kept in rows: first those of the system, then, from row `capacity` on, those of
 * the changes in hand. A changed atom's edges lead to rows of its own change where there are any,
 * else to the system's, so the potential evaluates rows [capacity, ...) as it would any atoms.
 * Everything is computed from scratch per row, never by differences: no drift. Dispersion reaches
 * further and has its own way (potentials/dispersion_local.h).
 *
 * SPDX-License-Identifier: MIT */
#include "core/local_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/engine.h"
#include "potentials/dispersion_local.h"

enum {
  CHUNK_ROWS = 8192, /* changes evaluated together have about so many rows at most */
  SPARE_ATOMS = 64   /* room in the system's rows for atoms put in */
};
static const double farthest = 1e6; /* angstrom, of an atom put in */

struct eqs_local {
  eqs_context *context;
  const eqs_model *model;
  int broken;      /* a commit failed half way */
  int n, capacity; /* atoms, and room for them */
  int *number, *species;
  double (*position)[3];
  int pbc[3], first[2];
  double cell[9];
  neighbors list;
  local_base base;
  local_graph graph;
  unsigned char *present; /* [n_element] */
  int n_feature;
  feature feature[FEATURES_MAX];
  int n_row; /* of the arrays below, in `kept` */
  arena kept;
  void *array[FEATURES_MAX];
  double *energies;
  double **partial; /* [n_layer - 1] */
  int *row_species;
  dispersion_local *dispersion; /* NULL = none */
  double *total;                /* [capacity] eV per atom of the state, dispersion included */
  double *extra;                /* [extra_capacity] dispersion of the changes in hand */
  size_t extra_capacity;
};

/* ---- rows */

typedef struct row_arrays {
  void *array[FEATURES_MAX];
  double *energies, **partial;
  int *species;
} row_arrays;

static eqs_status take_rows(const eqs_local *l, arena *a, size_t n, row_arrays *out) {
  const potential *p = l->model->potential;
  int layers = p->info.n_layer;
  for (int f = 0; f < l->n_feature; f++)
    EQS_TRY(
        arena_take(a, mul_size(n, (size_t)l->feature[f].size), p->k->real_size, &out->array[f]));
  EQS_TRY(arena_take(a, (size_t)layers, sizeof *out->partial, &out->partial));
  for (int t = 0; t + 1 < layers; t++) EQS_TRY(arena_take(a, n, sizeof(double), &out->partial[t]));
  EQS_TRY(arena_take(a, n, sizeof(double), &out->energies));
  return arena_take_zero(a, n, sizeof(int), &out->species);
}

/* Makes room for n rows; those of the system stay. */
static eqs_status reserve_rows(eqs_local *l, int n) {
  const potential *p = l->model->potential;
  if (n <= l->n_row) return EQS_OK;
  size_t have = l->n_row ? (size_t)l->n : 0;
  size_t want = (size_t)l->n_row + (size_t)l->n_row / 2;
  if (want < (size_t)n) want = (size_t)n;
  if (want > INT32_MAX) EQS_FAIL(EQS_ERR_MEMORY, "a local evaluation of more than 2^31 atoms");
  arena more = {0};
  row_arrays r;
  eqs_status status = take_rows(l, &more, want, &r);
  if (status != EQS_OK) {
    arena_free(&more);
    return status;
  }
  for (int f = 0; have && f < l->n_feature; f++)
    memcpy(r.array[f], l->array[f], have * (size_t)l->feature[f].size * p->k->real_size);
  for (int t = 0; have && t + 1 < p->info.n_layer; t++)
    memcpy(r.partial[t], l->partial[t], have * sizeof(double));
  if (have) memcpy(r.energies, l->energies, have * sizeof(double));
  arena_free(&l->kept);
  l->kept = more;
  memcpy(l->array, r.array, sizeof l->array);
  l->partial = r.partial;
  l->energies = r.energies;
  l->row_species = r.species;
  l->n_row = (int)want;
  return EQS_OK;
}

/* Room for n atoms; rows of changes begin behind it. */
static eqs_status reserve_atoms(eqs_local *l, int n) {
  if (n <= l->capacity) return EQS_OK;
  if (n > INT32_MAX - SPARE_ATOMS) EQS_FAIL(EQS_ERR_MEMORY, "more than 2^31 atoms");
  size_t want = (size_t)n + (size_t)(l->capacity ? n / 4 : 0) + SPARE_ATOMS;
  if (want > INT32_MAX) want = INT32_MAX;
  EQS_TRY(reserve_rows(l, (int)want));
  void *number = realloc(l->number, want * sizeof *l->number);
  if (number) l->number = number;
  void *species = realloc(l->species, want * sizeof *l->species);
  if (species) l->base.species = l->species = species;
  void *position = realloc(l->position, want * sizeof *l->position);
  if (position) l->position = position;
  void *place = realloc(l->base.place, want * sizeof *l->base.place);
  if (place) l->base.place = place;
  void *total = realloc(l->total, want * sizeof *l->total);
  if (total) l->total = total;
  if (!number || !species || !position || !place || !total)
    EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu atoms", want);
  l->capacity = (int)want;
  return EQS_OK;
}

static void *feature_row(const eqs_local *l, int f, int row) {
  size_t size = (size_t)l->feature[f].size * l->model->potential->k->real_size;
  return (char *)l->array[f] + (size_t)row * size;
}

/* Features of row `from` that layers before `layers` make, and with all of them the energies. */
static void copy_row(eqs_local *l, int from, int to, int layers) {
  const potential *p = l->model->potential;
  for (int f = 0; f < l->n_feature; f++)
    if (l->feature[f].layer < layers)
      memcpy(feature_row(l, f, to), feature_row(l, f, from),
             (size_t)l->feature[f].size * p->k->real_size);
  for (int t = 0; t + 1 < p->info.n_layer; t++)
    if (t < layers) l->partial[t][to] = l->partial[t][from];
  if (layers == p->info.n_layer) l->energies[to] = l->energies[from];
  else if (layers > 0) l->energies[to] = l->partial[layers - 1][from];
}

static feature_rows rows_of(const eqs_local *l, int begin, const int *end) {
  feature_rows rows = {.begin = begin, .end = end, .partial = l->partial};
  memcpy(rows.feature, l->array, sizeof rows.feature);
  return rows;
}

/* ---- the system itself */

static eqs_systems view_of(const eqs_local *l) {
  return (eqs_systems){.size = sizeof(eqs_systems),
                       .n_system = 1,
                       .first = l->first,
                       .number = l->number,
                       .position = l->position[0],
                       .cell = l->cell,
                       .pbc = l->pbc};
}

/* Neighbour list, places and species after the atoms have changed. */
static eqs_status relist(eqs_local *l) {
  l->first[1] = l->n;
  eqs_systems s = view_of(l);
  EQS_TRY(neighbors_build(&l->list, &s, l->model->potential->info.cutoff));
  EQS_TRY(engine_species(l->model, &s, l->species, l->present));
  for (int i = 0; i < l->n; i++) local_base_place(&l->base, l->position[i], l->base.place + i);
  l->base.n = l->n;
  l->base.species = l->species;
  l->base.list = &l->list;
  return EQS_OK;
}

/* Dispersion of the state, and the energies of both. */
static eqs_status set_total(eqs_local *l) {
  const double *more = NULL;
  if (l->dispersion) {
    eqs_systems s = view_of(l);
    arena_reset(&l->context->work.shared);
    EQS_TRY(dispersion_local_set(l->dispersion, &l->context->work, &s, NULL));
    more = dispersion_local_energies(l->dispersion);
  }
  for (int i = 0; i < l->n; i++) {
    l->total[i] = l->energies[i] + (more ? more[i] : 0);
    if (!isfinite(l->total[i]))
      EQS_FAIL(EQS_ERR_DIVERGED, "atom %d: the energy is not finite (atoms too close?)", i + 1);
  }
  return EQS_OK;
}

static eqs_status evaluate_all(eqs_local *l) {
  potential *p = l->model->potential;
  workspace *w = &l->context->work;
  int *end;
  arena_reset(&w->shared);
  EQS_TRY(arena_take(&w->shared, (size_t)p->info.n_layer, sizeof *end, &end));
  for (int t = 0; t < p->info.n_layer; t++) end[t] = l->n;
  feature_rows rows = rows_of(l, 0, end);
  batch b = {.n = l->n, .species = l->species, .nb = &l->list, .rows = &rows};
  EQS_TRY(p->ops->prepare(p, l->present));
  EQS_TRY(p->ops->evaluate(p, w, &b, l->energies, NULL));
  return set_total(l);
}

static eqs_status take_system(eqs_local *l, const eqs_systems *s) {
  const potential *p = l->model->potential;
  int n = s->first[1];
  for (int k = 0; k < 3; k++) l->pbc[k] = s->pbc && s->pbc[k];
  if (l->pbc[0] != l->pbc[1] || l->pbc[1] != l->pbc[2])
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "local changes of a system that is periodic in some directions only");
  if (l->pbc[0] && !s->cell) EQS_FAIL(EQS_ERR_ARGUMENT, "a periodic system without a cell");
  if (l->pbc[0]) memcpy(l->cell, s->cell, sizeof l->cell);
  l->n_feature = p->ops->features(p, l->feature);
  EQS_TRY(reserve_atoms(l, n));
  l->n = n;
  if (n) memcpy(l->number, s->number, (size_t)n * sizeof *l->number);
  if (n) memcpy(l->position, s->position, (size_t)n * sizeof *l->position);
  EQS_TRY(alloc_array(&l->present, (size_t)p->info.n_element, 1, "elements"));
  EQS_TRY(local_graph_open(&l->graph, &l->base, p->info.n_layer, p->info.n_element));
  EQS_TRY(local_base_cell(&l->base, l->pbc[0], l->cell, p->info.cutoff));
  if (l->model->has_dispersion)
    EQS_TRY(dispersion_local_open(&l->model->dispersion, &l->dispersion));
  EQS_TRY(relist(l));
  return evaluate_all(l);
}

eqs_status eqs_local_open(eqs_context *c, const eqs_model *m, const eqs_systems *in,
                          eqs_local **out) {
  eqs_systems s = {0};
  *out = NULL;
  if (!c || !m || !in) EQS_FAIL(EQS_ERR_ARGUMENT, "eqs_local_open: an argument is NULL");
  memcpy(&s, in, in->size < sizeof s ? in->size : sizeof s);
  EQS_TRY(engine_check_systems(&s));
  if (s.n_system != 1)
    EQS_FAIL(EQS_ERR_ARGUMENT, "local changes need one system, not %d", s.n_system);
  if (!device_is_host(c->device))
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "local changes are computed on the host only: open the context with \"host\"");
  if (m->potential->refusal[0]) EQS_FAIL(EQS_ERR_ARGUMENT, "%s", m->potential->refusal);
  eqs_local *l = calloc(1, sizeof *l);
  if (!l) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: local changes");
  l->context = c;
  l->model = m;
  l->list.work = &c->work;
  eqs_status status = take_system(l, &s);
  if (status != EQS_OK) eqs_local_free(&l);
  *out = l;
  return status;
}

eqs_status eqs_local_place(eqs_local *l, const double *position) {
  if (!l || l->broken || !position)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no local state, one that failed, or no positions");
  l->broken = 1;
  memcpy(l->position, position, (size_t)l->n * sizeof *l->position);
  EQS_TRY(relist(l));
  EQS_TRY(evaluate_all(l));
  l->broken = 0;
  return EQS_OK;
}

eqs_status eqs_local_refresh(eqs_local *l, double *energy) {
  if (!l || l->broken) EQS_FAIL(EQS_ERR_ARGUMENT, "no local state, or one that failed");
  l->broken = 1;
  EQS_TRY(evaluate_all(l));
  l->broken = 0;
  if (energy) *energy = 0;
  for (int i = 0; energy && i < l->n; i++) *energy += l->total[i];
  return EQS_OK;
}

eqs_status eqs_local_view(const eqs_local *l, eqs_systems *out, const double **energies) {
  if (!l || l->broken || !out) EQS_FAIL(EQS_ERR_ARGUMENT, "no local state, or one that failed");
  *out = view_of(l);
  if (energies) *energies = l->total;
  return EQS_OK;
}

void eqs_local_free(eqs_local **l) {
  if (!l || !*l) return;
  neighbors_free(&(*l)->list);
  local_graph_free(&(*l)->graph);
  dispersion_local_free(&(*l)->dispersion);
  arena_free(&(*l)->kept);
  free((*l)->number);
  free((*l)->species);
  free((*l)->position);
  free((*l)->base.place);
  free((*l)->present);
  free((*l)->total);
  free((*l)->extra);
  free(*l);
  *l = NULL;
}

/* ---- changes */

/* Indices, numbers and positions of a change; species of the atoms put in. */
static eqs_status check_change(const eqs_local *l, int i, const eqs_change *c, int *species) {
  if (c->n_remove < 0 || c->n_insert < 0 || c->n_remove > l->n || (c->n_remove && !c->remove) ||
      (c->n_insert && (!c->number || !c->position)))
    EQS_FAIL(EQS_ERR_ARGUMENT, "change %d: its counts or arrays make no sense", i + 1);
  for (int r = 0; r < c->n_remove; r++) {
    if (c->remove[r] < 0 || c->remove[r] >= l->n)
      EQS_FAIL(EQS_ERR_ARGUMENT, "change %d takes out atom %d of %d", i + 1, c->remove[r] + 1,
               l->n);
    for (int q = 0; q < r; q++)
      if (c->remove[q] == c->remove[r])
        EQS_FAIL(EQS_ERR_ARGUMENT, "change %d takes out atom %d twice", i + 1, c->remove[r] + 1);
  }
  for (int a = 0; a < c->n_insert; a++) {
    int z = c->number[a];
    species[a] = z > 0 && z < 120 ? l->model->species[z] : -1;
    if (species[a] < 0)
      EQS_FAIL(EQS_ERR_ARGUMENT, "change %d: the model does not know element Z = %d (%s)", i + 1, z,
               *eqs_element_symbol(z) ? eqs_element_symbol(z) : "none");
    for (int k = 0; k < 3; k++)
      if (!(fabs(c->position[3 * (size_t)a + (size_t)k]) <= farthest))
        EQS_FAIL(EQS_ERR_ARGUMENT,
                 "change %d: the position of atom %d is not finite, or beyond 1e6 angstrom", i + 1,
                 a + 1);
  }
  return EQS_OK;
}

/* Collects changes from `i` on until there are CHUNK_ROWS rows; *next is the first one left.
 * coincide[i] tells which have no energy. */
static eqs_status collect(eqs_local *l, int n, const eqs_change *changes, int i, int *coincide,
                          int *next) {
  local_graph_start(&l->graph);
  for (*next = i; *next < n && l->graph.n_row < CHUNK_ROWS; ++*next) {
    const eqs_change *c = changes + *next;
    int *species;
    EQS_TRY(arena_take(&l->context->work.shared, (size_t)(c->n_insert > 0 ? c->n_insert : 0),
                       sizeof *species, &species));
    EQS_TRY(check_change(l, *next, c, species));
    for (int a = 0; a < c->n_insert; a++) l->present[species[a]] = 1;
    EQS_TRY(local_graph_add(&l->graph, c, species, &coincide[*next - i]));
  }
  local_graph_sort(&l->graph);
  return EQS_OK;
}

/* Evaluates the rows of the changes that were collected. */
static eqs_status evaluate_rows(eqs_local *l, const eqs_change *changes) {
  local_graph *g = &l->graph;
  potential *p = l->model->potential;
  arena *shared = &l->context->work.shared;
  neighbors nb = {0};
  int begin = l->capacity, n = begin + g->n_row, *end;
  size_t edges = (size_t)g->n_edge;
  if (g->n_row > INT32_MAX - begin)
    EQS_FAIL(EQS_ERR_MEMORY, "too many atoms in a local evaluation");
  EQS_TRY(reserve_rows(l, n));
  EQS_TRY(arena_take_zero(shared, (size_t)n + 1, sizeof(int), &nb.first));
  EQS_TRY(arena_take(shared, edges, sizeof(int), &nb.center));
  EQS_TRY(arena_take(shared, edges, sizeof(int), &nb.neighbor));
  EQS_TRY(arena_take(shared, edges, sizeof *nb.vector, &nb.vector));
  EQS_TRY(arena_take(shared, (size_t)g->n_layer, sizeof *end, &end));
  local_graph_edges(g, changes, begin, &nb);
  nb.n = n;
  for (int t = 0; t < g->n_layer; t++) end[t] = begin + g->end[t];
  memcpy(l->row_species, l->species, (size_t)l->n * sizeof *l->species);
  for (int k = 0; k < g->n_row; k++) {
    const local_row *r = g->row + k;
    l->row_species[begin + r->rank] = r->species;
    if (r->level > 1) copy_row(l, r->node, begin + r->rank, r->level - 1);
  }
  feature_rows rows = rows_of(l, begin, end);
  batch b = {.n = n, .species = l->row_species, .nb = &nb, .rows = &rows};
  EQS_TRY(p->ops->prepare(p, l->present));
  return p->ops->evaluate(p, &l->context->work, &b, l->energies, NULL);
}

/* Sum of the energies after change c of the chunk minus those before, atom by atom. */
static double difference(const eqs_local *l, int c, const eqs_change *change) {
  const local_graph *g = &l->graph;
  double de = 0;
  for (int k = g->first_row[c]; k < g->first_row[c + 1]; k++) {
    const local_row *r = g->row + k;
    de += l->energies[l->capacity + r->rank] - (r->node < l->n ? l->energies[r->node] : 0);
  }
  for (int i = 0; i < change->n_remove; i++) de -= l->energies[change->remove[i]];
  return isfinite(de) ? de : NAN;
}

static eqs_status try_chunk(eqs_local *l, int n, const eqs_change *changes, int i, double *de,
                            int *next) {
  int *coincide;
  arena_reset(&l->context->work.shared);
  EQS_TRY(arena_take(&l->context->work.shared, (size_t)(n - i), sizeof *coincide, &coincide));
  EQS_TRY(collect(l, n, changes, i, coincide, next));
  EQS_TRY(evaluate_rows(l, changes + i));
  for (int c = i; c < *next; c++) de[c] = coincide[c - i] ? NAN : difference(l, c - i, changes + c);
  return EQS_OK;
}

static eqs_status add_dispersion(eqs_local *l, int n, const eqs_change *changes, double *de) {
  size_t want = (size_t)n;
  if (!l->dispersion || n == 0) return EQS_OK;
  if (want > l->extra_capacity) {
    double *extra = realloc(l->extra, want * sizeof *extra);
    if (!extra) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %d changes", n);
    l->extra = extra;
    l->extra_capacity = want;
  }
  arena_reset(&l->context->work.shared);
  EQS_TRY(dispersion_local_try(l->dispersion, &l->context->work, n, changes, l->extra));
  for (int i = 0; i < n; i++) de[i] += l->extra[i];
  return EQS_OK;
}

static eqs_status try_all(eqs_local *l, int n, const eqs_change *changes, double *de) {
  for (int i = 0, next; i < n; i = next) EQS_TRY(try_chunk(l, n, changes, i, de, &next));
  return add_dispersion(l, n, changes, de);
}

eqs_status eqs_local_try(eqs_local *l, int n, const eqs_change *changes, double *de) {
  if (!l || l->broken || n < 0 || (n && (!changes || !de)))
    EQS_FAIL(EQS_ERR_ARGUMENT, "eqs_local_try: no local state, one that failed, or no changes");
  return try_all(l, n, changes, de);
}

/* ---- making a change */

static void move_atom(eqs_local *l, int from, int to) {
  if (from == to) return;
  l->number[to] = l->number[from];
  memcpy(l->position[to], l->position[from], sizeof *l->position);
  copy_row(l, from, to, l->model->potential->info.n_layer);
}

/* Where atom a of those put in goes. */
static int place_of(const eqs_local *l, const eqs_change *c, int a) {
  return a < c->n_remove ? c->remove[a] : l->n + a - c->n_remove;
}

/* Rows of the change become those of the system; atoms are put in, moved and taken out. */
static eqs_status take_over(eqs_local *l, const eqs_change *c) {
  const local_graph *g = &l->graph;
  int layers = l->model->potential->info.n_layer;
  for (int k = 0; k < g->n_row; k++) {
    const local_row *r = g->row + k;
    int to = r->node < l->n ? r->node : place_of(l, c, r->node - l->n);
    copy_row(l, l->capacity + r->rank, to, layers);
  }
  for (int a = 0; a < c->n_insert; a++) {
    int to = place_of(l, c, a);
    l->number[to] = c->number[a];
    memcpy(l->position[to], c->position + 3 * (size_t)a, sizeof *l->position);
  }
  if (c->n_insert > c->n_remove) l->n += c->n_insert - c->n_remove;
  for (int left = c->n_remove - c->n_insert, below = l->n; left > 0; left--) {
    int gap = -1; /* the highest index left */
    for (int r = c->n_insert; r < c->n_remove; r++)
      if (c->remove[r] < below && c->remove[r] > gap) gap = c->remove[r];
    move_atom(l, --l->n, gap);
    below = gap;
  }
  EQS_TRY(relist(l));
  return set_total(l);
}

eqs_status eqs_local_commit(eqs_local *l, const eqs_change *change, double *de) {
  double energy = NAN;
  if (!l || l->broken || !change)
    EQS_FAIL(EQS_ERR_ARGUMENT, "eqs_local_commit: no local state, one that failed, or no change");
  if (change->n_insert > 0) EQS_TRY(reserve_atoms(l, l->n + change->n_insert));
  EQS_TRY(try_all(l, 1, change, &energy));
  if (isnan(energy)) EQS_FAIL(EQS_ERR_DIVERGED, "the energy of the change is not finite");
  l->broken = 1;
  EQS_TRY(take_over(l, change));
  l->broken = 0;
  if (de) *de = energy;
  return EQS_OK;
}
