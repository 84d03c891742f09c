/* The three sums of a two-layer MACE with scalar features that cost time, and their reverses:
 * edges (unit harmonics and lengths), messages M[lm][i][k] = sum_j Y_lm(ij) R_lk(r_ij) h_jk, and
 * the symmetric contraction as nested sums over sorted products of A.  R is a uniform cubic
 * B-spline.  Compiled by mace_torch.py with REAL, CHANNELS and LMAX fixed, so that loops over
 * channels become vector instructions.  A NULL for a gradient means "not wanted".
 * SPDX-License-Identifier: MIT */
#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define C      CHANNELS
#define NLM    ((LMAX + 1) * (LMAX + 1))
#define ROW    ((LMAX + 1) * C)
#define LOOP_K _Pragma("GCC ivdep") for (int k = 0; k < C; k++)

typedef REAL real;

/* sqrt(2l+1)-normalised harmonics of e3nn's order and axes at the unit vector (x, y, z), and
 * with `d` their derivatives as polynomials, d[lm][3]. */
static void harmonics(double x, double y, double z, double *o, double (*d)[3]) {
  const double s3 = sqrt(3.0), s5 = sqrt(5.0), s15 = sqrt(15.0);
  o[0] = 1, o[1] = s3 * x, o[2] = s3 * y, o[3] = s3 * z;
  if (d) {
    memset(d, 0, NLM * sizeof *d);
    d[1][0] = d[2][1] = d[3][2] = s3;
  }
#if LMAX > 1
  o[4] = s15 * x * z, o[5] = s15 * x * y, o[6] = s5 * (y * y - (x * x + z * z) / 2);
  o[7] = s15 * y * z, o[8] = s15 / 2 * (z * z - x * x);
  if (d) {
    d[4][0] = s15 * z, d[4][2] = s15 * x, d[5][0] = s15 * y, d[5][1] = s15 * x;
    d[6][0] = -s5 * x, d[6][1] = 2 * s5 * y, d[6][2] = -s5 * z;
    d[7][1] = s15 * z, d[7][2] = s15 * y, d[8][0] = -s15 * x, d[8][2] = s15 * z;
  }
#endif
#if LMAX > 2
  const double a = sqrt(70.0) / 4, b = sqrt(105.0), c = sqrt(42.0) / 4, e = sqrt(7.0) / 2;
  o[9] = a * x * (3 * z * z - x * x), o[10] = b * x * y * z;
  o[11] = c * x * (5 * y * y - 1), o[12] = e * y * (5 * y * y - 3), o[13] = c * z * (5 * y * y - 1);
  o[14] = b / 2 * y * (z * z - x * x), o[15] = a * z * (z * z - 3 * x * x);
  if (d) {
    d[9][0] = a * 3 * (z * z - x * x), d[9][2] = a * 6 * x * z;
    d[10][0] = b * y * z, d[10][1] = b * x * z, d[10][2] = b * x * y;
    d[11][0] = c * (5 * y * y - 1), d[11][1] = c * 10 * x * y;
    d[12][1] = e * (15 * y * y - 3);
    d[13][1] = c * 10 * z * y, d[13][2] = c * (5 * y * y - 1);
    d[14][0] = -b * x * y, d[14][1] = b / 2 * (z * z - x * x), d[14][2] = b * y * z;
    d[15][0] = -a * 6 * x * z, d[15][2] = a * 3 * (z * z - x * x);
  }
#endif
}

/* The vector of edge e: from its sender to its centre, angstrom. */
static double edge_vector(const double *pos, const double *shift, int s, int n, double v[3]) {
  double r2 = 0;
  for (int a = 0; a < 3; a++) {
    v[a] = pos[3 * n + a] - pos[3 * s + a] + shift[a];
    r2 += v[a] * v[a];
  }
  return sqrt(r2);
}

/* start[n+1]: edges of centre i; sender[e], shift[e][3]; out: Y[e][NLM], r[e]. */
void edges_forward(int n, const int *start, const int *sender, const double *shift,
                   const double *pos, real *Y, real *r) {
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n; i++)
    for (int e = start[i]; e < start[i + 1]; e++) {
      double v[3], o[16], len = edge_vector(pos, shift + 3 * (size_t)e, sender[e], i, v);
      harmonics(v[0] / len, v[1] / len, v[2] / len, o, NULL);
      for (int q = 0; q < NLM; q++) Y[(size_t)e * NLM + q] = (real)o[q];
      r[e] = (real)len;
    }
}

/* d_pos[n][3] += from dY[e][NLM], dr[e]. */
void edges_reverse(int n, const int *start, const int *sender, const double *shift,
                   const double *pos, const real *dY, const real *dr, double *d_pos) {
  for (int i = 0; i < n; i++)
    for (int e = start[i]; e < start[i + 1]; e++) {
      double v[3], o[16], d[16][3], g[3] = {0, 0, 0};
      double len = edge_vector(pos, shift + 3 * (size_t)e, sender[e], i, v);
      for (int a = 0; a < 3; a++) v[a] /= len;
      harmonics(v[0], v[1], v[2], o, d);
      for (int q = 1; q < NLM; q++)
        for (int a = 0; a < 3; a++) g[a] += dY[(size_t)e * NLM + q] * d[q][a];
      double along = g[0] * v[0] + g[1] * v[1] + g[2] * v[2];
      for (int a = 0; a < 3; a++) {
        double f = (g[a] - along * v[a]) / len + dr[e] * v[a];
        d_pos[3 * i + a] += f;
        d_pos[3 * sender[e] + a] -= f;
      }
    }
}

/* The four B-spline weights at r and their derivatives; the first row of the table.  Returns -1
 * beyond the table. */
static int spline(double r, double inv_h, int rows, real b[4], real d[4]) {
  double u = r * inv_h;
  int g = (int)u;
  if (!(u >= 0) || g > rows - 4) return -1;
  double t = u - g, m = 1 - t;
  b[0] = (real)(m * m * m / 6), b[3] = (real)(t * t * t / 6);
  b[1] = (real)((4 - 6 * t * t + 3 * t * t * t) / 6);
  b[2] = (real)((4 - 6 * m * m + 3 * m * m * m) / 6);
  d[0] = (real)(-m * m / 2 * inv_h), d[3] = (real)(t * t / 2 * inv_h);
  d[1] = (real)((-4 * t + 3 * t * t) / 2 * inv_h);
  d[2] = (real)((4 * m - 3 * m * m) / 2 * inv_h);
  return g;
}

/* R[ROW] at the weights b: rows g to g+3 of the table. */
static void radial(const real *T, int g, const real b[4], real *R) {
  const real *t0 = T + (size_t)g * ROW, *t1 = t0 + ROW, *t2 = t1 + ROW, *t3 = t2 + ROW;
#pragma GCC ivdep
  for (int k = 0; k < ROW; k++) R[k] = b[0] * t0[k] + b[1] * t1[k] + b[2] * t2[k] + b[3] * t3[k];
}

/* T[rows][ROW] spline coefficients, h[n][C]; out M[NLM][n][C]. */
void message_forward(int n, const int *start, const int *sender, const real *Y, const real *r,
                     const real *T, int rows, double inv_h, const real *h, real *M) {
#pragma omp parallel for schedule(dynamic, 16)
  for (int i = 0; i < n; i++) {
    real acc[NLM][C] __attribute__((aligned(64))) = {{0}};
    for (int e = start[i]; e < start[i + 1]; e++) {
      real b[4], d[4], R[ROW] __attribute__((aligned(64)));
      const real *y = Y + (size_t)e * NLM, *hj = h + (size_t)sender[e] * C;
      int g = spline(r[e], inv_h, rows, b, d);
      if (g < 0) continue;
      radial(T, g, b, R);
      for (int l = 0; l <= LMAX; l++) {
        real t[C] __attribute__((aligned(64)));
        LOOP_K t[k] = R[l * C + k] * hj[k];
        for (int q = l * l; q < (l + 1) * (l + 1); q++) LOOP_K acc[q][k] += y[q] * t[k];
      }
    }
    for (int q = 0; q < NLM; q++) memcpy(M + ((size_t)q * n + i) * C, acc[q], sizeof acc[q]);
  }
}

/* One edge of the reverse: own[NLM][C] is the adjoint of its centre's sums. */
static void message_edge(real (*own)[C], const real *y, const real *T, int g, const real b[4],
                         const real d[4], const real *hj, real *dT, real *dh, real *dY, real *dr) {
  real R[ROW] __attribute__((aligned(64))), w[ROW] __attribute__((aligned(64)));
  radial(T, g, b, R);
  for (int l = 0; l <= LMAX; l++) {
    real s[C] __attribute__((aligned(64))), *wl = w + l * C;
    LOOP_K s[k] = y[l * l] * own[l * l][k];
    for (int q = l * l + 1; q < (l + 1) * (l + 1); q++) LOOP_K s[k] += y[q] * own[q][k];
    if (dh) LOOP_K dh[k] += R[l * C + k] * s[k];
    LOOP_K wl[k] = s[k] * hj[k];
  }
  if (dT)
    for (int p = 0; p < 4; p++) {
      real *row = dT + (size_t)(g + p) * ROW;
#pragma GCC ivdep
      for (int k = 0; k < ROW; k++) row[k] += b[p] * w[k];
    }
  if (!dr) return;
  real sum = 0;
  const real *t0 = T + (size_t)g * ROW, *t1 = t0 + ROW, *t2 = t1 + ROW, *t3 = t2 + ROW;
  for (int k = 0; k < ROW; k++)
    sum += w[k] * (d[0] * t0[k] + d[1] * t1[k] + d[2] * t2[k] + d[3] * t3[k]);
  *dr += sum;
  for (int l = 0; l <= LMAX; l++) {
    real t[C] __attribute__((aligned(64)));
    LOOP_K t[k] = R[l * C + k] * hj[k];
    for (int q = l * l; q < (l + 1) * (l + 1); q++) {
      sum = 0;
      LOOP_K sum += own[q][k] * t[k];
      dY[q] += sum;
    }
  }
}

/* Adjoints from dM[NLM][n][C]: dT[rows][ROW], dh[n][C], dY[e][NLM] and dr[e], all added to. */
int message_reverse(int n, const int *start, const int *sender, const real *Y, const real *r,
                    const real *T, int rows, double inv_h, const real *h, const real *dM, real *dT,
                    real *dh, real *dY, real *dr) {
  size_t size_T = dT ? (size_t)rows * ROW : 0, size_h = dh ? (size_t)n * C : 0;
  int failed = 0;
#pragma omp parallel
  {
    int lead = omp_get_thread_num() == 0;
    real *pT = lead ? dT : calloc(size_T + 1, sizeof(real));
    real *ph = lead ? dh : calloc(size_h + 1, sizeof(real));
    int ok = lead || (pT && ph);
#pragma omp for schedule(dynamic, 16)
    for (int i = 0; i < n; i++) {
      real own[NLM][C] __attribute__((aligned(64)));
      for (int q = 0; ok && q < NLM; q++)
        memcpy(own[q], dM + ((size_t)q * n + i) * C, sizeof own[q]);
      for (int e = start[i]; ok && e < start[i + 1]; e++) {
        real b[4], d[4];
        int g = spline(r[e], inv_h, rows, b, d);
        if (g >= 0)
          message_edge(own, Y + (size_t)e * NLM, T, g, b, d, h + (size_t)sender[e] * C,
                       dT ? pT : NULL, dh ? ph + (size_t)sender[e] * C : NULL,
                       dY ? dY + (size_t)e * NLM : NULL, dr ? dr + e : NULL);
      }
    }
#pragma omp critical
    {
      failed |= !ok;
      for (size_t k = 0; !lead && ok && k < size_T; k++) dT[k] += pT[k];
      for (size_t k = 0; !lead && ok && k < size_h; k++) dh[k] += ph[k];
    }
    if (!lead) {
      free(pT);
      free(ph);
    }
  }
  return failed;
}

/* The sorted products as a program: pairs of first factor a are pair[a]..pair[a+1]; a pair has
 * its second factor, the coefficient of A_a A_b (-1: none) and its third factors with theirs. */
typedef struct {
  int first[NLM]; /* coefficient of A_a alone, -1: none */
  int pair[NLM + 1];
  const int *second, *two;  /* [pairs] */
  const int *triple;        /* [pairs+1] */
  const int *third, *three; /* [triples] */
} program;

static program program_of(const int *p) {
  program g;
  memcpy(g.first, p, sizeof g.first);
  memcpy(g.pair, p + NLM, sizeof g.pair);
  int pairs = g.pair[NLM];
  g.second = p + 2 * NLM + 1;
  g.two = g.second + pairs;
  g.triple = g.two + pairs;
  g.third = g.triple + pairs + 1;
  g.three = g.third + g.triple[pairs];
  return g;
}

/* s[C] = two + sum over third factors: what A_a A_b is multiplied by. */
static void inner(const program *g, int p, const real *co, const real (*A)[C], real *s) {
  if (g->two[p] >= 0) memcpy(s, co + (size_t)g->two[p] * C, C * sizeof *s);
  else memset(s, 0, C * sizeof *s);
  for (int t = g->triple[p]; t < g->triple[p + 1]; t++) {
    const real *c3 = co + (size_t)g->three[t] * C, *A3 = A[g->third[t]];
    LOOP_K s[k] += c3[k] * A3[k];
  }
}

static void gather(int n, int i, const real *A, real (*a)[C]) {
  for (int q = 0; q < NLM; q++) memcpy(a[q], A + ((size_t)q * n + i) * C, C * sizeof(real));
}

/* A[NLM][n][C], co[z][terms][C], kind[n]; out B[n][C]. */
void contract_forward(int n, const int *kind, int terms, const int *prog, const real *A,
                      const real *co, real *B) {
  program g = program_of(prog);
#pragma omp parallel for schedule(static)
  for (int i = 0; i < n; i++) {
    real a[NLM][C] __attribute__((aligned(64))), out[C] __attribute__((aligned(64))) = {0};
    const real *c = co + (size_t)kind[i] * (size_t)terms * C;
    gather(n, i, A, a);
    for (int q = 0; q < NLM; q++) {
      real s1[C] __attribute__((aligned(64))) = {0}, s2[C] __attribute__((aligned(64)));
      if (g.first[q] >= 0) memcpy(s1, c + (size_t)g.first[q] * C, sizeof s1);
      for (int p = g.pair[q]; p < g.pair[q + 1]; p++) {
        inner(&g, p, c, (const real(*)[C])a, s2);
        LOOP_K s1[k] += s2[k] * a[g.second[p]][k];
      }
      LOOP_K out[k] += s1[k] * a[q][k];
    }
    memcpy(B + (size_t)i * C, out, sizeof out);
  }
}

/* Reverse of one atom: adjoint of its sums into da, of its coefficients into dc (NULL: none). */
static void contract_atom(const program *g, const real (*a)[C], const real *c, const real *up,
                          real (*da)[C], real *dc) {
  for (int q = 0; q < NLM; q++) {
    real s1[C] __attribute__((aligned(64))) = {0}, s2[C] __attribute__((aligned(64)));
    real w1[C] __attribute__((aligned(64))), w2[C] __attribute__((aligned(64)));
    LOOP_K w1[k] = up[k] * a[q][k];
    if (g->first[q] >= 0) {
      memcpy(s1, c + (size_t)g->first[q] * C, sizeof s1);
      if (dc) LOOP_K dc[(size_t)g->first[q] * C + k] += w1[k];
    }
    for (int p = g->pair[q]; p < g->pair[q + 1]; p++) {
      int b = g->second[p];
      LOOP_K w2[k] = w1[k] * a[b][k];
      if (g->two[p] >= 0) {
        memcpy(s2, c + (size_t)g->two[p] * C, sizeof s2);
        if (dc) LOOP_K dc[(size_t)g->two[p] * C + k] += w2[k];
      } else {
        memset(s2, 0, sizeof s2);
      }
      for (int t = g->triple[p]; t < g->triple[p + 1]; t++) {
        const real *c3 = c + (size_t)g->three[t] * C, *a3 = a[g->third[t]];
        real *d3 = da[g->third[t]];
        if (dc) {
          real *dc3 = dc + (size_t)g->three[t] * C;
          LOOP_K dc3[k] += w2[k] * a3[k];
        }
        LOOP_K s2[k] += c3[k] * a3[k];
        LOOP_K d3[k] += w2[k] * c3[k];
      }
      LOOP_K da[b][k] += w1[k] * s2[k];
      LOOP_K s1[k] += s2[k] * a[b][k];
    }
    LOOP_K da[q][k] += up[k] * s1[k];
  }
}

/* dA[NLM][n][C] is set, d_co[kinds][terms][C] (may be NULL) added to. */
int contract_reverse(int n, const int *kind, int kinds, int terms, const int *prog, const real *A,
                     const real *co, const real *dB, real *dA, real *d_co) {
  program g = program_of(prog);
  size_t size = d_co ? (size_t)kinds * (size_t)terms * C : 0;
  int failed = 0;
#pragma omp parallel
  {
    int lead = omp_get_thread_num() == 0;
    real *mine = lead ? d_co : calloc(size + 1, sizeof(real));
    int ok = lead || mine;
#pragma omp for schedule(static)
    for (int i = 0; i < n; i++) {
      real a[NLM][C] __attribute__((aligned(64))), da[NLM][C] __attribute__((aligned(64)));
      size_t at = (size_t)kind[i] * (size_t)terms * C;
      memset(da, 0, sizeof da);
      gather(n, i, A, a);
      if (ok)
        contract_atom(&g, (const real(*)[C])a, co + at, dB + (size_t)i * C, da,
                      d_co ? mine + at : NULL);
      for (int q = 0; q < NLM; q++) memcpy(dA + ((size_t)q * n + i) * C, da[q], sizeof da[q]);
    }
#pragma omp critical
    {
      failed |= !ok;
      for (size_t k = 0; !lead && ok && k < size; k++) d_co[k] += mine[k];
    }
    if (!lead) free(mine);
  }
  return failed;
}
