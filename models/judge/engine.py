"""Candidate models through the engine: whole systems with a cache, and energies of insertions.

SPDX-License-Identifier: MIT
"""
import ctypes
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

import ase
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
try:
    import equisorb
except ImportError:  # not installed: the source's, with the library of the build tree
    os.environ.setdefault("EQUISORB_LIBRARY", str(ROOT / "build/default/libequisorb.so.0"))
    sys.path.insert(0, str(ROOT / "bindings/python"))
    import equisorb
from equisorb import _library
from equisorb.model import Batch

# Rigid molecules as core/gas.c has them, angstrom about the centre of mass, axis along z.
GASES = {
    "CO2": ([6, 8, 8], [[0, 0, 0], [0, 0, 1.16], [0, 0, -1.16]]),
    "N2": ([7, 7], [[0, 0, 0.54884], [0, 0, -0.54884]]),
    "H2O": ([8, 1, 1], [[0, 0, 0.065564178], [0.756950327, 0, -0.520318098],
                        [-0.756950327, 0, -0.520318098]]),
}


def add_models(parser, several=True, required=True):
    """--model, --precision, --wall, --dispersion, --threads of a command."""
    parser.add_argument("--model", action="append", required=required, metavar="[LABEL=]FILE",
                        help="a model file; several times for several columns" if several else
                        "a model file")
    parser.add_argument("--precision", choices=["single", "double"], default="single")
    parser.add_argument("--wall", choices=["off", "auto", "on"], default="off")
    parser.add_argument("--dispersion", help="D3 to add, such as d3bj:pbe or auto")
    parser.add_argument("--threads", type=int, default=1)


def split_label(text):
    """LABEL=FILE, or FILE with the stem as its label."""
    label, equals, path = text.partition("=")
    return (label, path) if equals else (pathlib.Path(text).stem, text)


def load(path, options, **changes):
    """The model of a command's options."""
    settings = {"precision": options.precision, "wall": options.wall, "threads": options.threads,
                "dispersion": options.dispersion, "device": "host"}
    settings.update(changes)
    return equisorb.Model(path, **settings)


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:12]


def evaluate(path, options, frames, forces=True, cache=None, **changes):
    """Energies [n] eV and forces, a list of [n, 3] eV/angstrom or Nones, of ase.Atoms; one frame at
    a time. cache: a folder that keeps them by content of model and frame, and settings."""
    energy, force, model = np.empty(len(frames)), [], None
    settings = repr((digest(path), options.precision, options.wall,
                     changes.get("dispersion", options.dispersion), forces)).encode()
    for i, frame in enumerate(frames):
        key = hashlib.sha256(settings + frame.positions.tobytes() + frame.numbers.tobytes() +
                             bytes(frame.pbc) + np.asarray(frame.cell).tobytes()).hexdigest()[:24]
        kept = pathlib.Path(cache or "", key + ".npz")
        if cache and kept.exists():
            with np.load(kept) as found:
                energy[i] = found["energy"]
                force.append(found["force"] if forces else None)
            continue
        model = model or load(path, options, **changes)
        r = model.evaluate(frame, energies=False, forces=forces, stress=False)
        energy[i] = r.energy[0]
        force.append(r.forces[0] if forces else None)
        if cache:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, energy=energy[i], force=force[i] if forces else 0)
        if sys.stderr.isatty():
            print("\r%d of %d" % (i + 1, len(frames)), end="", file=sys.stderr)
    return energy, force


class _Change(ctypes.Structure):
    _fields_ = [("n_remove", ctypes.c_int), ("remove", ctypes.POINTER(ctypes.c_int)),
                ("n_insert", ctypes.c_int), ("number", ctypes.POINTER(ctypes.c_int)),
                ("position", ctypes.POINTER(ctypes.c_double))]


class Insertions:
    """Energies of one molecule put into a periodic framework, as the samplers compute them
    (eqs_local_try)."""

    def __init__(self, model, framework):
        lib = _library.lib
        for name in ("eqs_local_open", "eqs_local_try"):
            getattr(lib, name).restype = ctypes.c_int
            getattr(lib, name).errcheck = _library._check
        lib.eqs_local_free.restype = None
        lib.eqs_local_free.argtypes = [ctypes.POINTER(ctypes.c_void_p)]
        self.model, self.batch, self.handle = model, Batch([framework]), ctypes.c_void_p()
        lib.eqs_local_open(model.context.pointer, model.handle.pointer,
                           ctypes.byref(self.batch.systems), ctypes.byref(self.handle))
        self.alone = {}

    def energies(self, numbers, positions):
        """U = E(framework + molecule) - E(framework) - E(molecule), eV, [n]; NAN where it is not
        finite. positions [n, atoms, 3] angstrom, one geometry in all."""
        positions = np.ascontiguousarray(positions, dtype=float)
        n = len(positions)
        number = np.array(numbers, np.intc)
        changes, de = (_Change * n)(), np.empty(n)
        for i in range(n):
            changes[i] = _Change(0, None, len(number),
                                 number.ctypes.data_as(ctypes.POINTER(ctypes.c_int)),
                                 positions[i].ctypes.data_as(ctypes.POINTER(ctypes.c_double)))
        _library.lib.eqs_local_try(self.handle, n, changes,
                                   de.ctypes.data_as(ctypes.POINTER(ctypes.c_double)))
        return de - self.molecule(numbers, positions[0])

    def molecule(self, numbers, position):
        key = (tuple(numbers), tuple(np.round(np.linalg.norm(
            position[:, None] - position[None], axis=2), 6).ravel()))
        if key not in self.alone:
            atoms = ase.Atoms(numbers, position)
            self.alone[key] = self.model.evaluate(atoms, energies=False, forces=False,
                                                  stress=False).energy[0]
        return self.alone[key]

    def __del__(self):
        if self.handle:
            _library.lib.eqs_local_free(ctypes.byref(self.handle))


def framework(path):
    """The first frame of a structure file as ase.Atoms."""
    s = equisorb.read(path)[0]
    return ase.Atoms(s.numbers, s.positions, cell=s.cell, pbc=True)


def widths(cell):
    """Distances between opposite faces, angstrom."""
    cell = np.asarray(cell)
    normal = np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]])
    return abs(np.linalg.det(cell)) / np.linalg.norm(normal, axis=1)


def repeated(atoms, width):
    """So often that every width of the cell is at least `width` angstrom."""
    return atoms.repeat([int(np.ceil(width / w - 1e-9)) for w in widths(atoms.cell)])


def random_rotations(rng, n):
    """[n, 3, 3], uniform on SO(3)."""
    q = rng.normal(size=(n, 4))
    return rotations(q / np.linalg.norm(q, axis=1)[:, None])


def rotations(q):
    """Of unit quaternions x, y, z, w: [n, 3, 3], x' = R x."""
    a, b, c, d = np.asarray(q).T
    return np.array([[1 - 2 * (b * b + c * c), 2 * (a * b - c * d), 2 * (a * c + b * d)],
                     [2 * (a * b + c * d), 1 - 2 * (a * a + c * c), 2 * (b * c - a * d)],
                     [2 * (a * c - b * d), 2 * (b * c + a * d), 1 - 2 * (a * a + b * b)]]
                    ).transpose(2, 0, 1)


def quaternion(r):
    """x, y, z, w of a rotation matrix."""
    r = np.asarray(r)
    k = np.array([[r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0],
                   r[2, 1] - r[1, 2]],
                  [0, r[1, 1] - r[0, 0] - r[2, 2], r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
                  [0, 0, r[2, 2] - r[0, 0] - r[1, 1], r[1, 0] - r[0, 1]], [0, 0, 0, np.trace(r)]])
    return np.linalg.eigh(k + np.triu(k, 1).T)[1][:, -1]


def pose_of(gas, numbers, positions):
    """Centre, quaternion and rms misfit (angstrom) of the rigid `gas` laid over a molecule's
    atoms (any order of the elements)."""
    number, local = np.array(GASES[gas][0]), np.array(GASES[gas][1])
    order = np.concatenate([np.flatnonzero(np.asarray(numbers) == z)
                            for z in dict.fromkeys(number.tolist())])
    x = np.asarray(positions)[order]
    mass = ase.data.atomic_masses[number][:, None]
    centre = (mass * x).sum(0) / mass.sum()
    u, _, vt = np.linalg.svd(((x - centre) * mass).T @ local)
    r = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    misfit = np.sqrt(((local @ r.T + centre - x) ** 2).sum(1).mean())
    return centre, quaternion(r), misfit


def classical(frameworks, poses, program=None):
    """Energies, eV, of rigid molecules in rigid frameworks by Lennard-Jones (UFF and TraPPE) and
    charges (EQeq), [n]; NAN where an element has no parameters. frameworks: ase.Atoms; poses:
    (index of the framework, gas, centre, quaternion)."""
    program = program or ROOT / "build/default/bench_guest"
    with tempfile.TemporaryDirectory() as folder:
        cells, places = os.path.join(folder, "cells.extxyz"), os.path.join(folder, "poses")
        for i, f in enumerate(frameworks):
            batch = Batch([f])  # keeps the arrays alive
            _library.lib.eqs_extxyz_write(os.fsencode(cells), int(i > 0),
                                          ctypes.byref(batch.systems), None)
        with open(places, "w") as f:
            for k, gas, centre, q in poses:
                f.write("%d %s %s\n" % (k, gas, " ".join("%.17g" % v for v in [*centre, *q])))
        done = subprocess.run([program, cells, places], capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s: %s" % (program, done.stderr))
    print(done.stderr, end="", file=sys.stderr)
    return np.array([float(line) for line in done.stdout.split()])


def connected(atoms):
    """Positions of a molecule's atoms, made whole across the cell's faces."""
    v = atoms.positions - atoms.positions[0]
    if atoms.cell.rank == 3:
        v -= np.round(v @ np.linalg.inv(atoms.cell)) @ np.asarray(atoms.cell)
    return atoms.positions[0] + v
