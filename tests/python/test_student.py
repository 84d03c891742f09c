"""The student's own MACE against mace-torch: energies, forces and the gradient of a loss in both by
every parameter, in double precision; what a batch does to labels. Needs torch, mace-torch and
matscipy, which the engine does not; without them all is skipped. SPDX-License-Identifier: MIT"""
import pathlib
import sys
import unittest

import numpy as np

try:
    import ase
    import mace  # noqa: F401
    import matscipy  # noqa: F401
    import torch
    missing = None
except ImportError as error:
    missing = "student's training: %s is not installed" % error.name

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "models" / "train"))
NUMBERS = [1, 6, 8, 30]


def structure(seed, atoms=14):
    """A crowded random cell with ZBL contacts, but none below 0.7 angstrom."""
    random = np.random.default_rng(seed)
    positions = np.zeros((0, 3))
    cell = np.array([[6.1, 0, 0], [0.7, 5.8, 0], [0.3, -0.5, 6.4]])
    while len(positions) < atoms:
        new = random.random(3) @ cell
        v = positions - new
        v -= np.rint(v @ np.linalg.inv(cell)) @ cell
        if not len(positions) or np.linalg.norm(v, axis=1).min() > 0.7:
            positions = np.vstack([positions, new])
    return ase.Atoms(numbers=random.choice(NUMBERS, atoms), positions=positions, cell=cell,
                     pbc=True)


@unittest.skipIf(missing, missing)
class Student(unittest.TestCase):
    def compare(self, lmax, correlation):
        import mace_torch
        import student_data
        from mace import data
        from mace.tools import AtomicNumberTable, torch_geometric

        torch.set_default_dtype(torch.float64)
        self.addCleanup(torch.set_default_dtype, torch.float32)
        e0 = [-1.0, -2.5, 0.3, 4.0]
        reference = mace_torch.build_mace(NUMBERS, e0, 16, lmax, correlation, (8, 12), avg=21.0,
                                          scale=0.8, seed=3)
        frames = [structure(1), structure(2, 9)]
        table = AtomicNumberTable(NUMBERS)
        graphs = [data.AtomicData.from_config(
            data.config_from_atoms(a, key_specification=data.KeySpecification()), z_table=table,
            cutoff=5.0) for a in frames]
        batch = next(iter(torch_geometric.dataloader.DataLoader(graphs, batch_size=2)))
        theirs = reference(batch.to_dict(), training=True)

        model = mace_torch.Student(reference, torch.float64, intervals=1000)
        own = [student_data.Frame(a, "test", NUMBERS, 5.0, mace_torch.zbl_energies_forces)
               for a in frames]
        graph, pos, order = student_data.assemble(own)
        back = np.argsort(order)
        d = model.derived(graph.present)
        energy, force = model.energies_forces(pos, graph, d)
        for k, f in enumerate(own):
            total = float(energy[k]) + 0.8 * f.zbl_energy + np.array(e0)[f.kinds].sum()
            self.assertAlmostEqual(total, float(theirs["energy"][k].detach()), delta=1e-7)
        zbl = 0.8 * np.concatenate([f.zbl_force for f in own])
        np.testing.assert_allclose(force.numpy()[back] + zbl, theirs["forces"].detach().numpy(),
                                   rtol=0, atol=1e-6)

        random = np.random.default_rng(5)
        by_energy = torch.from_numpy(random.normal(size=2))
        by_force = torch.from_numpy(random.normal(size=(len(pos), 3)))
        loss = (by_energy * theirs["energy"]).sum() + (by_force[back] * theirs["forces"]).sum()
        loss.backward()
        lv = mace_torch.leaves(d)
        mace_torch.backward(model, graph, pos, lv, by_energy, by_force, step=3e-4)
        torch.autograd.backward(list(d.values()), [lv[k].grad for k in d])
        for name, v in reference.named_parameters():
            if v.numel():
                off = (model.p[name].grad - v.grad).norm() / v.grad.norm()
                self.assertLess(float(off), 1e-4, name)

    def test_as_mace_torch(self):
        self.compare(3, 3)

    def test_smaller(self):
        self.compare(2, 2)


@unittest.skipIf(missing, missing)
class OwnPoints(unittest.TestCase):
    def test_interaction_of_our_pairs(self):
        """Read from models/train/data, less both molecules, is what dft.py wrote beside it."""
        import os
        import tempfile
        from unittest import mock

        import ase.io
        import student_data

        folder = pathlib.Path(student_data.__file__).parent / "data"
        data = student_data.Data([1, 6, 7, 8], 5.0, lambda z, p, *_: (0.0, np.zeros_like(p)))
        with tempfile.TemporaryDirectory() as cache, \
                mock.patch.dict(os.environ, XDG_CACHE_HOME=cache):
            data.read(str(folder / "gas.extxyz"))
            data.read(str(folder / "dimer.extxyz"))
        data.finish()
        self.assertFalse(data.left_out)
        written = {a.info["name"]: a.info["interaction_energy"]
                   for a in ase.io.read(folder / "dimer.extxyz", ":")}
        read = {name: group.guests[0] for (_, name), group in data.groups.items()}
        self.assertEqual(read.keys(), written.keys())
        for name, frame in read.items():
            self.assertAlmostEqual(frame.interaction, written[name], places=3, msg=name)
            self.assertTrue(frame.guest.all())


if __name__ == "__main__":
    unittest.main()
