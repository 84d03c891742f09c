"""Labelled frames for the student: reading, neighbours, batches.

Frames are extended XYZ with REF_energy (eV), REF_forces (eV/angstrom), `host`, `group`, `kind`,
`gas`, `source`, tags 0 for the framework and 1 for guests.  A group is an empty framework geometry
and the same with guests; a guest frame's interaction energy is its energy less that of the group's
empty frame and of each guest alone.  Guests alone are evaluated in the shape they have in the
frame if the file gives REF_interaction, else in the shape of the file's isolated molecule.
"""

import hashlib
import os
import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from label import SIZES

VERSION = 2  # of what the cache holds
SKIN = 0.05  # angstrom beyond the cutoff: room for the displacements of training


class DataError(Exception):
    """A file that cannot be used, with its name, frame and cure."""


class Frame:
    """One structure with its labels and neighbours, sorted by centre.

    energy: eV, without ZBL and without the elements' E0 once `Data.fit_e0` ran; force [n,3];
    kinds [n]: indices into the model's elements; guest [n]: atoms of guests.
    """

    def __init__(self, atoms, where, model_numbers, r_max, zbl):
        self.where = where
        index = {z: k for k, z in enumerate(model_numbers)}
        missing = sorted({s for s, z in zip(atoms.symbols, atoms.numbers) if z not in index})
        if missing:
            raise DataError(f"{where}: the model has no {', '.join(missing)}; add to --elements")
        self.kinds = np.array([index[z] for z in atoms.numbers], dtype=np.int32)
        self.pos = atoms.positions.astype(np.float64)
        self.cell = atoms.cell.array.astype(np.float64)
        self.guest = atoms.get_tags() == 1
        self.neighbours(atoms, r_max + SKIN)
        self.zbl_energy, self.zbl_force = zbl(atoms.numbers, self.pos, self.sender, self.centre(),
                                              self.images @ self.cell)
        self.energy = self.force = self.interaction = None

    def neighbours(self, atoms, cutoff):
        from matscipy.neighbours import neighbour_list

        if atoms.cell.rank < 3 or not atoms.pbc.any():
            d = np.linalg.norm(self.pos[:, None] - self.pos, axis=2)
            sender, centre = np.nonzero((d < cutoff) & ~np.eye(len(d), dtype=bool))
            images = np.zeros((len(sender), 3), int)
        else:
            sender, centre, images = neighbour_list("ijS", atoms, cutoff)
        order = np.argsort(centre, kind="stable")
        self.sender = sender[order].astype(np.int32)
        self.images = images[order].astype(np.int8)
        self.degree = np.bincount(centre, minlength=len(atoms)).astype(np.int32)

    def centre(self):
        return np.repeat(np.arange(len(self.degree)), self.degree)

    def __len__(self):
        return len(self.kinds)


class Group:
    """Frames that belong together: empty (may be None), guest frames, their guests alone."""

    def __init__(self):
        self.empty, self.guests, self.alone = None, [], []


def guest_parts(atoms, where):
    """Slices of a frame's guests, one per molecule."""
    names = str(atoms.info["gas"]).split("+")
    at, parts = int((atoms.get_tags() == 0).sum()), []
    rest = len(atoms) - at
    if len(names) == 1:
        names = names * (rest // SIZES.get(names[0], rest))
    for name in names:
        parts.append(slice(at, at + SIZES.get(name, 0)))
        at += SIZES.get(name, 0)
    if at != len(atoms):
        raise DataError(f"{where}: gas={atoms.info['gas']} does not match {rest} guest atoms; "
                        f"known are {', '.join(SIZES)}, joined by +, guests after the framework")
    return names, parts


def regime(info, interaction):
    """What an interaction energy is counted under."""
    if interaction is None:
        return "none"
    if interaction > 0.5:
        return "repulsion"
    if "regime" in info:
        return str(info["regime"])
    return "weak" if info.get("pose") == "far" else "equilibrium"


class Data:
    """Groups of frames, split into training and validation by host."""

    def __init__(self, numbers, r_max, zbl):
        self.numbers, self.r_max, self.zbl = numbers, r_max, zbl
        self.groups = defaultdict(Group)
        self.molecules = {}  # (source, gas) -> frame of least energy
        self.singles = []  # gas and dimer frames with forces and energies of their own
        self.hosts = set()
        self.left_out = defaultdict(int)

    def read(self, path, limit=None):
        """Adds a file.  What was made of it is kept in the cache for the next run."""
        import ase.io

        state = os.stat(path)
        key = repr((os.path.abspath(path), state.st_size, state.st_mtime_ns, self.numbers,
                    self.r_max, limit, VERSION))
        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "equisorb-train"
        kept = cache / f"frames-{hashlib.sha256(key.encode()).hexdigest()[:16]}.pickle"
        if kept.exists():
            some = pickle.loads(kept.read_bytes())
        else:
            some = []
            for number, atoms in enumerate(ase.io.iread(path, index=":")):
                if limit is not None and number >= limit:
                    break
                some.append(self.prepare(atoms, f"{path}: frame {number}"))
            cache.mkdir(parents=True, exist_ok=True)
            partial = kept.with_suffix(f".{os.getpid()}")
            partial.write_bytes(pickle.dumps(some, protocol=4))
            os.replace(partial, kept)
        for frame in some:
            self.add(frame)

    def add(self, frame):
        """Puts a prepared frame (or the reason why there is none) into its group."""
        if isinstance(frame, str):
            self.left_out[frame] += 1
            return
        self.hosts.add(frame.host)
        if frame.kind == "gas":
            best = self.molecules.get((frame.source, frame.gas))
            if best is None or frame.energy < best.energy:
                self.molecules[(frame.source, frame.gas)] = frame
            self.singles.append(frame)
            return
        group = self.groups[(frame.source, frame.group)]
        if frame.kind == "empty":
            group.empty = frame
        else:
            group.guests.append(frame)

    def prepare(self, atoms, where):
        """A frame from one of ASE; a text if it is left out."""
        import ase

        info = atoms.info
        info.setdefault("group", info.get("name"))
        floor = info.get("REF_floor")
        for key in ("REF_energy", "kind", "group"):
            if info.get(key) is None and (key != "REF_energy" or floor is None):
                raise DataError(f"{where}: no {key}= in the comment line; see models/train/README")
        if "REF_forces" not in atoms.arrays and floor is None:
            raise DataError(f"{where}: no column REF_forces; see models/train/README")
        atoms = atoms[np.argsort(atoms.get_tags(), kind="stable")]  # guests last
        info = atoms.info
        if "pair" in info:  # dft.py tells the two apart by their tags
            info["gas"] = info["pair"].replace("-", "+")
            atoms.set_tags(1)
        try:
            frame = Frame(atoms, where, self.numbers, self.r_max, self.zbl)
        except DataError as error:
            return str(error).split(": ", 2)[-1]
        frame.floor = floor is not None  # the interaction energy is at least that
        if not frame.floor:
            frame.energy = float(info["REF_energy"]) - frame.zbl_energy
            frame.force = atoms.arrays["REF_forces"].astype(np.float64) - frame.zbl_force
        frame.source = str(info.get("source", "teacher"))
        frame.kind, frame.group = str(info["kind"]), str(info["group"])
        frame.host, frame.gas = str(info.get("host", "gas")), str(info.get("gas", ""))
        frame.alone = []
        if frame.kind in ("empty", "gas"):
            return frame
        frame.names, parts = guest_parts(atoms, where)
        frame.info = {k: info[k] for k in ("regime", "pose") if k in info}
        frame.given = info.get("REF_interaction", floor)
        if frame.given is not None:
            frame.given = float(frame.given)
            for part in parts:
                whole = atoms.positions[part] - atoms.positions[part][0]
                if atoms.pbc.any():
                    whole -= np.rint(whole @ np.linalg.inv(atoms.cell.array)) @ atoms.cell.array
                some = ase.Atoms(atoms.numbers[part], positions=whole, pbc=False)
                some.set_tags(1)
                frame.alone.append(Frame(some, where, self.numbers, self.r_max, self.zbl))
        return frame

    def finish(self):
        """Interaction energies without ZBL; frames that lack what they need keep only forces."""
        for group in self.groups.values():
            for frame in group.guests:
                base = group.empty.zbl_energy if group.empty else 0.0
                if frame.given is None:
                    alone = [self.molecules.get((frame.source, g)) for g in frame.names]
                    if group.empty is None and frame.kind == "guest" or None in alone:
                        self.left_out["no empty frame or isolated molecule of the source"] += 1
                        continue
                    frame.alone = alone
                    frame.interaction = (frame.energy - (group.empty.energy if group.empty else 0)
                                         - sum(a.energy for a in alone))
                    frame.label = (frame.interaction + frame.zbl_energy - base
                                   - sum(a.zbl_energy for a in alone))
                elif group.empty is None and frame.kind == "guest":
                    self.left_out["no empty frame"] += 1
                else:
                    frame.label = frame.given
                    frame.interaction = (frame.given - frame.zbl_energy + base
                                         + sum(a.zbl_energy for a in frame.alone))
            for frame in group.guests:
                frame.regime = regime(frame.info, getattr(frame, "label", None))

    def totals(self):
        """Frames whose total energy is learnt."""
        return [g.empty for g in self.groups.values() if g.empty] + self.singles

    def fit_e0(self, ridge=1e-3):
        """Energies per element by least squares over totals, eV; all of sources alike."""
        frames = self.totals()
        count = np.zeros((len(frames), len(self.numbers)))
        for row, frame in zip(count, frames):
            row += np.bincount(frame.kinds, minlength=len(self.numbers))
        size = count.sum(1, keepdims=True)
        target = np.array([f.energy for f in frames])[:, None] / size
        count = count / size
        matrix = count.T @ count + ridge / len(self.numbers) * np.eye(len(self.numbers))
        middle = target.mean()
        return middle + np.linalg.solve(matrix, count.T @ (target - middle))[:, 0]

    def subtract(self, e0):
        """Takes the elements' energies (and the shift) off all labels of totals."""
        for frame in {id(f): f for f in self.totals()}.values():
            frame.energy -= float(e0[frame.kinds].sum())


def assemble(frames):
    """(Graph, positions, order): one batch of frames, atoms sorted by element."""
    from mace_torch import Graph

    size = np.array([len(f) for f in frames])
    first = np.concatenate([[0], np.cumsum(size)])
    kinds = np.concatenate([f.kinds for f in frames])
    order = np.argsort(kinds, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sender = np.concatenate([f.sender + a for f, a in zip(frames, first)])
    shift = np.concatenate([f.images @ f.cell for f in frames])
    degree = np.concatenate([f.degree for f in frames])
    begin = np.concatenate([[0], np.cumsum(degree)[:-1]])
    start = np.concatenate([[0], np.cumsum(degree[order])])
    edge = np.arange(start[-1]) + np.repeat(begin[order] - start[:-1], degree[order])
    present, kind = np.unique(kinds[order], return_inverse=True)
    frame = np.repeat(np.arange(len(frames)), size)[order]
    graph = Graph(torch.from_numpy(start.astype(np.int32)),
                  torch.from_numpy(place[sender[edge]].astype(np.int32)),
                  torch.from_numpy(np.ascontiguousarray(shift[edge])),
                  torch.from_numpy(kind.astype(np.int32)),
                  torch.from_numpy(present.astype(np.int64)), torch.from_numpy(frame), len(frames))
    pos = torch.from_numpy(np.concatenate([f.pos for f in frames])[order])
    return graph, pos, order


class Batch:
    """Frames to evaluate and what is to be learnt from them, as tensors.

    Interactions are rows of `pairs`: energy of frame a less those of frames b, c, ...
    """

    def __init__(self, chunks, weights):
        frames, index = [], {}
        rows, columns, signs = [], [], []
        self.interactions, self.total_frames = [], []

        def place(frame):
            if id(frame) not in index:
                index[id(frame)] = len(frames)
                frames.append(frame)
            return index[id(frame)]

        for empty, guests in chunks:
            if empty is not None:
                self.total_frames.append(place(empty))
            for frame in guests:
                at = place(frame)
                if frame.kind == "gas":
                    self.total_frames.append(at)
                    continue
                if frame.interaction is None:
                    continue
                row = len(self.interactions)
                self.interactions.append(frame)
                parts = [(at, 1.0)] + [(place(a), -1.0) for a in frame.alone]
                if frame.kind == "guest":
                    parts.append((place(empty), -1.0))
                for column, sign in parts:
                    rows.append(row), columns.append(column), signs.append(sign)
        self.frames = frames
        self.graph, self.pos, self.order = assemble(frames)
        self.pairs = torch.zeros(len(self.interactions), len(frames), dtype=torch.float64)
        for a, b, s in zip(rows, columns, signs):
            self.pairs[a, b] += s
        double = torch.float64
        self.interaction = torch.tensor([f.interaction for f in self.interactions], dtype=double)
        self.floor = torch.tensor([f.floor for f in self.interactions], dtype=torch.bool)
        label = torch.tensor([f.label for f in self.interactions], dtype=double)
        trust = torch.tensor([weights.get(f.source, 1.0) for f in self.interactions], dtype=double)
        high = label.clamp(min=0)
        self.interaction_weight = trust / (1 + 2 * high) / (1 + (high / 5) ** 2)
        self.total_index = torch.tensor(self.total_frames, dtype=torch.long)
        some = [frames[k] for k in self.total_frames]
        self.total = torch.tensor([f.energy for f in some], dtype=double)
        self.total_size = torch.tensor([float(len(f)) for f in some], dtype=double)
        self.total_gas = torch.tensor([f.kind == "gas" for f in some])
        self.total_trust = torch.tensor([weights.get(f.source, 1.0) for f in some], dtype=double)
        have = [f.force is not None for f in frames]
        force = [f.force if h else np.zeros((len(f), 3)) for f, h in zip(frames, have)]
        trust = [np.full(len(f), weights.get(f.source, 1.0) if h else 0.0)
                 for f, h in zip(frames, have)]
        self.force = torch.from_numpy(np.concatenate(force)[self.order])
        self.force_weight = torch.from_numpy(np.concatenate(trust)[self.order])
        self.guest = torch.from_numpy(np.concatenate([f.guest for f in frames])[self.order])


def chunks_of(groups, singles, guests_at_once, random=None):
    """All work of one pass: (empty, some of its guest frames); shuffled with `random`."""
    out = []
    for group in groups:
        guests = list(group.guests)
        if random is not None:
            random.shuffle(guests)
        if group.empty is None:
            out += [(None, [g]) for g in guests]
            continue
        for at in range(0, max(len(guests), 1), guests_at_once):
            out.append((group.empty, guests[at:at + guests_at_once]))
    out += [(None, [frame]) for frame in singles]
    if random is not None:
        random.shuffle(out)
    return out


def batches_of(chunks, atoms):
    """Lists of chunks of about `atoms` atoms."""
    batch, size = [], 0
    for empty, guests in chunks:
        n = (len(empty) if empty else 0) + sum(len(g) for g in guests)
        if batch and size + n > 1.25 * atoms:
            yield batch
            batch, size = [], 0
        batch.append((empty, guests))
        size += n
        if size >= atoms:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def read_names(path):
    """Host names, one per line; # starts a comment."""
    lines = Path(path).read_text().splitlines()
    return {line.split("#")[0].strip() for line in lines} - {""}
