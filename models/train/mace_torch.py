"""A two-layer MACE with scalar features, written for training on few processor threads.

The model is mace-torch's ScaleShiftMACE with RealAgnosticResidualInteractionBlock in both layers
and hidden irreps `C x 0e`; parameters carry mace-torch's names and normalisations, so that a state
moves between the two unchanged.  What is fast here: the radial networks are evaluated on a grid
and interpolated by a cubic B-spline (they depend on the distance alone), sums over neighbours and
products run in compiled loops (mace_kernels.c), and only first derivatives are ever taken.

Units: eV, angstrom.
"""

import ctypes
import hashlib
import math
import copy
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import torch

SOURCE = Path(__file__).with_name("mace_kernels.c")
FLAGS = "-std=gnu11 -O3 -march=native -ffast-math -fopenmp -shared -fPIC".split()


def load_kernels(channels, lmax, dtype):
    """The compiled loops for one size, built with gcc at the first use and kept in the cache."""
    real = {torch.float32: "float", torch.float64: "double"}[dtype]
    build = [os.environ.get("CC", "gcc"), *FLAGS, f"-DREAL={real}", f"-DCHANNELS={channels}",
             f"-DLMAX={lmax}"]
    key = hashlib.sha256(SOURCE.read_bytes() + " ".join(build).encode()).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "equisorb-train"
    target = cache / f"mace-{key}.so"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=".so", dir=cache)
        os.close(handle)
        try:
            subprocess.run([*build, str(SOURCE), "-o", name, "-lm"], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            os.unlink(name)
            raise RuntimeError(f"{SOURCE}: needs gcc (or CC=...) to compile: {error}") from error
        os.replace(name, target)
    return ctypes.CDLL(str(target))


def pointer(t):
    """The address of a contiguous tensor's data; None stays NULL."""
    if t is None:
        return None
    assert t.is_contiguous()
    return ctypes.c_void_p(t.data_ptr())


class Graph:
    """Atoms of a batch sorted by element, their edges sorted by centre.

    start [n+1] and sender [E]: int32; shift [E,3]: float64, added to centre minus sender
    (angstrom); kind [n]: int32, index into `present`, the elements of the batch (indices of the
    model); frame [n]: int64; counts: atoms per present element.
    """

    def __init__(self, start, sender, shift, kind, present, frame, frames):
        self.start, self.sender, self.shift = start, sender, shift
        self.kind, self.present, self.frame, self.frames = kind, present, frame, frames
        self.n = len(kind)
        self.kind_long = kind.long()
        self.counts = torch.bincount(self.kind_long, minlength=len(present)).tolist()


class Edges(torch.autograd.Function):
    """Unit harmonics and lengths of all edges from positions [n,3] in double precision."""

    @staticmethod
    def forward(ctx, pos, graph, model):
        edges = len(graph.sender)
        Y = torch.empty(edges, model.lm, dtype=model.dtype)
        r = torch.empty(edges, dtype=model.dtype)
        model.lib.edges_forward(graph.n, pointer(graph.start), pointer(graph.sender),
                                pointer(graph.shift), pointer(pos), pointer(Y), pointer(r))
        ctx.graph, ctx.model = graph, model
        ctx.save_for_backward(pos)
        return Y, r

    @staticmethod
    def backward(ctx, dY, dr):
        graph, (pos,) = ctx.graph, ctx.saved_tensors
        out = torch.zeros_like(pos)
        ctx.model.lib.edges_reverse(graph.n, pointer(graph.start), pointer(graph.sender),
                                    pointer(graph.shift), pointer(pos), pointer(dY.contiguous()),
                                    pointer(dr.contiguous()), pointer(out))
        return out, None, None


class Message(torch.autograd.Function):
    """M[lm][i][k] = sum over neighbours of Y_lm R_lk h_k."""

    @staticmethod
    def forward(ctx, Y, r, table, h, graph, model):
        out = torch.empty(model.lm, graph.n, model.channels, dtype=model.dtype)
        model.lib.message_forward(graph.n, pointer(graph.start), pointer(graph.sender), pointer(Y),
                                  pointer(r), pointer(table), len(table),
                                  ctypes.c_double(model.inv_h), pointer(h), pointer(out))
        ctx.graph, ctx.model = graph, model
        ctx.save_for_backward(Y, r, table, h)
        return out

    @staticmethod
    def backward(ctx, dM):
        Y, r, table, h = ctx.saved_tensors
        graph, model = ctx.graph, ctx.model
        need = ctx.needs_input_grad
        dY = torch.zeros_like(Y) if need[0] else None
        dr = torch.zeros_like(r) if need[1] else None
        dT = torch.zeros_like(table) if need[2] else None
        dh = torch.zeros_like(h) if need[3] else None
        if model.lib.message_reverse(graph.n, pointer(graph.start), pointer(graph.sender),
                                     pointer(Y), pointer(r), pointer(table), len(table),
                                     ctypes.c_double(model.inv_h), pointer(h),
                                     pointer(dM.contiguous()), pointer(dT), pointer(dh),
                                     pointer(dY), pointer(dr)):
            raise MemoryError("message_reverse")
        return dY, dr, dT, dh, None, None


class Contract(torch.autograd.Function):
    """The symmetric contraction to a scalar per atom and channel."""

    @staticmethod
    def forward(ctx, A, coefficients, graph, model):
        out = torch.empty(graph.n, model.channels, dtype=model.dtype)
        model.lib.contract_forward(graph.n, pointer(graph.kind), model.terms,
                                   pointer(model.program), pointer(A), pointer(coefficients),
                                   pointer(out))
        ctx.graph, ctx.model = graph, model
        ctx.save_for_backward(A, coefficients)
        return out

    @staticmethod
    def backward(ctx, dB):
        A, coefficients = ctx.saved_tensors
        graph, model = ctx.graph, ctx.model
        dA = torch.empty_like(A)
        dc = torch.zeros_like(coefficients) if ctx.needs_input_grad[1] else None
        if model.lib.contract_reverse(graph.n, pointer(graph.kind), len(coefficients), model.terms,
                                      pointer(model.program), pointer(A), pointer(coefficients),
                                      pointer(dB.contiguous()), pointer(dA), pointer(dc)):
            raise MemoryError("contract_reverse")
        return dA, dc, None, None


def fold(U):
    """Sorted products of the couplings U_nu [D]*nu + [P]: ({(a,b,..): row}, matrix [rows, P])."""
    U = U.numpy()
    rows = {}
    for index in zip(*np.nonzero(np.abs(U).max(axis=-1) > 1e-12)):
        key = tuple(sorted(int(m) for m in index))
        rows[key] = rows.get(key, 0) + U[index]
    keys = sorted(k for k, v in rows.items() if np.abs(v).max() > 1e-10)
    return keys, torch.from_numpy(np.stack([rows[k] for k in keys]))


def compile_program(couplings, lm):
    """The nested form of the products (see mace_kernels.c), and per order the terms' numbers."""
    number = {}
    for keys in couplings:
        for key in keys:
            number[key] = len(number)
    pairs = sorted({k[:2] for keys in couplings for k in keys if len(k) > 1})
    first = [number.get((a,), -1) for a in range(lm)]
    pair = [sum(p[0] < a for p in pairs) for a in range(lm + 1)]
    second, two, triple, third, three = [], [], [0], [], []
    triples = [k for k in number if len(k) == 3]
    for p in pairs:
        second.append(p[1])
        two.append(number.get(p, -1))
        for k in triples:
            if k[:2] == p:
                third.append(k[2])
                three.append(number[k])
        triple.append(len(third))
    flat = first + pair + second + two + triple + third + three
    return torch.tensor(flat, dtype=torch.int32), len(number)


def spline_solver(intervals):
    """Sample places (in intervals) and the matrix from samples to cubic B-spline coefficients."""
    places = np.concatenate([np.arange(intervals + 1.0), [0.5, intervals - 0.5]])
    cell = np.minimum(places.astype(int), intervals - 1)
    t = places - cell
    basis = [(1 - t) ** 3 / 6, (4 - 6 * t**2 + 3 * t**3) / 6,
             (4 - 6 * (1 - t) ** 2 + 3 * (1 - t) ** 3) / 6, t**3 / 6]
    matrix = np.zeros((intervals + 3, intervals + 3))
    for p in range(4):
        matrix[np.arange(len(t)), cell + p] += basis[p]
    return places, torch.from_numpy(np.linalg.inv(matrix))


class Student:
    """Parameters under mace-torch's names, and energies of batches.

    reference: a mace-torch model with the wanted hyperparameters (see `build_mace`), from which
    parameters and couplings are taken.
    """

    def __init__(self, reference, dtype=torch.float32, intervals=400):
        state = {k: v.detach().clone() for k, v in reference.state_dict().items()}
        self.dtype = dtype
        self.names = [k for k, v in reference.named_parameters() if v.numel()]
        self.p = {k: state[k].to(dtype).requires_grad_() for k in self.names}
        self.numbers = state["atomic_numbers"].tolist()
        self.r_max = float(state["r_max"])
        self.channels = state["interactions.0.linear_up.weight"].numel() ** 0.5
        self.channels = int(round(self.channels))
        self.avg = [float(block.avg_num_neighbors) for block in reference.interactions]
        self.e0 = state["atomic_energies_fn.atomic_energies"].double().reshape(-1)
        self.scale = float(state["scale_shift.scale"])
        self.shift = float(state["scale_shift.shift"])
        self.silu = float(reference.interactions[0].conv_tp_weights.layer0.act.cst)
        path = "products.0.symmetric_contractions.contractions.0."
        self.correlation = sum(k.startswith(path + "U_matrix") for k in state)
        folded = [fold(state[path + f"U_matrix_{nu}"].double())
                  for nu in range(1, self.correlation + 1)]
        self.lm = state[path + "U_matrix_1"].shape[0]
        self.lmax = math.isqrt(self.lm) - 1
        self.program, self.terms = compile_program([keys for keys, _ in folded], self.lm)
        self.folded = [matrix.to(dtype) for _, matrix in folded]
        self.l_of = torch.tensor([math.isqrt(q) for q in range(self.lm)])
        self.layers = len([k for k in self.names if k.startswith("interactions.0.conv_tp_weights")])
        self.inv_h = intervals / self.r_max
        places, solver = spline_solver(intervals)
        self.solver = solver.to(dtype)
        self.grid = self.bessel(torch.from_numpy(places / self.inv_h), state).to(dtype)
        self.lib = load_kernels(self.channels, self.lmax, dtype)

    def bessel(self, r, state):
        """Bessel functions times the cutoff at distances r [g]: [g, functions]."""
        w = state["radial_embedding.bessel_fn.bessel_weights"].double()
        p = float(state["radial_embedding.cutoff_fn.p"])
        u = r[:, None] / self.r_max
        cut = (1 - (p + 1) * (p + 2) / 2 * u**p + p * (p + 2) * u ** (p + 1)
               - p * (p + 1) / 2 * u ** (p + 2)) * (u < 1)
        return math.sqrt(2 / self.r_max) * w * torch.sinc(w * r[:, None] / math.pi) * cut

    def parameters(self):
        return [self.p[k] for k in self.names]

    def derived(self, present):
        """Everything that does not depend on positions, for the elements `present`."""
        p, c, z = self.p, self.channels, len(self.numbers)
        root = math.sqrt(c)
        out = {}
        h0 = p["node_embedding.linear.weight"].view(z, c)[present] / math.sqrt(z)
        for i in range(2):
            at = f"interactions.{i}."
            up = p[at + "linear_up.weight"].view(c, c) / root
            out[f"up{i}"] = h0 @ up if i == 0 else up
            skip = p[at + "skip_tp.weight"].view(c, z, c)[:, present] / math.sqrt(c * z)
            out[f"skip{i}"] = (torch.einsum("zu,uzw->zw", h0, skip) if i == 0
                               else skip.transpose(0, 1).contiguous())
            x = self.grid
            for layer in range(self.layers):
                x = x @ (p[at + f"conv_tp_weights.layer{layer}.weight"] / math.sqrt(x.shape[1]))
                if layer + 1 < self.layers:
                    x = self.silu * torch.nn.functional.silu(x)
            out[f"table{i}"] = self.solver @ x
            mix = p[at + "linear.weight"].view(self.lmax + 1, c, c) / (root * self.avg[i])
            out[f"mix{i}"] = mix[self.l_of]
            path = f"products.{i}.symmetric_contractions.contractions.0."
            parts = []
            for nu in range(1, self.correlation + 1):
                k = self.correlation - nu
                w = p[path + ("weights_max" if k == 0 else f"weights.{k - 1}")][present]
                parts.append(torch.einsum("tp,zpc->ztc", self.folded[nu - 1], w))
            out[f"terms{i}"] = torch.cat(parts, 1)
            out[f"out{i}"] = p[f"products.{i}.linear.weight"].view(c, c) / root
        out["read0"] = p["readouts.0.linear.weight"] / root
        hidden = p["readouts.1.linear_2.weight"].numel()
        out["read1"] = p["readouts.1.linear_1.weight"].view(c, hidden) / root
        out["read2"] = p["readouts.1.linear_2.weight"] * (self.silu / math.sqrt(hidden))
        return out

    def layer(self, i, Y, r, h, d, graph):
        message = Message.apply(Y, r, d[f"table{i}"], h.contiguous(), graph, self)
        A = torch.bmm(message, d[f"mix{i}"])
        return Contract.apply(A, d[f"terms{i}"], graph, self) @ d[f"out{i}"]

    def atoms(self, pos, graph, d):
        """Energies of atoms [n] (eV) without E0, shift and ZBL; pos [n,3] float64 (angstrom)."""
        Y, r = Edges.apply(pos, graph, self)
        h1 = self.layer(0, Y, r, d["up0"][graph.kind_long], d, graph)
        h1 = h1 + d["skip0"][graph.kind_long]
        skip = [part @ d["skip1"][z] for z, part in enumerate(h1.split(graph.counts))]
        h2 = self.layer(1, Y, r, h1 @ d["up1"], d, graph) + torch.cat(skip)
        e = h1 @ d["read0"] + torch.nn.functional.silu(h2 @ d["read1"]) @ d["read2"]
        return e * self.scale

    def energies(self, pos, graph, d):
        """Energies of frames [frames] (eV, float64) without E0, shift and ZBL."""
        e = self.atoms(pos, graph, d).double()
        return torch.zeros(graph.frames, dtype=torch.float64).index_add(0, graph.frame, e)

    def energies_forces(self, pos, graph, d):
        """Energies [frames] and forces [n,3] (eV/angstrom), no gradient by parameters."""
        with torch.enable_grad():
            x = pos.detach().requires_grad_()
            d = {k: v.detach() for k, v in d.items()}
            e = self.energies(x, graph, d)
            return e.detach(), -torch.autograd.grad(e.sum(), x)[0]

    def state(self):
        """Parameters by mace-torch's names, detached copies."""
        return {k: v.detach().clone() for k, v in self.p.items()}

    def load(self, state):
        with torch.no_grad():
            for k, v in self.p.items():
                v.copy_(state[k].reshape(v.shape))


def backward(model, graph, pos, d, weight_e, weight_f, step=0.01):
    """Adds to the leaves `d` the gradient of sum(weight_e E) + sum(weight_f F) by parameters.

    weight_e [frames], weight_f [n,3]: derivatives of a loss by energies and forces.  The second
    part is -d/dtheta of the slope of E along weight_f, taken as a central difference over at most
    `step` angstrom per atom: first derivatives are all that is needed, and its error is of second
    order in `step`.
    """
    weight_e, weight_f = weight_e.double(), weight_f.double()
    size = weight_f.norm(dim=1)
    largest = torch.zeros(graph.frames, dtype=torch.float64).index_reduce(
        0, graph.frame, size, "amax", include_self=True)
    eps = step / largest.clamp(min=1e-12)
    move = weight_f * eps[graph.frame][:, None]
    for sign in (1.0, -1.0):
        e = model.energies((pos + sign * move).contiguous(), graph, d)
        e.backward(0.5 * weight_e - sign / (2 * eps))


def leaves(d):
    """Detached copies of derived tensors that gather gradients."""
    return {k: v.detach().contiguous().requires_grad_() for k, v in d.items()}


def build_mace(numbers, e0, channels=64, lmax=3, correlation=3, radial=(64, 64, 64), r_max=5.0,
               bessel=8, cutoff_power=5, avg=30.0, scale=1.0, shift=0.0, readout=16, zbl=True,
               seed=1):
    """mace-torch's model with these hyperparameters, in double precision, freshly drawn."""
    torch.serialization.add_safe_globals([slice])  # e3nn 0.4 loads its constants with it
    from e3nn import o3
    from mace import modules

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)
    try:
        block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
        return modules.ScaleShiftMACE(
            atomic_inter_scale=float(scale), atomic_inter_shift=float(shift), r_max=float(r_max),
            num_bessel=bessel, num_polynomial_cutoff=cutoff_power, max_ell=lmax,
            interaction_cls=block, interaction_cls_first=block, num_interactions=2,
            num_elements=len(numbers), hidden_irreps=o3.Irreps(f"{channels}x0e"),
            MLP_irreps=o3.Irreps(f"{readout}x0e"), atomic_energies=np.asarray(e0, dtype=float),
            avg_num_neighbors=float(avg), atomic_numbers=list(numbers), correlation=correlation,
            gate=torch.nn.functional.silu, pair_repulsion=zbl, radial_MLP=list(radial))
    finally:
        torch.set_default_dtype(before)


def export_mace(reference, state, path):
    """Writes the state into the mace-torch model and saves that whole as a `.model` file, in
    single precision, in which it was trained."""
    full = reference.state_dict()
    for k, v in state.items():
        full[k] = v.double().reshape(full[k].shape)
    reference.load_state_dict(full)
    partial = f"{path}.part"
    torch.save(copy.deepcopy(reference).float(), partial)
    os.replace(partial, path)


def zbl_energies_forces(numbers, pos, sender, centre, shift, power=5):
    """Screened nuclear repulsion as mace-torch has it: energy (eV), forces [n,3], numpy."""
    from ase.data import covalent_radii

    vector = pos[centre] - pos[sender] + shift
    reach = covalent_radii[numbers][sender] + covalent_radii[numbers][centre]
    near = (vector**2).sum(1) < reach**2
    s, c, reach, vector = sender[near], centre[near], reach[near], vector[near]
    r = np.sqrt((vector**2).sum(1))
    z, p = np.asarray(numbers, dtype=float), power
    inverse = (z[s] ** 0.3 + z[c] ** 0.3) / (0.4543 * 0.529)
    front, rate = np.array([[0.1818], [0.5099], [0.2802], [0.02817]]), np.array(
        [[3.2], [0.9423], [0.4028], [0.2016]])
    terms = front * np.exp(-rate * inverse * r)
    phi, d_phi = terms.sum(0), (-rate * inverse * terms).sum(0)
    u = r / reach
    a, b, e = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
    cut = 1 - a * u**p + b * u ** (p + 1) - e * u ** (p + 2)
    d_cut = (-a * p * u ** (p - 1) + b * (p + 1) * u**p - e * (p + 2) * u ** (p + 1)) / reach
    coulomb = 0.5 * 14.3996 * z[s] * z[c] / r
    slope = coulomb * (d_phi * cut + phi * d_cut - phi * cut / r)
    force = np.zeros_like(pos)
    np.add.at(force, c, -(slope / r)[:, None] * vector)
    np.add.at(force, s, (slope / r)[:, None] * vector)
    return float((coulomb * phi * cut).sum()), force
