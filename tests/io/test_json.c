/* test_json.c -- the strict JSON reader: what RFC 8259 allows is read, nothing else is.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json.h"

/* From a copy that ends where the text does, so that the sanitizers see a read behind it. */
static eqs_status decode(const char *s, size_t n, pickle_tree *t) {
  torch_value *v = NULL;
  char *copy = malloc(n ? n : 1);
  cr_assert_not_null(copy);
  memcpy(copy, s, n);
  *t = (pickle_tree){.arena = {.limit = JSON_COST * (n + 1)}};
  eqs_status status = json_decode(copy, n, &t->arena, &v);
  free(copy);
  t->root = v;
  return status;
}

static pickle_tree good(const char *s) {
  pickle_tree t;
  cr_assert_eq(decode(s, strlen(s), &t), EQS_OK, "%s: %s", s, eqs_error());
  return t;
}

static void expect_double(const char *s, double want) {
  double x = 0;
  pickle_tree t = good(s);
  cr_assert_eq(torch_to_double(t.root, s, &x), EQS_OK);
  cr_expect_eq(x, want, "%s is read as %.17g", s, x);
  pickle_free(&t);
}

Test(json, numbers) {
  expect_double("0", 0);
  expect_double("-12", -12);
  expect_double(" 1.5e3\n", 1500);
  expect_double("5E-324", 5e-324);
  expect_double("0.1", 0.1);
  expect_double("9223372036854775807", 9223372036854775807.0);
  expect_double("9223372036854775808", 9223372036854775808.0); /* no int64 any more */
  pickle_tree t = good("9007199254740993");
  int64_t i = 0;
  cr_assert_eq(torch_to_int(t.root, "i", &i), EQS_OK);
  cr_expect_eq(i, 9007199254740993); /* which double does not have */
  pickle_free(&t);
}

static void expect_text(const char *s, const char *want) {
  const char *found = "";
  pickle_tree t = good(s);
  cr_assert_eq(torch_to_string(t.root, s, &found), EQS_OK);
  cr_expect_str_eq(found, want);
  pickle_free(&t);
}

Test(json, strings) {
  expect_text("\"\"", "");
  expect_text("\"a\\\"b\\\\c\\/\\b\\f\\n\\r\\t\"", "a\"b\\c/\b\f\n\r\t");
  expect_text("\"\\u0041\\u00e5\\u20AC\\ud83d\\ude00\"", "A\xc3\xa5\xe2\x82\xac\xf0\x9f\x98\x80");
  expect_text("\"\xc3\xa5\"", "\xc3\xa5");
}

Test(json, structure) {
  pickle_tree t = good("{\"a\": [1, [], {}, null, true, false], \"b\": {\"c\": \"d\"}}");
  cr_expect_eq(torch_value_kind(t.root), TORCH_DICT);
  cr_expect_eq(torch_length(t.root), 2);
  const torch_value *a = torch_get(t.root, "a");
  static const torch_kind kinds[] = {TORCH_INT,  TORCH_LIST, TORCH_DICT,
                                     TORCH_NONE, TORCH_BOOL, TORCH_BOOL};
  cr_assert_eq(torch_length(a), 6);
  for (size_t i = 0; i < 6; i++) cr_expect_eq(torch_value_kind(torch_item(a, i)), kinds[i]);
  int yes = 0;
  cr_assert_eq(torch_to_bool(torch_item(a, 4), "true", &yes), EQS_OK);
  cr_expect_eq(yes, 1);
  const char *d = "";
  cr_assert_eq(torch_to_string(torch_get(t.root, "b.c"), "d", &d), EQS_OK);
  cr_expect_str_eq(d, "d");
  pickle_free(&t);
}

static void expect_bad(const char *s, size_t n, const char *says) {
  pickle_tree t;
  cr_expect_eq(decode(s, n, &t), EQS_ERR_FORMAT, "%s", s);
  cr_expect(strstr(eqs_error(), says), "'%s' for %s does not say '%s'", eqs_error(), s, says);
  pickle_free(&t);
}

Test(json, refused) {
  static const char *const bad[][2] = {
      {"", "a value"},
      {"nul", "a value"},
      {"nullx", "follows"},
      {"[1,]", "a value"},
      {"[1 2]", ", or ]"},
      {"[", "a value"},
      {"{", "a key"},
      {"{1:2}", "a key"},
      {"{\"a\"}", "no :"},
      {"{\"a\":1,}", "a key"},
      {"{\"a\":1 \"b\":2}", "or }"},
      {"1 2", "follows"},
      {"01", "a number"},
      {"-", "a number"},
      {"1.", "digits"},
      {".5", "a value"},
      {"1e", "exponent"},
      {"+1", "a value"},
      {"NaN", "a value"},
      {"Infinity", "a value"},
      {"1e999", "range"},
      {"-1e999", "range"},
      {"\"a", "without an end"},
      {"\"a\\", "without an end"},
      {"\"\\x\"", "an escape"},
      {"\"\\u12g4\"", "hexadecimal"},
      {"\"\\u12\"", "hexadecimal"},
      {"\"\\ud800\"", "surrogate"},
      {"\"\\udc00\"", "surrogate"},
      {"\"\\ud800\\u0041\"", "surrogate"},
      {"\"\\u0000\"", "zero"},
      {"\"\t\"", "control"},
      {"\"\xff\"", "UTF-8"},
      {"\"\xc3\"", "UTF-8"},
      {"\"\xc0\x80\"", "UTF-8"},
      {"// a\n1", "a value"},
      {"{\"a\":1,\"b\":2,\"a\":3}", "'a' stands twice"},
      {"{\"a\":1,\"\\u0061\":3}", "'a' stands twice"},
      {"1111111111111111111111111111111111111111111111111111111111111111", "63"}};
  for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
    expect_bad(bad[k][0], strlen(bad[k][0]), bad[k][1]);
  expect_bad("\"a\0b\"", 5, "control");
}

/* Deep nesting is refused before the stack feels it; the limit itself is not. */
Test(json, depth) {
  enum { MANY = 100000 };
  char *s = malloc(MANY);
  cr_assert_not_null(s);
  memset(s, '[', MANY);
  expect_bad(s, MANY, "too deep");
  memset(s + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
  pickle_tree t;
  cr_expect_eq(decode(s, (size_t)2 * JSON_DEPTH_MAX, &t), EQS_OK, "%s", eqs_error());
  pickle_free(&t);
  free(s);
}

/* The cost per byte that callers reckon with holds for what is most expensive. */
Test(json, memory) {
  enum { TEXT = 60000 };
  static const char *const unit[] = {"1,", "[],", "\"\",", "[1],", "{\"\":1},"};
  for (size_t k = 0; k < sizeof unit / sizeof *unit; k++) {
    size_t n = strlen(unit[k]), at = 1;
    char *s = malloc(TEXT + 16);
    cr_assert_not_null(s);
    s[0] = '[';
    for (; at + n < TEXT; at += n) memcpy(s + at, unit[k], n);
    s[at - 1] = ']';
    pickle_tree t;
    cr_expect_eq(decode(s, at, &t), EQS_OK, "%s: %s", unit[k], eqs_error());
    cr_expect_leq(t.arena.total, JSON_COST * at);
    pickle_free(&t);
    free(s);
  }
}
