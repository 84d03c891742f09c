"""Adsorption: Widom insertion, grand canonical and transition-matrix Monte Carlo, pores.

Ctrl-C stops any of them; with a state file or checkpoint the same call goes on from there.
SPDX-License-Identifier: MIT
"""
import contextlib
import csv
import io
import json
import os
import tempfile
from ctypes import byref, c_char_p, c_double

from ._library import (Handle, Watch, eqs_gcmc_options, eqs_pores_options, eqs_pores_summary,
                       eqs_tmmc_conditions, eqs_widom_options, gcmc_watch, lib, pores_watch,
                       take_text, text_or_none, widom_watch)
from .model import Batch, open_context, read_handle

ENERGIES = {"model": 0, "classical": 1, "sum": 2}


class Result:
    """`record`: everything the run says, as the command's --json; `rows`: a dict per line of its
    table, with the names of the command's --csv."""

    def __init__(self, record, table):
        self.record = record
        self.rows = [{name: _number(text) for name, text in row.items()}
                     for row in csv.DictReader(io.StringIO(table))]

    def frame(self):
        """The rows as a pandas.DataFrame."""
        import pandas
        return pandas.DataFrame(self.rows)


def _number(text):
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text or None


def _energy(name, model):
    if name is None:
        name = "classical" if model is None else "model"
    if name not in ENERGIES:
        raise ValueError("energy is one of %s, not %r" % (", ".join(ENERGIES), name))
    if model is None and name != "classical":
        raise ValueError("energy=%r needs a model" % name)
    return ENERGIES[name]


def _values(numbers):
    numbers = list(numbers) if hasattr(numbers, "__iter__") else [numbers]
    return (c_double * len(numbers))(*numbers)


@contextlib.contextmanager
def _path_of(structure):
    """The path of a structure file: as given, or of a file written for a Structure or Atoms."""
    if not hasattr(structure, "positions"):
        yield structure
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "structure.xyz")
        batch = Batch([structure])  # holds the arrays that its systems point to
        lib.eqs_extxyz_write(os.fsencode(path), 0, byref(batch.systems), None)
        yield path


@contextlib.contextmanager
def _prepared(model, structure, threads, disorder):
    """Context, model and structure as the library's functions take them."""
    with _path_of(structure) as path:
        frames = read_handle(path, disorder)
    if model is None:
        context = open_context("host", threads)
        yield context.pointer, None, frames.pointer
        return
    with model.lock:
        yield model.context.pointer, model.handle.pointer, frames.pointer


def widom(model, structure, gas, temperature, *, error=0.05, energy="model", scale=1.0,
          method="importance", surrogate=None, fit=True, pockets="block", max_energies=0, table=0,
          seed=1, state=None, strict=False, disorder="refuse", snapshots=False, progress=None):
    """Henry coefficient (mol/kg/Pa) and heat of adsorption (kJ/mol) at one or several temperatures,
    from one run that stops at a relative error (95 %). structure: a path, Structure or ase.Atoms.
    state: file that energies are kept in. snapshots: the file's frames are snapshots of the empty
    framework. progress: called with a dict."""
    t, out = _values(temperature), Handle("eqs_widom_result_free")
    options = eqs_widom_options(
        gas=text_or_none(gas), n_temperature=len(t), temperature=t, error=error,
        method=text_or_none(method), surrogate=text_or_none(surrogate),
        keep_pockets=pockets == "keep", no_fit=not fit, max_energies=max_energies, table=table,
        seed=seed, disorder_major=disorder == "major", replicate_strict=strict,
        state=text_or_none(state), energy=_energy(energy, model), scale=scale,
        snapshots=snapshots)
    watch = Watch(widom_watch, progress)
    with _path_of(structure) as path, model.lock:
        watch.run(lib.eqs_widom, model.context.pointer, model.handle.pointer, text_or_none(path),
                  byref(options), watch.function, None, out.out())
    record, rows = (take_text(lib.eqs_widom_text, out.pointer, kind) for kind in (b"json", b"csv"))
    return Result(json.loads(record), rows)


def _gcmc_options(gas, temperature, pressure, model, energy, scale, field, surrogate, pockets,
                  equilibration, production, moves, trials, seed, checkpoint, strict):
    """The options, and what they point to."""
    mixture = gas if isinstance(gas, dict) else {gas: 1.0}
    gases = (c_char_p * len(mixture))(*[text_or_none(name) for name in mixture])
    return eqs_gcmc_options(
        n_gas=len(mixture), gases=gases, fraction=_values(mixture.values()),
        temperature=temperature, pressure=pressure, energy=_energy(energy, model), scale=scale,
        no_surrogate=not surrogate, force_field=text_or_none(field), equilibration=equilibration,
        production=production, cycle_moves=moves, trials=trials, seed=seed,
        replicate_strict=strict, checkpoint=text_or_none(checkpoint),
        keep_pockets=pockets == "keep")


def gcmc(model, structure, gas, temperature, pressure, *, energy=None, scale=1.0, field=None,
         surrogate=True, pockets="block", equilibration=0, production=0, moves=0, trials=0, seed=1,
         checkpoint=None, strict=False, disorder="refuse", flexible=False, timestep=0.0,
         md_steps=0, threads=0, progress=None):
    """Uptake at one pressure (Pa) by grand canonical Monte Carlo; a row per gas. gas: a name, or
    {"CO2": 0.15, "N2": 0.85} with mole fractions. model None: the classical energy (`threads` is
    then of this call; else the model's count). structure: a path, Structure or ase.Atoms."""
    options = _gcmc_options(gas, temperature, pressure, model, energy, scale, field, surrogate,
                            pockets, equilibration, production, moves, trials, seed, checkpoint,
                            strict)
    options.flexible, options.timestep, options.md_steps = flexible, timestep, md_steps
    watch, out = Watch(gcmc_watch, progress), Handle("eqs_gcmc_result_free")
    with _prepared(model, structure, threads, disorder) as (context, loaded, frames):
        watch.run(lib.eqs_gcmc, context, loaded, frames, 0, byref(options), watch.function, None,
                  out.out())
    return Result(json.loads(take_text(lib.eqs_gcmc_json, out.pointer)),
                  take_text(lib.eqs_gcmc_csv, out.pointer, 1))


def tmmc(model, structure, gas, temperature, pressure, *, energy=None, scale=1.0, field=None,
         surrogate=True, pockets="block", equilibration=0, production=0, moves=0, trials=0, seed=1,
         checkpoint=None, strict=False, disorder="refuse", max_guests=0, threads=0,
         progress=None):
    """Isotherms of one gas from one transition-matrix run: a row per temperature and pressure. The
    run is at the first temperature, the others are reweighted from it."""
    t, p = _values(temperature), _values(pressure)
    options = _gcmc_options(gas, t[0], p[0], model, energy, scale, field, surrogate, pockets,
                            equilibration, production, moves, trials, seed, checkpoint, strict)
    conditions = eqs_tmmc_conditions(n_pressure=len(p), pressure=p, n_temperature=len(t),
                                     temperature=t, max_guests=max_guests)
    watch, out = Watch(gcmc_watch, progress), Handle("eqs_tmmc_result_free")
    with _prepared(model, structure, threads, disorder) as (context, loaded, frames):
        watch.run(lib.eqs_tmmc, context, loaded, frames, 0, byref(options), byref(conditions),
                  watch.function, None, out.out())
    return Result(json.loads(take_text(lib.eqs_tmmc_json, out.pointer)),
                  take_text(lib.eqs_tmmc_csv, out.pointer))


def pores(structure, *, probe=0.0, spacing=0.0, radii=None, surface_points=0, disorder="refuse",
          threads=0, progress=None):
    """Diameters (angstrom), volumes and surfaces of a framework's empty space, as a dict with the
    names of eqs_pores_summary. probe: radius, default 1.82 (nitrogen)."""
    options = eqs_pores_options(probe=probe, spacing=spacing, radii=text_or_none(radii),
                                surface_points=surface_points)
    watch, out = Watch(pores_watch, progress), Handle("eqs_pores_result_free")
    with _prepared(None, structure, threads, disorder) as (context, _, frames):
        watch.run(lib.eqs_pores, context, frames, 0, byref(options), watch.function, None,
                  out.out())
    summary = eqs_pores_summary()
    lib.eqs_pores_summary_get(out.pointer, byref(summary))
    return summary.as_dict()
