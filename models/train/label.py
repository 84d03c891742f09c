#!/usr/bin/env python3
"""Labels structures with model files through the engine: energies, forces, interaction energies.

Any model that the engine reads, or the mean of several; D3 and walls are never added. Frames of one
`group` follow each other, the empty one first (frames.py). Each frame gets REF_energy (eV),
REF_forces (eV/angstrom) and, with guests, REF_interaction (eV): its energy less that of the group's
empty frame and of each guest alone in the same shape. Frames that teach nonsense are left out and
counted: large forces, interactions out of range or on which the models do not agree, frameworks far
above their best geometry, attraction where atoms nearly coincide (a hole of the model).

    label.py --model teacher.safetensors --name teacher --out labels structures-*.extxyz
    label.py --model one.pth two.model --name mean --out labels structures-*.extxyz
    label.py --summary labels/teacher-*.extxyz

structures-03.extxyz becomes labels/teacher-03.extxyz with a record beside it; what is there already
for the same structures and model is not done again, so a stopped run goes on.

SPDX-License-Identifier: MIT
"""
import argparse
import collections
import hashlib
import json
import pathlib
import sys
import time

import ase
import ase.io
import numpy as np
from ase.data import atomic_numbers, covalent_radii

SIZES = {"CO2": 3, "H2O": 3, "N2": 2}
BATCH = 1500  # atoms per call of the engine
BOX = 25.0  # angstrom, of a guest alone


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def guests_of(frame):
    """Each guest of a frame as atoms of their own in a large box."""
    names = frame.info["gas"].split("+")
    if len(names) == 1:
        names = names * int(frame.info.get("guests", 1))
    at = int((frame.get_tags() == 0).sum())
    alone = []
    for name in names:
        part = slice(at, at + SIZES[name])
        at = part.stop
        body = frame.positions[part] - frame.positions[part].mean(axis=0) + BOX / 2
        alone.append(ase.Atoms(numbers=frame.numbers[part], positions=body,
                               cell=np.eye(3) * BOX, pbc=True))
    if at != len(frame):
        raise SystemExit("host %s, group %s: gas=%s does not match its %d atoms; write it with "
                         "frames.py" % (frame.info.get("host"), frame.info.get("group"),
                                        frame.info["gas"], len(frame)))
    return alone


def batches(frames):
    """Runs of frames of about BATCH atoms."""
    run, atoms = [], 0
    for frame in frames:
        if run and atoms + len(frame) > BATCH:
            yield run
            run, atoms = [], 0
        run.append(frame)
        atoms += len(frame)
    if run:
        yield run


def evaluate(model, frames, forces=True):
    """Energies (eV) and forces (eV/angstrom) of all frames."""
    energy, force = [], []
    for run in batches(frames):
        result = model.evaluate(run, energies=False, forces=forces, stress=False)
        energy.extend(result.energy.tolist())
        force.extend(result.forces if forces else [None] * len(run))
    return energy, force


def nearest_ratio(frame):
    """Smallest distance of a framework and a guest atom in sums of covalent radii."""
    guest = frame.get_tags() == 1
    v = frame.positions[guest][:, None] - frame.positions[~guest]
    v -= np.rint(v @ np.linalg.inv(frame.cell.array)) @ frame.cell.array
    r = covalent_radii[frame.numbers]
    return (np.linalg.norm(v, axis=2) / (r[guest][:, None] + r[~guest])).min()


def why_not(frame, limits):
    """The reason to leave a labelled frame out, "" if there is none."""
    force = np.linalg.norm(frame.arrays["REF_forces"], axis=1)
    if not np.isfinite(frame.info["REF_energy"]) or not np.isfinite(force).all():
        return "not finite"
    if force.max() > limits.force:
        return "force"
    interaction = frame.info.get("REF_interaction", 0.0)
    if interaction > limits.repulsion:
        return "repulsion"
    if interaction < limits.attraction:
        return "attraction"
    if frame.info["kind"] == "guest" and interaction < 0 and nearest_ratio(frame) < limits.hole:
        return "hole"
    return ""


def energies_of_guests(model, frames):
    """Of each frame the energy of its guests alone, eV."""
    alone = [guests_of(f) if "gas" in f.info else [] for f in frames]
    single = iter(evaluate(model, [a for some in alone for a in some], forces=False)[0])
    return [sum(next(single) for _ in some) for some in alone]


def label(models, frames, limits):
    """The frames worth keeping, labelled with the models' mean, and why others are not."""
    found = [evaluate(m, frames) for m in models]
    each = np.array([e for e, _ in found])  # [models, frames]
    energy = each.mean(axis=0)
    force = [np.mean(some, axis=0) for some in zip(*(f for _, f in found))]
    each -= [energies_of_guests(m, frames) for m in models]
    best = collections.defaultdict(lambda: np.inf)  # eV per atom of a host's best empty geometry
    for frame, e in zip(frames, energy):
        if frame.info["kind"] == "empty":
            best[frame.info["host"]] = min(best[frame.info["host"]], e / len(frame))
    kept, left_out, empty = [], collections.Counter(), {}
    for frame, e, f, bound in zip(frames, energy, force, each.T):
        kind, group = frame.info["kind"], frame.info["group"]
        if kind == "guest" and group not in empty:
            left_out["empty frame left out"] += 1
            continue
        frame.info["REF_energy"] = e
        frame.arrays["REF_forces"] = f
        if kind in ("guest", "dimer"):
            bound = bound - empty.get(group, 0.0)
            frame.info["REF_interaction"] = bound.mean()
        reason = why_not(frame, limits)
        if kind != "empty" and np.ptp(bound) > limits.spread * (1 + max(bound.mean(), 0.0)):
            reason = reason or "models do not agree"
        if kind == "empty" and e / len(frame) > best[frame.info["host"]] + limits.strained:
            reason = "framework energy"
        if reason:
            left_out[kind + ": " + reason] += 1
            continue
        if kind == "empty":
            empty[group] = bound
        kept.append(frame)
    return kept, left_out


def output_of(path, arguments):
    name = pathlib.Path(path).name
    if not name.startswith("structures"):
        sys.exit("%s: a file of structures is named structures-...extxyz" % path)
    return pathlib.Path(arguments.out) / (arguments.name + name[len("structures"):])


def label_files(arguments):
    """Labels every file that is not labelled yet; the paths of the results."""
    import equisorb
    models = [equisorb.Model(path, precision=arguments.precision, threads=arguments.threads)
              for path in arguments.model]
    limits = {k: getattr(arguments, k) for k in ("force", "repulsion", "attraction", "spread",
                                                 "hole", "strained")}
    done, start, atoms = [], time.time(), 0
    for k, path in enumerate(arguments.files):
        out = output_of(path, arguments)
        done.append(out)
        record = {"structures": sha256(path), "models": [m.info["sha256"] for m in models],
                  "precision": arguments.precision, "limits": limits}
        beside = out.with_suffix(".json")
        if out.exists() and beside.exists():
            before = json.loads(beside.read_text())
            if all(before.get(key) == value for key, value in record.items()):
                continue
        frames = ase.io.read(path, ":")
        kept, left_out = label(models, frames, arguments)
        new = out.with_name(out.name + ".new")
        ase.io.write(new, kept, format="extxyz")
        new.replace(out)
        record.update(frames=len(kept), left_out=dict(left_out))
        beside.write_text(json.dumps(record, indent=1) + "\n")
        atoms += sum(map(len, frames))
        print("%s (%d of %d): %d frames kept, %d left out %s; %.2f ms per atom"
              % (out, k + 1, len(arguments.files), len(kept), sum(left_out.values()),
                 dict(left_out), 1e3 * (time.time() - start) / atoms), flush=True)
    return done


def quantiles(values, pattern="%8.3f"):
    return "".join(pattern % q for q in np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1]))


def summarise(paths):
    """Prints how many frames of what there are, elements, forces, interactions per gas."""
    frames = [f for p in paths for f in ase.io.read(p, ":")]
    hosts = collections.defaultdict(set)
    for f in frames:
        if f.info["kind"] == "empty":
            for e in set(f.get_chemical_symbols()):
                hosts[e].add(f.info["host"])
    print("%d frames, %d atoms (%.0f per frame), %d hosts, %d groups"
          % (len(frames), sum(map(len, frames)), np.mean([len(f) for f in frames]),
             len({f.info["host"] for f in frames}), len({f.info["group"] for f in frames})))
    print("hosts per element: " + " ".join("%s:%d" % (e, len(hosts[e]))
                                           for e in sorted(hosts, key=atomic_numbers.get)))
    for name in ("kind", "geometry", "pose", "gas"):
        count = collections.Counter(f.info[name] for f in frames if name in f.info)
        print("%s: %s" % (name, ", ".join("%s %d" % c for c in count.most_common())))
    print("quantiles 0, 0.05, 0.25, 0.5, 0.75, 0.95, 1")
    print("%-24s %6s %s" % ("largest force eV/A", "", quantiles(
        [np.linalg.norm(f.arrays["REF_forces"], axis=1).max() for f in frames])))
    table = collections.defaultdict(list)
    for f in frames:
        if "REF_interaction" in f.info:
            for key in (f.info["gas"], "%s %s" % (f.info["gas"], f.info.get("pose", "pair"))):
                table[key].append(f.info["REF_interaction"])
    print("interaction energy eV    frames")
    for key in sorted(table):
        if "+" not in key:
            print("%-24s %6d %s" % (key, len(table[key]), quantiles(table[key])))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", help="structures-*.extxyz; labelled files with "
                        "--summary")
    parser.add_argument("--model", nargs="+", help="files that the engine reads")
    parser.add_argument("--name", default="teacher", help="beginning of the results' names")
    parser.add_argument("--out", default=".", help="folder of the results")
    parser.add_argument("--precision", default="single", choices=("single", "double"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--force", type=float, default=40.0, help="largest, eV/angstrom")
    parser.add_argument("--repulsion", type=float, default=15.0, help="largest interaction, eV")
    parser.add_argument("--attraction", type=float, default=-2.5, help="lowest interaction, eV")
    parser.add_argument("--spread", type=float, default=0.3, help="most that models may differ in "
                        "an interaction, eV; times 1 + its energy where it is repulsive")
    parser.add_argument("--hole", type=float, default=0.7, help="sums of covalent radii below "
                        "which attraction is a hole of the model")
    parser.add_argument("--strained", type=float, default=0.6, help="most that an empty frame may "
                        "lie above its host's best, eV per atom")
    parser.add_argument("--summary", action="store_true", help="only the table of labelled files")
    arguments = parser.parse_args()
    if arguments.summary:
        return summarise(arguments.files)
    if not arguments.model:
        sys.exit("--model is missing: the file to label with")
    pathlib.Path(arguments.out).mkdir(parents=True, exist_ok=True)
    summarise(label_files(arguments))


if __name__ == "__main__":
    main()
