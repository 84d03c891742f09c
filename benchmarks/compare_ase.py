"""Relaxation, elastic constants and phonons by ASE, once with mace-torch's own calculator and once
with Equisorb's, on the same model file in double precision; exit code 1 if they differ by more than
1e-6 (relative to the largest value).

Rock salt of two elements, eight atoms: relaxed with the cell (fixed number of L-BFGS steps, so that
both must walk the same way), its clamped-ion elastic constants from stresses at +-0.5 %, and the
phonon frequencies at 4 wave vectors from the force constants of a 2x2x2 supercell.
The environment needs mace-torch, ase and this project's package (or PYTHONPATH and
EQUISORB_LIBRARY).

usage: compare_ase.py MODEL [--elements Mg,O] [--lattice 4.2] [--steps 20]
SPDX-License-Identifier: MIT
"""
import argparse
import sys
import tempfile

import numpy as np
from ase.build import bulk
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from ase.phonons import Phonons
from ase.units import GPa

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
WAVES = [[0, 0, 0.1], [0.5, 0, 0], [0.5, 0.5, 0], [0.25, 0.1, 0.4]]


def relax(atoms, steps):
    optimizer = LBFGS(FrechetCellFilter(atoms), logfile=None)
    optimizer.run(fmax=1e-6, steps=steps)
    return np.concatenate([atoms.positions.ravel(), atoms.cell[:].ravel(),
                           [atoms.get_potential_energy()]])


def elastic(atoms, calculator):
    """C[i][j], GPa: central differences of the stress."""
    constants = np.empty((6, 6))
    for j, (a, b) in enumerate(VOIGT):
        stress = []
        for size in (5e-3, -5e-3):
            strain = np.eye(3)
            strain[a, b] += size / 2
            strain[b, a] += size / 2
            bent = atoms.copy()
            bent.set_cell(atoms.cell[:] @ strain, scale_atoms=True)
            bent.calc = calculator
            stress.append(bent.get_stress())
        constants[:, j] = (stress[0] - stress[1]) / 1e-2 / GPa
    return constants


def phonons(atoms, calculator):
    """Squared frequencies at WAVES, in ASE's units (negative where unstable)."""
    with tempfile.TemporaryDirectory() as folder:
        p = Phonons(atoms, calculator, supercell=(2, 2, 2), delta=0.01, name=folder + "/phonons")
        p.run()
        p.read(acoustic=True)
        omega = p.band_structure(WAVES)
    return np.sign(omega.real) * abs(omega) ** 2


def results(calculator, options):
    atoms = bulk("".join(options.elements), "rocksalt", a=options.lattice, cubic=True)
    atoms.positions[1] += [0.05, -0.03, 0.02]
    atoms.calc = calculator
    relaxed = relax(atoms, options.steps)
    return {"relaxed": relaxed, "elastic": elastic(atoms, calculator),
            "phonons": phonons(atoms, calculator)}


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--elements", default="Mg,O", type=lambda s: s.split(","))
    parser.add_argument("--lattice", default=4.2, type=float)
    parser.add_argument("--steps", default=20, type=int)
    options = parser.parse_args()
    from mace.calculators import MACECalculator

    from equisorb.ase import Equisorb
    theirs = results(MACECalculator(options.model, device="cpu", default_dtype="float64"), options)
    ours = results(Equisorb(options.model, precision="double", device="host"), options)
    worst = 0
    print("result,largest,largest difference,relative")
    for name, reference in theirs.items():
        scale = np.abs(reference).max()
        difference = np.abs(ours[name] - reference).max()
        worst = max(worst, difference / scale)
        print("%s,%.6g,%.2g,%.2g" % (name, scale, difference, difference / scale))
    sys.exit(int(worst > 1e-6))


if __name__ == "__main__":
    main()
