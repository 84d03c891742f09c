"""Atoms that come and go: fix gcmc and fix widom against `equisorb gcmc` and `equisorb widom`.

fix gcmc looks at the energy without a molecule by leaving its atoms where they are, in no group
but its exclusion group. Pair styles that see them all the same make every deletion look as good as
the molecule alone, which ends with an empty framework.
SPDX-License-Identifier: MIT"""
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import numpy as np

from lammps_runs import (COMMAND, MODELS, PLUGIN, Atoms, dump, engine, environment, lammps,
                         random_atoms, run, thermo)

MODEL = MODELS / "tiny_L1.model"
HOST = Atoms(["Zn", "O", "O", "C", "Mg", "O"],
             [[0, 0, 0], [1.95, 0, 0], [0, 1.95, 0], [2.6, 1.1, .3], [.5, .4, 5.5], [.5, 2.4, 5.5]],
             np.eye(3) * 11)
GAS = Atoms(["C", "O", "O"], [[0, 0, 0], [0, 0, 1.16], [0, 0, -1.16]], np.eye(3) * 30)
# Where the computed walls (potentials/wall.h) are OVERLAP eV, angstrom; within CO2 no atoms are so
# close.
OVERLAP = 20
DISTANCE = {frozenset(pair.split("-")): r for pair, r in {
    "C-C": 0.974831399, "C-O": 1.024283357, "C-Mg": 1.125648985, "C-Zn": 1.275570737,
    "O-O": 1.094007462, "O-Mg": 1.134822496, "O-Zn": 1.296026586}.items()}
ELEMENTS = ["O", "C", "Zn", "O", "C", "Mg"]  # of LAMMPS' types: the gas, then the framework
TEMPERATURE = 1000  # the random model binds too strongly below


def script(folder, exchange, steps, intra):
    """The framework as types 3 to 6. Contacts closer than DISTANCE are forbidden, as in the command:
    a wall of a second style, so steep that its width does not matter."""
    (folder / "co2.mol").write_text(
        "CO2\n\n3 atoms\n\nCoords\n\n1 0 0 0\n2 0 0 1.16\n3 0 0 -1.16\n\n"
        "Types\n\n1 2\n2 1\n3 1\n\nMasses\n\n1 12.011\n2 15.999\n3 15.999\n")
    HOST.data(folder / "host.data", ["Zn", "O1", "O1", "C1", "Mg", "O1"], [0] * 6,
              names=["O", "C", "Zn", "O1", "C1", "Mg"])
    walls = "".join(
        f"pair_coeff {i + 1} {j + 1} harmonic/cut 1e14 {DISTANCE[frozenset((a, b))]:.10g}\n"
        for i, a in enumerate(ELEMENTS) for j, b in enumerate(ELEMENTS) if i <= j and i < 2)
    return f"""units metal
atom_style molecular
plugin load {PLUGIN}
read_data host.data
molecule co2 co2.mol
group gas type 1 2
pair_style hybrid/overlay equisorb precision double harmonic/cut
pair_coeff * * equisorb {MODEL} {" ".join(ELEMENTS)}
{walls}fix x gas {exchange} mol co2 full_energy intra_energy {intra:.17g}
thermo 1
thermo_style custom step atoms pe f_x[2] f_x[3] f_x[4] f_x[5] f_x[6]
thermo_modify lost ignore format float %.17g
dump 1 all custom {steps} x.dump id type x y z fx fy fz
dump_modify 1 format float %.17g
run {steps}
"""


def command(*words):
    done = subprocess.run([COMMAND, *map(str, words), "--pockets", "keep", "--threads", "1",
                           "--overlap-energy", str(OVERLAP), "--wall", "off", "--model", MODEL,
                           "--gas", "CO2", "--temperature", str(TEMPERATURE)],
                          stdout=subprocess.PIPE, text=True, env=environment, check=True)
    return json.loads(done.stdout)


def mean_of_blocks(x, n=20):
    blocks = x[:len(x) // n * n].reshape(n, -1).mean(axis=1)
    return blocks.mean(), blocks.std(ddof=1) / n ** .5


class MonteCarlo(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="equisorb-lammps-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.intra = engine(MODEL, [GAS])[0]["energy"]
        (self.folder / "host.extxyz").write_text(HOST.extxyz())

    def test_atoms_in_no_group_are_gone(self):
        atoms = random_atoms(["O", "C", "H", "Zn"] * 6, [[12, 0, 0], [2, 11, 0], [-1, 1, 12]], 7)
        atoms.data(self.folder / "m.data")
        (self.folder / "m.in").write_text(
            f"units metal\nplugin load {PLUGIN}\nread_data m.data\ngroup none subtract all all\n"
            f"pair_style equisorb precision double\npair_coeff * * {MODEL} O C H Zn\n")
        keep = np.array([i not in (2, 3, 17) for i in range(24)])
        whole, rest = engine(MODEL, [atoms, atoms.only(keep)])
        for ranks in (1, 2):
            masks = str(pathlib.Path(__file__).with_name("masks.py"))
            out = run(self.folder, [sys.executable, masks, "m.in", "2", "3", "4", "18"], ranks)
            line = next(x for x in out.splitlines() if x.startswith("energies"))
            got = [float(w) for w in line.split()[1:]]
            for g, w in zip(got, (whole, rest, whole)):
                self.assertAlmostEqual(g, w["energy"], delta=1e-10)
            forces = dump(self.folder / "masks.1")[:, 5:8]
            self.assertLess(np.abs(forces[keep] - rest["forces"]).max(), 1e-10)
            self.assertEqual(np.abs(forces[~keep]).max(), 0)
            forces = dump(self.folder / "masks.0")[:, 5:8]
            self.assertLess(np.abs(forces - whole["forces"]).max(), 1e-10)

    def test_atoms_made_and_deleted(self):
        atoms = random_atoms(["O", "C", "H", "Zn"] * 6, np.eye(3) * 12, 8)
        atoms.data(self.folder / "d.data")
        new = [6.1, 0.3, 11.9]
        lammps(self.folder, f"""units metal
plugin load {PLUGIN}
read_data d.data
pair_style equisorb precision double
pair_coeff * * {MODEL} O C H Zn
run 0
group gone id 1 5 6 20
delete_atoms group gone compress no
create_atoms 4 single {new[0]} {new[1]} {new[2]}
run 0
write_dump all custom d.dump id type x y z fx fy fz modify format float %.17g
""", 2)
        rows = dump(self.folder / "d.dump")
        symbols = [["O", "C", "H", "Zn"][int(t) - 1] for t in rows[:, 1]]
        self.assertEqual(len(symbols), 21)
        want = engine(MODEL, [Atoms(symbols, rows[:, 2:5], atoms.cell)])[0]
        self.assertLess(np.abs(rows[:, 5:8] - want["forces"]).max(), 1e-10)

    def final_energy(self, output):
        rows = dump(self.folder / "x.dump")
        atoms = Atoms([ELEMENTS[int(t) - 1] for t in rows[:, 1]], rows[:, 2:5], HOST.cell)
        want = engine(MODEL, [atoms])[0]
        self.assertAlmostEqual(thermo(output)["PotEng"][-1], want["energy"], delta=1e-9)
        self.assertLess(np.abs(rows[:, 5:8] - want["forces"]).max(), 1e-9)

    def test_gcmc(self):
        want = command("gcmc", self.folder / "host.extxyz", "--pressure", "2e7", "--no-surrogate",
                       "--cycles", "3000", "--equilibration", "100", "--trials", "1", "--json")
        fugacity = want["components"][0]["fugacity_Pa"] / 1e5
        want = want["components"][0]["molecules_per_cell"]
        # LAMMPS has no moves of molecules on several processes, only insertions and deletions.
        for ranks, moves, steps in ((1, 10, 500), (2, 0, 12)):
            exchange = (f"gcmc 1 20 {moves} 0 4711 {TEMPERATURE} 0 3.0 pressure {fugacity:.10g} "
                        "fugacity_coeff 1 overlap_cutoff 1.05")
            output = lammps(self.folder, script(self.folder, exchange, steps, self.intra), ranks)
            self.final_energy(output)
            table = thermo(output)
            self.assertGreater(table["f_x[4]"][-1], 2 * steps)  # insertions
            self.assertGreater(table["f_x[6]"][-1], 2 * steps)  # deletions
            if ranks == 1:
                n, sigma = mean_of_blocks((table["Atoms"][20:] - 6) / 3)
                self.assertLess(sigma, 0.2)
                self.assertLess(abs(n - want["mean"]), 4 * np.hypot(sigma, want["sigma"]),
                                f"{n} +- {sigma}, {want}")

    def test_energies_of_pairs_are_not_offered(self):
        # So fix gcmc takes the energy of everything, without being told.
        exchange = f"gcmc 1 5 5 0 4711 {TEMPERATURE} 0 3.0 pressure 200"
        text = script(self.folder, exchange, 3, self.intra)
        lines = [x for x in text.splitlines() if "harmonic/cut" not in x or "pair_style" in x]
        text = "\n".join(lines).replace("hybrid/overlay", "").replace(" harmonic/cut", "")
        text = text.replace("* * equisorb", "* *").replace("full_energy ", "")
        output = lammps(self.folder, text + "\n")
        self.assertIn("using full_energy option", output)
        self.final_energy(output)

    def test_widom(self):
        record = command("widom", self.folder / "host.extxyz", "--method", "plain", "--json",
                         "--max-energies", "4000", "--error", "1%")
        want = record["points"][0]
        exchange = f"widom 1 100 0 4711 {TEMPERATURE}"
        output = lammps(self.folder, script(self.folder, exchange, 40, self.intra)
                        .replace(" f_x[4] f_x[5] f_x[6]", ""))
        self.final_energy(output)
        w, sigma = mean_of_blocks(thermo(output)["f_x[2]"][1:])
        self.assertLess(sigma, 0.02)
        self.assertLess(abs(w - want["w"]), 4 * np.hypot(sigma, want["w_sigma"]),
                        f"{w} +- {sigma}, {want}")


if __name__ == "__main__":
    unittest.main()
