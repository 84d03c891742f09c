/* h5md.c -- H5MD by HDF5.
 *
 * /particles/all/{position, image, velocity, box/edges} and /observables/{potential_energy,
 * kinetic_energy}: each a group of `value` [frame][..], `step` and `time`, the latter two being the
 * same datasets everywhere (hard links). species and mass do not change.
 *
 * SPDX-License-Identifier: MIT */
#include "io/h5md.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP, TIME, POSITION, IMAGE, VELOCITY, EDGES, POTENTIAL, KINETIC, SETS };

/* Of the element that a dataset is part of; [frame] and then so many numbers. */
static const struct {
  const char *group, *unit;
  int whole, rank; /* rank 3: [frame][n or 3][3]; 1: [frame] */
} element[SETS] = {
    [POSITION] = {"/particles/all/position", "Angstrom", 0, 3},
    [IMAGE] = {"/particles/all/image", NULL, 1, 3},
    [VELOCITY] = {"/particles/all/velocity", "Angstrom fs-1", 0, 3},
    [EDGES] = {"/particles/all/box/edges", "Angstrom", 0, 3},
    [POTENTIAL] = {"/observables/potential_energy", "eV", 0, 1},
    [KINETIC] = {"/observables/kinetic_energy", "eV", 0, 1},
};

struct h5md {
  char *path;
  hid_t file, set[SETS];
  int n;
  int64_t frames;
};

int h5md_supported(void) { return 1; }

/* HDF5 prints its errors unless told otherwise; the caller's setting comes back. */
typedef struct quiet {
  H5E_auto2_t print;
  void *data;
} quiet;

static inline quiet quiet_enter(void) {
  quiet q = {NULL, NULL};
  H5Eget_auto2(H5E_DEFAULT, &q.print, &q.data);
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  return q;
}

static inline void quiet_leave(const quiet *q) { H5Eset_auto2(H5E_DEFAULT, q->print, q->data); }

#define QUIET() const quiet quiet_ __attribute__((cleanup(quiet_leave), unused)) = quiet_enter()

static eqs_status broken(const h5md *h, const char *what) {
  EQS_FAIL(EQS_ERR_FILE, "%s: HDF5: %s failed", h->path, what);
}

/* ---- building a file */

static int put_attribute(hid_t at, const char *name, hid_t type, hsize_t n, const void *value) {
  hid_t space = n ? H5Screate_simple(1, &n, NULL) : H5Screate(H5S_SCALAR);
  hid_t a = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  int bad = a < 0 || H5Awrite(a, type, value) < 0;
  H5Aclose(a);
  H5Sclose(space);
  return bad;
}

/* n = 0: one text; else n texts of `width` bytes. */
static int put_text(hid_t at, const char *name, hsize_t n, size_t width, const char *text) {
  hid_t type = H5Tcopy(H5T_C_S1);
  int bad = H5Tset_size(type, width) < 0 || put_attribute(at, name, type, n, text);
  H5Tclose(type);
  return bad;
}

static int put_group(hid_t file, const char *path) {
  hid_t g = H5Gcreate2(file, path, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  int bad = g < 0;
  H5Gclose(g);
  return bad;
}

/* [0 .. unlimited] of `rank` 1, or with n rows of three. */
static hid_t make_set(hid_t file, const char *path, hid_t type, int rank, hsize_t n) {
  hsize_t now[3] = {0, n, 3}, most[3] = {H5S_UNLIMITED, n, 3}, chunk[3] = {1, n, 3};
  if (rank == 1) chunk[0] = 1024;
  hid_t space = H5Screate_simple(rank, now, most), how = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_chunk(how, rank, chunk);
  hid_t set = H5Dcreate2(file, path, type, space, H5P_DEFAULT, how, H5P_DEFAULT);
  H5Pclose(how);
  H5Sclose(space);
  return set;
}

static int link_to(hid_t file, const char *from, const char *group, const char *name) {
  char to[96];
  snprintf(to, sizeof to, "%s/%s", group, name);
  return H5Lcreate_hard(file, from, file, to, H5P_DEFAULT, H5P_DEFAULT) < 0;
}

static int make_elements(h5md *h) {
  static const char first_step[] = "/particles/all/position/step";
  static const char first_time[] = "/particles/all/position/time";
  int bad = 0;
  for (int k = POSITION; k < SETS; k++) {
    char path[96];
    bad |= put_group(h->file, element[k].group);
    snprintf(path, sizeof path, "%s/value", element[k].group);
    h->set[k] = make_set(h->file, path, element[k].whole ? H5T_STD_I32LE : H5T_IEEE_F64LE,
                         element[k].rank, k == EDGES ? 3 : (hsize_t)h->n);
    bad |= h->set[k] < 0;
    if (element[k].unit)
      bad |= put_text(h->set[k], "unit", 0, strlen(element[k].unit), element[k].unit);
    if (k == POSITION) {
      h->set[STEP] = make_set(h->file, first_step, H5T_STD_I64LE, 1, 0);
      h->set[TIME] = make_set(h->file, first_time, H5T_IEEE_F64LE, 1, 0);
      bad |= h->set[STEP] < 0 || h->set[TIME] < 0 || put_text(h->set[TIME], "unit", 0, 2, "ps");
    } else {
      bad |= link_to(h->file, first_step, element[k].group, "step");
      bad |= link_to(h->file, first_time, element[k].group, "time");
    }
  }
  return bad;
}

static int put_fixed(h5md *h, const char *path, hid_t file_type, hid_t type, const void *value) {
  hsize_t n = (hsize_t)h->n;
  hid_t space = H5Screate_simple(1, &n, NULL);
  hid_t set = H5Dcreate2(h->file, path, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  int bad = set < 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, value) < 0;
  H5Dclose(set);
  H5Sclose(space);
  return bad;
}

static int make_head(h5md *h, const int *number, const double *mass, const int pbc[3]) {
  static const char *const groups[] = {"/h5md",       "/h5md/author",   "/h5md/creator",
                                       "/particles",  "/particles/all", "/particles/all/box",
                                       "/observables"};
  static const int version[2] = {1, 1}, dimension = 3;
  char edge[3][9];
  int bad = 0;
  for (size_t k = 0; k < sizeof groups / sizeof *groups; k++) bad |= put_group(h->file, groups[k]);
  hid_t top = H5Gopen2(h->file, "/h5md", H5P_DEFAULT);
  hid_t author = H5Gopen2(h->file, "/h5md/author", H5P_DEFAULT);
  hid_t creator = H5Gopen2(h->file, "/h5md/creator", H5P_DEFAULT);
  hid_t box = H5Gopen2(h->file, "/particles/all/box", H5P_DEFAULT);
  bad |= put_attribute(top, "version", H5T_NATIVE_INT, 2, version);
  bad |= put_text(author, "name", 0, 7, "unknown");
  bad |= put_text(creator, "name", 0, 8, "equisorb");
  bad |= put_text(creator, "version", 0, strlen(eqs_version()), eqs_version());
  memset(edge, 0, sizeof edge);
  for (int k = 0; k < 3; k++) snprintf(edge[k], sizeof edge[k], "%s", pbc[k] ? "periodic" : "none");
  bad |= put_attribute(box, "dimension", H5T_NATIVE_INT, 0, &dimension);
  bad |= put_text(box, "boundary", 3, sizeof edge[0], edge[0]);
  H5Gclose(top), H5Gclose(author), H5Gclose(creator), H5Gclose(box);
  bad |= put_fixed(h, "/particles/all/species", H5T_STD_I32LE, H5T_NATIVE_INT, number);
  bad |= put_fixed(h, "/particles/all/mass", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, mass);
  return bad;
}

static eqs_status new_handle(const char *path, h5md **out) {
  *out = calloc(1, sizeof **out);
  if (!*out || !((*out)->path = strdup(path))) {
    free(*out);
    *out = NULL;
    EQS_FAIL(EQS_ERR_MEMORY, "out of memory: trajectory");
  }
  (*out)->file = -1;
  for (int k = 0; k < SETS; k++) (*out)->set[k] = -1;
  return EQS_OK;
}

eqs_status h5md_create(const char *path, int n, const int *number, const double *mass,
                       const int pbc[3], h5md **out) {
  QUIET();
  EQS_TRY(new_handle(path, out));
  h5md *h = *out;
  h->n = n;
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
  h->file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
  H5Pclose(access);
  int bad = h->file < 0 || make_head(h, number, mass, pbc) || make_elements(h) ||
            H5Fstart_swmr_write(h->file) < 0;
  if (!bad) return EQS_OK;
  eqs_status status = broken(h, "making the file");
  h5md_free(out);
  return status;
}

/* ---- frames */

/* The arrays of a frame in the order of the sets, and their types. */
static void arrays(const h5md_frame *f, const void *at[SETS], hid_t type[SETS]) {
  const void *all[SETS] = {&f->step, &f->time, f->x,          f->image,
                           f->v,     f->cell,  &f->potential, &f->kinetic};
  for (int k = 0; k < SETS; k++) {
    at[k] = all[k];
    type[k] = k == STEP ? H5T_NATIVE_INT64 : k == IMAGE ? H5T_NATIVE_INT : H5T_NATIVE_DOUBLE;
  }
}

static hsize_t rows(const h5md *h, int k) { return k == EDGES ? 3 : (hsize_t)h->n; }

/* Frame i of set k, to or from memory. */
static int transfer(h5md *h, int k, int64_t i, hid_t type, void *to, const void *from) {
  int rank = k >= POSITION ? element[k].rank : 1;
  hsize_t start[3] = {(hsize_t)i, 0, 0}, count[3] = {1, rows(h, k), 3};
  hid_t memory = H5Screate_simple(rank, count, NULL), file = H5Dget_space(h->set[k]);
  int bad = H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL) < 0;
  if (!bad && to) bad = H5Dread(h->set[k], type, memory, file, H5P_DEFAULT, to) < 0;
  if (!bad && from) bad = H5Dwrite(h->set[k], type, memory, file, H5P_DEFAULT, from) < 0;
  H5Sclose(memory);
  H5Sclose(file);
  return bad;
}

/* Sets that readers take the number of frames from come last: no frame is ever seen half. */
eqs_status h5md_append(h5md *h, const h5md_frame *f) {
  QUIET();
  const void *at[SETS];
  hid_t type[SETS];
  arrays(f, at, type);
  for (int k = SETS - 1; k >= 0; k--) {
    hsize_t size[3] = {(hsize_t)h->frames + 1, rows(h, k), 3};
    if (H5Dset_extent(h->set[k], size) < 0 || transfer(h, k, h->frames, type[k], NULL, at[k]) ||
        H5Dflush(h->set[k]) < 0)
      return broken(h, "writing a frame");
  }
  h->frames++;
  return EQS_OK;
}

eqs_status h5md_read(h5md *h, int64_t i, h5md_frame *f) {
  QUIET();
  const void *at[SETS];
  hid_t type[SETS];
  if (i < 0 || i >= h->frames)
    EQS_FAIL(EQS_ERR_ARGUMENT, "%s has %lld frames", h->path, (long long)h->frames);
  arrays(f, at, type);
  for (int k = 0; k < SETS; k++)
    if (transfer(h, k, i, type[k], (void *)(uintptr_t)at[k], NULL)) return broken(h, "reading");
  return EQS_OK;
}

/* ---- reading, and going on */

static int open_sets(h5md *h) {
  hsize_t size[3] = {0, 0, 0};
  h->frames = INT64_MAX;
  for (int k = 0; k < SETS; k++) {
    char path[96];
    int at = k < POSITION ? POSITION : k;
    snprintf(path, sizeof path, "%s/%s", element[at].group,
             k == STEP   ? "step"
             : k == TIME ? "time"
                         : "value");
    h->set[k] = H5Dopen2(h->file, path, H5P_DEFAULT);
    if (h->set[k] < 0) return 1;
    hid_t space = H5Dget_space(h->set[k]);
    int rank = H5Sget_simple_extent_ndims(space), want = k < POSITION ? 1 : element[k].rank;
    if (rank == want) H5Sget_simple_extent_dims(space, size, NULL);
    H5Sclose(space);
    if (rank != want || (rank == 3 && size[2] != 3) || size[0] > INT64_MAX / 2) return 1;
    if (k == POSITION && (size[1] < 1 || size[1] > INT32_MAX)) return 1;
    if (k == POSITION) h->n = (int)size[1];
    if (rank == 3 && size[1] != rows(h, k)) return 1;
    if ((int64_t)size[0] < h->frames) h->frames = (int64_t)size[0];
  }
  return 0;
}

eqs_status h5md_open(const char *path, int *n, h5md **out) {
  QUIET();
  EQS_TRY(new_handle(path, out));
  h5md *h = *out;
  h->file = H5Fopen(path, H5F_ACC_RDONLY | H5F_ACC_SWMR_READ, H5P_DEFAULT);
  if (h->file < 0 || open_sets(h)) {
    h5md_free(out);
    EQS_FAIL(EQS_ERR_FORMAT, "%s is no H5MD trajectory of this program", path);
  }
  *n = h->n;
  return EQS_OK;
}

/* "periodic" three times or "none", as it was written. */
static int read_boundary(hid_t file, int pbc[3]) {
  char edge[3][16];
  memset(edge, 0, sizeof edge);
  hid_t type = H5Tcopy(H5T_C_S1);
  hid_t a = H5Aopen_by_name(file, "/particles/all/box", "boundary", H5P_DEFAULT, H5P_DEFAULT);
  hid_t space = H5Aget_space(a);
  int bad = H5Tset_size(type, sizeof edge[0]) < 0 || a < 0 ||
            H5Sget_simple_extent_npoints(space) != 3 || H5Aread(a, type, edge) < 0;
  for (int k = 0; k < 3; k++) pbc[k] = !strncmp(edge[k], "periodic", sizeof edge[k]);
  H5Sclose(space);
  H5Aclose(a);
  H5Tclose(type);
  return bad;
}

eqs_status h5md_fixed(h5md *h, int *number, int pbc[3]) {
  QUIET();
  hid_t set = H5Dopen2(h->file, "/particles/all/species", H5P_DEFAULT), space = H5Dget_space(set);
  int bad = set < 0 || H5Sget_simple_extent_npoints(space) != h->n ||
            H5Dread(set, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, number) < 0 ||
            read_boundary(h->file, pbc);
  H5Sclose(space);
  H5Dclose(set);
  return bad ? broken(h, "reading species and box") : EQS_OK;
}

static eqs_status copy_frames(h5md *from, h5md *to, int64_t frames) {
  h5md_frame f = {.x = NULL};
  size_t n = (size_t)to->n;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(alloc_array(&f.x, n, sizeof *f.x, "positions"));
  EQS_TRY_DONE(alloc_array(&f.v, n, sizeof *f.v, "velocities"));
  EQS_TRY_DONE(alloc_array(&f.image, n, sizeof *f.image, "images"));
  for (int64_t i = 0; i < frames; i++) {
    EQS_TRY_DONE(h5md_read(from, i, &f));
    EQS_TRY_DONE(h5md_append(to, &f));
  }
done:
  free(f.x);
  free(f.v);
  free(f.image);
  return status;
}

/* A new file beside the old one takes its place when it is whole: a kill leaves either. */
eqs_status h5md_continue(const char *path, int n, const int *number, const double *mass,
                         const int pbc[3], int64_t frames, h5md **out) {
  h5md *old = NULL, *made = NULL;
  int there = 0;
  char *temporary = NULL, *name = NULL;
  size_t size = strlen(path) + sizeof ".part";
  *out = NULL;
  eqs_status status = EQS_OK;
  EQS_TRY_DONE(h5md_open(path, &there, &old));
  if (there != n || old->frames < frames) {
    status = status_fail(EQS_ERR_FORMAT,
                         "%s has fewer frames than when the checkpoint was written, or other "
                         "atoms; move it away, and the run goes on with a new one",
                         path);
    goto done;
  }
  EQS_TRY_DONE(alloc_array(&temporary, size, 1, "a file name"));
  snprintf(temporary, size, "%s.part", path);
  EQS_TRY_DONE(h5md_create(temporary, n, number, mass, pbc, &made));
  EQS_TRY_DONE(copy_frames(old, made, frames));
  name = strdup(path);
  if (!name || rename(temporary, path)) {
    status = status_fail(EQS_ERR_FILE, "cannot replace %s", path);
    goto done;
  }
  free(made->path);
  made->path = name, name = NULL;
  *out = made, made = NULL;
done:
  h5md_free(&old);
  h5md_free(&made);
  free(temporary);
  free(name);
  return status;
}

int64_t h5md_frames(const h5md *h) { return h->frames; }

void h5md_free(h5md **h) {
  if (!h || !*h) return;
  QUIET();
  for (int k = 0; k < SETS; k++)
    if ((*h)->set[k] >= 0) H5Dclose((*h)->set[k]);
  if ((*h)->file >= 0) H5Fclose((*h)->file);
  free((*h)->path);
  free(*h);
  *h = NULL;
}
