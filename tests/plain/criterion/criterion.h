/* criterion.h -- the few macros of Criterion that the tests use, for systems it is not built for:
 * cross-compiled tests under an emulator. As there, every test is a process of its own; unlike
 * there, tests run one after the other. The option EQS_PLAIN_TESTS puts this file in its place.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PLAIN_CRITERION_H
#define EQS_PLAIN_CRITERION_H

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef struct plain_options {
  int given; /* so that a list of options is never empty */
  void (*init)(void), (*fini)(void);
} plain_options;

typedef struct plain_test {
  const char *suite, *name; /* name NULL: options of the whole suite */
  void (*run)(void);
  plain_options options;
  struct plain_test *next;
} plain_test;

void plain_add(plain_test *t);
/* Prints place, text and the message; a fatal failure ends the test. */
void plain_fail(int fatal, const char *file, int line, const char *text, const char *format, ...);
void plain_skip(const char *format, ...) __attribute__((noreturn));

#define PLAIN_ADD(symbol, suite_text, name_text, function, ...)                                    \
  __attribute__((constructor)) static void symbol##_add(void) {                                    \
    static plain_test t = {                                                                        \
        .suite = suite_text, .name = name_text, .run = function, .options = {__VA_ARGS__}};        \
    plain_add(&t);                                                                                 \
  }
#define PLAIN_TEST(s, n, ...)                                                                      \
  static void s##_##n##_test(void);                                                                \
  PLAIN_ADD(s##_##n, #s, #n, s##_##n##_test, .given = 1, __VA_ARGS__)                              \
  static void s##_##n##_test(void)
#define PLAIN_SUITE(s, ...)                                                                        \
  PLAIN_ADD(s##_suite, #s, NULL, NULL, .given = 1, __VA_ARGS__)                                    \
  struct s##_suite_end
#define Test(...)      PLAIN_TEST(__VA_ARGS__, )
#define TestSuite(...) PLAIN_SUITE(__VA_ARGS__, )

/* The empty string at the end stands for the message that may be left out. */
#define PLAIN_CHECK(fatal, text, ok, ...)                                                          \
  ((ok) ? (void)0 : plain_fail(fatal, __FILE__, __LINE__, text, __VA_ARGS__))
#define PLAIN_1(fatal, a, ...)        PLAIN_CHECK(fatal, #a, a, __VA_ARGS__)
#define PLAIN_NOT(fatal, a, ...)      PLAIN_CHECK(fatal, "not " #a, !(a), __VA_ARGS__)
#define PLAIN_2(fatal, op, a, b, ...) PLAIN_CHECK(fatal, #a " " #op " " #b, (a)op(b), __VA_ARGS__)
#define PLAIN_STR(fatal, a, b, ...)   PLAIN_CHECK(fatal, #a " is " #b, !strcmp(a, b), __VA_ARGS__)
#define PLAIN_ARR(fatal, a, b, n, ...)                                                             \
  PLAIN_CHECK(fatal, #a " is " #b, !memcmp(a, b, n), __VA_ARGS__)
#define PLAIN_FLOAT(fatal, a, b, e, ...)                                                           \
  PLAIN_CHECK(fatal, #a " near " #b, fabs((double)(a) - (double)(b)) <= (double)(e), __VA_ARGS__)

#define cr_assert(...)          PLAIN_1(1, __VA_ARGS__, "")
#define cr_assert_not(...)      PLAIN_NOT(1, __VA_ARGS__, "")
#define cr_assert_null(...)     PLAIN_NOT(1, __VA_ARGS__, "")
#define cr_assert_not_null(...) PLAIN_1(1, __VA_ARGS__, "")
#define cr_assert_eq(...)       PLAIN_2(1, ==, __VA_ARGS__, "")
#define cr_assert_neq(...)      PLAIN_2(1, !=, __VA_ARGS__, "")
#define cr_assert_lt(...)       PLAIN_2(1, <, __VA_ARGS__, "")
#define cr_assert_leq(...)      PLAIN_2(1, <=, __VA_ARGS__, "")
#define cr_assert_gt(...)       PLAIN_2(1, >, __VA_ARGS__, "")
#define cr_assert_geq(...)      PLAIN_2(1, >=, __VA_ARGS__, "")
#define cr_assert_str_eq(...)   PLAIN_STR(1, __VA_ARGS__, "")
#define cr_assert_arr_eq(...)   PLAIN_ARR(1, __VA_ARGS__, "")
#define cr_assert_float_eq(...) PLAIN_FLOAT(1, __VA_ARGS__, "")
#define cr_expect(...)          PLAIN_1(0, __VA_ARGS__, "")
#define cr_expect_not(...)      PLAIN_NOT(0, __VA_ARGS__, "")
#define cr_expect_eq(...)       PLAIN_2(0, ==, __VA_ARGS__, "")
#define cr_expect_neq(...)      PLAIN_2(0, !=, __VA_ARGS__, "")
#define cr_expect_lt(...)       PLAIN_2(0, <, __VA_ARGS__, "")
#define cr_expect_leq(...)      PLAIN_2(0, <=, __VA_ARGS__, "")
#define cr_expect_gt(...)       PLAIN_2(0, >, __VA_ARGS__, "")
#define cr_expect_geq(...)      PLAIN_2(0, >=, __VA_ARGS__, "")
#define cr_expect_null(...)     PLAIN_NOT(0, __VA_ARGS__, "")
#define cr_expect_str_eq(...)   PLAIN_STR(0, __VA_ARGS__, "")
#define cr_expect_float_eq(...) PLAIN_FLOAT(0, __VA_ARGS__, "")
#define cr_skip_test(...)       plain_skip("" __VA_ARGS__)

#endif
