"""Run by test_monte_carlo.py in as many processes as it asks for: takes atoms out of all groups, as
fix gcmc does for a moment, and puts them back. usage: masks.py INPUT GROUP_BIT TAG...
SPDX-License-Identifier: MIT"""
import sys

from lammps import lammps

path, bit, tags = sys.argv[1], int(sys.argv[2]), {int(t) for t in sys.argv[3:]}
host = lammps(cmdargs=["-log", "none"])
host.file(path)


def energy(out):
    mask, ids = host.extract_atom("mask"), host.extract_atom("id")
    for i in range(host.extract_setting("nlocal")):
        if ids[i] in tags:
            mask[i] = bit if out else 1
    host.command("run 0")
    host.command(f"write_dump all custom masks.{int(out)} id type x y z fx fy fz modify "
                 "format float %.17g sort id")
    return host.get_thermo("pe")


energies = [energy(out) for out in (0, 1, 0)]
if host.extract_setting("world_rank") == 0:
    print("energies", *(f"{e:.17g}" for e in energies))
host.close()
