"""Uncertainties from Python: a committee whose weights are a readout's own gives that readout's
energies, in both families; what the calculator hands on; a screening whose committee is a model that
is screened too; the script that puts committees into files.
SPDX-License-Identifier: MIT"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

import numpy as np
from ase import Atoms

import equisorb
from equisorb.ase import Equisorb

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(root / "models" / "train"))
import committee  # noqa: E402
from committee import add_tensors, read_tensor  # noqa: E402

WATER = Atoms("OH2", [[0, 0, .12], [0, .76, -.47], [.01, -.75, -.46]])
PAIR = Atoms("CO2Zn", [[0, 0, 0], [0, 0, 1.16], [0, 0, -1.16], [2., .3, .1]], cell=[6, 7, 8], pbc=True)


class Committee(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.plain = pathlib.Path(folder.name) / "plain.safetensors"
        self.made = pathlib.Path(folder.name) / "made.safetensors"

    def evaluate(self, path, **options):
        model = equisorb.Model(path, precision="double", device="host", threads=1)
        return model.evaluate([WATER, PAIR], forces=False, stress=False, **options)

    def test_linear_readout_of_mace(self):
        """Without the first readout the energy lacks what a member of its weights gives."""
        original = root / "tests" / "data" / "models" / "tiny_L1.model"
        equisorb.Model(original, device="host").write(self.plain)
        readout = read_tensor(self.plain, "readouts.0.linear.weight").ravel()
        scale = read_tensor(self.plain, "scale_shift.scale").item()
        n = len(readout)
        weight = np.zeros((2, 2 * n))
        weight[0, :n] = readout * scale / np.sqrt(n)
        weight[1, :n] = -3 * weight[0, :n]
        limit = np.linspace(0.5, 1, 6)
        add_tensors(self.plain, self.made, {"committee.weight": weight, "committee.limit": limit})
        with_all = self.evaluate(self.made, uncertainty=True)
        add_tensors(self.plain, self.made, {"readouts.0.linear.weight": 0 * readout})
        without = self.evaluate(self.made)
        share = with_all.energy - without.energy
        self.assertGreater(np.abs(share).min(), 1e-4)
        np.testing.assert_allclose(with_all.committee, np.outer(share, [1, -3]), atol=1e-12)
        np.testing.assert_allclose(with_all.uncertainty, np.abs(share) * np.sqrt(5), atol=1e-12)
        atoms = with_all.energies[0] - without.energies[0]
        np.testing.assert_allclose(with_all.novelty[0],
                                   np.abs(atoms) * np.sqrt(5) / limit[[3, 0, 0]], atol=1e-11)
        self.assertIsNone(without.committee)

    def test_readout_of_sevennet(self):
        random = np.random.default_rng(1)
        config = {"version": "0.13.0", "is_parity": False, "self_connection_type": "linear",
                  "num_convolution_layer": 1, "lmax": 0, "cutoff": 3.0,
                  "irreps_manual": ["16x0e", "16x0e"], "weight_nn_hidden_neurons": [],
                  "_type_map": {"8": 0, "1": 1, "6": 2, "30": 3}}
        sizes = {"edge_embedding.basis_function.coeffs": 8,
                 "0_convolution.weight_nn.layer0.weight": (8, 16),
                 "0_convolution.denominator": 1,
                 "0_self_connection_intro.linear.weight": 256,
                 "0_self_interaction_1.linear.weight": 256,
                 "0_self_interaction_2.linear.weight": 256,
                 "onehot_to_feature_x.linear.weight": 64,
                 "reduce_input_to_hidden.linear.weight": 64,
                 "reduce_hidden_to_energy.linear.weight": 4,
                 "rescale_atomic_energy.shift": 4}
        tensors = {name: random.normal(size=size) for name, size in sizes.items()}
        tensors["0_convolution.denominator"] = np.array([2.0])
        tensors["rescale_atomic_energy.scale"] = np.array([1.5])
        w = (tensors["reduce_input_to_hidden.linear.weight"].reshape(16, 4)
             @ tensors["reduce_hidden_to_energy.linear.weight"]) / np.sqrt(64)
        tensors["committee.weight"] = 1.5 * w[None]
        tensors["committee.limit"] = np.array([1, 1, 1, 0.])
        metadata = {"format": "equisorb", "format_version": "1", "family": "sevennet",
                    "elements": "H C O Zn", "parameters": "1", "config": json.dumps(config)}
        text = json.dumps({"__metadata__": metadata}).encode()
        self.plain.write_bytes(len(text).to_bytes(8, "little") + text)
        add_tensors(self.plain, self.made, tensors)
        result = self.evaluate(self.made, uncertainty=True)
        oxygen, hydrogen, carbon, zinc = tensors["rescale_atomic_energy.shift"]
        share = result.energy - [oxygen + 2 * hydrogen, carbon + 2 * oxygen + zinc]
        self.assertGreater(np.abs(share).min(), 1e-3)
        np.testing.assert_allclose(result.committee[:, 0], share, atol=1e-12)
        self.assertEqual(result.novelty[1][3], np.inf)  # an element that training never saw

    def test_calculator(self):
        path = root / "tests" / "data" / "models" / "tiny_committee.safetensors"
        atoms = PAIR.copy()
        atoms.calc = Equisorb(path, precision="double", device="host", threads=1, uncertainty=True)
        atoms.get_forces()
        found = atoms.calc.results
        self.assertEqual((found["committee"].shape, found["novelty"].shape), ((5,), (4,)))
        self.assertAlmostEqual(found["uncertainty"], np.sqrt((found["committee"] ** 2).mean()),
                               delta=1e-14)
        original = root / "tests" / "data" / "models" / "tiny_L1.model"
        with self.assertRaisesRegex(equisorb.Error, "no committee"):
            self.evaluate(original, uncertainty=True)

    def screen(self, model, host):
        """A plain insertion run's row, of a seed by which one pose has all of the weight: whatever the
        sample is, it is exact."""
        out = self.plain.with_suffix(".csv")
        subprocess.run([os.environ["EQUISORB"], "screen", host, "--model", model, "--gas", "CO2",
                        "--temperature", "298", "--insertions", "2000", "--seed", "29", "--threads", "1",
                        "--precision", "double", "--csv", out, "--output", out.with_suffix(".db")],
                       check=True, stdout=subprocess.DEVNULL)
        with open(out) as f:
            return next(csv.DictReader(f))

    def test_screening(self):
        """K_H and Qst of a model with another readout are what the committee of one member says."""
        source = root / "tests" / "data" / "models" / "tiny_committee.safetensors"
        host = self.plain.with_name("host.xyz")
        host.write_text('4\nLattice="7 0 0 1.5 8 0 -1 0.5 9" Properties=species:S:1:pos:R:3 '
                        'pbc="T T T"\nO 0.3 0.2 0.1\nC 1.5 0.4 0.1\nH 2.2 1.2 0.3\nZn -0.4 1.9 1.02\n')
        readout, change = read_tensor(source, "readouts.0.linear.weight").ravel(), 0.03
        weight = np.zeros((1, 2 * len(readout)))
        weight[0, :len(readout)] = (change * readout * read_tensor(source, "scale_shift.scale").item()
                                    / np.sqrt(len(readout)))
        limit = np.array([10, 10, 10, 10, 10, 1e-9])
        add_tensors(source, self.plain, {"committee.weight": weight, "committee.limit": limit})
        add_tensors(source, self.made, {"readouts.0.linear.weight": (1 + change) * readout})
        says, is_so = self.screen(self.plain, host), self.screen(self.made, host)
        shift = abs(np.log(float(is_so["henry"]) / float(says["henry"])))
        self.assertGreater(shift, 0.2)
        self.assertAlmostEqual(np.log(float(says["henry_factor"])), shift, delta=1e-4)
        shift = abs(float(is_so["qst"]) - float(says["qst"]))
        self.assertGreater(shift, 0.5)
        self.assertAlmostEqual(float(says["qst_uncertainty"]), shift, delta=1e-3)
        self.assertEqual((says["chemistry"], says["novelty_element"]), ("unknown", "Zn"))
        self.assertIn("unknown-chemistry", says["flags"])

    def test_covariance(self):
        """Errors of a linear fit to noisy labels have the size that the committee says."""
        random = np.random.default_rng(3)
        n, spread = 12, np.logspace(0, -2, 12)
        truth = random.normal(size=n)
        x = random.normal(size=(3000, n)) * spread
        y = random.normal(size=(500, n)) * spread
        labels = x[:400] @ truth + random.normal(0, 0.1, 400)
        fitted = np.linalg.lstsq(x[:400], labels, rcond=None)[0]
        rows = types.SimpleNamespace(x=x, y=y, ey=y @ (fitted - truth), ex=x @ (fitted - truth))
        rows.ex[:400] = x[:400] @ fitted - labels
        train, told = np.arange(3000) < 400, np.arange(3000) % 2 == 1
        matrix = committee.information(rows, train, np.zeros(500, bool) | (np.arange(500) < 1))
        root, alpha, _ = committee.choose(matrix, x[told & ~train], rows.ex[told & ~train])
        weight = committee.sample(root, alpha, 64, seed=1)
        judged = ~told & ~train
        ratio = np.abs(rows.ex[judged]) / committee.spread(x[judged] @ weight.T)
        for share, normal in committee.NORMAL.items():
            self.assertAlmostEqual(np.quantile(ratio, share), normal, delta=0.3 * normal)
        np.testing.assert_allclose(committee.sample(root, 1, 12, 1).T @ committee.sample(root, 1, 12, 1) / 12,
                                   root @ root.T, atol=1e-9)

    def test_limits(self):
        """Quantiles of the training's atoms, and a factor that most of the others stay below."""
        frames = [Atoms("OZn", [[0, 0, 0], [9, 0, 0]], info={"host": "h%d" % k, "kind": "empty"})
                  for k in range(60)]
        frames.append(Atoms("Cu", info={"host": "h1", "kind": "empty"}))
        spreads = [np.array([1.0, 2.0])] * 40 + [np.array([1.5, 2.0 + k]) for k in range(20)]
        spreads.append(np.array([7.0]))
        apart = {"h1"} | {"h%d" % k for k in range(40, 60)}
        limit, factor, known = committee.find_limits(spreads, frames, apart, ["O", "Cu", "Zn"])
        np.testing.assert_allclose(factor, 10, rtol=1e-6)  # 20 of 21 hosts: at most 1 + 18 / 2
        np.testing.assert_allclose(limit, [10, 0, 20], rtol=1e-6)
        self.assertAlmostEqual(known, 20 / 21)


if __name__ == "__main__":
    unittest.main()
