"""Interaction energies and forces against GoldDAC's labels.

E_int = E(system) - E(empty framework) - E(gas), all from one source; the labels are PBE without
dispersion, and those of water hold an offset of the framework (the two frames were relaxed apart).
Regimes by name: E (or N) equilibrium, P weak, R repulsion; by rule: labels above 0.5 eV are
repulsion, the rest is equilibrium where the name says so, else weak. The classical force field
contains dispersion and is compared with label + D3(BJ).

SPDX-License-Identifier: MIT
"""
import collections
import hashlib
import pathlib
import re
import sys

import ase.io
import numpy as np

import engine
import tables

RULES = ("equilibrium", "weak", "repulsion")
NAMES = {"E": "equilibrium", "N": "equilibrium", "P": "weak", "R": "repulsion"}
REPULSION = 0.5  # eV


class Points:
    """System frames with what belongs to them."""

    def __init__(self, path, only, without):
        self.frames = ase.io.read(path, ":")
        where = {f.info["name"]: i for i, f in enumerate(self.frames)}
        self.gas_frame = {n[:-4]: i for n, i in where.items() if n.endswith("_gas")}
        self.label = np.array([f.get_potential_energy() if f.calc else f.info["REF_energy"]
                               for f in self.frames])
        self.rows = []
        for name, i in where.items():
            match = re.match(r"(.+)_(CO2|H2O|N2)_([ENPR])", name)
            if not match:
                continue
            host, gas, regime = match.groups()
            if (only and host not in only) or host in without:
                continue
            empty = where.get(host + "-CO2_fram", where.get(host + "_fram"))
            if empty is None or gas not in self.gas_frame:
                sys.exit("%s: no empty framework or no gas for %s" % (path, name))
            if "tags" not in self.frames[i].arrays:
                sys.exit("%s: %s has no tags (0 framework, 1 guest)" % (path, name))
            self.rows.append({"name": name, "host": host, "gas": gas, "frame": i, "empty": empty,
                              "by_name": NAMES[regime]})
        if not self.rows:
            sys.exit("%s: no frame of these frameworks" % path)
        for row, e in zip(self.rows, self.interaction(self.label)):
            row["label"] = e
            row["by_rule"] = "repulsion" if e > REPULSION else (
                "equilibrium" if row["by_name"] == "equilibrium" else "weak")

    def interaction(self, energy):
        return np.array([energy[r["frame"]] - energy[r["empty"]] -
                         energy[self.gas_frame[r["gas"]]] for r in self.rows])

    def used(self):
        """Indices of all frames that matter."""
        return sorted({r["frame"] for r in self.rows} | {r["empty"] for r in self.rows} |
                      set(self.gas_frame.values()))

    def evaluate(self, path, options, forces=True, **changes):
        use = self.used()
        energy, force = engine.evaluate(path, options, [self.frames[i] for i in use], forces,
                                        options.cache, **changes)
        full = np.full(len(self.frames), np.nan)
        full[use] = energy
        return full, dict(zip(use, force))

    def reference_forces(self, i):
        frame = self.frames[i]
        return frame.arrays["REF_forces"] if "REF_forces" in frame.arrays else frame.get_forces()

    def force_errors(self, force, row):
        """Absolute errors, eV/angstrom, of framework and guest components."""
        error = np.abs(force[row["frame"]] - self.reference_forces(row["frame"]))
        tag = self.frames[row["frame"]].arrays["tags"]
        return error[tag == 0].ravel(), error[tag == 1].ravel()


def statistics(error):
    return {"n": len(error), "mae": np.mean(np.abs(error)), "median": np.median(np.abs(error)),
            "bias": np.mean(error)} if len(error) else None


def rows_of(label, points, predicted, force):
    """Dicts for one model: per gas, regime and split."""
    error = predicted - points.compared
    rows = []
    for gas in ("CO2", "H2O"):
        for split in ("by_rule", "by_name"):
            for regime in RULES + ("all",):
                take = [k for k, r in enumerate(points.rows) if r["gas"] == gas and
                        regime in (r[split], "all") and np.isfinite(error[k])]
                s = statistics(error[take])
                if not s:
                    continue
                row = {"model": label, "gas": gas, "split": split, "regime": regime, **s}
                parts = [points.force_errors(force, points.rows[k]) for k in take] if force else []
                for k, name in enumerate(("force_framework_mae", "force_gas_mae")):
                    row[name] = np.mean(np.concatenate([p[k] for p in parts])) if parts else ""
                rows.append(row)
    return rows


def framework_forces(points, force):
    """Mean absolute error over framework atoms of all system frames, eV/angstrom."""
    return np.mean(np.concatenate([points.force_errors(force, r)[0] for r in points.rows]))


def readable(rows, frameworks, form="%(mae).3f (%(bias)+.3f)"):
    """Mean absolute error (bias), or what `form` says, by rule: a line per model."""
    cells = {(r["model"], r["gas"], r["regime"]): form % r
             for r in rows if r["split"] == "by_rule"}
    count = {(r["gas"], r["regime"]): max(q["n"] for q in rows if (
        q["split"], q["gas"], q["regime"]) == ("by_rule", r["gas"], r["regime"]))
             for r in rows if r["split"] == "by_rule"}
    heading = [""] + ["%s %s, %d" % (g, t, count.get((g, t), 0)) for g in ("CO2", "H2O")
                      for t in RULES] + ["framework forces"] * bool(frameworks)
    lines = [[m] + [cells.get((m, g, t), "-") for g in ("CO2", "H2O") for t in RULES] +
             ([("%.3f" % frameworks[m]) if m in frameworks else "-"] if frameworks else [])
             for m in dict.fromkeys(r["model"] for r in rows)]
    return tables.markdown(heading, lines)


def dispersion(points, path, options):
    """D3(BJ) for PBE of the interaction energies, eV."""
    plain, _ = points.evaluate(path, options, False, dispersion=None)
    with_d3, _ = points.evaluate(path, options, False, dispersion="d3bj:pbe")
    return points.interaction(with_d3 - plain)


def classical(points, cache):
    """Energies of rigid molecules laid over the frames' molecules; NANs without parameters."""
    hosts, poses, worst = [], [], 0
    for k, row in enumerate(points.rows):
        frame = points.frames[row["frame"]]
        guest = frame.arrays["tags"] == 1
        hosts.append(frame[~guest])
        positions = engine.connected(frame[guest])
        centre, q, misfit = engine.pose_of(row["gas"], frame.numbers[guest], positions)
        worst = max(worst, misfit)
        poses.append((k, row["gas"], centre, q))
    print("rigid molecules: off by %.3f angstrom at most" % worst, file=sys.stderr)
    key = hashlib.sha256(repr([r["name"] for r in points.rows]).encode() + b"".join(
        h.positions.tobytes() for h in hosts)).hexdigest()[:24]
    kept = pathlib.Path(cache or "", "classical-%s.npy" % key)
    if cache and kept.exists():
        energy = np.load(kept)
    else:
        energy = engine.classical(hosts, poses)
        if cache:
            np.save(kept, energy)
    energy[~np.isfinite(energy)] = np.nan
    lost = sorted({r["host"] for r, e in zip(points.rows, energy) if np.isnan(e)})
    if lost:
        print("classical: no energy for frames of %s" % ", ".join(lost), file=sys.stderr)
    return energy


def add_arguments(parser):
    parser.add_argument("frames", help="GoldDAC frames, extended XYZ with name=, REF_energy, tags")
    engine.add_models(parser)
    parser.add_argument("--frameworks", default="", help="only these, A,B,...")
    parser.add_argument("--leave-out", default="", help="not these, A,B,...")
    parser.add_argument("--classical", action="store_true",
                        help="a line for the classical force field too, against label + D3")
    parser.add_argument("--cache", help="folder that keeps energies and forces")
    parser.add_argument("--points", help="CSV of every configuration")


def run(options):
    names = [set(filter(None, text.split(","))) for text in (options.frameworks,
                                                             options.leave_out)]
    points = Points(options.frames, *names)
    table, frameworks, columns, alone = [], {}, collections.OrderedDict(), []
    for text in options.model:
        label, path = engine.split_label(text)
        energy, force = points.evaluate(path, options)
        points.compared = np.array([r["label"] for r in points.rows])
        columns[label] = points.interaction(energy)
        table += rows_of(label, points, columns[label], force)
        frameworks[label] = framework_forces(points, force)
        alone += [[label, gas, "%.3f" % energy[i], "%+.3f" % (energy[i] - points.label[i])]
                  for gas, i in points.gas_frame.items()]
    if options.classical:
        d3 = dispersion(points, engine.split_label(options.model[0])[1], options)
        points.compared = np.array([r["label"] for r in points.rows]) + d3
        columns["D3"], columns["classical"] = d3, classical(points, options.cache)
        table += rows_of("classical", points, columns["classical"], None)
    tables.write_csv(options.points, [dict(
        {k: r[k] for k in ("name", "host", "gas", "by_name", "by_rule", "label")},
        **{c: v[k] for c, v in columns.items()}) for k, r in enumerate(points.rows)])
    tables.show(options, "golddac", table, "\n\n".join([
        "Mean absolute error (bias), eV and eV/angstrom", readable(table, frameworks),
        "Median of the absolute error, eV", readable(table, {}, "%(median).3f"),
        tables.markdown(["isolated molecule", "", "eV", "minus label"], alone)]))
