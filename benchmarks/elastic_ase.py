#!/usr/bin/env python3
"""Relaxed cell and elastic constants by ASE with mace-torch behind it, to compare with

    equisorb elastic STRUCTURE --model M --precision double --force 1e-5 --stress "0.01 MPa" --json

usage: elastic_ase.py STRUCTURE MODEL [RESULT.json]   (needs ase and mace-torch; CPU, float64)

With RESULT.json, what the line above printed, the largest difference is printed in GPa.
SPDX-License-Identifier: MIT"""
import json
import sys

import numpy as np
from ase.filters import FrechetCellFilter
from ase.io import read
from ase.optimize import BFGS
from ase.units import GPa
from mace.calculators import MACECalculator

STRAIN, POINTS, FORCE = 0.005, 4, 1e-5
VOIGT = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]

atoms = read(sys.argv[1])
calculator = MACECalculator(model_paths=sys.argv[2], device="cpu", default_dtype="float64")
atoms.calc = calculator
BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=FORCE / 10, steps=2000)
print("cell", np.array2string(atoms.cell.cellpar(), precision=6), "energy", atoms.get_potential_energy())


def stress(component, e):
    """Stress with one component strained and the atoms relaxed, GPa."""
    a, b = VOIGT[component]
    deform = np.eye(3)
    deform[a, b] += e / 2
    deform[b, a] += e / 2
    moved = atoms.copy()
    moved.set_cell(atoms.cell @ deform, scale_atoms=True)
    moved.calc = calculator
    BFGS(moved, logfile=None).run(fmax=FORCE, steps=2000)
    return moved.get_stress() / GPa


steps = [STRAIN * k / (POINTS // 2) for k in range(-(POINTS // 2), POINTS // 2 + 1)]
c = np.empty((6, 6))
for j in range(6):
    y = np.array([stress(j, e) for e in steps])
    c[:, j] = [np.polyfit(steps, y[:, i], 2)[1] for i in range(6)]
np.set_printoptions(precision=4, suppress=True, linewidth=120)
print(c)
if len(sys.argv) > 3:
    other = np.array(json.load(open(sys.argv[3]))["measured"])
    print("largest difference %.3g GPa of %.5g" % (abs(c - other).max(), abs(c).max()))
