"""Published networks with autograd by all weights, for the steps of teacher.py and descend.py.

`Network(checkpoint, state)` opens a checkpoint of SevenNet (.pth, or a name that sevenn knows) or a
model of mace-torch (.model); `state` is a file with other weights, or None. Energies in eV, forces
in eV/angstrom, gradients as one vector over all weights. Needs torch and the network's own package:
sevenn 0.13 or mace-torch 0.3.16.

SPDX-License-Identifier: MIT
"""
import numpy as np


def Network(checkpoint, state):
    """The kind that the file's name tells."""
    return (Mace if str(checkpoint).endswith(".model") else Seven)(checkpoint, state)


class Differentiable:
    """What both kinds share; a kind has graph(atoms), energy(graph) and energy_and_forces(atoms)."""

    def __init__(self, model, state):
        import torch

        torch.set_num_threads(1)
        self.torch, self.model = torch, model
        if state is not None:
            self.model.load_state_dict(torch.load(state))
        self.weights = [(n, p.requires_grad_(True)) for n, p in self.model.named_parameters()]

    def by_weights(self, atoms):
        """Energy (eV) and its gradient by all weights, one vector."""
        e = self.energy(self.graph(atoms))
        g = self.torch.autograd.grad(e, [p for _, p in self.weights], allow_unused=True)
        zero = self.torch.zeros
        g = [zero(p.numel()) if x is None else x.reshape(-1)
             for x, (_, p) in zip(g, self.weights)]
        return float(e.detach()), self.torch.cat(g).numpy()

    def force_by_weights(self, atoms, along, step):
        """Gradient of (forces . along) by all weights; `along` is a unit vector of all atoms."""
        moved = [atoms.copy(), atoms.copy()]
        moved[0].positions += step * along
        moved[1].positions -= step * along
        plus, minus = (self.by_weights(a)[1] for a in moved)
        return (minus - plus) / (2 * step)


class Seven(Differentiable):
    """A checkpoint of SevenNet; `state` is a state dict of sevenn 0.13."""

    def __init__(self, checkpoint, state):
        from sevenn.util import load_checkpoint

        model = load_checkpoint(checkpoint).build_model()
        model.set_is_batch_data(False)
        model.eval()
        super().__init__(model, state)
        self.model._modules.pop("force_output", None)

    def graph(self, atoms):
        import sevenn._keys as key
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph

        g = unlabeled_atoms_to_graph(atoms, 5.0, with_shift=False)
        vector = np.array(g[key.EDGE_VEC], copy=True)
        g = AtomGraphData.from_numpy_dict(g)
        g[key.EDGE_VEC] = self.torch.from_numpy(vector).float()
        g[key.POS] = self.torch.from_numpy(np.array(atoms.positions)).float()
        return g

    def energy(self, graph):
        import sevenn._keys as key

        return self.model(graph)[key.PRED_TOTAL_ENERGY].reshape(())

    def energy_and_forces(self, atoms, create_graph=False):
        """eV, [n,3] eV/angstrom; with a graph for the gradient of both by the weights if asked."""
        import sevenn._keys as key

        graph = self.graph(atoms)
        vector = graph[key.EDGE_VEC].requires_grad_(True)
        energy = self.energy(graph)
        slope, = self.torch.autograd.grad(energy, vector, create_graph=create_graph)
        source, target = graph[key.EDGE_IDX]
        forces = self.torch.zeros(len(atoms), 3)
        return energy, forces.index_add(0, target, -slope).index_add(0, source, slope)


class Mace(Differentiable):
    """A model as mace-torch saves it whole: unpickling runs code, so only from a known source."""

    def __init__(self, checkpoint, state):
        import torch
        from mace.tools.utils import AtomicNumberTable

        model = torch.load(checkpoint, map_location="cpu", weights_only=False).float()
        super().__init__(model, state)
        self.table = AtomicNumberTable([int(z) for z in model.atomic_numbers])

    def graph(self, atoms):
        from ase import Atoms
        from mace.data import AtomicData, config_from_atoms
        from mace.tools.torch_geometric.dataloader import DataLoader

        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        data = AtomicData.from_config(config_from_atoms(bare), z_table=self.table,
                                      cutoff=float(self.model.r_max),
                                      heads=getattr(self.model, "heads", ["Default"]))
        return next(iter(DataLoader([data], batch_size=1))).to_dict()

    def energy(self, graph):
        out = self.model(graph, training=True, compute_force=False)
        return out["energy"].float().reshape(())

    def energy_and_forces(self, atoms, create_graph=False):
        """eV, [n,3] eV/angstrom; with a graph for the gradient of both by the weights if asked."""
        out = self.model(self.graph(atoms), training=create_graph, compute_force=True)
        forces = out["forces"].float()
        return out["energy"].float().reshape(()), forces if create_graph else forces.detach()
