#!/usr/bin/env python3
"""Puts a committee of last layers into a model file, so that the engine can say how sure it is.

After Bigi, Chong, Ceriotti, Grasselli, Mach. Learn.: Sci. Technol. 5, 045018 (2024).  With the
features phi of a structure (the sum over its atoms of the scalars that readouts read) and errors
e = model - label, training leaves last layers w open with the covariance

    C = alpha^2 (sum x x^T / s_x^2 + sum y y^T / s_y^2 + lambda)^-1

x: features of an interaction energy (guest frame - empty frame - each guest alone), y: features of
an empty frame per atom, s: the root mean square of their errors in training.  lambda is chosen by
likelihood, and alpha so that 68 % of the errors of hosts kept apart (those of --keep-apart, which
training has not seen) are below one standard error.  For the table that is printed, each half of
these hosts is judged by what the other half chose.  The file gets `committee.weight`, a sample of N(0, C), and
`committee.limit` of each element: the largest root mean square over the members of an atom's own
energy that counts as known, which is the quantile 0.999 in training times a factor that nineteen
of twenty hosts kept apart stay below.

    committee.py --model student.safetensors --out default.safetensors \\
                 --keep-apart keep_apart.txt labels/teacher-*.extxyz

Labels as label.py writes them (REF_energy, REF_interaction in eV); any model file of the engine's
own format.  Nothing but energies is asked of the engine, without dispersion and without walls.

SPDX-License-Identifier: MIT
"""
import argparse
import collections
import hashlib
import json
import pathlib
import re
import tempfile

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32}
NORMAL = {0.5: 0.674, 0.6827: 1.0, 0.9: 1.645, 0.95: 1.960, 0.99: 2.576}  # quantiles of |x|
TAIL = 0.999  # quantile of training atoms that the limits are multiples of
KNOWN = 0.95  # share of the hosts kept apart that counts as known
FLOOR = 1e-9  # eV: guests out of all reach have no features at all
RIDGES = 10.0 ** np.arange(-10, 0)  # lambda over the mean eigenvalue


# ---- model files

def read_file(path):
    """Header (a dict) and data (bytes) of a safetensors file."""
    content = pathlib.Path(path).read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8:8 + size]), content[8 + size:]


def read_tensor(path, name):
    """One tensor of a safetensors file as an array."""
    header, data = read_file(path)
    entry = header[name]
    return np.frombuffer(data[slice(*entry["data_offsets"])],
                         DTYPES[entry["dtype"]]).reshape(entry["shape"])


def add_tensors(source, target, tensors):
    """The model file `source` with these tensors (float64, in the place of those it has by these
    names), its checksum renewed."""
    header, data = read_file(source)
    metadata, parts, at = header.pop("__metadata__"), [], 0
    entries = {k: (v["dtype"], v["shape"], data[slice(*v["data_offsets"])])
               for k, v in header.items() if k not in tensors}
    for name, x in tensors.items():
        x = np.ascontiguousarray(x, dtype=np.float64)
        entries[name] = ("F64", list(x.shape), x.tobytes())
    header = {}
    # wide types first, so that every tensor is aligned
    for name, (dtype, shape, part) in sorted(entries.items(),
                                             key=lambda e: (-int(e[1][0].strip("BFIUOL") or 8), e[0])):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(part)]}
        parts.append(part)
        at += len(part)
    data = b"".join(parts)
    text = json.dumps({"__metadata__": dict(metadata, sha256=hashlib.sha256(data).hexdigest()),
                       **header}).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(target).write_bytes(len(text).to_bytes(8, "little") + text + data)


def count_features(path):
    """Scalars that the readouts of a model file read, by its configuration; and its elements."""
    metadata = read_file(path)[0]["__metadata__"]
    if metadata.get("format") != "equisorb":
        raise SystemExit("%s: none of the engine's own model files; `equisorb convert` makes one" % path)
    config = json.loads(metadata["config"])
    if metadata["family"] == "mace":
        blocks = [layer["linear"]["irreps_out"] for layer in config["products"]]
    else:
        blocks = [config["irreps_manual"][-1]]
    n = sum(int(m) for text in blocks for m in re.findall(r"(\d+)x0e", text))
    return n, metadata["elements"].split()


# ---- features and errors

class Rows:
    """What labelled frames say: features, errors (eV) and hosts of interaction energies and of empty
    frames per atom; the frames themselves, for the limits."""

    def __init__(self):
        self.x, self.ex, self.hx = [], [], []
        self.y, self.ey, self.hy = [], [], []
        self.kept, self.left_out = [], collections.Counter()

    def finish(self):
        for name in ("x", "ex", "hx", "y", "ey", "hy"):
            setattr(self, name, np.array(getattr(self, name)))


def sums(model, frames, batches):
    """Energies (eV) and features of frames, in order."""
    energy, phi = [], []
    for run in batches(frames):
        r = model.evaluate(run, energies=False, forces=False, stress=False, uncertainty=True)
        energy.append(r.energy)
        phi.append(r.committee)
    return np.concatenate(energy), np.concatenate(phi)


def collect(model, frames, most):
    """Rows of all frames; those with elements that the model does not know are left out, and
    interactions above `most` eV, which no average sees."""
    from label import batches, guests_of

    rows, empty, known = Rows(), {}, set(model.info["elements"])
    frames = [f for f in frames if f.info.get("kind") in ("empty", "guest", "dimer")]
    rows.left_out["unknown element"] = sum(not known.issuperset(f.numbers) for f in frames)
    frames = [f for f in frames if known.issuperset(f.numbers)]
    alone = [guests_of(f) if "gas" in f.info else [] for f in frames]
    energy, phi = sums(model, frames, batches)
    gas = iter(zip(*sums(model, [a for some in alone for a in some], batches)))
    for frame, some, e, p in zip(frames, alone, energy, phi):
        kind, group, host = (frame.info[k] for k in ("kind", "group", "host"))
        for _ in some:
            e_gas, p_gas = next(gas)
            e, p = e - e_gas, p - p_gas
        if kind == "empty":
            empty[group] = e, p
            rows.y.append(p / len(frame))
            rows.ey.append((e - frame.info["REF_energy"]) / len(frame))
            rows.hy.append(host)
            rows.kept.append(frame)
            continue
        if "REF_interaction" not in frame.info or (kind == "guest" and group not in empty):
            rows.left_out["no REF_interaction, or no empty frame before it"] += 1
            continue
        if frame.info["REF_interaction"] > most:
            rows.left_out["repulsion"] += 1
            continue
        e_host, p_host = empty.get(group, (0.0, 0.0))
        rows.x.append(p - p_host)
        rows.ex.append(e - e_host - frame.info["REF_interaction"])
        rows.hx.append(host)
        rows.kept.append(frame)
    rows.finish()
    if not len(rows.x) or not len(rows.y):
        raise SystemExit("no interaction energies or no empty frames with labels: give files of label.py")
    return rows


# ---- the covariance

def rms(x):
    return float(np.sqrt(np.mean(np.square(x))))


def information(rows, train_x, train_y):
    """sum x x^T / s_x^2 + sum y y^T / s_y^2 of training rows."""
    a = rows.x[train_x] / rms(rows.ex[train_x])
    b = rows.y[train_y] / rms(rows.ey[train_y])
    return a.T @ a + b.T @ b


def choose(matrix, x, error):
    """Eigenvectors over the roots of eigenvalues (their product is C without alpha), by the ridge
    under which the errors are likeliest; and alpha."""
    values, vectors = np.linalg.eigh(matrix)
    best = None
    for ridge in RIDGES:
        root = vectors / np.sqrt(np.maximum(values, 0) + ridge * values.mean())
        sigma = np.sqrt(np.square(x @ root).sum(axis=1)) + FLOOR
        alpha = np.quantile(np.abs(error) / sigma, 0.6827)
        # Student's t of 4 degrees: errors have tails, and one outlier must not choose
        t = error / (alpha * sigma)
        score = np.mean(np.log(alpha * sigma) + 2.5 * np.log1p(t * t / 4))
        if best is None or score < best[0]:
            best = score, root, alpha, ridge
    return best[1:]


def sample(root, alpha, members, seed):
    """[members][features] of N(0, alpha^2 root root^T), as evenly as so many can lie."""
    z = np.random.default_rng(seed).normal(size=(len(root), members))
    if members <= len(root):
        z = np.linalg.qr(z)[0] * np.sqrt(len(root))
    return (alpha * root @ z).T


def spread(de):
    """Root mean square over members, the last axis."""
    return np.sqrt(np.square(de).mean(axis=-1))


def table(error, sigma):
    """Lines: quantiles of |error| / sigma beside those of the normal distribution, and errors in
    classes of sigma."""
    ratio = np.abs(error) / (sigma + FLOOR)
    yield "%d interaction energies; mean absolute error %.4f eV, root mean square %.4f" % (
        len(error), np.abs(error).mean(), rms(error))
    yield "share    |error|/sigma    normal"
    for share, normal in NORMAL.items():
        yield "%5.1f %%  %13.2f  %8.2f" % (100 * share, np.quantile(ratio, share), normal)
    yield "sigma (eV)           frames  68 % of |error| below"
    edges = np.quantile(sigma, np.linspace(0, 1, 6))
    for low, high in zip(edges[:-1], edges[1:]):
        part = (sigma >= low) & (sigma <= high)
        yield "%.4f to %.4f  %9d  %.4f" % (low, high, part.sum(), np.quantile(np.abs(error[part]), 0.6827))
    order = np.argsort(np.argsort(sigma)), np.argsort(np.argsort(np.abs(error)))
    yield "rank correlation of sigma and |error|: %.2f" % np.corrcoef(*order)[0, 1]


# ---- known chemistry

def atom_spreads(model, frames):
    """Per frame, the root mean square of each atom's own energy (eV), of a model whose limits are 1."""
    from label import batches

    spreads = []
    for run in batches(frames):
        r = model.evaluate(run, energies=False, forces=False, stress=False, uncertainty=True)
        spreads.extend(r.novelty)
    return spreads


def find_limits(spreads, frames, apart, elements):
    """Limits (eV) in the order of `elements`, 0 without atoms; the factor; the share of the hosts
    kept apart that is known."""
    from ase.data import chemical_symbols

    of = collections.defaultdict(list)
    for s, f in zip(spreads, frames):
        if f.info["host"] not in apart:
            for z in np.unique(f.numbers):
                of[chemical_symbols[z]].extend(s[f.numbers == z])
    base = {symbol: float(np.quantile(x, TAIL)) for symbol, x in of.items()}
    worst = collections.defaultdict(float)  # of each host kept apart, among elements of training
    for s, f in zip(spreads, frames):
        if f.info["host"] in apart and f.info["kind"] == "empty":
            for x, z in zip(s, f.numbers):
                limit = base.get(chemical_symbols[z], 0)
                if limit:
                    worst[f.info["host"]] = max(worst[f.info["host"]], x / limit)
    hosts = np.array(list(worst.values()))
    factor = max(1.0, float(np.quantile(hosts, KNOWN)) * (1 + 1e-9)) if len(hosts) else 1.0
    return np.array([factor * base.get(e, 0.0) for e in elements]), factor, np.mean(hosts <= factor)


# ---- the command

def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("labels", nargs="+", help="labelled frames, extended XYZ")
    p.add_argument("--model", required=True, help="model file of the engine's own format")
    p.add_argument("--out", required=True, help="the same with a committee")
    p.add_argument("--keep-apart", required=True, help="hosts that training has not seen, one per line")
    p.add_argument("--members", type=int, default=32)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--most", type=float, default=0.5, help="interaction energies above (eV) are left out")
    p.add_argument("--precision", default="double", choices=("single", "double"))
    p.add_argument("--threads", type=int, default=0)
    return p.parse_args()


def main():
    import ase.io
    import equisorb

    o = parse()
    n, elements = count_features(o.model)
    apart = set(pathlib.Path(o.keep_apart).read_text().split())
    frames = [f for path in o.labels for f in ase.io.iread(path, index=":")]
    one = {"committee.limit": np.ones(len(elements))}
    with tempfile.TemporaryDirectory() as folder:
        def load(weight):
            path = pathlib.Path(folder) / "model.safetensors"
            add_tensors(o.model, path, {"committee.weight": weight, **one})
            return equisorb.Model(path, precision=o.precision, device="host", threads=o.threads)

        rows = collect(load(np.eye(n)), frames, o.most)
        out_x, out_y = (np.isin(h, list(apart)) for h in (rows.hx, rows.hy))
        hosts = sorted(set(rows.hx[out_x]))
        if len(hosts) < 4:
            raise SystemExit("%s: only %d of its hosts have frames here; at least 4 are needed"
                             % (o.keep_apart, len(hosts)))
        matrix, sigma = information(rows, ~out_x, ~out_y), np.zeros(len(rows.ex))
        for half in (np.isin(rows.hx, hosts[::2]), np.isin(rows.hx, hosts[1::2])):
            judged = out_x & ~half
            root, alpha, _ = choose(matrix, rows.x[half], rows.ex[half])
            sigma[judged] = spread(rows.x[judged] @ sample(root, alpha, o.members, o.seed).T)
        root, alpha, ridge = choose(matrix, rows.x[out_x], rows.ex[out_x])
        weight = sample(root, alpha, o.members, o.seed)
        print("%d frames, %d features, left out: %s" % (len(rows.kept), n, dict(rows.left_out)))
        print("hosts: %d trained on, %d kept apart; ridge %.0e, alpha %.3f, largest weight %.2g"
              % (len(set(rows.hx[~out_x])), len(hosts), ridge, alpha, np.abs(weight).max()))
        print("\n".join(table(rows.ex[out_x], sigma[out_x])))
        spreads = atom_spreads(load(weight), rows.kept)
    limit, factor, known = find_limits(spreads, rows.kept, apart, elements)
    add_tensors(o.model, o.out, {"committee.weight": weight, "committee.limit": limit})
    print("limits: %.2f times the quantile %g of training; %.0f %% of the hosts kept apart are known; "
          "no atom in training: %s" % (factor, TAIL, 100 * known,
                                       " ".join(e for e, x in zip(elements, limit) if x == 0) or "none"))


if __name__ == "__main__":
    main()
