#!/usr/bin/env python3
"""GoldDAC's frames (Park et al., DAC-SIM, MIT) in the form the other scripts read.

The published names tell the framework, the gas and the regime: NAME_CO2_E..., _P (weak), _R
(repulsion); NAME-CO2..._fram is the empty framework; the group `gas` holds the molecules alone.
Water's frames come with a framework of its own relaxation, but one empty frame is published per
framework: their interaction energies carry that difference, in the labels as in any model.

    golddac.py golddac-14.extxyz --out golddac.extxyz

SPDX-License-Identifier: MIT
"""
import argparse
import re
import sys

import ase.io

REGIME = {"R": "repulsion", "E": "equilibrium", "P": "weak"}


def convert(frames, where):
    """Frames by framework, the empty one first; ValueError names a frame that does not fit."""
    empty, guests, gases = {}, {}, []
    for atoms in frames:
        name, group = atoms.info["name"], atoms.info["group"]
        info = {"source": "dft", "host": group, "group": group,
                "REF_energy": atoms.info["REF_energy"]}
        if group == "gas":
            gas = "CO2" if "CO2" in name else "H2O"
            info |= {"kind": "gas", "gas": gas, "host": "gas", "group": f"golddac-{gas}"}
            atoms.set_tags([1] * len(atoms))
            gases.append(atoms)
        elif name.endswith("fram"):
            info["kind"] = "empty"
            atoms.set_tags([0] * len(atoms))
            empty[group] = atoms
        else:
            match = re.search(r"_(CO2|H2O)_([REP])", name)
            if not match or int(atoms.get_tags().sum()) != 3:
                raise ValueError(f"{where}: {name}: no gas in its name, or not three guest atoms")
            info |= {"kind": "guest", "gas": match[1], "regime": REGIME[match[2]]}
            atoms = atoms[atoms.get_tags().argsort(kind="stable")]
            guests.setdefault(group, []).append(atoms)
        atoms.info, atoms.calc = info, None
    missing = sorted(set(guests) - set(empty))
    if missing:
        raise ValueError(f"{where}: no empty framework of {', '.join(missing)}")
    return gases + [a for g in empty for a in [empty[g], *guests.get(g, [])]]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("SPDX")[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file")
    p.add_argument("--out", required=True)
    options = p.parse_args()
    try:
        frames = convert(ase.io.read(options.file, ":"), options.file)
    except (OSError, KeyError, ValueError) as e:
        sys.exit(f"golddac.py: {e}")
    ase.io.write(options.out, frames, format="extxyz")
    print(f"{options.out}: {len(frames)} frames")


if __name__ == "__main__":
    main()
