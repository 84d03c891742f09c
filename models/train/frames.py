#!/usr/bin/env python3
"""Puts guests into frameworks: the structures that a teacher labels and the student learns from.

Per framework: the geometry as found, then rattled and strained ones (from a short relaxation for
some, with --relax); per geometry its empty frame and frames with CO2, H2O or N2 at contact, far
from any wall, too close, on metals, with hydrogen bonds, along lines, two and three at once.
Frames of one geometry share `group` and the framework's atoms. Isolated molecules and pairs of
them come in a file of their own. The same seed gives the same structures.

    frames.py hosts.extxyz nets.extxyz --out structures --apart keep_apart.txt --seed 8
    frames.py hosts.extxyz --out structures --apart keep_apart.txt --relax sevennet0.pth

writes structures-00.extxyz ... (25 frameworks each) and structures-gas.extxyz. Lengths: angstrom.

SPDX-License-Identifier: MIT
"""
import argparse
import pathlib
import sys
import zlib

import ase
import ase.io
import ase.units
import numpy as np
from ase.data import atomic_numbers, covalent_radii

BOX = 25.0  # of isolated molecules and pairs


def bent(length, angle):
    """Two hydrogens at `length` from an oxygen, `angle` degrees between them."""
    half = np.radians(angle / 2)
    arm = length * np.array([np.sin(half), np.cos(half), 0.0])
    return [[0, 0, 0], arm.tolist(), (arm * [-1, 1, 1]).tolist()]


# PBE geometries: atoms and positions.
GASES = {"CO2": ([6, 8, 8], np.array([[0, 0, 0], [0, 0, 1.176], [0, 0, -1.176]])),
         "H2O": ([8, 1, 1], np.array(bent(0.972, 104.5))),
         "N2": ([7, 7], np.array([[0, 0, 0.5565], [0, 0, -0.5565]]))}
SHARES = {"CO2": 0.45, "H2O": 0.35, "N2": 0.20}

# Van der Waals radii; metals: covalent radius + 0.4, so that contact means bonded to a guest.
RADIUS = covalent_radii + 0.4
for symbol, value in dict(H=1.1, C=1.7, N=1.55, O=1.52, F=1.47, Si=1.9, P=1.8, S=1.8, Cl=1.75,
                          Br=1.85, I=1.98, B=1.7, Se=1.9, As=1.85).items():
    RADIUS[atomic_numbers[symbol]] = value
LIGHT = [atomic_numbers[s] for s in "H B C N O F Si P S Cl Se Br I As Te".split()]
ACCEPTORS = [atomic_numbers[s] for s in ("N", "O", "F", "Cl")]


def rotations(count, random):
    """[count, 3, 3] uniformly distributed."""
    q = random.normal(size=(count, 4))
    w, x, y, z = (q / np.linalg.norm(q, axis=1)[:, None]).T
    return np.array([[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                     [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                     [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]
                     ]).transpose(2, 0, 1)


def molecule(gas, random):
    """Atomic numbers and positions; rattled by 0.02 in half of the cases."""
    numbers, positions = GASES[gas]
    if random.random() < 0.5:
        positions = positions + random.normal(scale=0.02, size=positions.shape)
    return np.array(numbers), np.array(positions, dtype=float)


class Room:
    """A periodic framework, perhaps with guests already, and how near a new guest is to it."""

    def __init__(self, atoms):
        self.cell = atoms.cell.array
        self.inverse = np.linalg.inv(self.cell)
        self.numbers, self.positions = atoms.numbers, atoms.positions

    def vectors(self, poses):
        """[pose, guest atom, framework atom, 3] from the framework to the guest, nearest image."""
        v = poses[:, :, None] - self.positions
        return v - np.rint(v @ self.inverse) @ self.cell

    def nearness(self, numbers, poses):
        """Per pose: smallest ratio to the sum of radii, smallest distance, whether allowed at all:
        no closer than 1.0 with hydrogen, 1.3 otherwise."""
        ratio, distance, allowed = [], [], []
        sums = RADIUS[numbers][:, None] + RADIUS[self.numbers]
        light = (numbers[:, None] == 1) | (self.numbers == 1)
        for part in np.array_split(poses, max(1, len(poses) // 250)):
            d = np.linalg.norm(self.vectors(part), axis=3)
            ratio.append((d / sums).min(axis=(1, 2)))
            distance.append(d.min(axis=(1, 2)))
            allowed.append((d > np.where(light, 1.0, 1.3)).all(axis=(1, 2)))
        return np.concatenate(ratio), np.concatenate(distance), np.concatenate(allowed)


class Poses:
    """Random poses of one molecule in a room, drawn once and picked from."""

    def __init__(self, room, gas, random, count=1000):
        self.room, self.random, self.gas = room, random, gas
        self.numbers, body = molecule(gas, random)
        places = random.random((count, 3)) @ room.cell
        self.all = places[:, None] + np.einsum("kij,aj->kai", rotations(count, random), body)
        self.ratio, self.distance, self.allowed = room.nearness(self.numbers, self.all)

    def near_value(self, value, low, high, fits):
        """The pose that fits whose value is nearest to a random one of low...high, or None."""
        fits = np.flatnonzero(fits & self.allowed & (value >= low) & (value <= high))
        if not len(fits):
            return None
        target = self.random.uniform(low, high)
        return self.all[fits[np.argmin(abs(value[fits] - target))]]

    def contact(self):
        return self.near_value(self.ratio, 0.75, 1.0, True)

    def far(self):
        return self.near_value(self.distance, 3.0, 6.0, self.ratio > 0.95)

    def close(self):
        return self.near_value(self.ratio, 0.48, 0.78, True)

    def directed(self, centres, atom, distances):
        """The guest's `atom` at `distances` from one of the framework's `centres`: of many such
        poses the one whose other contacts are the least crowded, ties to random ones."""
        if not len(centres):
            return None
        count = 300
        body = molecule(self.gas, self.random)[1]
        turned = np.einsum("kij,aj->kai", rotations(count, self.random), body - body[atom])
        way = self.random.normal(size=(count, 3))
        way /= np.linalg.norm(way, axis=1)[:, None]
        which = self.random.choice(centres, count)
        place = self.room.positions[which] + way * self.random.uniform(*distances, count)[:, None]
        poses = turned + place[:, None]
        d = np.linalg.norm(self.room.vectors(poses), axis=3)
        ratio = d / (RADIUS[self.numbers][:, None] + RADIUS[self.room.numbers])
        ratio[np.arange(count), atom, which] = 9.0  # the contact that is wanted
        score = np.minimum(ratio.min(axis=(1, 2)), 0.95) + 0.03 * self.random.random(count)
        best = int(np.argmax(score))
        return poses[best] if score[best] > 0.72 else None

    def metal(self):
        """Bonded to a metal, open or not: by oxygen or nitrogen."""
        centres = np.flatnonzero(~np.isin(self.room.numbers, LIGHT))
        if not len(centres):
            return None
        element = self.random.choice(np.unique(self.room.numbers[centres]))
        centres = centres[self.room.numbers[centres] == element]
        base = covalent_radii[element]
        atom = {"CO2": 1, "H2O": 0, "N2": 0}[self.gas]
        return self.directed(centres, atom, (base + 0.65, base + 1.6))

    def bonded(self):
        """With a hydrogen bond: given by water, taken by any guest."""
        if self.gas == "H2O" and self.random.random() < 0.6:
            return self.directed(np.flatnonzero(np.isin(self.room.numbers, ACCEPTORS)), 1,
                                 (1.6, 2.4))
        atom = {"CO2": 1, "H2O": 0, "N2": 0}[self.gas]
        return self.directed(np.flatnonzero(self.room.numbers == 1), atom, (1.7, 2.7))

    def line(self):
        """Poses along the way out from the nearest wall: the same molecule from close to far."""
        start = self.metal() if self.random.random() < 0.4 else None
        start = self.contact() if start is None else start
        if start is None:
            return []
        v = self.room.vectors(start[None])[0]
        d = np.linalg.norm(v, axis=2)
        a, f = np.unravel_index(np.argmin(d / RADIUS[self.room.numbers]), d.shape)
        steps = np.array([-0.6, -0.35, -0.15, 0.2, 0.6, 1.2, 2.0])
        poses = start + (v[a, f] / d[a, f]) * steps[:, None, None]
        _, _, allowed = self.room.nearness(self.numbers, poses)
        return list(poses[allowed])


def shares(count, table, random):
    return random.choice(list(table), count, p=np.array(list(table.values())) / sum(table.values()))


POSES = {"contact": 0.26, "far": 0.25, "close": 0.16, "metal": 0.16, "bonded": 0.07,
         "several": 0.10}


def with_guests(empty, guests, **info):
    """A frame: framework first, then the guests, tags 1. `gas` joins names that differ with +."""
    frame = empty.copy()
    for _, numbers, positions in guests:
        frame += ase.Atoms(numbers=numbers, positions=positions)
    tags = np.zeros(len(frame), int)
    tags[len(empty):] = 1
    frame.set_tags(tags)
    names = [g for g, _, _ in guests]
    frame.info = dict(empty.info, kind="guest", guests=len(guests),
                      gas=names[0] if len(set(names)) == 1 else "+".join(names), **info)
    return frame


def several(empty, gas, random):
    """Two or three guests that touch or see each other; centres 2.5 to 6 apart where room is."""
    guests, room = [], empty
    for k in range(2 if random.random() < 0.7 else 3):
        if k and random.random() < 0.3:
            gas = str(shares(1, SHARES, random)[0])
        poses = Poses(Room(room), gas, random)
        pose = None
        if k:
            v = poses.all[:, 0] - guests[0][2][0]
            v -= np.rint(v @ poses.room.inverse) @ poses.room.cell
            pose = poses.near_value(np.linalg.norm(v, axis=1), 2.5, 6.0, poses.ratio > 0.75)
        else:
            pose = poses.far() if random.random() < 0.4 else None
            pose = poses.contact() if pose is None else pose
        if pose is None:
            break
        guests.append((gas, poses.numbers, pose))
        room = room + ase.Atoms(numbers=poses.numbers, positions=pose)
    return guests


def guest_frames(empty, count, random):
    """About `count` frames of this geometry with guests."""
    frames, room = [], Room(empty)
    gases = shares(count, SHARES, random)
    if random.random() < 0.15:
        poses = Poses(room, str(gases[0]), random)
        return [with_guests(empty, [(str(gases[0]), poses.numbers, p)], pose="line")
                for p in poses.line()]
    drawn = {}
    for gas, pose in zip(gases.tolist(), shares(count, POSES, random).tolist()):
        if pose == "several":
            guests = several(empty, gas, random)
            if len(guests) > 1:
                frames.append(with_guests(empty, guests, pose=pose))
                continue
            pose = "contact"
        poses = drawn.setdefault(gas, Poses(room, gas, random))
        found = getattr(poses, pose)()
        if found is None:
            pose, found = "contact", poses.contact()
        if found is not None:
            frames.append(with_guests(empty, [(gas, poses.numbers, found)], pose=pose))
    return frames


def right_hydrogens(atoms):
    """X-H bonds at the lengths of PBE instead of the shorter ones of X-ray diffraction."""
    lengths = {6: 1.095, 7: 1.02, 8: 0.975}
    out = atoms.copy()
    inverse = np.linalg.inv(atoms.cell.array)
    for h in np.flatnonzero(atoms.numbers == 1):
        v = atoms.positions[h] - atoms.positions
        v -= np.rint(v @ inverse) @ atoms.cell.array
        d = np.linalg.norm(v, axis=1)
        d[atoms.numbers == 1] = np.inf
        x = int(np.argmin(d))
        if d[x] < 1.3 and atoms.numbers[x] in lengths:
            out.positions[h] += v[x] * (lengths[atoms.numbers[x]] / d[x] - 1)
    return out


def rattle(atoms, random, gentle=1.0):
    """Strained by up to 4 % and displaced by 0.03 to 0.12, both times `gentle`."""
    strain = np.diag(random.uniform(-0.04, 0.04, 3))
    strain[np.triu_indices(3, 1)] = random.uniform(-0.02, 0.02, 3)
    strain = (strain + strain.T) / 2 * gentle
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    sigma = (0.03 + 0.09 * random.random() ** 2) * gentle
    out.positions += random.normal(scale=sigma, size=out.positions.shape)
    return out


def geometries(atoms, relaxed, count, random):
    """(name, atoms) of a framework: as found, then others."""
    right = right_hydrogens(atoms)
    yield "found", right if random.random() < 0.5 else atoms.copy()
    for k in range(1, count):
        if relaxed is None:
            yield "rattled", rattle(right, random)
        elif k == 1 and (relaxed[0] == "hot" or random.random() < 0.5):
            yield relaxed[0], relaxed[1].copy()
        else:
            yield "rattled", rattle(relaxed[1], random, 0.7)


def of_host(atoms, relaxed, arguments):
    """All frames of one framework, groups one after the other, the empty frame first."""
    host = atoms.info["host"]
    random = np.random.default_rng([arguments.seed, zlib.crc32(host.encode())])
    frames = []
    for k, (name, empty) in enumerate(geometries(atoms, relaxed, arguments.geometries, random)):
        empty.info = {"host": host, "kind": "empty", "geometry": name, "source": "teacher",
                      "group": "%s/%d" % (host, k)}
        empty.set_tags(np.zeros(len(empty), int))
        frames += [empty] + guest_frames(empty, arguments.guests, random)
    return frames


def chance(host, what):
    """A number of 0...1 that depends on the framework's name alone."""
    return zlib.crc32(("%s %s" % (what, host)).encode()) / 2.0 ** 32


class Batch:
    """Frameworks moved together at fixed cells: one call of the engine per step and batch."""

    def __init__(self, model, frameworks):
        self.model, self.atoms = model, frameworks

    def forces(self):
        """eV/angstrom, per framework."""
        found = []
        for b in range(0, len(self.atoms), 16):
            found += self.model.evaluate(self.atoms[b:b + 16], energies=False, stress=False).forces
        return found

    def relax(self, steps):
        """Damped dynamics (FIRE), no atom moved by more than 0.1 at once."""
        dt = np.full(len(self.atoms), 0.1)
        speed = [np.zeros((len(a), 3)) for a in self.atoms]
        for _ in range(steps):
            for i, f in enumerate(self.forces()):
                downhill = float((f * speed[i]).sum()) > 0
                dt[i] = min(dt[i] * 1.1, 0.25) if downhill else dt[i] * 0.5
                along = np.linalg.norm(speed[i]) * f / max(np.linalg.norm(f), 1e-9)
                speed[i] = (0.9 * speed[i] + 0.1 * along if downhill else 0.0) + dt[i] * f
                move = dt[i] * speed[i]
                longest = np.linalg.norm(move, axis=1).max()
                self.atoms[i].positions += move * min(1.0, 0.1 / max(longest, 1e-9))

    def heat(self, steps, seed):
        """Velocity Verlet of 1 fs steps from velocities of twice a temperature of 300 to 1000 K:
        about that temperature when potential energy has taken its half."""
        fs, kb = ase.units.fs, ase.units.kB
        mass = [a.get_masses()[:, None] for a in self.atoms]
        speed = []
        for a, m in zip(self.atoms, mass):
            random = np.random.default_rng([seed, zlib.crc32(a.info["host"].encode()), 2])
            speed.append(random.normal(size=(len(a), 3))
                         * np.sqrt(2 * kb * random.uniform(300, 1000) / m))
        force = self.forces()
        for _ in range(steps):
            for a, v, f, m in zip(self.atoms, speed, force, mass):
                v += 0.5 * fs * f / m
                a.positions += fs * v
            force = self.forces()
            for v, f, m in zip(speed, force, mass):
                v += 0.5 * fs * f / m


def relax_some(hosts, arguments):
    """{host: (name, atoms)} of a share of the frameworks, relaxed or hot."""
    if not arguments.relax:
        return {}
    import equisorb
    model = equisorb.Model(arguments.relax, threads=arguments.threads)
    some = [right_hydrogens(a) for a in hosts
            if chance(a.info["host"], "relax") < arguments.relax_share]
    Batch(model, some).relax(arguments.relax_steps)
    hot = [a for a in some if chance(a.info["host"], "hot") < arguments.hot_share]
    Batch(model, hot).heat(arguments.hot_steps, arguments.seed)
    names = {a.info["host"] for a in hot}
    return {a.info["host"]: ("hot" if a.info["host"] in names else "relaxed", a) for a in some}


def stretched(gas, random):
    """One molecule, every distance changed by up to 6 % and rattled."""
    numbers, positions = GASES[gas]
    positions = positions * random.uniform(0.94, 1.06)
    return np.array(numbers), positions + random.normal(scale=random.choice([0, 0.02, 0.05]),
                                                        size=positions.shape)


def gas_frames(monomers, pairs, random):
    """Isolated molecules and pairs, closest approach from contact, centres 2.2 to 8."""
    frames, cell = [], np.eye(3) * BOX
    for gas in GASES:
        for k in range(monomers):
            numbers, positions = stretched(gas, random) if k else GASES[gas]
            positions = positions @ rotations(1, random)[0].T + BOX / 2
            frames.append(ase.Atoms(numbers=numbers, positions=positions, cell=cell, pbc=True))
            frames[-1].info = {"kind": "gas", "gas": gas, "guests": 1}
    names = list(GASES)
    for first, second in [(a, b) for i, a in enumerate(names) for b in names[i:]]:
        done = 0
        while done < pairs:
            a, x = molecule(first, random)
            b, y = molecule(second, random)
            x = x @ rotations(1, random)[0].T + BOX / 2
            way = random.normal(size=3)
            y = (y @ rotations(1, random)[0].T + BOX / 2
                 + way / np.linalg.norm(way) * random.uniform(2.2, 8.0))
            d = np.linalg.norm(x[:, None] - y[None], axis=2)
            ratio = (d / (RADIUS[a][:, None] + RADIUS[b])).min()
            if ratio < 0.6:
                continue
            frames.append(ase.Atoms(numbers=np.concatenate([a, b]), cell=cell, pbc=True,
                                    positions=np.concatenate([x, y])))
            frames[-1].info = {"kind": "dimer", "guests": 2,
                               "gas": first if first == second else first + "+" + second}
            done += 1
    for k, frame in enumerate(frames):
        frame.info.update(host="gas", group="gas/%d" % k, source="teacher")
        frame.set_tags(np.ones(len(frame), int))
    return frames


def keep_apart(hosts, seed):
    """Names of about a tenth of the frameworks: all that share a composition or a net, so that what
    is kept apart is new to the student."""
    kin = {}
    for a in hosts:
        name = a.info["host"]
        key = name.rsplit("-", 1)[0] if name.startswith("net-") else a.info.get("formula", name)
        kin.setdefault(key, []).append(name)
    apart = []
    for key in np.random.default_rng(seed).permutation(sorted(kin)):
        if len(apart) < len(hosts) // 10:
            apart += kin[key]
    return sorted(apart)


def write(path, frames):
    """All or nothing: a file that is there is complete."""
    beside = path.with_name(path.name + ".new")
    ase.io.write(beside, frames, format="extxyz")
    beside.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hosts", nargs="+", help="frameworks with host= (hosts.py, nets.py)")
    parser.add_argument("--out", required=True, help="beginning of the files' names")
    parser.add_argument("--apart", help="file for the names of a tenth of the frameworks, which "
                        "training must not see")
    parser.add_argument("--first", type=int, default=0, help="first framework")
    parser.add_argument("--number", type=int, help="frameworks from there, all by default")
    parser.add_argument("--each", type=int, default=25, help="frameworks per file")
    parser.add_argument("--geometries", type=int, default=2, help="per framework")
    parser.add_argument("--guests", type=int, default=5, help="guest frames per geometry")
    parser.add_argument("--relax", metavar="MODEL", help="relax some frameworks with this model")
    parser.add_argument("--relax-share", type=float, default=0.4)
    parser.add_argument("--relax-steps", type=int, default=15)
    parser.add_argument("--hot-share", type=float, default=0.5, help="of those: dynamics after it")
    parser.add_argument("--hot-steps", type=int, default=25, help="of 1 fs")
    parser.add_argument("--threads", type=int, default=1, help="of the engine")
    parser.add_argument("--no-gas", action="store_true", help="no isolated molecules and pairs")
    parser.add_argument("--seed", type=int, default=8)
    arguments = parser.parse_args()
    hosts = [a for path in arguments.hosts for a in ase.io.read(path, ":")]
    if any("host" not in a.info for a in hosts):
        sys.exit("a frame without host=; write the frameworks with hosts.py")
    if arguments.apart:
        pathlib.Path(arguments.apart).write_text(
            "".join("%s\n" % h for h in keep_apart(hosts, arguments.seed)))
    if not arguments.no_gas:
        random = np.random.default_rng([arguments.seed, 1])
        write(pathlib.Path(arguments.out + "-gas.extxyz"), gas_frames(40, 70, random))
    end = len(hosts) if arguments.number is None else arguments.first + arguments.number
    for first in range(arguments.first, min(end, len(hosts)), arguments.each):
        some = hosts[first:min(first + arguments.each, end)]
        relaxed = relax_some(some, arguments)
        frames = [f for a in some for f in of_host(a, relaxed.get(a.info["host"]), arguments)]
        path = pathlib.Path("%s-%02d.extxyz" % (arguments.out, first // arguments.each))
        write(path, frames)
        print("%s: %d frames, %d atoms" % (path, len(frames), sum(map(len, frames))))


if __name__ == "__main__":
    main()
