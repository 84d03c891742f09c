"""Model files of Equisorb's own format and the reference library of safetensors: each reads what the
other writes, and a model that Python wrote is the model it meant. SPDX-License-Identifier: MIT"""
import hashlib
import json
import pathlib
import tempfile
import unittest

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import equisorb

data = pathlib.Path(__file__).resolve().parents[2] / "tests" / "data"
MODELS = ["tiny_L1_multihead", "tiny_L1_dens_agnesi_zbl", "tiny_att_3layer", "tiny_nonlinear_l0",
          "tiny_L0_MACEcls_cheb_f32"]
WATER = equisorb.Structure(np.array([8, 1, 1]),
                           np.array([[0, 0, .12], [0, .76, -.47], [.01, -.75, -.46]]))


def tensor_bytes(path):
    """What the checksum is of: all behind the header."""
    content = pathlib.Path(path).read_bytes()
    return content[8 + int.from_bytes(content[:8], "little"):]


def numbers(path):
    result = equisorb.Model(path, precision="double").evaluate(WATER)
    return result.energy.tobytes() + result.forces[0].tobytes() + result.stress.tobytes()


def save(path, tensors, metadata):
    """A file of the reference library with the right checksum, which is that of the data as the
    library has laid them out."""
    save_file(tensors, path, metadata=dict(metadata, sha256="0" * 64))
    digest = hashlib.sha256(tensor_bytes(path)).hexdigest()
    save_file(tensors, path, metadata=dict(metadata, sha256=digest))


class Safetensors(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.own, self.theirs = self.folder / "own.safetensors", self.folder / "their.safetensors"

    def test_there_and_back(self):
        for name in MODELS:
            with self.subTest(name):
                original = data / "models" / (name + ".model")
                model = equisorb.Model(original)
                model.write(self.own, overwrite=True, licence="MIT", training_data="å\n\"")
                with safe_open(self.own, framework="numpy") as f:
                    metadata = f.metadata()
                    self.assertEqual(f.get_tensor("num_interactions").item(), model.info["n_layer"])
                    self.assertEqual(list(f.get_tensor("atomic_numbers")), model.info["elements"])
                self.assertEqual(metadata, equisorb.Model(self.own).metadata)
                self.assertEqual((metadata["licence"], metadata["training_data"]), ("MIT", "å\n\""))
                self.assertEqual(metadata["sha256"],
                                 hashlib.sha256(tensor_bytes(self.own)).hexdigest())
                save(self.theirs, load_file(self.own), metadata)
                want = numbers(original)
                self.assertEqual(numbers(self.own), want)
                self.assertEqual(numbers(self.theirs), want)

    def test_refusals(self):
        model = equisorb.Model(data / "models" / "tiny_one_layer.model")
        self.assertEqual(model.metadata, {})
        model.write(self.own, name="x")
        with self.assertRaisesRegex(equisorb.Error, "exists already"):
            model.write(self.own)
        model.write(self.own, overwrite=True)
        self.assertNotIn("name", equisorb.Model(self.own).metadata)
        tensors, metadata = load_file(self.own), equisorb.Model(self.own).metadata
        del tensors["readouts.0.linear.weight"]
        save(self.theirs, tensors, metadata)
        with self.assertRaisesRegex(equisorb.Error, "readout.linear"):
            equisorb.Model(self.theirs)
        save_file(load_file(self.own), self.theirs)
        with self.assertRaisesRegex(equisorb.Error, "format = equisorb"):
            equisorb.Model(self.theirs)

    def test_a_model_from_python(self):
        """A SevenNet network whose readout is zero: energies are the shifts of the elements. With a
        readout, forces are the differences of energies."""
        random = np.random.default_rng(1)
        config = {"version": "0.13.0", "is_parity": False, "self_connection_type": "linear",
                  "num_convolution_layer": 2, "lmax": 1, "cutoff": 3.0,
                  "irreps_manual": ["16x0e", "16x0e+16x1e", "16x0e"],
                  "weight_nn_hidden_neurons": [8], "_type_map": {"8": 0, "1": 1}}
        sizes = {"edge_embedding.basis_function.coeffs": 8,
                 "0_convolution.weight_nn.layer0.weight": (8, 8),
                 "0_convolution.weight_nn.layer1.weight": (8, 32),
                 "1_convolution.weight_nn.layer0.weight": (8, 8),
                 "1_convolution.weight_nn.layer1.weight": (8, 32),
                 "0_self_connection_intro.linear.weight": 16 * 32,
                 "0_self_interaction_1.linear.weight": 256,
                 "0_self_interaction_2.linear.weight": 16 * 32 + 256,
                 "1_self_connection_intro.linear.weight": 256,
                 "1_self_interaction_1.linear.weight": 512,
                 "1_self_interaction_2.linear.weight": 512,
                 "onehot_to_feature_x.linear.weight": 32,
                 "reduce_input_to_hidden.linear.weight": 16 * 4}
        tensors = {name: random.normal(size=size) for name, size in sizes.items()}
        tensors.update({"0_convolution.denominator": np.array([2.0]),
                        "1_convolution.denominator": np.array([2.0]),
                        "rescale_atomic_energy.scale": np.array([1.5]),
                        "rescale_atomic_energy.shift": np.array([-8.0, -1.0]),
                        "reduce_hidden_to_energy.linear.weight": np.zeros(4)})
        metadata = {"format": "equisorb", "format_version": "1", "family": "sevennet",
                    "elements": "H O", "parameters": "1", "config": json.dumps(config)}
        save(self.theirs, tensors, metadata)
        result = equisorb.Model(self.theirs, precision="double").evaluate(WATER)
        self.assertEqual(result.energy[0], -10.0)
        self.assertFalse(np.any(result.forces[0]))
        tensors["reduce_hidden_to_energy.linear.weight"] = random.normal(size=4)
        save(self.theirs, tensors, metadata)
        model, step = equisorb.Model(self.theirs, precision="double"), 1e-4
        moved = []
        for sign in (1, -1):
            positions = WATER.positions.copy()
            positions[1, 1] += sign * step
            moved.append(equisorb.Structure(WATER.numbers, positions))
        energy = model.evaluate(moved).energy
        force = model.evaluate(WATER).forces[0][1, 1]
        self.assertGreater(abs(force), 1e-3)
        self.assertAlmostEqual(-(energy[0] - energy[1]) / (2 * step), force, delta=1e-6)


if __name__ == "__main__":
    unittest.main()
