"""A crystal by ASE: relaxes atoms and cell, then fits an equation of state to energies at seven
volumes and prints lattice constants (angstrom), energy (eV) and bulk modulus (GPa).

usage: equation_of_state.py MODEL STRUCTURE
example: equation_of_state.py data/SevenNet-0.pth tests/data/cif/periclase.cif
SPDX-License-Identifier: MIT
"""
import sys

import numpy as np
from ase import Atoms
from ase.eos import EquationOfState
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS
from ase.units import GPa

import equisorb
from equisorb.ase import Equisorb


def main(model, path):
    structure = equisorb.read(path)[0]
    atoms = Atoms(structure.numbers, structure.positions, cell=structure.cell, pbc=structure.pbc)
    atoms.calc = Equisorb(model, precision="double")
    BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.005, steps=200)
    print("cell %.4f %.4f %.4f  energy %.4f eV" % (*atoms.cell.lengths(),
                                                   atoms.get_potential_energy()))
    scales = np.linspace(0.98, 1.02, 7)
    batch = []
    for scale in scales:
        batch.append(atoms.copy())
        batch[-1].set_cell(atoms.cell * scale, scale_atoms=True)
    # One call for all volumes: a batch.
    energies = atoms.calc.model.evaluate(batch, forces=False, stress=False).energy
    volume, energy, modulus = EquationOfState([a.get_volume() for a in batch], energies).fit()
    print("volume %.3f A^3  energy %.4f eV  bulk modulus %.1f GPa" % (volume, energy,
                                                                      modulus / GPa))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
