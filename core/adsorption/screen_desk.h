/* screen_desk.h -- the desk of a screening: it has the store and the list of frameworks, hands out
 * rows to be computed and takes them back; and what workers ask of it.
 *
 * The first pass takes every framework through the cheap stages, the second those that pass to the
 * model, the third the best to isotherms, best first. A pass begins when the one before is over on
 * all ranks, because it ranks what that one found. With one rank the work is in the order of the
 * files. Nothing that a worker computes depends on who has computed what before.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_SCREEN_DESK_H
#define EQS_SCREEN_DESK_H

#include "core/adsorption/screen_stages.h"

enum { SCREEN_PATH = 4096 };

typedef enum screen_ask {
  ASK_WELCOME, /* digest: whether these are the settings of rank 0 */
  ASK_WORK,
  ASK_ROW,      /* row: its key; found, and the stored row, if that one stands */
  TELL_ROW,     /* row: to be stored; the answer has its id */
  TELL_DONE,    /* the work in hand is done; row: the last one, stage, fresh */
  TELL_PROGRESS /* name, phase, done, of */
} screen_ask;

typedef enum screen_task {
  TASK_NONE,  /* there is no more */
  TASK_FRAME, /* path; of row: file_sha256 ("" = it could not be read), frame: the cheap stages */
  TASK_MODEL, /* path; row: of the stage before */
  TASK_POINT  /* the same; k: the pressure of an isotherm */
} screen_task;

typedef struct screen_question {
  screen_ask what;
  int stage, fresh; /* of TELL_DONE; fresh: some row was computed, not found */
  int64_t done, of;
  char phase[64], digest[65];
  char name[sizeof((screen_record *)0)->name];
  screen_record row;
} screen_question;

typedef struct screen_answer {
  int stop; /* whoever hears it leaves what it is doing */
  screen_task task;
  int k, found;
  char path[SCREEN_PATH];
  screen_record row;
} screen_answer;

/* A framework that has been through the first pass. */
typedef struct screen_item {
  int64_t id; /* of its last row, isotherms apart */
  int file, stage;
  int64_t frame;
  int error, fresh; /* fresh: some row was computed by this call */
  int done;         /* it got as far as it was to get */
  int points;       /* of its isotherm, that are still to come */
  double classical, henry;
  char stopped[sizeof((screen_record *)0)->stopped];
} screen_item;

struct eqs_screen_result {
  store *store;
  screen_item *item; /* [n] in the order of the files and their frames */
  size_t n, capacity;
  int64_t *point; /* [n_point] rows of isotherms; 0 = that one has none */
  size_t n_point;
};

typedef struct screen_desk screen_desk;

/* What the caller has; it stays its own. */
typedef struct screen_job {
  const screen_stages *stages;
  const char *const *paths; /* [n] */
  int n, ranks;
  eqs_screen_watch watch; /* may be NULL */
  void *user;
  eqs_screen_result *result; /* with its store */
} screen_job;

eqs_status screen_desk_open(const screen_job *job, screen_desk **out) EQS_CHECK;
void screen_desk_close(screen_desk **d);
/* For a crew; the first argument is the desk. */
eqs_status screen_desk_reply(void *desk, int rank, const void *question, void *answer,
                             int *later) EQS_CHECK;
eqs_status screen_desk_idle(void *desk) EQS_CHECK;
/* Once the crew has ended: 1 if it was stopped before everything was done. */
int screen_desk_stopped(const screen_desk *d);

/* A hash of all that rows, and the choice between them, depend on besides the files. */
void screen_settings_digest(const screen_stages *s, char digest[65]);

#endif
