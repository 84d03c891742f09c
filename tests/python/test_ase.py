"""ASE: the calculator, and `equisorb serve` as a client of ASE's i-PI server.
SPDX-License-Identifier: MIT"""
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import numpy as np
from ase import Atoms
from ase.calculators.socketio import SocketIOCalculator
from ase.filters import FrechetCellFilter
from ase.io import write
from ase.optimize import BFGS

import equisorb
from equisorb.ase import Equisorb

root = pathlib.Path(__file__).resolve().parents[2]
TINY = root / "tests" / "data" / "models" / "tiny_L1.model"


def host():
    return Atoms("OCHZn", [[.3, .2, .1], [1.5, .4, .1], [2.2, 1.2, .3], [-.4, 1.9, 1.]],
                 cell=[[7, 0, 0], [1.5, 8, 0], [-1, .5, 9.]], pbc=True)


class Calculator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = equisorb.Model(TINY, precision="double", device="host", threads=1)

    def test_derivatives(self):
        atoms = host()
        atoms.calc = Equisorb(self.model)
        forces, stress = atoms.get_forces(), atoms.get_stress()
        for i, a in ((0, 0), (1, 2), (3, 1)):
            e = []
            for step in (1e-4, -1e-4):
                moved = atoms.copy()
                moved.calc = atoms.calc
                moved.positions[i, a] += step
                e.append(moved.get_potential_energy())
            self.assertAlmostEqual(forces[i, a], -(e[0] - e[1]) / 2e-4, delta=1e-6)
        for k, strain in enumerate(([0, 0], [1, 1], [2, 2], [1, 2], [0, 2], [0, 1])):
            e = []
            for step in (1e-5, -1e-5):
                turn = np.eye(3)
                turn[strain[0], strain[1]] += step / 2
                turn[strain[1], strain[0]] += step / 2
                bent = atoms.copy()
                bent.set_cell(atoms.cell @ turn, scale_atoms=True)
                bent.calc = atoms.calc
                e.append(bent.get_potential_energy())
            self.assertAlmostEqual(stress[k], (e[0] - e[1]) / 2e-5 / atoms.get_volume(), delta=1e-7)

    def test_properties(self):
        atoms = host()
        atoms.calc = Equisorb(TINY, precision="double", device="host", threads=1)
        energy = atoms.get_potential_energy()
        self.assertNotIn("forces", atoms.calc.results)  # an energy alone costs no reverse pass
        self.assertAlmostEqual(atoms.get_potential_energies().sum(), energy, delta=1e-10)
        self.assertEqual(atoms.get_forces().shape, (4, 3))
        molecule = Atoms("OCO", [[0, 0, -1.16], [0, 0, 0], [0, 0, 1.16]])
        molecule.calc = atoms.calc
        self.assertEqual(molecule.get_forces().shape, (3, 3))
        with self.assertRaises(Exception):
            molecule.get_stress()

    def test_relaxation(self):
        atoms = host()
        atoms.calc = Equisorb(self.model)
        before = atoms.get_potential_energy()
        self.assertTrue(BFGS(atoms, logfile=None).run(fmax=1e-3, steps=300))
        self.assertLess(atoms.get_potential_energy(), before)
        self.assertLess(np.abs(atoms.get_forces()).max(), 1e-3)
        before = atoms.get_potential_energy()
        BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=1e-2, steps=5)
        self.assertLess(atoms.get_potential_energy(), before + 1e-9)


class Serve(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.structure = os.path.join(self.folder.name, "host.xyz")
        write(self.structure, host(), format="extxyz")
        self.path = os.path.join(self.folder.name, "socket")

    def client(self, *options):
        child = subprocess.Popen(
            [os.environ["EQUISORB"], "serve", self.structure, "--model", TINY, "--precision",
             "double", "--threads", "1", "--device", "host", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            child.kill()
            child.communicate()
        self.addCleanup(end)
        return child

    def listen(self):
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(self.path)
        server.listen(1)
        server.settimeout(20)
        return server

    def check_ase(self, calculator, child):
        atoms = host()
        with calculator as calc:
            atoms.calc = calc
            for step in range(3):
                atoms.positions[0, 0] += 0.01 * step
                atoms.set_cell(atoms.cell * (1 + 0.001 * step))
                twin = atoms.copy()
                twin.calc = Equisorb(TINY, precision="double", device="host", threads=1)
                self.assertAlmostEqual(atoms.get_potential_energy(), twin.get_potential_energy(),
                                       delta=1e-6)
                np.testing.assert_allclose(atoms.get_forces(), twin.get_forces(), atol=1e-6)
                np.testing.assert_allclose(atoms.get_stress(), twin.get_stress(), atol=1e-8)
        _, err = child.communicate(timeout=20)
        self.assertEqual((child.returncode, err), (0, ""))

    def test_ase_unix_socket(self):
        name = "equisorb-test-%d" % os.getpid()
        self.check_ase(SocketIOCalculator(unixsocket=name),
                       self.client("--socket", name, "--wait", "1"))

    def test_ase_internet_socket(self):
        with socket.socket() as probe:
            probe.bind(("localhost", 0))
            port = probe.getsockname()[1]
        self.check_ase(SocketIOCalculator(port=port),
                       self.client("--host", "localhost", "--port", str(port), "--wait", "1"))

    def ends(self, child, code, text):
        _, err = child.communicate(timeout=20)
        self.assertEqual(child.returncode, code, err)
        self.assertIn(text, err)

    def test_a_connection_that_breaks_is_made_again(self):
        server = self.listen()
        child = self.client("--socket", self.path)
        first, _ = server.accept()
        first.sendall(b"STATUS      ")
        self.assertEqual(first.recv(12), b"READY       ")
        first.close()
        second, _ = server.accept()
        second.sendall(b"INIT        " + struct.pack("ii", 3, 5) + b"hello" + b"STATUS      ")
        self.assertEqual(second.recv(12), b"READY       ")
        second.sendall(b"EXIT        ")
        self.ends(child, 0, "")

    def test_drivers_that_misbehave(self):
        cell = struct.pack("9d", *(20 * np.eye(3)).ravel())
        for sent, text in ((b"GET / HTTP/1.1\r\n", "GET / HTTP/1"),
                           (b"GETFORCE    ", "before any positions"),
                           (b"INIT        " + struct.pack("ii", 0, -4), "-4 bytes"),
                           (b"POSDATA     " + 2 * cell + struct.pack("i", 7), "7 atoms"),
                           (b"POSDATA     " + 2 * cell + struct.pack("i", 4) + bytes(96),
                            "step 1: "),
                           (b"POSDATA     " + 2 * cell + struct.pack("=i12d", 4, *[np.nan] * 12),
                            "not finite"),
                           (b"STAT", "within a message")):
            with self.subTest(text):
                server = self.listen()
                child = self.client("--socket", self.path, "--wait", "0")
                connection, _ = server.accept()
                connection.sendall(sent)
                if sent == b"STAT":
                    connection.close()
                try:
                    self.ends(child, 1, text)
                finally:
                    connection.close()
                    server.close()
                    os.unlink(self.path)

    def test_nobody_listens(self):
        self.ends(self.client("--socket", self.path, "--wait", "0.2"), 1, self.path)
        self.ends(self.client(), 2, "--socket")
        self.ends(self.client("--socket", "a", "--port", "1"), 2, "--socket")

    def test_ctrl_c(self):
        server = self.listen()
        child = self.client("--socket", self.path)
        connection, _ = server.accept()
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        self.ends(child, 130, "stopped after 0 steps")
        connection.close()


if __name__ == "__main__":
    unittest.main()
