/* kernels.h -- the list of all kernel operations, and what they work on.
 *
 * A backend is one `kernel_ops` table for one precision. Arrays of `real` are void pointers here,
 * because the potentials above are the same for both precisions; their element size is in the
 * table. Arrays lie in the memory of the table's device (64-byte aligned), rows are padded to
 * ROW_PAD reals and padding is zero; `host:` marks what a launcher reads before it launches. A
 * kernel cannot fail; a launch that does is reported by the device's `finish`.
 *
 * How many edges there are is known where they lie: `n` is how many there may be, *n_edge how many
 * there are. Rows of edges beyond hold anything.
 *
 * Features of a node are blocks of l, each `[m][channel]` (a `layout`). Edges of a block of atoms
 * ("owners") are numbered from 0; whatever is per edge and component is tiled,
 * [tile][q][EDGE_TILE], so that one edge is a lane of the geometry and a column of scalars for the
 * channels. In the forward pass an owner is the centre of its edges, in the reverse pass the
 * neighbour (the centre again where the adjoint of features is not wanted).
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_KERNELS_H
#define EQS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

struct device; /* core/device.h */

enum {
  L_MAX = 3,
  N_L = L_MAX + 1,
  A_MAX = N_L * N_L,    /* components of all l */
  SELECTED_OUTPUTS = 4, /* 0e, 1o */
  KERNEL_ROW_PAD = 16,
  KERNEL_EDGE_TILE = 16
};
/* Orders of the radial pieces: a table piece is a quintic, a directly evaluated row is the value
 * (and the slope, when the reverse pass needs it). */
enum { RADIAL_VALUE = 1, RADIAL_SLOPE = 2, RADIAL_QUINTIC = 6 };

/* Where the features of one node lie. Absent l: mul = 0. */
typedef struct layout {
  int mul[N_L];    /* channels */
  int pitch[N_L];  /* reals between rows of m: mul padded (or the padded slots, concatenated) */
  int offset[N_L]; /* reals from the node's first */
  int size;        /* reals from node to node: kernel_row() */
} layout;

/* One path l1 x l2 -> l3 of a convolution, for `channels` channels. */
typedef struct conv_path {
  int l1, l2, l3;
  int channels; /* padded */
  int in;       /* offset of the input block (l1) in a node of h; rows at in_pitch */
  int in_pitch;
  int out; /* offset of its slot in the aggregate (l3); rows at out_pitch */
  int out_pitch;
  int radial; /* offset of its weights in a row of the radial piece */
  int q;      /* first of its (2 l1 + 1)(2 l3 + 1) coupling coefficients */
} conv_path;

/* One non-zero Clebsch-Gordan coefficient: coupling q gets c * Y[m]. */
typedef struct coupling_term {
  int q, m;
  double c;
} coupling_term;

/* The edges of a block of owners: owner i's are first[i] .. first[i + 1] - 1 of `list`, or, without
 * a list (the owners are centres), of the whole system's edges. */
typedef struct edge_gather_args {
  int n_owner;
  const int *first; /* [n_owner + 1] */
  const int *list;
  const int *center, *neighbor; /* [edge] */
  const int *other_of;          /* neighbor or center: the atom that is not the owner */
  const int *other_row;         /* [atom] its row; NULL = the atom */
  const int *species;           /* [atom] */
  const double *radius;         /* [species]; NULL = r_sum is not wanted */
  int *local;                   /* out [n_owner + 1] first, counted from 0 */
  int *edge, *other;            /* out [n] */
  int *source, *target;         /* out [n] species of neighbour and centre */
  double *r_sum;                /* out [n] sum of the two radii */
} edge_gather_args;

/* Rows of atoms per edge: out[e] = of[edge[e]]. */
typedef struct edge_pick_args {
  int n;
  const int *n_edge, *edge, *of;
  int *out;
} edge_pick_args;

typedef struct edge_geometry_args {
  int n;
  const int *n_edge;
  const int *edge;           /* [n] index into vector */
  const double (*vector)[3]; /* angstrom */
  int lmax, normalize;       /* normalize = 0: polynomials of the vector itself */
  double *r;                 /* out [n] */
  void *u;                   /* out [tile][3]: unit vector (or vector) */
  void *y;                   /* out [tile][(lmax+1)^2] */
} edge_geometry_args;

typedef struct edge_gradient_args {
  int n;
  const int *n_edge;
  const int *edge;
  int lmax, normalize;
  const double *r;
  const void *u, *y_bar; /* [tile][3], [tile][(lmax+1)^2] */
  const double *r_bar;   /* [n] dE/dr */
  double (*gradient)[3]; /* [edge] += dE/d(vector) */
} edge_gradient_args;

typedef struct coupling_args {
  int n;
  const int *n_edge;
  int n_y, n_q, n_term;
  const coupling_term *term; /* sorted by q */
  void *y;                   /* [tile][n_y]: read by forward, written (adjoint) by reverse */
  void *q;                   /* [tile][n_q]: written by forward, read (adjoint) by reverse */
} coupling_args;

/* Both directions of the convolution
 *   A[i][slot p][m3][k] = sum_e R_p[k](r_e) sum_m1 Q_p[m1][m3](e) h[other(e)][m1][k] . */
typedef struct conv_args {
  int n_owner;
  const int *first;         /* [n_owner + 1] local edges of each owner */
  const int *other;         /* [n_edge] row of h (forward) or of a_bar (reverse) */
  const void *const *row;   /* [n_edge] the radial piece of each edge, [orders][order_stride] */
  const void *t;            /* [n_edge] position inside the piece */
  const double *slope;      /* [n_edge] dt/dr */
  int orders, order_stride; /* RADIAL_*; reals between orders */
  int n_path, n_q;
  const conv_path *path; /* host: */
  const void *q;         /* [tile][n_q] */
  const void *h;         /* forward: [other]; reverse: [owner row] */
  int h_stride;
  const int *h_row; /* reverse: [n_owner] row of h for each owner; NULL = 0, 1, 2, ... */
  void *a;          /* forward: out [n_owner]; reverse: a_bar [other] */
  int a_stride;
  /* reverse only */
  int by_center; /* owners are the centres: h is [other], only l = 0; a_bar [owner]; no h_bar */
  void *h_bar;   /* out [n_owner] rows of h_stride, overwritten; NULL = not wanted */
  void *q_bar;   /* out [tile][n_q] */
  double *r_bar; /* [n_edge] += */
  void *scratch; /* conv_scratch(n_q) bytes */
  void *w_bar;   /* conv_weight_reverse only: out [n_edge] rows of w_stride, adjoint of R_p */
  int w_stride;
} conv_args;

/* out[row] (+)= in[row] W for the rows m = 0 .. n_m-1 of every listed atom. */
typedef struct linear_args {
  int n_atom;
  const int *in_atom, *out_atom; /* rows of `in` and `out`; NULL = 0, 1, 2, ... */
  int n_m, k, n;                 /* k, n padded */
  const void *in;                /* already offset to the block */
  void *out;
  int in_stride, in_pitch, out_stride, out_pitch;
  const void *weight; /* packed by linear_pack */
  int accumulate;
} linear_args;

/* The polynomial of the symmetric contraction for atoms of one element: for every output row
 *   B = sum_a A_a (c1 + sum_b A_b (c2 + sum_c A_c c3)), coefficients per channel, in program order.
 * program: for each output { offset of its row, n_a >= 1, { a, n_b, { b, n_c, { c } } } }. On the
 * host the pairs of a factor come in runs of one kind, 2 n_c + (1: with c2) <= 7, which falls: { a,
 * { kind, n pairs, { b and the c as bytes of a number, from the lowest up } }, 0 }. */
typedef struct contraction_args {
  int n_atom;
  const int *atom; /* [n_atom] rows of a, b and their adjoints */
  int channels, n_a, n_output, n_monomial;
  int n_forward; /* monomials of `program`, which lie before those of `reverse` */
  /* selected: the program is that of all monomials a <= b <= c of A_MAX components that may be
   * other than zero (kernels/selected.h); its outputs are those of selected_l in order. */
  int selected;
  int row[SELECTED_OUTPUTS]; /* offsets of their rows */
  const int *program;
  /* On the host, the derivatives by A_m as polynomials of A and of the outputs' adjoints: rows of
   * the n_output outputs, then n_a outputs as in program (offsets of m in a), whose factors `a` are
   * n_a + output. Not read elsewhere. */
  const int *reverse;
  const void *coefficient; /* packed by contraction_pack */
  const void *a;           /* rows of [n_a][channels] */
  int a_stride;
  void *b; /* forward: out; reverse: adjoint of B, read */
  int b_stride;
  void *a_bar; /* reverse: out, overwritten */
} contraction_args;

/* Gate: scalars act on themselves, gates on the blocks l > 0 (Weiler et al. 2018; e3nn's Gate).
 * x: [scalars | gates] in l = 0, then blocks; y: as out. act(s) = c s sigmoid(s). */
typedef struct gate_args {
  int n;
  double constant;      /* c of the scalars */
  double gate_constant; /* c of the gates */
  int sigmoid_gates;    /* 1: gates are c sigmoid(s) instead of c s sigmoid(s) */
  layout in, out;
  int gate_offset[N_L]; /* offset of l's gates inside the row l = 0 of x */
  const void *x;
  void *y;     /* forward: out; reverse: adjoint of y, read */
  void *x_bar; /* reverse: out, overwritten */
} gate_args;

/* Jets of the radial network: rows hold value, first, second derivative by r of one edge;
 * each becomes that of c silu(x). */
typedef struct silu_jet_args {
  int n, orders, width; /* rows [n][orders][width], in place */
  double constant;
  void *x;
} silu_jet_args;

/* The same jets through a LayerNorm (Ba et al. 2016): (x - mean) / sqrt(variance + epsilon), then
 * gain and shift per channel. */
typedef struct norm_jet_args {
  int n, orders, width; /* rows [n][orders][width], in place; padding is 0 before and after */
  int channels;         /* of width */
  double epsilon;
  const void *affine; /* [3][width]: 1 in channels and 0 in padding, gain, shift */
  void *x;
} norm_jet_args;

/* The same jets times the jet of one factor per edge (product rule), in place. */
typedef struct scale_jet_args {
  int n, orders, width;
  const double *factor; /* [n][orders] */
  void *x;              /* [n][orders][width] */
} scale_jet_args;

/* Hermite quintics of n pieces of width h from jets at their ends, and how far they are from the
 * truth at two points inside. For tables, in the table of double kernels. */
typedef struct quintic_args {
  int n, width;
  double h;
  const void *knot;  /* [n+1][3][width] value, slope, curvature */
  const void *probe; /* [n][2][2][width] value, slope at t = 0.25 and 0.6 */
  void *piece;       /* out [n][6][width] coefficients of t */
  void *worst;       /* [4][width] raised to |value error|, |slope error|, |value|, |slope| */
} quintic_args;

typedef struct row_args {
  int n, width;
  const int *n_row;     /* rows of edges: how many there are; NULL = n */
  const int *from, *to; /* rows; NULL = 0, 1, 2, ... */
  const void *x;        /* NULL = zeros */
  int x_stride;
  void *y;
  int y_stride;
} row_args;

/* y[i] = sum of the rows row[first[i]] .. row[first[i+1]-1] of x. */
typedef struct row_sum_args {
  int n, width;
  const int *first, *row; /* [n + 1]; row: NULL = 0, 1, 2, ... */
  const void *x;          /* rows of width */
  void *y;                /* out [n] rows of width */
} row_sum_args;

/* y[row] = x[row] * factor[row]; in reverse factor_bar = sum(x y_bar), or, where factor is
 * 1 / (slope D + offset), the adjoint of D: chain = -slope. */
typedef struct scale_args {
  int n, width, stride; /* reals from row to row (0 = width) */
  double chain;         /* 0 = none */
  const double *factor; /* [n], factor_stride apart (0 = 1) */
  int factor_stride;
  const void *x;      /* [n] rows */
  void *y;            /* forward: out; may be x. reverse: adjoint, scaled in place */
  double *factor_bar; /* reverse: [n] out: sum over the row of x * y_bar, before scaling */
} scale_args;

/* energy[i] += sum_k x[i][k] w[k]; its reverse adds w to x_bar. */
typedef struct dot_args {
  int n, width;
  const void *x;
  int stride;
  const void *w;
  double *energy;
  void *x_bar; /* NULL in the forward pass */
} dot_args;

/* scale[owner] = 1 / (gain D + offset), D = sum over its edges of one scalar radial function
 * (`column` of the piece); reverse: r_bar[e] += slope of it * density_bar[centre of e]. */
typedef struct density_args {
  int n_owner;
  const int *first;
  const int *other;
  const void *const *row;
  const void *t;
  const double *slope;
  int orders, order_stride, column;
  double gain, offset;
  double *scale;             /* forward: out */
  int by_center;             /* reverse: owners are the centres */
  const double *density_bar; /* [owner] by centre, else [other] */
  double *r_bar;
} density_args;

/* ---- radial functions, per edge */

enum { BASIS_MAX = 16, SEGMENTS_MAX = 8 };

typedef enum { CUTOFF_POLYNOMIAL, CUTOFF_XPLOR } cutoff_kind;
typedef enum { BASIS_BESSEL, BASIS_GAUSSIAN, BASIS_CHEBYSHEV } basis_kind;
typedef enum {
  TRANSFORM_NONE,
  TRANSFORM_AGNESI,
  TRANSFORM_SOFT,
  TRANSFORM_SOFT_OLD
} transform_kind;

/* What all layers of a model share. */
typedef struct radial_basis {
  double r_max;
  cutoff_kind cutoff;
  double cutoff_p, r_on; /* polynomial: p; XPLOR: where it begins */
  basis_kind kind;
  int n;                    /* functions */
  double weight[BASIS_MAX]; /* Bessel: wave numbers; Gaussian: centres; Chebyshev: orders */
  double prefactor;         /* Bessel: prefactor; Gaussian: the exponent's coefficient */
  int cutoff_on_basis;      /* 1: the basis is cut; 0: the weights (and density) are */
  transform_kind transform;
  double a, b, q, p, alpha; /* of the transform */
} radial_basis;

/* Basis functions (times the cutoff if it is on the basis) at n lengths: x[n][orders][stride] in
 * reals, the rest of x is left alone; cut[n][orders] is the cutoff. `side` < 0 takes the limit from
 * below at a break, > 0 from above. */
typedef struct radial_basis_args {
  radial_basis basis;
  int n;
  const int *n_edge;
  const double *r, *r_sum; /* r_sum: covalent radii of the pairs, or NULL without a transform */
  int orders, side, stride;
  void *x;
  double *cut;
} radial_basis_args;

/* MACE's density tanh(g^2), times the cutoff unless that is NULL, as jets from the jets of g:
 * column `column` of rows [n][orders][stride], the rest of the padded group is set to 0. */
typedef struct radial_density_args {
  int n;
  const int *n_edge;
  int orders, g_stride, stride, column;
  const void *g; /* [n][orders][g_stride] */
  const double *cut;
  void *x;
} radial_density_args;

/* Quintic pieces of one pair of species on stretches that have equal knots each. */
typedef struct radial_segment {
  double from, to, inverse_width; /* of a piece */
  int n;
  void *piece; /* [n][6][width] */
} radial_segment;

typedef struct radial_table {
  int n_segment; /* 0 until made */
  radial_segment segment[SEGMENTS_MAX];
} radial_table;

/* The piece of each edge, the position in it and dt/dr: from tables, or rows [n][orders][width] at
 * `rows` with t = 0 and dt/dr = slope_of_rows. */
typedef struct radial_locate_args {
  int n;
  const int *n_edge;
  const double *r;
  const int *source, *target;
  int n_species, ordered, width; /* 1 species: the tables do not depend on the pair */
  const radial_table *table;     /* [n_species][n_species]; upper triangle unless ordered */
  const void *rows;
  size_t row_size; /* reals between rows */
  double slope_of_rows;
  const void **row; /* out [n] */
  void *t;          /* out [n] */
  double *slope;    /* out [n] */
} radial_locate_args;

/* y[e] += (x ? x[e * x_stride] : 1) product[e]. */
typedef struct edge_add_args {
  int n;
  const int *n_edge;
  const double *x, *product;
  int x_stride;
  double *y;
} edge_add_args;

/* ---- in double in both tables: atoms, from and to edges */

/* energy[i] = scale[species] energy[i] + shift[species]; scale NULL: the shift alone. */
typedef struct species_energy_args {
  int n;
  const int *species;
  const double *scale, *shift;
  double *energy;
} species_energy_args;

/* F_i = sum of dE/dv over the edges centred at i, minus that over the edges that point to i. */
typedef struct edge_force_args {
  int n;
  const int *first, *transpose_first, *transpose;
  const double (*gradient)[3];
  double (*force)[3];
} edge_force_args;

/* sum of v (x) dE/dv over the edges centred at i. */
typedef struct edge_virial_args {
  int n;
  const int *first;
  const double (*vector)[3], (*gradient)[3];
  double (*virial)[9];
} edge_virial_args;

typedef struct zbl_parameters {
  double c[4];               /* weights of the four exponentials */
  double a_exp, a_prefactor; /* a = a_prefactor 0.529 / (Z1^a_exp + Z2^a_exp) angstrom */
  double p;                  /* order of the polynomial cutoff */
  double *radius, *charge;   /* [n_element] covalent radii in angstrom; atomic numbers */
} zbl_parameters;

/* Adds scale times half the pair energies of each centre's edges to its energy, and the derivative
 * to the edges' gradient (NULL = none). */
typedef struct zbl_args {
  zbl_parameters z;
  double scale;
  int begin, n; /* centres */
  const int *first, *neighbor, *species;
  const double (*vector)[3];
  double *energy;
  double (*gradient)[3];
} zbl_args;

/* The repulsive prior of two elements (kernels/wall.h). */
typedef struct wall_shape {
  double on;     /* angstrom: beyond it nothing changes; 0 = no prior */
  double width;  /* the model is never shown less than on - width / 2 */
  double charge; /* k Z1 Z2, eV angstrom */
  double reach;  /* of the spline's last knot, angstrom; at least `on` */
  int n, first;  /* its pieces: piece[first] .. piece[first + n - 1] */
} wall_shape;

/* Forward: the vectors as the model is shown them. Reverse: adds half the pairs' energies to those
 * of the centres, and makes the gradient by the shown vectors that by the vectors (NULL = none). */
typedef struct wall_args {
  int begin, n; /* centres */
  const int *first, *neighbor, *species;
  int n_species;
  const wall_shape *shape; /* [n_species][n_species] */
  const double (*piece)[4];
  const double (*vector)[3];
  double (*shown)[3]; /* forward: out; NULL = not wanted */
  int *near;          /* forward: set to 1 if a pair is below `on`; NULL = not wanted. Host only */
  double *energy;
  double (*gradient)[3];
} wall_args;

/* ---- D3 dispersion (bohr, hartree), in double in both tables */

enum { DISPERSION_SHIFTS = 256, DISPERSION_WEIGHTS = 5, DISPERSION_ROW_C6 = 3 };

/* Atoms in groups of `partners` slots (of the table); rows are [slots], 64-byte aligned. */
typedef struct dispersion_atoms {
  const double *x[3];     /* 1e25 in a slot without an atom; such slots end a group */
  const int *species;     /* -1 in a slot without an atom */
  const double *radius;   /* of the counting function */
  const double (*box)[6]; /* of each group: centre, half widths */
} dispersion_atoms;

/* Groups center_begin .. center_end-1 with groups begin .. end-1 under all translations given.
 * Each pair of atoms comes once (with center == partner: of different groups, or half = 1), so
 * results belong to both atoms; field_* give them to the partner alone. All results are added. */
typedef struct dispersion_args {
  const dispersion_atoms *center, *partner;
  int center_begin, center_end, begin, end;
  int half; /* both ranges are the same: each pair of groups once */
  int n_shift;
  const double *shift[3]; /* [n_shift], readable up to the next multiple of 8 */
  double cutoff2;
  /* Beyond this square of a distance short formulas hold: at least 60 bohr for the attraction, 1.8
   * times the sum of the two radii for the counting function. */
  double far2;
  size_t stride; /* slots of a row */
  /* For a centre of species s: row first_row[s] and the two behind it are what the pair with each
   * partner has: the factor of r^-8, and what damping adds to r^6 and r^8. Then n_reference[s] rows
   * of C6 between a reference of s and the partner, and as many derivatives by its coordination. */
  const double *pair;
  const int *first_row, *n_reference;
  const double (*weight)[2][DISPERSION_WEIGHTS]; /* of each centre, and the derivatives */
  double *count, *count_bar, *energy, *force[3];
  double *virial; /* [6] xx yy zz yz xz xy */
  double
      *field; /* [slots from center_begin on][stride] counting function, or attraction for C6 = 1 */
} dispersion_args;

/* The same sums in a GPU's order: every centre meets all partners of its system under all
 * translations, so that each pair comes twice and gives to the centre alone. */
typedef struct gather_system {
  int first, n;                                /* atoms of the batch */
  int first_slot, first_group, n_group, width; /* width: slots of its groups, 8, 16 or 32 */
  int pbc[3];
  double basis[9], inverse[9], spacing[3]; /* as in potentials/lattice_sum.h */
} gather_system;

/* Slots are made by gather_place. Not read of `pairs`: the ranges, translations, energy, force,
 * virial, field and the two sets of atoms, which are `atoms`. count and count_bar are set, the
 * results of atoms added to, NULL = not wanted. */
typedef struct gather_args {
  dispersion_args pairs;
  dispersion_atoms atoms;
  int n_slot;
  const gather_system *systems;
  const int *system, *atom; /* [n_slot] system and row of the results; atom: -1 = free */
  const double (*span)[6];
  double energy_unit, force_unit;
  double *energies, (*forces)[3], (*virial)[9];
} gather_args;

/* Atoms, in an order that puts neighbours together, to the slots of their systems' groups, where
 * the members of a group are the images nearest to its first. */
typedef struct gather_place_args {
  int n_slot;
  const gather_system *systems;
  const int *system;                /* [n_slot] */
  const double (*position)[3];      /* [n] */
  double unit;                      /* of positions, in that of the slots */
  const int *order;                 /* [n] atoms of the batch, system after system */
  const int *kind;                  /* [n] species */
  const double *kind_radius;        /* [species] */
  double *x[3], *radius, (*box)[6]; /* out: dispersion_atoms */
  int *species, *atom;              /* out */
  double (*span)[6];                /* out [group]: the box in lattice vectors */
} gather_place_args;

/* From coordination numbers to weights of references and the rows of dispersion_args.pair. */
typedef struct pair_weigh_args {
  int n, n_species;
  size_t stride;
  const int *species;                            /* [n] */
  const int *n_reference, *first_row;            /* [n_species] */
  const double (*reference)[DISPERSION_WEIGHTS]; /* [n_species] their coordination numbers */
  const double (*c6)[DISPERSION_WEIGHTS][DISPERSION_WEIGHTS]; /* [n_species][n_species] */
  const double (*fixed)[DISPERSION_ROW_C6]; /* [n_species][n_species] what does not depend on CN */
  double s6;
  const double *count;
  double (*weight)[2][DISPERSION_WEIGHTS]; /* out */
  double *pair;                            /* out */
} pair_weigh_args;

/* ---- the neighbour search (kernels/search.h) */

/* One system. */
typedef struct search_box {
  int system;   /* from 1, for messages */
  int first, n; /* atoms of the batch */
  int pbc[3];
  int64_t pairs; /* found so far, at most little more than SEARCH_PAIRS */
  double cutoff, cutoff2;
  double cell[3][3];  /* as given; rows that are not periodic are zero */
  double basis[3][3]; /* reduced and completed */
  double turn[3][3];  /* integers: periodic rows of basis = turn . cell */
  double inverse[9];  /* of the basis */
  double width[3];
  /* What depends on the positions as well: */
  int image_turn[3][3];   /* turn as int, once it is known to fit */
  double low[3], span[3]; /* range of fractional coordinates that the bins cover */
  double range;           /* cutoff and slack for rounding, angstrom */
  double count[3];        /* bins, as they are chosen */
  int bins[3], reach[3];
} search_box;

/* Atoms in bins, of a batch. */
typedef struct search_cells {
  const double (*x)[3]; /* [n] as given */
  double (*wrapped)[3]; /* [slot] */
  int (*wrap)[3];       /* [n] lattice translation (in the reduced basis) from wrapped to given */
  int *bin;             /* [n] within the system's bins */
  int *order, *slot;    /* atom of each slot, slot of each atom; slots are in the order of bins */
  int *first;           /* [4 n + 65 n_system] first slot of each bin */
} search_cells;

/* Edges of a search, unsorted within a centre on a device. */
typedef struct search_list {
  int *neighbor;
  int (*image)[3];
  double (*vector)[3]; /* NULL = not wanted */
} search_list;

/* What a device says of a search and of an evaluation. Starts as zero bytes. */
typedef struct search_status {
  int64_t edges;   /* in the batch */
  int block_edges; /* in one of its blocks, at most */
  int refused;     /* for its positions: the host refuses the structure, too */
  int crowded;     /* for two atoms on one place, or too many pairs: likewise */
  int diverged;    /* INT_MAX - the first atom whose results are not finite; 0 = none */
} search_status;

/* The steps of a search on a device, in this order: range, bin, scan, place, count, scan, fill,
 * sort, transpose. If the structure is refused, or there are more edges than places, the list that
 * they make is empty. */
typedef struct search_args {
  int n, n_system;
  search_box *box; /* [n_system] */
  search_cells cells;
  int *count;        /* [4 n + 65 n_system] atoms of each bin, zero before and after */
  int *edges;        /* [n] of each atom */
  search_list found; /* [capacity] */
  int *index[2];     /* [capacity] of `found`, for the sort */
  int capacity;      /* edges that there is room for */
  const int *first;  /* [n + 1] */
  int *center, *neighbor, *transpose; /* [capacity] */
  double (*vector)[3];                /* [capacity] */
  search_status *status;
} search_args;

/* Atoms in the order of bins, those of a bin in their own: cells.order may differ from run to run.
 */
typedef struct search_order_args {
  search_args search;
  int *order; /* out [n] */
} search_order_args;

enum { SCAN_TILE = 1024 };

/* first[i] = the sum of count[0 .. i-1]. With `most`, also: status->edges and block_edges, the sum
 * and the largest of `group` tiles; first is all zeros if one of them exceeds its limit, or the
 * structure is refused. */
typedef struct scan_args {
  int n;
  const int *count; /* [n] */
  int *first;       /* [n + 1] */
  int64_t *sum;     /* [tiles] scratch */
  int group, group_most;
  int64_t most; /* -1 = no limit */
  search_status *status;
} scan_args;

/* Results of systems from those of their atoms; the first atom whose own are not finite is noted.
 */
typedef struct system_sum_args {
  int n_system;
  const search_box *box;
  const double *energies;                  /* [n] */
  const double (*forces)[3], (*virial)[9]; /* [n]; NULL = not wanted */
  const double *factor;                    /* [n_system]; NULL = total is the plain sum */
  double *energy;                          /* out [n_system]; NULL = not wanted */
  double (*total)[9]; /* out [n_system]: with a factor, of the symmetrised sum */
  search_status *status;
} system_sum_args;

#define KERNELS(X)                                                                                 \
  X(edge_gather, edge_gather_args)                                                                 \
  X(edge_pick, edge_pick_args)                                                                     \
  X(edge_geometry, edge_geometry_args)                                                             \
  X(edge_gradient, edge_gradient_args)                                                             \
  X(coupling_forward, coupling_args)                                                               \
  X(coupling_reverse, coupling_args)                                                               \
  X(conv_forward, conv_args)                                                                       \
  X(conv_reverse, conv_args)                                                                       \
  X(conv_weight_reverse, conv_args)                                                                \
  X(density_forward, density_args)                                                                 \
  X(density_reverse, density_args)                                                                 \
  X(radial_basis, radial_basis_args)                                                               \
  X(radial_density, radial_density_args)                                                           \
  X(radial_locate, radial_locate_args)                                                             \
  X(edge_add, edge_add_args)                                                                       \
  X(linear, linear_args)                                                                           \
  X(contraction_forward, contraction_args)                                                         \
  X(contraction_reverse, contraction_args)                                                         \
  X(gate_forward, gate_args)                                                                       \
  X(gate_reverse, gate_args)                                                                       \
  X(silu_jet, silu_jet_args)                                                                       \
  X(norm_jet, norm_jet_args)                                                                       \
  X(scale_jet, scale_jet_args)                                                                     \
  X(row_copy, row_args)                                                                            \
  X(row_add, row_args)                                                                             \
  X(row_sum, row_sum_args)                                                                         \
  X(scale_forward, scale_args)                                                                     \
  X(scale_reverse, scale_args)                                                                     \
  X(dot_forward, dot_args)                                                                         \
  X(dot_reverse, dot_args)                                                                         \
  X(species_energy, species_energy_args)                                                           \
  X(edge_force, edge_force_args)                                                                   \
  X(edge_virial, edge_virial_args)                                                                 \
  X(zbl, zbl_args)                                                                                 \
  X(wall_forward, wall_args)                                                                       \
  X(wall_reverse, wall_args)

/* What only the host has: tables are made there, and pairs of dispersion come once. NULL in the
 * tables of other devices. */
#define HOST_KERNELS(X)                                                                            \
  X(quintic, quintic_args)                                                                         \
  X(pair_count, dispersion_args)                                                                   \
  X(pair_energy, dispersion_args)                                                                  \
  X(pair_force, dispersion_args)                                                                   \
  X(pair_virial, dispersion_args)                                                                  \
  X(pull_force, dispersion_args)                                                                   \
  X(pull_virial, dispersion_args)                                                                  \
  X(field_count, dispersion_args)                                                                  \
  X(field_energy, dispersion_args)

/* What only devices other than the host have: the host makes its lists in core/neighbors.c, and
 * takes pairs of dispersion once. NULL in its table. */
#define DEVICE_KERNELS(X)                                                                          \
  X(search_range, search_args)                                                                     \
  X(search_bin, search_args)                                                                       \
  X(search_place, search_args)                                                                     \
  X(search_count, search_args)                                                                     \
  X(search_fill, search_args)                                                                      \
  X(search_sort, search_args)                                                                      \
  X(search_transpose, search_args)                                                                 \
  X(search_order, search_order_args)                                                               \
  X(scan, scan_args)                                                                               \
  X(system_sum, system_sum_args)                                                                   \
  X(gather_place, gather_place_args)                                                               \
  X(pair_weigh, pair_weigh_args)                                                                   \
  X(gather_count, gather_args)                                                                     \
  X(gather_energy, gather_args)                                                                    \
  X(gather_force, gather_args)                                                                     \
  X(gather_virial, gather_args)                                                                    \
  X(gather_pull_force, gather_args)                                                                \
  X(gather_pull_virial, gather_args)

typedef struct kernel_ops {
  const char *name;      /* "avx512 single" */
  size_t real_size;      /* 4 or 8 */
  struct device *device; /* where arrays lie */
#define KERNEL_FIELD(op, args) void (*op)(const args *);
  KERNELS(KERNEL_FIELD)
  HOST_KERNELS(KERNEL_FIELD)
  DEVICE_KERNELS(KERNEL_FIELD)
#undef KERNEL_FIELD
  /* These prepare host memory, to be copied to the device: */
  /* Rounds n doubles to reals. */
  void (*convert)(const double *x, size_t n, void *out);
  /* A row-major [k][n] matrix of double into the order that `linear` reads; k, n padded. */
  void (*linear_pack)(const double *w, int k, int n, void *out);
  /* Coefficients [n_monomial][channels] in the order that the contraction reads. */
  void (*contraction_pack)(const double *c, int n_monomial, int channels, void *out);
  size_t (*conv_scratch)(int n_q);
  int selected_contractions; /* wants selected programs for multiples of so many channels; 0 = no */
  int partners;              /* host: slots of a group of dispersion_atoms, 4 or 8 */
} kernel_ops;

/* The fastest table that this processor runs. */
const kernel_ops *kernels_host(int double_precision);
/* By name ("baseline", "avx2", "avx512"); NULL if this processor or build has it not. */
const kernel_ops *kernels_host_named(const char *isa, int double_precision);

static inline int kernel_padded(int n) {
  return (n + KERNEL_ROW_PAD - 1) / KERNEL_ROW_PAD * KERNEL_ROW_PAD;
}
/* Reals from node to node, of which n are in use and the first `scalars` have l = 0: nodes of long
 * rows shall not all begin in the same sets of the first-level cache. Scalars alone stay dense. */
static inline int kernel_row(int n, int scalars) {
  return n > scalars && n >= 1024 && n % 512 == 0 ? n + KERNEL_ROW_PAD : n;
}
static inline size_t kernel_tiles(size_t n) {
  return (n + KERNEL_EDGE_TILE - 1) / KERNEL_EDGE_TILE;
}

#endif
