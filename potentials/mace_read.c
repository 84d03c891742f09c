/* mace_read.c -- builds a MACE potential from the inert tree of a `.model` file.
 *
 * Everything is derived from the file, never from a model's name; names and normalisations are
 * those of mace-torch 0.3 and e3nn 0.4. What is not implemented is refused by name.
 *
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "potentials/mace_reader.h"

enum { ELEMENTS_MAX = 118 };

static const potential_ops mace_ops = {.prepare = mace_prepare,
                                       .evaluate = mace_evaluate,
                                       .features = mace_features,
                                       .exchanged = mace_exchanged,
                                       .free = mace_free};

int mace_is(const torch_value *root) {
  return torch_value_kind(root) == TORCH_OBJECT && !strncmp(torch_class(root), "mace.", 5);
}

/* ------------------------------------------------------------------------------ radial basis */

/* One number per element. */
static eqs_status upload_doubles(const mace_reader *r, const double *x, double **out) {
  return device_copy(r->k->device, x, (size_t)r->m->n_element, sizeof *x, "elements", out);
}

static eqs_status read_transform(mace_reader *r, const torch_value *embedding, radial_basis *b) {
  const torch_value *t = torch_get(embedding, "distance_transform");
  mace *m = r->m;
  double *radius;
  size_t n;
  if (torch_value_kind(t) == TORCH_NONE) return EQS_OK;
  if (torch_is_class(t, "AgnesiTransform")) {
    b->transform = TRANSFORM_AGNESI;
    EQS_TRY(mace_read_number(t, "a", &b->a));
    EQS_TRY(mace_read_number(t, "q", &b->q));
    EQS_TRY(mace_read_number(t, "p", &b->p));
    if (!(b->p > 2 && b->p - b->q > 2))
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "Agnesi transform with q = %g, p = %g (needs p - q > 2)", b->q,
               b->p);
  } else if (torch_is_class(t, "SoftTransform")) {
    b->transform = torch_get(t, "alpha") ? TRANSFORM_SOFT : TRANSFORM_SOFT_OLD;
    if (b->transform == TRANSFORM_SOFT) {
      EQS_TRY(mace_read_number(t, "alpha", &b->alpha));
    } else {
      EQS_TRY(mace_read_number(t, "a", &b->a));
      EQS_TRY(mace_read_number(t, "b", &b->b));
    }
  } else {
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "distance transform '%s'", torch_class(t));
  }
  EQS_TRY(mace_read_array(torch_get(t, "covalent_radii"), "covalent_radii", &radius, &n));
  eqs_status status = alloc_array(&m->radius, (size_t)m->n_element, sizeof *radius, "radii");
  for (int z = 0; z < m->n_element && status == EQS_OK; z++) {
    if ((size_t)m->element[z] >= n || !(radius[m->element[z]] > 0))
      status = status_fail(EQS_ERR_FORMAT, "covalent_radii: none for Z = %d", m->element[z]);
    else m->radius[z] = radius[m->element[z]];
  }
  free(radius);
  if (status == EQS_OK) status = upload_doubles(r, m->radius, &m->device_radius);
  return status;
}

static eqs_status read_basis(mace_reader *r, radial_basis *b) {
  const torch_value *e = torch_get(r->root, "radial_embedding"), *f = torch_get(e, "bessel_fn");
  const char *name;
  double *w, cutoff;
  size_t n;
  *b = (radial_basis){.cutoff = CUTOFF_POLYNOMIAL};
  EQS_TRY(mace_read_number(r->root, "r_max", &b->r_max));
  EQS_TRY(mace_read_number(e, "cutoff_fn.p", &b->cutoff_p));
  EQS_TRY(mace_read_number(e, "cutoff_fn.r_max", &cutoff));
  if (!(b->r_max > 0.1 && b->r_max < 100) || cutoff != b->r_max ||
      !(b->cutoff_p >= 2 && b->cutoff_p < 100))
    EQS_FAIL(EQS_ERR_FORMAT, "r_max = %g, cutoff at %g of order %g", b->r_max, cutoff, b->cutoff_p);
  b->cutoff_on_basis = mace_flag(e, "apply_cutoff", 1);
  if (torch_is_class(f, "BesselBasis")) {
    b->kind = BASIS_BESSEL;
    name = "bessel_weights";
    EQS_TRY(mace_read_number(f, "prefactor", &b->prefactor));
  } else if (torch_is_class(f, "GaussianBasis")) {
    b->kind = BASIS_GAUSSIAN;
    name = "gaussian_weights";
    EQS_TRY(mace_read_number(f, "coeff", &b->prefactor));
  } else if (torch_is_class(f, "ChebychevBasis")) {
    b->kind = BASIS_CHEBYSHEV;
    name = "n";
  } else {
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "radial basis '%s'", torch_class(f));
  }
  EQS_TRY(mace_read_array(torch_get(f, name), name, &w, &n));
  b->n = n <= BASIS_MAX ? (int)n : 0;
  for (int i = 0; i < b->n; i++) b->weight[i] = w[i];
  int ordered = 1;
  for (int i = 0; i < b->n; i++) ordered &= b->kind != BASIS_CHEBYSHEV || w[i] == i + 1;
  free(w);
  if (!b->n || !ordered)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "radial basis of %zu functions (1 to %d; Chebyshev orders from 1)", n, BASIS_MAX);
  return read_transform(r, e, b);
}

/* Element `head` of a tensor that is one number or one per head. */
static eqs_status read_for_head(const mace_reader *r, const char *name, double *out) {
  double *v;
  size_t n;
  eqs_status status = mace_read_array(torch_get(r->root, name), name, &v, &n);
  if (status == EQS_OK && n != 1 && n != (size_t)r->n_head)
    status = status_fail(EQS_ERR_FORMAT, "%s has %zu values for %d heads", name, n, r->n_head);
  if (status == EQS_OK) *out = v[n == 1 ? 0 : r->head];
  free(v);
  return status;
}

/* ------------------------------------------------------------------------------- whole model */

static eqs_status read_elements(mace_reader *r) {
  mace *m = r->m;
  double *z;
  size_t n;
  EQS_TRY(mace_read_array(torch_get(r->root, "atomic_numbers"), "atomic_numbers", &z, &n));
  eqs_status status = EQS_OK;
  if (n < 1 || n > ELEMENTS_MAX) status = status_fail(EQS_ERR_FORMAT, "%zu elements", n);
  if (status == EQS_OK) status = alloc_array(&m->element, n, sizeof(int), "elements");
  if (status == EQS_OK) status = alloc_array(&m->sorted_element, n, sizeof(int), "elements");
  for (size_t i = 0; i < n && status == EQS_OK; i++) {
    m->element[i] = z[i] >= 1 && z[i] <= ELEMENTS_MAX ? (int)z[i] : 0;
    size_t at = i;
    for (; at && m->sorted_element[at - 1] > m->element[i]; at--)
      m->sorted_element[at] = m->sorted_element[at - 1];
    m->sorted_element[at] = m->element[i];
    if (!m->element[i] || (at && m->sorted_element[at - 1] == m->element[i]))
      status = status_fail(EQS_ERR_FORMAT, "atomic_numbers: %g, twice or no element", z[i]);
  }
  m->n_element = (int)n;
  free(z);
  return status;
}

static eqs_status read_heads(mace_reader *r, const char *wanted) {
  static const char *const only[] = {"Default"};
  mace *m = r->m;
  const torch_value *list = torch_get(r->root, "heads");
  size_t n = torch_value_kind(list) == TORCH_LIST ? torch_length(list) : 1;
  char known[512] = "";
  if (n < 1 || n > 256) EQS_FAIL(EQS_ERR_FORMAT, "%zu heads", n);
  EQS_TRY(alloc_array(&m->heads, n, sizeof *m->heads, "heads"));
  r->n_head = (int)n;
  r->head = n == 1 ? 0 : -1;
  for (size_t i = 0; i < n; i++) {
    m->heads[i] = only[0];
    if (torch_value_kind(list) == TORCH_LIST)
      EQS_TRY(torch_to_string(torch_item(list, i), "heads", &m->heads[i]));
    size_t at = strlen(known);
    snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", m->heads[i]);
    if (wanted ? !strcmp(m->heads[i], wanted) : n > 1 && !strcasecmp(m->heads[i], "default"))
      r->head = (int)i;
    else if (wanted && n == 1) r->head = -1;
  }
  if (r->head < 0 && wanted)
    EQS_FAIL(EQS_ERR_ARGUMENT, "no head %s; this model has %s", wanted, known);
  if (r->head < 0) { /* its parts can be read and described with any head */
    r->head = 0;
    snprintf(m->base.refusal, REFUSAL, "choose a head; this model has %s", known);
  }
  return EQS_OK;
}

static eqs_status read_embedding(mace_reader *r) {
  mace *m = r->m;
  const char *what = "node_embedding.linear.weight";
  size_t n;
  EQS_TRY(mace_read_array(torch_get(r->root, what), what, &m->embedding_weight, &n));
  if (!n || n % (size_t)m->n_element || n / (size_t)m->n_element > 4096)
    EQS_FAIL(EQS_ERR_FORMAT, "%s: %zu weights for %d elements", what, n, m->n_element);
  for (size_t i = 0; i < n; i++) m->embedding_weight[i] /= sqrt(m->n_element);
  int mul[N_L] = {(int)(n / (size_t)m->n_element), 0, 0, 0};
  m->embedding = layout_make(mul);
  return EQS_OK;
}

/* up of every element's embedding: what the first convolution gathers; and its self-connection,
 * where that is one map. */
static eqs_status embed_elements(mace_reader *r) {
  mace *m = r->m;
  mace_layer *l = m->layer;
  size_t n = (size_t)m->n_element, mul = (size_t)m->embedding.mul[0];
  size_t size = (size_t)m->embedding.size;
  double *rows = NULL;
  void *real = NULL;
  device *d = r->k->device;
  eqs_status status;
  EQS_TRY_DONE(alloc_array(&rows, n * size, sizeof *rows, "embedding"));
  EQS_TRY_DONE(
      device_take(d, n * (size_t)l->up.out.size, r->k->real_size, "embedding", &l->up_rows));
  for (size_t z = 0; z < n; z++)
    for (size_t c = 0; c < mul; c++) rows[z * size + c] = m->embedding_weight[z * mul + c];
  EQS_TRY_DONE(upload_reals(r->k, rows, n * size, "embedding", &real));
  linear_map_forward(&l->up, (int)n, NULL, real, NULL, l->up_rows, 0);
  if (l->skip_rows && l->skip.k)
    linear_map_forward(&l->skip, (int)n, NULL, real, NULL, l->skip_rows, 0);
  status = d->ops->finish(d);
done:
  free(rows);
  device_give(d, &real);
  return status;
}

static eqs_status read_energies(mace_reader *r) {
  mace *m = r->m;
  double *e0, shift = 0;
  size_t n;
  m->scale = 1;
  if (torch_is_class(r->root, "ScaleShiftMACE")) {
    EQS_TRY(read_for_head(r, "scale_shift.scale", &m->scale));
    EQS_TRY(read_for_head(r, "scale_shift.shift", &shift));
  } else if (!torch_is_class(r->root, "MACE")) {
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "model class '%s' (MACE and ScaleShiftMACE are implemented)",
             torch_class(r->root));
  }
  EQS_TRY(mace_read_array(torch_get(r->root, "atomic_energies_fn.atomic_energies"),
                          "atomic_energies", &e0, &n));
  eqs_status status = alloc_array(&m->e0, (size_t)m->n_element, sizeof *m->e0, "atomic energies");
  if (status == EQS_OK && n != (size_t)m->n_element && n != (size_t)(m->n_element * r->n_head))
    status = status_fail(EQS_ERR_FORMAT, "atomic_energies has %zu values", n);
  if (status == EQS_OK) {
    int row = n == (size_t)m->n_element ? 0 : r->head;
    for (int z = 0; z < m->n_element; z++) m->e0[z] = e0[row * m->n_element + z] + shift;
  }
  free(e0);
  return status;
}

static eqs_status read_zbl(mace_reader *r) {
  mace *m = r->m;
  const torch_value *v = torch_get(r->root, "pair_repulsion_fn");
  double *c, *radius, *own = NULL;
  size_t n, n_element = (size_t)m->n_element;
  if (torch_value_kind(v) == TORCH_NONE) return EQS_OK;
  if (!torch_is_class(v, "ZBLBasis"))
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "pair repulsion '%s'", torch_class(v));
  m->has_zbl = m->base.repulsive = 1;
  EQS_TRY(mace_read_number(v, "p", &m->zbl.p));
  EQS_TRY(mace_read_number(v, "a_exp", &m->zbl.a_exp));
  EQS_TRY(mace_read_number(v, "a_prefactor", &m->zbl.a_prefactor));
  EQS_TRY(mace_read_array(torch_get(v, "c"), "pair_repulsion_fn.c", &c, &n));
  for (size_t i = 0; i < 4 && n == 4; i++) m->zbl.c[i] = c[i];
  free(c);
  if (n != 4) EQS_FAIL(EQS_ERR_FORMAT, "pair_repulsion_fn.c has %zu values", n);
  EQS_TRY(mace_read_array(torch_get(v, "covalent_radii"), "covalent_radii", &radius, &n));
  eqs_status status = alloc_array(&own, 2 * n_element, sizeof *own, "ZBL");
  for (size_t z = 0; status == EQS_OK && z < n_element; z++) {
    if ((size_t)m->element[z] >= n)
      status = status_fail(EQS_ERR_FORMAT, "pair_repulsion_fn.covalent_radii has %zu values", n);
    else own[z] = radius[m->element[z]];
    own[n_element + z] = m->element[z];
  }
  if (status == EQS_OK) status = upload_doubles(r, own, &m->zbl.radius);
  if (status == EQS_OK) status = upload_doubles(r, own + n_element, &m->zbl.charge);
  free(own);
  free(radius);
  return status;
}

/* The sum over all _parameters below v. */
static int64_t count_parameters(const torch_value *v, int depth, int *budget) {
  if (depth > 24 || --*budget < 0) return 0;
  int64_t n = 0;
  const torch_value *own = torch_get(v, "_parameters"), *modules = torch_get(v, "_modules");
  for (size_t i = 0; i < torch_length(own); i++)
    n += (int64_t)torch_tensor_count(torch_value_at(own, i));
  for (size_t i = 0; i < torch_length(modules); i++)
    n += count_parameters(torch_value_at(modules, i), depth + 1, budget);
  return n;
}

static eqs_status refuse_unknown_parts(const torch_value *root) {
  static const char *const parts[] = {"joint_embedding", "embedding_specs", "embedding_readout",
                                      "les", "fukui_source_map"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (torch_value_kind(torch_get(root, parts[i])) != TORCH_NONE)
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "the model has '%s', which is not implemented", parts[i]);
  if (mace_flag(root, "use_so3", 0)) EQS_FAIL(EQS_ERR_UNSUPPORTED, "models with use_so3");
  size_t n = torch_length(mace_modules(root, "interactions"));
  for (size_t i = 0; i < n; i++) {
    const interaction_kind *kind;
    EQS_TRY(mace_interaction_kind(mace_find(root, "interactions.%zu", i), &kind));
  }
  return EQS_OK;
}

static eqs_status describe(mace_reader *r) {
  mace *m = r->m;
  const mace_layer *first = m->layer;
  eqs_model_info *i = &m->base.info;
  int budget = 100000, l_hidden = 0, length = 0;
  for (int l = 0; l < N_L; l++)
    if (first->product.out.mul[l]) l_hidden = l;
  EQS_TRY(alloc_array(&m->architecture, 512, 1, "description"));
  for (int t = 0; t < m->n_layer && length < 400; t++) {
    const char *name = torch_class(mace_find(r->root, "interactions.%d", t)),
               *dot = strrchr(name, '.');
    length += snprintf(m->architecture + length, (size_t)(512 - length), "%s%s", t ? " + " : "",
                       dot ? dot + 1 : name);
  }
  if (m->has_zbl) snprintf(m->architecture + length, (size_t)(512 - length), " + ZBL");
  *i = (eqs_model_info){.size = sizeof *i,
                        .family = torch_is_class(r->root, "MACE") ? "MACE" : "ScaleShiftMACE",
                        .architecture = m->architecture,
                        .cutoff = i->cutoff,
                        .n_layer = m->n_layer,
                        .channels = first->product.out.mul[0],
                        .lmax = first->conv.lmax,
                        .l_hidden = l_hidden,
                        .n_element = m->n_element,
                        .elements = m->sorted_element,
                        .n_head = r->n_head,
                        .heads = m->heads,
                        .head = m->base.refusal[0] ? NULL : m->heads[r->head],
                        .n_parameter = count_parameters(r->root, 0, &budget)};
  i->stored = torch_tensor_dtype(torch_get(r->root, "node_embedding.linear.weight"));
  return EQS_OK;
}

static eqs_status build(mace_reader *r, const char *head) {
  mace *m = r->m;
  radial_basis basis;
  int64_t n_layer;
  EQS_TRY(refuse_unknown_parts(r->root));
  EQS_TRY(read_heads(r, head));
  EQS_TRY(read_elements(r));
  EQS_TRY(read_energies(r));
  EQS_TRY(read_zbl(r));
  EQS_TRY(read_embedding(r));
  EQS_TRY(read_basis(r, &basis));
  EQS_TRY(torch_to_int(torch_get(r->root, "num_interactions"), "num_interactions", &n_layer));
  if (n_layer < 1 || n_layer > LAYERS_MAX)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%lld layers (1 to %d)", (long long)n_layer, LAYERS_MAX);
  m->n_layer = (int)n_layer;
  const layout *features = &m->embedding;
  for (int t = 0; t < m->n_layer; t++) {
    EQS_TRY(mace_read_layer(r, t, features, &basis));
    features = &m->layer[t].product.out;
  }
  size_t n = torch_length(mace_modules(r->root, "readouts"));
  if (n != 1 && n != (size_t)m->n_layer)
    EQS_FAIL(EQS_ERR_UNSUPPORTED, "%zu readouts for %d layers", n, m->n_layer);
  for (size_t i = 0; i < n; i++)
    EQS_TRY(mace_read_readout(r, mace_find(r->root, "readouts.%zu", i),
                              m->layer + (n == 1 ? m->n_layer - 1 : (int)i)));
  const layout *block[LAYERS_MAX];
  for (int t = 0; t < m->n_layer; t++) block[t] = &m->layer[t].product.out;
  EQS_TRY(committee_read(r->root, r->k, m->n_layer, block, m->n_element, m->element,
                         &m->base.committee));
  EQS_TRY(upload_doubles(r, m->e0, &m->device_e0));
  EQS_TRY(embed_elements(r));
  m->base.info.cutoff = basis.r_max;
  return describe(r);
}

eqs_status mace_load(const torch_archive *a, const eqs_model_options *options, const kernel_ops *k,
                     potential **out) {
  mace *m = calloc(1, sizeof *m);
  if (!m) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: model");
  m->base.ops = &mace_ops;
  m->base.k = k;
  pthread_mutex_init(&m->lock, NULL);
  mace_reader r = {.m = m, .root = torch_archive_root(a), .k = k};
  eqs_status status = build(&r, options->head);
  if (status == EQS_OK && options->modal)
    status = status_fail(EQS_ERR_ARGUMENT, "a modal is asked for, but MACE models have heads");
  if (status != EQS_OK) {
    mace_free(&m->base);
    return status;
  }
  m->base.element = m->element;
  *out = &m->base;
  return EQS_OK;
}

static void free_layer(device *d, mace_layer *l, int n_element) {
  linear_map_free(&l->up);
  linear_map_free(&l->mix);
  linear_map_free(&l->product);
  linear_map_free(&l->attend_from);
  linear_map_free(&l->attend_to);
  linear_map_free(&l->skip);
  linear_map_free(&l->readout.hidden);
  linear_map_free(&l->readout.middle);
  convolution_free(&l->conv);
  contraction_free(&l->contraction);
  for (int z = 0; l->by_element && z < n_element; z++) linear_map_free(l->by_element + z);
  for (int z = 0; l->coefficient && z < l->n_weight_element; z++)
    device_give(d, &l->coefficient[z]);
  for (int L = 0; L < N_L; L++)
    for (int nu = 0; nu < CORRELATION_MAX; nu++) free(l->weight[L][nu]);
  free(l->by_element);
  free(l->coefficient);
  device_give(d, &l->up_rows);
  device_give(d, &l->skip_rows);
  device_give(d, &l->readout.w);
  device_give(d, &l->readout.bias);
  if (l->non_linear) mace_nonlinear_free(l->non_linear);
  free(l->non_linear);
}

void mace_free(potential *p) {
  mace *m = (mace *)p;
  device *d = p->k->device;
  for (int t = 0; t < LAYERS_MAX; t++) free_layer(d, m->layer + t, m->n_element);
  committee_free(&m->base.committee, p->k);
  free(m->element);
  free(m->sorted_element);
  free(m->e0);
  free(m->radius);
  free(m->embedding_weight);
  free(m->heads);
  free(m->architecture);
  device_give(d, &m->device_e0);
  device_give(d, &m->device_radius);
  device_give(d, &m->zbl.radius);
  device_give(d, &m->zbl.charge);
  pthread_mutex_destroy(&m->lock);
  free(m);
}
