"""The pair style against the engine alone and against mace-torch, on 1, 2 and 4 processes.
SPDX-License-Identifier: MIT"""
import json
import os
import pathlib
import shutil
import tempfile
import unittest

import numpy as np

from lammps_runs import (BAR, MODELS, PLUGIN, Atoms, dump, engine, lammps, random_atoms, reference,
                         root, thermo)

HEAD = """clear
units metal
boundary {boundary}
plugin load {plugin}
read_data {data}
"""
TAIL = """compute e all pe/atom
compute s all stress/atom NULL
compute sum all reduce sum c_e c_s[*]
thermo_style custom step pe pxx pyy pzz pxy pxz pyz vol c_sum[*]
thermo_modify format float %.17g norm no
dump 1 all custom 1 {dump} id type x y z fx fy fz c_e c_s[*]
dump_modify 1 format float %.17g sort id
run 0
"""
PXX = ["Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"]
VOIGT = ([0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2])
MIXED = ["O", "C", "H", "Zn", "N", "Mg"]


class Case:
    def __init__(self, model, atoms, types=None, style="precision double", before=""):
        self.model, self.atoms, self.types, self.style = model, atoms, types, style
        self.before = before

    def script(self, folder, k):
        names = self.atoms.data(folder / f"{k}.data", self.types)
        elements = " ".join(n.rstrip("0123456789") for n in names)
        boundary = " ".join("p" if p else "f" for p in self.atoms.pbc)
        return (HEAD.format(boundary=boundary, plugin=PLUGIN, data=f"{k}.data") +
                self.before + f"pair_style equisorb {self.style}\n" +
                f"pair_coeff * * {self.model} {elements}\n" + TAIL.format(dump=f"{k}.dump"))


def run_cases(folder, cases, ranks):
    output = lammps(folder, "".join(c.script(folder, k) for k, c in enumerate(cases)), ranks)
    table = thermo(output)
    results = []
    for k in range(len(cases)):
        rows = dump(folder / f"{k}.dump")
        row = {n: v[k] for n, v in table.items()}
        results.append({"energy": row["PotEng"], "energies": rows[:, 8], "forces": rows[:, 5:8],
                        "virials": rows[:, 9:15],
                        "stress": -np.array([row[n] for n in PXX]) / BAR, "volume": row["Volume"],
                        "sums": np.array([row[f"c_sum[{j}]"] for j in range(1, 8)])})
    return results


class Pair(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="equisorb-lammps-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def same(self, got, want, tolerance, name=""):
        scale = max(1, abs(want["energy"]))
        self.assertLess(abs(got["energy"] - want["energy"]), tolerance * scale, name)
        for key in ("energies", "forces"):
            self.assertLess(np.abs(got[key] - np.array(want[key])).max(), tolerance * scale,
                            f"{name} {key}")
        if want.get("stress") is not None and got["stress"] is not None:
            stress = np.array(want["stress"])[VOIGT]
            self.assertLess(np.abs(got["stress"] - stress).max(), tolerance * scale,
                            f"{name} stress")

    def test_against_engine_on_many_ranks(self):
        wide = [[13, 0, 0], [4, 12, 0], [-3, 2, 11.5]]
        small = [[3.1, 0.2, 0], [0.7, 3.6, 0.1], [-0.5, 0.9, 4.2]]  # narrower than the cutoff
        cases = [
            Case(MODELS / "tiny_L1.model", random_atoms(MIXED * 8, wide, 1)),
            Case(MODELS / "tiny_att_3layer.model", random_atoms(MIXED * 4, wide, 2)),
            Case(MODELS / "tiny_nonlinear_3layer.model",
                 random_atoms(["O", "C", "H"] * 8, wide, 3)),
            Case(MODELS / "tiny_L1_resfirst_3layer.model",
                 random_atoms(["O", "C", "Zn"], small, 4)),
            # Several types of one element, and a process without atoms when there are several.
            Case(MODELS / "tiny_L1_dens_agnesi_zbl.model",
                 Atoms(["O", "C", "O", "H"], [[1, 1, 1], [2.1, 1, 1], [3.2, 1, 1], [1, 2, 2]],
                       np.eye(3) * 12), ["O1", "C1", "O2", "H1"]),
        ]
        cases.append(Case(cases[0].model, cases[0].atoms,
                          before="comm_style tiled\nbalance 1.0 rcb\n"))
        want = [engine(c.model, [c.atoms])[0] for c in cases]
        for ranks in (1, 2, 4):
            for c, got, w in zip(cases, run_cases(self.folder, cases, ranks), want):
                name = f"{c.model.name} on {ranks}"
                self.same(got, w, 1e-11, name)
                # Per-atom energies and virials add up to the energy and the pressure.
                self.assertAlmostEqual(got["sums"][0], got["energy"], delta=1e-10)
                self.assertLess(np.abs(got["sums"][1:] / got["volume"] / BAR -
                                       got["stress"]).max(), 1e-12, name)

    def test_virials_of_atoms(self):
        # Two molecules out of each other's reach: the virials of each add up to its own stress.
        rng = np.random.default_rng(9)
        near = np.array([[0, 0, 0], [1.2, 0, 0], [0.1, 1.1, 0.2], [1.4, 1.2, 0.9]])
        ends = [near + 2, near[:, [1, 2, 0]] * 1.05 + rng.random((4, 3)) * 0.1 + [15, 16, 4]]
        parts = [Atoms(["O", "C", "H", "N"], x, np.eye(3) * 26) for x in ends]
        both = Atoms(["O", "C", "H", "N"] * 2, np.vstack(ends), np.eye(3) * 26)
        model = MODELS / "tiny_L1.model"
        want = engine(model, parts)
        for ranks in (1, 2):
            got = run_cases(self.folder, [Case(model, both)], ranks)[0]["virials"]
            for k, w in enumerate(want):
                stress = got[4 * k:4 * k + 4].sum(axis=0) / BAR / 26 ** 3
                self.assertGreater(np.abs(stress).max(), 1e-6)
                self.assertLess(np.abs(stress - w["stress"][VOIGT]).max(), 1e-14)

    def test_against_mace_torch(self):
        cases, want = [], []
        for path, name in (("tiny_L1", "triclinic3"), ("tiny_L1", "slab_pbc110"),
                           ("tiny_L1", "h2o"), ("tiny_L1_dens_agnesi_zbl", "triclinic3"),
                           ("tiny_L1_att", "triclinic3"), ("tiny_L1", "lone_atom_periodic")):
            atoms, case = reference(f"mace/{path}.json", name)
            # Without a period LAMMPS wants atoms inside its box.
            free = np.array([not p for p in atoms.pbc])
            inside = np.where(free, 10 - atoms.positions.mean(axis=0), 0)
            atoms.positions += inside
            if not all(atoms.pbc):
                atoms.cell = np.where(np.eye(3) * free, 20, atoms.cell)
            stress = case.get("stress")
            if stress is not None and all(atoms.pbc):
                stress = atoms.turn.T @ np.array(stress) @ atoms.turn
            else:
                stress = None
            cases.append(Case(MODELS / f"{path}.model", atoms))
            want.append({"energy": case["energy"], "energies": case["energies"],
                         "forces": np.array(case["forces"]) @ atoms.turn, "stress": stress})
        for c, got, w in zip(cases, run_cases(self.folder, cases, 2), want):
            self.same(got, w, 1e-9, c.model.name)

    def test_single_precision_and_heads(self):
        atoms = random_atoms(MIXED * 4, np.diag([11, 10, 12.]), 5)
        model = MODELS / "tiny_L1_multihead.model"
        cases = [Case(model, atoms, style=f"head {h} precision {p} threads 2")
                 for h in ("omol", "pt_head") for p in ("double", "single")]
        got = run_cases(self.folder, cases, 2)
        for k, head in enumerate(("omol", "pt_head")):
            want = engine(model, [atoms], head=head)[0]
            self.same(got[2 * k], want, 1e-11, head)
            self.same(got[2 * k + 1], want, 3e-6, head + " single")
        self.assertGreater(abs(got[0]["energy"] - got[2]["energy"]), 1e-3)

    def test_sevennet(self):
        folder = os.environ.get("EQS_SEVENNET_DIR", str(root / "data" / "pretrained_potentials"))
        model = pathlib.Path(folder) / "SevenNet_0__11Jul2024" / "checkpoint_sevennet_0.pth"
        if not model.exists():
            self.skipTest(f"no {model}")
        path = root / "tests" / "data" / "reference" / "sevennet" / "triclinic_CaOC.json"
        case = json.loads(path.read_text())
        want = case["models"]["sevennet-0_11jul2024"]
        atoms = Atoms(["Ca", "O", "C"], case["positions"], case["cell"])
        want["forces"] = np.array(want["forces"]) @ atoms.turn
        xx, yy, zz, yz, xz, xy = want["stress"]
        stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        want["stress"] = atoms.turn.T @ stress @ atoms.turn
        self.same(run_cases(self.folder, [Case(model, atoms)], 2)[0], want, 1e-8)

    def test_overlay_with_types_without_a_model(self):
        atoms = random_atoms(["O", "C", "H", "Mg", "Mg"] * 5, [[12, 0, 0], [2, 11, 0], [0, 1, 12]],
                             6, apart=1.6)
        model = MODELS / "tiny_L1.model"
        atoms.data(self.folder / "o.data")
        lj = "pair_coeff * * {} 0.01 2.5\n"
        head = HEAD.format(boundary="p p p", plugin=PLUGIN, data="o.data")
        script = (head + "pair_style lj/cut 4.5\n" + lj.format("") + TAIL.format(dump="lj.dump") +
                  head + "pair_style hybrid/overlay lj/cut 4.5 equisorb precision double\n" +
                  lj.format("lj/cut") + f"pair_coeff * * equisorb {model} O C H NULL\n" +
                  TAIL.format(dump="both.dump"))
        keep = np.array([s != "Mg" for s in atoms.symbols])
        want = engine(model, [atoms.only(keep)])[0]
        for ranks in (1, 2):
            output = thermo(lammps(self.folder, script, ranks))
            self.assertAlmostEqual(output["PotEng"][1] - output["PotEng"][0], want["energy"],
                                   delta=1e-10)
            volume = output["Volume"][0]
            stress = -np.array([output[n][1] - output[n][0] for n in PXX]) / BAR
            self.assertLess(np.abs(stress - want["stress"][VOIGT]).max(), 1e-11)
            sums = [output[f"c_sum[{j}]"] for j in range(1, 8)]
            self.assertAlmostEqual(sums[0][1] - sums[0][0], want["energy"], delta=1e-10)
            self.assertLess(max(abs((s[1] - s[0]) / volume / BAR - t)
                                for s, t in zip(sums[1:], stress)), 1e-12)
            d = dump(self.folder / "both.dump") - dump(self.folder / "lj.dump")
            self.assertLess(np.abs(d[keep, 5:8] - want["forces"]).max(), 1e-11)
            self.assertLess(np.abs(d[~keep, 5:9]).max(), 1e-13)

    def test_bonds_and_exclusions_do_not_matter(self):
        # Both take pairs out of LAMMPS' neighbour lists, from which a model must not learn of it.
        atoms = Atoms(["O", "C", "O"], [[4, 5, 5], [5.16, 5, 5], [6.32, 5, 5]], np.eye(3) * 10)
        atoms.data(self.folder / "b.data", molecules=[1, 1, 1])
        text = (self.folder / "b.data").read_text()
        text = text.replace("atom types\n", "atom types\n2 bonds\n1 bond types\n") + \
            "\nBonds\n\n1 1 1 2\n2 1 2 3\n"
        (self.folder / "b.data").write_text(text)
        model = MODELS / "tiny_L1.model"
        head = HEAD.format(boundary="p p p", plugin=PLUGIN, data="b.data")
        head = head.replace("read_data", "atom_style bond\nbond_style zero\nread_data")
        script = (head + "bond_coeff *\nneigh_modify exclude type 1 1\n"
                  f"pair_style equisorb precision double\npair_coeff * * {model} O C\n" +
                  TAIL.format(dump="b.dump"))
        output = lammps(self.folder, script)
        self.assertAlmostEqual(thermo(output)["PotEng"][0], engine(model, [atoms])[0]["energy"],
                               delta=1e-11)
        self.assertIn("neigh_modify exclude does not change", output)

    def test_example(self):
        example = (root / "examples" / "lammps" / "in.periclase").read_text()
        model = MODELS / "tiny_L1.model"
        for name, value in (("plugin", PLUGIN), ("model", model)):
            example = f"variable {name} index {value}\n" + example  # the first one counts
        dumping = ("dump 1 all custom 50 p.dump id type x y z fx fy fz\n"
                   "dump_modify 1 format float %.17g\n")
        energies = {}
        for ranks in (1, 4):
            script = example.replace("run 50", dumping + "run 50").replace("%.10g", "%.17g")
            table = thermo(lammps(self.folder, script, ranks))
            energies[ranks] = table["TotEng"]
            rows = dump(self.folder / "p.dump")
            atoms = Atoms([["Mg", "O"][int(t) - 1] for t in rows[:, 1]], rows[:, 2:5],
                          np.eye(3) * 3 * 4.212)
            want = engine(model, [atoms])[0]
            self.assertLess(np.abs(rows[:, 5:8] - want["forces"]).max(), 1e-10)
            self.assertAlmostEqual(table["PotEng"][-1], want["energy"], delta=1e-8)
            # Constant energy, of which the kinetic one is 8 eV.
            self.assertGreater(np.ptp(table["PotEng"]), 0.1)
            self.assertLess(np.ptp(table["TotEng"]), 2e-3)
        self.assertLess(np.abs(energies[1] - energies[4]).max(), 1e-8)

    def test_errors(self):
        atoms = Atoms(["O", "C"], [[1, 1, 1], [2, 1, 1]], np.eye(3) * 9)
        atoms.data(self.folder / "e.data")
        head = HEAD.format(boundary="p p p", plugin=PLUGIN, data="e.data")
        model = MODELS / "tiny_L1.model"
        good = f"pair_coeff * * {model} O C\n"
        coincide = "create_atoms 1 single 5 5 5\ncreate_atoms 1 single 5 5 5\n"
        for script, message in (
                (head.replace("metal", "real") + "pair_style equisorb\n" + good + "run 0\n",
                 "the units are metal"),
                ("newton off\n" + head.replace("clear\n", "") + "pair_style equisorb\n" + good +
                 "run 0\n", "newton on"),
                (head + "pair_style equisorb precision half\n", "precision is single or double"),
                (head + "pair_style equisorb threads\n", "threads needs a value"),
                (head + "pair_style equisorb device cuda:0\n", "device is host"),
                (head + "pair_style equisorb colour red\n", "unknown keyword colour"),
                (head + "pair_style equisorb\npair_coeff * * nothing.model O C\n",
                 "nothing.model"),
                (head + f"pair_style equisorb\npair_coeff * * {model} O Xx\n", "no element"),
                (head + f"pair_style equisorb\npair_coeff * * {model} O Ar\n",
                 "does not know"),
                (head + f"pair_style equisorb\npair_coeff * * {model} O NULL\nrun 0\n",
                 "All pair coeffs are not set"),
                (head + "pair_style equisorb head wrong\n" + good, "wrong"),
                (head + "group some id 1\natom_modify first some\npair_style equisorb\n" + good +
                 "run 0\n", "ghosts of all atoms"),
                (head + "pair_style equisorb\n" + good + coincide + "run 0\n", "atom IDs: 3, 4"),
                (head + "pair_style equisorb\n" + good + "pair_write 1 1 10 r 1 2 f.txt x\n",
                 "pair_write")):
            with self.subTest(message=message):
                output = lammps(self.folder, script, check=False)
                self.assertIn("ERROR", output)
                self.assertIn(message, output.replace("\n  ", " "))


if __name__ == "__main__":
    unittest.main()
