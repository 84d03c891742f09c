"""Molecular dynamics in LAMMPS by the plugin, against `equisorb md`: a framework with CO2 at
constant energy, the same atoms and velocities, on some numbers of processes. Prints the largest
differences of the potential and total energy, and what a step costs on one process: instructions
and cycles by `perf`, start-up taken off by a run of a tenth of the steps.

usage: python compare_lammps.py STRUCTURE MODEL [--co2 8] [--steps 1000] [--ranks 1,2,4]
                                [--plugin FILE] [--command FILE] [--precision double]
       with the Python of the environment that cmake/check_lammps.sh makes (build/lammps)
SPDX-License-Identifier: MIT
"""
import argparse
import csv
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "lammps"))
from lammps_runs import MASSES, Atoms, environment, thermo  # noqa: E402

TIME = 1.018050571e-2  # ps: angstrom sqrt(u / eV), the unit of time of the trajectory


def read_frame(path):
    lines = path.read_text().splitlines()
    lattice = re.search(r'Lattice="([^"]*)"', lines[1])[1].split()
    properties = re.search(r"Properties=(\S+)", lines[1])[1].split(":")
    column, at = {}, 0
    for name, n in zip(properties[::3], properties[2::3]):
        column[name] = slice(at, at + int(n))
        at += int(n)
    rows = [line.split() for line in lines[2:2 + int(lines[0])]]
    values = {k: np.array([r[c] for r in rows], str if k == "species" else float)
              for k, c in column.items()}
    return values, np.array(lattice, float).reshape(3, 3)


def add_co2(symbols, positions, cell, n, apart=2.4):
    rng = np.random.default_rng(1)
    shifts = (np.indices((3, 3, 3)).reshape(3, -1).T - 1) @ cell
    for _ in range(n):
        for _ in range(100000):
            axis = rng.normal(size=3)
            axis *= 1.16 / np.linalg.norm(axis)
            place = rng.random(3) @ cell + np.array([0 * axis, axis, -axis])
            gaps = place[:, None, None] - (positions[None, :, None] + shifts)
            if np.linalg.norm(gaps, axis=-1).min() > apart:
                break
        else:
            sys.exit("no place for so many molecules")
        symbols += ["C", "O", "O"]
        positions = np.vstack([positions, place])
    return symbols, positions


def measured(words, folder):
    """Runs it; what it printed, and its instructions and cycles."""
    counts = folder / "counts"
    words = ["perf", "stat", "-x", ",", "-e", "instructions:u,cycles:u", "-o", str(counts)] + words
    done = subprocess.run(words, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stdout}")
    return done.stdout, np.array(re.findall(r"^(\d+),", counts.read_text(), re.M), float)


def run_md(folder, options, steps, structure, trajectory=False):
    words = [options.command, "md", "--structure", structure, "--model", options.model, "--steps",
             str(steps), "--timestep", "0.5", "--temperature", "300", "--log", "md.csv",
             "--threads", "1", "--device", "host", "--precision", options.precision]
    if trajectory:
        words += ["--trajectory", "md.extxyz", "--trajectory-every", str(steps)]
    return measured(words, folder)[1]


def run_lammps(folder, options, steps, ranks, names):
    (folder / "in.nve").write_text(f"""units metal
plugin load {options.plugin}
read_data nve.data
pair_style equisorb precision {options.precision}
pair_coeff * * {options.model} {' '.join(names)}
timestep 0.0005
fix integrate all nve
thermo 10
thermo_style custom step pe etotal
thermo_modify format float %.15g
run {steps}
""")
    words = [str(pathlib.Path(sys.prefix) / "bin" / "lmp"), "-in", "in.nve", "-log", "none"]
    if ranks > 1:
        words = [str(pathlib.Path(sys.prefix) / "bin" / "mpiexec"), "-n", str(ranks)] + words
    return measured(words, folder)


def compare(folder, options):
    start = folder / "start.extxyz"
    subprocess.run([options.command, "evaluate", "--model", options.model, options.structure,
                    "--output", str(start)], check=True, stdout=subprocess.DEVNULL)
    values, cell = read_frame(start)
    symbols = [str(s) for s in values["species"].ravel()]
    symbols, positions = add_co2(symbols, values["pos"], cell, options.co2)
    atoms = Atoms(symbols, positions, cell)
    start.write_text(atoms.extxyz())
    md = run_md(folder, options, options.steps, str(start), trajectory=True)
    with open(folder / "md.csv") as f:
        rows = list(csv.DictReader(f))
    frame, _ = read_frame(folder / "md.extxyz")
    mass = np.array([MASSES[s] for s in symbols])[:, None]
    atoms.positions = frame["pos"]
    names = atoms.data(folder / "nve.data", velocities=frame["momenta"] / mass / TIME)
    want = [np.array([float(r[k]) for r in rows]) for k in ("potential_eV", "conserved_eV")]
    print(f"{len(symbols)} atoms, {options.steps} steps, {options.precision} precision")
    for ranks in options.ranks:
        output, cost = run_lammps(folder, options, options.steps, ranks, names)
        table = thermo(output)
        worst = [np.abs(table[n] - w).max() / np.abs(w).max()
                 for n, w in zip(("PotEng", "TotEng"), want)]
        print(f"{ranks} processes: largest relative difference of the potential energy "
              f"{worst[0]:.1e}, of the total {worst[1]:.1e}")
        if ranks == 1:
            few = options.steps // 10
            plain = md - run_md(folder, options, few, str(start))
            plugin = cost - run_lammps(folder, options, few, 1, names)[1]
            for k, what in enumerate(("instructions", "cycles")):
                print(f"{what} of a step: equisorb md {plain[k] / (options.steps - few):.4g}, "
                      f"LAMMPS {plugin[k] / (options.steps - few):.4g}: "
                      f"{100 * (plugin / plain - 1)[k]:+.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("structure", type=os.path.abspath)
    parser.add_argument("model", type=os.path.abspath)
    parser.add_argument("--co2", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--ranks", type=lambda s: [int(w) for w in s.split(",")], default=[1, 2, 4])
    parser.add_argument("--precision", default="double")
    parser.add_argument("--plugin", default=str(ROOT / "build/lammps/plugin/equisorbplugin.so"))
    parser.add_argument("--command", default=str(ROOT / "build/default/equisorb"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="equisorb-lammps-") as folder:
        compare(pathlib.Path(folder), options)


main()
