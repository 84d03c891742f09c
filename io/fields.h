/* fields.h -- texts and numbers as fields of CSV (RFC 4180) and JSON (RFC 8259) files.
 *
 * Call within LOCALE_C(). Errors are left in the stream.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_FIELDS_H
#define EQS_FIELDS_H

#include <stdio.h>

/* Bytes of the UTF-8 sequence at p, 0 if it is none. */
int utf8_length(const unsigned char *p);

void csv_text(FILE *f, const char *s);
void csv_number(FILE *f, double x);     /* NAN: an empty field */
void json_text(FILE *f, const char *s); /* bytes that are not UTF-8 become "?" */
void json_number(FILE *f, double x);    /* null unless finite */

#endif
