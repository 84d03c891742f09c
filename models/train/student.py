#!/usr/bin/env python3
"""Trains the student, a two-layer MACE with scalar features, on labelled frames.

Writes OUT.model (mace-torch; the moving average of the weights), OUT.ckpt (all that --resume
needs), OUT.csv (the log).  `equisorb convert OUT.model OUT.safetensors` makes the engine's file.

example:
  student.py --data 'labels/teacher-*.extxyz' --data dft.extxyz --out student --minutes 60 \\
      --channels 64 --keep-apart apart.txt

SPDX-License-Identifier: MIT
"""

import argparse
import csv
import gc
import glob
import os
import signal
import sys
import time


def options():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    add = p.add_argument
    add("--data", action="append", required=True, metavar="GLOB", help="extended XYZ; repeatable")
    add("--check", action="append", default=[], metavar="GLOB", help="only for validation")
    add("--out", required=True, help="beginning of the files' names")
    add("--resume", action="store_true", help="continue from OUT.ckpt")
    add("--start-from", metavar="CKPT", help="begin with the weights of another run")
    add("--minutes", type=float, default=60, help="time for all parts of the run (60)")
    add("--steps", type=int, help="instead of --minutes")
    add("--threads", type=int, default=1)
    add("--seed", type=int, default=1)
    add("--channels", type=int, default=64)
    add("--lmax", type=int, default=3)
    add("--correlation", type=int, default=3)
    add("--radial", default="64,64,64", help="hidden layers of the radial networks")
    add("--readout", type=int, default=16)
    add("--r-max", type=float, default=5.0, help="angstrom")
    add("--elements", help="symbols, comma separated; default: those of the training data")
    add("--keep-apart", metavar="FILE", help="hosts for validation, one per line")
    add("--every", type=int, default=12, help="without --keep-apart: every n-th host (12)")
    add("--check-frames", type=int, default=300, help="guest frames of a validation, at most")
    add("--check-minutes", type=float, default=5, help="between validations and checkpoints")
    add("--limit", type=int, help="frames per file, for trials")
    add("--batch", type=int, default=500, help="atoms")
    add("--guests", type=int, default=3, help="guest frames that share an empty frame in a batch")
    add("--lr", type=float, default=1e-2)
    add("--beta2", type=float, default=0.99, help="Adam's memory of squares (0.99)")
    add("--amsgrad", action="store_true")
    add("--warm-up", type=int, default=200, help="steps")
    add("--decay", type=float, default=1e-6, help="of weights, AdamW")
    add("--average", type=float, default=0.999, help="moving average of weights")
    add("--clip", type=float, default=3.0, help="gradient's norm in running means")
    add("--weights", default="20,5,6,10,10,3",
        help="of interaction, force, guests' force, empty frames per atom, isolated molecules, "
             "floors")
    add("--trust", default="dft=4", help="weight by source, comma separated (dft=4)")
    return p.parse_args()


def files_of(patterns):
    out = []
    for pattern in patterns:
        some = sorted(glob.glob(pattern))
        if not some:
            sys.exit(f"{pattern}: no such file; give --data or --check a path or a quoted pattern")
        out += some
    return out


def elements_of(paths, given):
    """Atomic numbers of the model, ascending."""
    import re
    from ase.data import atomic_numbers

    if given:
        return sorted({atomic_numbers[s.strip()] for s in given.split(",")})
    found = set()
    name = re.compile(r"^([A-Z][a-z]?)\s")
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for line in file:
                match = name.match(line)
                if match and match.group(1) in atomic_numbers:
                    found.add(atomic_numbers[match.group(1)])
    return sorted(found)


def loss_of(batch, energy, force, w):
    """Parts of the loss, and its derivatives by energies of frames and by forces."""
    import torch

    e, f = energy.clone().requires_grad_(), force.clone().requires_grad_()

    def huber(x, delta):
        return torch.where(x.abs() < delta, 0.5 * x * x / delta, x.abs() - 0.5 * delta)

    parts = {}
    if len(batch.interaction):
        d = batch.pairs @ e - batch.interaction
        short = torch.where(batch.floor, -d, 0.0).clamp(min=0)  # eV below the floor
        d = torch.where(batch.floor, 0.0, d)
        parts["interaction"] = w[0] * (batch.interaction_weight * huber(d, 0.02)).mean()
        parts["floor"] = w[5] * short.log1p().mean()
    total = e[batch.total_index] - batch.total
    if len(total):
        alone = batch.total_gas
        per = torch.where(alone, w[4] * huber(total, 0.02),
                          w[3] * huber(total / batch.total_size, 0.005))
        parts["total"] = (batch.total_trust * per).sum() / len(total)
    size = batch.force.norm(dim=1)
    soft = (((f - batch.force) ** 2).sum(1) + 1e-4).sqrt() - 1e-2
    soft = soft * batch.force_weight / (1 + size / 5)
    count = (batch.force_weight > 0).sum().clamp(min=1)
    parts["force"] = w[1] * soft.sum() / count
    guests = (batch.guest & (batch.force_weight > 0)).sum()
    if guests:
        parts["guest"] = w[2] * soft[batch.guest].sum() / guests
    loss = sum(parts.values())
    loss.backward()
    e_grad = e.grad if e.grad is not None else torch.zeros_like(e)
    return float(loss.detach()), {k: float(v.detach()) for k, v in parts.items()}, e_grad, f.grad


class Trainer:
    """The model, its optimiser and moving average; everything that a checkpoint holds."""

    def __init__(self, model, a):
        import torch

        self.model, self.a = model, a
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=a.lr, weight_decay=a.decay,
                                           betas=(0.9, a.beta2), amsgrad=a.amsgrad)
        self.average = [v.detach().clone() for v in model.parameters()]
        self.step = self.elapsed = self.atoms = self.skipped = 0
        self.norm = None
        self.w = [float(x) for x in a.weights.split(",")]

    def progress(self):
        if self.a.steps:
            return self.step / self.a.steps
        return self.elapsed / (60 * self.a.minutes)

    def rate(self):
        import math

        warm = min(1.0, (self.step + 1) / max(self.a.warm_up, 1))
        return self.a.lr * warm * (0.5 * (1 + math.cos(math.pi * min(self.progress(), 1))) + 1e-3)

    def train(self, batch):
        """One step; returns the loss and its parts."""
        import torch
        from mace_torch import backward, leaves

        model = self.model
        d = model.derived(batch.graph.present)
        energy, force = model.energies_forces(batch.pos, batch.graph, d)
        loss, parts, e_grad, f_grad = loss_of(batch, energy, force, self.w)
        lv = leaves(d)
        backward(model, batch.graph, batch.pos, lv, e_grad, f_grad)
        self.optimizer.zero_grad(set_to_none=True)
        keys = [k for k in d if lv[k].grad is not None]
        torch.autograd.backward([d[k] for k in keys], [lv[k].grad for k in keys])
        for v in model.parameters():
            if v.grad is None:
                v.grad = torch.zeros_like(v)
        norm = float(torch.nn.utils.get_total_norm([v.grad for v in model.parameters()]))
        self.step += 1
        self.atoms += batch.graph.n
        if not norm < 1e6 * (self.norm or 1e6) or not loss == loss:
            self.skipped += 1
            return loss, parts
        self.norm = norm if self.norm is None else 0.98 * self.norm + 0.02 * min(norm,
                                                                                5 * self.norm)
        if norm > self.a.clip * self.norm:
            torch._foreach_mul_([v.grad for v in model.parameters()],
                                self.a.clip * self.norm / norm)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        self.optimizer.step()
        keep = min(self.a.average, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, [v.detach() for v in model.parameters()], 1 - keep)
        return loss, parts

    def averaged(self):
        return dict(zip(self.model.names, self.average))

    def save(self, path, extra):
        import torch

        torch.save({"state": self.model.state(), "average": self.averaged(), "step": self.step,
                    "optimizer": self.optimizer.state_dict(), "elapsed": self.elapsed,
                    "atoms": self.atoms, "norm": self.norm, "options": vars(self.a), **extra},
                   path + ".part")
        os.replace(path + ".part", path)

    def load(self, saved):
        import torch

        self.model.load(saved["state"])
        with torch.no_grad():
            for k, v in self.averaged().items():
                v.copy_(saved["average"][k])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.elapsed = saved["step"], saved["elapsed"]
        self.atoms, self.norm = saved["atoms"], saved["norm"]


def validate(model, average, chunks, weights, atoms):
    """Errors with the averaged weights: rows (source, gas, regime, count, MAE, bias), and forces
    of framework and guests, energy per atom of empty frames."""
    from collections import defaultdict

    import numpy as np
    import torch
    from student_data import Batch, batches_of

    kept = model.state()
    model.load(average)
    errors, forces, empty = defaultdict(list), defaultdict(list), defaultdict(list)
    for some in batches_of(chunks, atoms):
        batch = Batch(some, weights)
        with torch.no_grad():
            d = model.derived(batch.graph.present)
        e, f = model.energies_forces(batch.pos, batch.graph, d)
        for frame, x in zip(batch.interactions, (batch.pairs @ e - batch.interaction).tolist()):
            gas = frame.gas if len(frame.names) == 1 else frame.kind + "s"
            errors[(frame.source, gas, frame.regime)].append(x)
        off = (f - batch.force).norm(dim=1).numpy()
        have = batch.force_weight.numpy() > 0
        forces["framework"].append(off[have & ~batch.guest.numpy()])
        forces["guest"].append(off[have & batch.guest.numpy()])
        total = e[batch.total_index] - batch.total
        for frame, x in zip((batch.frames[k] for k in batch.total_frames), total.tolist()):
            name = f"molecule {frame.gas}" if frame.kind == "gas" else "empty, per atom"
            empty[(frame.source, name)].append(x / (1 if frame.kind == "gas" else len(frame)))
    model.load(kept)
    rows = [(*k, len(v), float(np.abs(v).mean()), float(np.mean(v)))
            for k, v in sorted(errors.items())]
    rows += [(*k, "total", len(v), float(np.abs(v).mean()), float(np.mean(v)))
             for k, v in sorted(empty.items())]
    for k, v in forces.items():
        v = np.concatenate(v) if v else np.zeros(0)
        if len(v):
            rows.append(("all", k, "force", len(v), float(v.mean()), float("nan")))
    return rows


def show(rows):
    print(f"{'source':10} {'of':18} {'regime':12} {'number':>7} {'MAE':>8} {'bias':>8}")
    for source, gas, kind, n, mae, bias in rows:
        print(f"{source:10} {gas:18} {kind:12} {n:7d} {mae:8.4f} {bias:8.4f}", flush=True)


def load_data(a, numbers):
    """(training, validation) chunks' groups and singles; E0 by least squares over training."""
    import mace_torch
    from student_data import Data, DataError, read_names

    apart = read_names(a.keep_apart) if a.keep_apart else None
    data = Data(numbers, a.r_max, mace_torch.zbl_energies_forces)
    check = Data(numbers, a.r_max, mace_torch.zbl_energies_forces)
    try:
        begun = time.time()
        for path in files_of(a.data):
            data.read(path, a.limit)
        for path in files_of(a.check):
            check.read(path, a.limit)
    except DataError as error:
        sys.exit(f"student.py: {error}")
    check.molecules = {**data.molecules, **check.molecules}
    data.finish(), check.finish()
    if apart is None:
        names = sorted(h for h in data.hosts if h != "gas")
        apart = set(names[a.every // 2::a.every])
    groups = list(data.groups.values())

    def host(group):
        return (group.empty or group.guests[0]).host

    data.groups = {k: g for k, g in enumerate(groups) if host(g) not in apart}
    held = [g for g in groups if host(g) in apart]
    for k, reason in {**data.left_out, **check.left_out}.items():
        print(f"left out: {reason}: {k}" if isinstance(k, int) else f"left out: {k}: {reason}")
    e0 = data.fit_e0()
    for some in (data, check):
        some.subtract(e0)
    for group in held:
        if group.empty:
            group.empty.energy -= float(e0[group.empty.kinds].sum())
    held += list(check.groups.values())
    frames = [f for g in data.groups.values() for f in [g.empty, *g.guests] if f]
    frames += data.singles
    atoms = sum(map(len, frames))
    edges = sum(len(f.sender) for f in frames)
    print(f"training: {len(data.groups)} groups, {len(frames)} frames, {atoms} atoms, "
          f"{edges / max(atoms, 1):.1f} neighbours; validation: {len(held)} groups of "
          f"{len({host(g) for g in held})} hosts; read in {time.time() - begun:.0f} s", flush=True)
    return list(data.groups.values()), data.singles, held, check.singles, e0, edges / atoms


def main():
    a = options()
    os.environ["OMP_NUM_THREADS"] = str(a.threads)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import random

    import torch

    import mace_torch
    from student_data import Batch, batches_of, chunks_of

    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    checkpoint = a.out + ".ckpt"
    if os.path.exists(checkpoint) and not a.resume:
        sys.exit(f"{checkpoint}: is there; --resume goes on, another --out starts anew")
    saved = torch.load(checkpoint, weights_only=False) if a.resume else None
    numbers = saved["numbers"] if saved else elements_of(files_of(a.data), a.elements)
    groups, singles, held, held_singles, e0, neighbours = load_data(a, numbers)
    if saved:
        if abs(saved["e0"] - e0).max() > 1e-6:
            sys.exit(f"{checkpoint}: made from other data (other E0); start without --resume, "
                     "or with --start-from")
        neighbours = saved["neighbours"]
    reference = mace_torch.build_mace(
        numbers, e0, a.channels, a.lmax, a.correlation, [int(x) for x in a.radial.split(",")],
        a.r_max, avg=neighbours, readout=a.readout, seed=a.seed)
    model = mace_torch.Student(reference)
    trainer = Trainer(model, a)
    if saved:
        trainer.load(saved)
    elif a.start_from:
        other = torch.load(a.start_from, weights_only=False)
        if other["numbers"] != numbers:
            sys.exit(f"{a.start_from}: has other elements; give the same with --elements")
        model.load(other["average"])
        trainer.average = [v.detach().clone() for v in model.parameters()]
    weights = {k: float(v) for k, v in (x.split("=") for x in a.trust.split(",") if x)}
    chooser = random.Random(a.seed)
    check_chunks, seen = [], 0
    for chunk in chunks_of(held, held_singles, a.guests, chooser):
        seen += len(chunk[1])
        if seen <= a.check_frames or not chunk[0]:
            check_chunks.append(chunk)
    extra = {"numbers": numbers, "e0": e0, "neighbours": neighbours}
    print(f"{sum(v.numel() for v in model.parameters())} parameters, {len(numbers)} elements, "
          f"validation with {sum(len(c[1]) for c in check_chunks)} guest frames", flush=True)
    gc.freeze()  # the frames stay; looking through them again and again costs time
    run(trainer, reference, groups, singles, check_chunks, weights, extra,
        (Batch, batches_of, chunks_of, random.Random(a.seed * 1000003 + trainer.step)))


def on_signal():
    """A list that is no longer empty once Ctrl-C or SIGTERM came; the second one ends at once."""
    asked = []

    def note(number, frame):
        asked.append(number)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    return asked


def run(trainer, reference, groups, singles, check_chunks, weights, extra, tools):
    """Trains until time or steps are over; validations, checkpoints and the log between."""
    import mace_torch

    Batch, batches_of, chunks_of, chooser = tools
    a, model = trainer.a, trainer.model
    fresh = not (a.resume and os.path.exists(a.out + ".csv"))
    log = open(a.out + ".csv", "w" if fresh else "a", newline="", encoding="utf-8")
    table = csv.writer(log)
    if fresh:
        table.writerow(["step", "seconds", "source", "of", "regime", "number", "MAE", "bias"])

    def save():
        trainer.save(a.out + ".ckpt", extra)
        mace_torch.export_mace(reference, trainer.averaged(), a.out + ".model")

    def report():
        save()
        rows = validate(model, trainer.averaged(), check_chunks, weights, a.batch)
        show(rows)
        table.writerows([trainer.step, round(trainer.elapsed), *row] for row in rows)
        log.flush()

    stop = on_signal()
    last_report, last_line, since = trainer.elapsed, time.time(), trainer.atoms
    sums, steps, cpu, epoch = {}, 0, time.process_time(), 0
    while trainer.progress() < 1 and not stop:
        epoch += 1
        for some in batches_of(chunks_of(groups, singles, a.guests, chooser), a.batch):
            begun = time.time()
            _, parts = trainer.train(Batch(some, weights))
            trainer.elapsed += time.time() - begun
            steps += 1
            for k, v in parts.items():
                sums[k] = sums.get(k, 0.0) + v
            if time.time() - last_line > 20 or trainer.progress() >= 1:
                spent = time.time() - last_line
                done = trainer.atoms - since
                busy = time.process_time() - cpu
                print(f"step {trainer.step} pass {epoch} {trainer.elapsed / 60:.1f} min "
                      + " ".join(f"{k} {v / steps:.4f}" for k, v in sums.items())
                      + f" rate {trainer.rate():.1e} {done / spent:.0f} atoms/s "
                      f"({1e3 * busy / max(done, 1):.3f} ms processor time per atom)"
                      + (f" skipped {trainer.skipped}" if trainer.skipped else ""), flush=True)
                last_line, since, sums, steps = time.time(), trainer.atoms, {}, 0
                cpu = time.process_time()
            if trainer.elapsed - last_report > 60 * a.check_minutes:
                report()
                last_report = trainer.elapsed
                last_line, cpu = time.time(), time.process_time()
            if trainer.progress() >= 1 or stop:
                break
    if stop:
        save()
        print("stopped; --resume continues", flush=True)
    else:
        report()
    log.close()


if __name__ == "__main__":
    main()
