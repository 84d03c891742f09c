"""A small MACE model with a committee, and what its members' energies are by mace-torch, in float64.

tiny_committee: two residual layers of 10x0e+10x1o; five members of random weights, of which the
    reference has the sum over the features that mace-torch gives, per atom.

usage: make_committee.py        (in this folder, in an environment with mace-torch 0.3.16 and the
       equisorb package)
SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import sys
import tempfile

import numpy as np
import torch

import equisorb
import make_mace_blocks

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "models" / "train"))
from committee import add_tensors  # noqa: E402

NAME, MEMBERS, CHANNELS = "tiny_committee", 5, 10
make_mace_blocks.MODELS[NAME] = (17, "residual", "residual", ["Default"], dict(
    hidden="10x0e+10x1o", max_ell=1, correlation=2, num_interactions=2))


def member_energies(model, case, weight):
    """[n_atom][member] eV: the scalars of every layer's features times the members' weights."""
    features = model(make_mace_blocks.make_batch(model, case, "Default"))["node_feats"].detach()
    # [10x0e | 10x1o] of the first layer, [10x0e] of the last
    scalars = torch.cat([features[:, :CHANNELS], features[:, -CHANNELS:]], 1).numpy()
    assert features.shape[1] == 5 * CHANNELS
    return scalars @ weight.T


def main():
    cases = json.load(open("reference/mace/tiny_L1.json"))["cases"]
    model = make_mace_blocks.build(NAME, next(c for c in cases if c["name"] == "triclinic3"))
    random = np.random.default_rng(5)
    weight = random.normal(0, 1e-3, (MEMBERS, 2 * CHANNELS))
    limit = random.uniform(0.05, 0.2, len(make_mace_blocks.ELEMENTS))
    with tempfile.TemporaryDirectory() as folder:
        original, plain = os.path.join(folder, "x.model"), os.path.join(folder, "x.safetensors")
        torch.save(model, original)
        equisorb.Model(original, device="host").write(plain, name=NAME, licence="MIT")
        add_tensors(plain, "models/%s.safetensors" % NAME,
                    {"committee.weight": weight, "committee.limit": limit})
    answers = []
    for case in cases:
        answer = make_mace_blocks.evaluate(model, case, "Default")
        answer["committee"] = member_energies(model, case, weight).tolist()
        answers.append(answer)
    with open("reference/%s.json" % NAME, "w") as f:
        json.dump({"model": NAME, "heads": ["Default"], "weight": weight.tolist(),
                   "limit": limit.tolist(), "cases": answers}, f)


if __name__ == "__main__":
    main()
