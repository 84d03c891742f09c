"""Predicted time of one evaluation of MACE on a GPU, from the machine code of its kernels.

For each launch of the real sequence (benchmarks/gpu_launches/*.txt, written by the fake runtime:
EQS_EMU_TRACE, see docs/gpu.md):

  time = max(issue slots, shared-memory and load-store unit, FP64 and special-function units, L2, DRAM)
         / 0.6,  but at least what its chains of dependent loads take at its occupancy;
         plus LAUNCH for each launch.

Instructions come from the SASS (benchmarks/sass.py), loops times the trip counts of the model's
shape below; bytes from the formulas below; occupancy from kernels/cuda/figures.txt. Nothing here
is measured: the neighbour search, copies and whatever the host does between launches are left out.

usage: gpu_model.py KERNELS [--edges 28,80] [--atoms 10000] [--model medium|small] [--gpu H200]
                    [--markdown] [--measured BENCH_GPU.csv]
  KERNELS: an object with code for sm_90, as build/cuda_check/kernels_0.o of cmake/check_cuda.sh
SPDX-License-Identifier: MIT
"""
import argparse
import csv
import math
import os
import re
import subprocess

import sass

HERE = os.path.dirname(os.path.abspath(__file__))
# SMs, clock in Hz (below the highest boost, 1.98 GHz), DRAM in bytes a second: NVIDIA's data sheets
# of the SXM modules. L2: 5120 bytes a clock, 8,986 GB/s at 1.755 GHz in table 3 of PMC10448217.
GPUS = {"H100": (132, 1.755e9, 3.35e12), "H200": (132, 1.755e9, 4.8e12)}
L2_PER_CLOCK, L2_BYTES = 5120, 50e6
EFFICIENCY = 0.6
LAUNCH = 2e-6         # seconds; a replayed graph needs less
LATENCY = 700         # clocks of a load that leaves the SM, under load
TABLE_SHARE = 0.5     # of L2 that radial tables may keep
GATHER = 3            # times that a row gathered by neighbours comes from DRAM, atoms in spatial order
R, C, ROW = 4, 128, 512  # bytes of a real, channels, bytes of a row of channels


class Shape:
    """A model's shape: paths of each layer by l1 -> [l3]; outputs of the contraction."""

    def __init__(self, paths, outputs, tables):
        self.paths, self.outputs, self.tables = paths, outputs, tables

    def slots(self, t, l1=None):
        """Rows of the aggregate."""
        return sum(2 * l3 + 1 for k, ls in self.paths[t].items() if l1 in (None, k) for l3 in ls)

    def couplings(self, t, l1=None):
        return sum((2 * k + 1) * (2 * l3 + 1)
                   for k, ls in self.paths[t].items() if l1 in (None, k) for l3 in ls)

    def n_path(self, t, l1=None):
        return sum(len(ls) for k, ls in self.paths[t].items() if l1 in (None, k))

    def features(self, t):
        return sum(2 * k + 1 for k in self.paths[t])


SCALAR = {0: [0, 1, 2, 3]}
# Tables: bytes of each layer's for ten pairs of elements (H, C, O, Zn), as the program makes them.
SHAPES = {
    "medium": Shape([SCALAR, {0: [0, 1, 2, 3], 1: [0, 1, 1, 2, 2, 3]}], [4, 1], [12.5e6, 48.4e6]),
    "small": Shape([SCALAR, SCALAR], [1, 1], [14.5e6, 23.7e6]),
}


def add(total, ops, times):
    for op, n in ops.items():
        total[op] = total.get(op, 0) + n * times


def own(loop):
    """Instruction classes of one run of a loop's own instructions."""
    ops = {}
    for _, _, op, _ in loop.own:
        ops[op] = ops.get(op, 0) + 1
    return ops


def leaves(loop):
    return [x for i in loop.inner for x in leaves(i)] if loop.inner else [loop]


def count(ops, name):
    return sum(n for op, n in ops.items() if op.split(".")[0] == name)


def iterate(root, total, iterations, marker="STG", each=1):
    """The kernel once and the longest of its innermost loops, of which the compiler may have unrolled
    several runs: as many as `marker` is in it, `each` in a run."""
    add(total, own(root), 1)
    longest = max(leaves(root), key=lambda x: len(x.own))
    ops = own(longest)
    add(total, ops, iterations * each / max(each, count(ops, marker)))


def everything(loop, total, times=1):
    """Straight-line estimate: every loop as often as `times`."""
    add(total, own(loop), times)
    for i in loop.inner:
        everything(i, total, times)


def products(loop):
    return sum(1 for c in loop.own if c[2] in ("FFMA", "FMUL"))


def edge_loops(root):
    """[(stage, edge, put)] of l3 = 3, 2, 1, 0: the loops over 16 edges that hold one over edges."""
    found = []

    def look(loop):
        heavy = [i for i in loop.inner if products(i) > 20]
        if heavy and any(products(i) >= 0.4 * products(loop) for i in heavy):
            for h in heavy:
                if not h.inner or all(products(i) < 5 for i in h.inner):
                    found.append((loop, h, [i for i in loop.inner if i is not h]))
        for i in loop.inner:
            look(i)

    look(root)
    found.sort(key=lambda f: -products(f[1]))
    if len(found) != 4:
        raise SystemExit("gpu_model: %d loops over edges, not 4: the kernel has changed" % len(found))
    return found


def convolution(root, l1, l3s, edges, reverse):
    """Per owner, all paths of one l1."""
    total, stages = {}, math.ceil(edges / 16 + 0.25)
    inside = set()
    for l3, (stage, edge, put) in zip((3, 2, 1, 0), edge_loops(root)):
        inside.update(id(x) for x in (stage, edge, *put))
        n = l3s.count(l3)
        add(total, own(stage), n * stages)
        add(total, own(edge), n * edges)
        for p in put:
            add(total, own(p), n * stages * math.ceil((2 * l1 + 1) * (2 * l3 + 1) / 2 / 4))
    warps = 1 if reverse else len(l3s)

    def rest(loop, times):
        add(total, own(loop), times)
        for i in loop.inner:
            if id(i) not in inside:
                rest(i, times)

    rest(root, warps if not reverse else 1)
    return total


WIDE = {"128": 4, "64": 2}


def units(total, lds_quad=1):
    """(issue, load-store wavefronts, FP64, special) of instruction counts."""
    issue = lsu = double = special = 0
    for op, n in total.items():
        name, parts = op.split(".")[0], op.split(".")[1:]
        issue += n
        wide = max([WIDE.get(p, 1) for p in parts] or [1])
        if name in ("LDG", "STG", "LD", "ST"):
            lsu += n * wide
        elif name == "LDS":
            lsu += n * (lds_quad if wide == 4 else 1)
        elif name == "STS":
            lsu += n * wide
        elif name in ("SHFL", "ATOMS"):
            lsu += n
        if name[0] == "D" and name in ("DADD", "DMUL", "DFMA", "DSETP", "DMNMX"):
            double += n
        if name in ("MUFU", "F2F", "F2I", "I2F", "I2D", "F2D", "FRND"):
            special += n
    return issue, lsu, double, special


class Launch:
    def __init__(self, name, grid, block, phase):
        self.name, self.grid, self.block, self.phase = name, grid, block, phase
        self.work, self.warps, self.l2, self.dram, self.chain = {}, 0, 0, 0, 2
        self.flops, self.lds_quad = 0, 1


def table_bytes(shape, t, reads):
    """Of reads of a radial table from L2, what DRAM has to give."""
    size, room = shape.tables[t], TABLE_SHARE * L2_BYTES
    return min(size, room) + reads * max(0, 1 - room / size)


def describe(x, shape, tree, n, e, listed):
    """Fills in work per warp, warps, bytes. n atoms, e edges per atom; phase 0, 1 forward layers, 2, 3
    the reverse of layers 1, 0."""
    t = x.phase if x.phase < 2 else 3 - x.phase
    base = re.match(r"\w+", x.name).group(0)
    edges = n * e
    q = shape.couplings(t)
    root = tree.get(x.name)
    work = x.work
    conv = re.match(r"conv_(forward|reverse)_kernel<(\d),6(?:,(\d))?>", x.name)
    if conv:
        l1, reverse = int(conv.group(2)), conv.group(1) == "reverse"
        l3s = shape.paths[t][l1]
        add(work, convolution(root, l1, l3s, e, reverse), 1)
        x.warps = n
        piece = len(l3s) * C * 6 * R
        slots, rows = shape.slots(t, l1) * ROW, (2 * l1 + 1) * ROW
        own_q = shape.couplings(t, l1) * R
        scalars = 16 + (16 * len(l3s) if reverse else 0)
        by_center = conv.group(3) == "1"
        # The first layer's rows are one per element and stay in the first level of cache.
        gather = slots if reverse and not by_center else rows
        if reverse:
            kept = slots if by_center else 2 * rows
            x.l2 = edges * (piece + (0 if by_center else gather) + 2 * own_q + scalars) + n * kept
            x.dram = table_bytes(shape, t, edges * piece) + n * kept + edges * (2 * own_q + scalars)
            x.dram += n * slots * GATHER if not by_center else 0
        else:
            x.l2 = edges * (piece + (rows if t else 0) + own_q + scalars) + n * slots
            x.dram = table_bytes(shape, t, edges * piece) + n * slots + edges * (own_q + scalars)
            x.dram += n * rows * GATHER if t else 0
        x.chain = (len(l3s) if reverse else 1) * (2 * math.ceil(e / 16 + 0.25) + e)
        return
    x.warps = n / 32
    if base.startswith("contraction_selected"):
        reverse = "reverse" in base
        atoms = 2 if reverse else 4
        layer = {0: 0, 1: 1, 2: 0}[x.phase]  # phase 2: behind the convolution of the layer above
        outputs = shape.outputs[layer]
        everything(root, work, {4: 1, 1: 0.25}[outputs])
        x.warps = listed / atoms * C / 32
        stream = 4 * {4: 492, 1: 123}[outputs] * 32 * 4
        x.l2 = listed / (4 * atoms) * stream + listed * ROW * (16 * (2 if reverse else 1) + outputs)
        x.dram = listed * ROW * (16 * (2 if reverse else 1) + outputs) + stream
        x.chain = 6
    elif base == "linear_listed_kernel":
        columns, k = 128, listed[1]
        loop = [i for i in root.inner if products(i) > 100]
        if len(loop) != 1:
            raise SystemExit("gpu_model: linear_listed_kernel has changed")
        add(work, own(root), 1)
        add(work, own(loop[0]), k / 16)
        x.lds_quad = 4 / 3
        rows = listed[0]
        x.warps = math.ceil(rows / 64) * (columns / 64) * 4
        x.l2 = math.ceil(rows / 64) * (columns / 64) * (64 * 2 * k * R) + rows * columns * R
        x.dram = rows * (k + columns) * R
        x.chain = 2 + k / 16
    elif base == "edge_gather_kernel":
        iterate(root, work, math.ceil(e / 32), each=5)
        x.warps, x.l2 = n, edges * 36 + n * 12
        x.dram, x.chain = x.l2, 4
    elif base in ("edge_geometry_kernel", "edge_gradient_kernel", "radial_locate_kernel"):
        everything(root, work, 1 if base != "radial_locate_kernel" else 3)
        per_edge = {"edge_geometry_kernel": 4 + 24 + 8 + 12 + 64,
                    "edge_gradient_kernel": 4 + 8 + 12 + 64 + 8 + 48,
                    "radial_locate_kernel": 8 + 8 + 8 + 4 + 8}[base]
        x.warps, x.l2, x.dram, x.chain = edges / 32, edges * per_edge, edges * per_edge, 6
    elif base == "coupling_forward_kernel":
        add(work, own(root), 1)
        for loop in root.inner:  # one term a coupling, nearly
            everything(loop, work, q)
        x.warps, x.chain = edges / 32, q
        x.l2 = x.dram = edges * R * (16 + q)
    elif base == "coupling_reverse_kernel":
        iterate(root, work, q, "LDG", 4)
        add(work, {"STS": 16, "LDS": 16, "STG": 16, "IADD3": 48}, 1)
        x.warps, x.chain = edges / 32, q / 4
        x.l2 = x.dram = edges * R * (16 + q)
    elif base in ("density_forward_kernel", "density_reverse_kernel"):
        everything(root, work, math.ceil(e / 32))
        x.l2 = x.dram = edges * (8 + 4 + 6 * 32 + 16)
        x.warps, x.chain = n, 3 * math.ceil(e / 32)
    elif base == "zbl_kernel":
        everything(root, work, e)
        x.l2, x.dram, x.chain = edges * 40, edges * 40, e
    elif base == "edge_force_kernel":
        iterate(root, work, 2 * e, "LDG", 4)
        x.l2 = edges * (48 + 4)
        x.dram, x.chain = x.l2, e / 4
    else:  # a warp per atom over the channels of a row, or a thread per atom
        if base in ("species_energy_kernel", "system_sum_kernel"):
            everything(root, work, 1)
            x.l2 = x.dram = n * 24
            if base[1] == "y":  # one block a system
                everything(root, work, n / 128)
                x.warps, x.chain = 4, n / 128
            return
        # Rows of 128 channels that are read and written, and those that a warp walks.
        f = shape.features(1)
        moved, walked = {"scale_forward": (32, 16), "scale_reverse": (48, 16), "dot_forward": (1, 1),
                         "dot_reverse": (2, 1), "gate_forward": (0.25, 0.25),
                         "gate_reverse": (0.4, 0.25), "row_copy": (2 * f, f),
                         "row_add": (3 * f, f)}[base.replace("_kernel", "")]
        rows = listed if listed else n
        iterate(root, work, max(1, 4 * walked), "LDG" if "dot_f" in base else "STG",
                2 if "dot_f" in base else 1)
        x.warps, x.l2, x.dram, x.chain = rows, rows * moved * ROW, rows * moved * ROW, 4


def seconds(x, gpu, blocks_per_sm):
    """Time of the resources, and of the chains of loads."""
    sms, clock, dram = GPUS[gpu]
    if x.flops:
        times = {"issue": x.flops / (2 * 128 * sms * clock), "L2": x.l2 / (L2_PER_CLOCK * clock),
                 "DRAM": x.dram / dram}
        chain = 0
    else:
        issue, lsu, double, special = units(x.work, x.lds_quad)
        times = {"issue": x.warps * issue / (4 * sms * clock),
                 "shared/L1": x.warps * lsu / (sms * clock),
                 "FP64": x.warps * double * 2 / (4 * sms * clock),
                 "special": x.warps * special * 8 / (4 * sms * clock),
                 "L2": x.l2 / (L2_PER_CLOCK * clock), "DRAM": x.dram / dram}
        blocks = max(1.0, x.warps / (x.block / 32))
        chain = math.ceil(blocks / (sms * blocks_per_sm)) * x.chain * LATENCY / clock
    limit = max(times, key=times.get)
    best = times[limit] / EFFICIENCY
    return (best, limit) if best >= chain else (chain, "latency")


def occupancy(path):
    """Blocks per SM of each single-precision kernel on sm_90, for `threads`."""
    table = {}
    for line in open(path):
        f = line.split()
        if line[0] != "#" and f[1] == "single" and f[2] == "90":
            table[f[0]] = (int(f[4]), int(f[5]))
    return table


def blocks_that_fit(figures, name, threads):
    registers, shared = figures.get(name, (64, 0))
    warps = max(1, threads // 32)
    per_warp = (registers + 7) // 8 * 8 * 32
    return max(1, min(32, 64 // warps, 65536 // per_warp // 4 * 4 // warps,
                      228 * 1024 // (shared + 1024)))


def read_trace(path):
    """[(name, a, b, ...)] of the last evaluation in the file."""
    lines = []
    for line in open(path):
        m = re.match(r"^\(?(.*?)\)?((?: \d+)+)$", line.strip())
        name = m.group(1).replace("orders", "6").replace(", ", ",")
        lines.append((name, [int(v) for v in m.group(2).split()]))
    starts = [i for i, x in enumerate(lines) if x[0] == "species_energy_kernel"]
    return lines[starts[-1]:]


def sequence(shape, trace, tree, n, e):
    """The launches for n atoms with e edges each; the trace's are of `traced` atoms."""
    phase, launches, out = -1, read_trace(trace), []
    traced = [v for k, v in launches if k.startswith("conv_forward")][0][0]
    for name, v in launches:
        if name == "edge_gather_kernel":
            phase += 1
        listed = None
        if name == "gemm":
            x = Launch(name, v[0], v[3], phase)  # columns, atoms, inner, rows of an atom
            x.flops = 2.0 * v[0] * v[2] * v[3] * n
            x.dram = x.l2 = R * n * v[3] * (v[0] + v[2])
            out.append(x)
            continue
        x = Launch(name, v[0], v[1], phase)
        if name == "linear_listed_kernel":
            # two tiles of columns; inner products over 128
            listed = (max(1, v[0] / 2) * 64 * n / traced, 128)
        elif name.startswith("contraction_selected"):
            atoms = 2 if "reverse" in name else 4
            listed = v[0] / 4 * 4 * atoms * n / traced  # 4 warps a block, 4 blocks of channels
        elif name == "row_copy_kernel" and v[0] * 4 < traced:
            listed = v[0] * 4 * n / traced
        describe(x, shape, tree, n, e, listed)
        out.append(x)
    return out


def demangled(kernels):
    names = subprocess.run(["c++filt"], input="\n".join(kernels), capture_output=True, text=True,
                           check=True).stdout.splitlines()
    out = {}
    for mangled, name in zip(kernels, names):
        name = name.replace("(anonymous namespace)::", "").replace("(int)", "")
        name = re.sub(r"^void ", "", name).split("(")[0].replace(", ", ",")
        out[name] = sass.loops(kernels[mangled])
    return out


def predict(shape, trace, tree, figures, n, e, gpu):
    """{kernel: [launches, seconds, {limit: seconds}]}, in order."""
    rows = {}
    for x in sequence(shape, trace, tree, n, e):
        s, limit = seconds(x, gpu, blocks_that_fit(figures, x.name, x.block))
        row = rows.setdefault(x.name, [0, 0.0, {}])
        row[0] += 1
        row[1] += s
        row[2][limit] = row[2].get(limit, 0) + s
    return rows


def measured(path, model, n, e):
    """{kernel: us per atom} of bench_gpu's CSV nearest to n and e."""
    lines = [line for line in open(path) if not line.startswith("#")]
    rows = [r for r in csv.DictReader(lines) if r["precision"] == "single" and model in r["model"]]
    rows = [r for r in rows if int(r["edges_per_atom"]) == e]
    if not rows:
        return {}
    best = min(rows, key=lambda r: abs(int(r["atoms"]) - n))["atoms"]
    return {r["kernel"].strip("()").replace("orders", "6").replace(", ", ","): float(r["us_per_atom"])
            for r in rows if r["atoms"] == best}


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("kernels")
    p.add_argument("--edges", default="28,80")
    p.add_argument("--atoms", type=int, default=10000)
    p.add_argument("--model", default="medium", choices=sorted(SHAPES))
    p.add_argument("--gpu", default="H200", choices=sorted(GPUS))
    p.add_argument("--markdown", action="store_true")
    p.add_argument("--measured")
    p.add_argument("--figures", default=os.path.join(HERE, "..", "kernels", "cuda", "figures.txt"))
    a = p.parse_args()
    if not sass.tool("cuobjdump") or not sass.tool("nvdisasm"):
        raise SystemExit("gpu_model: cuobjdump and nvdisasm are needed on PATH or in $EQS_CUDA_TOOLS "
                         "(packages nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm of PyPI)")
    tree = demangled(sass.dump(a.kernels))
    figures = occupancy(a.figures)
    trace = os.path.join(HERE, "gpu_launches", a.model + ".txt")
    edges = [int(v) for v in a.edges.split(",")]
    tables = [predict(SHAPES[a.model], trace, tree, figures, a.atoms, e, a.gpu) for e in edges]
    seen = [measured(a.measured, a.model, a.atoms, e) if a.measured else {} for e in edges]
    line = "| %s |" if a.markdown else "%s"
    print(line % "PREDICTED, not measured: %s, MACE %s, single, %d atoms, us per atom" %
          (a.gpu, a.model, a.atoms) + ("" if not a.markdown else ""))
    head = ["kernel", "launches"]
    for e in edges:
        head += ["%d edges" % e, "limit"] + (["measured", "share"] if a.measured else [])
    rows = []
    for name in sorted(tables[0], key=lambda k: -max(t[k][1] for t in tables)):
        row = [name, "%d" % tables[0][name][0]]
        for t, m in zip(tables, seen):
            us = 1e6 * t[name][1] / a.atoms
            row += ["%.4f" % us, max(t[name][2], key=t[name][2].get)]
            if a.measured:
                row += ["%.4f" % m[name], "%.0f %%" % (60 * us / m[name])] if name in m else ["", ""]
        rows.append(row)
    sums = ["launches, at %.0f us each" % (1e6 * LAUNCH), "%d" % sum(r[0] for r in tables[0].values())]
    total = ["sum", ""]
    for t, m in zip(tables, seen):
        launches = sum(r[0] for r in t.values())
        sums += ["%.4f" % (1e6 * launches * LAUNCH / a.atoms), ""] + ["", ""] * bool(a.measured)
        total += ["%.3f" % (1e6 * (sum(r[1] for r in t.values()) + launches * LAUNCH) / a.atoms), ""]
        if a.measured:
            total += ["%.3f" % m["launches"] if "launches" in m else "", ""]
    rows += [sums, total]
    widths = [max(len(r[i]) for r in rows + [head]) for i in range(len(head))]
    for i, r in enumerate([head] + rows):
        text = [c.ljust(w) for c, w in zip(r, widths)]
        print("| " + " | ".join(text) + " |" if a.markdown else "  ".join(text).rstrip())
        if a.markdown and i == 0:
            print("|" + "|".join(" --- " for _ in head) + "|")


if __name__ == "__main__":
    main()
