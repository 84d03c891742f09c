"""First-principles points of gases, pairs of gases and gases on fragments: PBE without dispersion,
by PySCF.  Data for the teacher and the student that no framework needs to be public for.

usage: dft.py KIND... --out FOLDER [--minutes 30] [--basis def2-svpd] [--list]
       KIND: gas dimer fragment check;  e.g.  dft.py gas dimer --out models/train/data --minutes 20

Writes FOLDER/KIND.extxyz, each frame alone in a cube of 30 angstrom, in eV and angstrom.  What is
there already is not computed again, so a run that was stopped goes on.  The points come in order of
worth: each orientation at one distance, then all at the next.
  gas       REF_energy, REF_forces of bent and stretched molecules (basis --gas-basis), solved with
            bonds and angle less OFFSET, which puts the minimum where VASP's PAW potentials have it
  dimer     rigid molecules: interaction_energy with counterpoise correction; REF_energy = the two
            molecules' energies (LABEL) + that; REF_forces = its gradient, corrected likewise
  fragment  a gas on a rigid fragment: interaction_energy; REF_forces = its gradient; the
            fragment alone (kind `empty`, same group) is taken to be at its own minimum:
            zero, not solved; no REF_energy
  check     some dimers and fragments with larger bases and a finer grid, printed
Energies are on the scale of VASP's PBE labels (LABEL).

SPDX-License-Identifier: MIT
"""
import argparse
import os
import re
import sys
import time

import numpy as np

HARTREE, BOHR = 27.211386246, 0.529177210903  # eV, angstrom
BOX = 30.0  # angstrom
# VASP's PBE PAW scale: energies (eV) at the relaxed geometries, see README.md.
LABEL = {"CO2": -22.9773, "H2O": -14.2420, "N2": -16.64}
CO2, N2, OH, HOH = 1.1765, 1.1120, 0.9718, 104.46  # VASP's relaxed geometries, angstrom, degrees
# Theirs less those of PBE/def2-tzvpp without pseudopotentials: bonds, angle.
OFFSET = {"CO2": (0.0052, 0.0), "H2O": (0.0027, 0.50), "N2": (0.0090, 0.0)}
RADIUS = {"H": 0.65, "C": 1.70, "N": 1.55, "O": 1.52, "Si": 1.9, "Mg": 0.95, "Zn": 0.95, "Al": 0.95}
STEPS = (1.0, 0.80, 1.2, 0.70, 0.9, 1.5, 0.62, 2.0)  # distances in sums of RADIUS, by worth
FAR = (6.0, 8.0)  # angstrom between centres, first orientation of each pair only

# Fragments, relaxed with SevenNet-0 (a PBE potential), angstrom.
FRAGMENT = {
    "formic": "O -.851 -.484 0; C .188 .386 0; O 1.357 .068 0; H -.490 -1.393 0; H -.204 1.423 0",
    "mg_formate": "Mg 0 0 0; O 1.120 0 1.677; O -1.120 0 1.677; C 0 0 2.288; H 0 0 3.381; "
                  "O 0 1.120 -1.677; O 0 -1.120 -1.677; C 0 0 -2.288; H 0 0 -3.381",
    "imidazole": "N .144 .967 0; C 1.221 .115 0; N .837 -1.151 0; C -.528 -1.119 0; C -.991 .187 0;"
                 "H .187 1.983 0; H 2.247 .464 0; H -1.112 -2.038 0; H -2.006 .591 0",
    "benzene": "C 0 1.401 0; C 1.213 .700 0; C 1.213 -.700 0; C 0 -1.401 0; C -1.213 -.700 0; "
               "C -1.213 .700 0; H 0 2.490 0; H 2.157 1.245 0; H 2.157 -1.245 0; H 0 -2.490 0; "
               "H -2.157 -1.245 0; H -2.157 1.245 0",
    "al_hydroxide": "Al 0 0 0; O 1.711 -.057 0; H 2.197 .784 0; O -.806 1.510 0; H -1.777 1.511 0; "
                    "O -.905 -1.453 0; H -.420 -2.295 0",
    "silicic": "Si 0 0 0; O .984 .980 .893; H 1.818 .601 1.210; O -.984 -.980 .893; "
               "H -1.818 -.601 1.210; O -.980 .984 -.892; H -.600 1.818 -1.211; "
               "O .980 -.984 -.892; H .600 -1.818 -1.211",
    "zn_formate": "Zn 0 0 0; O 1.118 0 1.721; O -1.118 0 1.721; C 0 0 2.322; H 0 0 3.410; "
                  "O 0 1.118 -1.721; O 0 -1.118 -1.721; C 0 0 -2.322; H 0 0 -3.410",
}
# Where a gas comes from: foot of the line (angstrom), direction.
SITE = {
    "mg_formate": ((0, 0, 0), (1, 1, 0)), "formic": ((1.357, .068, 0), (.9, -.45, 0)),
    "formic_h": ((-.49, -1.393, 0), (.35, -.94, 0)), "al_hydroxide": ((0, 0, 0), (0, 0, 1)),
    "imidazole_h": ((.187, 1.983, 0), (0, 1, 0)), "benzene": ((0, 0, 0), (0, 0, 1)),
    "imidazole": ((.837, -1.151, 0), (.6, -.8, 0)),
    "silicic_h": ((1.818, .601, 1.21), (.8, -.3, .6)),
    "formic_face": ((.6, .2, 0), (0, 0, 1)), "zn_formate": ((0, 0, 0), (1, 1, 0)),
    "mg_formate_o": ((1.12, 0, 1.677), (1, 0, .25)), "imidazole_face": ((.1, -.2, 0), (0, 0, 1)),
    "benzene_h": ((0, 2.49, 0), (0, 1, 0)), "silicic": ((0, 0, 0), (0, 0, 1)),
}
# Ways a molecule faces its partner: its axis (or the bisector of water, from O to the hydrogens) by
# its components along the approach and across it, and the direction of water's plane.
POSE = {
    "end": ((1, 0, 0), (0, 1, 0)), "side": ((0, 0, 1), (0, 1, 0)), "cross": ((0, 1, 0), (0, 0, 1)),
    "tilt": ((.53, 0, .85), (0, 1, 0)), "lone": ((-1, 0, 0), (0, 1, 0)),
    "tetra": ((-.57, 0, .82), (0, 1, 0)), "both": ((1, 0, 0), (0, 1, 0)),
    "donor": ((.615, .788, 0), (.788, -.615, 0)), "flat": ((0, 0, 1), (0, 1, 0)),
}
DIMER = {
    ("CO2", "CO2"): ("tilt tilt", "side end", "side side", "side cross", "end end"),
    ("CO2", "H2O"): ("side lone", "end donor", "end lone", "side both"),
    ("H2O", "H2O"): ("donor tetra", "lone lone", "both both", "donor flat", "both lone"),
    ("CO2", "N2"): ("side end", "side side", "end side", "end end"),
    ("N2", "H2O"): ("end donor", "side lone", "side both", "end lone"),
    ("N2", "N2"): ("tilt tilt", "side end", "side side", "end end"),
}
ON_FRAGMENT = {"CO2": ("end", "side"), "H2O": ("lone", "donor"), "N2": ("end", "side")}


def molecule(gas, bond=0.0, angle=0.0, other=0.0):
    """Symbols and positions (angstrom): linear along z, water in the plane xz with its hydrogens
    towards +z. bond, other: stretch of the first and second bond; angle: bend in degrees."""
    if gas == "N2":
        z = (N2 + bond) / 2
        return ["N", "N"], np.array([[0, 0, z], [0, 0, -z]])
    if gas == "CO2":
        a, b, t = CO2 + bond, CO2 + other, np.radians(angle) / 2
        p = [[0, 0, 0], [a * np.sin(t), 0, a * np.cos(t)], [b * np.sin(t), 0, -b * np.cos(t)]]
        return ["C", "O", "O"], np.array(p)
    a, b, t = OH + bond, OH + other, np.radians(HOH + angle) / 2
    p = [[0, 0, 0], [a * np.sin(t), 0, a * np.cos(t)], [-b * np.sin(t), 0, b * np.cos(t)]]
    return ["O", "H", "H"], np.array(p)


def facing(gas, pose, towards, across):
    """The molecule turned so that it faces `towards`; `across` is perpendicular to that."""
    symbols, p = molecule(gas)
    frame = np.array([towards, across, np.cross(towards, across)])
    axis, plane = (np.array(v, float) @ frame for v in POSE[pose])
    axis, plane = axis / np.linalg.norm(axis), plane / np.linalg.norm(plane)
    return symbols, p @ np.array([plane, np.cross(axis, plane), axis])


def closeness(sa, pa, sb, pb):
    """Smallest distance between the two in sums of radii."""
    d = np.linalg.norm(pa[:, None] - pb[None], axis=2)
    sa, sb = ([x.strip("@") for x in s] for s in (sa, sb))
    s = [[2.1 if x == y == "H" else RADIUS[x] + RADIUS[y] for y in sb] for x in sa]
    return (d / np.array(s)).min()


def approach(a, b, foot, direction, step):
    """Positions of b, shifted along the line until closeness is `step`, coming from far away."""
    low, high = 0.0, 25.0
    for t in np.arange(25.0, 0.0, -0.1):
        if closeness(*a, b[0], b[1] + foot + t * direction) < step:
            low, high = t, t + 0.1
            break
    for _ in range(40):
        t = (low + high) / 2
        if closeness(*a, b[0], b[1] + foot + t * direction) < step:
            low = t
        else:
            high = t
    return b[1] + foot + high * direction


def gas_points():
    stretch = (-0.05, -0.03, 0.03, 0.05)
    for gas in LABEL:
        shapes = [(0, 0, 0)] + [(d, 0, d) for d in stretch]
        if gas == "N2":
            shapes += [(d, 0, 0) for d in (-0.09, -0.015, 0.015, 0.08, 0.11)]
        else:
            shapes += [(d, 0, -d) for d in (0.03, 0.05)] + [(d, 0, 0) for d in (-0.05, 0.05)]
            shapes += [(0, t, 0) for t in ((5, 10, 15) if gas == "CO2" else (-10, -5, 5, 10))]
            shapes += [(0.03, 8, -0.02), (-0.03, -8, -0.03), (0.04, -6, 0.05)]
        for bond, angle, other in shapes:
            symbols, p = molecule(gas, bond, angle, other)
            shift, turn = OFFSET[gas]
            name = "%s %+.3f %+.3f %+.1f" % (gas, bond, other, angle)
            yield {"name": name, "kind": "gas", "gas": gas, "a": (symbols, p), "b": None,
                   "solved": molecule(gas, bond - shift, angle - turn, other - shift),
                   "relaxed": molecule(gas, -shift, -turn, -shift)}


def dimer_points():
    x, z = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    for step in STEPS + FAR:
        for k in range(5):
            for pair, poses in DIMER.items():
                if k >= len(poses) or (step in FAR and k):
                    continue
                one, two = poses[k].split()
                a = facing(pair[0], one, x, np.cross(z, x))
                b = facing(pair[1], two, -x, np.cross(z, x))
                if "tilt" in two:  # parallel to the first, not its mirror image
                    b = b[0], facing(pair[1], two, x, np.cross(z, x))[1]
                p = b[1] + step * x if step in FAR else approach(a, b, 0 * x, x, step)
                name = "%s-%s %s %s %.2f" % (*pair, one, two, step)
                yield {"name": name, "kind": "dimer", "gas": pair[1], "pair": pair, "a": a,
                       "b": (b[0], p)}


def fragment_points():
    def read(text):
        rows = [row.split() for row in text.split(";")]
        return [r[0] + "@" for r in rows], np.array([[float(v) for v in r[1:]] for r in rows])
    seen = set()
    for step in STEPS[:6]:
        for pose in (0, 1):
            for site, (foot, direction) in SITE.items():
                host = next(n for n in FRAGMENT if site.startswith(n))
                u = np.array(direction, float) / np.linalg.norm(direction)
                v = np.cross(u, (0, 0, 1) if abs(u[2]) < 0.9 else (0, 1, 0))
                v /= np.linalg.norm(v)
                a = read(FRAGMENT[host])
                if host not in seen:
                    seen.add(host)
                    yield {"name": host, "kind": "empty", "gas": "", "group": host, "a": a,
                           "b": None}
                for gas, poses in ON_FRAGMENT.items():
                    b = facing(gas, poses[pose], -u, v)
                    p = approach(a, b, np.array(foot), u, step)
                    yield {"name": "%s %s %s %.2f" % (site, gas, poses[pose], step), "a": a,
                           "kind": "fragment", "gas": gas, "group": host, "b": (b[0], p)}


POINTS = {"gas": gas_points, "dimer": dimer_points, "fragment": fragment_points}


class Engine:
    """PBE with density fitting; eV, eV/angstrom."""

    def __init__(self, basis, grid, host_basis=""):
        self.basis, self.host_basis, self.grid = basis, host_basis, grid
        self.alone, self.last = {}, {}

    def solve(self, symbols, p, guess=None):
        """Energy, forces and density matrix; atoms named X-... carry functions and no nucleus,
        those named ...@ belong to the fragment (host_basis)."""
        from pyscf import dft, gto
        basis = {s: self.host_basis if "@" in s else self.basis for s in symbols}
        m = gto.M(atom=list(zip(symbols, p)), basis=basis, verbose=0)
        k = dft.RKS(m, xc="pbe").density_fit(auxbasis="def2-universal-jfit")
        k.grids.level, k.conv_tol, k.conv_tol_grad = self.grid, 1e-6, 5e-4
        e = k.kernel(guess)
        if not k.converged:
            raise RuntimeError("the density does not converge")
        return e * HARTREE, -k.nuc_grad_method().kernel() * HARTREE / BOHR, k.make_rdm1()

    def single(self, symbols, p):
        """The same molecule comes again and again, shifted at most: solved once."""
        key = (tuple(symbols), np.round(p - p[0], 6).tobytes())
        if key not in self.alone:
            where, guess = self.last.get(tuple(symbols), (p + 9, None))
            near = np.abs(p - where).max() < 0.3  # density of a similar shape, not of a turned one
            self.alone[key] = self.solve(symbols, p, guess if near else None)
            self.last[tuple(symbols)] = p, self.alone[key][2]
        return self.alone[key]

    def interaction(self, a, b):
        """Counterpoise-corrected interaction energy of rigid a and b, the energy without
        correction, the corrected forces on all atoms."""
        one, two = self.single(*a), self.single(*b)
        zero = np.zeros((len(one[2]), len(two[2])))

        def block(x, y):
            return np.block([[x, zero], [zero.T, y]])
        p = np.vstack([a[1], b[1]])
        ghost = [["X-" + s for s in m[0]] for m in (a, b)]
        both = self.solve(a[0] + b[0], p, block(one[2], two[2]))
        first = self.solve(a[0] + ghost[1], p, block(one[2], 0 * two[2]))
        second = self.solve(ghost[0] + b[0], p, block(0 * one[2], two[2]))
        return (both[0] - first[0] - second[0], both[0] - one[0] - two[0],
                both[1] - first[1] - second[1])


def compute(point, engine):
    """Info and forces of one frame."""
    if point["kind"] == "gas":
        e, f, _ = engine.single(*point["solved"])
        lowest = engine.single(*point["relaxed"])[0]
        return {"REF_energy": LABEL[point["gas"]] + e - lowest, "pbe_energy": e}, f
    if point["kind"] == "empty":
        return {}, np.zeros_like(point["a"][1])
    cp, raw, f = engine.interaction(point["a"], point["b"])
    info = {"interaction_energy": cp, "interaction_raw": raw}
    if point["kind"] == "dimer":
        info["REF_energy"] = cp + sum(LABEL[g] for g in point["pair"])
    return info, f


def frame(point, info, forces, method):
    """One extended XYZ frame as text."""
    parts = [point["a"]] + ([point["b"]] if point["b"] else [])
    tags = [0] * len(parts[0][0]) + [1] * (len(forces) - len(parts[0][0]))
    if point["kind"] == "gas":
        tags = [1] * len(tags)
    words = ['Lattice="%g 0 0 0 %g 0 0 0 %g" pbc="T T T"' % (BOX, BOX, BOX),
             "Properties=species:S:1:pos:R:3:REF_forces:R:3:tags:I:1",
             'name="%s" kind=%s source=%s method=%s' % (
                 point["name"], point["kind"], "dft" if method.startswith("pbe") else "relaxed",
                 method)]
    words += ["%s=%s" % (k, point[k]) for k in ("gas", "group") if point.get(k)]
    if point.get("pair"):
        words.append("pair=%s-%s" % point["pair"])
    words += ["%s=%.5f" % item for item in info.items()]
    rows = [(s.strip("@"), *p) for symbols, x in parts for s, p in zip(symbols, x + BOX / 2 - 3)]
    lines = ["%-2s %.5f %.5f %.5f %.4f %.4f %.4f %d" % (*r, *f, t)
             for r, f, t in zip(rows, forces, tags)]
    return "%d\n%s\n%s\n" % (len(rows), " ".join(words), "\n".join(lines))


def done_in(path):
    """Names of the frames in a file; a last frame cut short is an error."""
    names, lines = set(), open(path).read().split("\n") if os.path.exists(path) else [""]
    at = 0
    while at < len(lines) - 1:
        n = int(lines[at])
        found = re.search(r'name="([^"]*)"', lines[at + 1]) if at + 1 < len(lines) else None
        if not found or at + 2 + n >= len(lines):
            sys.exit("%s:%d: the frame is not complete; remove its lines" % (path, at + 1))
        names.add(found.group(1))
        at += 2 + n
    return names


def check(options):
    """Larger bases and a finer grid on a few points, beside what the files have."""
    chosen = ("H2O-H2O donor tetra 0.90", "N2-N2 side end 0.80", "CO2-H2O side lone 0.90",
              "CO2-CO2 tilt tilt 1.00", "formic H2O lone 0.80", "formic CO2 end 1.00")
    points = {p["name"]: p for make in (dimer_points, fragment_points) for p in make()}
    for basis, host, grid in ((options.basis, options.host_basis, options.grid),
                              (options.basis, options.host_basis, options.grid + 2),
                              ("def2-tzvppd", "def2-tzvppd", options.grid),
                              ("def2-qzvp", "def2-qzvp", options.grid)):
        for point in (points[name] for name in chosen):
            start = time.process_time()
            cp, raw, f = Engine(basis, grid, host).interaction(point["a"], point["b"])
            print("%-11s grid %d  %-24s interaction %.4f eV, uncorrected %.4f, largest force %.3f "
                  "eV/angstrom, %.0f s" % (basis, grid, point["name"], cp, raw, np.abs(f).max(),
                                           time.process_time() - start), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="+", choices=[*POINTS, "check"], metavar="KIND")
    parser.add_argument("--out", default=".", help="folder of the files")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--basis", default="def2-svpd", help="of dimers and fragments")
    parser.add_argument("--host-basis", default="def2-svp", help="of the fragments' atoms")
    parser.add_argument("--gas-basis", default="def2-tzvpp")
    parser.add_argument("--grid", type=int, default=1, help="PySCF's level (gases: 2)")
    parser.add_argument("--list", action="store_true", help="names of the points, nothing else")
    options = parser.parse_args()
    stop = time.time() + 60 * options.minutes
    os.makedirs(options.out, exist_ok=True)
    for kind in options.kinds:
        if kind == "check":
            check(options)
            continue
        path = os.path.join(options.out, kind + ".extxyz")
        basis, grid = (options.gas_basis, 2) if kind == "gas" else (options.basis, options.grid)
        points, done = list(POINTS[kind]()), done_in(path)
        engine = Engine(basis, grid, options.host_basis)
        for k, point in enumerate(points):
            if options.list:
                print(point["name"])
            if options.list or point["name"] in done:
                continue
            if time.time() > stop:
                print("stopped: %d of %d in %s; the same command goes on" % (k, len(points), path))
                return
            start = time.process_time()
            try:
                info, forces = compute(point, engine)
            except RuntimeError as error:
                print("%s: %s; left out" % (point["name"], error), flush=True)
                continue
            method = "pbe/" + basis + ("," + options.host_basis if kind == "fragment" else "")
            with open(path, "a") as f:
                f.write(frame(point, info, forces,
                              "SevenNet-0" if point["kind"] == "empty" else method))
            print("%d/%d %s: %s, %.0f s" % (k + 1, len(points), point["name"], ", ".join(
                "%s %.4f" % item for item in info.items()), time.process_time() - start),
                  flush=True)


if __name__ == "__main__":
    main()
