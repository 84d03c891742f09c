"""Model for TorchSim, batched molecular dynamics and relaxation on tensors.

Tensors cross to the library as arrays in host memory, 48 bytes per atom and step; results come back
in the state's type and on its device. Nothing here has a gradient of torch's.
SPDX-License-Identifier: MIT"""
import torch
from torch_sim.models.interface import ModelInterface

from .model import Model, Structure


class EquisorbModel(ModelInterface):
    """EquisorbModel("mace.model"): energy [n_system] eV, forces [n, 3] eV/angstrom, stress
    [n_system, 3, 3] eV/angstrom^3 of a batch of systems in one call. torch_device and dtype are
    those of the tensors; the other arguments are those of equisorb.Model, or a Model that is there
    already."""

    def __init__(self, model, *, torch_device="cpu", dtype=torch.float64, compute_forces=True,
                 compute_stress=True, **options):
        super().__init__()
        self.model = model if isinstance(model, Model) else Model(model, **options)
        self._device = torch.device(torch_device)
        self._dtype = dtype
        self._compute_forces = compute_forces
        self._compute_stress = compute_stress
        self._memory_scales_with = "n_atoms_x_density"

    @ModelInterface.compute_forces.setter
    def compute_forces(self, value):
        self._compute_forces = bool(value)

    @ModelInterface.compute_stress.setter
    def compute_stress(self, value):
        self._compute_stress = bool(value)

    def forward(self, state, **_):
        """state: torch_sim.SimState, atoms of a system side by side."""
        r = self.model.evaluate(structures_of(state), energies=False, forces=self.compute_forces,
                                stress=self.compute_stress)

        def tensor(array):
            return torch.as_tensor(array, dtype=self._dtype, device=self._device)

        out = {"energy": tensor(r.energy)}
        if self.compute_forces:
            out["forces"] = torch.cat([tensor(part) for part in r.forces])
        if self.compute_stress:
            out["stress"] = tensor(r.stress)
        return out


def structures_of(state):
    """The systems of a SimState as a list of Structure."""
    index = state.system_idx.cpu()
    if torch.any(index[1:] < index[:-1]):
        raise ValueError("the atoms of a system have to lie side by side: sort by system_idx")
    cells = state.row_vector_cell.detach().double().cpu().numpy()
    count = torch.bincount(index, minlength=len(cells)).tolist()
    positions = state.positions.detach().double().cpu().split(count)
    numbers = state.atomic_numbers.cpu().split(count)
    pbc = state.pbc.tolist() if torch.is_tensor(state.pbc) else state.pbc
    return [Structure(z.numpy(), x.numpy(), cell, pbc)
            for z, x, cell in zip(numbers, positions, cells)]
