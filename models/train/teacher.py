#!/usr/bin/env python3
"""Teachers: published networks adjusted to first-principles interaction energies and forces.

One step of regularised Gauss-Newton in the space of all weights. With r the residuals of all
labels, C the covariance of their errors (tolerances squared, and what water's labels of a framework
have in common) and J the derivatives of the model's values by the weights, each in units of the
root mean square of its tensor, the step is

    d = J^T (J J^T + lambda k C / (0.02 eV)^2)^-1 r ,   k = mean diagonal of J J^T ,

which needs one gradient per label and no step size, keeps the weights where no label asks for a
change, and shows at once what would be found for a framework if its labels were left out.

Labels: interaction energies (frame - empty frame - molecule, or dimer and fragment - parts),
energies of molecules, and with --forces the residual forces of empty frameworks and of guests near
equilibrium, each along its own direction (derivative by two displaced gradients).

    teacher.py rows --state start.pt --frames golddac.extxyz dft.extxyz --out rows-1 --processes 2
    teacher.py step --state start.pt --rows rows-1 --leave-out RAFNUH01 --out step-1.pt
    teacher.py write --state step-1.pt --out teacher.pth      # the published file's layout

--checkpoint names the network: SevenNet-0 by default, another file of SevenNet, or a .model of
mace-torch. Rows are kept per group of frames, so a stopped run goes on. Needs torch, ASE and the
network's own package (networks.py).

SPDX-License-Identifier: MIT
"""
import argparse
import hashlib
import multiprocessing
import os
import pathlib
import sys
import warnings

import ase.io
import numpy as np

from label import SIZES
from networks import Network

FIXED = ("denominator", "rescale", "coeffs", "bessel")  # tensors that no step changes
PART = 1 << 20  # weights
STEP = {"guest": 0.03, "framework": 0.08}  # angstrom, norm of the displacement of all atoms


def tolerance(energy, scale):
    """Of an interaction energy in eV: labels far up the wall count less."""
    return scale * (1 + 5 * energy if energy > 0.5 else 1)


def parts(atoms):
    """The two molecules of a dimer, or fragment and guest."""
    if atoms.info["kind"] == "dimer":
        at = SIZES[atoms.info["pair"].split("-")[0]]
        return atoms[:at], atoms[at:]
    guest = atoms.get_tags() == 1
    return atoms[~guest], atoms[guest]


def group_rows(network, frames, molecules, forces):
    """Rows of one group of frames: dicts with label, value (of the model), sigma, gradient, ..."""
    empty = next((a for a in frames if a.info["kind"] == "empty" and "REF_energy" in a.info), None)
    base = network.by_weights(empty) if empty is not None else None
    for a in frames:
        i, kind = a.info, a.info["kind"]
        about = {"kind": kind, "host": i["host"], "gas": i.get("pair", i.get("gas", "")),
                 "regime": i.get("regime", "")}
        if kind == "gas":
            e, g = network.by_weights(a)
            yield about | dict(label=i["REF_energy"], value=e, sigma=0.005, gradient=g)
        elif "interaction_energy" in i:
            (e, g), *rest = (network.by_weights(x) for x in (a, *parts(a)))
            label = i["interaction_energy"]
            yield about | dict(label=label, value=e - sum(x for x, _ in rest),
                               sigma=tolerance(label, 0.01), gradient=g - sum(x for _, x in rest))
        elif kind == "guest" and base:
            e, g = network.by_weights(a)
            reference, alone, gradient = molecules[i["gas"]]
            label = i["REF_energy"] - empty.info["REF_energy"] - reference
            yield about | dict(label=label, value=e - base[0] - alone, gradient=g - base[1] -
                               gradient, sigma=tolerance(label, 0.02))
        if not forces or kind not in ("empty", "guest") or about["regime"] in ("repulsion", "weak") \
                or "REF_energy" not in i:
            continue
        residual = a.arrays["REF_forces"] - network.energy_and_forces(a)[1].numpy()
        what = "framework" if kind == "empty" else "guest"
        if kind == "guest":
            residual[a.get_tags() == 0] = 0
        size = float(np.linalg.norm(residual))
        if size > 1e-3:
            g = network.force_by_weights(a, residual / size, STEP[what])
            yield about | dict(kind=f"force of {what}", label=size, value=0.0, gradient=g,
                               sigma={"guest": 0.1, "framework": 0.3}[what])


def rows_file(folder, group):
    return pathlib.Path(folder) / (hashlib.sha256(group.encode()).hexdigest()[:16] + ".npz")


def write_group(job):
    """One group's rows to its file, whole or not at all. Runs in a process of its own."""
    warnings.filterwarnings("ignore")
    options, group, frames, gases = job
    if not hasattr(write_group, "network"):
        write_group.network = Network(options.checkpoint, options.state)
        write_group.molecules = {a.info["gas"]: (a.info["REF_energy"],
                                                 *write_group.network.by_weights(a))
                                 for a in gases}
    rows = list(group_rows(write_group.network, frames, write_group.molecules, options.forces))
    path = rows_file(options.out, group)
    if rows:
        columns = {k: np.array([r[k] for r in rows]) for k in rows[0]}
        columns["gradient"] = columns["gradient"].astype(np.float32)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, **columns)
        os.replace(partial, path)
    return group, len(rows)


def make_rows(options):
    frames = [a for f in options.frames for a in ase.io.read(f, ":")]
    groups, gases = {}, {}
    for a in frames:  # our own molecules and pairs have neither host nor group
        a.info.setdefault("host", "gas")
        a.info.setdefault("group", a.info.get("name"))
        groups.setdefault(a.info["group"], []).append(a)
        if a.info["kind"] == "gas":
            gases.setdefault(a.info["gas"], a)  # the first of each gas is the reference
    pathlib.Path(options.out).mkdir(parents=True, exist_ok=True)
    jobs = [(options, g, f, list(gases.values())) for g, f in groups.items()
            if not rows_file(options.out, g).exists()]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for n, (group, count) in enumerate(pool.imap_unordered(write_group, jobs), 1):
            print(f"{n} of {len(jobs)}: {group}, {count} rows", flush=True)


def scales(network):
    """Of each weight, the root mean square of its tensor; 0 for what stays."""
    def one(name, p):
        return 0.0 if any(f in name for f in FIXED) else float(p.detach().square().mean().sqrt())
    return np.concatenate([np.full(p.numel(), one(n, p), np.float32) for n, p in network.weights])


def read_rows(files, scale):
    """All rows, and their gradients in units of `scale` as parts of so many columns [rows, part]:
    a network of five million weights has eight gigabytes of them, of which one copy is held."""
    loaded = [np.load(f) for f in files]
    rows = {k: np.concatenate([z[k] for z in loaded]) for k in loaded[0].files if k != "gradient"}
    cuts = range(0, len(scale), PART)
    jacobian = [np.empty((len(rows["label"]), len(scale[c:c + PART])), np.float32) for c in cuts]
    at = 0
    for z in loaded:
        gradient = z["gradient"] * scale
        for part, c in zip(jacobian, cuts):
            part[at:at + len(gradient)] = gradient[:, c:c + PART]
        at += len(gradient)
    return rows, jacobian


def covariance(rows, water):
    """Of the labels' errors, eV^2: each its own, and for the water frames of a framework one more in
    common of `water` eV, since they have a relaxation of their own (golddac.py)."""
    out = np.diag(rows["sigma"] ** 2)
    with_water = (rows["kind"] == "guest") & (rows["gas"] == "H2O")
    same = rows["host"][:, None] == rows["host"][None]
    return out + water ** 2 * (same & with_water[:, None] & with_water[None])


def report(rows, error, title):
    """Mean absolute error and bias by kind, gas and regime (energies up to 0.5 eV)."""
    print(f"{title}: mean absolute error (bias), labels up to 0.5 eV")
    keys = np.array([f"{k} {g} {r}".strip()
                     for k, g, r in zip(rows["kind"], rows["gas"], rows["regime"])])
    force = np.char.startswith(rows["kind"], "force")
    for k in sorted(set(keys)):
        use = (keys == k) & (force | (rows["kind"] == "gas") | (rows["label"] <= 0.5))
        if use.any():
            print(f"  {k:32s} {use.sum():4d} {abs(error[use]).mean():8.4f} "
                  f"({error[use].mean():+.4f})")


def make_step(options):
    network = Network(options.checkpoint, options.state)
    torch = network.torch
    torch.set_num_threads(options.processes)
    files = sorted(pathlib.Path(options.rows).glob("*.npz"))
    if not files:
        sys.exit(f"teacher.py: {options.rows}: no rows; make them with `teacher.py rows`")
    scale = scales(network)
    rows, jacobian = read_rows(files, scale)
    kernel = sum((part @ part.T).double() for part in map(torch.from_numpy, jacobian)).numpy()
    unit = float(np.mean(np.diag(kernel)[rows["kind"] == "guest"]))
    noise = options.damping * covariance(rows, options.water) / 0.02 ** 2
    residual = rows["label"] - rows["value"]
    used = ~np.isin(rows["host"], options.leave_out)

    def solve(train):
        return np.linalg.solve((kernel / unit + noise)[np.ix_(train, train)], residual[train])

    report(rows, -residual, "before")
    found = np.zeros(len(residual))
    for host in dict.fromkeys(rows["host"]):
        test, train = rows["host"] == host, used & (rows["host"] != host)
        found[test] = kernel[np.ix_(test, train)] / unit @ solve(train)
    report(rows, found - residual, "host by host left out, linear")
    alpha = np.zeros(len(residual))
    alpha[used] = solve(used)
    report(rows, kernel / unit @ alpha - residual, "after, linear")
    report({k: v[~used] for k, v in rows.items()},
           (kernel / unit @ alpha - residual)[~used], "of them left out of the step")
    alpha = torch.from_numpy((alpha / unit).astype(np.float32))
    change = torch.cat([torch.from_numpy(part).T @ alpha for part in jacobian])
    change *= torch.from_numpy(scale)
    state, at = network.model.state_dict(), 0
    for name, p in network.weights:
        state[name] = p.detach() + change[at:at + p.numel()].reshape(p.shape)
        at += p.numel()
    torch.save(state, options.out)


def published_layout(network, published):
    """{tensor: (order, sign) of its columns}: sevenn 0.13 sorts the paths of older files and signs
    them by e3nn's present coupling coefficients; found by comparing the tensors as loaded."""
    layout = {}
    fresh = {n.replace(".linear.", "."): p.detach().numpy()
             for n, p in Network(network, None).weights}
    for name, tensor in published.items():
        ours, theirs = fresh.get(name.replace(".linear.", ".")), tensor.numpy()
        if ours is None or np.array_equal(ours.ravel(), theirs.ravel()):
            continue
        column = {tuple(np.abs(ours[:, j])): j for j in range(ours.shape[1])}
        order = np.array([column[tuple(np.abs(theirs[:, j]))] for j in range(theirs.shape[1])])
        sign = np.sign((ours[:, order] * theirs).sum(0))
        if sorted(order) != list(range(len(order))) or (ours[:, order] * sign != theirs).any():
            sys.exit(f"teacher.py: {name}: not a permutation of the published columns")
        layout[name] = order, sign
    return layout


def write(options):
    import torch

    if options.checkpoint.endswith(".model"):
        torch.save(Network(options.checkpoint, options.state).model, options.out)
        return
    checkpoint = torch.load(options.checkpoint, weights_only=False, map_location="cpu")
    checkpoint = {k: checkpoint[k] for k in checkpoint if k not in
                  ("optimizer_state_dict", "scheduler_state_dict")}
    tensors = checkpoint["model_state_dict"]
    state = {k.replace(".linear.", "."): v for k, v in torch.load(options.state).items()}
    layout = published_layout(options.checkpoint, tensors)
    for name, old in tensors.items():
        if "_w3j" in name:  # couplings, in the sign convention of the file
            continue
        new = state[name.replace(".linear.", ".")].reshape(old.shape).to(old.dtype)
        if name in layout:
            order, sign = layout[name]
            new = new[:, order] * torch.from_numpy(sign).to(old.dtype)
        tensors[name] = new
    torch.save(checkpoint, options.out)


def main():
    warnings.filterwarnings("ignore")
    p = argparse.ArgumentParser(description=__doc__.split("SPDX")[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("what", choices=("rows", "step", "write"))
    p.add_argument("--checkpoint", default="7net-0", help="SevenNet's file or name (7net-0), or a "
                   ".model of mace-torch")
    p.add_argument("--state", help="weights to begin with (default: the published ones)")
    p.add_argument("--frames", nargs="+", default=[], help="rows: labelled frames")
    p.add_argument("--forces", action="store_true", help="rows: of forces as well")
    p.add_argument("--rows", help="step: folder of the rows")
    p.add_argument("--leave-out", nargs="*", default=[], help="step: hosts that it must not see")
    p.add_argument("--damping", type=float, default=0.01, help="step: lambda (0.01)")
    p.add_argument("--water", type=float, default=0.05, metavar="EV", help="step: error that "
                   "the water labels of a framework have in common (0.05)")
    p.add_argument("--processes", type=int, default=1)
    p.add_argument("--out", required=True)
    options = p.parse_args()
    {"rows": make_rows, "step": make_step, "write": write}[options.what](options)


if __name__ == "__main__":
    main()
