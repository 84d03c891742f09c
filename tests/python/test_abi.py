"""Every struct of the package has the members of core/equisorb*.h, of the same size at the same
place: the header's compiler says. SPDX-License-Identifier: MIT"""
import ctypes
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from equisorb import _library

root = pathlib.Path(__file__).resolve().parents[2]
headers = sorted((root / "core").glob("equisorb*.h"))


def members_in_header(name):
    """Members of a struct by its text, in order: none may be missing in the package."""
    text = re.sub(r"/\*.*?\*/", "", "".join(h.read_text() for h in headers), flags=re.S)
    body = re.search(r"typedef struct %s \{(.*?)\} %s;" % (name, name), text, re.S).group(1)
    names = []
    for line in body.split(";"):
        for part in line.split(","):
            found = re.findall(r"(\w+)\s*(?:\[\w+\])?\s*$", part.strip())
            names += found
    return names


def layout_by_compiler():
    lines = []
    for struct in _library.STRUCTS:
        name = struct.__name__
        lines.append('printf("\\"%s\\": [%%zu", sizeof(%s));' % (name, name))
        for field, *_ in struct._fields_:
            lines.append('printf(", [%%zu, %%zu]", offsetof(%s, %s), sizeof(((%s *)0)->%s));'
                         % (name, field, name, field))
        lines.append('puts("],");')
    source = ('#include <stddef.h>\n#include <stdio.h>\n#include "core/equisorb.h"\n'
              'int main(void) { puts("{");\n%s\nputs("\\"\\": 0}"); return 0; }\n'
              % "\n".join(lines))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "layout")
        with open(path + ".c", "w") as f:
            f.write(source)
        subprocess.run([os.environ.get("CC", "cc"), "-I", root, path + ".c", "-o", path],
                       check=True)
        return json.loads(subprocess.run([path], check=True, capture_output=True).stdout)


class Abi(unittest.TestCase):
    def test_structs(self):
        compiled = layout_by_compiler()
        for struct in _library.STRUCTS:
            name = struct.__name__
            with self.subTest(name):
                self.assertEqual([f[0] for f in struct._fields_], members_in_header(name))
                want = [ctypes.sizeof(struct)] + [
                    [getattr(struct, f[0]).offset, getattr(struct, f[0]).size]
                    for f in struct._fields_]
                self.assertEqual(compiled[name], want)


if __name__ == "__main__":
    unittest.main()
