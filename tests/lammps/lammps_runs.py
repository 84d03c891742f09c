"""Runs of LAMMPS with the plugin, and of the `equisorb` command, on the same atoms.

EQUISORB names the command, EQUISORB_PLUGIN the plugin; `lmp` and `mpiexec` are those of the
environment that this Python belongs to.
SPDX-License-Identifier: MIT"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

root = pathlib.Path(__file__).resolve().parents[2]
MODELS = root / "tests" / "data" / "models"
COMMAND = os.environ.get("EQUISORB", str(root / "build" / "default" / "equisorb"))
PLUGIN = os.environ.get("EQUISORB_PLUGIN", str(root / "build" / "lammps" / "plugin" /
                                               "equisorbplugin.so"))
MASSES = {"H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "Mg": 24.305, "Ca": 40.078,
          "F": 18.998403163, "Si": 28.085, "Ni": 58.6934, "Zn": 65.38}
BAR = 1.6021765e6  # of one eV/angstrom^3, as LAMMPS has it in metal units
# More processes than cores: MPICH is to let others run while it waits.
environment = dict(os.environ, OMP_NUM_THREADS="1", OMP_WAIT_POLICY="passive",
                   MPIR_CVAR_POLLS_BEFORE_YIELD="1",
                   LD_LIBRARY_PATH=str(pathlib.Path(sys.prefix) / "lib"))


class Atoms:
    """Symbols, positions and a cell of rows, turned so that it is LAMMPS' lower triangle."""

    def __init__(self, symbols, positions, cell, pbc=(1, 1, 1)):
        q, r = np.linalg.qr(np.array(cell, float).T)
        sign = np.sign(np.diag(r))
        self.turn = q * sign  # new = old @ turn
        self.symbols = list(symbols)
        self.positions = np.array(positions, float) @ self.turn
        self.cell = (r.T * sign) * (np.abs(r.T) > 1e-13)
        self.pbc = list(pbc)

    def only(self, keep):
        return Atoms([s for s, k in zip(self.symbols, keep) if k],
                     self.positions[np.array(keep, bool)], self.cell, self.pbc)

    def extxyz(self):
        lattice = " ".join(f"{x:.17g}" for x in self.cell.flat)
        pbc = " ".join("T" if p else "F" for p in self.pbc)
        head = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="{pbc}"'
        return f"{len(self.symbols)}\n{head}\n" + "".join(
            f"{s} {x[0]:.17g} {x[1]:.17g} {x[2]:.17g}\n"
            for s, x in zip(self.symbols, self.positions))

    def data(self, path, types=None, molecules=None, velocities=None, names=None):
        """Writes LAMMPS' data file; types: name of each atom's type, by default its element;
        names: of all types, in order."""
        types = types or self.symbols
        names = names or list(dict.fromkeys(types))
        c = self.cell
        with open(path, "w") as f:
            f.write(f"data\n\n{len(types)} atoms\n{len(names)} atom types\n\n")
            for k, a in enumerate("xyz"):
                f.write(f"0 {c[k, k]:.17g} {a}lo {a}hi\n")
            if abs(c[1, 0]) + abs(c[2, 0]) + abs(c[2, 1]) > 0:
                f.write(f"{c[1, 0]:.17g} {c[2, 0]:.17g} {c[2, 1]:.17g} xy xz yz\n")
            f.write("\nMasses\n\n")
            for k, name in enumerate(names):
                f.write(f"{k + 1} {MASSES[re.sub('[0-9]', '', name)]}\n")
            f.write("\nAtoms\n\n")
            for i, (t, x) in enumerate(zip(types, self.positions)):
                molecule = "" if molecules is None else f"{molecules[i]} "
                f.write(f"{i + 1} {molecule}{names.index(t) + 1} "
                        f"{x[0]:.17g} {x[1]:.17g} {x[2]:.17g}\n")
            if velocities is not None:
                f.write("\nVelocities\n\n")
                for i, v in enumerate(velocities):
                    f.write(f"{i + 1} {v[0]:.17g} {v[1]:.17g} {v[2]:.17g}\n")
        return names


def random_atoms(symbols, cell, seed, apart=1.25):
    """No two atoms closer than `apart`, images included."""
    rng = np.random.default_rng(seed)
    cell = np.array(cell, float)
    shifts = np.indices((3, 3, 3)).reshape(3, -1).T - 1
    placed = []
    while len(placed) < len(symbols):
        x = rng.random(3) @ cell
        if all(np.linalg.norm(x - y + shifts @ cell, axis=1).min() > apart for y in placed):
            placed.append(x)
    return Atoms(symbols, placed, cell)


def lammps(folder, script, ranks=1, check=True):
    """Runs the input script in the folder; returns what LAMMPS printed."""
    with open(folder / "in.lammps", "w") as f:
        f.write(script)
    program = [str(pathlib.Path(sys.prefix) / "bin" / "lmp"), "-in", "in.lammps", "-log", "none"]
    return run(folder, program, ranks, check)


def run(folder, program, ranks=1, check=True):
    if ranks > 1:
        program = [str(pathlib.Path(sys.prefix) / "bin" / "mpiexec"), "-n", str(ranks)] + program
    done = subprocess.run(program, cwd=folder, env=environment, text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and done.returncode:
        raise RuntimeError(f"{program} ended with {done.returncode}:\n{done.stdout[-3000:]}")
    return done.stdout


def thermo(output):
    """Columns of all thermo tables, by name; rows of several runs follow each other."""
    columns, names = {}, None
    for line in output.splitlines():
        words = line.split()
        if words[:1] == ["Step"]:
            names = words
        elif line.startswith("Loop time"):
            names = None
        elif names and len(words) == len(names) and re.match(r"-?[0-9]", words[0]):
            for n, w in zip(names, words):
                columns.setdefault(n, []).append(float(w))
    return {n: np.array(v) for n, v in columns.items()}


def dump(path):
    """The last frame of a custom dump: id type x y z fx fy fz ..., sorted by id."""
    with open(path) as f:
        frame = f.read().split("ITEM: TIMESTEP\n")[-1]
    rows = frame.split("ITEM: ATOMS")[1].splitlines()[1:]
    rows = np.array([[float(w) for w in r.split()] for r in rows])
    return rows[np.argsort(rows[:, 0])]


def engine(model, systems, precision="double", **options):
    """Energy, energies, forces and stress of each system by `equisorb evaluate`."""
    words = [w for k, v in options.items() for w in ("--" + k, v)]
    with tempfile.NamedTemporaryFile("w", suffix=".extxyz") as f:
        f.write("".join(s.extxyz() for s in systems))
        f.flush()
        out = subprocess.run([COMMAND, "evaluate", "--model", str(model), "--precision", precision,
                              "--threads", "1", "--device", "host", *words, f.name,
                              "--output", "-"], text=True, env=environment,
                             stdout=subprocess.PIPE, check=True).stdout.splitlines()
    results = []
    while out:
        n, head = int(out[0]), out[1]
        rows = np.array([[float(w) for w in line.split()[4:]] for line in out[2:2 + n]])
        stress = re.search(r'stress="([^"]*)"', head)
        results.append({
            "energy": float(re.search(r"energy=(\S+)", head)[1]),
            "forces": rows[:, :3], "energies": rows[:, 3],
            "stress": stress and np.array(stress[1].split(), float).reshape(3, 3)})
        out = out[2 + n:]
    return results


def reference(path, name, head="Default"):
    """A case of tests/data/reference/mace, turned into LAMMPS' axes."""
    symbol = {1: "H", 6: "C", 7: "N", 8: "O", 12: "Mg", 20: "Ca", 30: "Zn"}
    cases = json.loads((root / "tests" / "data" / "reference" / path).read_text())["cases"]
    case = next(c for c in cases if c["name"] == name and c["head"] == head)
    cell = case["cell"] if any(case["pbc"]) else np.eye(3) * 20
    atoms = Atoms([symbol[z] for z in case["numbers"]], case["positions"], cell, case["pbc"])
    return atoms, case
