/* test_checkpoint.c -- a run that was stopped and continued has the bits of one that never was.
 *
 * The toy energy is off by a little more after every move, until its total is asked for: a
 * checkpoint that forgot to compute the energy afresh in both runs would show.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/core/toy_settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char path[64]; /* tests run side by side */

static void begin(void) { snprintf(path, sizeof path, "test_checkpoint.%ld", (long)getpid()); }
static void end(void) { remove(path); }
TestSuite(checkpoint, .init = begin, .fini = end);

typedef struct stopper {
  int64_t after, seen;
} stopper;

static int stop(void *context, const cycle_progress *p) {
  stopper *s = context;
  cr_assert(p->cycle <= p->n_cycle && p->n_guest >= 0 && isfinite(p->energy));
  s->seen = p->cycle;
  return s->after && p->cycle >= s->after;
}

static toy *fluid(void) {
  toy *t = toy_open(14, 14, 14);
  t->pair = toy_lj;
  t->p[4] = 3.4;
  t->p[5] = 0.0103;
  t->p[6] = 6;
  t->drift = 1e-9;
  return t;
}

static gcmc_settings short_run(toy *t, double *cell) {
  gcmc_settings s = toy_settings(t, cell, 2e-3);
  s.chain.trials = 2;
  s.chain.lookahead = 3;
  s.chain.n_component = 2;
  s.chain.fugacity[1] = s.chain.fugacity[0] / 2;
  s.chain.weight[CHAIN_IDENTITY] = 0.1;
  s.cycles.equilibration = 60;
  s.cycles.production = 240;
  s.cycles.check_cycles = 50;
  s.chain.condition = "lj";
  return s;
}

/* Everything but the counters' padding: the numbers as text. */
static char *text_of(const gcmc_result *r) {
  static const char *const name[2] = {"a", "b"};
  char *text;
  cr_assert(gcmc_json(r, "", name, &text) == EQS_OK);
  return text;
}

static gcmc_result uninterrupted(int stage, int checkpoint) {
  double cell[9];
  toy *t = fluid(), *cheap = fluid();
  cheap->p[5] = 0.008;
  gcmc_settings s = short_run(t, cell);
  if (stage) s.chain.surrogate = &cheap->base;
  if (checkpoint) s.cycles.checkpoint = path;
  gcmc_result r = toy_run(&s);
  toy_close(t);
  toy_close(cheap);
  return r;
}

Test(checkpoint, continued_run_has_the_same_bits) {
  for (int stage = 0; stage < 2; stage++) {
    remove(path);
    gcmc_result want = uninterrupted(stage, 1), got = {0};
    remove(path);
    const int64_t stops[5] = {30, 51, 100, 177, 0}; /* within both phases; at a checkpoint */
    for (int k = 0; k < 5; k++) {
      double cell[9];
      toy *t = fluid(), *cheap = fluid();
      cheap->p[5] = 0.008;
      stopper w = {.after = stops[k]};
      gcmc_settings s = short_run(t, cell);
      s.cycles.checkpoint = path;
      s.cycles.watch = stop;
      s.cycles.context = &w;
      if (stage) s.chain.surrogate = &cheap->base;
      eqs_status status = gcmc_run(&s, &got);
      cr_assert(status == (stops[k] ? EQS_ERR_INTERRUPTED : EQS_OK), "%s", eqs_error());
      toy_close(t);
      toy_close(cheap);
    }
    char *a = text_of(&want), *b = text_of(&got);
    cr_assert_str_eq(a, b);
    cr_assert(memcmp(&want.molecules[0].mean, &got.molecules[0].mean, sizeof(double)) == 0 &&
              memcmp(&want.energy, &got.energy, sizeof got.energy) == 0 &&
              memcmp(&want.heat, &got.heat, sizeof got.heat) == 0 &&
              memcmp(&want.covariance, &got.covariance, sizeof got.covariance) == 0 &&
              memcmp(&want.final_energy, &got.final_energy, sizeof(double)) == 0);
    free(a);
    free(b);
    /* a finished run is found finished */
    gcmc_result once_more = uninterrupted(stage, 1);
    cr_assert(once_more.energy.mean == want.energy.mean && once_more.moves == want.moves);
  }
}

static unsigned char *slurp(size_t *n) {
  FILE *f = fopen(path, "rb");
  cr_assert(f);
  unsigned char *bytes = malloc(1 << 20);
  *n = fread(bytes, 1, 1 << 20, f);
  fclose(f);
  return bytes;
}

static void spill(const unsigned char *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  cr_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

static eqs_status reopen(double density) {
  double cell[9];
  toy *t = fluid();
  gcmc_result r;
  stopper w = {.after = 1};
  gcmc_settings s = short_run(t, cell);
  s.chain.fugacity[0] *= density;
  s.cycles.checkpoint = path;
  s.cycles.watch = stop;
  s.cycles.context = &w;
  eqs_status status = gcmc_run(&s, &r);
  toy_close(t);
  return status;
}

Test(checkpoint, damaged_files_are_refused) {
  remove(path);
  uninterrupted(0, 1);
  size_t n;
  unsigned char *bytes = slurp(&n);
  cr_assert(n > 300);
  cr_assert(reopen(1) == EQS_OK, "complete: nothing is left to do");
  cr_assert(reopen(2) == EQS_ERR_ARGUMENT && strstr(eqs_error(), path), "other settings");
  for (size_t at = 0; at < n; at += at < 400 ? 7 : n / 60) {
    bytes[at] ^= 0x10;
    spill(bytes, n);
    bytes[at] ^= 0x10;
    eqs_status status = reopen(1);
    cr_assert(status == EQS_ERR_FORMAT, "byte %zu: %d", at, status);
    cr_assert(strstr(eqs_error(), path), "%s", eqs_error());
  }
  for (size_t size = 0; size < n; size += size < 300 ? 13 : n / 40) {
    spill(bytes, size);
    cr_assert(reopen(1) == EQS_ERR_FORMAT, "cut at %zu", size);
  }
  unsigned char *longer = calloc(1, 64 << 20);
  memcpy(longer, bytes, n);
  spill(longer, n + 1);
  cr_assert(reopen(1) == EQS_ERR_FORMAT);
  spill(longer, 64 << 20);
  cr_assert(reopen(1) == EQS_ERR_FORMAT && strstr(eqs_error(), "longer"));
  free(longer);
  free(bytes);
}

/* Well-formed files with impossible contents: fields are overwritten, the checksum made new. */
Test(checkpoint, impossible_states_are_refused) {
  remove(path);
  uninterrupted(0, 1);
  size_t n;
  unsigned char *bytes = slurp(&n);
  enum { HEAD = 8 + 8 + 64 + 8 };
  char fingerprint[65] = {0};
  memcpy(fingerprint, bytes + 16, 64);
  int refused = 0, tried = 0;
  for (size_t at = HEAD; at + 64 + 8 <= n; at += (n - HEAD - 64) / 40 / 8 * 8) {
    const uint64_t values[4] = {0x7ff8000000000000u, UINT64_MAX, 1u << 30, 0xfff0000000000000u};
    for (int v = 0; v < 4; v++) {
      archive a = {.bytes = malloc(n), .n = n - HEAD - 64, .capacity = n};
      memcpy(a.bytes, bytes + HEAD, a.n);
      for (int k = 0; k < 8; k++)
        a.bytes[at - HEAD + (size_t)k] = (unsigned char)(values[v] >> (8 * k));
      cr_assert(checkpoint_write(path, "EQSGCMC1", fingerprint, &a) == EQS_OK);
      eqs_status status = reopen(1);
      refused += status != EQS_OK;
      tried++;
      archive_free(&a);
    }
  }
  cr_assert(tried > 150 && refused > tried / 2, "%d of %d", refused, tried);
  free(bytes);
}

Test(checkpoint, file_is_replaced_or_kept) {
  archive a = {0}, b;
  double x = 1.5, y;
  int found, i = -3, j;
  char key[65], beside[80];
  snprintf(beside, sizeof beside, "%s.tmp", path);
  archive_text(&a, "key");
  archive_fingerprint(&a, key);
  archive_free(&a);
  cr_assert(checkpoint_read("no/such/file", "EQSTEST1", key, 100, &b, &found) == EQS_OK && !found);
  archive_f64(&a, &x, 1);
  archive_int(&a, &i);
  cr_assert(checkpoint_write("no/such/folder/x", "EQSTEST1", key, &a) == EQS_ERR_FILE);
  cr_assert(checkpoint_write(path, "EQSTEST1", key, &a) == EQS_OK);
  cr_assert(access(beside, F_OK) != 0, "nothing is left beside it");
  cr_assert(checkpoint_read(path, "EQSTEST2", key, 100, &b, &found) == EQS_ERR_FORMAT);
  cr_assert(checkpoint_read(path, "EQSTEST1", key, 15, &b, &found) == EQS_ERR_FORMAT);
  cr_assert(checkpoint_read(path, "EQSTEST1", key, 16, &b, &found) == EQS_OK && found);
  archive_f64(&b, &y, 1);
  cr_assert(archive_finish(&b) == EQS_ERR_FORMAT, "something is left");
  archive_int(&b, &j);
  cr_assert(y == x && j == i && archive_finish(&b) == EQS_OK);
  archive_int(&b, &j);
  cr_assert(archive_finish(&b) == EQS_ERR_FORMAT, "read past the end");
  archive_free(&a);
  archive_free(&b);
}
