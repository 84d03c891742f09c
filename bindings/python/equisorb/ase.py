"""Calculator for ASE, the Atomic Simulation Environment. SPDX-License-Identifier: MIT"""
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from .model import Model


class Equisorb(Calculator):
    """atoms.calc = Equisorb("mace.model"): energy, forces, stress and energies per atom. Arguments
    are those of equisorb.Model, or a Model that is there already. uncertainty=True, for models with
    a committee: results hold uncertainty, committee and novelty as Model.evaluate gives them."""

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]

    def __init__(self, model, *, uncertainty=False, **options):
        super().__init__()
        self.uncertainty = uncertainty
        self.model = model if isinstance(model, Model) else Model(model, **options)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        # A driver that asks for forces asks for stress next: both cost one reverse pass.
        reverse = any(name in properties for name in ("forces", "stress"))
        periodic = self.atoms.cell.rank == 3
        r = self.model.evaluate(self.atoms, forces=reverse, stress=reverse and periodic,
                                uncertainty=self.uncertainty)
        self.results = {"energy": r.energy[0], "free_energy": r.energy[0],
                        "energies": r.energies[0]}
        if self.uncertainty:
            self.results.update(uncertainty=r.uncertainty[0], committee=r.committee[0],
                                novelty=r.novelty[0])
        if reverse:
            self.results["forces"] = r.forces[0]
            if periodic:
                self.results["stress"] = full_3x3_to_voigt_6_stress(r.stress[0])
