"""models/judge: what the model card's tables are made with, on cases whose answer is known.

SPDX-License-Identifier: MIT
"""
import csv
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile
import types
import unittest

import ase
import ase.build
import ase.io
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
JUDGE = ROOT / "models/judge"
sys.path.insert(0, str(JUDGE))
import engine  # noqa: E402
import experiment  # noqa: E402
import holes  # noqa: E402
import molecules  # noqa: E402
import tables  # noqa: E402

MODEL = str(ROOT / "tests/data/models/tiny_L1.model")
SETTINGS = types.SimpleNamespace(precision="double", wall="off", threads=1, dispersion=None)


def host():
    """Eight atoms of H, C and O in a skewed cell of 9 to 10 angstrom."""
    rng = np.random.default_rng(3)
    cell = [[9.5, 0, 0], [2.0, 9.0, 0], [-1.0, 1.5, 10.0]]
    return ase.Atoms("H2C2O4", scaled_positions=rng.random((8, 3)), cell=cell, pbc=True)


class Geometry(unittest.TestCase):
    def test_pose_of_a_rigid_molecule(self):
        rng = np.random.default_rng(1)
        for gas, (numbers, local) in engine.GASES.items():
            for turn in engine.random_rotations(rng, 5):
                centre, order = rng.normal(size=3), rng.permutation(len(numbers))
                x = np.array(local) @ turn.T + centre
                found, q, misfit = engine.pose_of(gas, np.array(numbers)[order], x[order])
                again = np.array(local) @ engine.rotations([q])[0].T + found
                self.assertLess(misfit, 1e-6)
                # equal up to the molecule's symmetry
                near = np.linalg.norm(x[:, None] - again[None], axis=2).min(1)
                np.testing.assert_allclose(near, 0, atol=1e-6)

    def test_shortest_contact(self):
        atoms, rng = host(), np.random.default_rng(2)
        points = rng.random((40, 3)) @ np.asarray(atoms.cell)
        images = np.array(list(itertools.product((-1, 0, 1), repeat=3))) @ np.asarray(atoms.cell)
        v = points[:, None, None] - (atoms.positions[None, :, None] + images[None, None])
        want = np.linalg.norm(v, axis=3).min((1, 2))
        have = holes.shortest(atoms.get_scaled_positions(), np.asarray(atoms.cell), points)
        near = want < engine.widths(atoms.cell).min() / 2
        self.assertGreater(near.sum(), 20)
        np.testing.assert_allclose(have[near], want[near], atol=1e-9)

    def test_dimers(self):
        d = molecules.dimer("slipped parallel", 3.6)
        self.assertAlmostEqual(d.get_distance(0, 3), 3.6)
        self.assertAlmostEqual(d.get_angle(3, 0, 1), 57.9, 6)
        d = molecules.dimer("T-shaped", 4.1)
        self.assertAlmostEqual(d.get_distance(0, 3), 4.1)
        self.assertAlmostEqual(d.get_distance(0, 5), 4.1 - 1.16)


class Energies(unittest.TestCase):
    def test_insertions_are_differences_of_whole_systems(self):
        atoms, model = host(), engine.load(MODEL, SETTINGS)
        number, local = engine.GASES["CO2"]
        rng = np.random.default_rng(4)
        places = np.array(local) @ engine.random_rotations(rng, 3).transpose(0, 2, 1) + \
            (rng.random((3, 3)) @ np.asarray(atoms.cell))[:, None]
        have = engine.Insertions(model, atoms).energies(number, places)
        alone = model.evaluate(ase.Atoms(number, local)).energy[0]
        empty = model.evaluate(atoms).energy[0]
        for u, x in zip(have, places):
            full = model.evaluate(atoms + ase.Atoms(number, x)).energy[0]
            self.assertAlmostEqual(u, full - empty - alone, 7)


class GoldDAC(unittest.TestCase):
    """Labels that are the model's energies and forces plus known errors."""

    def frames(self, folder):
        model, empty = engine.load(MODEL, SETTINGS), host()
        gas = ase.Atoms("COO", np.array(engine.GASES["CO2"][1]) + 5, cell=[12] * 3, pbc=True)
        systems = []
        for k, (regime, shift) in enumerate((("E", 0.1), ("P", -0.2), ("P", 0.3), ("R", 0.05))):
            both = empty + ase.Atoms("COO", gas.positions + [0.7 * k, 0.3, -0.2 * k])
            both.set_tags([0] * 8 + [1] * 3)
            systems.append((both, "X_CO2_%s_%d" % (regime, k), shift))
        energy = [model.evaluate(a).energy[0] for a in (empty, gas)]
        # Interaction energies of the labels: -0.3, -0.1, 0.6 (a repulsion by the rule), 0.2.
        for (both, name, shift), want in zip(systems, (-0.3, -0.1, 0.6, 0.2)):
            r = model.evaluate(both)
            both.info.update(name=name, REF_energy=sum(energy) + want)
            both.arrays["REF_forces"] = r.forces[0] + np.where(both.get_tags() == 0, 0.02,
                                                               0.5)[:, None]
            self.predicted.append(r.energy[0] - sum(energy) - want)
        for atoms, name, e in ((empty, "X-CO2_fram", energy[0]), (gas, "CO2_gas", energy[1])):
            atoms.set_tags([0] * len(atoms))
            atoms.arrays["REF_forces"] = np.zeros((len(atoms), 3))
            atoms.info.update(name=name, REF_energy=e)
            systems.append((atoms, name, 0))
        path = os.path.join(folder, "frames.extxyz")
        ase.io.write(path, [s[0] for s in systems], format="extxyz")
        return path

    def test_errors(self):
        self.predicted = []
        with tempfile.TemporaryDirectory() as folder:
            path, out = self.frames(folder), os.path.join(folder, "out.csv")
            command = [sys.executable, str(JUDGE), "golddac", path, "--model", "tiny=" + MODEL,
                       "--precision", "double", "--csv", out, "--cache", folder]
            for _ in range(2):  # the second from the cache
                text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                with open(out, newline="") as f:
                    rows = {(r["split"], r["regime"]): r for r in csv.DictReader(f)}
        error = np.array(self.predicted)
        for key, take in ((("by_rule", "weak"), [1, 3]), (("by_rule", "repulsion"), [2]),
                          (("by_name", "weak"), [1, 2]), (("by_name", "repulsion"), [3]),
                          (("by_rule", "equilibrium"), [0]), (("by_name", "all"), [0, 1, 2, 3])):
            self.assertEqual(int(rows[key]["n"]), len(take))
            for name, want in (("mae", np.abs(error[take]).mean()), ("bias", error[take].mean()),
                               ("force_framework_mae", 0.02), ("force_gas_mae", 0.5)):
                self.assertAlmostEqual(float(rows[key][name]), want, 5, msg=(key, name))
        self.assertIn("| tiny |", text)


class Experiment(unittest.TestCase):
    def test_median_of_papers(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "measured.csv")
            with open(path, "w") as f:
                f.write("framework,T_K,P_bar,quantity,value,unit,kind,source\n")
                for name, temperatures, _ in experiment.TEN.values():
                    for paper, value, kind in (("1", 1, "exp"), ("1", 3, "exp"), ("2", 5, "exp?"),
                                               ("3", 100, "classical")):
                        f.write("%s,%s,0.15,uptake_CO2,%s,mmol/g,%s,DOI 10.1/%s x\n" % (
                            name, temperatures[-1], value, kind, paper))
                    f.write("%s,298,1.0,uptake_CO2,77,mmol/g,exp,DOI 10.1/9 x\n" % name)
            for row in experiment.measured(path).values():
                self.assertEqual(row, [3.5, 1, 5, 3, 2])

    def test_factor(self):
        self.assertEqual(experiment.factor(2.0, 1.0), experiment.factor(1.0, 2.0))
        self.assertEqual(experiment.factor(None, 1.0), float("inf"))


class Card(unittest.TestCase):
    def test_only_its_block_is_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "card.md")
            with open(path, "w") as f:
                f.write("a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n")
            for _ in range(2):
                tables.card(path, "x", tables.markdown(["h"], [["1"]]))
            with open(path) as f:
                self.assertEqual(f.read(), "a\n<!-- begin x -->\n| h |\n| --- |\n| 1 |\n"
                                           "<!-- end x -->\nb\n")
            with self.assertRaises(SystemExit):
                tables.card(path, "y", "")


if __name__ == "__main__":
    unittest.main()
