"""Equisorb: machine-learned force fields (MACE, SevenNet) and adsorption in porous frameworks.

Units: angstrom, eV, eV/angstrom, eV/angstrom^3 (positive under tension, as in ASE), kelvin, pascal.

    import equisorb
    model = equisorb.Model("mace.model")
    result = model.evaluate(equisorb.read("IRMOF-1.cif"))      # a batch: energy, forces, stress
    henry = equisorb.widom(model, "IRMOF-1.cif", "CO2", 298)   # Henry coefficient

    from equisorb.ase import Equisorb
    atoms.calc = Equisorb("mace.model")

SPDX-License-Identifier: MIT
"""
from ._library import Error, has, version
from .model import Evaluation, Model, Structure, read
from .sampling import Result, gcmc, pores, tmmc, widom

__version__ = version()
__all__ = ["Error", "Evaluation", "Model", "Result", "Structure", "gcmc", "has", "pores", "read",
           "tmmc", "version", "widom"]
