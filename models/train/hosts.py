#!/usr/bin/env python3
"""Chooses the frameworks that the training structures are made of.

From the CoRE MOF 2019 database (PyPI: core-mof, CC BY 4.0): ordered structures without solvent and
net charge, one of each CSD family and composition, spread over the elements. Each is written as its
primitive reduced cell, X-H bonds as found. Cells that are too narrow for a guest beside its own
image are doubled. Names or compositions kept for validation are left out.

    hosts.py --database core_mof-2019.1-py3-none-any.whl --exclude golddac-14.extxyz \\
             --exclude-composition held/*.cif --number 550 --out hosts.extxyz

SPDX-License-Identifier: MIT
"""
import argparse
import collections
import csv
import io
import pathlib
import re
import sys
import tarfile
import zipfile

import ase
import ase.io
import gemmi
import numpy as np
import spglib
from ase.data import atomic_numbers, covalent_radii
from ase.formula import Formula

# Elements by how many frameworks they shall have; the others have one share.
SHARES = dict.fromkeys("Zn Cu Mg Al Zr Co Ni Fe Mn Cr V In Cd".split(), 8.0)
SHARES |= dict.fromkeys("F Si P S Cl Br I Ti Ca La Na K Ag Ba Ce".split(), 4.0)
SHARES |= dict.fromkeys("Ga Y Nd Eu Gd Tb U".split(), 2.0)
OXO = set("V Mo W U Re Nb Ti Np Cr Ru Os Tc Pu Pa".split())  # keep a lone oxygen
NON_METALS = set("H C N O F Si P S Cl Br I B Se".split())
IMAGES = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])


class Refused(ValueError):
    """Why a structure is not taken."""


def family(name):
    """The CSD family code, six letters, of a file name such as ABAVIJ01_clean; "" without one."""
    found = re.match(r"([A-Z]{6})(\d\d)?(?=[^A-Za-z0-9]|$)", name)
    return found.group(1) if found else ""


def composition(numbers):
    """Reduced formula, the key of what counts as the same framework, e.g. C3HN2."""
    return ase.Atoms(numbers=numbers).symbols.formula.reduce()[0].format("hill")


def members(database, dataset):
    """(row of the table, text of the CIF) of every structure of a data set of the wheel."""
    with zipfile.ZipFile(database) as wheel:
        table = wheel.read("CoRE_MOF/data/%s.csv" % dataset).decode("utf-8", "replace")
        rows = {r["filename"]: r for r in csv.DictReader(io.StringIO(table))}
        with wheel.open("CoRE_MOF/data/%s.tar.xz" % dataset) as packed, \
                tarfile.open(fileobj=packed, mode="r|xz") as archive:
            for member in archive:
                name = pathlib.PurePosixPath(member.name).name.removesuffix(".cif")
                if member.isfile() and name in rows:
                    yield rows[name], archive.extractfile(member).read().decode("utf-8", "replace")


def worth_reading(row, arguments, left_out):
    """Whether the table alone lets a structure pass: pores, order, charge, names."""
    try:
        wide = float(row["LCD"]) >= arguments.pore
    except ValueError:
        return False
    return (wide and not row["DISORDER"].strip() and row["Extension"] != "charged"
            and family(row["filename"]) and family(row["filename"]) not in left_out)


def read_cell(text):
    """Cell (rows, angstrom), fractional coordinates and atomic numbers of a CIF."""
    small = gemmi.make_small_structure_from_block(gemmi.cif.read_string(text).sole_block())
    sites = small.get_all_unit_cell_sites()
    if not sites or len(sites) > 700:
        raise Refused("%d atoms" % len(sites))
    if any(s.occ < 0.99 for s in sites):
        raise Refused("partly occupied sites")
    cell = np.array(small.cell.orth.mat.tolist()).T
    numbers = np.array([s.element.atomic_number for s in sites])
    if (numbers < 1).any() or (numbers > 94).any():
        raise Refused("unknown element")
    return cell, np.array([s.fract.tolist() for s in sites]), numbers


def reduce_cell(cell, fractional, numbers):
    """The primitive cell, Niggli reduced."""
    found = spglib.find_primitive((cell, fractional, numbers), symprec=0.01)
    if found is not None and len(found[2]) < len(numbers):
        cell, fractional, numbers = found
    reduced = spglib.niggli_reduce(cell)
    if reduced is None:
        raise Refused("cell is singular")
    fractional = fractional @ cell @ np.linalg.inv(reduced)
    return ase.Atoms(numbers=numbers, cell=reduced, scaled_positions=fractional % 1.0, pbc=True)


def widths(cell):
    """Perpendicular widths of a cell, angstrom."""
    return 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)


def widen(atoms, narrow, most):
    """Doubled along what is narrower than `narrow` angstrom, refused beyond `most` atoms."""
    repeat = np.ceil(narrow / widths(atoms.cell.array) - 1e-9).astype(int)
    if len(atoms) * repeat.prod() > most:
        raise Refused("%d atoms" % (len(atoms) * repeat.prod()))
    return atoms.repeat(repeat)


def shortest(atoms):
    """[n, n] shortest distance of each pair over images, angstrom; itself: its nearest image."""
    shifts = IMAGES @ atoms.cell.array
    vectors = atoms.positions[None] - atoms.positions[:, None]
    best = np.full((len(atoms), len(atoms)), np.inf)
    for shift in shifts:
        d = np.linalg.norm(vectors + shift, axis=2)
        if not shift.any():
            np.fill_diagonal(d, np.inf)
        np.minimum(best, d, out=best)
    return best


def check_chemistry(atoms):
    """Refuses overlaps, lost atoms (solvent left over) and carbon that lost its hydrogen."""
    d, z = shortest(atoms), atoms.numbers
    ratio = d / (covalent_radii[z][:, None] + covalent_radii[z][None])
    floor = np.where((z[:, None] == 1) | (z[None] == 1), 0.6, 0.75)
    if (ratio < floor).any() or d.min() < 0.6:
        raise Refused("atoms overlap")
    bonded = ratio < 1.25
    count = bonded.sum(axis=1)
    if (count[z != 1] == 0).any() or (count[z == 1] == 0).any():
        raise Refused("an atom without neighbour")
    if ((z == 1) & (count > 1) & ((d < 1.25).sum(axis=1) > 1)).any():
        raise Refused("hydrogen with two bonds")
    check_hydrogen(atoms, bonded)
    if len(molecules(bonded)) > 1 and has_small_piece(bonded, z):
        raise Refused("solvent left over")


def check_hydrogen(atoms, bonded):
    """Refuses carbon and water whose hydrogen was not found by X-rays."""
    z, symbols = atoms.numbers, atoms.get_chemical_symbols()
    inverse = np.linalg.inv(atoms.cell.array)
    for i in np.flatnonzero((z == 6) | (z == 8)):
        near = np.flatnonzero(bonded[i])
        if z[i] == 8:
            if len(near) == 1 and symbols[near[0]] not in NON_METALS | OXO:
                raise Refused("water without hydrogen")
            continue
        v = atoms.positions[near] - atoms.positions[i]
        v -= np.rint(v @ inverse) @ atoms.cell.array
        v /= np.linalg.norm(v, axis=1)[:, None]
        if len(near) == 1 and z[near[0]] not in (7, 8):  # CN- and CO keep one
            raise Refused("carbon without hydrogen")
        if len(near) == 2 and v[0] @ v[1] > -0.8:  # an angle below 143 degrees
            raise Refused("carbon without hydrogen")
        if len(near) == 3 and abs(np.linalg.det(v)) > 0.45:  # far from planar
            raise Refused("carbon without hydrogen")


def molecules(bonded):
    """Lists of atoms that hang together."""
    left, pieces = set(range(len(bonded))), []
    while left:
        stack, piece = [left.pop()], []
        while stack:
            i = stack.pop()
            piece.append(i)
            near = left.intersection(np.flatnonzero(bonded[i]).tolist())
            left -= near
            stack.extend(near)
        pieces.append(piece)
    return pieces


def has_small_piece(bonded, z):
    """Whether a piece without metal is there: solvent or a free ion."""
    symbols = [ase.data.chemical_symbols[k] for k in z]
    return any(all(symbols[i] in NON_METALS for i in piece) and len(piece) < len(z) / 2
               for piece in molecules(bonded))


def candidates(arguments, left_out, kept):
    """Frameworks that pass every rule, in the database's order; reasons of the others counted."""
    seen, refused, found = set(), collections.Counter(), []
    for row, text in members(arguments.database, arguments.dataset):
        name = row["filename"]
        if not worth_reading(row, arguments, left_out) or family(name) in seen:
            continue
        try:
            cell, fractional, numbers = read_cell(text)
            key = composition(numbers)
            if key in kept:
                raise Refused("composition kept for validation")
            atoms = reduce_cell(cell, fractional, numbers)
            atoms = widen(atoms, arguments.narrow, arguments.most)
            if len(atoms) < arguments.least:
                raise Refused("few atoms")
            density = len(atoms) / atoms.get_volume()
            if (key, round(density, 3)) in seen:
                raise Refused("twice")
            check_chemistry(atoms)
        except (Refused, ValueError, RuntimeError, TypeError) as reason:
            refused[re.sub(r"\d+ atoms", "too large", str(reason))[:40]] += 1
            continue
        seen |= {family(name), (key, round(density, 3))}
        atoms.info = {"host": name, "lcd": float(row["LCD"]), "formula": key}
        found.append(atoms)
        if len(found) % 500 == 0:
            print("%d candidates" % len(found), file=sys.stderr)
    for reason, count in refused.most_common(12):
        print("refused %5d: %s" % (count, reason), file=sys.stderr)
    return found


def choose(found, number, random):
    """`number` of them: always next one with the element that is furthest behind its share."""
    elements = [sorted(set(a.get_chemical_symbols())) for a in found]
    holds = collections.defaultdict(list)
    for i in random.permutation(len(found)):
        for e in elements[i]:
            holds[e].append(int(i))
    for e in holds:  # organic ones first, small ones a little
        holds[e].sort(key=lambda i: 0.4 * len(found[i]) + 100 * random.random()
                      + (0 if {"C", "H"} <= set(elements[i]) else 90)
                      + 20 * len(set(elements[i]) - SHARES.keys() - set("HCNO")))
    share = {e: SHARES.get(e, 1.0) for e in holds if e not in "HCNO"}
    have, taken = collections.Counter(), set()
    while len(taken) < min(number, len(found)) and share:
        e = min(share, key=lambda e: (have[e] / share[e], e))
        rest = [i for i in holds[e] if i not in taken]
        if not rest:
            del share[e]
            continue
        taken.add(rest[0])
        have.update(elements[rest[0]])
    return [found[i] for i in sorted(taken)], have


def mix(chosen, random):
    """A random order, so that the first fifty are a fair sample."""
    return [chosen[i] for i in random.permutation(len(chosen))]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", required=True, help="wheel of core-mof")
    parser.add_argument("--dataset", default="2019-ASR")
    parser.add_argument("--number", type=int, default=550, help="frameworks wanted")
    parser.add_argument("--exclude", nargs="*", default=[], help="extended XYZ files: no family "
                        "whose code begins a name= of theirs")
    parser.add_argument("--exclude-codes", nargs="*", default=[], help="more CSD codes")
    parser.add_argument("--exclude-composition", nargs="*", default=[], help="CIFs whose reduced "
                        "formula is not used")
    parser.add_argument("--pore", type=float, default=3.3, help="smallest largest cavity, angstrom")
    parser.add_argument("--narrow", type=float, default=6.5, help="smallest width, angstrom")
    parser.add_argument("--least", type=int, default=20)
    parser.add_argument("--most", type=int, default=180, help="atoms")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    left_out = {family(c) for c in arguments.exclude_codes}
    for path in arguments.exclude:
        left_out |= {family(n) for n in re.findall(r"(?:name|group)=\"?([A-Z]{6}\w*)",
                                                   pathlib.Path(path).read_text())
                     for n in [n.split("_")[0]]}
    kept = set()
    for path in arguments.exclude_composition:
        try:
            kept.add(composition(read_cell(pathlib.Path(path).read_text())[2]))
        except (Refused, ValueError, RuntimeError) as reason:
            print("%s: composition not read (%s)" % (path, reason), file=sys.stderr)
    kept |= {Formula(f).reduce()[0].format("hill") for f in VALIDATION}
    random = np.random.default_rng(arguments.seed)
    found = candidates(arguments, left_out, kept)
    chosen, have = choose(found, arguments.number, random)
    ase.io.write(arguments.out, mix(chosen, random), format="extxyz")
    print("%d of %d candidates, %.0f atoms on average; excluded codes: %s"
          % (len(chosen), len(found), np.mean([len(a) for a in chosen]),
             " ".join(sorted(left_out))))
    print(" ".join("%s:%d" % (e, have[e]) for e in sorted(have, key=atomic_numbers.get)))


# Reduced formulas of the frameworks whose measured uptakes the model is compared with: IRMOF-1,
# HKUST-1, Mg- and Zn-MOF-74, UiO-66, ZIF-8, CALF-20, SIFSIX-3-Ni, MIL-47.
VALIDATION = ("C24H12O13Zn4 C18H6O12Cu3 C4HO3Mg C4HO3Zn C48H28O32Zr6 C8H10N4Zn C3H2N3O2Zn "
              "C8H8F6N4NiSi C8H4O5V").split()

if __name__ == "__main__":
    main()
