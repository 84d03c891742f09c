"""Interaction energy against distance, as figures: an open metal site, a pore wall, a pore axis.

CO2, N2 and H2O, rigid, by every model and by the classical force field, with D3 in the models
(--dispersion, default d3bj:pbe):
  site  towards the magnesium of Mg-MOF-74 through the middle of its open side; x is the distance of
        the nearest atom. CO2 with Mg-O-C 130 degrees, N2 end-on, H2O with its oxygen first
  wall  down on the middle of a carbon ring of IRMOF-1, molecules flat; x is the height
  axis  along the axis of the channel of Mg-MOF-74, molecules along it; x is the way
--svg writes one figure, --csv all points; the table has the minima of site and wall.

SPDX-License-Identifier: MIT
"""
import itertools
import os

import numpy as np

import engine
import tables

GASES = ("CO2", "N2", "H2O")
TILT = np.radians(130.0)


def unit(v):
    return v / np.linalg.norm(v)


def neighbours(atoms, i, reach):
    """Vectors from atom i to all atoms within `reach`, nearest images."""
    d = atoms.get_distances(i, range(len(atoms)), mic=True, vector=True)
    near = np.linalg.norm(d, axis=1)
    return d[(near > 0.1) & (near < reach)]


def clearance(host, positions):
    """Shortest distance of a molecule to the framework."""
    inverse = np.linalg.inv(host.cell)
    d = positions[:, None] - host.positions[None]
    d -= np.round(d @ inverse) @ np.asarray(host.cell)
    return np.linalg.norm(d, axis=2).min()


def aligned(gas, axis, lead):
    """The molecule's atoms about its centre, its z (or x, as `lead` says) axis along `axis`."""
    axis = unit(axis)
    other = unit(np.cross(axis, [0.3, 0.5, 0.8]))
    third = np.cross(axis, other)
    r = np.array([other, third, axis] if lead == "z" else [axis, other, third]).T
    return np.array(engine.GASES[gas][1]) @ r.T


def site(host):
    """Poses by gas and distance at the first Mg."""
    metal = int(np.flatnonzero(host.symbols == "Mg")[0])
    start, rest = host.positions[metal], host[[i for i in range(len(host)) if i != metal]]
    turn = np.arange(2000) * np.pi * (3 - np.sqrt(5))
    z = 1 - (np.arange(2000) + 0.5) / 1000
    sphere = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], 1)
    out = max(sphere, key=lambda v: clearance(rest, (start + 2.4 * v)[None]))
    distances = np.round(np.arange(1.6, 6.01, 0.1), 2)
    for gas in GASES:
        if gas == "CO2":
            side = unit(np.cross(out, [0.3, 0.5, 0.8]))
            turned = [np.cos(a) * side + np.sin(a) * np.cross(out, side)
                      for a in np.linspace(0, 2 * np.pi, 24, endpoint=False)]
            axes = [-np.cos(TILT) * out + np.sin(TILT) * s for s in turned]
            shapes = [aligned(gas, a, "z") for a in axes]
            shapes = [s - s[2] for s in shapes]
            atoms = max(shapes, key=lambda s: clearance(host, start + 2.4 * out + s))
        elif gas == "N2":
            atoms = aligned(gas, out, "z")
            atoms = atoms - atoms[1]
        else:
            atoms = aligned(gas, -out, "z")
            atoms = atoms - atoms[0]
        for d in distances:
            yield gas, d, start + d * out + atoms


def wall(host):
    """Above the middle of the first six-ring of carbon."""
    carbon = np.flatnonzero(host.symbols == "C")
    for i in carbon:
        near = [v for v in neighbours(host, i, 1.55)]
        if len(near) == 3 and sum(np.linalg.norm(v) < 1.2 for v in near) == 1:
            break  # C-H of a ring
    heavy = [v for v in near if np.linalg.norm(v) > 1.2]
    middle = host.positions[i] + heavy[0] + heavy[1]
    normal = unit(np.cross(heavy[0], heavy[1]))
    for gas, d in itertools.product(GASES, np.round(np.arange(2.4, 8.01, 0.1), 2)):
        lead = "x" if gas == "H2O" else "z"
        yield gas, d, middle + d * normal + aligned(gas, unit(heavy[0] - heavy[1]), lead)


def axis(host):
    """Along the shortest vector of the cell, from the point farthest from all atoms."""
    along = min(host.cell, key=np.linalg.norm)
    grid = np.stack(np.meshgrid(*[np.arange(20) / 20] * 3), -1).reshape(-1, 3)
    points = grid @ np.asarray(host.cell)
    start = max(points, key=lambda p: clearance(host, p[None]))
    for gas, t in itertools.product(GASES, np.round(np.arange(0, 1.001, 0.05), 3)):
        yield gas, t * np.linalg.norm(along), start + t * along + aligned(gas, along, "z")


def energies(label, path, options, host, poses):
    """U of all poses by a model (path) or classically (None)."""
    if path is None:
        placed = [(0, gas, *engine.pose_of(gas, engine.GASES[gas][0], x)[:2])
                  for gas, _, x in poses]
        return engine.classical([host], placed)
    insertions = engine.Insertions(engine.load(path, options), engine.repeated(host, 12.0))
    u = np.empty(len(poses))
    for gas in GASES:
        take = [k for k, p in enumerate(poses) if p[0] == gas]
        u[take] = insertions.energies(engine.GASES[gas][0], [poses[k][2] for k in take])
    return u


def figure(rows, path):
    """Three panels by three gases, meV."""
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot
    places = list(dict.fromkeys(r["place"] for r in rows))
    sketch, panels = pyplot.subplots(len(places), 3, figsize=(9, 2.6 * len(places)), sharex="row",
                                     squeeze=False)
    for (i, place), (j, gas) in itertools.product(enumerate(places), enumerate(GASES)):
        panel = panels[i][j]
        low = 0.0
        for label in dict.fromkeys(r["model"] for r in rows):
            part = [(r["x"], 1e3 * r["U"]) for r in rows
                    if (r["place"], r["gas"], r["model"]) == (place, gas, label)]
            x, u = np.array(part).T
            low = min(low, np.nanmin(u[np.isfinite(u)], initial=0.0))
            panel.plot(x, np.where(u < 2000, u, np.nan), label=label, lw=1.2)
        panel.set_ylim(1.15 * low - 5, max(60.0, -0.4 * low))
        panel.axhline(0, color="grey", lw=0.5)
        panel.set_title("%s, %s" % (gas, place), fontsize=9)
        panel.tick_params(labelsize=8)
    for panel in panels[-1]:
        panel.set_xlabel("angstrom", fontsize=8)
    for panel in panels[:, 0]:
        panel.set_ylabel("U, meV", fontsize=8)
    panels[0][0].legend(fontsize=7, frameon=False)
    sketch.tight_layout()
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    sketch.savefig(path, metadata={"Date": None})


def add_arguments(parser):
    engine.add_models(parser)
    parser.set_defaults(dispersion="d3bj:pbe", wall="auto")
    parser.add_argument("--mg-mof-74", required=True, help="structure for site and axis")
    parser.add_argument("--irmof-1", required=True, help="structure for the wall")
    parser.add_argument("--svg", help="the figure")


def run(options):
    models = [engine.split_label(text) for text in options.model] + [("classical", None)]
    rows = []
    for place, file, poses in (("site", options.mg_mof_74, site), ("wall", options.irmof_1, wall),
                               ("axis", options.mg_mof_74, axis)):
        host = engine.framework(file)
        at = list(poses(host))
        for label, path in models:
            rows += [{"place": place, "gas": gas, "model": label, "x": x, "U": u}
                     for (gas, x, _), u in zip(at, energies(label, path, options, host, at))]
    if options.svg:
        figure(rows, options.svg)
    lines = []
    for place, gas in itertools.product(("site", "wall"), GASES):
        cells = []
        for label, _ in models:
            part = [(r["U"], r["x"]) for r in rows if (r["place"], r["gas"], r["model"]) == (
                place, gas, label) and np.isfinite(r["U"])]
            cells.append("%.0f at %.1f" % (1e3 * min(part)[0], min(part)[1]))
        lines.append(["%s, %s" % (gas, place)] + cells)
    tables.show(options, "curves", rows, tables.markdown(
        ["lowest U, meV, at angstrom"] + [m for m, _ in models], lines))
