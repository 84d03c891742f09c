/* comm_mpi.c -- ranks of MPI, as a module of its own that the library opens when it is asked to:
 * the library itself does not link MPI.
 *
 * A wait looks for two things: its messages, and the notice that another rank has failed, which
 * comes on a communicator of its own. After a failure rank 0 goes on alone to its end (it may have
 * a state to save), and the others wait for that before they leave MPI.
 *
 * SPDX-License-Identifier: MIT */
#include <mpi.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/comm.h"

enum { TAG_DATA = 1, TAG_FAILED, TAG_END, TAG_LAST, PIECE = 1 << 30 };

typedef struct notice {
  int status;
  char why[COMM_WHY];
} notice;

typedef struct mpi_comm {
  comm c;
  MPI_Comm data, news;
  int finalize; /* MPI was started here */
  MPI_Request *request, *told;
  size_t capacity;
  int n_begun, n_received; /* requests under way, receives first */
  notice mine;
} mpi_comm;

/* ---- waiting */

/* Ranks may share cores: first look again at once, then let others run, then sleep. */
static void rest(int64_t *looks) {
  const struct timespec moment = {.tv_nsec = 50000};
  if (++*looks < 200) return;
  if (*looks < 20000) sched_yield();
  else nanosleep(&moment, NULL);
}

/* What is under way and will never be finished. */
static void abandon(mpi_comm *m) {
  for (int k = 0; k < m->n_begun; k++) {
    if (m->request[k] == MPI_REQUEST_NULL) continue;
    if (k < m->n_received) MPI_Cancel(m->request + k);
    MPI_Request_free(m->request + k);
  }
  m->n_begun = 0;
}

/* Whether another rank has said that it failed. */
static int hear(mpi_comm *m) {
  int there = 0;
  MPI_Status from;
  notice news;
  if (MPI_Iprobe(MPI_ANY_SOURCE, TAG_FAILED, m->news, &there, &from) || !there) return 0;
  if (MPI_Recv(&news, sizeof news, MPI_BYTE, from.MPI_SOURCE, TAG_FAILED, m->news,
               MPI_STATUS_IGNORE))
    return 0;
  news.why[COMM_WHY - 1] = 0;
  if (!m->c.broken) comm_break(&m->c, 2, news.status, news.why);
  abandon(m);
  return 1;
}

static void listen(comm *c) { (void)hear((mpi_comm *)c); }

static void tell(comm *c) {
  mpi_comm *m = (mpi_comm *)c;
  abandon(m);
  m->mine.status = c->status;
  snprintf(m->mine.why, sizeof m->mine.why, "%s", c->why);
  for (int r = 0; r < c->size; r++)
    if (r != c->rank)
      MPI_Isend(&m->mine, sizeof m->mine, MPI_BYTE, r, TAG_FAILED, m->news, m->told + r);
}

static int failed(mpi_comm *m, int code) {
  char text[MPI_MAX_ERROR_STRING], why[COMM_WHY];
  int n = 0;
  if (MPI_Error_string(code, text, &n)) n = 0;
  text[n] = 0;
  snprintf(why, sizeof why, "rank %d: MPI: %.400s", m->c.rank, text);
  comm_break(&m->c, 1, EQS_ERR_COMM, why);
  tell(&m->c);
  return 1;
}

/* ---- messages */

static size_t pieces_of(int n, const comm_message *m) {
  size_t sum = 0;
  for (int k = 0; k < n; k++) sum += m[k].bytes / PIECE + 1;
  return sum;
}

static int reserve(mpi_comm *m, size_t n) {
  if (n <= m->capacity) return 0;
  MPI_Request *more = malloc(n * sizeof(MPI_Request));
  if (!more) {
    comm_break(&m->c, 1, EQS_ERR_MEMORY, "no memory for the requests of messages");
    tell(&m->c);
    return 1;
  }
  free(m->request);
  m->request = more;
  m->capacity = n;
  return 0;
}

static int start(mpi_comm *m, const comm_message *x, int incoming) {
  for (size_t at = 0; at < x->bytes; at += PIECE) {
    int size = x->bytes - at < PIECE ? (int)(x->bytes - at) : PIECE, code;
    char *data = (char *)x->data + at;
    MPI_Request *to = m->request + m->n_begun;
    if (incoming) code = MPI_Irecv(data, size, MPI_BYTE, x->rank, TAG_DATA, m->data, to);
    else code = MPI_Isend(data, size, MPI_BYTE, x->rank, TAG_DATA, m->data, to);
    if (code) return failed(m, code);
    m->n_begun++;
  }
  return 0;
}

static int begin(comm *c, int n_out, const comm_message *out, int n_in, const comm_message *in) {
  mpi_comm *m = (mpi_comm *)c;
  m->n_begun = m->n_received = 0;
  if (reserve(m, pieces_of(n_out, out) + pieces_of(n_in, in))) return 1;
  for (int k = 0; k < n_in; k++) {
    if (start(m, in + k, 1)) return 1;
    m->n_received = m->n_begun;
  }
  for (int k = 0; k < n_out; k++)
    if (start(m, out + k, 0)) return 1;
  return 0;
}

static int end(comm *c, int n_in, const comm_message *in) {
  mpi_comm *m = (mpi_comm *)c;
  int done = 0;
  int64_t looks = 0;
  (void)n_in, (void)in;
  while (m->n_begun) {
    int code = MPI_Testall(m->n_begun, m->request, &done, MPI_STATUSES_IGNORE);
    if (code) return failed(m, code);
    if (done) m->n_begun = 0;
    else if (hear(m)) return 1;
    else rest(&looks);
  }
  return 0;
}

static int arrived(comm *c, int *from) {
  mpi_comm *m = (mpi_comm *)c;
  MPI_Status status;
  int there = 0;
  if (MPI_Iprobe(MPI_ANY_SOURCE, TAG_DATA, m->data, &there, &status) || !there) return 0;
  *from = status.MPI_SOURCE;
  return 1;
}

/* ---- after a failure */

/* Whether rank 0 has said that others may go: it will receive nothing any more. */
static int at_end(mpi_comm *m) {
  int there = 0;
  return MPI_Iprobe(0, TAG_END, m->news, &there, MPI_STATUS_IGNORE) || there;
}

static int hand_in(comm *c, const void *data, size_t bytes) {
  mpi_comm *m = (mpi_comm *)c;
  for (size_t at = 0; at < bytes; at += PIECE) {
    int size = bytes - at < PIECE ? (int)(bytes - at) : PIECE, done = 0;
    int64_t looks = 0;
    MPI_Request request;
    if (MPI_Isend((const char *)data + at, size, MPI_BYTE, 0, TAG_LAST, m->news, &request))
      return 1;
    while (!done) {
      if (MPI_Test(&request, &done, MPI_STATUS_IGNORE)) return 1;
      if (!done && at_end(m)) {
        MPI_Request_free(&request);
        return 1;
      }
      rest(&looks);
    }
  }
  return 0;
}

static int collect(comm *c, int rank, void *data, size_t bytes) {
  mpi_comm *m = (mpi_comm *)c;
  for (size_t at = 0; at < bytes; at += PIECE) {
    int size = bytes - at < PIECE ? (int)(bytes - at) : PIECE, done = 0;
    int64_t looks = 0;
    MPI_Request request;
    if (MPI_Irecv((char *)data + at, size, MPI_BYTE, rank, TAG_LAST, m->news, &request)) return 1;
    while (!done) {
      if (MPI_Test(&request, &done, MPI_STATUS_IGNORE)) return 1;
      rest(&looks);
    }
  }
  return 0;
}

/* ---- the end */

/* Rank 0 tells the others that they may go. */
static void say_end(mpi_comm *m) {
  static char end;
  for (int r = 1; r < m->c.size; r++)
    MPI_Isend(&end, 1, MPI_BYTE, r, TAG_END, m->news, m->told + r);
  int done = 0;
  for (int64_t looks = 0; !done && looks < 100000; rest(&looks))
    if (MPI_Testall(m->c.size, m->told, &done, MPI_STATUSES_IGNORE)) break;
}

static void await_end(mpi_comm *m) {
  char end;
  int there = 0;
  int64_t looks = 0;
  MPI_Request request;
  if (MPI_Irecv(&end, 1, MPI_BYTE, 0, TAG_END, m->news, &request)) return;
  while (!MPI_Test(&request, &there, MPI_STATUS_IGNORE) && !there) {
    hear(m);
    rest(&looks);
  }
}

static void leave(comm *c) {
  mpi_comm *m = (mpi_comm *)c;
  int finalize = m->finalize;
  if (c->broken && c->rank) await_end(m);
  if (c->broken && !c->rank) say_end(m);
  if (!c->broken) {
    MPI_Comm_free(&m->data);
    MPI_Comm_free(&m->news);
  }
  free(m->request);
  free(m->told);
  free(m);
  if (finalize) MPI_Finalize();
}

/* ---- the start */

static int start_mpi(mpi_comm *m) {
  int there = 0, gone = 0, level = 0;
  if (MPI_Finalized(&gone) || gone || MPI_Initialized(&there)) return 1;
  if (!there && MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level)) return 1;
  m->finalize = !there;
  if (MPI_Comm_dup(MPI_COMM_WORLD, &m->data) || MPI_Comm_dup(MPI_COMM_WORLD, &m->news)) return 1;
  MPI_Comm_set_errhandler(m->data, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(m->news, MPI_ERRORS_RETURN);
  return MPI_Comm_rank(m->data, &m->c.rank) || MPI_Comm_size(m->data, &m->c.size);
}

EQS_API comm_entry equisorb_comm_open;

int equisorb_comm_open(size_t layout, comm **out, char *why, size_t n_why) {
  static const comm_ops ops = {"mpi", begin, end, tell, listen, arrived, hand_in, collect, leave};
  *out = NULL;
  if (layout != COMM_LAYOUT) {
    snprintf(why, n_why, "module and library are of different versions");
    return 1;
  }
  mpi_comm *m = calloc(1, sizeof *m);
  if (!m || start_mpi(m) || !(m->told = malloc((size_t)m->c.size * sizeof(MPI_Request)))) {
    snprintf(why, n_why, "MPI could not be started, or was ended before");
    free(m);
    return 1;
  }
  for (int r = 0; r < m->c.size; r++) m->told[r] = MPI_REQUEST_NULL;
  m->c.ops = &ops;
  *out = &m->c;
  return 0;
}
