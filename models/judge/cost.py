"""What a trial insertion of CO2 costs: each model against the first.

Cycles of the processor (perf stat, user mode) of a run with few trials taken from one with many, so
that loading and the first evaluation drop out; the runs of all models alternate, and the smallest
of --repeat counts. Without perf: processor time. One thread.

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import re
import subprocess
import sys
import time

import numpy as np

import engine
import holes
import tables

EVENT = re.compile(r"^\s*([\d.,]+)\s+(cycles|instructions)")


def trials(path, options, n):
    """Inserts n times at places with no contact below 2.2 angstrom, as samplers would."""
    model = engine.load(path, options)
    host = engine.framework(options.framework)
    places, _ = holes.draws(np.random.default_rng(1), host, "CO2", 64, 2.2)
    insertions = engine.Insertions(model, host)
    start = time.process_time()
    for k in range(0, n, 64):
        insertions.energies(engine.GASES["CO2"][0], places[:min(64, n - k)])
    return time.process_time() - start


def measured(text, options, n):
    """Counts of a child that makes n trials: cycles, instructions (or NANs), seconds."""
    child = [sys.executable, str(pathlib.Path(__file__).parent), "cost", options.framework,
             "--model", text, "--child", str(n), "--precision", options.precision, "--wall",
             options.wall]
    if options.dispersion:
        child += ["--dispersion", options.dispersion]
    perf = ["perf", "stat", "-e", "cycles:u,instructions:u"]
    done = subprocess.run(perf + child, capture_output=True, text=True,
                          env=dict(os.environ, OMP_NUM_THREADS="1", LC_ALL="C"))
    if done.returncode:
        sys.exit(done.stderr)
    found = {"cycles": np.nan, "instructions": np.nan}
    for line in done.stderr.splitlines():
        match = EVENT.match(line)
        if match:
            found[match.group(2)] = float(match.group(1).replace(",", ""))
    return np.array([found["cycles"], found["instructions"], float(done.stdout.split()[-1])])


def add_arguments(parser):
    parser.add_argument("framework", help="structure file, its cell as it is")
    engine.add_models(parser)
    parser.set_defaults(wall="auto")
    parser.add_argument("--trials", type=int, default=128, help="more than --few, of each model")
    parser.add_argument("--few", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--child", type=int, help="(of the command itself)")


def run(options):
    models = [engine.split_label(text) for text in options.model]
    if options.child:
        print(trials(models[0][1], options, options.child))
        return
    few, many = ([[] for _ in models] for _ in range(2))
    for _ in range(options.repeat):
        for k, text in enumerate(options.model):
            few[k].append(measured(text, options, options.few))
            many[k].append(measured(text, options, options.few + options.trials))
    rows = []
    for (label, _), a, b in zip(models, few, many):
        each = (np.min(b, 0) - np.min(a, 0)) / options.trials
        rows.append({"model": label, "cycles": each[0], "instructions": each[1],
                     "milliseconds": 1e3 * each[2]})
    counted = [k for k in ("cycles", "instructions") if np.isfinite(rows[0][k])]
    kind = (counted + ["milliseconds"])[0]
    text = tables.markdown(
        ["trial insertion of CO2", *("million " + k for k in counted), "ms",
         "cheaper than the first"],
        [[r["model"], *("%.2f" % (r[k] / 1e6) for k in counted), "%.2f" % r["milliseconds"],
          "%.1f" % (rows[0][kind] / r[kind])] for r in rows])
    tables.show(options, "cost", rows, text)
