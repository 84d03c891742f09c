"""The shared library and its structs, as core/equisorb.h declares them.

tests/python/test_abi.py compares every struct here with the header.
SPDX-License-Identifier: MIT
"""
import ctypes
import ctypes.util
import os
import pathlib
from ctypes import (CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_double, c_int, c_int64,
                    c_size_t, c_uint64, c_void_p)


class Error(RuntimeError):
    """What the library says went wrong, with file and cure where known; `status` is its code."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


INTERRUPTED = 9  # EQS_ERR_INTERRUPTED


class Sized(Structure):
    """A struct whose first member is its size, so that it can grow."""

    def __init__(self, **values):
        super().__init__(size=ctypes.sizeof(self), **values)

    def as_dict(self):
        """Its members but for `size`; texts decoded."""
        values = {name: getattr(self, name) for name, *_ in self._fields_ if name != "size"}
        return {name: v.decode() if isinstance(v, bytes) else v for name, v in values.items()}


doubles, ints = POINTER(c_double), POINTER(c_int)


class eqs_model_options(Sized):
    _fields_ = [("size", c_size_t), ("head", c_char_p), ("modal", c_char_p), ("precision", c_int),
                ("dispersion", c_char_p), ("wall", c_char_p)]


class eqs_model_info(Sized):
    _fields_ = [("size", c_size_t), ("family", c_char_p), ("architecture", c_char_p),
                ("cutoff", c_double), ("n_layer", c_int), ("channels", c_int), ("lmax", c_int),
                ("l_hidden", c_int), ("n_element", c_int), ("elements", ints), ("n_head", c_int),
                ("heads", POINTER(c_char_p)), ("head", c_char_p), ("stored", c_char_p),
                ("n_parameter", c_int64), ("functional", c_char_p), ("sha256", c_char_p),
                ("precision", c_int), ("dispersion", c_char_p), ("wall", c_char_p),
                ("n_member", c_int)]


class eqs_model_write_options(Sized):
    _fields_ = [("size", c_size_t), ("overwrite", c_int), ("n", c_int),
                ("keys", POINTER(c_char_p)), ("values", POINTER(c_char_p))]


class eqs_systems(Sized):
    _fields_ = [("size", c_size_t), ("n_system", c_int), ("first", ints), ("number", ints),
                ("position", doubles), ("cell", doubles), ("pbc", ints), ("memory", c_int)]


class eqs_result(Sized):
    _fields_ = [("size", c_size_t), ("energy", doubles), ("energies", doubles),
                ("forces", doubles), ("stress", doubles), ("memory", c_int),
                ("uncertainty", doubles), ("committee", doubles), ("novelty", doubles)]


class eqs_read_options(Sized):
    _fields_ = [("size", c_size_t), ("disorder_major", c_int)]


class eqs_widom_options(Sized):
    _fields_ = [("size", c_size_t), ("gas", c_char_p), ("n_temperature", c_int),
                ("temperature", doubles), ("error", c_double), ("method", c_char_p),
                ("surrogate", c_char_p), ("keep_pockets", c_int), ("no_fit", c_int),
                ("max_energies", c_int64), ("table", c_int64), ("seed", c_uint64),
                ("disorder_major", c_int), ("replicate_strict", c_int), ("state", c_char_p),
                ("energy", c_int), ("scale", c_double), ("snapshots", c_int),
                ("overlap_energy", c_double)]


class eqs_widom_progress(Sized):
    _fields_ = [("size", c_size_t), ("phase", c_char_p), ("done", c_int64), ("of", c_int64),
                ("n_energy", c_int64), ("error", c_double)]


class eqs_gcmc_options(Sized):
    _fields_ = [("size", c_size_t), ("n_gas", c_int), ("gases", POINTER(c_char_p)),
                ("fraction", doubles), ("temperature", c_double), ("pressure", c_double),
                ("energy", c_int), ("scale", c_double), ("no_surrogate", c_int),
                ("force_field", c_char_p), ("equilibration", c_int64), ("production", c_int64),
                ("cycle_moves", c_int), ("trials", c_int), ("seed", c_uint64),
                ("replicate_strict", c_int), ("checkpoint", c_char_p), ("keep_pockets", c_int),
                ("flexible", c_int), ("timestep", c_double), ("md_steps", c_int),
                ("overlap_energy", c_double)]


class eqs_gcmc_progress(Sized):
    _fields_ = [("size", c_size_t), ("cycle", c_int64), ("n_cycle", c_int64),
                ("equilibrating", c_int), ("n_guest", c_int), ("energy", c_double),
                ("energies", c_int64), ("seconds_left", c_double), ("pilot", c_int)]


class eqs_tmmc_conditions(Sized):
    _fields_ = [("size", c_size_t), ("n_pressure", c_int), ("pressure", doubles),
                ("n_temperature", c_int), ("temperature", doubles), ("max_guests", c_int)]


class eqs_pores_options(Sized):
    _fields_ = [("size", c_size_t), ("probe", c_double), ("spacing", c_double),
                ("radii", c_char_p), ("surface_points", c_int)]


class eqs_pores_summary(Sized):
    _fields_ = [("size", c_size_t), ("volume", c_double), ("mass", c_double),
                ("density", c_double), ("di", c_double), ("df", c_double), ("dif", c_double),
                ("void_fraction", c_double), ("helium_void_fraction", c_double),
                ("channel_fraction", c_double), ("pocket_fraction", c_double),
                ("channel_area", c_double), ("pocket_area", c_double), ("n_channel", c_int),
                ("n_pocket", c_int), ("n_sphere", c_int)]


STRUCTS = [eqs_model_options, eqs_model_info, eqs_model_write_options, eqs_systems, eqs_result, eqs_read_options,
           eqs_widom_options, eqs_widom_progress, eqs_gcmc_options, eqs_gcmc_progress,
           eqs_tmmc_conditions, eqs_pores_options, eqs_pores_summary]

widom_watch = CFUNCTYPE(c_int, POINTER(eqs_widom_progress), c_void_p)
gcmc_watch = CFUNCTYPE(c_int, POINTER(eqs_gcmc_progress), c_void_p)
pores_watch = CFUNCTYPE(c_int, c_double, c_void_p)

_texts, _handles = POINTER(c_char_p), POINTER(c_void_p)
# Functions that return a status, and what they take.
_CHECKED = {
    "eqs_context_open": [c_char_p, _handles],
    "eqs_context_set_threads": [c_void_p, c_int],
    "eqs_model_load": [c_void_p, c_char_p, POINTER(eqs_model_options), _handles],
    "eqs_model_info_get": [c_void_p, POINTER(eqs_model_info)],
    "eqs_model_metadata": [c_void_p, c_int, _texts, _texts],
    "eqs_model_write": [c_void_p, c_char_p, POINTER(eqs_model_write_options)],
    "eqs_compute": [c_void_p, c_void_p, POINTER(eqs_systems), POINTER(eqs_result)],
    "eqs_structures_read": [c_char_p, POINTER(eqs_read_options), _handles],
    "eqs_structures_view": [c_void_p, c_int, POINTER(eqs_systems)],
    "eqs_extxyz_write": [c_char_p, c_int, POINTER(eqs_systems), POINTER(eqs_result)],
    "eqs_widom": [c_void_p, c_void_p, c_char_p, POINTER(eqs_widom_options), widom_watch, c_void_p,
                  _handles],
    "eqs_widom_text": [c_void_p, c_char_p, _texts],
    "eqs_gcmc": [c_void_p, c_void_p, c_void_p, c_int, POINTER(eqs_gcmc_options), gcmc_watch,
                 c_void_p, _handles],
    "eqs_gcmc_json": [c_void_p, _texts],
    "eqs_gcmc_csv": [c_void_p, c_int, _texts],
    "eqs_tmmc": [c_void_p, c_void_p, c_void_p, c_int, POINTER(eqs_gcmc_options),
                 POINTER(eqs_tmmc_conditions), gcmc_watch, c_void_p, _handles],
    "eqs_tmmc_json": [c_void_p, _texts],
    "eqs_tmmc_csv": [c_void_p, _texts],
    "eqs_pores": [c_void_p, c_void_p, c_int, POINTER(eqs_pores_options), pores_watch, c_void_p,
                  _handles],
    "eqs_pores_summary_get": [c_void_p, POINTER(eqs_pores_summary)],
}
_FREES = ["eqs_context_free", "eqs_model_free", "eqs_structures_free", "eqs_widom_result_free",
          "eqs_gcmc_result_free", "eqs_tmmc_result_free", "eqs_pores_result_free"]


def _load():
    here = pathlib.Path(__file__).parent
    for path in (os.environ.get("EQUISORB_LIBRARY"), here / "libequisorb.so.0",
                 ctypes.util.find_library("equisorb")):
        if path and (os.sep not in str(path) or os.path.exists(path)):
            return ctypes.CDLL(str(path))  # calls release the interpreter's lock
    raise ImportError("libequisorb is not here: install the package with pip, or set "
                      "EQUISORB_LIBRARY to libequisorb.so.0")


lib = _load()
lib.eqs_error.restype = lib.eqs_version.restype = lib.eqs_structures_name.restype = c_char_p
lib.eqs_structures_name.argtypes = [c_void_p, c_int]
lib.eqs_structures_count.argtypes = [c_void_p]
lib.eqs_string_free.argtypes, lib.eqs_string_free.restype = [_texts], None
for _name in _FREES:
    getattr(lib, _name).argtypes, getattr(lib, _name).restype = [_handles], None


def _check(status, function, arguments):
    if status:
        raise Error(status, lib.eqs_error().decode(errors="replace"))
    return status


for _name, _arguments in _CHECKED.items():
    getattr(lib, _name).argtypes = _arguments
    getattr(lib, _name).restype = c_int
    getattr(lib, _name).errcheck = _check


def version():
    """Of the library, "0.1.0"."""
    return lib.eqs_version().decode()


def has(feature):
    """Whether the library was built with "cuda", "hdf5", "libxc" or "mpi"."""
    return bool(lib.eqs_has(text_or_none(feature)))


def text_or_none(s):
    """bytes for a char *; a path may be a pathlib.Path."""
    return None if s is None else os.fsencode(s)


class Handle:
    """An opaque pointer of the library, freed with its function when nobody needs it."""

    def __init__(self, free):
        self.pointer = c_void_p()
        self._free = getattr(lib, free)

    def out(self):
        return byref(self.pointer)

    def close(self):
        if self.pointer:
            self._free(byref(self.pointer))

    __del__ = close


def take_text(function, *arguments):
    """Calls a function whose last argument is a char ** to be freed."""
    text = c_char_p()
    function(*arguments, byref(text))
    try:
        return text.value.decode()
    finally:
        lib.eqs_string_free(byref(text))


class Watch:
    """A progress callback of the library: calls `report(members of the struct)` and stops the run
    where that raises, or on Ctrl-C; `end` then raises it again."""

    def __init__(self, kind, report):
        self.raised = None
        self._report = report
        self.function = kind(self._call)

    def _call(self, progress, user):
        try:
            if self._report:
                self._report(progress if isinstance(progress, float)
                             else progress.contents.as_dict())
        except BaseException as raised:  # KeyboardInterrupt too; must not be lost in C
            self.raised = raised
            return 1
        return 0

    def run(self, function, *arguments):
        try:
            function(*arguments)
        except Error as error:
            if self.raised is not None and error.status == INTERRUPTED:
                raise self.raised from None
            raise
