"""What ranks cost on machines that were not at hand: a prediction on paper, printed as a table.
SPDX-License-Identifier: MIT

usage: halo_model.py [--density D] [--cutoff R] [--row BYTES] [--exchanges N] [--microseconds T]
                     [--place T] [--list T] [--overlap [--share S]]

Ghosts by the formula that bench_halo compares with counts: a box of sides a, b, c has
D ((a + 2 R)(b + 2 R)(c + 2 R) - a b c) of them. T is the model's time per atom on one GPU (docs/gpu.md:
itself a prediction). Nothing overlaps, unless --overlap asks what is left of it then: an exchange for a layer
hides behind the blocks of atoms without ghosts as neighbours, one in reverse behind those without ghosts, each a part
of S of the model's time (a quarter: assumed). Bandwidths are the makers' figures per GPU and direction, latencies
assumed.

Besides the halo of features a step has: sums over all ranks (bisection: 5 per level, with histograms of 64
bins for each of the level's groups of ranks in 4 of them; evaluation and integrator: 6; order, boxes, counts),
up and down a tree; atoms on their way to their owners, ghosts' positions, forces back, with the ranks
around. And work of the host per atom of a rank: owners, ghosts and the integrator on one thread (--place),
the neighbour list on those there are (--list), microseconds."""
import argparse
import math

MACHINES = {  # bytes per second and GPU, seconds per exchange, seconds per message
    "NVLink 4 (8 GPUs of one HGX)": (450e9, 10e-6, 1e-6),
    "InfiniBand NDR, a port per GPU": (50e9, 10e-6, 3e-6),
}
HOST_BANDWIDTH = 10e9  # bytes per second that a host sends and adds up
BINS, ROUNDS = 64, 4
SUMS = 6 + 2 + 1 / 2 + 1 / 2  # trees up and down: with thermostat; boxes, counts; an order, a failure


def sides(atoms, gpus, density):
    a = [(atoms / density) ** (1 / 3)] * 3
    cuts = [0, 0, 0]
    while gpus > 1:
        k = max(range(3), key=lambda d: a[d])
        a[k] /= 2
        cuts[k] += 1
        gpus //= 2
    return a, cuts


def halo(atoms, gpus, density, cutoff):
    """Ghosts of one rank, those of other ranks, and how many ranks they are from."""
    a, cuts = sides(atoms, gpus, density)
    wide = [x + 2 * cutoff for x in a]
    volume = a[0] * a[1] * a[2]
    own = 1
    around = 1
    for k in range(3):
        own *= a[k] if cuts[k] else wide[k]
        around *= min(2 ** cuts[k], 1 + 2 * -(-cutoff // a[k]))
    everything = wide[0] * wide[1] * wide[2]
    return density * (everything - volume), density * (everything - own), int(around) - 1


def collective(gpus, per_message):
    """Seconds of the sums over all ranks in one step."""
    levels = round(math.log2(gpus))
    trees = (5 * levels + SUMS) * 2 * levels
    histograms = sum(2 ** level for level in range(levels)) * BINS * 8 * ROUNDS
    return trees * per_message + histograms * 2 * levels / HOST_BANDWIDTH


def block_atoms(n, most=12288, tile=1024):
    """core/device_domain.c: as many blocks as a batch has, of equal size."""
    blocks = -(-n // most)
    blocks = -(-n // (-(-(-(-n // tile)) // blocks) * tile))
    return -(-n // blocks)


def left(atoms, gpus, density, cutoff, seconds, model, share):
    """Of one exchange each way: the share of atoms that need not wait, and what both take beyond that."""
    a, cuts = sides(atoms, gpus, density)
    n = int(atoms / gpus)
    inside = n
    for k in range(3):
        if cuts[k]:
            inside *= max(0, a[k] - 2 * cutoff) / a[k]
    block = block_atoms(n)
    early = [inside // block * block / n, n // block * block / n]
    return early[0], sum(max(0, seconds - share * model * e) for e in early)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--density", type=float, default=0.05)
    p.add_argument("--cutoff", type=float, default=5)
    p.add_argument("--row", type=float, default=512)
    p.add_argument("--exchanges", type=int, default=2)
    p.add_argument("--microseconds", type=float, default=0.5)
    p.add_argument("--place", type=float, default=0.4)
    p.add_argument("--list", type=float, default=0.2)
    p.add_argument("--overlap", action="store_true")
    p.add_argument("--share", type=float, default=0.25)
    o = p.parse_args()
    if o.overlap:
        print("| machine | GPUs | atoms per GPU | need not wait | halo, ms | left, ms | of the step, before | after |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for machine, (bandwidth, per_exchange, per_message) in MACHINES.items():
            for gpus, n in ((8, 3000), (8, 12500), (8, 125000), (64, 3000), (64, 15625), (64, 156250)):
                if gpus > 8 and machine.startswith("NVLink"):
                    continue
                ghosts, sent, ranks = halo(n * gpus, gpus, o.density, o.cutoff)
                one = per_exchange + ranks * per_message + sent * o.row / bandwidth
                model = n * o.microseconds * 1e-6
                early, rest = left(n * gpus, gpus, o.density, o.cutoff, one, model, o.share)
                rest *= o.exchanges / 2
                print("| %s | %d | %d | %.2f | %.3f | %.3f | %.1f %% | %.1f %% |" % (
                    machine, gpus, n, early, o.exchanges * one * 1e3, rest * 1e3,
                    100 * o.exchanges * one / (model + o.exchanges * one), 100 * rest / (model + rest)))
        return
    print("| machine | GPUs | atoms | per GPU | ghosts per atom | sent, MB per GPU and step | halo, ms | sums, ms | "
          "host, ms | model, ms | efficiency of halo and sums | with the host |")
    print("| --- |" + " --- |" * 11)
    for machine, (bandwidth, per_exchange, per_message) in MACHINES.items():
        for gpus, atoms in ((8, 1e5), (8, 1e6), (8, 1e7), (64, 1e6), (64, 1e7), (512, 1e7), (512, 1e8),
                            (4096, 1e8)):
            if gpus > 8 and machine.startswith("NVLink"):
                continue
            ghosts, sent, ranks = halo(atoms, gpus, o.density, o.cutoff)
            n = atoms / gpus
            seconds = o.exchanges * (per_exchange + ranks * per_message + sent * o.row / bandwidth)
            # positions of ghosts with their counts, atoms that have moved on, forces of ghosts and back
            rows = sent * (40 + 24) / HOST_BANDWIDTH + 5 * ranks * per_message
            sums = collective(gpus, per_message) + rows
            host = n * (o.place + o.list) * 1e-6
            model = n * o.microseconds * 1e-6
            print("| %s | %d | %.0e | %.0f | %.2f | %.1f | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |" % (
                machine, gpus, atoms, n, ghosts / n, o.exchanges * sent * o.row / 1e6, seconds * 1e3,
                sums * 1e3, host * 1e3, model * 1e3, model / (model + seconds + sums),
                model / (model + seconds + sums + host)))


main()
