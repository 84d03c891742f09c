"""Random insertions with contacts down to 0.3 angstrom: does the model have holes?

Rigid molecules at uniform places and orientations in the empty framework; those with a contact of
less than --contact angstrom are drawn again. U = E(framework + molecule) - E(framework) -
E(molecule), by local changes as the samplers compute it. A hole is U below --limit eV, or not
finite. No rejection by the overlap rule: the model is asked about all of them. --worst writes
the lowest energies below --keep eV as frames, to look at or to train on.

SPDX-License-Identifier: MIT
"""
import pathlib
import sys
import time

import ase
import ase.io
import numpy as np

import engine
import tables

BATCH = 256


def shortest(fractional, cell, points):
    """Distance of every point to the nearest atom, all images; [n] angstrom. The cell's widths are
    at least twice what matters."""
    inverse = np.linalg.inv(cell)
    f = points @ inverse
    best = np.full(len(points), np.inf)
    for start in range(0, len(points), 512):
        d = f[start:start + 512, None] - fractional[None]
        d -= np.round(d)
        v = d.reshape(-1, 3) @ cell
        best[start:start + 512] = np.sqrt((v * v).sum(1).reshape(d.shape[:2]).min(1))
    return best


def draws(rng, host, gas, n, contact):
    """Positions [n, atoms, 3] of molecules no closer than `contact`, and their contacts."""
    local, cell = np.array(engine.GASES[gas][1]), np.asarray(host.cell)
    fractional, kept, near = host.get_scaled_positions(), [], []
    while sum(map(len, kept)) < n:
        x = (np.einsum("nij,aj->nai", engine.random_rotations(rng, 2048), local) +
             (rng.random((2048, 3)) @ cell)[:, None])
        d = shortest(fractional, cell, x.reshape(-1, 3)).reshape(len(x), -1).min(1)
        kept.append(x[d >= contact])
        near.append(d[d >= contact])
    return np.concatenate(kept)[:n], np.concatenate(near)[:n]


def insert(model, host, gas, places, until):
    """Energies; ends early, with fewer, when the time is over."""
    insertions, u = engine.Insertions(model, host), []
    for start in range(0, len(places), BATCH):
        u.append(insertions.energies(engine.GASES[gas][0], places[start:start + BATCH]))
        if time.monotonic() > until:
            break
    return np.concatenate(u)


def worst_frames(host, name, gas, places, u, keep):
    for k in np.argsort(u)[:20]:
        if u[k] > keep:
            return
        atoms = host + ase.Atoms(engine.GASES[gas][0], places[k])
        atoms.set_tags([0] * len(host) + [1] * len(places[k]))
        atoms.info.update(host=name, gas=gas, model_U=float(u[k]))
        yield atoms


def add_arguments(parser):
    parser.add_argument("frameworks", nargs="+", help="structure files")
    engine.add_models(parser, several=False)
    parser.set_defaults(wall="auto")
    parser.add_argument("--gases", default="CO2,H2O,N2")
    parser.add_argument("--draws", type=int, default=10000, help="per framework and gas")
    parser.add_argument("--contact", type=float, default=0.3)
    parser.add_argument("--limit", type=float, default=-1.5)
    parser.add_argument("--keep", type=float, default=-1.0)
    parser.add_argument("--width", type=float, default=0,
                        help="of the box, angstrom (default twice the model's cutoff)")
    parser.add_argument("--seconds", type=float, default=float("inf"),
                        help="per framework and gas; what was not drawn is said")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worst", help="extended XYZ of the lowest energies")


def run(options):
    label, path = engine.split_label(options.model[0])
    model = engine.load(path, options)
    width, rows, worst = options.width or 2 * model.info["cutoff"], [], []
    known = set(model.info["elements"])
    for file in options.frameworks:
        name = pathlib.Path(file).stem
        host = engine.repeated(engine.framework(file), width)
        if set(host.numbers) - known:
            print("%s: elements that the model does not know: %s" % (name, sorted(
                set(host.symbols))), file=sys.stderr)
            continue
        for gas in options.gases.split(","):
            start = time.monotonic(), time.process_time()
            places, near = draws(np.random.default_rng([options.seed, len(rows)]), host, gas,
                                 options.draws, options.contact)
            u = insert(model, host, gas, places, start[0] + options.seconds)
            near = near[:len(u)]
            low = np.where(np.isfinite(u), u, -np.inf)
            k = int(np.argmin(low))
            rows.append({"model": label, "framework": name, "gas": gas, "atoms": len(host),
                         "draws": len(u), "below_1_angstrom": int((near < 1).sum()),
                         "holes": int((low < options.limit).sum()), "lowest_eV": low[k],
                         "contact_of_lowest": near[k],
                         "cpu_ms": 1e3 * (time.process_time() - start[1]) / len(u)})
            worst += worst_frames(host, name, gas, places, low, options.keep)
            print("%(framework)s %(gas)s: %(draws)d draws, lowest %(lowest_eV).3f eV at "
                  "%(contact_of_lowest).2f, %(cpu_ms).2f ms" % rows[-1], file=sys.stderr)
            tables.write_csv(options.csv, rows)
    if options.worst and worst:
        ase.io.write(options.worst, worst, format="extxyz")
    by_name = {}
    for r in rows:
        by_name.setdefault(r["framework"], {})[r["gas"]] = r
    gases = options.gases.split(",")
    text = tables.markdown(
        ["%s: framework" % label, "draws per gas"] + ["lowest U, eV: " + g for g in gases] +
        ["below %g eV" % options.limit],
        [[name, "%d" % min(r["draws"] for r in of.values())] +
         ["%.2f" % of[g]["lowest_eV"] for g in gases] + [sum(r["holes"] for r in of.values())]
         for name, of in by_name.items()])
    tables.show(options, "holes", rows, text)
