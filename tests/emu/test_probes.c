/* Faults on purpose (tests/emu/probe.cu): each has to be found, by the check that is meant to find
 * it, with the place in the message; and clean kernels must not be blamed.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

typedef struct outcome {
  int code; /* exit code, or 128 + signal */
  char text[65536];
} outcome;

static const char *order = "forward";

static outcome *run(const char *name) {
  static outcome o;
  char command[4096];
  const char *probe = getenv("EQS_EMU_PROBE");
  cr_assert(probe, "EQS_EMU_PROBE names no program: run the tests by ctest");
  snprintf(command, sizeof command,
           "ulimit -c 0; EQS_EMU_ORDER=%s ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS= "
           "TSAN_OPTIONS=exitcode=66 %s %s 2>&1",
           order, probe, name);
  FILE *f = popen(command, "r");
  cr_assert(f, "%s does not start", command);
  size_t n = fread(o.text, 1, sizeof o.text - 1, f);
  o.text[n] = 0;
  while (fgetc(f) != EOF) {}
  int status = pclose(f);
  o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return &o;
}

static void expect_fault(const char *name, const char *first, const char *second) {
  const outcome *o = run(name);
  cr_expect(o->code != 0, "%s ended well", name);
  cr_expect(strstr(o->text, first), "%s: no \"%s\" in: %s", name, first, o->text);
  cr_expect(strstr(o->text, second), "%s: no \"%s\" in: %s", name, second, o->text);
}

static void expect_clean(const char *name) {
  const outcome *o = run(name);
  cr_expect(o->code == 0, "%s: exit code %d: %s", name, o->code, o->text);
}

static int sanitizer_is(const char *name) { return !strcmp(EQS_TEST_SANITIZER, name); }

Test(probes, scheduler_names_what_cannot_go_on) {
  static const char *const faults[][3] = {
      {"diverge", "some threads left the kernel, others wait", "threads 40..63: exited"},
      {"two_barriers", "wait at different barriers", "threads 32..63: block barrier"},
      {"outside_mask", "a lane that took no part", "mask 0000ffff"},
      {"caller_outside", "whose mask leaves it out", "kernel p.kernel"},
      {"half_a_warp", "deadlock", "threads 0..15: warp collective"},
      {"two_collectives", "different warp collectives", "threads 16..31: warp collective"},
      {"much_static", "48 KiB of static shared memory", "probe.cu"}};
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    expect_fault(faults[i][0], faults[i][1], faults[i][2]);
}

Test(probes, missing_barrier_shows_in_every_order) {
  static const char *const orders[] = {"forward", "reverse", "1", "2", "3"};
  if (sanitizer_is("thread")) cr_skip_test("ThreadSanitizer ends the process first");
  for (int i = 0; i < 5; i++) {
    order = orders[i];
    const outcome *o = run("missing_barrier");
    int nan = 0;
    cr_assert(sscanf(o->text, "%d NaN", &nan) == 1, "%s", o->text);
    cr_expect(nan > 0 && nan < 64, "order %s: %d values are NaN", orders[i], nan);
    const outcome *clean = run("clean_barrier");
    cr_expect(!strncmp(clean->text, "0 NaN", 5), "order %s: %s", orders[i], clean->text);
  }
  order = "forward";
}

Test(probes, clean_kernels_are_not_blamed) {
  static const char *const clean[] = {"clean_barrier", "clean_warp",    "clean_atomics",
                                      "clean_large",   "clean_streams", "clean_late_read"};
  for (size_t i = 0; i < sizeof clean / sizeof *clean; i++) expect_clean(clean[i]);
}

Test(probes, thread_sanitizer_finds_races) {
  static const char *const races[] = {"race_other_warp", "race_shuffle",    "race_second_step",
                                      "race_half_masks", "race_plain_sum",  "race_blocks",
                                      "race_streams",    "race_early_read", "missing_barrier"};
  if (!sanitizer_is("thread")) cr_skip_test("not built with -fsanitize=thread");
  for (size_t i = 0; i < sizeof races / sizeof *races; i++)
    expect_fault(races[i], "ThreadSanitizer: data race", "probe.cu");
}

Test(probes, address_sanitizer_finds_bounds) {
  static const char *const bounds[] = {"bounds_global", "bounds_static", "bounds_dynamic",
                                       "before_start"};
  if (!sanitizer_is("address")) cr_skip_test("not built with -fsanitize=address");
  for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
    expect_fault(bounds[i], "ERROR: AddressSanitizer", "probe.cu");
}

/* Without any sanitizer: pages around an allocation are closed, and its margins compared. */
Test(probes, device_memory_is_guarded) {
  expect_fault("peek", "", "");
  expect_fault("freed_memory", "", "");
  expect_fault("bounds_global", "", "");
  expect_fault("before_start", "", "");
  cr_expect_null(strstr(run("peek")->text, "the host read"));
  if (sanitizer_is("none")) cr_expect(strstr(run("before_start")->text, "wrote -4 bytes"));
}
