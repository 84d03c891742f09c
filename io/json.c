/* json.c -- a strict reader of JSON for headers and configurations of model files.
 *
 * The grammar of RFC 8259 and nothing beside it. What the RFC leaves open is refused: a key twice
 * in one object, a surrogate alone, numbers beyond the range of double.
 *
 * SPDX-License-Identifier: MIT */
#include "io/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/locale_c.h"
#include "io/fields.h"

typedef struct reader {
  const unsigned char *s;
  size_t n, at;
  int depth;
  pickle_arena *arena;
} reader;

static eqs_status fault(const reader *r, const char *what) {
  EQS_FAIL(EQS_ERR_FORMAT, "byte %zu of the JSON text: %s", r->at, what);
}

static int peek(const reader *r) { return r->at < r->n ? r->s[r->at] : -1; }

static void skip_space(reader *r) {
  for (int c = peek(r); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(r)) r->at++;
}

/* ------------------------------------------------------------------------------------ strings */

static eqs_status read_hex(reader *r, unsigned *out) {
  *out = 0;
  for (int k = 0; k < 4; k++, r->at++) {
    int c = peek(r), digit = c >= '0' && c <= '9'   ? c - '0'
                             : c >= 'a' && c <= 'f' ? c - 'a' + 10
                             : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                                    : -1;
    if (digit < 0) return fault(r, "\\u wants four hexadecimal digits");
    *out = *out << 4 | (unsigned)digit;
  }
  return EQS_OK;
}

static char *put_utf8(char *to, unsigned c) {
  if (c < 0x80) {
    *to++ = (char)c;
    return to;
  }
  if (c < 0x800) {
    *to++ = (char)(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      *to++ = (char)(0xE0 | c >> 12);
    } else {
      *to++ = (char)(0xF0 | c >> 18);
      *to++ = (char)(0x80 | (c >> 12 & 63));
    }
    *to++ = (char)(0x80 | (c >> 6 & 63));
  }
  *to++ = (char)(0x80 | (c & 63));
  return to;
}

/* What follows a backslash. */
static eqs_status read_escape(reader *r, char **to) {
  static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
  unsigned c, low;
  int letter = peek(r);
  const char *known = letter > 0 ? strchr(from, letter) : NULL;
  if (known) {
    *(*to)++ = into[known - from];
    r->at++;
    return EQS_OK;
  }
  if (letter != 'u') return fault(r, "an escape that JSON does not have");
  r->at++;
  EQS_TRY(read_hex(r, &c));
  if (c >= 0xD800 && c < 0xDC00) {
    if (r->n - r->at < 2 || memcmp(r->s + r->at, "\\u", 2) != 0)
      return fault(r, "half a surrogate pair");
    r->at += 2;
    EQS_TRY(read_hex(r, &low));
    if (low < 0xDC00 || low > 0xDFFF) return fault(r, "half a surrogate pair");
    c = 0x10000 + ((c - 0xD800) << 10 | (low - 0xDC00));
  } else if (c >= 0xDC00 && c < 0xE000) {
    return fault(r, "half a surrogate pair");
  }
  if (c == 0) return fault(r, "a zero inside a string");
  *to = put_utf8(*to, c);
  return EQS_OK;
}

/* The cursor is at the opening quote. */
static eqs_status read_string(reader *r, torch_value **out) {
  size_t end = r->at + 1;
  char *text, *to;
  while (end < r->n && r->s[end] != '"') end += r->s[end] == '\\' ? 2 : 1;
  if (end >= r->n) return fault(r, "a string without an end");
  EQS_TRY(pickle_alloc(r->arena, end - r->at, 1, &text)); /* unescaped it is no longer */
  to = text;
  for (r->at++; r->at < end;) {
    const unsigned char *p = r->s + r->at;
    if (*p == '\\') {
      r->at++;
      EQS_TRY(read_escape(r, &to));
      continue;
    }
    if (*p < 0x20) return fault(r, "a control character inside a string");
    int length = utf8_length(p); /* reads no further than the quote: a zero ends it */
    if (!length) return fault(r, "text that is not UTF-8");
    memcpy(to, p, (size_t)length);
    to += length;
    r->at += (size_t)length;
  }
  r->at = end + 1;
  EQS_TRY(pickle_value(r->arena, TORCH_STRING, out));
  (*out)->u.text = (torch_text){text, (size_t)(to - text), 0};
  return EQS_OK;
}

/* ------------------------------------------------------------------------------------ numbers */

static size_t skip_digits(reader *r) {
  size_t from = r->at;
  while (peek(r) >= '0' && peek(r) <= '9') r->at++;
  return r->at - from;
}

static eqs_status read_number(reader *r, torch_value **out) {
  char text[64];
  size_t from = r->at, whole, length;
  int is_int = 1;
  if (peek(r) == '-') r->at++;
  size_t first = r->at;
  whole = skip_digits(r);
  if (!whole || (whole > 1 && r->s[first] == '0')) return fault(r, "a number is expected");
  if (peek(r) == '.') {
    is_int = 0;
    r->at++;
    if (!skip_digits(r)) return fault(r, "digits must follow the point");
  }
  if (peek(r) == 'e' || peek(r) == 'E') {
    is_int = 0;
    r->at++;
    if (peek(r) == '+' || peek(r) == '-') r->at++;
    if (!skip_digits(r)) return fault(r, "an exponent without digits");
  }
  length = r->at - from;
  if (length >= sizeof text) return fault(r, "a number of more than 63 characters");
  memcpy(text, r->s + from, length);
  text[length] = 0;
  errno = 0;
  long long i = is_int ? strtoll(text, NULL, 10) : 0;
  if (is_int && !errno) {
    EQS_TRY(pickle_value(r->arena, TORCH_INT, out));
    (*out)->u.i = (int64_t)i;
    return EQS_OK;
  }
  double x = strtod(text, NULL);
  if (!isfinite(x)) return fault(r, "a number beyond the range of double");
  EQS_TRY(pickle_value(r->arena, TORCH_FLOAT, out));
  (*out)->u.x = x;
  return EQS_OK;
}

/* ------------------------------------------------------------------------ arrays, objects, all */

static eqs_status read_value(reader *r, torch_value **out);

static int compare_keys(const void *a, const void *b) {
  const torch_value *const *x = a, *const *y = b;
  return strcmp((*x)->u.text.s, (*y)->u.text.s);
}

static eqs_status check_keys(const reader *r, const torch_value *object) {
  size_t n = object->list.n / 2, twice = 0;
  const torch_value **keys;
  if (n < 2) return EQS_OK;
  EQS_TRY(alloc_array(&keys, n, sizeof(void *), "keys of a JSON object"));
  for (size_t i = 0; i < n; i++) keys[i] = object->list.item[2 * i];
  qsort(keys, n, sizeof(void *), compare_keys);
  for (size_t i = 1; i < n && !twice; i++)
    if (!compare_keys(keys + i - 1, keys + i)) twice = i;
  const char *name = keys[twice]->u.text.s;
  free(keys);
  if (twice)
    EQS_FAIL(EQS_ERR_FORMAT,
             "byte %zu of the JSON text: the key '%.80s' stands twice in one object", r->at, name);
  return EQS_OK;
}

/* Behind an element: 1 if another follows, with the cursor on it. */
static eqs_status next(reader *r, int close, int *more) {
  skip_space(r);
  int c = peek(r);
  if (c != ',' && c != close) return fault(r, close == ']' ? "no , or ]" : "no , or }");
  r->at++;
  *more = c == ',';
  if (*more) skip_space(r);
  return EQS_OK;
}

static eqs_status read_array(reader *r, torch_value *to) {
  int more = 1;
  r->at++;
  skip_space(r);
  if (peek(r) == ']') {
    r->at++;
    return EQS_OK;
  }
  while (more) {
    torch_value *item = NULL;
    EQS_TRY(read_value(r, &item));
    EQS_TRY(pickle_append(r->arena, to, &item, 1));
    EQS_TRY(next(r, ']', &more));
  }
  return EQS_OK;
}

static eqs_status read_object(reader *r, torch_value *to) {
  int more = 1;
  r->at++;
  skip_space(r);
  if (peek(r) == '}') {
    r->at++;
    return EQS_OK;
  }
  while (more) {
    torch_value *pair[2] = {NULL, NULL};
    if (peek(r) != '"') return fault(r, "a key in quotes is expected");
    EQS_TRY(read_string(r, &pair[0]));
    skip_space(r);
    if (peek(r) != ':') return fault(r, "no : behind a key");
    r->at++;
    skip_space(r);
    EQS_TRY(read_value(r, &pair[1]));
    EQS_TRY(pickle_append(r->arena, to, pair, 2));
    EQS_TRY(next(r, '}', &more));
  }
  return check_keys(r, to);
}

static eqs_status read_word(reader *r, torch_value **out) {
  static const struct {
    char name[8];
    torch_kind kind;
    int value;
  } words[] = {{"null", TORCH_NONE, 0}, {"true", TORCH_BOOL, 1}, {"false", TORCH_BOOL, 0}};
  for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
    size_t n = strlen(words[k].name);
    if (r->n - r->at < n || memcmp(r->s + r->at, words[k].name, n) != 0) continue;
    r->at += n;
    EQS_TRY(pickle_value(r->arena, words[k].kind, out));
    (*out)->u.i = words[k].value;
    return EQS_OK;
  }
  return fault(r, "a value is expected");
}

static eqs_status read_value(reader *r, torch_value **out) {
  int c = peek(r);
  if (c == '"') return read_string(r, out);
  if (c == '-' || (c >= '0' && c <= '9')) return read_number(r, out);
  if (c != '[' && c != '{') return read_word(r, out);
  if (++r->depth > JSON_DEPTH_MAX) return fault(r, "values are nested too deep");
  EQS_TRY(pickle_value(r->arena, c == '[' ? TORCH_LIST : TORCH_DICT, out));
  EQS_TRY(c == '[' ? read_array(r, *out) : read_object(r, *out));
  r->depth--;
  return EQS_OK;
}

eqs_status json_decode(const char *s, size_t n, pickle_arena *arena, torch_value **out) {
  LOCALE_C();
  reader r = {.s = (const unsigned char *)s, .n = n, .arena = arena};
  *out = NULL;
  skip_space(&r);
  EQS_TRY(read_value(&r, out));
  skip_space(&r);
  return r.at == r.n ? EQS_OK : fault(&r, "something follows the value");
}
