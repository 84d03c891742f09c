/* reservoir.c -- see reservoir.h.
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/reservoir.h"

#include "core/adsorption/random.h"

#include <math.h>

#define KEY_RESERVOIR 0x5245534552564F00u

void reservoir_start(reservoir *r, uint64_t seed, uint32_t stream) {
  *r = (reservoir){.seed = seed, .stream = stream};
  log_sum_start(&r->total);
}

void reservoir_add(reservoir *r, int64_t index, int64_t draw, double ln_weight, const pose *p,
                   double u) {
  double chance[RESERVOIR_PLACES];
  if (!(ln_weight > -INFINITY)) return;
  log_sum_add(&r->total, ln_weight);
  double share = exp(ln_weight - log_sum_value(&r->total));
  random_uniform(r->seed ^ KEY_RESERVOIR, r->stream, (uint64_t)draw, RESERVOIR_PLACES, chance);
  for (int k = 0; k < RESERVOIR_PLACES; k++)
    if (!r->n || chance[k] < share) r->place[k] = (reservoir_place){index, *p, u};
  r->n = RESERVOIR_PLACES;
}

member_spread member_spread_of(int n, const double *u, int members, const double *du, double kt) {
  member_spread out = {0, 0};
  double mean = 0;
  for (int i = 0; i < n; i++) mean += u[i] / n;
  for (int m = 0; m < members; m++) {
    double least = INFINITY, weight = 0, energy = 0;
    for (int i = 0; i < n; i++) least = fmin(least, du[i * members + m]);
    for (int i = 0; i < n; i++) {
      double d = du[i * members + m], w = exp((least - d) / kt);
      weight += w;
      energy += w * (u[i] - mean + d);
    }
    double ln_henry = log(weight / n) - least / kt;
    out.ln_henry += ln_henry * ln_henry / members;
    out.energy += energy / weight * (energy / weight) / members;
  }
  out.ln_henry = n ? sqrt(out.ln_henry) : NAN;
  out.energy = n ? sqrt(out.energy) : NAN;
  return out;
}
