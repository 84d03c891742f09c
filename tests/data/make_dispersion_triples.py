#!/usr/bin/env python3
"""Writes tests/data/reference/dispersion/atm_NAME.json: D3(BJ)-ATM of PBE by the package dftd3 1.7.0.

usage: make_dispersion_triples.py FOLDER
Needs numpy and dftd3 (s-dftd3). Structures are made up here, elements below Z = 87 (the package has
newer numbers beyond). Small cells with cutoffs short enough that its loops over all images end soon.
SPDX-License-Identifier: MIT
"""
import json
import os
import sys

import numpy as np
from dftd3.interface import DispersionModel, RationalDampingParam

BOHR, HARTREE = 0.529177210903, 27.211386245988
PBE = dict(s6=1.0, s8=0.7875, a1=0.4289, a2=4.4407, alp=14.0)
DEFAULT, SHORT, UNEQUAL = (60.0, 40.0, 40.0), (30.0, 18.0, 25.0), (25.0, 21.5, 22.0)  # pairs, triples, CN

BENZENE = [[1.39, 0], [0.695, 1.2038], [-0.695, 1.2038], [-1.39, 0], [-0.695, -1.2038], [0.695, -1.2038]]
STRUCTURES = {
    "co2_h2o": (
        [6, 8, 8, 8, 1, 1],
        [[0, 0, 0], [1.16, 0.03, 0], [-1.16, 0, 0.02], [0.1, 2.9, 0.3], [0.8, 3.4, 0.7], [-0.6, 3.5, 0.1]],
        None,
        {"sdftd3_default": DEFAULT, "short_triples": (60.0, 6.5, 40.0)},
    ),
    "benzene_pair": (
        [6] * 12 + [1] * 12,
        [[s * x + 0.4 * h, s * y, 3.6 * h + 0.01 * i] for s in (1, 1.78) for h in (0, 1) for i, (x, y) in enumerate(BENZENE)],
        None,
        {"sdftd3_default": DEFAULT},
    ),
    "heavy_cluster": (
        [79, 50, 30, 53, 16, 36, 3, 86],
        [[0, 0, 0], [2.9, 0.2, 0], [0.3, 2.8, 0.4], [2.7, 2.9, 1.1], [1.2, 1.1, 2.6], [4.9, 1.7, 2.8], [0.1, 0.4, 5.2],
         [4.1, 5.6, 4.4]],
        None,
        {"sdftd3_default": DEFAULT},
    ),
    "one_atom_cell": (
        [18],
        [[0.3, 0.2, 0.1]],
        ([[4.1, 0.2, -0.1], [0.3, 4.4, 0.5], [-0.6, 0.7, 4.9]], [True, True, True]),
        {"short": SHORT, "unequal": UNEQUAL},
    ),
    "triclinic": (
        [20, 8, 6, 30, 1],
        [[0.1, 0.2, 0.3], [2.1, 0.5, 0.9], [1.3, 2.2, 1.1], [3.4, 3.1, 3.3], [1.0, 3.6, 3.0]],
        ([[5.1, 0.2, -0.3], [0.8, 5.4, 0.4], [-0.5, 1.1, 5.9]], [True, True, True]),
        {"short": SHORT},
    ),
    "slab": (
        [12, 8, 6, 1],
        [[0, 0, 0], [1.9, 0.3, 0.4], [0.4, 2.0, 1.6], [0.2, 2.1, 2.7]],
        ([[4.2, 0.1, 0], [0.6, 4.5, 0], [0, 0, 20]], [True, True, False]),
        {"short": SHORT, "unequal": UNEQUAL},
    ),
}


def calculate(numbers, positions, cell, pbc, cutoffs):
    lattice = None if cell is None else np.array(cell) / BOHR
    model = DispersionModel(np.array(numbers), np.array(positions, float) / BOHR, lattice, pbc)
    model.set_realspace_cutoff(disp2=cutoffs[0], disp3=cutoffs[1], cn=cutoffs[2])
    out = model.get_dispersion(RationalDampingParam(s9=1.0, **PBE), grad=True)
    pairs = model.get_dispersion(RationalDampingParam(s9=0.0, **PBE), grad=False)
    answer = {
        "cutoff_disp2_bohr": cutoffs[0],
        "cutoff_disp3_bohr": cutoffs[1],
        "cutoff_cn_bohr": cutoffs[2],
        "three_body": True,
        "energy": out["energy"] * HARTREE,
        "energy_without": pairs["energy"] * HARTREE,
        "forces": (-out["gradient"] * HARTREE / BOHR).tolist(),
    }
    if cell is not None:
        w = out["virial"] * HARTREE / abs(np.linalg.det(cell))
        assert np.allclose(w, w.T, atol=1e-13)
        answer["stress"] = [w[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))]
    return answer


def main():
    for name, (numbers, positions, periodic, settings) in STRUCTURES.items():
        cell, pbc = periodic or (None, None)
        case = {
            "name": "atm_" + name,
            "numbers": numbers,
            "positions": np.array(positions, float).tolist(),
            "cell": np.zeros((3, 3)).tolist() if cell is None else np.array(cell, float).tolist(),
            "pbc": pbc or [False] * 3,
            "d3bj_atm_pbe": {
                key: calculate(numbers, positions, cell, None if pbc is None else np.array(pbc), cutoffs)
                for key, cutoffs in settings.items()
            },
        }
        with open(os.path.join(sys.argv[1], f"atm_{name}.json"), "w") as f:
            json.dump(case, f)
            f.write("\n")
        print(name, {k: (v["energy"], v["energy"] - v["energy_without"]) for k, v in case["d3bj_atm_pbe"].items()})


main()
