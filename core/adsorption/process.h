/* process.h -- what isotherms are worth in a capture process: working capacity, selectivity, heat.
 *
 * CO2 is taken up from a feed at one temperature and given off into pure CO2 at another temperature
 * or pressure: dn = n(feed) - n(pure CO2 at T_des, p_des), which may be negative. The feed's other
 * gases compete by ideal adsorbed solution theory where their isotherms are known.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_PROCESS_H
#define EQS_PROCESS_H

#include "core/adsorption/isotherm.h"

typedef struct process {
  const char *name;
  double t_ads, co2, n2; /* K; partial pressures of the feed, Pa */
  double humidity;       /* relative, 0 .. 1, counted only if the isotherm of water is known */
  double t_des, p_des;   /* K, Pa of pure CO2 */
} process;

/* VSA: 298.15 K, 0.15 bar CO2 in 0.85 bar N2, to 0.05 bar; TSA: the same feed, to 393.15 K and
 * 1 bar; DAC: 40 Pa (400 ppm) in 0.79 bar N2 at half the humidity of saturation, to 373.15 K and
 * 0.1 bar. */
enum { PROCESSES = 3 };
extern const process processes[PROCESSES];

typedef struct process_gases {
  const isotherm *co2, *n2, *h2o; /* the last two may be NULL */
  double heat_capacity;           /* of the sorbent, J/kg/K */
} process_gases;

typedef struct process_result {           /* NAN: the isotherms do not say */
  double adsorbed, desorbed, working;     /* mol/kg of CO2, pure CO2 alone in the feed */
  double mixed, mixed_working;            /* the same in competition */
  double selectivity_n2, selectivity_h2o; /* (n1/n2)/(p1/p2) in the feed */
  double heat;                            /* isosteric, kJ/mol, mean of both ends */
  double regeneration; /* kJ per mol CO2: heat + c (T_des - T_ads) / dn; NAN unless dn > 0 */
} process_result;

/* 1 if the isotherm says something at this temperature: it was measured there, or has heats. */
int process_reaches(const isotherm *m, double temperature);
eqs_status process_evaluate(const process *p, const process_gases *gases,
                            process_result *out) EQS_CHECK;

/* Vapour pressure of water, Pa, 273.16 to 647.096 K: Wagner and Pruss, J. Phys. Chem. Ref. Data 22,
 * 783 (1993). */
double process_water_pressure(double temperature);

#endif
