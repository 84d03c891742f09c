/* comm_open.c -- the public handle of ranks: which transport, and the module of MPI.
 * SPDX-License-Identifier: MIT */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "core/comm.h"

#define MODULE "libequisorb_mpi.so"

/* Ranks that mpirun or srun say they have started; 1 without them. */
static int started(void) {
  static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    const char *text = getenv(names[k]);
    if (text && strtol(text, NULL, 10) > 1) return (int)strtol(text, NULL, 10);
  }
  return getenv("PMIX_RANK") && getenv("SLURM_NTASKS") ? atoi(getenv("SLURM_NTASKS")) : 1;
}

/* Beside the library, or wherever the system's loader finds it. */
static void *load(char *why, size_t n_why) {
  static const char place;
  char path[4096] = "";
  Dl_info self;
  if (dladdr(&place, &self) && self.dli_fname && strrchr(self.dli_fname, '/')) {
    int n = (int)(strrchr(self.dli_fname, '/') - self.dli_fname);
    snprintf(path, sizeof path, "%.*s/" MODULE, n, self.dli_fname);
  }
  /* parts of MPI that it loads by itself look for its symbols */
  void *module = *path ? dlopen(path, RTLD_NOW | RTLD_GLOBAL) : NULL;
  if (!module) module = dlopen(MODULE, RTLD_NOW | RTLD_GLOBAL);
  if (!module) snprintf(why, n_why, "%s", dlerror());
  return module;
}

static eqs_status open_mpi(comm **out) {
  char why[COMM_WHY] = "";
  comm_entry *entry = NULL;
  void *module = load(why, sizeof why), *symbol = module ? dlsym(module, COMM_ENTRY) : NULL;
  if (!symbol)
    EQS_FAIL(EQS_ERR_UNSUPPORTED,
             "MPI: cannot load " MODULE " (%s); it is built where CMake finds MPI, with EQS_MPI on",
             *why ? why : "it is something else");
  memcpy(&entry, &symbol, sizeof entry);
  if (entry(COMM_LAYOUT, out, why, sizeof why)) EQS_FAIL(EQS_ERR_COMM, "%s", why);
  return EQS_OK;
}

eqs_status eqs_comm_open(const char *transport, eqs_comm **out) {
  if (!out) EQS_FAIL(EQS_ERR_ARGUMENT, "eqs_comm_open: no place for the result");
  *out = NULL;
  if (!transport || !strcmp(transport, "auto")) transport = started() > 1 ? "mpi" : "self";
  if (!strcmp(transport, "self")) return comm_open_self(out);
  if (!strcmp(transport, "mpi")) return open_mpi(out);
  EQS_FAIL(EQS_ERR_ARGUMENT, "there is no transport '%s': self, mpi or auto", transport);
}

int eqs_comm_rank(const eqs_comm *c) { return c ? c->rank : 0; }
int eqs_comm_size(const eqs_comm *c) { return c ? c->size : 1; }

void eqs_comm_fail(eqs_comm *c, const char *why) {
  if (!c) return;
  if (why) status_fail(EQS_ERR_COMM, "%s", why);
  (void)comm_fail(c, EQS_ERR_COMM);
}

void eqs_comm_close(eqs_comm **c) {
  if (!c || !*c) return;
  (*c)->ops->close(*c);
  *c = NULL;
}
