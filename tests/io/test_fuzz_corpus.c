/* test_fuzz_corpus.c -- replays the fuzzers' seeds and every input that once broke a reader.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>

#include "tests/fuzz/model.h"
#include "tests/fuzz/own_model.h"
#include "tests/fuzz/structures.h"
#include "tests/fuzz/walk.h"

/* Runs `read` on every file of tests/<folder>; gives their number. */
static int replay(const char *folder, void (*read)(const uint8_t *, size_t)) {
  char path[1024];
  snprintf(path, sizeof path, EQS_SOURCE_DIR "/tests/%s", folder);
  DIR *d = opendir(path);
  cr_assert_not_null(d, "%s", path);
  int count = 0;
  for (struct dirent *e; (e = readdir(d));) {
    if (e->d_name[0] == '.') continue;
    snprintf(path, sizeof path, EQS_SOURCE_DIR "/tests/%s/%.200s", folder, e->d_name);
    FILE *f = fopen(path, "rb");
    cr_assert_not_null(f, "%s", path);
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    uint8_t *bytes = malloc(n ? n : 1);
    cr_assert_eq(fread(bytes, 1, n, f), n);
    fclose(f);
    read(bytes, n);
    free(bytes);
    count++;
  }
  closedir(d);
  return count;
}

Test(fuzz_corpus, pickles) { cr_assert_gt(replay("fuzz/corpus/pickle", walk_pickle), 5); }

Test(fuzz_corpus, archives) { cr_assert_gt(replay("fuzz/corpus/zip", walk_archive), 3); }

Test(fuzz_corpus, cif_files) { cr_assert_gt(replay("data/cif", structures_cif), 5); }

Test(fuzz_corpus, xyz_files) { cr_assert_gt(replay("fuzz/corpus/xyz", structures_xyz), 3); }

Test(fuzz_corpus, models) { cr_assert_gt(replay("fuzz/corpus/model", model_edited), 5); }

Test(fuzz_corpus, own_models) { cr_assert_gt(replay("fuzz/corpus/safetensors", own_model), 3); }

Test(fuzz_corpus, own_models_without_edits_load) {
  for (unsigned which = 0; which < OWN_FILES; which++) {
    size_t n;
    const uint8_t *bytes = own_bytes(which, &n);
    cr_assert_eq(model_load(bytes, n), EQS_OK, "%s", eqs_error());
  }
}

Test(fuzz_corpus, models_without_edits_load) {
  for (unsigned which = 0; which < MODEL_FILES; which++) {
    size_t n;
    uint8_t *bytes = model_bytes(which, &n);
    cr_assert_eq(model_load(bytes, n), EQS_OK, "%s", eqs_error());
    free(bytes);
  }
}
