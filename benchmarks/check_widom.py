"""Are the intervals of `equisorb widom` honest?  Independent runs against a long one.

usage: check_widom.py [--runs 50] [--jobs 1] [--error 10%] [--long 1%] [--also FRAMEWORK]...
                      [--equisorb PATH] [--csv FILE] FRAMEWORK [options of equisorb widom]

Each of the runs has a seed of its own and stops at --error; the long one, of yet another seed,
stops at --long.  Counted: how often the 95 % intervals of K_H and Qst cover the long run's value
(at least 90 % of 50 is asked for), and chi^2 = <((run - long)/sigma)^2>, which is about 1 where
sigma is the true error.  With --csv every run is written when it is done, and those that are there
already are not made again.  --also: the same framework in another cell (rotated, conventional), run
to --long; it has to agree within both errors.  Exit code 1 if something does not hold.

SPDX-License-Identifier: MIT
"""
import argparse
import concurrent.futures
import csv
import os
import json
import math
import subprocess
import sys

T19 = 2.093  # 95 % over 20 blocks
NAMES = ("henry", "qst")
COLUMNS = ("framework", "seed", "error", "n_energy", "temperature", "henry", "henry_95", "qst",
           "qst_95", "ess", "flags")


def stored(options):
    """Rows of earlier runs by framework, seed and error."""
    found = {}
    if options.csv and os.path.exists(options.csv):
        with open(options.csv, newline="") as f:
            for row in csv.DictReader(f):
                for name in COLUMNS[4:10]:
                    row[name] = float(row[name])
                row["n_energy"] = int(row["n_energy"])
                found.setdefault((row["framework"], row["seed"], row["error"]), []).append(row)
    return found


def run(options, framework, seed, error, rest):
    key = (framework, str(seed), error)
    if key in options.stored:
        return options.stored[key]
    command = [options.equisorb, "widom", framework, "--seed", str(seed), "--error", error, "--json"]
    done = subprocess.run(command + rest, capture_output=True, text=True)
    if done.returncode:
        sys.exit("%s\n%s" % (" ".join(command + rest), done.stderr))
    record = json.loads(done.stdout)
    rows = []
    for point in record["points"]:
        row = {"framework": framework, "seed": seed, "error": error,
               "n_energy": record["n_energy"]}
        row.update((name, point[name]) for name in COLUMNS[4:])
        rows.append(row)
    if options.csv:
        lines = rows if os.path.exists(options.csv) else [dict(zip(COLUMNS, COLUMNS))] + rows
        with open(options.csv, "a", newline="") as f:
            csv.DictWriter(f, COLUMNS).writerows(lines)
    return rows


def judge(runs, long_run):
    """Prints coverage of one temperature; returns whether it holds."""
    good = True
    print("%g K: K_H = %.5g +- %.2g, Qst = %.4g +- %.2g (the long run, %d energies)"
          % (long_run["temperature"], long_run["henry"], long_run["henry_95"], long_run["qst"],
             long_run["qst_95"], long_run["n_energy"]))
    for name in NAMES:
        hits, chi = 0, 0.0
        for r in runs:
            # the long run has an error too, small beside the others
            half = math.hypot(r[name + "_95"], long_run[name + "_95"])
            hits += abs(r[name] - long_run[name]) <= half
            chi += ((r[name] - long_run[name]) / half * T19) ** 2 / len(runs)
        enough = hits >= 0.9 * len(runs)
        good &= enough
        print("  %-5s  %d of %d intervals cover it, chi^2 %.2f%s"
              % (name, hits, len(runs), chi, "" if enough else "   TOO FEW"))
    energies = sorted(r["n_energy"] for r in runs)
    print("  energies of the model: median %d, %d to %d" %
          (energies[len(energies) // 2], energies[0], energies[-1]))
    words = {}
    for r in runs:
        for word in (r["flags"] or "").split():
            words[word] = words.get(word, 0) + 1
    if words:
        print("  flags: " + ", ".join("%s %d" % item for item in sorted(words.items())))
    return good


def same(other, long_run):
    """Another cell of the same framework."""
    good = True
    for name in NAMES:
        half = math.hypot(other[name + "_95"], long_run[name + "_95"])
        off = abs(other[name] - long_run[name])
        good &= off <= 1.5 * half  # 3 sigma
        print("  %s: %s = %.5g +- %.2g, off by %.1f sigma"
              % (other["framework"], name, other[name], other[name + "_95"], off / half * T19))
    return good


def main():
    p = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n\n")[0])
    p.add_argument("--runs", type=int, default=50)
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--error", default="10%")
    p.add_argument("--long", default="1%")
    p.add_argument("--also", action="append", default=[])
    p.add_argument("--equisorb", default="equisorb")
    p.add_argument("--csv")
    p.add_argument("framework")
    options, rest = p.parse_known_args()
    options.stored = stored(options)
    seeds = range(1000, 1000 + options.runs)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        long_runs = pool.submit(run, options, options.framework, 1, options.long, rest)
        others = [pool.submit(run, options, also, 2 + k, options.long, rest)
                  for k, also in enumerate(options.also)]
        runs = list(pool.map(
            lambda seed: run(options, options.framework, seed, options.error, rest), seeds))
        long_runs, others = long_runs.result(), [other.result() for other in others]
    good = True
    for t, long_run in enumerate(long_runs):
        good &= judge([r[t] for r in runs], long_run)
        for other in others:
            good &= same(other[t], long_run)
    print("holds" if good else "DOES NOT HOLD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
