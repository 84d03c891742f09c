/* locale_c.h -- numbers in files and messages have a point, whatever locale the program has set.
 *
 * LOCALE_C(); as a function's first declaration puts its thread into the C locale until the
 * function returns, and then back.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_LOCALE_C_H
#define EQS_LOCALE_C_H

#include <locale.h>

typedef struct locale_scope {
  locale_t c, before;
} locale_scope;

/* Out of memory: the locale stays. */
static inline locale_scope locale_enter(void) {
  locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  return (locale_scope){c, c ? uselocale(c) : (locale_t)0};
}

static inline void locale_leave(const locale_scope *s) {
  if (!s->c) return;
  uselocale(s->before);
  freelocale(s->c);
}

#define LOCALE_C()                                                                                 \
  const locale_scope locale_scope_ __attribute__((cleanup(locale_leave), unused)) = locale_enter()

#endif
