/* screen_uncertainty.c -- how sure the model is of a framework, by its committee.
 *
 * A sample of the poses that make up the average (reservoir.h) is evaluated as whole systems.
 * Member m's adsorption energy is the model's plus dU_m = dE_m(framework and guest) -
 * dE_m(framework) - dE_m(gas). Framework atoms unlike those of the training are what the empty box
 * shows.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/screen_stages.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/elements.h"

/* The box with room for a guest behind its atoms. */
typedef struct work {
  const henry_job *j;
  int members;
  int *number; /* [box + guest] */
  double (*position)[3];
  double *novelty;      /* [box] */
  double *host, *alone; /* [members] eV, of the empty box, of the gas */
  double *du;           /* [RESERVOIR_PLACES][members] eV */
} work;

static void free_work(work *w) {
  free(w->number);
  free(w->position);
  free(w->novelty);
  free(w->host);
  free(w->alone);
  free(w->du);
}

static eqs_status open_work(const henry_job *j, work *w) {
  const structure *box = &j->host.box;
  size_t n = (size_t)box->n, all = n + (size_t)j->molecule.n, m = (size_t)j->info.n_member;
  *w = (work){.j = j, .members = j->info.n_member};
  EQS_TRY(alloc_array(&w->number, all, sizeof *w->number, "the box"));
  EQS_TRY(alloc_array(&w->position, all, sizeof *w->position, "the box"));
  EQS_TRY(alloc_array(&w->novelty, n, sizeof *w->novelty, "the box"));
  EQS_TRY(alloc_array(&w->host, m, sizeof *w->host, "the committee"));
  EQS_TRY(alloc_array(&w->alone, m, sizeof *w->alone, "the committee"));
  EQS_TRY(alloc_array(&w->du, RESERVOIR_PLACES * m, sizeof *w->du, "the committee"));
  memcpy(w->number, box->number, n * sizeof *w->number);
  memcpy(w->number + n, j->molecule.number, (size_t)j->molecule.n * sizeof *w->number);
  memcpy(w->position, box->position, n * sizeof *w->position);
  return EQS_OK;
}

/* The members' energies of the first n atoms, periodic as the box; of the atoms behind the box
 * alone with n = 0. */
static eqs_status compute(const work *w, int n, double *committee, double *novelty) {
  const structure *box = &w->j->host.box;
  int from = n ? 0 : box->n, first[2] = {0, n ? n : w->j->molecule.n};
  const eqs_systems in = {.size = sizeof in,
                          .n_system = 1,
                          .first = first,
                          .number = w->number + from,
                          .position = w->position[from],
                          .cell = n ? box->cell : NULL,
                          .pbc = n ? box->pbc : NULL};
  eqs_result out = {.size = sizeof out, .committee = committee, .novelty = novelty};
  return eqs_compute(w->j->context, w->j->model, &in, &out);
}

static void judge_chemistry(const work *w, screen_record *r) {
  const structure *box = &w->j->host.box;
  int worst = 0;
  for (int i = 1; i < box->n; i++)
    if (w->novelty[i] > w->novelty[worst]) worst = i;
  r->novelty = w->novelty[worst];
  snprintf(r->novelty_element, sizeof r->novelty_element, "%s", element_symbol(box->number[worst]));
  snprintf(r->chemistry, sizeof r->chemistry, "%s", r->novelty > 1 ? "unknown" : "known");
  if (r->novelty > 1) record_flag(r, "unknown-chemistry");
}

/* The row of du that an earlier place with the same pose has filled; NULL if there is none. */
static const double *same_pose(const work *w, const reservoir *sample, int k) {
  for (int i = 0; i < k; i++)
    if (sample->place[i].index == sample->place[k].index)
      return w->du + (size_t)i * (size_t)w->members;
  return NULL;
}

static eqs_status compute_place(work *w, const reservoir *sample, int k, screen_record *r) {
  const henry_job *j = w->j;
  int n = j->host.box.n;
  double *du = w->du + (size_t)k * (size_t)w->members;
  const double *known = same_pose(w, sample, k);
  if (known) {
    memcpy(du, known, (size_t)w->members * sizeof *du);
    return EQS_OK;
  }
  if (henry_job_look(j, "uncertainty", k, sample->n))
    EQS_FAIL(EQS_ERR_INTERRUPTED, "stopped after %d of %d poses for the uncertainty", k, sample->n);
  pose_place(&sample->place[k].pose, &j->molecule, w->position + n);
  EQS_TRY(compute(w, n + j->molecule.n, du, NULL));
  double scale = j->options.energy == EQS_ENERGY_SUM ? j->options.scale : 1;
  for (int m = 0; m < w->members; m++) du[m] = scale * (du[m] - w->host[m] - w->alone[m]);
  r->uncertainty_poses++;
  return EQS_OK;
}

static eqs_status run(work *w, const reservoir *sample, double temperature, screen_record *r) {
  const gas *g = &w->j->molecule;
  double u[RESERVOIR_PLACES];
  memcpy(w->position + w->j->host.box.n, g->position, (size_t)g->n * sizeof *w->position);
  EQS_TRY(compute(w, 0, w->alone, NULL));
  EQS_TRY(compute(w, w->j->host.box.n, w->host, w->novelty));
  judge_chemistry(w, r);
  for (int k = 0; k < sample->n; k++) {
    EQS_TRY(compute_place(w, sample, k, r));
    u[k] = sample->place[k].u;
  }
  member_spread spread =
      member_spread_of(sample->n, u, w->members, w->du, BOLTZMANN_EV * temperature);
  r->henry_factor = exp(spread.ln_henry);
  r->qst_uncertainty = spread.energy * EV_KJ_MOL;
  return EQS_OK;
}

eqs_status screen_uncertainty(const henry_job *j, double temperature, screen_record *r) {
  work w;
  eqs_status status = open_work(j, &w);
  if (status == EQS_OK) status = run(&w, j->sample, temperature, r);
  free_work(&w);
  return status;
}
