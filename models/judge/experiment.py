"""Uptake of CO2 at 0.15 bar and 298 K in ten frameworks, against published measurements.

The frameworks were named in the card before any was computed. Measured: median over papers of the
median over their isotherms, as in --measured, a CSV with framework, T_K, P_bar, quantity
(uptake_CO2), value (mol/kg), kind (exp, exp?), source (with the DOI). Computed: grand canonical
Monte Carlo of `equisorb screen`, by every model and by the classical force field. The store of each
column (LABEL.db in --work) is continued if it exists. The factor is max(a/b, b/a).

SPDX-License-Identifier: MIT
"""
import collections
import csv
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

import engine
import tables

# name in the table: name among the measurements, temperatures (K), files that may hold it
TEN = {
    "IRMOF-1": ("IRMOF-1 (MOF-5)", (298,), ("irmof-1_prim",)),
    "Mg-MOF-74": ("Mg-MOF-74", (298,), ("MgMOF74_triclinic_charged",)),
    "Zn-MOF-74": ("Zn-MOF-74", (298,), ("ZnMOF-74_R-3",)),
    "HKUST-1": ("HKUST-1 (CuBTC)", (298,), ("hkust-1_prim",)),
    "UiO-66": ("UiO-66", (298,), ("UIO-66_P1",)),
    "ZIF-8": ("ZIF-8", (298,), ("ZIF-8_P1",)),
    "SIFSIX-3-Ni": ("SIFSIX-3-Ni", (298,), ("SIFSIX-3-Ni",)),
    "CALF-20": ("CALF-20", (298,), ("CALF-20", "CALF-20_nodata")),
    "DDR": ("DDR", (298,), ("DDR", "DDR_hex")),
    "silicalite": ("Silicalite (MFI)", (298, 303), ("MFI_SI",)),
}
PRESSURE = 15000  # Pa


def measured(path):
    """{framework: [median, lowest, highest, isotherms, papers]}, mol/kg."""
    found = {name: collections.defaultdict(list) for name in TEN}
    with open(path, newline="") as f:
        for row in csv.DictReader(f):
            for name, (there, temperatures, _) in TEN.items():
                if (row["framework"] == there and row["quantity"] == "uptake_CO2" and
                        row["kind"] in ("exp", "exp?") and "DOI" in row["source"] + " DOI" and
                        not row["source"].startswith("memory") and row["T_K"] and row["P_bar"] and
                        abs(float(row["P_bar"]) - 0.15) < 1e-6 and
                        min(abs(float(row["T_K"]) - t) for t in temperatures) < 0.3):
                    doi = re.search(r"DOI (\S+)", row["source"])
                    # 10.8888 stands for publications that the database lists twice
                    paper = doi.group(1).lower().split("/", 1)[1] if doi else row["source"]
                    found[name][paper].append(float(row["value"]))
    table = {}
    for name, papers in found.items():
        if not papers:
            sys.exit("%s: no measurement of %s" % (path, name))
        every = [v for values in papers.values() for v in values]
        table[name] = [statistics.median(statistics.median(v) for v in papers.values()),
                       min(every), max(every), len(every), len(papers)]
    return table


def files(folder):
    """{framework: path}"""
    paths = {}
    for name, (_, _, stems) in TEN.items():
        there = [p for p in (pathlib.Path(folder, s + ".cif") for s in stems) if p.exists()]
        if not there:
            sys.exit("%s: no %s" % (folder, " or ".join(s + ".cif" for s in stems)))
        paths[name] = there[0]
    return paths


def screened(label, path, options, paths):
    """Runs (or continues) the screening of one column; {framework: its last row}."""
    base = os.path.join(options.work, re.sub(r"\W", "_", label))
    command = [options.equisorb, "screen", *map(str, paths.values()), "--gas", "CO2",
               "--temperature", "298", "--pressures", str(PRESSURE), "--isotherms", str(len(TEN)),
               "--cycles", str(path and options.model_cycles or options.cycles), "--threads", str(options.threads), "--output",
               base + ".db", "--csv", base + ".csv"]
    if path:
        command += ["--model", path, "--error", options.error, "--wall", options.wall,
                    "--dispersion", options.dispersion]
    else:
        command += ["--energy", "classical"]
    os.makedirs(options.work, exist_ok=True)
    with open(base + ".txt", "w") as text:
        done = subprocess.run(command, stdout=text)
    if done.returncode not in (0, 1):  # 1: some frameworks failed; their rows say why
        sys.exit(" ".join(command))
    rows = {}
    with open(base + ".csv", newline="") as f:
        for row in csv.DictReader(f):
            for name, file in paths.items():
                if row.get("path", row.get("file", "")).endswith(file.name):
                    rows[name] = row
    return rows


def number(row, *names):
    for name in names:
        if row and row.get(name):
            return float(row[name])
    return None


def factor(a, b):
    return max(a / b, b / a) if a and b and a > 0 else float("inf")


def add_arguments(parser):
    engine.add_models(parser, required=False)
    parser.set_defaults(dispersion="auto", wall="auto")
    parser.add_argument("--cifs", required=True, help="folder of the structures")
    parser.add_argument("--measured", required=True, help="CSV of measurements")
    parser.add_argument("--work", required=True, help="folder of the stores")
    parser.add_argument("--equisorb", default=str(engine.ROOT / "build/default/equisorb"))
    parser.add_argument("--only", help="some of the ten, A,B,...; to try")
    parser.add_argument("--cycles", type=int, default=2000)
    parser.add_argument("--model-cycles", type=int, help="of models, if other than --cycles")
    parser.add_argument("--error", default="10%", help="of the Henry coefficients")


def run(options):
    want, paths = measured(options.measured), files(options.cifs)
    for name in list(want):
        if options.only and name not in options.only.split(","):
            del want[name], paths[name]
    columns = [engine.split_label(m) for m in options.model or []] + [("classical", None)]
    have = {label: screened(label, path, options, paths) for label, path in columns}
    rows, lines, factors = [], [], collections.defaultdict(list)
    for name, (middle, low, high, isotherms, papers) in want.items():
        line = [name, "%.3g" % middle, "%.3g - %.3g" % (low, high)]
        for label, _ in columns:
            found = have[label].get(name)
            uptake, error = (number(found, "isotherm_uptake" + end) for end in ("", "_95"))
            by = factor(uptake, middle)
            factors[label].append(by)
            rows.append({"framework": name, "model": label, "measured": middle, "lowest": low,
                         "highest": high, "isotherms": isotherms, "papers": papers,
                         "uptake": uptake, "uptake_95": error, "factor": by,
                         "henry": number(found, "henry", "classical_henry"),
                         "qst": number(found, "qst", "classical_qst"),
                         "flags": (found or {}).get("flags", ""),
                         "reason": (found or {}).get("reason", "")})
            line.append("%.3g (%.2g)" % (uptake, by) if uptake is not None else "failed")
        lines.append(line)
    lines.append(["median factor", "", ""] + ["%.2f" % statistics.median(factors[m])
                                              for m, _ in columns])
    with open(os.path.join(options.work, "experiment.json"), "w") as f:
        json.dump(rows, f, indent=1)
    tables.show(options, "experiment", rows, tables.markdown(
        ["mol/kg at 0.15 bar, 298 K", "measured", "range"] + [
            "%s (factor)" % m for m, _ in columns], lines))
