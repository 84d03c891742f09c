/* functional.c -- a sum of libxc's functionals. SPDX-License-Identifier: MIT */
#include "potentials/functional.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xc.h>

#include "core/status.h"

enum { PARTS = 4, CHUNK = 256 };

struct functional {
  int n;                       /* parts */
  xc_func_type part[PARTS][2]; /* of one and of two spins */
  char name[FUNCTIONAL_NAME];
};

static eqs_status add_part(functional *f, const char *word, int kinetic) {
  char *end;
  long id = strtol(word, &end, 10);
  if (end == word || *end) id = xc_functional_get_number(word);
  if (f->n == PARTS) EQS_FAIL(EQS_ERR_ARGUMENT, "at most %d functionals can be added", PARTS);
  xc_func_type *p = f->part[f->n];
  if (id <= 0 || id > 100000 || xc_func_init(&p[0], (int)id, XC_UNPOLARIZED))
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "'%s' is no functional of libxc %s: give a name like PBE or its identifiers, like "
             "gga_x_pbe+gga_c_pbe",
             word, xc_version_string());
  if (xc_func_init(&p[1], (int)id, XC_POLARIZED)) {
    xc_func_end(&p[0]);
    EQS_FAIL(EQS_ERR_MEMORY, "libxc cannot set up '%s'", word);
  }
  f->n++;
  const xc_func_info_type *info = xc_func_get_info(&p[0]);
  int family = xc_func_info_get_family(info), flags = xc_func_info_get_flags(info);
  int usable = flags & XC_FLAGS_HAVE_EXC && flags & XC_FLAGS_HAVE_VXC && flags & XC_FLAGS_3D;
  if ((family != XC_FAMILY_LDA && family != XC_FAMILY_GGA) || !usable)
    EQS_FAIL(EQS_ERR_ARGUMENT,
             "'%s' is not an LDA or GGA in three dimensions with an energy and a potential", word);
  if ((xc_func_info_get_kind(info) == XC_KINETIC) != !!kinetic)
    EQS_FAIL(EQS_ERR_ARGUMENT, "'%s' is %s kinetic-energy functional", word, kinetic ? "no" : "a");
  char *name = xc_functional_get_name((int)id);
  size_t at = strlen(f->name);
  snprintf(f->name + at, sizeof f->name - at, "%s%s", at ? "+" : "", name ? name : word);
  free(name);
  for (char *s = f->name; *s; s++) *s = (char)tolower((unsigned char)*s);
  return EQS_OK;
}

eqs_status functional_open(const char *name, int kinetic, functional **out) {
  char list[FUNCTIONAL_NAME];
  functional_usual_name(name, list);
  const char *known = functional_identifiers(list);
  if (known) snprintf(list, sizeof list, "%s", known);
  functional *f;
  *out = NULL;
  EQS_TRY(alloc_array(&f, 1, sizeof *f, "a functional"));
  eqs_status status = EQS_OK;
  char *rest = list;
  do {
    char *word = strsep(&rest, "+");
    status = add_part(f, word, kinetic);
  } while (rest && status == EQS_OK);
  if (status != EQS_OK) functional_free(&f);
  *out = f;
  return status;
}

void functional_free(functional **f) {
  if (!f || !*f) return;
  for (int i = 0; i < (*f)->n; i++) {
    xc_func_end(&(*f)->part[i][0]);
    xc_func_end(&(*f)->part[i][1]);
  }
  free(*f);
  *f = NULL;
}

const char *functional_name(const functional *f) { return f->name; }

static int is_gga(const xc_func_type *p) {
  return xc_func_info_get_family(xc_func_get_info(p)) == XC_FAMILY_GGA;
}

int functional_has_gradient(const functional *f) {
  for (int i = 0; i < f->n; i++)
    if (is_gga(&f->part[i][0])) return 1;
  return 0;
}

/* Up to CHUNK points of one part, added to the outputs. */
static void add(const xc_func_type *p, int spins, int n, const double *density, const double *sigma,
                double *energy, double *of_density, double *of_sigma) {
  double e[CHUNK], v[2 * CHUNK], w[3 * CHUNK];
  int gradients = spins == 2 ? 3 : 1, gga = is_gga(p), want = of_density != NULL;
  size_t m = (size_t)n;
  if (gga && want) xc_gga_exc_vxc(p, m, density, sigma, e, v, w);
  else if (gga) xc_gga_exc(p, m, density, sigma, e);
  else if (want) xc_lda_exc_vxc(p, m, density, e, v);
  else xc_lda_exc(p, m, density, e);
  /* Far out, densities are below what the formulas can take: nothing comes from there. */
  for (int i = 0; i < n; i++) {
    double total = spins == 2 ? density[2 * i] + density[2 * i + 1] : density[i];
    if (isfinite(e[i])) energy[i] += total * e[i];
  }
  for (int i = 0; want && i < n * spins; i++)
    if (isfinite(v[i])) of_density[i] += v[i];
  for (int i = 0; want && gga && i < n * gradients; i++)
    if (isfinite(w[i])) of_sigma[i] += w[i];
}

eqs_status functional_evaluate(const functional *f, int spins, int n, const double *density,
                               const double *sigma, double *energy, double *of_density,
                               double *of_sigma) {
  if (!sigma && functional_has_gradient(f))
    EQS_FAIL(EQS_ERR_ARGUMENT, "%s needs the gradient of the density", f->name);
  int gradients = spins == 2 ? 3 : 1;
  memset(energy, 0, (size_t)n * sizeof *energy);
  if (of_density) {
    memset(of_density, 0, (size_t)(n * spins) * sizeof *of_density);
    memset(of_sigma, 0, (size_t)(n * gradients) * sizeof *of_sigma);
  }
  for (int k = 0; k < f->n; k++)
    for (int i = 0; i < n; i += CHUNK)
      add(&f->part[k][spins - 1], spins, n - i < CHUNK ? n - i : CHUNK, density + i * spins,
          sigma ? sigma + i * gradients : NULL, energy + i,
          of_density ? of_density + i * spins : NULL, of_density ? of_sigma + i * gradients : NULL);
  return EQS_OK;
}
