/* subject.c -- what every adsorption run does with its model, gas and framework file beforehand.
 *
 * A model that does not describe the isolated molecule cannot describe its adsorption: its energy
 * is compared with a stored one of the functional that the model was trained on.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/subject.h"

#include "core/adsorption/model_energy.h"
#include "core/engine.h"
#include "core/locale_c.h"
#include "io/elements.h"
#include "io/sha256.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 1 << 28 };
#define GAS_LIMIT 0.05 /* eV between the model's isolated molecule and the reference */

eqs_status model_knows(const eqs_model_info *info, int n, const int *number) {
  for (int i = 0; i < n; i++) {
    int known = 0;
    for (int k = 0; k < info->n_element; k++) known |= info->elements[k] == number[i];
    if (!known)
      EQS_FAIL(EQS_ERR_UNSUPPORTED, "the model does not know element %d (%s, atom %d)", number[i],
               element_symbol(number[i]), i + 1);
  }
  return EQS_OK;
}

eqs_status file_sha256(const char *path, char sha[65]) {
  struct stat info;
  if (stat(path, &info)) EQS_FAIL(EQS_ERR_FILE, "cannot open %s: %s", path, strerror(errno));
  if (!S_ISREG(info.st_mode)) EQS_FAIL(EQS_ERR_FILE, "%s is not a regular file", path);
  if (info.st_size > FILE_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "%s has %lld bytes; a framework has at most %d", path,
             (long long)info.st_size, FILE_MAX);
  char *bytes = NULL;
  size_t size = (size_t)info.st_size;
  EQS_TRY(alloc_array(&bytes, size, 1, path));
  FILE *f = fopen(path, "rb");
  size_t got = f ? fread(bytes, 1, size, f) : 0;
  int reason = errno, bad = !f || got != size;
  if (f) fclose(f);
  if (!bad) sha256_hex(bytes, size, sha);
  free(bytes);
  if (bad) EQS_FAIL(EQS_ERR_FILE, "cannot read %s: %s", path, strerror(reason));
  return EQS_OK;
}

uint32_t stream_of(const char sha[65]) {
  char head[9] = {0};
  memcpy(head, sha, 8);
  return (uint32_t)strtoul(head, NULL, 16);
}

/* "PBE", "PBE+U" and the like, but not "PBEsol" or "PBE0". */
static int is_pbe(const char *functional) {
  return functional && strncmp(functional, "PBE", 3) == 0 && !isalnum((unsigned char)functional[3]);
}

/* The stored reference is without dispersion; what is added to the model is added to it. */
static eqs_status add_dispersion(eqs_context *c, const eqs_model *m, const gas *g,
                                 double *reference) {
  const int first[2] = {0, g->n};
  double energies[GAS_MAX_ATOMS];
  eqs_systems in = {.size = sizeof in,
                    .n_system = 1,
                    .first = first,
                    .number = g->number,
                    .position = g->reference_position[0]};
  EQS_TRY(engine_dispersion(c, m, &in, energies));
  for (int i = 0; i < g->n; i++) *reference += energies[i];
  return EQS_OK;
}

eqs_status record_gas(screen_record *r, eqs_context *c, const eqs_model *m,
                      const eqs_model_info *info, const gas *g) {
  eqs_status status = model_knows(info, g->n, g->number);
  int known = is_pbe(info->functional) && !isnan(g->reference);
  r->gas_reference_ev = known ? g->reference : NAN;
  r->gas_check_ev = NAN;
  if (status == EQS_OK) status = model_energy_of_gas(c, m, g, g->position, &r->gas_energy_ev);
  if (status == EQS_OK && known)
    status = model_energy_of_gas(c, m, g, g->reference_position, &r->gas_check_ev);
  if (status == EQS_OK && known) status = add_dispersion(c, m, g, &r->gas_reference_ev);
  if (status != EQS_OK) return status_prefix(status, "the molecule %s", g->name);
  if (!known) record_flag(r, "gas-unchecked");
  else if (fabs(r->gas_check_ev - r->gas_reference_ev) > GAS_LIMIT) record_flag(r, "gas-energy");
  return EQS_OK;
}

double subject_width(const eqs_model_info *info, const gas *g, int strict) {
  return (strict ? 2 * info->n_layer : 2) * info->cutoff + setup_length(g);
}

void record_molecule(screen_record *r, const gas *g) {
  LOCALE_C();
  snprintf(r->gas, sizeof r->gas, "%s", g->name);
  snprintf(r->gas_geometry, sizeof r->gas_geometry, "experimental, rigid, length %.4f angstrom",
           setup_length(g));
  snprintf(r->device, sizeof r->device, "host");
  snprintf(r->version, sizeof r->version, "%s", eqs_version());
}

void record_subject(screen_record *r, const eqs_model_info *info, const gas *g, int strict,
                    double overlap_energy) {
  record_molecule(r, g);
  r->width_needed = subject_width(info, g, strict);
  snprintf(r->replica_rule, sizeof r->replica_rule, "width >= %s r_max + D", strict ? "2 L" : "2");
  snprintf(r->model_family, sizeof r->model_family, "%s", info->family);
  snprintf(r->model_sha256, sizeof r->model_sha256, "%s", info->sha256);
  snprintf(r->head, sizeof r->head, "%s", info->head ? info->head : "");
  snprintf(r->functional, sizeof r->functional, "%s", info->functional ? info->functional : "");
  snprintf(r->precision, sizeof r->precision, "%s",
           info->precision == EQS_DOUBLE ? "double" : "single");
  snprintf(r->dispersion, sizeof r->dispersion, "%s", info->dispersion ? info->dispersion : "none");
  r->overlap_energy = overlap_energy > 0 ? overlap_energy : OVERLAP_ENERGY;
  r->hole_limit = -HOLE_KJ_MOL;
}
