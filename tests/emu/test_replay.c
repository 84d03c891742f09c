/* Dispersion's launches as a graph: new positions and cells, the same nodes; against the host.
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <cuda_runtime_api.h>
#include <math.h>
#include <string.h>

#include "kernels/backend.h"
#include "kernels/cuda/cuda.h"
#include "kernels/emu/fake.h"
#include "potentials/dispersion_device.h"

#define CUDA(call)                                                                                 \
  do {                                                                                             \
    cudaError_t e_ = (call);                                                                       \
    cr_assert(e_ == cudaSuccess, "%s: %s", #call, cudaGetErrorString(e_));                         \
  } while (0)

enum { ATOMS = 4 };

static const int number[ATOMS] = {8, 1, 6, 8}, first[3] = {0, 3, ATOMS};
static const double position[ATOMS][3] = {
    {0.1, 0.2, 0.3}, {1.0, 0.4, 0.2}, {-0.5, 1.3, 0.9}, {0.2, 0.1, 0.0}};
static const double cell[2][9] = {{4.1, 0, 0, 0.7, 3.9, 0, -0.4, 0.6, 4.4},
                                  {3.6, 0.2, 0, 0, 3.1, 0, 0.1, 0, 3.3}};
static const int pbc[6] = {1, 1, 1, 1, 0, 1};

typedef struct answer {
  double energy[2], forces[ATOMS][3], virial[2][9];
} answer;

static void expect_near(const answer *got, const answer *want) {
  const double *x = got->energy, *y = want->energy;
  for (size_t i = 0; i < sizeof *got / sizeof *x; i++)
    cr_assert(fabs(x[i] - y[i]) <= 1e-12 * (1 + fabs(y[i])), "number %zu is %.15g, not %.15g", i,
              x[i], y[i]);
}

typedef struct replay {
  device *v;
  workspace host, there;
  dispersion_device plan;
  double (*position)[3], *energies, (*forces)[3], (*virial)[9]; /* on the device */
  int *order;
} replay;

static eqs_status open_replay(const dispersion *d, const eqs_systems *s, replay *r) {
  static const int order[ATOMS] = {0, 1, 2, 3};
  arena *a = &r->there.shared;
  EQS_TRY(backend_open("emu", &r->v));
  EQS_TRY(r->v->ops->enter(r->v));
  EQS_TRY(workspace_use_device(&r->there, r->v));
  EQS_TRY(arena_take(a, ATOMS, sizeof *r->position, &r->position));
  EQS_TRY(arena_take(a, ATOMS, sizeof *r->energies, &r->energies));
  EQS_TRY(arena_take(a, ATOMS, sizeof *r->forces, &r->forces));
  EQS_TRY(arena_take(a, ATOMS, sizeof *r->virial, &r->virial));
  EQS_TRY(arena_take(a, ATOMS, sizeof *r->order, &r->order));
  EQS_TRY(r->v->ops->put(r->v, r->order, order, sizeof order));
  return dispersion_device_open(d, backend_kernels(r->v, 1), s, &r->host.shared, a, &r->plan);
}

static cudaGraphExec_t record(const replay *r) {
  cudaStream_t stream = cuda_entered_stream();
  cudaGraph_t graph;
  cudaGraphExec_t exec;
  CUDA(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  r->v->ops->zero(r->v, r->energies, ATOMS * sizeof *r->energies);
  r->v->ops->zero(r->v, r->forces, ATOMS * sizeof *r->forces);
  r->v->ops->zero(r->v, r->virial, ATOMS * sizeof *r->virial);
  dispersion_device_queue(&r->plan, (const double(*)[3])r->position, r->order, r->energies,
                          r->forces, r->virial);
  CUDA(cudaStreamEndCapture(stream, &graph));
  CUDA(cudaGraphInstantiate(&exec, graph, 0));
  CUDA(cudaGraphDestroy(graph));
  return exec;
}

static eqs_status run_replay(replay *r, cudaGraphExec_t exec, const eqs_systems *s, answer *a) {
  double energies[ATOMS], virial[ATOMS][9];
  const device_ops *ops = r->v->ops;
  memset(a, 0, sizeof *a);
  EQS_TRY(dispersion_device_put(&r->plan, s, &r->host.shared));
  EQS_TRY(ops->put(r->v, r->position, s->position, ATOMS * sizeof *r->position));
  CUDA(cudaGraphLaunch(exec, cuda_entered_stream()));
  EQS_TRY(ops->get(r->v, energies, r->energies, sizeof energies));
  EQS_TRY(ops->get(r->v, a->forces, r->forces, sizeof a->forces));
  EQS_TRY(ops->get(r->v, virial, r->virial, sizeof virial));
  EQS_TRY(ops->finish(r->v));
  for (int i = 0; i < ATOMS; i++) {
    int k = i >= first[1];
    a->energy[k] += energies[i];
    for (int c = 0; c < 9; c++) a->virial[k][c] += virial[i][c];
  }
  return EQS_OK;
}

static eqs_status on_the_host(const dispersion *d, workspace *w, const eqs_systems *s, answer *a) {
  double energies[ATOMS] = {0};
  memset(a, 0, sizeof *a);
  arena_reset(&w->shared);
  EQS_TRY(dispersion_evaluate(d, w, s, energies, a->forces[0], a->virial[0]));
  for (int i = 0; i < ATOMS; i++) a->energy[i >= first[1]] += energies[i];
  return EQS_OK;
}

Test(replay, dispersion_is_recorded_once) {
  double x[ATOMS][3], box[2][9];
  eqs_systems s = {.size = sizeof s,
                   .n_system = 2,
                   .first = first,
                   .number = number,
                   .position = x[0],
                   .cell = box[0],
                   .pbc = pbc};
  dispersion d;
  replay r = {0};
  workspace w = {0};
  answer want, got;
  memcpy(x, position, sizeof x);
  memcpy(box, cell, sizeof box);
  cr_assert_eq(workspace_set_threads(&w, 1), EQS_OK);
  cr_assert_eq(dispersion_parse("d3bj:pbe", NULL, &d), EQS_OK);
  cr_assert_eq(open_replay(&d, &s, &r), EQS_OK, "%s", eqs_error());
  cudaGraphExec_t exec = record(&r);
  for (int step = 0; step < 3; step++) {
    cr_assert_eq(on_the_host(&d, &w, &s, &want), EQS_OK, "%s", eqs_error());
    cr_assert_eq(run_replay(&r, exec, &s, &got), EQS_OK, "%s", eqs_error());
    expect_near(&got, &want);
    for (int k = 0; k < 9; k++) box[0][k] *= 1.3; /* fewer images, and atoms that wander off */
    for (int c = 0; c < 3; c++) x[0][c] += 3.7 + c, x[3][c] -= 20;
  }
  CUDA(cudaGraphExecDestroy(exec));
  workspace_free(&r.there);
  workspace_free(&r.host);
  workspace_free(&w);
  r.v->ops->close(r.v);
  cr_assert_eq(eqs_fake_report(), 0, "things alive");
}
