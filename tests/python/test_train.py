"""The structures that a student is trained on (models/train/frames.py) and their labels (label.py):
distances by brute force over images, ranges, groups, interaction energies of a made-up model.
SPDX-License-Identifier: MIT"""
import argparse
import itertools
import pathlib
import sys
import types
import unittest

import numpy as np

try:
    import ase
    import ase.units
except ImportError:
    raise unittest.SkipTest("ASE is not installed")

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "models" / "train"))
import frames  # noqa: E402
import label  # noqa: E402

LIMITS = types.SimpleNamespace(force=40.0, repulsion=15.0, attraction=-2.5, spread=0.3, hole=0.7,
                               strained=0.6)


def box():
    """A sparse framework in a skewed cell."""
    cell = [[11.0, 0, 0], [2.5, 10.0, 0], [-1.5, 3.0, 12.0]]
    atoms = ase.Atoms("ZnO2CH", cell=cell, pbc=True, scaled_positions=[
        [0.02, 0.03, 0.97], [0.18, 0.05, 0.95], [0.9, 0.1, 0.1], [0.95, 0.25, 0.95],
        [0.98, 0.33, 0.93]])
    atoms.info = {"host": "box", "formula": "CHO2Zn"}
    return atoms


def by_images(atoms, places):
    """[place, atom] nearest distances over 125 images."""
    best = np.inf
    for shift in itertools.product(range(-2, 3), repeat=3):
        move = np.array(shift) @ atoms.cell.array
        best = np.minimum(best, np.linalg.norm(places[:, None] - atoms.positions - move, axis=2))
    return best


def arguments(**changed):
    return argparse.Namespace(**{**dict(seed=3, geometries=2, guests=8), **changed})


class MadeUp:
    """Energies of atoms by element; of those within 4 angstrom of another species of molecule a
    known interaction: -0.01 eV per pair of tags 0 and 1, or another. Forces as told."""

    def __init__(self, force=0.0, attraction=0.01):
        self.force, self.attraction = force, attraction

    def evaluate(self, some, **wanted):
        energy = []
        for a in some:
            guest = a.get_tags() == 1
            pairs = by_images(a[~guest], a.positions[guest]) < 4 if guest.any() else np.zeros(0)
            energy.append(-float(a.numbers.sum()) - self.attraction * pairs.sum())
        return types.SimpleNamespace(energy=np.array(energy),
                                     forces=[np.full((len(a), 3), self.force) for a in some])


class Spring:
    """Every atom bound to the origin with 5 eV/angstrom^2."""

    def evaluate(self, some, **wanted):
        return types.SimpleNamespace(forces=[-5.0 * a.positions for a in some])


class Structures(unittest.TestCase):
    def test_nearness_is_that_over_images(self):
        atoms, random = box(), np.random.default_rng(1)
        poses = frames.Poses(frames.Room(atoms), "CO2", random, 300)
        flat = by_images(atoms, poses.all.reshape(-1, 3)).reshape(300, 3, -1)
        near = flat.min(axis=(1, 2))
        close = near < 4.5  # beyond, the rounded image may not be the nearest
        self.assertGreater(close.sum(), 100)
        np.testing.assert_allclose(poses.distance[close], near[close], atol=1e-9)
        light = (poses.numbers[:, None] == 1) | (atoms.numbers == 1)
        np.testing.assert_array_equal(poses.allowed[close], (
            flat > np.where(light, 1.0, 1.3)).all(axis=(1, 2))[close])

    def test_molecules_have_their_geometry(self):
        oxygen, first, second = frames.GASES["H2O"][1]
        self.assertAlmostEqual(np.linalg.norm(first - oxygen), 0.972)
        angle = np.degrees(np.arccos((first - oxygen) @ (second - oxygen) / 0.972 ** 2))
        self.assertAlmostEqual(angle, 104.5)
        turn = frames.rotations(50, np.random.default_rng(2))
        np.testing.assert_allclose(turn @ turn.transpose(0, 2, 1), np.tile(np.eye(3), (50, 1, 1)),
                                   atol=1e-12)
        np.testing.assert_allclose(np.linalg.det(turn), 1.0)

    def test_groups_share_the_framework(self):
        made = frames.of_host(box(), None, arguments())
        again = frames.of_host(box(), None, arguments())
        self.assertGreater(len(made), 6)
        empty = {f.info["group"]: f for f in made if f.info["kind"] == "empty"}
        self.assertEqual(len(empty), 2)
        for f, same in zip(made, again):
            np.testing.assert_array_equal(f.positions, same.positions)
            e = empty[f.info["group"]]
            np.testing.assert_array_equal(f.positions[:len(e)], e.positions)
            np.testing.assert_array_equal(f.cell.array, e.cell.array)
            self.assertEqual(f.get_tags().sum(), len(f) - len(e))
            if f.info["kind"] == "guest":
                near = by_images(e, f.positions[len(e):])
                light = (f.numbers[len(e):, None] == 1) | (e.numbers == 1)
                self.assertTrue((near > np.where(light, 1.0, 1.3)).all())

    def test_relaxation_and_dynamics(self):
        atoms = ase.Atoms("C4", positions=np.random.default_rng(3).normal(size=(4, 3)) * 0.3)
        atoms.info["host"] = "spring"
        batch = frames.Batch(Spring(), [atoms])
        batch.relax(200)
        self.assertLess(abs(atoms.positions).max(), 1e-3)
        batch.heat(25, 1)  # from the minimum: velocities of at most 2000 K, so sqrt(v^2 m / k)
        self.assertGreater(abs(atoms.positions).max(), 0.01)
        self.assertLess(0.5 * 5.0 * (atoms.positions ** 2).sum(),
                        12 * ase.units.kB * 2000)


class Labels(unittest.TestCase):
    def test_interaction_is_what_the_model_adds(self):
        kept, left_out = label.label([MadeUp()], frames.of_host(box(), None, arguments()), LIMITS)
        self.assertFalse(left_out)
        seen = set()
        for f in kept:
            if f.info["kind"] == "guest":
                guest = f.get_tags() == 1
                pairs = (by_images(f[~guest], f.positions[guest]) < 4).sum()
                self.assertAlmostEqual(f.info["REF_interaction"], -0.01 * pairs, places=9)
                seen.add(pairs > 0)
        self.assertIn(True, seen)

    def test_nonsense_is_left_out(self):
        made = frames.of_host(box(), None, arguments())
        kept, left_out = label.label([MadeUp(force=30.0)], made, LIMITS)  # 52 eV/angstrom
        self.assertEqual(kept, [])
        self.assertEqual(sum(left_out.values()), len(made))
        frame = next(f for f in made if f.info["kind"] == "guest")
        frame.info["REF_energy"], frame.arrays["REF_forces"] = 0.0, np.zeros((len(frame), 3))
        for value, reason in ((16.0, "repulsion"), (-3.0, "attraction"), (0.2, "")):
            frame.info["REF_interaction"] = value
            self.assertEqual(label.why_not(frame, LIMITS), reason)
        frame.positions[-1] = frame.positions[0] + [0.5, 0, 0]
        frame.info["REF_interaction"] = -0.1
        self.assertEqual(label.why_not(frame, LIMITS), "hole")

    def test_mean_of_models_that_agree(self):
        def labelled(*models):
            return label.label(models, frames.of_host(box(), None, arguments()), LIMITS)

        one, _ = labelled(MadeUp(force=1.0))
        kept, left_out = labelled(MadeUp(force=1.0), MadeUp(force=2.0, attraction=0.012))
        self.assertFalse(left_out)
        for f, alone in zip(kept, one):
            self.assertAlmostEqual(f.arrays["REF_forces"][0, 0], 1.5)
            if f.info["kind"] == "guest":
                self.assertAlmostEqual(f.info["REF_interaction"],
                                       1.1 * alone.info["REF_interaction"], places=9)
        _, left_out = labelled(MadeUp(), MadeUp(attraction=1.0))
        self.assertIn("guest: models do not agree", left_out)

    def test_guests_must_match_their_names(self):
        frame = next(f for f in frames.of_host(box(), None, arguments())
                     if f.info["kind"] == "guest")
        del frame[-1]
        with self.assertRaises(SystemExit):
            label.guests_of(frame)


if __name__ == "__main__":
    unittest.main()
