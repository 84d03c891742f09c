"""Equisorb against mace-torch: same model, same structure, same machine, one run.

Makes what is missing: a virtual environment with mace-torch from PyPI (several GB: torch), random
models of published sizes (make_models.py), and IRMOF-1 with 424 atoms (irmof1.py). The two engines
take turns, so that a busy machine hurts both. For each model: time per evaluation of energy and
forces, from start to first energy, peak memory, largest difference of the forces.

usage: compare_mace.py [--venv DIR] [--work DIR] [--models DIR] [--bench FILE] [--threads 1]
                       [--rounds 2] [--seconds 10] [--json FILE] [MODEL ...]
SPDX-License-Identifier: MIT
"""
import argparse
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
PACKAGE = "mace-torch==0.3.16"
DEFAULT = ["mp0_small_like", "mp0_medium_like", "mp0b2_small_like", "mpa0_medium_like"]


def peak_mb():
    """VmHWM: unlike ru_maxrss it does not remember the parent of a fork."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def evaluate_mace(model_path, xyz, dtype, threads, seconds, forces_path, started):
    """Runs inside the virtual environment. The neighbour list is built once, outside the timing."""
    os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
    import warnings
    warnings.filterwarnings("ignore")
    import torch
    torch.set_num_threads(threads)
    torch.set_default_dtype(getattr(torch, dtype))
    from make_models import load_batch
    model = torch.load(model_path, map_location="cpu", weights_only=False)
    model = model.to(getattr(torch, dtype)).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    batch = load_batch(model, xyz)

    def run():
        fresh = {k: v.detach() if torch.is_tensor(v) else v for k, v in batch.items()}
        return model(fresh, compute_force=True, training=False)

    out = run()
    first = time.time() - started
    times = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < end:
        begin = time.perf_counter()
        out = run()
        times.append(time.perf_counter() - begin)
    with open(forces_path, "w") as file:
        for row in out["forces"].tolist():
            file.write("%.9g %.9g %.9g\n" % tuple(row))
    times.sort()
    print(json.dumps({"min_ms": 1e3 * times[0], "median_ms": 1e3 * times[len(times) // 2],
                      "first_energy_s": first, "peak_mb": peak_mb(), "repeats": len(times),
                      "energy": float(out["energy"])}))


def python_of(venv, package, module):
    """The environment's interpreter; makes the environment if there is none."""
    python = os.path.join(venv, "bin", "python")
    works = [python, "-c", "import " + module]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    if not os.path.exists(python) or subprocess.call(works, **quiet):
        print("installing %s into %s (once)" % (package, venv), flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", venv])
        subprocess.check_call([python, "-m", "pip", "install", "-q", package])
    return python


def environment(threads):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads),
               OPENBLAS_NUM_THREADS=str(threads), PYTHONPATH=HERE, CUDA_VISIBLE_DEVICES="")
    return env


def last_json(command, env):
    begin = time.time()
    result = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit("failed: " + " ".join(command))
    out = json.loads(result.stdout.strip().splitlines()[-1])
    out["wall_s"] = time.time() - begin
    return out


def merge(rounds):
    """Over the rounds: least time, median of medians, least start-up, largest memory."""
    best = dict(rounds[0])
    best["min_ms"] = min(r["min_ms"] for r in rounds)
    best["median_ms"] = sorted(r["median_ms"] for r in rounds)[len(rounds) // 2]
    best["first_energy_s"] = min(r["first_energy_s"] for r in rounds)
    best["peak_mb"] = max(r["peak_mb"] for r in rounds)
    return best


def read_forces(path):
    with open(path) as file:
        return [float(v) for line in file for v in line.split()]


def difference(a, b):
    a, b = read_forces(a), read_forces(b)
    scale = max(1.0, max(abs(v) for v in b))
    return max(abs(p - q) for p, q in zip(a, b)) / scale


def compare(name, options, python, xyz):
    model = os.path.join(options.models, name + ".model")
    if not os.path.exists(model):
        subprocess.check_call([python, os.path.join(HERE, "make_models.py"), options.models, "11",
                               name], env=environment(options.threads))
    env = environment(options.threads)
    ours = os.path.join(options.work, "forces-equisorb.txt")
    theirs = os.path.join(options.work, "forces-mace-%s.txt")
    seconds = str(options.seconds)
    mine, other = [], []
    for _ in range(options.rounds):
        mine.append(last_json([options.bench, model, xyz, "--threads", str(options.threads),
                               "--precision", "single", "--seconds", seconds, "--forces", ours,
                               "--json"], env))
        other.append(last_json([python, __file__, "--worker", model, xyz, "float32",
                                str(options.threads), seconds, theirs % "float32",
                                repr(time.time())], env))
    last_json([python, __file__, "--worker", model, xyz, "float64", str(options.threads), "0",
               theirs % "float64", repr(time.time())], env)
    return {"model": name, "megabytes": os.path.getsize(model) / 1e6, "equisorb": merge(mine),
            "mace": merge(other), "force_error": difference(ours, theirs % "float64"),
            "mace_force_error": difference(theirs % "float32", theirs % "float64")}


def report(r):
    e, m = r["equisorb"], r["mace"]
    print("\n%s (%.0f MB), %d atoms" % (r["model"], r["megabytes"], e["atoms"]))
    print("  %-34s %12s %12s %8s" % ("", "equisorb", "mace-torch", "ratio"))
    for label, key in (("energy and forces, min (ms)", "min_ms"),
                       ("energy and forces, median (ms)", "median_ms"),
                       ("start to first energy (s)", "first_energy_s"),
                       ("peak memory (MB)", "peak_mb")):
        print("  %-34s %12.3f %12.3f %8.1f" % (label, e[key], m[key], m[key] / e[key]))
    print("  %-34s %12.1e %12.1e" % ("forces from mace-torch float64", r["force_error"],
                                     r["mace_force_error"]), flush=True)


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        model, xyz, dtype, threads, seconds, forces, started = sys.argv[2:]
        return evaluate_mace(model, xyz, dtype, int(threads), float(seconds), forces,
                             float(started))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "compare"))
    parser.add_argument("--venv", help="environment with mace-torch (default: WORK/venv)")
    parser.add_argument("--models", help="where the models are or go (default: WORK/models)")
    parser.add_argument("--bench", default=os.path.join(ROOT, "build", "default",
                                                        "bench_evaluate"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", help="also write all numbers to this file")
    parser.add_argument("model", nargs="*", default=DEFAULT)
    options = parser.parse_args()
    options.work = os.path.abspath(options.work)
    options.models = options.models or os.path.join(options.work, "models")
    os.makedirs(options.models, exist_ok=True)
    os.makedirs(options.work, exist_ok=True)
    if not os.path.exists(options.bench):
        sys.exit("%s is not built: cmake --preset default && cmake --build --preset default"
                 % options.bench)
    venv = options.venv or os.path.join(options.work, "venv")
    python = python_of(venv, PACKAGE, "mace")
    xyz = os.path.join(options.work, "irmof1-424.xyz")
    sys.path.insert(0, HERE)
    from irmof1 import write
    write("conventional", xyz)
    print("load average %.1f; %d thread(s), single precision; mace-torch without its neighbour "
          "list" % (os.getloadavg()[0], options.threads))
    results = []
    for name in options.model:
        results.append(compare(name, options, python, xyz))
        report(results[-1])
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
