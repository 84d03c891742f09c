/* cif.c -- reads CIF files: text, data blocks, columns; the driver of the other cif_*.c.
 *
 * CIF 1.1: S. R. Hall, F. H. Allen, I. D. Brown, Acta Cryst. A47, 655 (1991). A file is parsed
 * strictly; if that fails it is cleaned (cif_clean) and parsed once more, with a warning.
 * SPDX-License-Identifier: MIT */
#include "io/cif.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/cif_parts.h"

/* Tags in lower case with "_" for ".", so that DDLm spellings are found too. */
static const struct alias {
  const char *tag;
  int index;
} aliases[] = {
    {"_cell_length_a", CIF_CELL},
    {"_cell_length_b", CIF_CELL + 1},
    {"_cell_length_c", CIF_CELL + 2},
    {"_cell_angle_alpha", CIF_CELL + 3},
    {"_cell_angle_beta", CIF_CELL + 4},
    {"_cell_angle_gamma", CIF_CELL + 5},
    {"_symmetry_space_group_name_h-m", CIF_NAME_HM},
    {"_space_group_name_h-m_alt", CIF_NAME_HM},
    {"_space_group_name_h-m_ref", CIF_NAME_HM},
    {"_space_group_name_h-m", CIF_NAME_HM},
    {"_symmetry_space_group_name_hall", CIF_NAME_HALL},
    {"_space_group_name_hall", CIF_NAME_HALL},
    {"_symmetry_int_tables_number", CIF_NUMBER},
    {"_space_group_it_number", CIF_NUMBER},
    {"_symmetry_equiv_pos_as_xyz", CIF_OPERATOR},
    {"_space_group_symop_operation_xyz", CIF_OPERATOR},
    {"_atom_site_label", CIF_LABEL},
    {"_atom_site_type_symbol", CIF_TYPE},
    {"_atom_site_fract_x", CIF_X},
    {"_atom_site_fract_y", CIF_X + 1},
    {"_atom_site_fract_z", CIF_X + 2},
    {"_atom_site_occupancy", CIF_OCCUPANCY},
    {"_atom_site_disorder_assembly", CIF_ASSEMBLY},
    {"_atom_site_disorder_group", CIF_GROUP},
    {"_atom_site_charge", CIF_CHARGE},
    {"_atom_site_partial_charge", CIF_CHARGE},
    {"_atom_type_partial_charge", CIF_CHARGE},
};

int cif_tag_find(const char *tag, size_t n) {
  char name[48];
  if (n >= sizeof name) return -1;
  for (size_t i = 0; i < n; i++)
    name[i] = tag[i] == '.' ? '_' : (char)tolower((unsigned char)tag[i]);
  name[n] = 0;
  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
    if (strcmp(name, aliases[i].tag) == 0) return aliases[i].index;
  return -1;
}

int cif_number(const char *text, double *out) {
  size_t n = strspn(text, "0123456789.+-eE");
  if (n == 0 || n > 40) return 0;
  char *end;
  double value = strtod(text, &end);
  if (end != text + n || !isfinite(value)) return 0;
  if (*end == '(') {
    size_t digits = strspn(end + 1, "0123456789");
    if (digits == 0 || strcmp(end + 1 + digits, ")") != 0) return 0;
  } else if (*end) {
    return 0;
  }
  *out = value;
  return 1;
}

/* Blocks of a document as they are collected. */
typedef struct collector {
  cif_block *block;
  int n, loops;
} collector;

enum { MAX_BLOCKS = 10000 };

static void collector_free(collector *c) {
  for (int b = 0; b < c->n; b++) {
    for (int t = 0; t < CIF_N_TAG; t++) {
      cif_column *column = &c->block[b].column[t];
      for (size_t i = 0; i < column->n; i++) free(column->value[i]);
      free(column->value);
    }
    free(c->block[b].name);
  }
  free(c->block);
  *c = (collector){0};
}

static eqs_status on_block(void *user, const char *name) {
  collector *c = user;
  if (c->n == MAX_BLOCKS) EQS_FAIL(EQS_ERR_FORMAT, "more than %d data blocks", (int)MAX_BLOCKS);
  cif_block *block = realloc(c->block, (size_t)(c->n + 1) * sizeof *block);
  if (!block) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: data blocks");
  c->block = block;
  block[c->n] = (cif_block){.name = strdup(name)};
  if (!block[c->n++].name) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: data blocks");
  return EQS_OK;
}

static int on_wanted(void *user, const char *tag) {
  (void)user;
  return cif_tag_find(tag, strlen(tag)) >= 0;
}

static eqs_status on_loop(void *user, int line, size_t n_tag, const char *const *tag,
                          size_t n_value, const char *const *value) {
  collector *c = user;
  size_t rows = n_value / n_tag;
  if (rows > 10 * STRUCTURE_MAX_ATOMS)
    EQS_FAIL(EQS_ERR_FORMAT, "line %d: a loop of %zu rows", line, rows);
  c->loops++;
  for (size_t t = 0; t < n_tag; t++) {
    int index = cif_tag_find(tag[t], strlen(tag[t]));
    if (index < 0) continue;
    cif_column *column = &c->block[c->n - 1].column[index];
    if (column->loop) continue; /* given twice: the first wins */
    EQS_TRY(alloc_array(&column->value, rows, sizeof *column->value, "a CIF column"));
    column->loop = c->loops;
    for (size_t i = 0; i < rows; i++) {
      column->value[i] = strdup(value[i * n_tag + t]);
      if (!column->value[i]) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: a CIF column");
      column->n = i + 1;
    }
  }
  return EQS_OK;
}

static eqs_status parse_text(const char *text, size_t n, collector *out) {
  cif_sink sink = {out, on_block, on_wanted, on_loop};
  return cif_gemmi_parse(text, n, &sink);
}

static eqs_status read_cell(const cif_block *block, double p[6], double cell[9]) {
  for (int k = 0; k < 6; k++) {
    const cif_column *c = &block->column[CIF_CELL + k];
    if (c->n < 1) EQS_FAIL(EQS_ERR_FORMAT, "%s is missing", aliases[k].tag);
    if (!cif_number(c->value[0], &p[k]))
      EQS_FAIL(EQS_ERR_FORMAT, "%s is '%.30s', not a number", aliases[k].tag, c->value[0]);
  }
  return structure_cell_from_parameters(p, cell);
}

static eqs_status warn_charge(structure *s) {
  if (!s->charge) return EQS_OK;
  double charge = structure_net_charge(s);
  double rounding = 5e-4 * s->n; /* charges of three digits may miss this much */
  if (fabs(charge) < (rounding > 0.05 ? rounding : 0.05)) return EQS_OK;
  return structure_warn(s, "the charges add up to %+.3f e: are ions missing?", charge);
}

static eqs_status read_block(const cif_block *block, int disorder_major, structure *s) {
  cif_symmetry *symmetry = NULL;
  cif_site *site = NULL;
  int n = 0;
  double parameters[6];
  eqs_status status = EQS_OK;
  s->pbc[0] = s->pbc[1] = s->pbc[2] = 1;
  EQS_TRY_DONE(alloc_array(&symmetry, 1, sizeof *symmetry, "symmetry operators"));
  EQS_TRY_DONE(read_cell(block, parameters, s->cell));
  EQS_TRY_DONE(cif_symmetry_read(block, parameters, symmetry, s));
  EQS_TRY_DONE(cif_sites_read(block, symmetry, disorder_major, s, &site, &n));
  EQS_TRY_DONE(cif_expand(site, n, symmetry, s));
  EQS_TRY_DONE(warn_charge(s));
done:
  free(site);
  free(symmetry);
  return status;
}

/* Uniform line ends, no byte-order mark, a terminating 0. */
static eqs_status normalise(const char *text, size_t n, char **out, size_t *n_out) {
  char *copy;
  size_t used = 0, i = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
  if (n > CIF_MAX_BYTES)
    EQS_FAIL(EQS_ERR_FORMAT, "larger than %d MiB, too large for a structure", CIF_MAX_BYTES >> 20);
  if (memchr(text, 0, n)) EQS_FAIL(EQS_ERR_FORMAT, "not a text file (it holds a zero byte)");
  EQS_TRY(alloc_array(&copy, n + 1, 1, "CIF text"));
  for (; i < n; i++) {
    if (text[i] != '\r') copy[used++] = text[i];
    else if (i + 1 == n || text[i + 1] != '\n') copy[used++] = '\n';
  }
  *out = copy;
  *n_out = used;
  return EQS_OK;
}

/* Strictly, then cleaned; `repair` gets what was wrong, "" if nothing. */
static eqs_status parse_or_repair(const char *text, size_t n, const char *name, collector *blocks,
                                  char *repair, size_t size) {
  char *clean = NULL;
  size_t n_clean;
  repair[0] = 0;
  eqs_status status = parse_text(text, n, blocks);
  if (status != EQS_ERR_FORMAT) return status;
  snprintf(repair, size, "%s", eqs_error());
  collector_free(blocks);
  EQS_TRY(cif_clean(text, n, name, &clean, &n_clean));
  status = parse_text(clean, n_clean, blocks);
  free(clean);
  return status;
}

static int has_sites(const cif_block *block) { return block->column[CIF_X].n > 0; }

static eqs_status read_blocks(const collector *blocks, const char *name, const char *repair,
                              int disorder_major, structure_list *out) {
  int with_sites = 0, k = 0;
  long atoms = 0;
  for (int b = 0; b < blocks->n; b++) with_sites += has_sites(&blocks->block[b]);
  if (with_sites == 0) EQS_FAIL(EQS_ERR_FORMAT, "no atom sites (_atom_site_fract_x) in the file");
  for (int b = 0; b < blocks->n; b++) {
    const cif_block *block = &blocks->block[b];
    structure *s;
    char full_name[320];
    if (!has_sites(block)) continue;
    EQS_TRY(structure_list_add(out, &s));
    snprintf(full_name, sizeof full_name, with_sites > 1 ? "%.250s#%d" : "%.250s", name, ++k);
    EQS_TRY(structure_set_name(s, full_name));
    if (repair[0])
      EQS_TRY(structure_warn(s, "not strict CIF (%s): read all the same, check it", repair));
    eqs_status status = read_block(block, disorder_major, s);
    if (status != EQS_OK && with_sites > 1)
      return status_prefix(status, "data block %.60s", block->name);
    EQS_TRY(status);
    atoms += s->n;
    if (atoms > 10L * STRUCTURE_MAX_ATOMS)
      EQS_FAIL(EQS_ERR_FORMAT, "more than %ld atoms in the file", 10L * STRUCTURE_MAX_ATOMS);
  }
  return EQS_OK;
}

/* "folder/MFI.cif" -> "MFI"; only a suffix .cif is cut. */
static void base_name(const char *path, char *out, size_t size) {
  const char *slash = strrchr(path, '/');
  snprintf(out, size, "%s", slash ? slash + 1 : path);
  size_t n = strlen(out);
  if (n > 4 && strcasecmp(out + n - 4, ".cif") == 0) out[n - 4] = 0;
}

eqs_status cif_read_memory(const char *text, size_t n, const char *name,
                           const eqs_read_options *options, structure_list *out) {
  char base[256], repair[300], *plain = NULL;
  size_t n_plain = 0;
  collector blocks = {0};
  int disorder_major = options && options->disorder_major;
  base_name(name, base, sizeof base);
  eqs_status status = normalise(text, n, &plain, &n_plain);
  if (status == EQS_OK)
    status = parse_or_repair(plain, n_plain, base, &blocks, repair, sizeof repair);
  if (status == EQS_OK) status = read_blocks(&blocks, base, repair, disorder_major, out);
  free(plain);
  collector_free(&blocks);
  return status == EQS_OK ? EQS_OK : status_prefix(status, "%s", name);
}

eqs_status cif_read(const char *path, const eqs_read_options *options, structure_list *out) {
  char *text = NULL;
  eqs_status status = EQS_OK;
  FILE *file = fopen(path, "rb");
  if (!file) EQS_FAIL(EQS_ERR_FILE, "%s: cannot be opened: %s", path, strerror(errno));
  size_t n = 0, capacity = 1 << 16;
  for (;;) { /* one byte more than allowed is enough to know */
    char *grown = realloc(text, capacity);
    if (!grown) EQS_TRY_DONE(status_fail(EQS_ERR_MEMORY, "%s: out of memory", path));
    text = grown;
    n += fread(text + n, 1, capacity - n, file);
    if (n < capacity || n > CIF_MAX_BYTES) break;
    capacity *= 2;
  }
  if (ferror(file))
    EQS_TRY_DONE(status_fail(EQS_ERR_FILE, "%s: cannot be read: %s", path, strerror(errno)));
  status = cif_read_memory(text, n, path, options, out);
done:
  free(text);
  fclose(file);
  return status;
}
