/* equisorb.h -- the public interface: contexts, models, structures, energies and forces.
 *
 * Units: angstrom, electronvolt, elementary charge, atomic mass unit, kelvin; forces eV/angstrom,
 * stress eV/angstrom^3 (ASE's sign: positive under tension), pressures in Pa.
 * A context is used by one thread at a time; a model is read-only and may be shared.
 * The library never prints, exits or installs signal handlers; it keeps no pointer of the caller's.
 * Structs with a `size` member are set to `{.size = sizeof(struct ...)}` first, so they can grow.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQUISORB_H
#define EQUISORB_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EQS_API   __attribute__((visibility("default")))
#define EQS_CHECK __attribute__((warn_unused_result))
#else
#define EQS_API
#define EQS_CHECK
#endif

/* ------------------------------------------------------------------------------------ status */

typedef enum eqs_status {
  EQS_OK = 0,
  EQS_ERR_ARGUMENT = 1,    /* the caller's values make no sense */
  EQS_ERR_MEMORY = 2,      /* out of memory, or a size that overflows */
  EQS_ERR_FILE = 3,        /* cannot open, read or write */
  EQS_ERR_FORMAT = 4,      /* the file is not what it should be */
  EQS_ERR_UNSUPPORTED = 5, /* valid, but not implemented, or built without it */
  EQS_ERR_DEVICE = 6,      /* the accelerator failed */
  EQS_ERR_COMM = 7,        /* the communicator failed */
  EQS_ERR_DIVERGED = 8,    /* NaN, or a calculation that ran away */
  EQS_ERR_INTERRUPTED = 9  /* the caller's stop flag was seen */
} eqs_status;

/* This thread's last failure, with file and cure where known; "" if none. Valid until its next. */
EQS_API const char *eqs_error(void);

/* Of this header. Within a soname functions are added and structs grow at their end; nothing else
 * changes (cmake/check_abi.sh). */
#define EQUISORB_VERSION "0.1.0"
EQS_API const char *eqs_version(void); /* of the library */
/* 1 if the library was built with it: "cuda", "hdf5" (H5MD trajectories), "libxc" (atoms and new
 * tables of walls), "mpi" (the module for several processes); 0 if not, or for any other name. */
EQS_API int eqs_has(const char *feature);

/* ----------------------------------------------------------------------------------- context */

typedef struct eqs_context eqs_context;

/* device: "host" (any CPU), "auto" (the best there is); NULL = "auto". */
EQS_API eqs_status eqs_context_open(const char *device, eqs_context **out) EQS_CHECK;
/* Threads used by later calls; 0 = all cores. Results have the same bits for any number. */
EQS_API eqs_status eqs_context_set_threads(eqs_context *c, int n) EQS_CHECK;
/* Later evaluations are queued in the caller's stream, behind what is there, instead of one of the
 * context's: a cudaStream_t of its GPU that lives as long as it is set and is not being captured
 * (the default stream as cudaStreamLegacy or cudaStreamPerThread); NULL = the context's own.
 * EQS_ERR_ARGUMENT: the context is the host's. */
EQS_API eqs_status eqs_context_set_stream(eqs_context *c, void *stream) EQS_CHECK;
EQS_API void eqs_context_free(eqs_context **c);

/* ------------------------------------------------------------------------------------- model */

typedef struct eqs_model eqs_model;

typedef enum eqs_precision { EQS_SINGLE = 0, EQS_DOUBLE = 1 } eqs_precision;

typedef struct eqs_model_options {
  size_t size;
  const char *head;  /* MACE: which readout head; NULL = the only one, or the one named Default */
  const char *modal; /* SevenNet multi-fidelity: which channel ("PBE"); NULL if there is none */
  eqs_precision precision;
  /* Added to the model: NULL or "none"; "d3bj" for D3 with Becke-Johnson damping, two-body, with
   * the parameters of the labels' functional; "d3bj:pbe" names it; "d3bj-atm", "d3bj-atm:pbe" with
   * the three-body term, slow and without local changes. Refused where the labels are known to hold
   * dispersion. "auto": what the model's file says is to be added, which only files of this
   * program's own format do. */
  const char *dispersion;
  /* Repulsion below the distances that a model was trained on, for dynamics and insertions: NULL or
   * "off": the model as published; "auto": where it has none of its own (ZBL); "on". Nothing
   * changes for atoms at ordinary distances. */
  const char *wall;
} eqs_model_options;

/* What a model file holds. Strings and arrays belong to the model. */
typedef struct eqs_model_info {
  size_t size;
  const char *family;       /* "MACE", "ScaleShiftMACE", "SevenNet" */
  const char *architecture; /* one line: the blocks, in words */
  double cutoff;            /* angstrom */
  int n_layer;
  int channels; /* multiplicity of the hidden scalars */
  int lmax;     /* highest order of the edges' spherical harmonics */
  int l_hidden; /* highest order of the hidden features */
  int n_element;
  const int *elements;      /* [n_element] atomic numbers the model knows, ascending */
  int n_head;               /* heads (MACE) or modal channels (SevenNet MF) */
  const char *const *heads; /* [n_head] */
  const char *head;   /* the one in use; NULL if several and none chosen: not to be evaluated */
  const char *stored; /* precision of the stored parameters: "float32", "float64" */
  int64_t n_parameter;
  const char *functional;  /* functional of the training labels if known, else NULL */
  const char *sha256;      /* of the file, 64 hex digits */
  eqs_precision precision; /* the one it was loaded with */
  const char *dispersion;  /* added to the model, "d3bj:pbe"; NULL = none */
  const char *wall;        /* functional of the added short-range repulsion; NULL = none */
  int n_member;            /* of the committee that uncertainties come from; 0 = it has none */
} eqs_model_info;

/* Reads a published model file (MACE `.model`, SevenNet `.pth`) or one of this program's own
 * (`.safetensors`); executes nothing from it. A bare name that is no file here is looked for as
 * NAME.safetensors in the folders of EQUISORB_MODELS (separated by colons), in models/ beside the
 * library and in the installation's share/equisorb/models.
 * EQS_ERR_FILE, EQS_ERR_FORMAT, EQS_ERR_UNSUPPORTED (names what is missing). options may be NULL.
 */
EQS_API eqs_status eqs_model_load(eqs_context *c, const char *path,
                                  const eqs_model_options *options, eqs_model **out) EQS_CHECK;
EQS_API eqs_status eqs_model_info_get(const eqs_model *m, eqs_model_info *out) EQS_CHECK;
EQS_API void eqs_model_free(eqs_model **m);

/* ------------------------------------------------------------------------ energies and forces */

/* Where arrays lie. Device memory is that of the context's GPU. */
typedef enum eqs_memory { EQS_MEMORY_HOST = 0, EQS_MEMORY_DEVICE = 1 } eqs_memory;

/* A batch of systems, concatenated: atoms first[s] .. first[s+1]-1 belong to system s. */
typedef struct eqs_systems {
  size_t size;
  int n_system;
  const int *first;       /* [n_system + 1], first[0] = 0 */
  const int *number;      /* [n] atomic numbers */
  const double *position; /* [n][3] angstrom; need not lie inside the cell */
  const double *cell; /* [n_system][3][3] rows are lattice vectors; NULL if nothing is periodic */
  const int *pbc;     /* [n_system][3] 1 where periodic; NULL if nothing is */
  /* Of `position` alone, for eqs_compute; the other arrays lie on the host: they say what is to be
   * done, and are compared with the call before. */
  eqs_memory memory;
} eqs_systems;

/* The caller's arrays; NULL = not wanted and not computed. */
typedef struct eqs_result {
  size_t size;
  double *energy;    /* [n_system] eV */
  double *energies;  /* [n] eV per atom */
  double *forces;    /* [n][3] eV/angstrom */
  double *stress;    /* [n_system][3][3] eV/angstrom^3; 0 for a system without a volume */
  eqs_memory memory; /* of all arrays */
  /* How sure the model is; host memory, and only of models with a committee. Where energies are
   * subtracted, subtract each member's difference before the root mean square is taken. */
  double *uncertainty; /* [n_system] eV: one standard error of the energy, which is the root mean
                          square of the members' differences */
  double *committee;   /* [n_system][n_member] eV: each member's energy minus the model's */
  double *novelty;     /* [n] the same root mean square of an atom, over the limit of its element:
                          above 1 its surroundings are unlike any that the model was trained on;
                          INFINITY for an element that was never there */
} eqs_result;

/* One evaluation of the whole batch, finished when it returns. On failure the outputs are
 * unspecified. EQS_ERR_ARGUMENT: an element the model does not know, two atoms on one place, a
 * singular cell, a position that is not finite; device memory that is none, or on the host.
 * EQS_ERR_UNSUPPORTED: device memory and added three-body dispersion or uncertainties;
 * uncertainties of a model without a committee, or over ranks. EQS_ERR_DIVERGED: the result is not
 * finite. */
EQS_API eqs_status eqs_compute(eqs_context *c, const eqs_model *m, const eqs_systems *in,
                               eqs_result *out) EQS_CHECK;

/* ----------------------------------------------------------------------------- local changes */

/* One system whose intermediate features are kept, so that the energy of a changed copy costs only
 * the atoms within reach of the change: what layer l makes is computed again for the atoms within l
 * edges of it, all others keep their bits. Exact for message-passing models and pair repulsion;
 * added dispersion to 1e-5 eV for molecules at contact distances, and exact once a change is made.
 */
typedef struct eqs_local eqs_local;

/* Atoms taken out and atoms put in. New atoms take the places of those taken out, in the order of
 * `remove`; those left over are appended. If more are taken out, the rest of `remove` goes from the
 * highest index down, the last atom moving into each gap. */
typedef struct eqs_change {
  int n_remove;
  const int *remove; /* [n_remove] indices into the current state, from 0, each once */
  int n_insert;
  const int *number;      /* [n_insert] atomic numbers */
  const double *position; /* [n_insert][3] angstrom */
} eqs_change;

/* Evaluates the batch's only system, periodic in all three directions or in none, and keeps what
 * changes need. The context and the model must outlive *out, which uses the context's threads.
 * Errors as eqs_compute. */
EQS_API eqs_status eqs_local_open(eqs_context *c, const eqs_model *m, const eqs_systems *system,
                                  eqs_local **out) EQS_CHECK;
/* de[i] = E(with change i) - E, eV, each change on its own, evaluated together; NAN where that is
 * not finite or two atoms coincide. The state keeps its bits. EQS_ERR_ARGUMENT: an index, an
 * unknown element or a position that is not finite (names the change, counted from 1). */
EQS_API eqs_status eqs_local_try(eqs_local *l, int n, const eqs_change *changes,
                                 double *de) EQS_CHECK;
/* Makes the change; *de (may be NULL) is its energy difference. EQS_ERR_DIVERGED: it has none, and
 * the state is as before. */
EQS_API eqs_status eqs_local_commit(eqs_local *l, const eqs_change *change, double *de) EQS_CHECK;
/* Gives all atoms new positions [n][3] and evaluates the whole state. On failure the state cannot
 * be used any more. Errors as eqs_compute. */
EQS_API eqs_status eqs_local_place(eqs_local *l, const double *position) EQS_CHECK;
/* Evaluates the whole current state afresh; energy (eV) may be NULL. */
EQS_API eqs_status eqs_local_refresh(eqs_local *l, double *energy) EQS_CHECK;
/* The current state, and its energy per atom, eV. Pointers belong to l, until the next call. */
EQS_API eqs_status eqs_local_view(const eqs_local *l, eqs_systems *out,
                                  const double **energies) EQS_CHECK;
EQS_API void eqs_local_free(eqs_local **l);

/* -------------------------------------------------------------------------------- structures */

typedef struct eqs_structures eqs_structures; /* one or more frames read from a file */

typedef struct eqs_read_options {
  size_t size;
  int disorder_major; /* 1: of partly occupied or disordered sites keep the majority; 0: refuse */
} eqs_read_options;

/* Reads .cif, .xyz or .extxyz; by content if the suffix says nothing. options may be NULL.
 * EQS_ERR_FILE, EQS_ERR_FORMAT (names line, site or atom and the cure), EQS_ERR_UNSUPPORTED. */
EQS_API eqs_status eqs_structures_read(const char *path, const eqs_read_options *options,
                                       eqs_structures **out) EQS_CHECK;
EQS_API int eqs_structures_count(const eqs_structures *s);
/* Frame i as a batch of one, or all frames with i = -1; the pointers belong to s. */
EQS_API eqs_status eqs_structures_view(const eqs_structures *s, int i, eqs_systems *out) EQS_CHECK;
/* Name of frame i (the file's, "#k" added where there are several); "" if there is no such frame.
 */
EQS_API const char *eqs_structures_name(const eqs_structures *s, int i);
EQS_API void eqs_structures_free(eqs_structures **s);
/* JSON with the keys atoms, formula, cell (a b c alpha beta gamma; null if nothing is periodic),
 * density (g/cm3 or null), charge (e or null), shortest_contact (angstrom or null), components
 * (list of {atoms, formula, dimension}), warnings (list of strings). */
EQS_API eqs_status eqs_structures_describe(const eqs_structures *s, int i, char **json) EQS_CHECK;
EQS_API void eqs_string_free(char **s);
/* "H" for 1, ...; "" for a number outside 1 .. 118. */
EQS_API const char *eqs_element_symbol(int number);

/* Writes the batch as extended XYZ, one frame per system; 17 significant digits. Arrays of `result`
 * may be NULL, as may `result`. append = 1 adds to the file. The path "-" is standard output. */
EQS_API eqs_status eqs_extxyz_write(const char *path, int append, const eqs_systems *systems,
                                    const eqs_result *result) EQS_CHECK;

#include "equisorb_adsorption.h"
#include "equisorb_atoms.h"
#include "equisorb_domain.h"
#include "equisorb_dynamics.h"
#include "equisorb_holes.h"
#include "equisorb_models.h"
#include "equisorb_ranks.h"

#ifdef __cplusplus
}
#endif
#endif
