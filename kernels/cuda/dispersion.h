// dispersion.h -- the D3 sums in a GPU's order: a block per centre, whose warps share out the
// groups of partners. A warp tests 32 translations at a time, keeps those that bring the group near
// its centre, and once it has enough of them its threads meet a partner each (several translations
// at a time where the groups are small). Sums are added up in a fixed order, without atomics.
//
// Translations are counted through where they are used: grids and memory depend on the atoms alone.
//
// A part of kernels.cu, which includes the bodies and has LAUNCH.
// SPDX-License-Identifier: MIT
#ifndef EQS_CUDA_DISPERSION_H
#define EQS_CUDA_DISPERSION_H

enum { GATHER_WARPS = BLOCK / 32, GATHER_SUMS = SUMS + 6 };
#define ROUNDING 1e-6 // in units of length and of lattice vectors

// A thread per group, that of its first slot. Translations are counted from the box of a group, so
// that atoms may lie anywhere. What is no atom of the system is left out.
__device__ __forceinline__ void place_group(const gather_place_args *a, int slot) {
  const gather_system *s = a->systems + a->system[slot];
  const int begin = slot - s->first_slot, group = s->first_group + begin / s->width;
  double first[3] = {0, 0, 0}, low[3] = {0, 0, 0}, high[3] = {0, 0, 0};
  if (begin % s->width) return;
  for (int i = 0; i < s->width; i++) {
    int atom = begin + i < s->n ? a->order[s->first + begin + i] : -1;
    if (atom < s->first || atom >= s->first + s->n) atom = -1;
    double x[3] = {1e25, 1e25, 1e25}, d[3];
    a->atom[slot + i] = atom;
    a->species[slot + i] = atom < 0 ? -1 : a->kind[atom];
    a->radius[slot + i] = atom < 0 ? 0 : a->kind_radius[a->kind[atom]];
    if (atom >= 0) {
      UNROLL(3)
      for (int c = 0; c < 3; c++) {
        x[c] = a->unit * a->position[atom][c];
        d[c] = x[c] - first[c];
      }
      UNROLL(3)
      for (int k = 0; k < 3; k++) {
        double f = d[0] * s->inverse[k] + d[1] * s->inverse[3 + k] + d[2] * s->inverse[6 + k];
        double m = !s->pbc[k] ? 0 : i ? rint(f) : floor(f);
        UNROLL(3)
        for (int c = 0; c < 3; c++) x[c] -= m * s->basis[3 * k + c];
      }
      UNROLL(3)
      for (int c = 0; c < 3; c++) {
        if (!i) first[c] = low[c] = high[c] = x[c];
        low[c] = fmin(low[c], x[c]);
        high[c] = fmax(high[c], x[c]);
      }
    }
    UNROLL(3)
    for (int c = 0; c < 3; c++) a->x[c][slot + i] = x[c];
  }
  double *box = a->box[group], *span = a->span[group];
  UNROLL(3)
  for (int c = 0; c < 3; c++) {
    box[c] = (low[c] + high[c]) / 2;
    box[3 + c] = (high[c] - low[c]) / 2 + ROUNDING;
  }
  UNROLL(3)
  for (int k = 0; k < 3; k++) {
    const double *to = s->inverse + k;
    span[k] = box[0] * to[0] + box[1] * to[3] + box[2] * to[6];
    span[3 + k] = box[3] * fabs(to[0]) + box[4] * fabs(to[3]) + box[5] * fabs(to[6]);
  }
}
KERNEL(gather_place, gather_place_args, thread < a.n_slot, place_group(&a, thread))
LAUNCHER(gather_place, gather_place_args, n_slot, BLOCK)

// Translations that may bring a group near the centre: a block of integers, n[0] x n[1] x n[2] from
// low; -1: more than can be counted.
struct image_range {
  int count, low[3], n[3];
};

// What does not change from group to group; a thread's own but for the lists.
struct gather_frame {
  const gather_system *system;
  const dispersion_args *pairs;
  image_list *list;
  double center[3], reach[3]; // the centre and the cutoff in lattice vectors
  pair_frame f;
  double sum[GATHER_SUMS];
};

__device__ __forceinline__ image_range count_images(const gather_frame *g, const double *span) {
  image_range r;
  double total = 1;
  UNROLL(3)
  for (int k = 0; k < 3; k++) {
    double f = span[k] - g->center[k], reach = g->reach[k] + span[3 + k];
    double begin = g->system->pbc[k] ? ceil(-f - reach) : 0;
    double end = g->system->pbc[k] ? floor(-f + reach) : 0;
    total *= end < begin ? 0 : end - begin + 1;
    r.low[k] = (int)begin;
    r.n[k] = (int)(end - begin) + 1;
  }
  r.count = total <= 1e9 ? (int)total : -1;
  return r;
}

// Adds those of 32 translations, from number `first` on, that bring the box near the centre.
__device__ __forceinline__ void list_images(gather_frame *g, const double *from, const double *box,
                                            int first, const image_range &r) {
  const int lane_id = (int)(threadIdx.x & 31), t = first + lane_id;
  const double *basis = g->system->basis;
  double shift[3] = {0, 0, 0};
  int inside = 0, beyond = 0;
  if (t < r.count) {
    int q = t / r.n[2];
    double m0 = r.low[0] + q / r.n[1], m1 = r.low[1] + q % r.n[1], m2 = r.low[2] + t % r.n[2];
    UNROLL(3)
    for (int c = 0; c < 3; c++) shift[c] = m0 * basis[c] + m1 * basis[3 + c] + m2 * basis[6 + c];
    double r2 = box_distance2(from, box, shift);
    inside = r2 < g->pairs->cutoff2;
    beyond = r2 > g->pairs->far2;
  }
  UNROLL(2)
  for (int far = 0; far < 2; far++) {
    const int mine = inside && beyond == far;
    const unsigned all = __ballot_sync(0xffffffffu, mine);
    const int at = g->f.n[far] + __popc(all & ((1u << lane_id) - 1u));
    if (mine)
      for (int c = 0; c < 3; c++) g->list[far][c][at] = shift[c];
    g->f.n[far] += __popc(all);
  }
}

// Few groups are shared out by translations, many by groups.
__device__ __forceinline__ int few_groups(const gather_system *s) {
  return s->n_group < 2 * GATHER_WARPS;
}

// The centre with group j of its system.
template <int op>
__device__ __forceinline__ void gather_group(gather_frame *g, int j, const image_range &r) {
  const gather_system *s = g->system;
  const dispersion_atoms *atoms = g->pairs->center;
  const double *box = atoms->box[s->first_group + j];
  double from[6] = {0, 0, 0, 0, 0, 0};
  pair_frame *f = &g->f;
  f->slot = s->first_slot + j * s->width + (int)(threadIdx.x & 31) % s->width;
  UNROLL(3)
  for (int c = 0; c < 3; c++) {
    from[c] = atoms->x[c][f->center];
    f->d[c] = atoms->x[c][f->slot] - from[c];
  }
  const int few = few_groups(s), step = few ? 32 * GATHER_WARPS : 32;
  for (int t = few ? (int)(threadIdx.x & ~31u) : 0;; t += step) {
    const int end = t >= r.count, most = f->n[0] > f->n[1] ? f->n[0] : f->n[1];
    if (most > (end ? 0 : IMAGE_LIST - 32)) {
      __syncwarp();
      pair_body(f, op, 1, g->sum, g->sum + SUMS);
      __syncwarp();
      f->n[0] = f->n[1] = 0;
    }
    if (end) break;
    list_images(g, from, box, t, r);
  }
}

// The centre with the warp's groups: each thread looks at one first.
template <int op>
__device__ __forceinline__ void gather_groups(gather_frame *g, const double (*span)[6]) {
  const gather_system *s = g->system;
  const int lane_id = (int)(threadIdx.x & 31), warp = (int)(threadIdx.x / 32), few = few_groups(s);
  const int each = few ? 1 : GATHER_WARPS, mine = few ? 0 : warp;
  for (int begin = 0; begin < s->n_group; begin += 32 * each) {
    const int j = begin + lane_id * each + mine;
    image_range r = {0, {0, 0, 0}, {0, 0, 0}};
    if (j < s->n_group) r = count_images(g, span[s->first_group + j]);
    if (r.count < 0) g->sum[SUM_COUNT] = NAN; // of coordination numbers, which come first
    for (unsigned rest = __ballot_sync(0xffffffffu, r.count > 0); rest; rest &= rest - 1) {
      const int who = __ffs((int)rest) - 1;
      image_range its;
      its.count = __shfl_sync(0xffffffffu, r.count, who);
      UNROLL(3)
      for (int k = 0; k < 3; k++) {
        its.low[k] = __shfl_sync(0xffffffffu, r.low[k], who);
        its.n[k] = __shfl_sync(0xffffffffu, r.n[k], who);
      }
      gather_group<op>(g, begin + who * each + mine, its);
    }
  }
}

// One of a centre's sums to where it belongs.
template <int op>
__device__ __forceinline__ void keep_gathered(const gather_args *a, int center, int q, double sum) {
  const int attracts = op == PAIR_ENERGY || op == PAIR_FORCE || op == PAIR_VIRIAL;
  const size_t atom = (size_t)a->atom[center];
  if (q == SUM_ENERGY) {
    if (attracts) a->energies[atom] += a->energy_unit * sum;
  } else if (q == SUM_COUNT) {
    if (op == PAIR_COUNT) a->pairs.count[center] = sum;
    if (attracts && op != PAIR_ENERGY) a->pairs.count_bar[center] = sum;
  } else if (q < SUMS) {
    if (op != PAIR_COUNT && op != PAIR_ENERGY)
      a->forces[atom][q - SUM_FORCE] += a->force_unit * sum;
  } else if (op == PAIR_VIRIAL || op == PULL_VIRIAL) { // xx yy zz yz xz xy; half is the partner's
    const int k = q - SUMS, row = k < 3 ? k : k == 3, column = k < 3 ? k : k < 5 ? 2 : 1;
    a->virial[atom][3 * row + column] += 0.5 * a->energy_unit * sum;
    if (k >= 3) a->virial[atom][3 * column + row] += 0.5 * a->energy_unit * sum;
  }
}

template <int op> __global__ void __launch_bounds__(BLOCK, 4) gather_kernel(const gather_args a) {
  CU_SHARED(image_list, list, [GATHER_WARPS][2]);
  CU_SHARED(double, part, [GATHER_WARPS][GATHER_SUMS]);
  const int center = (int)blockIdx.x, thread = (int)threadIdx.x, warp = thread / 32;
  const int used = SUMS + (op == PAIR_VIRIAL || op == PULL_VIRIAL ? 6 : 0);
  if (a.atoms.species[center] < 0) { // read as a partner's
    if (op == PAIR_COUNT && thread == 0) a.pairs.count[center] = 0;
    if ((op == PAIR_FORCE || op == PAIR_VIRIAL) && thread == 0) a.pairs.count_bar[center] = 0;
    return;
  }
  dispersion_args pairs = a.pairs;
  pairs.center = pairs.partner = &a.atoms;
  gather_frame g;
  const gather_system *s = g.system = a.systems + a.system[center];
  g.pairs = g.f.a = &pairs;
  g.list = g.f.image = list[warp];
  g.f.n[0] = g.f.n[1] = 0;
  g.f.begin = (thread & 31) / s->width;
  g.f.step = 32 / s->width;
  g.f.center = center;
  UNROLL(3)
  for (int k = 0; k < 3; k++) {
    const double *to = s->inverse + k;
    g.center[k] = 0;
    UNROLL(3)
    for (int c = 0; c < 3; c++) g.center[k] += a.atoms.x[c][center] * to[3 * c];
    g.reach[k] = sqrt(pairs.cutoff2) / s->spacing[k] + ROUNDING;
  }
  UNROLL(11)
  for (int q = 0; q < GATHER_SUMS; q++) g.sum[q] = 0;
  gather_groups<op>(&g, a.span);
  UNROLL(11)
  for (int q = 0; q < used; q++) {
    for (int w = 16; w; w /= 2) g.sum[q] += __shfl_xor_sync(0xffffffffu, g.sum[q], w);
    if (LANE_LEADER) part[warp][q] = g.sum[q];
  }
  __syncthreads();
  if (thread >= used) return;
  double total = 0;
  for (int w = 0; w < GATHER_WARPS; w++) total += part[w][thread];
  keep_gathered<op>(&a, center, thread, total);
}

#define GATHER_LAUNCHER(name, op)                                                                  \
  void name##_cuda(const gather_args *a) {                                                         \
    if (a->n_slot > 0) LAUNCH(gather_kernel<op>, (unsigned)a->n_slot, BLOCK, *a);                  \
  }
GATHER_LAUNCHER(gather_count, PAIR_COUNT)
GATHER_LAUNCHER(gather_energy, PAIR_ENERGY)
GATHER_LAUNCHER(gather_force, PAIR_FORCE)
GATHER_LAUNCHER(gather_virial, PAIR_VIRIAL)
GATHER_LAUNCHER(gather_pull_force, PULL_FORCE)
GATHER_LAUNCHER(gather_pull_virial, PULL_VIRIAL)

// A thread per slot.
__global__ void __launch_bounds__(BLOCK, 4) pair_weigh_kernel(const pair_weigh_args a) {
  const int i = (int)(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= a.n) return;
  const int other = a.species[i], m = other < 0 ? 0 : a.n_reference[other];
  if (other >= 0) weigh_body(m, a.reference[other], a.count[i], a.weight[i]);
  for (int own = 0; own < a.n_species; own++) {
    const size_t pair = (size_t)own * (size_t)a.n_species + (size_t)(other < 0 ? 0 : other);
    rows_body(a.n_reference[own], m, other < 0 ? NULL : a.fixed[pair], a.c6[pair], a.s6,
              a.weight[i], a.stride, a.pair + (size_t)a.first_row[own] * a.stride + (size_t)i);
  }
}
LAUNCHER(pair_weigh, pair_weigh_args, n, BLOCK)

#endif
