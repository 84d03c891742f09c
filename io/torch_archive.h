/* torch_archive.h -- reads files written by torch.save without executing anything from them, and
 * the model files of this program (io/model_file.h), which become the same tree of values.
 *
 * A file is a ZIP of stored members; `data.pkl` in it is a pickle that describes a tree of values,
 * `data/<k>` are raw tensor storages. The reader is a pickle machine with an allow list: classes it
 * does not know become inert records (TORCH_OBJECT) and nothing is ever called. Files are hostile
 * input: every size, index, depth and count is checked, and memory is bounded by the file's size.
 *
 * SPDX-License-Identifier: MIT */
#ifndef EQS_TORCH_ARCHIVE_H
#define EQS_TORCH_ARCHIVE_H

#include "core/status.h"

typedef struct torch_archive torch_archive;
typedef struct torch_value torch_value; /* belongs to the archive, immutable */

typedef enum torch_kind {
  TORCH_NONE,
  TORCH_BOOL,
  TORCH_INT,
  TORCH_FLOAT,
  TORCH_STRING, /* also bytes */
  TORCH_LIST,   /* list, tuple or set */
  TORCH_DICT,
  TORCH_GLOBAL, /* a class or function named but never called, e.g. an activation */
  TORCH_OBJECT, /* an instance of a class: class name, arguments, state */
  TORCH_TENSOR
} torch_kind;

/* Opens and decodes; the file stays mapped until freed and must not be cut short meanwhile (a new
 * file put in its place is fine). Messages name the file and the fault.
 * EQS_ERR_FILE: cannot open or read. EQS_ERR_FORMAT: not such a file, or damaged. */
eqs_status torch_archive_open(const char *path, torch_archive **out) EQS_CHECK;
/* The same from memory (the bytes must outlive the archive): tests and fuzzers. */
eqs_status torch_archive_open_memory(const void *bytes, size_t n, const char *name,
                                     torch_archive **out) EQS_CHECK;
void torch_archive_free(torch_archive **a);
const torch_value *torch_archive_root(const torch_archive *a);
/* DICT of strings of a model file of this program's own; NULL for one of torch.save. */
const torch_value *torch_archive_metadata(const torch_archive *a);
/* SHA-256 of the whole file as 64 hex digits; computed at the first call (safe from any thread). */
const char *torch_archive_sha256(const torch_archive *a);

torch_kind torch_value_kind(const torch_value *v); /* NULL gives TORCH_NONE */
const char *torch_kind_name(torch_kind k);

/* "module.Class" of an OBJECT or a GLOBAL; "" for everything else. */
const char *torch_class(const torch_value *v);
/* True if the class of v is `name`, compared after the last dot ("RadialMLP"). */
int torch_is_class(const torch_value *v, const char *name);
/* Positional argument i of an OBJECT's construction, element i of a LIST; NULL if out of range.
 * e3nn's tuple classes (Irreps, Irrep, _MulIr, Instruction) give the elements of the tuple. */
const torch_value *torch_item(const torch_value *v, size_t i);
size_t torch_length(const torch_value *v); /* of LIST, DICT (pairs), OBJECT (arguments); else 0 */
/* Pair i of a DICT, in file order. */
const torch_value *torch_key_at(const torch_value *v, size_t i);
const torch_value *torch_value_at(const torch_value *v, size_t i);

/* By name: of a DICT the value under that string key (integer keys match their decimal spelling);
 * of an OBJECT the attribute: its state's own entry, else in its _parameters, _buffers, _modules.
 * NULL if absent (or v is NULL). A dotted path walks down: "interactions.0.linear.weight". If a
 * DICT has the whole dotted name as a key (state_dict), that wins. Numbers index a LIST. */
const torch_value *torch_get(const torch_value *v, const char *path);

/* Checked conversions. `what` names the value in messages. INT, BOOL and 0-d or one-element tensors
 * convert to int and double; FLOAT to double; numpy scalars and one-element arrays likewise. */
eqs_status torch_to_int(const torch_value *v, const char *what, int64_t *out) EQS_CHECK;
eqs_status torch_to_double(const torch_value *v, const char *what, double *out) EQS_CHECK;
eqs_status torch_to_bool(const torch_value *v, const char *what, int *out) EQS_CHECK;
eqs_status torch_to_string(const torch_value *v, const char *what, const char **out) EQS_CHECK;

/* Tensors. Rank and shape ([rank], valid as long as the archive); rank -1 if v is no tensor. */
int torch_tensor_rank(const torch_value *v);
const int64_t *torch_tensor_shape(const torch_value *v);
size_t torch_tensor_count(const torch_value *v);      /* elements; 0 if v is no tensor */
const char *torch_tensor_dtype(const torch_value *v); /* "float32", "float64", "int64", ... */
/* Copies all elements in row-major order as double (strides honoured, halves widened).
 * EQS_ERR_FORMAT if v is no tensor, has not exactly n elements, or its bytes are damaged. */
eqs_status torch_tensor_read(const torch_value *v, const char *what, double *out,
                             size_t n) EQS_CHECK;

#endif
