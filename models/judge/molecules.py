"""Isolated molecules, CO2 far from a wall, and two CO2.

Energies are those of the model alone (without --dispersion: that of the labels), at the model's own
minimum; references: PBE in the convention of the labels, bond lengths and angle of PBE. The wall is
a framework cut open along c, 30 angstrom of vacuum, the molecule flat and upright above its highest
atom. The wells of two CO2 (with D3) are to be compared with those of coupled clusters: about -60
meV at 3.5 to 3.6 angstrom (C-C) slipped parallel, -50 meV at 4.1 T-shaped. --dimers: interaction
energies of dimers from first principles without dispersion, compared with the model without.

SPDX-License-Identifier: MIT
"""
import sys

import ase
import ase.io
import numpy as np

import engine
import tables

# eV; lengths in angstrom, angle in degrees. First atom first.
REFERENCE = {"CO2": (-22.974, 1.176, None), "H2O": (-14.242, 0.970, 104.2),
             "N2": (-16.64, 1.103, None)}
SHAPES = {"slipped parallel": (57.9, 0.0), "T-shaped": (90.0, 90.0)}


def molecule(gas, length, angle):
    """ase.Atoms of a gas with a bond length and, of water, an angle."""
    half = np.radians(angle or 180.0) / 2
    x, z = length * np.sin(half), length * np.cos(half)
    if gas == "N2":
        return ase.Atoms("N2", [[0, 0, 0], [length, 0, 0]])
    return ase.Atoms(engine.GASES[gas][0], [[0, 0, 0], [x, 0, -z], [-x, 0, -z]])


def minimum(model, gas):
    """Energy and geometry where the model has its minimum, by Newton's method on a quadratic of
    finite differences; lengths to 1e-4 angstrom."""
    x = np.array([v for v in REFERENCE[gas][1:] if v is not None])
    step = np.array([0.01, 1.0])[:len(x)]

    def energy(p):
        at = molecule(gas, p[0], p[1] if len(p) > 1 else None)
        return model.evaluate(at, energies=False, forces=False, stress=False).energy[0]

    for _ in range(20):
        e0, n = energy(x), len(x)
        unit = np.diag(step)
        up, down = ([energy(x + s * u) for u in unit] for s in (1, -1))
        gradient = (np.array(up) - down) / 2
        hessian = np.diag(np.array(up) + down - 2 * e0)
        if n == 2:
            both = energy(x + unit[0] + unit[1]) + energy(x - unit[0] - unit[1])
            hessian[0, 1] = hessian[1, 0] = (both - sum(up) - sum(down) + 2 * e0) / 2
        if np.any(np.linalg.eigvalsh(hessian) <= 0):  # not near a minimum: downhill
            move = -np.sign(gradient)
        else:
            move = np.clip(-np.linalg.solve(hessian, gradient), -3, 3)
        x = x + move * step
        if np.all(np.abs(move) < 0.01):
            return energy(x), x
    return np.nan, x


def wall(model, path):
    """Height (angstrom) and U (eV) of CO2 above a framework cut open, flat and upright."""
    slab = engine.repeated(engine.framework(path), 10.0)
    slab.positions = slab.get_scaled_positions(wrap=True) @ np.asarray(slab.cell)
    normal = np.cross(slab.cell[0], slab.cell[1])
    normal /= np.linalg.norm(normal)
    slab.cell[2] = slab.cell[2] + 30 * normal
    top = slab.positions[np.argmax(slab.positions @ normal)]
    number, local = engine.GASES["CO2"]
    insertions = engine.Insertions(model, slab)
    rows = []
    for height in (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0):
        flat, upright = slab.cell[0] / np.linalg.norm(slab.cell[0]), normal
        places = [top + (height + (1.16 if axis is upright else 0)) * normal +
                  np.outer(np.array(local)[:, 2], axis) for axis in (flat, upright)]
        rows.append([height, *insertions.energies(number, places)])
    return np.array(rows)


def dimer(shape, distance):
    """Two rigid CO2 whose carbons are `distance` apart along z."""
    first, second = (np.radians(a) for a in SHAPES[shape])
    local = np.array(engine.GASES["CO2"][1])[:, 2]
    if shape == "slipped parallel":
        axes = [[np.sin(first), 0, np.cos(first)]] * 2
    else:
        axes = [[1, 0, 0], [np.cos(second), 0, np.sin(second)]]
    positions = np.concatenate([np.outer(local, a) + [0, 0, k * distance]
                                for k, a in enumerate(axes)])
    return ase.Atoms(engine.GASES["CO2"][0] * 2, positions)


def curve(model, shape):
    """C-C distances and interaction energies."""
    distance = np.arange(2.6, 8.01, 0.1)
    number, local = engine.GASES["CO2"]
    one = ase.Atoms(number, local)
    r = model.evaluate([one] + [dimer(shape, d) for d in distance], energies=False, forces=False,
                       stress=False).energy
    return distance, r[1:] - 2 * r[0]


def against(path, options, reference):
    """Pair, label and error (eV) of dimers' interaction energies, without dispersion; molecules are
    told apart by their tags."""
    frames = [f for f in ase.io.read(reference, ":") if f.info.get("kind") == "dimer"]
    parts = []
    for f in frames:
        if "interaction_energy" not in f.info or len(set(f.get_tags())) != 2:
            sys.exit("%s: %s needs interaction_energy= (eV) and two tags" % (
                reference, f.info.get("name", "a dimer")))
        f.pbc = False
        parts += [f, f[f.get_tags() == f.get_tags().min()], f[f.get_tags() == f.get_tags().max()]]
    energy = engine.evaluate(path, options, parts, False, options.cache, dispersion=None)[0]
    both = energy.reshape(-1, 3) @ [1, -1, -1]
    return [(f.info.get("pair", "dimer"), f.info["interaction_energy"],
             e - f.info["interaction_energy"]) for f, e in zip(frames, both)]


def dimer_lines(label, found):
    """Of the table: mean absolute error and bias of every pair, in meV."""
    lines = []
    for pair in dict.fromkeys(p for p, _, _ in found):
        for name, most in (("below 0.1 eV", 0.1), ("0.1 to 1 eV", 1.0)):
            error = 1e3 * np.array([e for p, want, e in found if p == pair and want <= most and
                                    (most < 1 or want > 0.1)])
            if len(error):
                lines.append([label, pair, name, len(error), "%.1f" % np.abs(error).mean(),
                              "%+.1f" % error.mean(), "%.1f" % np.abs(error).max()])
    return lines


def add_arguments(parser):
    engine.add_models(parser)
    parser.add_argument("--framework", help="structure that the wall is cut from")
    parser.add_argument("--dimers", help="first-principles energies of dimers, extended XYZ")
    parser.add_argument("--cache", help="folder that keeps energies of --dimers")


def run(options):
    options.precision = "double"
    rows, lines, walls, pairs, labelled = [], [], [], [], []
    for text in options.model:
        label, path = engine.split_label(text)
        model = engine.load(path, options, dispersion=None)
        for gas, (e_want, *x_want) in REFERENCE.items():
            e, x = minimum(model, gas)
            row = {"model": label, "gas": gas, "energy": e, "energy_error": e - e_want,
                   "length": x[0], "length_error": x[0] - x_want[0],
                   "angle": x[1] if len(x) > 1 else "",
                   "angle_error": x[1] - x_want[1] if len(x) > 1 else ""}
            rows.append(row)
            lines.append([label, gas, "%.3f (%+.3f)" % (e, e - e_want),
                          "%.4f (%+.4f)" % (x[0], x[0] - x_want[0]),
                          "%.1f (%+.1f)" % (x[1], x[1] - x_want[1]) if len(x) > 1 else ""])
        if options.framework:
            alone = wall(model, options.framework)
            both = wall(engine.load(path, options, dispersion="d3bj:pbe"), options.framework)
            walls += [[label, "%g" % h] + ["%+.2f" % (1e3 * u) for u in (*us, *d)]
                      for (h, *us), (_, *d) in zip(alone, both) if h in (3, 5, 8, 10)]
        with_d3 = engine.load(path, options, dispersion="d3bj:pbe")
        for shape in SHAPES:
            distance, u = curve(with_d3, shape)
            k = int(np.argmin(u))
            pairs.append([label, shape, "%.1f" % (1e3 * u[k]), "%.1f" % distance[k],
                          "%.1f" % (1e3 * u[distance > 6.5].min())])
        if options.dimers:
            labelled += dimer_lines(label, against(path, options, options.dimers))
    text = tables.markdown(["", "molecule", "energy, eV", "bond, angstrom", "angle"], lines)
    if walls:
        text += "\n\n" + tables.markdown(
            ["", "above the wall, angstrom", "flat, meV", "upright", "flat with D3",
             "upright with D3"], walls)
    text += "\n\n" + tables.markdown(["", "two CO2, with D3", "well, meV", "at C-C, angstrom",
                                      "lowest beyond 6.5"], pairs)
    if labelled:
        text += "\n\n" + tables.markdown(["", "pair", "PBE interaction", "configurations",
                                          "MAE, meV", "bias", "largest"], labelled)
    tables.show(options, "molecules", rows, text)
