"""The Python package against the reference numbers of mace-torch and against the command.
SPDX-License-Identifier: MIT"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import numpy as np

import equisorb

root = pathlib.Path(__file__).resolve().parents[2]
data = root / "tests" / "data"
TINY = data / "models" / "tiny_L1.model"


def cases(model):
    """(Structure, numbers of mace-torch in double) of a reference file."""
    record = json.loads((data / "reference" / "mace" / (model + ".json")).read_text())
    for case in record["cases"]:
        yield (equisorb.Structure(np.array(case["numbers"]), np.array(case["positions"]),
                                  np.array(case["cell"]), case["pbc"], case["name"]),
               {name: np.array(case[name]) for name in ("energy", "energies", "forces")})


HOST = equisorb.Structure(np.array([8, 6, 1, 30]),
                          np.array([[.3, .2, .1], [1.5, .4, .1], [2.2, 1.2, .3], [-.4, 1.9, 1.]]),
                          np.array([[7, 0, 0], [1.5, 8, 0], [-1, .5, 9.]]), True)


class Evaluate(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = equisorb.Model(TINY, precision="double", device="host", wall="off")

    def test_reference(self):
        seen = 0
        for case, want in cases("tiny_L1"):
            got = self.model.evaluate(case)
            n, most = len(case.numbers), max(1, np.abs(want["forces"]).max())
            self.assertLess(abs(got.energy[0] - want["energy"]) / n, 1e-9, case.name)
            self.assertLess(np.abs(got.energies[0] - want["energies"]).max(), 1e-9, case.name)
            self.assertLess(np.abs(got.forces[0] - want["forces"]).max() / most, 1e-8, case.name)
            seen += 1
        self.assertGreater(seen, 2)

    def test_batch_is_one_by_one(self):
        structures = [case for case, _ in cases("tiny_L1")]
        batch = self.model.evaluate(structures)
        for k, s in enumerate(structures):
            alone = self.model.evaluate(s)
            self.assertAlmostEqual(batch.energy[k], alone.energy[0], delta=1e-10)
            np.testing.assert_allclose(batch.forces[k], alone.forces[0], atol=1e-10)
            np.testing.assert_allclose(batch.stress[k], alone.stress[0], atol=1e-12)
            np.testing.assert_allclose(batch.energies[k].sum(), batch.energy[k], atol=1e-10)

    def test_what_is_not_wanted(self):
        r = self.model.evaluate(HOST, energies=False, forces=False, stress=False)
        self.assertEqual((r.energies, r.forces, r.stress), (None, None, None))
        self.assertEqual(r.energy[0], self.model.evaluate(HOST).energy[0])

    def test_info(self):
        info = self.model.info
        self.assertIn(info["family"], ("MACE", "ScaleShiftMACE"))
        self.assertIn(30, info["elements"])
        self.assertEqual(info["precision"], "double")
        self.assertEqual(len(info["sha256"]), 64)

    def test_errors(self):
        with self.assertRaisesRegex(equisorb.Error, "no/such.model"):
            equisorb.Model("no/such.model")
        with self.assertRaises(ValueError):
            equisorb.Model(TINY, precision="half")
        gold = equisorb.Structure(np.array([79]), np.zeros((1, 3)))
        with self.assertRaisesRegex(equisorb.Error, "Z = 79") as raised:
            self.model.evaluate(gold)
        self.assertEqual(raised.exception.status, 1)
        with self.assertRaisesRegex(equisorb.Error, "not finite"):
            self.model.evaluate(equisorb.Structure(np.array([8]), np.full((1, 3), np.nan)))
        with self.assertRaises(equisorb.Error):
            equisorb.read(data / "cif" / "overlap.cif")
        self.assertGreater(self.model.evaluate(HOST).energy[0], -1e9)  # goes on after errors

    def test_read(self):
        frames = equisorb.read(data / "cif" / "quartz.cif")
        self.assertEqual(len(frames), 1)
        self.assertEqual(sorted(set(frames[0].numbers.tolist())), [8, 14])
        self.assertTrue(np.all(frames[0].pbc))

    def test_threads_of_python(self):
        want, wrong = self.model.evaluate(HOST).energy[0], []

        def many():
            for _ in range(20):
                if self.model.evaluate(HOST).energy[0] != want:
                    wrong.append(1)
        threads = [threading.Thread(target=many) for _ in range(3)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])


class Sampling(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = equisorb.Model(TINY, device="host", threads=1)

    def test_widom_is_the_command(self):
        settings = dict(error=0.1, energy="sum", scale=0.02, table=20000, max_energies=1500)
        steps = []
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "host.xyz")
            cell = " ".join(repr(float(x)) for x in HOST.cell.ravel())
            with open(path, "w") as f:
                f.write('4\nLattice="%s" Properties=species:S:1:pos:R:3 pbc="T T T"\n' % cell)
                for symbol, x in zip(("O", "C", "H", "Zn"), HOST.positions):
                    f.write("%s %r %r %r\n" % (symbol, *map(float, x)))
            r = equisorb.widom(self.model, path, "CO2", [298, 350], progress=steps.append,
                               **settings)
            out = subprocess.run(
                [os.environ["EQUISORB"], "widom", path, "--model", TINY, "--gas", "CO2",
                 "--temperature", "298,350", "--error", "10%", "--energy", "sum", "--scale",
                 "0.02", "--table", "20000", "--max-energies", "1500", "--threads", "1", "--json"],
                check=True, capture_output=True)
        for got, row, want in zip(r.record["points"], r.rows, json.loads(out.stdout)["points"]):
            self.assertEqual(got["henry"], want["henry"])
            self.assertEqual(row["henry"], want["henry"])
        self.assertEqual([row["temperature"] for row in r.rows], [298, 350])
        self.assertGreater(r.rows[0]["henry"], r.rows[1]["henry"])
        self.assertIn("phase", steps[0])
        # Atoms in memory: their file differs, and with it the random numbers.
        other = equisorb.widom(self.model, HOST, "CO2", 298, **settings).rows[0]
        apart = abs(other["henry"] - r.rows[0]["henry"])
        self.assertLess(apart, 1.5 * np.hypot(other["henry_95"], r.rows[0]["henry_95"]))

    def test_frame(self):
        try:
            import pandas
        except ImportError:
            self.skipTest("pandas is not installed")
        r = equisorb.Result({}, "label,n,x\nhost,3,1.5\n,4,\n")
        self.assertEqual(r.rows, [{"label": "host", "n": 3, "x": 1.5},
                                  {"label": None, "n": 4, "x": None}])
        self.assertEqual(r.frame()["n"].sum(), 7)
        self.assertIsInstance(r.frame(), pandas.DataFrame)

    def test_gcmc_and_tmmc(self):
        r = equisorb.gcmc(None, HOST, "CO2", 298, 1e5, production=200, equilibration=200)
        self.assertEqual(len(r.rows), 1)
        self.assertGreaterEqual(r.rows[0]["uptake_mol_kg"], 0)
        mixed = equisorb.gcmc(None, HOST, {"CO2": 0.15, "N2": 0.85}, 298, 1e5, production=100,
                              equilibration=100)
        self.assertEqual([row["component"] for row in mixed.rows], ["CO2", "N2"])
        t = equisorb.tmmc(None, HOST, "CO2", [298, 313], [1e3, 1e5], production=300,
                          equilibration=100, max_guests=6)
        self.assertEqual(len(t.rows), 4)
        with self.assertRaises(ValueError):
            equisorb.gcmc(None, HOST, "CO2", 298, 1e5, energy="model")
        with self.assertRaisesRegex(equisorb.Error, "Xe"):
            equisorb.gcmc(None, HOST, "Xe", 298, 1e5)

    def test_pores(self):
        p = equisorb.pores(HOST, spacing=0.4)
        self.assertAlmostEqual(p["volume"], abs(np.linalg.det(HOST.cell)), delta=1e-6)
        self.assertGreaterEqual(p["di"], p["df"])

    def test_structures_outlive_their_file(self):
        """Arrays of a structure are held until its file is written (large ones are unmapped at
        once when they are freed too early)."""
        n = 30
        grid = np.array(np.meshgrid(*[np.arange(n) * 3.0] * 3)).reshape(3, -1).T
        many = equisorb.Structure(np.full(n ** 3, 18), grid, np.eye(3) * 3.0 * n, True)
        with equisorb.sampling._path_of(many) as path:
            back = equisorb.read(path)[0]
        np.testing.assert_allclose(back.positions, grid, atol=1e-6)

    def test_a_raising_watch_stops(self):
        def raising(progress):
            raise KeyError("enough")
        with self.assertRaises(KeyError):
            equisorb.gcmc(None, HOST, "CO2", 298, 1e5, production=10 ** 6, progress=raising)

    def test_ctrl_c(self):
        program = ("import equisorb, numpy as np\n"
                   "h = equisorb.Structure(np.array(%r), np.array(%r), np.array(%r), True)\n"
                   "print('go', flush=True)\n"
                   "equisorb.gcmc(None, h, 'CO2', 298, 1e5, production=10**7)\n"
                   % (HOST.numbers.tolist(), HOST.positions.tolist(), HOST.cell.tolist()))
        # A shell's background jobs ignore Ctrl-C, and their children with them.
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True,
                                 preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.addCleanup(child.kill)
        self.assertEqual(child.stdout.readline(), "go\n")
        time.sleep(1)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
        self.assertIn("KeyboardInterrupt", err)
        self.assertNotEqual(child.returncode, 0)


if __name__ == "__main__":
    unittest.main()
