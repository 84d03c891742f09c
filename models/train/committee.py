"""Puts a committee of last layers into a model file, so that the engine can say how sure it is.

SPDX-License-Identifier: MIT
"""
import hashlib
import json
import pathlib

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32}


def read_file(path):
    """Header (a dict) and data (bytes) of a safetensors file."""
    content = pathlib.Path(path).read_bytes()
    size = int.from_bytes(content[:8], "little")
    return json.loads(content[8:8 + size]), content[8 + size:]


def add_tensors(source, target, tensors):
    """The model file `source` with these tensors (float64, in the place of those it has by these
    names), its checksum renewed."""
    header, data = read_file(source)
    metadata, parts, at = header.pop("__metadata__"), [], 0
    entries = {k: (v["dtype"], v["shape"], data[slice(*v["data_offsets"])])
               for k, v in header.items() if k not in tensors}
    for name, x in tensors.items():
        x = np.ascontiguousarray(x, dtype=np.float64)
        entries[name] = ("F64", list(x.shape), x.tobytes())
    header = {}
    for name, (dtype, shape, bytes_) in sorted(entries.items(), key=lambda e: (e[1][0] != "F64", e[0])):
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(bytes_)]}
        parts.append(bytes_)
        at += len(bytes_)
    data = b"".join(parts)
    text = json.dumps({"__metadata__": dict(metadata, sha256=hashlib.sha256(data).hexdigest()),
                       **header}).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(target).write_bytes(len(text).to_bytes(8, "little") + text + data)


def read_tensor(path, name):
    """One tensor of a safetensors file as an array."""
    header, data = read_file(path)
    entry = header[name]
    return np.frombuffer(data[slice(*entry["data_offsets"])],
                         DTYPES[entry["dtype"]]).reshape(entry["shape"])
