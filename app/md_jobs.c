/* md_jobs.c -- see md_jobs.h.
 * SPDX-License-Identifier: MIT */
#include "app/md_jobs.h"

#include <stdlib.h>
#include <string.h>

enum { LONGEST = 4096 };

static int out_of_memory(const char *command) { return app_fail(command, "out of memory: runs"); }

int md_request_structure(const char *command, md_request *r, const char *path) {
  const char **grown = realloc(r->structure, ((size_t)r->n_structure + 1) * sizeof *grown);
  if (!grown) return out_of_memory(command);
  r->structure = grown;
  grown[r->n_structure++] = path;
  return EXIT_OK;
}

int md_request_temperature(const char *command, md_request *r, double kelvin) {
  double *grown = realloc(r->temperature, ((size_t)r->n_temperature + 1) * sizeof *grown);
  if (!grown) return out_of_memory(command);
  r->temperature = grown;
  grown[r->n_temperature++] = kelvin;
  return EXIT_OK;
}

void md_request_free(md_request *r) {
  free(r->structure);
  free(r->temperature);
  r->structure = NULL, r->temperature = NULL;
  r->n_structure = r->n_temperature = 0;
}

/* ---- names */

typedef struct words {
  char structure[256], frame[16], temperature[32], job[16];
} words;

static const char *meaning(const words *w, const char *word, size_t n) {
  const struct {
    const char *name, *text;
  } known[] = {{"structure", w->structure},
               {"frame", w->frame},
               {"temperature", w->temperature},
               {"job", w->job}};
  for (size_t k = 0; k < sizeof known / sizeof *known; k++)
    if (strlen(known[k].name) == n && !strncmp(known[k].name, word, n)) return known[k].text;
  return NULL;
}

static int expand(const char *command, const char *pattern, const words *w, char **out) {
  char name[LONGEST];
  size_t n = 0;
  for (const char *at = pattern; *at; at++) {
    const char *end = *at == '{' ? strchr(at, '}') : NULL;
    const char *text = end ? meaning(w, at + 1, (size_t)(end - at - 1)) : NULL;
    if (end && !text)
      return app_usage(command,
                       "%s: there are {structure}, {frame}, {temperature} and {job}, no %.*s",
                       pattern, (int)(end - at + 1), at);
    size_t length = text ? strlen(text) : 1;
    if (n + length >= sizeof name) return app_usage(command, "%s: too long a name", pattern);
    memcpy(name + n, text ? text : at, length);
    n += length;
    if (end) at = end;
  }
  name[n] = 0;
  *out = strdup(name);
  return *out ? EXIT_OK : out_of_memory(command);
}

static void base_name(const char *path, char *out, size_t size) {
  const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
  const char *dot = strrchr(base, '.');
  snprintf(out, size, "%.*s", (int)(dot && dot > base ? dot - base : (long)strlen(base)), base);
}

/* ---- runs */

static int make_one(const char *command, const md_request *r, int structure, int frame,
                    double kelvin, md_jobs *out) {
  int i = out->n++;
  out->n_file = out->n;
  eqs_md_options *o = &out->options[i];
  words w;
  *o = r->run;
  o->temperature = kelvin;
  base_name(r->structure[structure], w.structure, sizeof w.structure);
  snprintf(w.frame, sizeof w.frame, "%d", frame + 1);
  snprintf(w.temperature, sizeof w.temperature, "%g", kelvin);
  snprintf(w.job, sizeof w.job, "%d", i + 1);
  const char **file[MD_FILES] = {&o->log, &o->trajectory, &o->final_state, &o->checkpoint};
  for (int k = 0; k < MD_FILES; k++) {
    if (!*file[k]) continue;
    int code = expand(command, *file[k], &w, &out->file[i][k]);
    if (code != EXIT_OK) return code;
    *file[k] = out->file[i][k];
  }
  out->structure[i] = structure;
  out->job[i] = (eqs_md_job){.size = sizeof out->job[i], .frame = frame, .options = o};
  return EXIT_OK;
}

/* No file is written over an input, or by two runs. */
static int check_name(const char *command, const md_request *r, const char *const *others,
                      const md_jobs *j, int i, int k) {
  const char *name = j->file[i][k];
  for (int s = 0; s < r->n_structure; s++)
    if (app_same_file(name, r->structure[s]))
      return app_usage(command, "%s would be overwritten: it is one of the inputs", name);
  for (; *others; others++)
    if (app_same_file(name, *others))
      return app_usage(command, "%s would be overwritten: it is one of the inputs", name);
  for (int a = 0; a <= i; a++)
    for (int b = 0; b < (a < i ? MD_FILES : k); b++) {
      const char *other = j->file[a][b];
      if (!other || (strcmp(name, other) && (a < i || !app_same_file(name, other)))) continue;
      if (a == i) return app_usage(command, "%s is named for two outputs", name);
      return app_usage(command,
                       "%s is named for several runs: {structure}, {frame}, {temperature} or "
                       "{job} in it tells them apart",
                       name);
    }
  return EXIT_OK;
}

static int make_room(const char *command, const md_request *r,
                     const eqs_structures *const *structures, md_jobs *out) {
  size_t n = 0;
  for (int s = 0; s < r->n_structure; s++)
    n += r->frame ? 1 : (size_t)eqs_structures_count(structures[s]);
  n *= (size_t)(r->n_temperature ? r->n_temperature : 1);
  if (n > MD_JOBS_MOST)
    return app_usage(command, "%zu runs are too many for one process: at most %d", n, MD_JOBS_MOST);
  out->job = calloc(n, sizeof *out->job);
  out->options = calloc(n, sizeof *out->options);
  out->file = calloc(n, sizeof *out->file);
  out->structure = calloc(n, sizeof *out->structure);
  if (!out->job || !out->options || !out->file || !out->structure) return out_of_memory(command);
  return EXIT_OK;
}

int md_jobs_make(const char *command, const md_request *r, const eqs_structures *const *structures,
                 const char *const *others, md_jobs *out) {
  int n_t = r->n_temperature ? r->n_temperature : 1;
  *out = (md_jobs){.n = 0};
  int code = make_room(command, r, structures, out);
  for (int s = 0; s < r->n_structure && code == EXIT_OK; s++) {
    int from = r->frame ? r->frame - 1 : 0;
    int end = r->frame ? r->frame : eqs_structures_count(structures[s]);
    for (int f = from; f < end && code == EXIT_OK; f++)
      for (int t = 0; t < n_t && code == EXIT_OK; t++)
        code = make_one(command, r, s, f, r->n_temperature ? r->temperature[t] : r->run.temperature,
                        out);
  }
  for (int i = 0; i < out->n && code == EXIT_OK; i++) {
    out->job[i].frames = structures[out->structure[i]];
    for (int k = 0; k < MD_FILES && code == EXIT_OK; k++)
      if (out->file[i][k]) code = check_name(command, r, others, out, i, k);
  }
  return code;
}

int md_jobs_number(const md_jobs *j, int i) { return (int)(j->job[i].options - j->options) + 1; }

int md_jobs_keep(const char *command, const shard_argument *shard, md_jobs *j) {
  const int all = j->n;
  double *size = calloc((size_t)all, sizeof *size);
  char *mine = calloc((size_t)all, 1);
  int code = size && mine ? EXIT_OK : out_of_memory(command);
  for (int i = 0; code == EXIT_OK && i < all; i++) {
    eqs_systems s = {.size = sizeof s};
    if (eqs_structures_view(j->job[i].frames, j->job[i].frame, &s) == EQS_OK) size[i] = s.first[1];
  }
  if (code == EXIT_OK) code = shard_pick(command, shard, size, all, mine);
  int n = 0;
  for (int i = 0; code == EXIT_OK && i < all; i++) {
    if (!mine[i]) continue;
    j->job[n] = j->job[i];
    j->structure[n++] = j->structure[i];
  }
  if (code == EXIT_OK) j->n = n;
  free(size);
  free(mine);
  return code;
}

void md_jobs_free(md_jobs *j) {
  for (int i = 0; i < j->n_file; i++)
    for (int k = 0; k < MD_FILES; k++) free(j->file[i][k]);
  free(j->job);
  free(j->options);
  free(j->file);
  free(j->structure);
  *j = (md_jobs){.n = 0};
}
