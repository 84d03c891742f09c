"""Equisorb against sevenn: same checkpoint, same structure, same machine, one run.

Makes what is missing: a virtual environment with sevenn from PyPI (several GB: torch) and IRMOF-1
with 424 atoms (irmof1.py). The two engines take turns, so that a busy machine hurts both. For each
checkpoint: time per evaluation of energy and forces, from start to first energy, peak memory,
largest difference of the forces. sevenn's stress, which it computes along with the forces, is in
its time; its neighbour list is not.

usage: compare_sevennet.py [--venv DIR] [--work DIR] [--bench FILE] [--threads 1] [--rounds 2]
                           [--seconds 10] [--json FILE] CHECKPOINT.pth ...
SPDX-License-Identifier: MIT
"""
import argparse
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import compare_mace as base

PACKAGE = "sevenn==0.13.0"


def evaluate(model_path, xyz, dtype, threads, seconds, forces_path, started):
    """Runs inside the virtual environment. The neighbour list is built once, outside the timing."""
    import warnings
    warnings.filterwarnings("ignore")
    import torch
    torch.set_num_threads(threads)
    from ase.io import read
    from sevenn.calculator import SevenNetCalculator
    import sevenn._keys as KEY
    from sevenn.atom_graph_data import AtomGraphData
    from sevenn.train.dataload import unlabeled_atoms_to_graph
    calculator = SevenNetCalculator(model_path, device="cpu")
    model = calculator.model.to(getattr(torch, dtype))
    model.set_is_batch_data(False)
    graph = AtomGraphData.from_numpy_dict(unlabeled_atoms_to_graph(read(xyz), calculator.cutoff))

    def run():
        fresh = {k: v.to(getattr(torch, dtype)) if torch.is_tensor(v) and v.is_floating_point()
                 else v.clone() if torch.is_tensor(v) else v for k, v in graph.to_dict().items()}
        data = AtomGraphData(**fresh)
        data[KEY.EDGE_VEC].requires_grad_(True)
        return model(data)

    out = run()
    first = time.time() - started
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        out = run()
        times.append(time.perf_counter() - begin)
    with open(forces_path, "w") as file:
        for row in out[KEY.PRED_FORCE].tolist():
            file.write("%.9g %.9g %.9g\n" % tuple(row))
    times.sort()
    print(json.dumps({"min_ms": 1e3 * times[0], "median_ms": 1e3 * times[len(times) // 2],
                      "first_energy_s": first, "peak_mb": base.peak_mb(), "repeats": len(times),
                      "energy": float(out[KEY.PRED_TOTAL_ENERGY])}))


def compare(model, options, python, xyz):
    env = base.environment(options.threads)
    ours = os.path.join(options.work, "forces-equisorb.txt")
    theirs = os.path.join(options.work, "forces-sevenn-%s.txt")
    mine, other = [], []
    for _ in range(options.rounds):
        mine.append(base.last_json(
            [options.bench, model, xyz, "--threads", str(options.threads), "--precision", "single",
             "--seconds", str(options.seconds), "--forces", ours, "--json"], env))
        other.append(base.last_json(
            [python, __file__, "--worker", model, xyz, "float32", str(options.threads),
             str(options.seconds), theirs % "float32", repr(time.time())], env))
    return {"model": os.path.basename(model), "megabytes": os.path.getsize(model) / 1e6,
            "equisorb": base.merge(mine), "sevenn": base.merge(other),
            "force_difference": base.difference(ours, theirs % "float32")}


def report(r):
    e, m = r["equisorb"], r["sevenn"]
    print("\n%s (%.0f MB), %d atoms" % (r["model"], r["megabytes"], e["atoms"]))
    print("  %-34s %12s %12s %8s" % ("", "equisorb", "sevenn", "ratio"))
    for label, key in (("energy and forces, min (ms)", "min_ms"),
                       ("energy and forces, median (ms)", "median_ms"),
                       ("start to first energy (s)", "first_energy_s"),
                       ("peak memory (MB)", "peak_mb")):
        print("  %-34s %12.3f %12.3f %8.1f" % (label, e[key], m[key], m[key] / e[key]))
    print("  %-34s %12.1e" % ("largest difference of the forces", r["force_difference"]),
          flush=True)


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        model, xyz, dtype, threads, seconds, forces, started = sys.argv[2:]
        return evaluate(model, xyz, dtype, int(threads), float(seconds), forces, float(started))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", default=os.path.join(base.ROOT, "build", "compare"))
    parser.add_argument("--venv", help="environment with sevenn (default: WORK/venv-sevenn)")
    parser.add_argument("--bench", default=os.path.join(base.ROOT, "build", "default",
                                                        "bench_evaluate"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", help="also write all numbers to this file")
    parser.add_argument("checkpoint", nargs="+")
    options = parser.parse_args()
    options.work = os.path.abspath(options.work)
    os.makedirs(options.work, exist_ok=True)
    if not os.path.exists(options.bench):
        sys.exit("%s is not built: cmake --preset default && cmake --build --preset default"
                 % options.bench)
    venv = options.venv or os.path.join(options.work, "venv-sevenn")
    python = base.python_of(venv, PACKAGE, "sevenn")
    xyz = os.path.join(options.work, "irmof1-424.xyz")
    from irmof1 import write
    write("conventional", xyz)
    print("load average %.1f; %d thread(s), single precision; sevenn without its neighbour list"
          % (os.getloadavg()[0], options.threads))
    results = []
    for checkpoint in options.checkpoint:
        results.append(compare(os.path.abspath(checkpoint), options, python, xyz))
        report(results[-1])
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
