#!/usr/bin/env python3
"""Makes zeolite-like frameworks for training: silica, aluminosilicates with cations, AlPO4.

One tetrahedral site is searched for at random in a space group, cell included, so that it has four
neighbours at 3.08 angstrom in tetrahedral directions and no fifth near (as hypothetical zeolites
are found). Oxygen goes between them and everything is relaxed in the cell with a model. Nets with
the coordination sequence of LTA and RHO are left out: those are kept for validation.

    nets.py --model sevennet0.pth --number 20 --seed 8 --out nets.extxyz

SPDX-License-Identifier: MIT
"""
import argparse
import sys
import time

import ase
import ase.io
import gemmi
import numpy as np
from scipy.optimize import minimize

from frames import Batch
from hosts import reduce_cell, shortest, widen

GROUPS = [229, 227, 225, 221, 230, 217, 204, 166, 167, 194, 191, 192, 193, 141, 139, 140, 142,
          136, 131, 74, 71, 69, 72, 63, 64, 65, 148, 176]
APART = 3.08  # between tetrahedral sites: Si-O 1.61, Si-O-Si 146 degrees
SHIFTS = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
KEPT_FOR_VALIDATION = [(4, 9, 17, 28, 42)]  # LTA and RHO
CATIONS = {"Na": (1, 2.35), "K": (1, 2.7), "Ca": (2, 2.4), "H": (1, 0.98), "Li": (1, 2.0),
           "Mg": (2, 2.1)}  # charge, distance to oxygen


def lattice(group, lengths):
    """Rows of the cell that a group allows, of three lengths."""
    a, b, c = lengths
    if group >= 195:
        return np.diag([a, a, a])
    if group >= 143:
        return np.array([[a, 0, 0], [-a / 2, a * np.sqrt(3) / 2, 0], [0, 0, c]])
    return np.diag([a, a, c] if group >= 75 else [a, b, c])


class Site:
    """One site in a space group, kept on the symmetry elements that it starts near to."""

    def __init__(self, group, point, lengths):
        operations = list(gemmi.SpaceGroup(group).operations())
        self.group = group
        self.turn = np.array([o.rot for o in operations]) / 24.0
        self.move = np.array([o.tran for o in operations]) / 24.0
        images = self.turn @ point + self.move
        cell = lattice(group, lengths)
        offset = images - point
        near = np.linalg.norm((offset - np.rint(offset)) @ cell, axis=1) < 1.3
        self.on_turn = self.turn[near].mean(axis=0)
        self.on_move = (self.move[near] - np.rint(offset[near])).mean(axis=0)

    def orbit(self, x):
        """Fractional coordinates of the site on its element and of all its images, each once."""
        point = self.on_turn @ x[:3] + self.on_move
        images = (self.turn @ point + self.move) % 1.0
        different = images[:, None] - images[None]
        same = (abs(different - np.rint(different)) < 1e-4).all(axis=2)
        return point, images[np.argmax(same, axis=1) == np.arange(len(images))]

    def cost(self, x):
        """Zero for a regular four-connected site."""
        if min(x[3:]) < 4.5:
            return 100.0
        point, images = self.orbit(x)
        v = ((images - point)[:, None] + SHIFTS).reshape(-1, 3)
        v = (v - np.rint(images - point).repeat(len(SHIFTS), axis=0)) @ lattice(self.group, x[3:])
        d = np.linalg.norm(v, axis=1)
        order = np.argsort(d)[1:12]
        v, d = v[order], d[order]
        if d[0] < 0.5:
            return 100.0
        u = v[:4] / d[:4, None]
        cosine = (u @ u.T)[np.triu_indices(4, 1)]
        return (4 * ((d[:4] - APART) ** 2).sum() + (np.maximum(4.4 - d[4:], 0) ** 2).sum()
                + 0.5 * (np.maximum(abs(cosine + 0.30) - 0.35, 0) ** 2).sum())


def sequence(bonded, shells=5):
    """Coordination sequence of the first atom of a supercell's or cell's bond table with images:
    counts of new sites per shell."""
    seen, front, counts = {(0, 0, 0, 0)}, [(0, 0, 0, 0)], []
    for _ in range(shells):
        new = {(j, a + s[0], b + s[1], c + s[2]) for i, a, b, c in front for j, s in bonded[i]}
        front = list(new - seen)
        seen |= new
        counts.append(len(front))
    return tuple(counts)


def bonds(atoms, longest):
    """Per atom the (neighbour, image) closer than `longest`."""
    found = [[] for _ in atoms]
    for shift in SHIFTS:
        v = atoms.positions[None] + shift @ atoms.cell.array - atoms.positions[:, None]
        for i, j in np.argwhere(np.linalg.norm(v, axis=2) < longest):
            if i != j or shift.any():
                found[i].append((int(j), tuple(int(s) for s in shift)))
    return found


def tetrahedral_net(group, random):
    """A net's sites as atoms in a reduced primitive cell and its coordination sequence, or None."""
    start = np.concatenate([random.random(3), random.uniform(7, 26 if group > 194 else 20, 3)])
    site = Site(group, start[:3], start[3:])
    if not 1 < len(site.orbit(start)[1]) <= 192:
        return None
    found = minimize(site.cost, start, method="Nelder-Mead",
                     options={"maxfev": 500, "xatol": 1e-4, "fatol": 1e-6})
    if found.fun > 0.02:
        return None
    images = site.orbit(found.x)[1]
    cell = lattice(group, found.x[3:])
    if not 11.0 < 1000 * len(images) / np.linalg.det(cell) < 20.0:
        return None
    atoms = reduce_cell(cell, images, np.full(len(images), 14))
    if not 8 <= len(atoms) <= 48:
        return None
    table = bonds(atoms, 3.6)
    if any(len(t) != 4 for t in table):
        return None
    return atoms, sequence(table)


def with_oxygen(sites):
    """The net with oxygen between neighbours, a little beside the middle so that it may bend."""
    out = sites.copy()
    random = np.random.default_rng(len(sites))
    for i, near in enumerate(bonds(sites, 3.6)):
        for j, shift in near:
            if (j, shift) > (i, (0, 0, 0)):
                end = sites.positions[j] + np.array(shift) @ sites.cell.array
                middle = (sites.positions[i] + end) / 2 + random.normal(scale=0.2, size=3)
                out.append(ase.Atom("O", middle))
    out.wrap()
    return out


def cavity(atoms, random):
    """Diameter of the largest hole between atoms of radius 1.35 angstrom, by random points."""
    points = random.random((4000, 3)) @ atoms.cell.array
    inverse = np.linalg.inv(atoms.cell.array)
    v = points[:, None] - atoms.positions
    v -= np.rint(v @ inverse) @ atoms.cell.array
    return 2 * (np.linalg.norm(v, axis=2).min(axis=1).max() - 1.35)


def sound(atoms):
    """Whether every silicon has four oxygen atoms and every oxygen two silicon atoms."""
    d = shortest(atoms)
    t = atoms.numbers != 8
    return (d.min() > 1.45 and ((d[t][:, ~t] < 1.85).sum(axis=1) == 4).all()
            and ((d[~t][:, t] < 1.85).sum(axis=1) == 2).all())


def with_cations(silica, symbol, share, random):
    """A `share` of silicon replaced by aluminium, never neighbours, charge made up by cations in
    the roomiest places beside their oxygen; None where they find no place."""
    charge, distance = CATIONS[symbol]
    out, table = silica.copy(), bonds(silica, 1.9)
    sites = [int(i) for i in random.permutation(np.flatnonzero(silica.numbers == 14))]
    wanted, taken, blocked = max(charge, round(share * len(sites))), [], set()
    for i in sites:
        if i not in blocked and len(taken) < wanted:
            taken.append(i)
            blocked |= {k for j, _ in table[i] for k, _ in table[j]}
    taken = taken[:len(taken) // charge * charge]
    out.numbers[taken] = 13
    for i in taken[::charge]:
        oxygen = table[i][random.integers(4)][0]
        way = random.normal(size=(400, 3))
        places = (out.positions[oxygen]
                  + distance * way / np.linalg.norm(way, axis=1)[:, None])
        v = places[:, None] - out.positions
        v -= np.rint(v @ np.linalg.inv(out.cell.array)) @ out.cell.array
        d = np.linalg.norm(v, axis=2)
        d[:, oxygen] = np.inf
        d[:, out.numbers == 8] += 0.5 if symbol != "H" else 0.0
        best = int(np.argmax(d.min(axis=1)))
        if d[best].min() < (2.3 if symbol != "H" else 1.7):
            return None
        out.append(ase.Atom(symbol, places[best]))
    return out if taken else None


def phosphate(silica):
    """AlPO4: aluminium and phosphorus by turns; None where rings are odd."""
    table = bonds(silica, 1.9)
    side, stack = {0: 13}, [0]
    while stack:
        i = stack.pop()
        for j, _ in table[i]:
            for k, _ in table[j]:
                if k != i and k not in side:
                    side[k] = 28 - side[i]
                    stack.append(k)
                elif k != i and side[k] == side[i]:
                    return None
    out = silica.copy()
    out.numbers[list(side)] = list(side.values())
    return out


def search(number, seconds, random):
    """Different nets with pores, and no more when time is over."""
    found, start = {}, time.process_time()
    while len(found) < number and time.process_time() - start < seconds:
        group = int(random.choice(GROUPS))
        net = tetrahedral_net(group, random)
        if net is None or net[1][:5] in KEPT_FOR_VALIDATION:
            continue
        atoms, key = with_oxygen(net[0]), (net[1], len(net[0]))
        if key in found or cavity(atoms, random) < 3.3:
            continue
        atoms.info["host"] = "net-%d-%d" % (group, len(found))
        atoms.info["sequence"] = " ".join(map(str, net[1]))
        found[key] = atoms
        print("%s: %d sites, %s" % (atoms.info["host"], len(net[0]), atoms.info["sequence"]),
              file=sys.stderr)
    return list(found.values())


def variants(silica, random):
    """The silica and two of its relatives."""
    yield "silica", silica
    symbol = str(random.choice(list(CATIONS)))
    yield symbol, with_cations(silica, symbol, random.uniform(0.08, 0.35), random)
    second = phosphate(silica) if random.random() < 0.6 else None
    if second is not None:
        yield "AlPO4", second
    else:
        yield "Na", with_cations(silica, "Na", random.uniform(0.1, 0.4), random)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="relaxes; a file that the engine reads")
    parser.add_argument("--number", type=int, default=20, help="nets wanted")
    parser.add_argument("--seconds", type=float, default=60, help="of processor time to search")
    parser.add_argument("--steps", type=int, default=60, help="of relaxation")
    parser.add_argument("--most", type=int, default=180, help="atoms")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    import equisorb
    model = equisorb.Model(arguments.model, threads=arguments.threads)
    random = np.random.default_rng(arguments.seed)
    nets = []
    for net in search(arguments.number, arguments.seconds, random):
        try:
            nets.append(widen(net, 6.5, arguments.most))
        except ValueError:
            continue
    Batch(model, nets).relax(arguments.steps)
    made = []
    for net in nets:
        if not sound(net):
            print("%s: does not relax to a net" % net.info["host"], file=sys.stderr)
            continue
        for name, atoms in variants(net, random):
            if atoms is not None:
                atoms.info = dict(net.info, host="%s-%s" % (net.info["host"], name))
                made.append(atoms)
    changed = [a for a in made if not a.info["host"].endswith("silica")]
    Batch(model, changed).relax(arguments.steps // 2)
    ase.io.write(arguments.out, made, format="extxyz")
    print("%d frameworks of %d nets, %.0f atoms on average"
          % (len(made), len(nets), np.mean([len(a) for a in made])))


if __name__ == "__main__":
    main()
