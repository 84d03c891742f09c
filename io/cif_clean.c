/* cif_clean.c -- makes strict CIF of the text that programs write and strict parsers refuse.
 *
 * Works line by line and keeps the data headers and those items and loops that carry a wanted tag
 * (cif_tag_find); all else becomes an empty line, so line numbers stay. What it mends: no data_
 * header, broken quotes in what is not kept, operators and names with blanks but without quotes.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "io/cif_parts.h"

typedef struct cleaner {
  char *out;
  size_t used, capacity;
  const char *name; /* for the header that is missing */
  int header;       /* a data_ line was seen or written */
  enum { OUTSIDE, IN_TAGS, IN_VALUES, IN_ITEM } state;
  int keep;      /* the loop or item at hand */
  int operators; /* tags of the loop if it lists operators, else 0 */
  int n_tag;
  int in_text;    /* inside a text field that began with ; */
  size_t pending; /* where the output of the loop's header lines began */
} cleaner;

static eqs_status put(cleaner *c, const char *text, size_t n) {
  if (c->used + n + 1 > c->capacity) {
    size_t capacity = 2 * (c->used + n + 1);
    char *grown = realloc(c->out, capacity);
    if (!grown) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu bytes of CIF", capacity);
    c->out = grown;
    c->capacity = capacity;
  }
  memcpy(c->out + c->used, text, n);
  c->used += n;
  c->out[c->used] = 0;
  return EQS_OK;
}

static int blank(char c) { return c == ' ' || c == '\t'; }

static int starts(const char *s, size_t n, const char *word) {
  return n >= strlen(word) && strncasecmp(s, word, strlen(word)) == 0;
}

static size_t token(const char *s, size_t n) {
  size_t k = 0;
  while (k < n && !blank(s[k])) k++;
  return k;
}

static size_t skip(const char *s, size_t n, size_t k) {
  while (k < n && blank(s[k])) k++;
  return k;
}

static eqs_status need_header(cleaner *c) {
  if (c->header) return EQS_OK;
  c->header = 1;
  EQS_TRY(put(c, "data_", 5));
  for (const char *p = c->name; *p; p++)
    if (*p > ' ' && *p <= '~') EQS_TRY(put(c, p, 1));
  return put(c, " ", 1);
}

/* Turns the printed header lines of an unwanted loop into empty ones. */
static void forget(cleaner *c) {
  for (size_t k = c->pending; k < c->used; k++)
    if (c->out[k] != '\n') c->out[k] = ' ';
}

static void end_loop(cleaner *c) {
  if ((c->state == IN_TAGS || c->state == IN_VALUES) && !c->keep) forget(c);
  c->state = OUTSIDE;
}

/* Tags at the start of a line of a loop's header; what follows them on the line are values. */
static size_t loop_tags(cleaner *c, const char *s, size_t n) {
  size_t k = skip(s, n, 0);
  while (k < n && s[k] == '_') {
    size_t length = token(s + k, n - k);
    int tag = cif_tag_find(s + k, length);
    c->n_tag++;
    if (tag >= 0) c->keep = 1;
    if (tag == CIF_OPERATOR) c->operators = 1;
    k = skip(s, n, k + length);
  }
  return k;
}

/* A value line of the operators' loop: "3 -x, y+1/2, -z" gets its quotes. */
static eqs_status operator_line(cleaner *c, const char *s, size_t n) {
  size_t k = skip(s, n, 0);
  while (n > k && blank(s[n - 1])) n--;
  if (memchr(s, '\'', n) || memchr(s, '"', n) || !memchr(s, ',', n)) return put(c, s, n);
  if (c->n_tag == 2) {
    size_t length = token(s + k, n - k);
    if (strspn(s + k, "0123456789") == length) {
      EQS_TRY(put(c, s, k + length));
      EQS_TRY(put(c, " ", 1));
      k = skip(s, n, k + length);
    }
  }
  EQS_TRY(put(c, "'", 1));
  EQS_TRY(put(c, s + k, n - k));
  return put(c, "'", 1);
}

/* A single item; of several words without quotes ("P 1", "x, y, z") one value is made. */
static eqs_status start_item(cleaner *c, const char *s, size_t n) {
  size_t tag_end = token(s, n), value = skip(s, n, tag_end);
  int tag = cif_tag_find(s, tag_end);
  end_loop(c);
  c->state = IN_ITEM;
  c->keep = tag >= 0;
  if (!c->keep) return EQS_OK;
  EQS_TRY(need_header(c));
  while (n > value && blank(s[n - 1])) n--;
  int words = value + token(s + value, n - value) < n && !memchr(s + value, '#', n - value);
  int text = tag == CIF_NAME_HM || tag == CIF_NAME_HALL || tag == CIF_OPERATOR;
  if (!words || !text || s[value] == '\'' || s[value] == '"') return put(c, s, n);
  EQS_TRY(put(c, s, value));
  EQS_TRY(put(c, "\"", 1));
  EQS_TRY(put(c, s + value, n - value));
  return put(c, "\"", 1);
}

static eqs_status start_loop(cleaner *c, const char *s, size_t n) {
  end_loop(c);
  EQS_TRY(need_header(c));
  c->state = IN_TAGS;
  c->keep = c->operators = c->n_tag = 0;
  c->pending = c->used;
  if (loop_tags(c, s + 5, n - 5) < n - 5) c->state = IN_VALUES;
  return put(c, s, n);
}

/* One line without its end; s starts at the first character that is not blank. */
static eqs_status line(cleaner *c, const char *s, size_t n) {
  if (n == 0 || s[0] == '#') return EQS_OK;
  if (starts(s, n, "data_")) {
    end_loop(c);
    c->header = 1;
    return put(c, s, token(s, n));
  }
  if (starts(s, n, "loop_")) return start_loop(c, s, n);
  if (s[0] == '_' && c->state == IN_TAGS) {
    if (loop_tags(c, s, n) < n) c->state = IN_VALUES;
    return put(c, s, n);
  }
  if (s[0] == '_') return start_item(c, s, n);
  if (c->state == IN_TAGS) {
    if (!c->keep) forget(c);
    c->state = IN_VALUES;
  }
  if (c->state == OUTSIDE || !c->keep) return EQS_OK;
  if (c->state == IN_VALUES && c->operators) return operator_line(c, s, n);
  return put(c, s, n);
}

static eqs_status text_line(cleaner *c, const char *s, size_t n) {
  int fence = n > 0 && s[0] == ';';
  int inside = c->in_text;
  if (fence) c->in_text = !c->in_text;
  if (!inside && !fence) {
    size_t k = skip(s, n, 0);
    return line(c, s + k, n - k);
  }
  if (c->state == IN_TAGS) c->state = IN_VALUES;
  if (c->state == OUTSIDE || !c->keep) return EQS_OK;
  return put(c, s, n);
}

eqs_status cif_clean(const char *text, size_t n, const char *name, char **out, size_t *n_out) {
  cleaner c = {.name = name};
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(put(&c, "", 0));
  for (size_t begin = 0; begin < n;) {
    const char *end = memchr(text + begin, '\n', n - begin);
    size_t length = end ? (size_t)(end - text) - begin : n - begin;
    EQS_TRY_DONE(text_line(&c, text + begin, length));
    EQS_TRY_DONE(put(&c, "\n", 1));
    begin += length + 1;
  }
  end_loop(&c);
  *out = c.out;
  *n_out = c.used;
  return EQS_OK;
done:
  free(c.out);
  return status;
}
