/* serve.c -- `equisorb serve`: energies, forces and virials for a driver that speaks i-PI's socket
 * protocol (i-PI for path integrals, ASE's SocketIOCalculator, LAMMPS' fix ipi).
 *
 * The driver asks, in headers of 12 characters: STATUS (we are READY, or HAVEDATA), INIT, POSDATA
 * (cell, its inverse, positions), GETFORCE (energy, forces, virial), EXIT. Numbers are those of the
 * machine, in atomic units; cell and virial come transposed. V. Kapil et al., Comput. Phys. Commun.
 * 236, 214 (2019). The protocol tells no elements: they come from a structure file, in the driver's
 * order.
 *
 * SPDX-License-Identifier: MIT */
#include "app/options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static const char name[] = "serve";
#define BOHR    0.529177210903  /* angstrom, CODATA 2018 */
#define HARTREE 27.211386245988 /* eV */
enum { HEADER = 12, MOST_TEXT = 1 << 20 };

/* clang-format off */
static const char help_text[] =
    "usage: equisorb serve STRUCTURE --model M --socket NAME | --port P [--host H]\n"
    "\n"
    "Gives energies, forces and virials to a program that moves the atoms and speaks i-PI's\n"
    "protocol: i-PI itself (path integrals), ASE's SocketIOCalculator, LAMMPS' fix ipi. Ends when\n"
    "that program says so, or closes the connection and does not come back. Start as many as it\n"
    "can use side by side.\n"
    "\n"
    "  STRUCTURE         the atoms in the driver's order, its first frame; positions and cell are\n"
    "                    the driver's. Where this file is not periodic, the driver's cell is not\n"
    "                    used\n"
    "  --socket NAME     unix socket /tmp/ipi_NAME; a NAME with a / is the path itself\n"
    "  --host H, --port P\n"
    "                    internet socket (default host: localhost)\n"
    "  --wait S          seconds to try to connect, also after a connection that was closed\n"
    "                    (default 10; 0 = once, and not again)\n"
    "  --model M, --head H, --modal P, --precision single|double, --dispersion none|d3bj[:F],\n"
    "  --wall W, --device D, --threads N, --disorder refuse|major\n"
    "                    as for evaluate\n"
    "\n"
    "exit codes: 0 the driver ended it; 1 an error; 2 wrong usage; 130 stopped by Ctrl-C, 143 by\n"
    "SIGTERM\n"
    "\n"
    "example: equisorb serve water.xyz --model mace.model --socket water --threads 2\n";
/* clang-format on */

typedef struct arguments {
  model_arguments model;
  const char *structure, *socket, *host, *port;
  double wait;
  int help;
} arguments;

/* What one connection works on. */
typedef struct client {
  const arguments *a;
  eqs_context *context;
  eqs_model *model;
  eqs_systems system; /* numbers and pbc of the file */
  int fd, n, evaluated;
  double *x, *forces; /* [n][3] */
  double cell[9], energy, stress[9];
  long steps;
  double start;
  progress line;
} client;

/* How a connection ends: the driver said EXIT; closed it between two messages, as ASE does at its
 * end; in the middle of one; a signal; an error that has been told. */
typedef enum ending { ENDED, CLOSED, LOST, STOPPED, FAILED } ending;
enum { GOES_ON = -1 };

/* ---- bytes */

static int get(client *c, void *to, size_t n) {
  char *at = to;
  while (n) {
    ssize_t k = app_stopped() ? -1 : read(c->fd, at, n);
    if (app_stopped()) return STOPPED;
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return at == (char *)to ? CLOSED : LOST;
    at += k;
    n -= (size_t)k;
  }
  return GOES_ON;
}

static int put(client *c, const void *from, size_t n) {
  const char *at = from;
  while (n) {
    ssize_t k = send(c->fd, at, n, MSG_NOSIGNAL);
    if (app_stopped()) return STOPPED;
    if (k < 0 && errno == EINTR) continue;
    if (k <= 0) return LOST;
    at += k;
    n -= (size_t)k;
  }
  return GOES_ON;
}

static int put_header(client *c, const char *word) {
  char header[HEADER + 1];
  snprintf(header, sizeof header, "%-12s", word);
  return put(c, header, HEADER);
}

static int is(const char *header, const char *word) {
  size_t n = strlen(word);
  return !strncmp(header, word, n) && strspn(header + n, " ") == HEADER - n;
}

/* ---- the protocol */

/* The number of a replica and text that only concerns the driver. */
static int take_init(client *c) {
  int32_t replica, n;
  char text[256];
  int end = get(c, &replica, sizeof replica);
  if (end == GOES_ON) end = get(c, &n, sizeof n);
  if (end == GOES_ON && (n < 0 || n > MOST_TEXT)) {
    app_fail(name, "INIT with %d bytes of text: the driver does not speak i-PI's protocol", n);
    return FAILED;
  }
  while (end == GOES_ON && n > 0) {
    size_t part = n < (int32_t)sizeof text ? (size_t)n : sizeof text;
    end = get(c, text, part);
    n -= (int32_t)part;
  }
  return end;
}

static int evaluate(client *c) {
  eqs_result out = {
      .size = sizeof out, .energy = &c->energy, .forces = c->forces, .stress = c->stress};
  if (eqs_compute(c->context, c->model, &c->system, &out)) {
    progress_clear(&c->line);
    app_fail(name, "step %ld: %s", c->steps + 1, eqs_error());
    return FAILED;
  }
  c->evaluated = 1;
  c->steps++;
  progress_show(&c->line, "step %ld, %.3g s each", c->steps,
                (app_seconds() - c->start) / (double)c->steps);
  return GOES_ON;
}

static int take_positions(client *c) {
  double cell[9], inverse[9];
  int32_t n;
  int end = get(c, cell, sizeof cell);
  if (end == GOES_ON) end = get(c, inverse, sizeof inverse);
  if (end == GOES_ON) end = get(c, &n, sizeof n);
  if (end != GOES_ON) return end;
  if (n != c->n) {
    app_fail(name, "the driver has %d atoms, %s has %d", n, c->a->structure, c->n);
    return FAILED;
  }
  end = get(c, c->x, 3 * (size_t)n * sizeof *c->x);
  if (end != GOES_ON) return end;
  for (int i = 0; i < 3 * n; i++) c->x[i] *= BOHR;
  for (int i = 0; i < 9; i++) c->cell[3 * (i % 3) + i / 3] = cell[i] * BOHR;
  return evaluate(c);
}

static double volume(const double *m) {
  return fabs(m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) +
              m[2] * (m[3] * m[7] - m[4] * m[6]));
}

static int give_forces(client *c) {
  double energy = c->energy / HARTREE, virial[9];
  int32_t n = c->n, nothing = 0;
  if (!c->evaluated) {
    app_fail(name, "GETFORCE before any positions: the driver does not speak i-PI's protocol");
    return FAILED;
  }
  for (int i = 0; i < 3 * n; i++) c->forces[i] *= BOHR / HARTREE;
  for (int i = 0; i < 9; i++)
    virial[3 * (i % 3) + i / 3] = -c->stress[i] * volume(c->cell) / HARTREE;
  c->evaluated = 0;
  int end = put_header(c, "FORCEREADY");
  if (end == GOES_ON) end = put(c, &energy, sizeof energy);
  if (end == GOES_ON) end = put(c, &n, sizeof n);
  if (end == GOES_ON) end = put(c, c->forces, 3 * (size_t)n * sizeof *c->forces);
  if (end == GOES_ON) end = put(c, virial, sizeof virial);
  return end == GOES_ON ? put(c, &nothing, sizeof nothing) : end;
}

static ending converse(client *c) {
  int end = GOES_ON;
  c->evaluated = 0;
  while (end == GOES_ON) {
    char header[HEADER + 1] = {0};
    if ((end = get(c, header, HEADER)) != GOES_ON) return (ending)end;
    if (is(header, "STATUS")) {
      end = put_header(c, c->evaluated ? "HAVEDATA" : "READY");
    } else if (is(header, "INIT")) {
      end = take_init(c);
    } else if (is(header, "POSDATA")) {
      end = take_positions(c);
    } else if (is(header, "GETFORCE")) {
      end = give_forces(c);
    } else if (is(header, "EXIT")) {
      end = ENDED;
    } else {
      for (int i = 0; i < HEADER; i++)
        if (header[i] < ' ' || header[i] > '~') header[i] = '?';
      app_fail(name, "the driver said '%s', which is not of i-PI's protocol", header);
      end = FAILED;
    }
  }
  return end == CLOSED ? LOST : (ending)end;
}

/* ---- connecting */

static int connect_unix(const char *socket_name) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  int n = snprintf(to.sun_path, sizeof to.sun_path, "%s%s",
                   strchr(socket_name, '/') ? "" : "/tmp/ipi_", socket_name);
  if (n < 0 || (size_t)n >= sizeof to.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || !connect(fd, (const struct sockaddr *)&to, sizeof to)) return fd;
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static int connect_internet(const char *host, const char *port) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *all;
  int fd = -1, error = ENOENT, on = 1;
  if (getaddrinfo(host, port, &hints, &all)) {
    errno = error;
    return -1;
  }
  for (struct addrinfo *to = all; to && fd < 0; to = to->ai_next) {
    fd = socket(to->ai_family, to->ai_socktype, to->ai_protocol);
    if (fd >= 0 && !connect(fd, to->ai_addr, to->ai_addrlen)) break;
    error = errno;
    if (fd >= 0) close(fd);
    fd = -1;
  }
  freeaddrinfo(all);
  errno = error;
  /* A request and its answer are many small writes. */
  if (fd >= 0) (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

/* -1: nobody answered in time, errno says why. */
static int connect_driver(const arguments *a) {
  const struct timespec pause = {.tv_nsec = 50000000};
  for (double end = app_seconds() + a->wait;;) {
    int fd = a->socket ? connect_unix(a->socket) : connect_internet(a->host, a->port);
    int error = errno;
    if (fd >= 0 || app_stopped() || app_seconds() >= end) {
      errno = error;
      return fd;
    }
    nanosleep(&pause, NULL);
  }
}

static int fail_to_connect(const client *c, int broke) {
  const arguments *a = c->a;
  char where[256];
  int error = errno;
  if (a->socket) snprintf(where, sizeof where, "socket %s", a->socket);
  else snprintf(where, sizeof where, "host %s, port %s", a->host, a->port);
  return app_fail(name, "%s: %s%s", where, strerror(error),
                  broke ? "; the connection broke in the middle of a message before" : "");
}

/* A driver that closed its connection may come back for a while. */
static int run(client *c) {
  ending end = LOST;
  for (int connections = 0; end == LOST || end == CLOSED; connections++) {
    if (connections && !(c->a->wait > 0)) break;
    c->fd = connect_driver(c->a);
    if (app_stopped()) end = STOPPED;
    else if (c->fd >= 0) end = converse(c);
    else if (end == CLOSED) break;
    else return fail_to_connect(c, connections);
    if (c->fd >= 0) close(c->fd);
    progress_clear(&c->line);
  }
  if (end == LOST) return app_fail(name, "the driver closed the connection within a message");
  if (end == STOPPED) fprintf(stderr, "equisorb serve: stopped after %ld steps\n", c->steps);
  return end == ENDED || end == CLOSED ? EXIT_OK : end == STOPPED ? app_stop_code() : EXIT_FAILED;
}

/* ---- the command line */

enum { OPTION_SOCKET = OPTION_OWN, OPTION_HOST, OPTION_PORT, OPTION_WAIT };

static int option_one(arguments *a, int option, const char *text) {
  int port, code = option_model(name, option, text, &a->model);
  if (code >= 0) return code;
  switch (option) {
  case OPTION_SOCKET: a->socket = text; return EXIT_OK;
  case OPTION_HOST: a->host = text; return EXIT_OK;
  case OPTION_PORT: a->port = text; return option_int(name, "--port", text, 1, 65535, &port);
  case OPTION_WAIT: return option_double(name, "--wait", text, 0, 1e6, &a->wait);
  default: return app_usage(name, "that option is not known, or its value is missing");
  }
}

static int complete(int argc, char **argv, arguments *a) {
  if (argc - optind != 1)
    return app_usage(name, argc > optind ? "one structure at a time" : "which structure?");
  a->structure = argv[optind];
  if (!a->model.model) return app_usage(name, "--model M is missing");
  if (a->socket ? a->port || a->host : !a->port)
    return app_usage(name, "give --socket NAME, or --port P with or without --host H");
  if (!a->host) a->host = "localhost";
  return EXIT_OK;
}

static int parse(int argc, char **argv, arguments *a) {
  static const struct option table[] = {MODEL_OPTIONS,
                                        {"socket", required_argument, NULL, OPTION_SOCKET},
                                        {"host", required_argument, NULL, OPTION_HOST},
                                        {"port", required_argument, NULL, OPTION_PORT},
                                        {"wait", required_argument, NULL, OPTION_WAIT},
                                        {NULL, 0, NULL, 0}};
  int option, code;
  while ((option = getopt_long(argc, argv, "h", table, NULL)) != -1) {
    if (option == OPTION_HELP) {
      fputs(help_text, stdout);
      a->help = 1;
      return EXIT_OK;
    }
    if ((code = option_one(a, option, optarg))) return code;
  }
  return complete(argc, argv, a);
}

static int open_structure(client *c, eqs_structures **file) {
  eqs_read_options options = {.size = sizeof options, .disorder_major = c->a->model.disorder_major};
  c->system = (eqs_systems){.size = sizeof c->system};
  if (eqs_structures_read(c->a->structure, &options, file) ||
      eqs_structures_view(*file, 0, &c->system))
    return app_fail(name, "%s", eqs_error());
  c->n = c->system.first[1];
  c->x = calloc((size_t)c->n + 1, 3 * sizeof *c->x);
  c->forces = calloc((size_t)c->n + 1, 3 * sizeof *c->forces);
  if (!c->x || !c->forces) return app_fail(name, "out of memory for %d atoms", c->n);
  c->system.position = c->x;
  c->system.cell = c->cell;
  return EXIT_OK;
}

int serve_main(int argc, char **argv) {
  arguments a = {.model = {.on_device = 1}, .wait = 10};
  client c = {.a = &a};
  eqs_structures *file = NULL;
  int code = parse(argc, argv, &a);
  if (code || a.help) return code;
  app_catch_signals();
  code = open_structure(&c, &file);
  if (!code) code = model_open(name, &a.model, &c.context, &c.model);
  c.start = app_seconds();
  c.line = progress_start();
  if (!code) code = run(&c);
  free(c.x);
  free(c.forces);
  eqs_structures_free(&file);
  eqs_model_free(&c.model);
  eqs_context_free(&c.context);
  return code;
}
