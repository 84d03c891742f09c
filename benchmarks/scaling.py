"""Whole evaluations by size and number of threads, as CSV: IRMOF-1, energy and forces.

One row per run of bench_evaluate: machine, compiler, commit, model, atoms, threads, precision,
shortest and median time, microseconds per atom, bytes per atom that the evaluations needed, and
the speed-up over one thread at that size. With --plot (needs matplotlib) time per atom by size.

usage: scaling.py MODEL [MODEL ...] [--threads 1,2] [--most ATOMS] [--seconds S] [--out FILE.csv]
SPDX-License-Identifier: MIT
"""
import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, HERE)
from irmof1 import write

# cell, copies along its vectors: 106 to 1,003,184 atoms
SIZES = [("primitive", (1, 1, 1)), ("conventional", (1, 1, 1)), ("conventional", (1, 1, 2)),
         ("conventional", (2, 2, 2)), ("conventional", (2, 3, 4)), ("conventional", (4, 4, 5)),
         ("conventional", (6, 6, 7)), ("conventional", (13, 13, 14))]
ATOMS = {"primitive": 106, "conventional": 424}
COLUMNS = ["machine", "compiler", "commit", "load_before", "model", "atoms", "threads", "precision",
           "repeats", "min_ms", "median_ms", "us_per_atom", "bytes_per_atom", "speed_up"]


def machine():
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def commit():
    try:
        return subprocess.check_output(["git", "-C", ROOT, "describe", "--always", "--dirty"],
                                       stderr=subprocess.DEVNULL, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def measure(options, model, xyz, copies, threads):
    load = os.getloadavg()[0]
    command = [options.bench, model, xyz, "--threads", str(threads), "--precision",
               options.precision, "--seconds", str(options.seconds), "--json",
               "--replicate", "%dx%dx%d" % copies]
    row = json.loads(subprocess.check_output(command, text=True))
    row.update(load_before="%.2f" % load, model=os.path.basename(model))
    return row


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    for key in sorted({(r["model"], r["threads"]) for r in rows}):
        chosen = [r for r in rows if (r["model"], r["threads"]) == key]
        pyplot.loglog([r["atoms"] for r in chosen], [r["us_per_atom"] for r in chosen], "o-",
                      label="%s, %d threads" % key)
    pyplot.xlabel("atoms")
    pyplot.ylabel("microseconds per atom")
    pyplot.legend()
    pyplot.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("model", nargs="+")
    parser.add_argument("--threads", default="1,%d" % (os.cpu_count() or 1))
    parser.add_argument("--most", type=int, default=20000, help="atoms (default 20000)")
    parser.add_argument("--precision", default="single", choices=("single", "double"))
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--bench", default=os.path.join(ROOT, "build", "default",
                                                        "bench_evaluate"))
    parser.add_argument("--out", default="scaling.csv")
    parser.add_argument("--plot", help="PNG or SVG file")
    options = parser.parse_args()
    threads = sorted({int(t) for t in options.threads.split(",")})
    fixed = {"machine": machine(), "commit": commit()}
    rows = []
    with tempfile.TemporaryDirectory() as folder, open(options.out, "w", newline="") as file:
        out = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        out.writeheader()
        xyz = {kind: os.path.join(folder, kind + ".xyz") for kind in ATOMS}
        for kind, path in xyz.items():
            write(kind, path)
        for model in options.model:
            for kind, copies in SIZES:
                if ATOMS[kind] * copies[0] * copies[1] * copies[2] > options.most:
                    continue
                alone = None
                for count in threads:
                    row = dict(measure(options, model, xyz[kind], copies, count), **fixed)
                    if count == 1:
                        alone = row["min_ms"]
                    row["speed_up"] = "%.3f" % (alone / row["min_ms"]) if alone else ""
                    rows.append(row)
                    out.writerow(row)
                    file.flush()
                    print("%-28s %8d atoms %3d threads %10.2f us per atom, %6d bytes, %s times"
                          % (row["model"], row["atoms"], count, row["us_per_atom"],
                             row["bytes_per_atom"], row["speed_up"]), flush=True)
    if options.plot:
        plot(rows, options.plot)


if __name__ == "__main__":
    main()
