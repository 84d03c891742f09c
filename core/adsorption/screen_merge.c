/* screen_merge.c -- many stores of a screening become one.
 *
 * A store may hold rows of several settings, and one that was killed, or whose frameworks all ended
 * early, has fewer of them; so settings agree if, of each stage, the conditions of every store are
 * among those of the store that has the most. Which of two rows of one key stays depends on the
 * rows alone, not on the order of the stores.
 *
 * SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/status.h"
#include "io/store.h"

enum { CONDITION = sizeof((screen_record *)0)->condition, CONDITIONS = 4096, STAGES = 4 };

static const char *const stages[STAGES] = {"stage=pores ", "stage=classical ", "stage=model ",
                                           "stage=isotherm "};

/* The conditions of a store, in bytes' order. */
typedef struct settings {
  const char *name;
  int n;
  char (*text)[CONDITION]; /* [n] */
} settings;

/* ---- settings */

static eqs_status read_settings(store *s, settings *out) {
  for (;;) {
    char text[CONDITION];
    int found;
    EQS_TRY(store_next_condition(s, text, sizeof text, &found));
    if (!found) return EQS_OK;
    if (out->n == CONDITIONS)
      EQS_FAIL(EQS_ERR_FORMAT, "%s has rows of more than %d different settings", out->name,
               CONDITIONS);
    char(*more)[CONDITION] = realloc(out->text, ((size_t)out->n + 1) * sizeof *more);
    if (!more) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the settings of %s", out->name);
    out->text = more;
    memcpy(more[out->n++], text, sizeof text);
  }
}

static int is_of(const char *condition, int stage) {
  return strncmp(condition, stages[stage], strlen(stages[stage])) == 0;
}

static int count_of(const settings *s, int stage) {
  int n = 0;
  for (int k = 0; k < s->n; k++) n += is_of(s->text[k], stage);
  return n;
}

static int has(const settings *s, const char *condition) {
  for (int k = 0; k < s->n; k++)
    if (strcmp(s->text[k], condition) == 0) return 1;
  return 0;
}

/* The first word in which a condition differs from one of the other store. */
static eqs_status differ(const settings *a, const char *condition, const settings *b, int stage) {
  const char *x = condition, *y = "";
  for (int k = b->n - 1; k >= 0; k--)
    if (is_of(b->text[k], stage)) y = b->text[k];
  size_t n = 0, from = 0;
  for (; x[n] && x[n] == y[n]; n++)
    if (x[n] == ' ') from = n + 1;
  EQS_FAIL(EQS_ERR_ARGUMENT,
           "%s and %s have different settings: %.*s there, %.*s here (%.*s); merge what was run "
           "with the same, or say --mixed to have all in one store",
           b->name, a->name, (int)strcspn(y + from, " "), y + from, (int)strcspn(x + from, " "),
           x + from, (int)strcspn(x, " "), x);
}

static eqs_status check_settings(const settings *s, int n) {
  for (int stage = 0; stage < STAGES; stage++) {
    const settings *most = &s[0];
    for (int k = 1; k < n; k++)
      if (count_of(&s[k], stage) > count_of(most, stage)) most = &s[k];
    for (int k = 0; k < n; k++)
      for (int j = 0; j < s[k].n; j++)
        if (is_of(s[k].text[j], stage) && !has(most, s[k].text[j]))
          return differ(&s[k], s[k].text[j], most, stage);
  }
  return EQS_OK;
}

static eqs_status settings_of(const char *path, settings *out) {
  store *s = NULL;
  out->name = path;
  EQS_TRY(store_open_source(path, &s));
  eqs_status status = read_settings(s, out);
  store_close(&s);
  return status;
}

static eqs_status same_settings(const char *out, const char *const *paths, int n) {
  settings *s = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY(alloc_array(&s, (size_t)n + 1, sizeof *s, "settings"));
  for (int k = 0; k <= n && status == EQS_OK; k++)
    status = settings_of(k < n ? paths[k] : out, &s[k]);
  if (status == EQS_OK) status = check_settings(s, n + 1);
  for (int k = 0; k <= n; k++) free(s[k].text);
  free(s);
  return status;
}

/* ---- rows */

/* Whether a row takes the place of one with its key. */
static int is_better(const screen_record *row, const screen_record *old) {
  int ok = row->error == EQS_OK, was = old->error == EQS_OK;
  return ok != was ? ok : strcmp(row->path, old->path) < 0;
}

static eqs_status take_row(store *to, const char *name, screen_record *row, screen_record *old,
                           eqs_merge_counts *counts) {
  int found;
  if (!row->file_sha256[0] || !row->condition[0] || row->frame < 0 || row->n_frame < 0)
    EQS_FAIL(EQS_ERR_FORMAT, "%s: row %lld does not say what it is of", name, (long long)row->id);
  EQS_TRY(store_find(to, row->file_sha256, row->frame, row->condition, old, &found));
  int better = found && is_better(row, old);
  counts->n_new += !found;
  counts->n_better += better;
  counts->n_known += found && !better;
  return found && !better ? EQS_OK : store_put(to, row);
}

static eqs_status take_rows(store *to, const char *path, screen_record row[2],
                            eqs_merge_counts *counts) {
  store *from = NULL;
  int found = 1;
  EQS_TRY(store_open_source(path, &from));
  eqs_status status = store_begin(to);
  if (status == EQS_OK) {
    while (status == EQS_OK && found) {
      status = store_next(from, row, &found);
      if (status == EQS_OK && found) status = take_row(to, path, row, row + 1, counts);
    }
    if (status == EQS_OK) status = store_commit(to);
    if (status != EQS_OK) store_rollback(to);
  }
  store_close(&from);
  return status;
}

/* ---- the whole */

/* Files NAME.*.part beside it: rows that are begun. */
static int unfinished(const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  size_t n = strlen(name), end;
  char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
  DIR *dir = folder ? opendir(folder) : NULL;
  int count = 0;
  for (struct dirent *e; dir && (e = readdir(dir));) {
    end = strlen(e->d_name);
    count += end > n + 6 && strncmp(e->d_name, name, n) == 0 && e->d_name[n] == '.' &&
             strcmp(e->d_name + end - 5, ".part") == 0;
  }
  if (dir) closedir(dir);
  free(folder);
  return count;
}

static eqs_status check_paths(const char *out, const char *const *stores, int n) {
  struct stat a, b;
  if (!out || n < 0 || (n && !stores))
    EQS_FAIL(EQS_ERR_ARGUMENT, "merging needs a store to write and stores to read");
  for (int k = 0; k < n; k++) {
    if (stat(stores[k], &b)) EQS_FAIL(EQS_ERR_FILE, "%s: there is no such store", stores[k]);
    if (!stat(out, &a) && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
      EQS_FAIL(EQS_ERR_ARGUMENT, "%s is the store to write, and among those to read", stores[k]);
  }
  return EQS_OK;
}

eqs_status eqs_screen_merge(const char *out, const char *const *stores, int n,
                            const eqs_merge_options *options, eqs_merge_watch watch, void *user,
                            eqs_merge_counts *counts) {
  eqs_merge_options o = {.size = sizeof o};
  eqs_merge_counts c = {.size = sizeof c};
  if (options) memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
  if (counts && counts->size > sizeof c)
    EQS_FAIL(EQS_ERR_ARGUMENT, "counts->size is not set, or from a newer library");
  EQS_TRY(check_paths(out, stores, n));
  store *to = NULL;
  screen_record *row = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(store_open(out, &to));
  EQS_TRY_DONE(alloc_array(&row, 2, sizeof *row, "results"));
  if (!o.mixed) EQS_TRY_DONE(same_settings(out, stores, n));
  for (int k = 0; k < n; k++) {
    if (watch && watch(k, n, user))
      EQS_TRY_DONE(status_fail(EQS_ERR_INTERRUPTED, "stopped after %d of %d stores", k, n));
    EQS_TRY_DONE(take_rows(to, stores[k], row, &c));
    c.n_unfinished += unfinished(stores[k]);
  }
done:
  if (counts) {
    c.size = counts->size;
    memcpy(counts, &c, counts->size);
  }
  free(row);
  store_close(&to);
  return status;
}
