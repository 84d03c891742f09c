"""Small MACE models of the rarer interaction blocks and what mace-torch gives for them, in float64.

tiny_att_3layer: attention in all layers, 3 layers, a narrow edge network, Agnesi's transform, the
    cutoff on the weights.
tiny_nonlinear_3layer: non-linear blocks in all layers, 3 layers, edge irreps with fewer vectors than
    scalars, element-dependent products, two heads, biased readout, e3nn's Gate as in files written
    before mace-torch 0.3.16, the cutoff on the basis, Agnesi's transform.
tiny_nonlinear_l0: one non-linear layer after one residual layer, scalars only, no other irreps.
tiny_nonlinear_narrow: two non-linear layers whose edges see far fewer channels than the atoms have.
tiny_one_layer: a single residual layer.

Weights are random; structures are those of reference/mace/tiny_L1.json.

usage: make_mace_blocks.py [NAME ...]      (in this folder, in an environment with mace-torch 0.3.16)
SPDX-License-Identifier: MIT
"""
import json
import os
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"

import numpy as np
import torch
from e3nn import nn, o3
from mace import data, modules
from mace.modules.blocks import NonLinearBiasReadoutBlock
from mace.tools import torch_geometric, utils

ELEMENTS = [1, 6, 7, 8, 12, 30]
BLOCKS = {"att": "RealAgnosticAttResidualInteractionBlock",
          "nonlinear": "RealAgnosticResidualNonLinearInteractionBlock",
          "residual": "RealAgnosticResidualInteractionBlock"}
MODELS = {  # seed, first block, later blocks, heads, everything else for the model
    "tiny_att_3layer": (11, "att", "att", ["Default"], dict(
        hidden="10x0e+10x1o", max_ell=1, correlation=2, num_interactions=3,
        distance_transform="Agnesi", apply_cutoff=False)),
    "tiny_nonlinear_3layer": (12, "nonlinear", "nonlinear", ["other", "Default"], dict(
        hidden="10x0e+10x1o", max_ell=2, correlation=2, num_interactions=3,
        distance_transform="Agnesi", edge_irreps=o3.Irreps("7x0e+5x1o"),
        use_edge_irreps_first=True, readout_cls=NonLinearBiasReadoutBlock)),
    "tiny_nonlinear_l0": (14, "residual", "nonlinear", ["Default"], dict(
        hidden="8x0e", max_ell=1, correlation=2, num_interactions=2, apply_cutoff=False)),
    "tiny_nonlinear_narrow": (15, "nonlinear", "nonlinear", ["Default"], dict(
        hidden="20x0e+20x1o", max_ell=1, correlation=2, num_interactions=2,
        edge_irreps=o3.Irreps("6x0e+6x1o"), use_edge_irreps_first=True,
        readout_cls=NonLinearBiasReadoutBlock)),
    "tiny_one_layer": (16, "residual", "residual", ["Default"], dict(
        hidden="8x0e", max_ell=1, correlation=2, num_interactions=1)),
}


def narrow(block, basis):
    """A smaller edge network than the class makes: 12 features of each atom, 24 and 20 wide."""
    block.linear_down = o3.Linear(block.node_feats_irreps, o3.Irreps("12x0e"))
    block.conv_tp_weights = nn.FullyConnectedNet(
        [basis + 24, 24, 20, block.conv_tp.weight_numel], torch.nn.functional.silu)


def old_gate(block):
    scalars = o3.Irreps([(m, ir) for m, ir in block.irreps_out if ir.l == 0])
    gated = o3.Irreps([(m, ir) for m, ir in block.irreps_out if ir.l > 0])
    block.equivariant_nonlin = nn.Gate(
        scalars, [torch.nn.functional.silu], o3.Irreps([(m, "0e") for m, _ in gated]),
        [torch.nn.functional.sigmoid] * len(gated), gated)


def make_batch(model, case, head):
    import ase
    atoms = ase.Atoms(case["numbers"], case["positions"], cell=case["cell"], pbc=case["pbc"])
    table = utils.AtomicNumberTable([int(z) for z in model.atomic_numbers])
    item = data.AtomicData.from_config(data.config_from_atoms(atoms, head_name=head), z_table=table,
                                       cutoff=float(model.r_max), heads=model.heads)
    loader = torch_geometric.dataloader.DataLoader([item], batch_size=1, shuffle=False)
    return next(iter(loader)).to_dict()


def calibrate(model, case, message):
    """Messages of this size (rms of the largest atom), forces of 0.5 eV/angstrom for every head."""
    for block in model.interactions:
        seen = {}
        hook = block.register_forward_hook(lambda m, given, out: seen.update(message=out[0]))
        model(make_batch(model, case, model.heads[0]), compute_force=False)
        hook.remove()
        last = block.linear_2 if hasattr(block, "linear_2") else block.linear
        with torch.no_grad():
            last.weight *= message / seen["message"].flatten(1).pow(2).mean(1).sqrt().max()
    for head, name in enumerate(model.heads):
        forces = model(make_batch(model, case, name), compute_force=True)["forces"]
        size = 2 * forces.pow(2).mean().sqrt().item()
        with torch.no_grad():
            for readout in model.readouts:
                last = readout.linear_2 if hasattr(readout, "linear_2") else readout.linear
                last.weight.view(-1, len(model.heads))[:, head] /= size


def build(name, case):
    seed, first, later, heads, rest = MODELS[name]
    rest = dict(rest)
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    blocks = modules.interaction_classes
    energies = np.array([[-1.1 - 0.35 * (z % 18) + 0.1 * h for z in ELEMENTS]
                         for h in range(len(heads))])
    model = modules.ScaleShiftMACE(
        r_max=3.5, num_bessel=6, num_polynomial_cutoff=5, interaction_cls=blocks[BLOCKS[later]],
        interaction_cls_first=blocks[BLOCKS[first]], num_elements=len(ELEMENTS),
        hidden_irreps=o3.Irreps(rest.pop("hidden")), MLP_irreps=o3.Irreps("5x0e"),
        atomic_energies=energies, avg_num_neighbors=9.0, atomic_numbers=ELEMENTS,
        gate=torch.nn.functional.silu, radial_type="bessel", radial_MLP=[14, 18], heads=heads,
        atomic_inter_scale=[0.8, 0.9][:len(heads)], atomic_inter_shift=[0.1, -0.2][:len(heads)],
        **rest)
    for block in model.interactions:
        if hasattr(block, "linear_down"):
            narrow(block, 6)
    with torch.no_grad():
        for key, p in model.named_parameters():
            if key.endswith(".bias") and p.numel():  # biases begin at 0: make them matter
                p += 0.1 * torch.randn(p.shape)
            if "source_embedding" in key or "target_embedding" in key:
                p *= 300.0
            if key.endswith(".alpha"):
                p.fill_(6.0)
            if key.endswith(".beta"):
                p.fill_(0.4)
    # the polynomials of three layers without a gate explode where atoms overlap
    calibrate(model, case, 0.3 if later == "att" else 1.2)
    if name == "tiny_nonlinear_3layer":
        for block in model.interactions:
            old_gate(block)
    return model.eval()


def evaluate(model, case, head):
    wanted = {k: case[k] for k in ("name", "numbers", "positions", "cell", "pbc")}
    out = model(make_batch(model, case, head), compute_virials="stress" in case)
    wanted.update(head=head, energy=out["energy"].item(),
                  energies=out["node_energy"].detach().tolist(),
                  forces=out["forces"].detach().tolist())
    if "stress" in case:  # also for the slab, with the volume of its cell
        volume = abs(np.linalg.det(np.array(case["cell"])))
        wanted["stress"] = (-out["virials"].detach()[0] / volume).tolist()
    return wanted


def main():
    cases = json.load(open("reference/mace/tiny_L1.json"))["cases"]
    crystal = next(c for c in cases if c["name"] == "triclinic3")
    for name in sys.argv[1:] or list(MODELS):
        path = "models/%s.model" % name
        torch.save(build(name, crystal), path)
        model = torch.load(path, map_location="cpu")
        answers = [evaluate(model, c, head) for c in cases for head in model.heads]
        with open("reference/mace/%s.json" % name, "w") as f:
            json.dump({"model": name, "heads": model.heads, "cases": answers}, f)
        print("%s: %d cases, %.0f kB, largest force %.1f" % (
            name, len(answers), os.path.getsize(path) / 1e3,
            max(np.abs(a["forces"]).max() for a in answers)), flush=True)


if __name__ == "__main__":
    main()
