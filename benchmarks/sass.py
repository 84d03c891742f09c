"""Instruction counts of CUDA kernels from their machine code, by basic block and loop.

`cuobjdump -sass` (with nvdisasm; neither is part of every toolkit, both are packages
nvidia-cuda-cuobjdump and nvidia-cuda-nvdisasm of PyPI) writes a kernel as a list of instructions.
A branch backwards is a loop; how often it runs only its author knows, so the counts come as a list of
nested loops to which the caller gives trip counts. Branches forward are taken as not taken: what
they skip is counted, except code behind the kernel's last EXIT (slow paths of division and such).
SPDX-License-Identifier: MIT
"""
import os
import re
import shutil
import subprocess

INSTRUCTION = re.compile(r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:\{\s*)?(@!?U?P[0-9T]+\s+)?([A-Z0-9_.]+)(.*?);")


def tool(name):
    """The program, from PATH or from a PyPI package beside this Python; None if absent."""
    found = shutil.which(name)
    if found:
        return found
    for top in [os.environ.get("EQS_CUDA_TOOLS", "")]:
        path = os.path.join(top, name)
        if top and os.path.exists(path):
            return path
    return None


def dump(cubin):
    """{mangled name: [(address, guarded, opcode, operands)]}"""
    environment = dict(os.environ)
    environment["PATH"] = os.path.dirname(tool("nvdisasm")) + os.pathsep + environment["PATH"]
    text = subprocess.run([tool("cuobjdump"), "-sass", "-arch", "sm_90", cubin], env=environment, check=True,
                          capture_output=True, text=True).stdout
    kernels, code = {}, None
    for line in text.splitlines():
        name = re.search(r"Function : (\S+)", line)
        if name:
            code = kernels.setdefault(name.group(1), [])
            continue
        m = INSTRUCTION.match(line)
        if m and code is not None:
            code.append((int(m.group(1), 16), bool(m.group(2)), m.group(3), m.group(4)))
    return kernels


class Loop:
    """Instructions of a loop body (or of the whole kernel) outside the loops inside it."""

    def __init__(self, begin, end):
        self.begin, self.end, self.own, self.inner = begin, end, [], []

    def __len__(self):
        return len(self.own) + sum(len(i) for i in self.inner)


def loops(code):
    """The kernel as a tree; its root runs once."""
    last = max(i for i, c in enumerate(code) if c[2].startswith("EXIT"))
    code = code[:last + 1]
    spans = {}
    for address, _, op, rest in code:
        target = re.search(r"0x([0-9a-f]+)", rest)
        if op.startswith("BRA") and target and int(target.group(1), 16) < address:
            begin = int(target.group(1), 16)
            spans[begin] = max(spans.get(begin, 0), address)
    root = Loop(code[0][0], code[-1][0])
    for begin, end in sorted(spans.items(), key=lambda s: (s[0], -s[1])):
        at = root
        while True:
            inside = [i for i in at.inner if i.begin <= begin <= i.end]
            if not inside:
                break
            at = inside[0]
            at.end = max(at.end, end)
        at.inner.append(Loop(begin, end))
    for c in code:
        at = root
        while True:
            inside = [i for i in at.inner if i.begin <= c[0] <= i.end]
            if not inside:
                break
            at = inside[0]
        at.own.append(c)
    return root


def show(loop, depth=0):
    """For those who write trip counts."""
    ops = {}
    for c in loop.own:
        op = c[2].split(".")[0]
        ops[op] = ops.get(op, 0) + 1
    most = sorted(ops.items(), key=lambda o: -o[1])[:7]
    print("  " * depth + "%05x-%05x %4d own: %s" % (loop.begin, loop.end, len(loop.own),
                                                   " ".join("%s %d" % o for o in most)))
    for i in loop.inner:
        show(i, depth + 1)


if __name__ == "__main__":
    import sys
    for kernel, instructions in dump(sys.argv[1]).items():
        if len(sys.argv) < 3 or re.search(sys.argv[2], kernel):
            print(kernel)
            show(loops(instructions), 1)
