"""TorchSim, where it is installed: batches against single evaluations, its own validation, energy
conservation of its integrator. SPDX-License-Identifier: MIT"""
import os
import pathlib
import unittest

import numpy as np
from ase import Atoms

import equisorb

try:
    import torch
    import torch_sim
    from torch_sim.models.interface import validate_model_outputs

    from equisorb.torchsim import EquisorbModel
except ImportError as error:
    raise unittest.SkipTest("TorchSim is not installed (%s): its tests do not run" % error)

root = pathlib.Path(__file__).resolve().parents[2]
TINY = root / "tests" / "data" / "models" / "tiny_L1.model"
SEVENNET = os.path.join(os.environ.get("EQS_SEVENNET_DIR", ""), "SevenNet_0__11Jul2024",
                        "checkpoint_sevennet_0.pth")


def systems():
    """Three cells of different size, one of them skew and small."""
    first = Atoms("OCHZn", [[.3, .2, .1], [1.5, .4, .1], [2.2, 1.2, .3], [-.4, 1.9, 1.]],
                  cell=[[7, 0, 0], [1.5, 8, 0], [-1, .5, 9.]], pbc=True)
    second = Atoms("OCO", [[0, 0, -1.2], [.1, 0, 0], [0, 0, 1.15]], cell=[6, 7, 8], pbc=True)
    return [first, second, first.repeat((1, 2, 1))]


class TorchSim(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = equisorb.Model(TINY, precision="double", device="host", threads=1)

    def state(self, atoms, dtype=torch.float64):
        return torch_sim.io.atoms_to_state(atoms, torch.device("cpu"), dtype)

    def test_batch(self):
        atoms = systems()
        out = EquisorbModel(self.model).forward(self.state(atoms))
        alone = [self.model.evaluate(a) for a in atoms]
        self.assertEqual(out["energy"].tolist(), [r.energy[0] for r in alone])
        np.testing.assert_array_equal(out["forces"].numpy(),
                                      np.concatenate([r.forces[0] for r in alone]))
        np.testing.assert_array_equal(out["stress"].numpy(), [r.stress[0] for r in alone])

    def test_what_is_asked_for(self):
        model = EquisorbModel(self.model, compute_stress=False, dtype=torch.float32)
        out = model.forward(self.state(systems(), torch.float32))
        self.assertEqual(sorted(out), ["energy", "forces"])
        self.assertEqual(out["forces"].dtype, torch.float32)
        model.compute_forces = False
        self.assertEqual(list(model.forward(self.state(systems(), torch.float32))), ["energy"])

    def test_order(self):
        state = self.state(systems())
        state.system_idx = state.system_idx.flip(0)
        with self.assertRaisesRegex(ValueError, "side by side"):
            EquisorbModel(self.model).forward(state)

    def test_integrator(self):
        """Velocity Verlet: the error of the energy falls with the square of the step."""
        spread = []
        for steps in (20, 40):
            time = 20 * torch_sim.units.MetalUnits.time * 1e-3  # 20 fs
            begin, step = torch_sim.nve(model=EquisorbModel(self.model), kT=torch.tensor(.02),
                                        dt=torch.tensor(time / steps))
            state, energies = begin(self.state(systems()[:1]), seed=1), []
            for _ in range(steps):
                state = step(state)
                energies.append(float(state.energy.sum() + torch_sim.calc_kinetic_energy(
                    masses=state.masses, momenta=state.momenta)))
            spread.append(np.ptp(energies))
        self.assertGreater(spread[0] / spread[1], 3)
        self.assertLess(spread[0] / spread[1], 5)

    @unittest.skipUnless(os.path.isfile(SEVENNET), "no SevenNet-0 in EQS_SEVENNET_DIR")
    def test_validation(self):
        """TorchSim's own, which asks for silicon and iron."""
        validate_model_outputs(EquisorbModel(SEVENNET, device="host"), torch.device("cpu"),
                               torch.float64)


if __name__ == "__main__":
    unittest.main()
