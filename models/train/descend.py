#!/usr/bin/env python3
"""Where the teacher begins: SevenNet-0 adjusted by descent to interaction energies and forces.

Per step one framework and gas: its empty frame, the molecule and three frames with the guest in one
loss of interaction energies, forces of framework and guest (again for the guest) and the molecule's
energy. AMSGrad, warm-up of ten steps, cosine decay over the time given; what is written is a moving
average of the weights. An hour on two cores is about 300 steps; teacher.py's steps go on from there.

    descend.py golddac.extxyz --minutes 60 --leave-out RAFNUH01 --out start.pt

The state is written every --save steps and at the end, whole or not at all; with --resume the run
goes on from OUT.run. Needs torch, sevenn 0.13 and ASE.

SPDX-License-Identifier: MIT
"""
import argparse
import math
import os
import random
import sys
import time
import warnings

import ase.io

from networks import Network


def read(path, leave_out):
    """{(host, gas): (empty, [guest frames])}, {gas: molecule}"""
    empty, guests, gases = {}, {}, {}
    for a in ase.io.read(path, ":"):
        host, kind = a.info["host"], a.info["kind"]
        if kind == "gas":
            gases.setdefault(a.info["gas"], a)
        elif host in leave_out:
            continue
        elif kind == "empty":
            empty[host] = a
        else:
            guests.setdefault((host, a.info["gas"]), []).append(a)
    return {k: (empty[k[0]], f) for k, f in guests.items() if len(f) >= 3}, gases


def loss_of(network, empty, frames, gas):
    torch = network.torch
    e_gas, _ = network.energy_and_forces(gas, create_graph=True)
    e_empty, f_empty = network.energy_and_forces(empty, create_graph=True)

    def off(forces, atoms):
        return (forces - torch.tensor(atoms.arrays["REF_forces"], dtype=torch.float32)).abs()

    loss = 5 * (e_gas - gas.info["REF_energy"]).abs() + 5 * off(f_empty, empty).mean()
    for a in frames:
        energy, forces = network.energy_and_forces(a, create_graph=True)
        label = a.info["REF_energy"] - empty.info["REF_energy"] - gas.info["REF_energy"]
        wall = 1 if label < 0.5 else 1 / (1 + 2 * label)
        hard = 1 / (1 + 0.2 * abs(a.arrays["REF_forces"]).max())
        f = off(forces, a)
        loss = loss + 10 * wall * (energy - e_empty - e_gas - label).abs()
        loss = loss + 5 * hard * (f.mean() + f[torch.tensor(a.get_tags() == 1)].mean())
    return loss


def save(torch, path, what):
    torch.save(what, path + ".new")
    os.replace(path + ".new", path)


def main():
    warnings.filterwarnings("ignore")
    p = argparse.ArgumentParser(description=__doc__.split("SPDX")[0],
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("frames")
    p.add_argument("--checkpoint", default="7net-0")
    p.add_argument("--minutes", type=float, default=60)
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--leave-out", nargs="*", default=[])
    p.add_argument("--save", type=int, default=20, metavar="STEPS")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--resume", action="store_true")
    p.add_argument("--out", required=True)
    options = p.parse_args()
    pairs, gases = read(options.frames, options.leave_out)
    if not pairs:
        sys.exit(f"descend.py: {options.frames}: no framework with three frames of one gas")
    network = Network(options.checkpoint, None)
    torch = network.torch
    torch.set_num_threads(options.threads)
    weights = [w for _, w in network.weights]
    descent = torch.optim.Adam(weights, lr=options.rate, amsgrad=True)
    average = {k: v.detach().clone() for k, v in network.model.state_dict().items()}
    step, before, random_state = 0, 0.0, random.Random(options.seed)
    if options.resume:
        run = torch.load(options.out + ".run", weights_only=False)
        network.model.load_state_dict(run["state"])
        descent.load_state_dict(run["descent"])
        average, step, before = run["average"], run["step"], run["seconds"]
        random_state.setstate(run["random"])
    begin, order = time.time(), []
    while (spent := before + time.time() - begin) < 60 * options.minutes:
        if not order:
            order = random_state.sample(sorted(pairs), len(pairs))
        host, gas = order.pop()
        empty, frames = pairs[host, gas]
        cosine = 0.5 * (1 + math.cos(math.pi * spent / (60 * options.minutes)))
        descent.param_groups[0]["lr"] = options.rate * cosine * min(1, (step + 1) / 10)
        loss = loss_of(network, empty, random_state.sample(frames, 3), gases[gas])
        descent.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 10.0)
        descent.step()
        step += 1
        decay = min(0.99, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, v in network.model.state_dict().items():
                if v.dtype.is_floating_point:
                    average[name].mul_(decay).add_(v, alpha=1 - decay)
        print(f"step {step}, {spent:.0f} s, {host} {gas}: loss {loss.item():.3f}", flush=True)
        if step % options.save == 0:
            save(torch, options.out + ".run", {
                "state": network.model.state_dict(), "descent": descent.state_dict(),
                "average": average, "step": step, "seconds": before + time.time() - begin,
                "random": random_state.getstate()})
            save(torch, options.out, average)
    save(torch, options.out, average)


if __name__ == "__main__":
    main()
