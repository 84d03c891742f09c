"""`equisorb serve` under i-PI itself, where it is installed: path integrals of eight beads, whose
forces two clients share. SPDX-License-Identifier: MIT"""
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import numpy as np
from ase import Atoms
from ase.io import read, write

import equisorb

root = pathlib.Path(__file__).resolve().parents[2]
TINY = root / "tests" / "data" / "models" / "tiny_L1.model"
BEADS, TIME = 8, 5.0  # fs
INPUT = """
<simulation verbosity="quiet">
  <output prefix="run">
    <properties stride="1" filename="out" flush="1">
      [step, conserved{electronvolt}, potential{electronvolt}]
    </properties>
    <trajectory filename="x" stride="%(steps)d" format="ase" bead="-1">positions{ase}</trajectory>
  </output>
  <total_steps>%(steps)d</total_steps>
  <prng><seed>31415</seed></prng>
  <ffsocket name="equisorb" mode="unix" pbc="false">
    <address>%(socket)s</address><latency>1e-4</latency><timeout>30</timeout>
  </ffsocket>
  <system>
    <initialize nbeads="%(beads)d">
      <file mode="ase">start.xyz</file>
      <velocities mode="thermal" units="kelvin">300</velocities>
    </initialize>
    <forces><force forcefield="equisorb"/></forces>
    <motion mode="dynamics">
      <dynamics mode="nve"><timestep units="femtosecond">%(timestep)g</timestep></dynamics>
    </motion>
    <ensemble><temperature units="kelvin">300</temperature></ensemble>
  </system>
</simulation>
"""


@unittest.skipUnless(importlib.util.find_spec("ipi"), "i-PI is not installed")
class PathIntegral(unittest.TestCase):
    def run_driver(self, folder, steps):
        name = "equisorb-test-%d" % os.getpid()
        start = Atoms("OCHZn", [[.3, .2, .1], [1.5, .4, .1], [2.2, 1.2, .3], [-.4, 1.9, 1.]],
                      cell=[[7, 0, 0], [1.5, 8, 0], [-1, .5, 9.]], pbc=True)
        write(os.path.join(folder, "start.xyz"), start, format="extxyz")
        with open(os.path.join(folder, "input.xml"), "w") as file:
            file.write(INPUT % {"steps": steps, "socket": name, "beads": BEADS,
                                "timestep": TIME / steps})
        driver = os.path.join(os.path.dirname(sys.executable), "i-pi")
        serve = [os.environ["EQUISORB"], "serve", "start.xyz", "--model", TINY, "--precision",
                 "double", "--threads", "1", "--device", "host", "--socket", name, "--wait", "30"]
        quiet = {"cwd": folder, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        children = [subprocess.Popen(command, **quiet)
                    for command in ([driver, "input.xml"], serve, serve)]
        said = [child.communicate(timeout=60)[0].decode() for child in children]
        self.assertEqual([child.returncode for child in children], [0, 0, 0], said)
        return np.loadtxt(os.path.join(folder, "run.out"))

    def test_eight_beads(self):
        model = equisorb.Model(TINY, precision="double", device="host", threads=1)
        spread = []
        for steps in (20, 40):
            with tempfile.TemporaryDirectory() as folder:
                out = self.run_driver(folder, steps)
                beads = [read(os.path.join(folder, "run.x_%d.extxyz" % k), -1)
                         for k in range(BEADS)]
            self.assertEqual(len(out), steps + 1)
            # i-PI's electronvolt has eight digits: 1.4e-6 eV here.
            mean = model.evaluate(beads, forces=False, stress=False).energy.mean()
            self.assertAlmostEqual(out[-1, 2], mean, delta=3e-6)
            self.assertGreater(np.std([b.positions for b in beads], axis=0).min(), 1e-3)
            spread.append(np.ptp(out[:, 1]))
        # Velocity Verlet: the error of the conserved energy falls with the square of the step.
        self.assertGreater(spread[0] / spread[1], 3)
        self.assertLess(spread[0] / spread[1], 5)


if __name__ == "__main__":
    unittest.main()
