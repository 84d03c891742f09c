"""Random MACE models of published sizes, written by mace-torch as whole-module .model files.

The shapes are those of MACE-MP-0 small and medium, MP-0b2 small and MPA-0 medium, and one with a
shorter cutoff as a model made for Monte Carlo has; the weights are random, scaled so that messages
and forces have ordinary sizes. For speed and memory only.

usage: make_models.py OUTDIR SEED [NAME ...]        (runs inside an environment with mace-torch)
SPDX-License-Identifier: MIT
"""
import os
import sys
import warnings

warnings.filterwarnings("ignore")
os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"

ELEMENTS = [z for z in range(1, 95) if z not in (84, 85, 86, 87, 88)]  # those of MPtrj
RESIDUAL = ("RealAgnosticResidualInteractionBlock", "RealAgnosticResidualInteractionBlock")
DENSITY = ("RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock")
SCALAR, VECTOR = "128x0e", "128x0e+128x1o"
MODELS = {  # hidden irreps, interaction blocks (first, later), distance transform, ZBL, r_max
    "mp0_small_like": (SCALAR, RESIDUAL, "None", False, 6.0),
    "mp0_medium_like": (VECTOR, RESIDUAL, "None", False, 6.0),
    "mp0b2_small_like": (SCALAR, DENSITY, "Agnesi", True, 6.0),
    "mpa0_medium_like": (VECTOR, DENSITY, "Agnesi", True, 6.0),
    "small_r5": (SCALAR, RESIDUAL, "None", False, 5.0),
}


def load_batch(model, xyz):
    """One structure as the dict that the model's forward takes, in the model's own precision."""
    import ase.io
    from mace import data
    from mace.tools import torch_geometric, utils
    atoms = ase.io.read(xyz)
    heads = list(getattr(model, "heads", ["Default"]))
    table = utils.AtomicNumberTable([int(z) for z in model.atomic_numbers])
    config = data.config_from_atoms(atoms, head_name=heads[0])
    item = data.AtomicData.from_config(config, z_table=table, cutoff=float(model.r_max),
                                       heads=heads)
    loader = torch_geometric.dataloader.DataLoader([item], batch_size=1, shuffle=False)
    batch = next(iter(loader)).to_dict()
    dtype = next(model.parameters()).dtype
    return {k: v.to(dtype) if hasattr(v, "is_floating_point") and v.is_floating_point() else v
            for k, v in batch.items()}


def scale_messages(model, run):
    """Makes the largest message of an atom 1.2 (rms over channels) and all orders comparable."""
    for interaction, product in zip(model.interactions, model.products):
        seen = {}
        hooks = [interaction.register_forward_hook(
                     lambda module, given, out: seen.__setitem__("message", out[0])),
                 product.symmetric_contractions.register_forward_hook(
                     lambda module, given, out: seen.__setitem__("input", given))]
        run()
        size = seen["message"].flatten(1).pow(2).mean(1).sqrt().max()
        interaction.linear.weight *= 1.2 / size
        run()
        for hook in hooks:
            hook.remove()
        x, y = seen["input"]
        for contraction in product.symmetric_contractions.contractions:
            weights = [contraction.weights_max] + list(contraction.weights)
            saved = [w.detach().clone() for w in weights]
            for k, kept in enumerate(weights):
                for w, s in zip(weights, saved):
                    w.copy_(s if w is kept else 0 * s)
                rms = contraction(x, y).pow(2).mean().sqrt().item()
                saved[k] *= 0.3 / rms if rms > 1e-9 else 1.0
            for w, s in zip(weights, saved):
                w.copy_(s)


def build(name, seed, xyz):
    import numpy as np
    import torch
    from e3nn import o3
    from mace import modules
    hidden, (first, later), transform, zbl, r_max = MODELS[name]
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    blocks = modules.interaction_classes
    energies = np.array([-1.1 - 0.35 * (z % 18) - 0.01 * z for z in ELEMENTS])
    model = modules.ScaleShiftMACE(
        r_max=r_max, num_bessel=10, num_polynomial_cutoff=5, max_ell=3, num_interactions=2,
        interaction_cls=blocks[later], interaction_cls_first=blocks[first],
        num_elements=len(ELEMENTS), hidden_irreps=o3.Irreps(hidden),
        MLP_irreps=o3.Irreps("16x0e"), atomic_energies=energies, avg_num_neighbors=61.96,
        atomic_numbers=ELEMENTS, correlation=3, gate=torch.nn.functional.silu,
        pair_repulsion=zbl, distance_transform=transform, radial_type="bessel",
        radial_MLP=[64, 64, 64], heads=None, atomic_inter_scale=0.8, atomic_inter_shift=0.1)
    batch = load_batch(model, xyz)

    def forces():
        for key, value in batch.items():
            if torch.is_tensor(value) and value.is_floating_point():
                batch[key] = value.detach()
        return model(batch, compute_force=True)["forces"]

    def forward():
        model(batch, compute_force=False)

    with torch.no_grad():
        scale_messages(model, forward)
    factor = 1.0 / forces().pow(2).mean().sqrt().item()
    with torch.no_grad():
        for readout in model.readouts:
            (readout.linear_2 if hasattr(readout, "linear_2") else readout.linear).weight *= factor
    return model.eval()


def main():
    import torch
    from irmof1 import write
    out, seed, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:] or list(MODELS)
    os.makedirs(out, exist_ok=True)
    xyz = os.path.join(out, "irmof1-106.xyz")
    write("primitive", xyz)
    for name in names:
        model = build(name, seed + list(MODELS).index(name), xyz)
        path = os.path.join(out, name + ".model")
        torch.save(model, path + ".part")
        os.replace(path + ".part", path)
        print("%s: %d parameters, %.1f MB" % (name, sum(p.numel() for p in model.parameters()),
                                              os.path.getsize(path) / 1e6), flush=True)


if __name__ == "__main__":
    main()
