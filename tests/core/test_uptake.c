/* test_uptake.c -- uptake of CO2 by the classical model against other programs.
 *
 * IRMOF-1, 298 K, 1 and 10 bar: RASPA3 (raspalib 3.1.0) with the case's own parameters. Errors are
 * 95 % intervals of both sides.
 *
 * SPDX-License-Identifier: MIT */
#include "core/adsorption/fluid.h"
#include "core/adsorption/gcmc.h"
#include "core/neighbors.h"
#include "tests/core/reference_gas.h"

static double fugacity(double temperature, double pressure) {
  static const double one = 1;
  fluid f;
  fluid_state outside;
  cr_assert(fluid_find("CO2", &f) == EQS_OK);
  cr_assert(fluid_solve(1, &f, &one, NULL, temperature, pressure, &outside) == EQS_OK);
  return outside.fugacity[0];
}

static int cells(const reference_gas *r) {
  return r->f.replica[0] * r->f.replica[1] * r->f.replica[2];
}

static void moves_of(const reference_gas *r, double f, chain_settings *s) {
  s->cell = r->f.box.cell;
  s->temperature = r->temperature;
  s->n_component = 1;
  s->fugacity[0] = f;
  s->seed = 4;
  s->target = r->energy;
}

/* want +- error, mol/kg. */
static void check(const char *name, double pressure, int64_t cycles, double want, double error,
                  double share) {
  reference_gas r;
  gcmc_settings s;
  gcmc_result out;
  reference_gas_open(name, &r);
  gcmc_defaults(&s);
  moves_of(&r, fugacity(r.temperature, pressure), &s.chain);
  s.framework_mass = structure_mass(&r.f.box);
  s.cells = cells(&r);
  s.cycles.equilibration = cycles / 2;
  s.cycles.production = cycles;
  cr_assert(gcmc_run(&s, &out) == EQS_OK, "%s", eqs_error());
  series_value n = out.uptake[0];
  fprintf(stderr, "%s, f = %.6g Pa: %.4f +- %.4f mol/kg (want %.4f +- %.4f), Qst %.2f +- %.2f\n",
          name, s.chain.fugacity[0], n.mean, n.ci95, want, error, out.heat[0].mean,
          out.heat[0].ci95);
  cr_expect(fabs(n.mean - want) < 1.5 * hypot(n.ci95, error), "%g +- %g, not %g +- %g", n.mean,
            n.ci95, want, error);
  cr_expect(n.ci95 < share * want, "+- %g", n.ci95);
  cr_expect(!out.not_settled && out.largest_drift < 1e-6, "%g eV", out.largest_drift);
  reference_gas_close(&r);
}

/* RASPA3, 160,000 and about 170,000 moves: 4.535 +- 0.216 and 58.27 +- 3.19 molecules per cell. */
Test(uptake, irmof_1_at_1_bar) { check("case_irmof1.json", 1e5, 8000, 0.7363, 0.035, 0.08); }
Test(uptake, irmof_1_at_10_bar) { check("case_irmof1.json", 1e6, 6000, 9.461, 0.518, 0.06); }
