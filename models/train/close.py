#!/usr/bin/env python3
"""Frames that keep the student's walls up: guests that nearly coincide with framework atoms.

Labels end where a teacher's training did; closer, a student may fall to thousands of eV below zero. Here
a guest atom is put 0.3 to 1.25 angstrom from an atom of each empty frame (uniform distance and
direction, no contact below 0.3), and what is learnt is a floor: REF_floor, half of the teacher's
interaction energy with the wall from first principles (docs/walls.md), at most 10 eV. Poses that
this energy does not call repulsive (2 eV) are left out.

    close.py --model teacher.safetensors --apart keep_apart.txt --out close.extxyz \\
        labels/teacher-*.extxyz

SPDX-License-Identifier: MIT
"""
import argparse
import pathlib
import sys
import zlib

import ase.io
import numpy as np

from frames import GASES, Room, molecule, rotations, with_guests
from label import evaluate, guests_of

NEAR, FAR = 0.3, 1.25  # angstrom
REPULSIVE, HIGHEST = 2.0, 10.0  # eV


def poses(empty, gas, random, count=40):
    """A guest's numbers and its first position with the wanted contact, or None."""
    numbers, body = molecule(gas, random)
    room = Room(empty)
    for turn in rotations(count, random):
        direction = random.normal(size=3)
        direction *= random.uniform(NEAR, FAR) / np.linalg.norm(direction)
        turned = body @ turn.T
        at = empty.positions[random.integers(len(empty))] + direction
        placed = turned - turned[random.integers(len(turned))] + at
        _, distance, _ = room.nearness(numbers, placed[None])
        if distance[0] >= NEAR:
            return numbers, placed
    return None


def frames_of(empty, count):
    random = np.random.default_rng(zlib.crc32(empty.info["group"].encode()))
    for gas in random.permutation(sorted(GASES))[:count]:
        pose = poses(empty, str(gas), random)
        if pose:
            yield with_guests(empty, [(str(gas), *pose)], pose="floor")


def main():
    p = argparse.ArgumentParser(description=__doc__.split("SPDX")[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("files", nargs="+", help="labelled frames, of which the empty ones are used")
    p.add_argument("--model", required=True, help="the teacher")
    p.add_argument("--apart", required=True, help="hosts that are left to validation")
    p.add_argument("--count", type=int, default=3, help="per empty frame (3)")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--out", required=True)
    options = p.parse_args()
    import equisorb

    model = equisorb.Model(options.model, wall="on", threads=options.threads)
    apart, out = set(pathlib.Path(options.apart).read_text().split()), []
    for path in options.files:
        empties = [a for a in ase.io.read(path, ":")
                   if a.info["kind"] == "empty" and a.info["host"] not in apart]
        frames = [f for empty in empties for f in frames_of(empty, options.count)]
        base = dict(zip((a.info["group"] for a in empties),
                        evaluate(model, empties, forces=False)[0]))
        alone = evaluate(model, [guests_of(f)[0] for f in frames], forces=False)[0]
        for frame, energy, guest in zip(frames, evaluate(model, frames, forces=False)[0], alone):
            u = energy - base[frame.info["group"]] - guest
            if not u > REPULSIVE:
                continue
            frame.info["REF_floor"] = min(0.5 * u, HIGHEST)
            frame.info.pop("REF_energy", None)
            frame.arrays.pop("REF_forces", None)
            frame.calc = None
            out.append(frame)
        print(f"{path}: {len(frames)} poses, {len(out)} floors so far", flush=True)
    if not out:
        sys.exit("close.py: no empty frames in these files")
    ase.io.write(options.out, out, format="extxyz")


if __name__ == "__main__":
    main()
