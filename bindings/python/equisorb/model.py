"""Models and the evaluation of batches. SPDX-License-Identifier: MIT"""
import dataclasses
import threading
import typing
from ctypes import POINTER, byref, c_char_p, c_double, c_int

import numpy as np

from ._library import (Handle, eqs_model_info, eqs_model_options, eqs_model_write_options,
                       eqs_read_options, eqs_result, eqs_systems, lib, text_or_none)

PRECISIONS = {"single": 0, "double": 1}


@dataclasses.dataclass
class Structure:
    """Atoms; ase.Atoms are as welcome wherever one of these is."""
    numbers: np.ndarray  # [n] atomic numbers
    positions: np.ndarray  # [n, 3] angstrom
    cell: np.ndarray = None  # [3, 3] rows are lattice vectors; None: nothing is periodic
    pbc: typing.Any = False  # one or three truth values
    name: str = ""


@dataclasses.dataclass
class Evaluation:
    """Of a batch, in its order. What was not wanted is None."""
    energy: np.ndarray  # [n_system] eV
    energies: list  # of [n] eV per atom
    forces: list  # of [n, 3] eV/angstrom
    stress: np.ndarray  # [n_system, 3, 3] eV/angstrom^3; 0 for a system without a volume
    # Of a model with a committee:
    uncertainty: np.ndarray = None  # [n_system] eV, one standard error of the energy
    committee: np.ndarray = None  # [n_system, n_member] eV, each member's energy minus the model's
    novelty: list = None  # of [n]; above 1: unlike anything that the model was trained on


def _pointer(array, kind):
    return None if array is None else array.ctypes.data_as(POINTER(kind))


class Batch:
    """Structures one behind the other, as the library reads them; keeps the arrays alive."""

    def __init__(self, structures):
        self.count = [len(s.numbers) for s in structures]
        self.first = np.concatenate([[0], np.cumsum(self.count)]).astype(np.intc)
        n = int(self.first[-1])
        self.number = np.empty(n, np.intc)
        self.position = np.empty((n, 3))
        self.cell = np.zeros((len(structures), 3, 3))
        self.pbc = np.zeros((len(structures), 3), np.intc)
        for k, s in enumerate(structures):
            part = slice(self.first[k], self.first[k + 1])
            self.number[part] = s.numbers
            self.position[part] = s.positions
            if s.cell is not None:
                self.cell[k] = np.asarray(s.cell)
                self.pbc[k] = np.asarray(s.pbc, dtype=bool)
        self.systems = eqs_systems(
            n_system=len(structures), first=_pointer(self.first, c_int),
            number=_pointer(self.number, c_int), position=_pointer(self.position, c_double),
            cell=_pointer(self.cell, c_double), pbc=_pointer(self.pbc, c_int))

    def split(self, array):
        return None if array is None else np.split(array, self.first[1:-1])


def open_context(device, threads):
    context = Handle("eqs_context_free")
    lib.eqs_context_open(text_or_none(device), context.out())
    lib.eqs_context_set_threads(context.pointer, threads)
    return context


class Model:
    """A published model file (MACE `.model`, SevenNet `.pth`; nothing in it is executed), one of
    Equisorb's own (`.safetensors`), or the name of one of those in a folder of EQUISORB_MODELS.

    precision "single" or "double"; head: of a MACE model with several; modal: channel of a SevenNet
    multi-fidelity model; dispersion "d3bj" or "d3bj:FUNCTIONAL" adds D3; wall "off", "auto" or "on":
    repulsion below the distances that the model was trained on ("auto" for dynamics and insertions); device "auto", "host" or "cuda:N";
    threads 0 = all cores, results do not depend on it. Calls from several threads wait for each
    other."""

    def __init__(self, path, *, precision="single", head=None, modal=None, dispersion=None,
                 wall="off", device="auto", threads=0):
        if precision not in PRECISIONS:
            raise ValueError("precision is 'single' or 'double', not %r" % (precision,))
        self.context = open_context(device, threads)
        self.handle = Handle("eqs_model_free")
        self.lock = threading.Lock()
        options = eqs_model_options(head=text_or_none(head), modal=text_or_none(modal),
                                    precision=PRECISIONS[precision],
                                    dispersion=text_or_none(dispersion),
                                    wall=text_or_none(wall))
        lib.eqs_model_load(self.context.pointer, text_or_none(path), byref(options),
                           self.handle.out())

    @property
    def info(self):
        """What the file holds: family, cutoff (angstrom), elements, heads, sha256 and more."""
        info = eqs_model_info()
        lib.eqs_model_info_get(self.handle.pointer, byref(info))
        values = info.as_dict()
        values["elements"] = [info.elements[i] for i in range(info.n_element)]
        values["heads"] = [info.heads[i].decode() for i in range(info.n_head)]
        values["precision"] = list(PRECISIONS)[info.precision]
        for name in ("n_element", "n_head"):
            del values[name]
        return values

    @property
    def metadata(self):
        """Of a file of Equisorb's own format: a dict of strings, the configuration included; empty
        for other files."""
        found, key, value = {}, c_char_p(), c_char_p()
        while True:
            lib.eqs_model_metadata(self.handle.pointer, len(found), byref(key), byref(value))
            if key.value is None:
                return found
            found[key.value.decode()] = value.value.decode()

    def write(self, path, *, overwrite=False, **metadata):
        """The model, all its heads or channels, as one safetensors file of Equisorb's own format,
        with metadata such as licence="MIT", functional="PBE", dispersion="d3bj:pbe"; None takes one
        away. Precision, dispersion and wall of this object do not matter."""
        n = len(metadata)
        keys = (c_char_p * n)(*(k.encode() for k in metadata))
        values = (c_char_p * n)(*((v or "").encode() for v in metadata.values()))
        options = eqs_model_write_options(overwrite=overwrite, n=n, keys=keys, values=values)
        lib.eqs_model_write(self.handle.pointer, text_or_none(path), byref(options))

    def evaluate(self, structures, *, energies=True, forces=True, stress=True, uncertainty=False):
        """Energies, forces and stress of a structure or a list of them, in one call. What is not
        wanted is not computed. uncertainty=True: of models with a committee (info["n_member"]), how
        sure the model is. Where energies are subtracted, subtract their rows of `committee`: the
        error of the difference is the root mean square of what is left."""
        if hasattr(structures, "positions"):
            structures = [structures]
        batch = Batch(structures)
        n, n_system = len(batch.number), len(batch.count)
        energy = np.empty(n_system)
        per_atom = np.empty(n) if energies else None
        force = np.empty((n, 3)) if forces else None
        tensor = np.empty((n_system, 3, 3)) if stress else None
        errors = np.empty(n_system) if uncertainty else None
        members = np.empty((n_system, self.info["n_member"])) if uncertainty else None
        novelty = np.empty(n) if uncertainty else None
        result = eqs_result(energy=_pointer(energy, c_double),
                            energies=_pointer(per_atom, c_double),
                            forces=_pointer(force, c_double), stress=_pointer(tensor, c_double),
                            uncertainty=_pointer(errors, c_double),
                            committee=_pointer(members, c_double),
                            novelty=_pointer(novelty, c_double))
        with self.lock:
            lib.eqs_compute(self.context.pointer, self.handle.pointer, byref(batch.systems),
                            byref(result))
        return Evaluation(energy, batch.split(per_atom), batch.split(force), tensor, errors,
                          members, batch.split(novelty))


def read_handle(path, disorder="refuse"):
    if disorder not in ("refuse", "major"):
        raise ValueError("disorder is 'refuse' or 'major', not %r" % (disorder,))
    handle = Handle("eqs_structures_free")
    options = eqs_read_options(disorder_major=disorder == "major")
    lib.eqs_structures_read(text_or_none(path), byref(options), handle.out())
    return handle


def read(path, disorder="refuse"):
    """The frames of a CIF, XYZ or extended XYZ file as a list of Structure. disorder="major" keeps
    the majority of partly occupied sites, which are refused otherwise."""
    handle, frames = read_handle(path, disorder), []
    for i in range(lib.eqs_structures_count(handle.pointer)):
        view = eqs_systems()
        lib.eqs_structures_view(handle.pointer, i, byref(view))
        n = view.first[1]
        array = np.ctypeslib.as_array
        frames.append(Structure(
            array(view.number, (n,)).copy(), array(view.position, (n, 3)).copy(),
            array(view.cell, (3, 3)).copy() if view.cell else None,
            array(view.pbc, (3,)).astype(bool) if view.pbc else False,
            lib.eqs_structures_name(handle.pointer, i).decode(errors="replace")))
    return frames
