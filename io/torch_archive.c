/* torch_archive.c -- opens a torch.save file: the ZIP around it, its pickle, its storages; or a
 * model file of this program's own.
 *
 * The file is mapped, not read: a tensor's bytes are touched when the tensor is, and checked
 * against the member's CRC-32 the first time. Layout: `<root>/data.pkl`, `<root>/data/<key>`,
 * `<root>/byteorder`; <root> is the file's name at the time it was saved.
 *
 * SPDX-License-Identifier: MIT */
#include "io/torch_archive.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/model_file.h"
#include "io/pickle.h"
#include "io/safetensors.h"
#include "io/sha256.h"
#include "io/zip.h"

struct torch_archive {
  char *name;
  const unsigned char *bytes;
  size_t n;
  void *map, *copy; /* what is to be unmapped or freed, or NULL */
  zip_archive zip;
  char *key;              /* "<root>/data/", with room for a key */
  size_t n_root;          /* length of "<root>/" */
  torch_storage *storage; /* [zip.n_member], data NULL until the pickle names it */
  pickle_tree tree;
  const torch_value *metadata; /* of a model file of our own, else NULL */
  struct digest *digest;
};

/* Computed when first asked for, by whichever thread that is. */
struct digest {
  pthread_mutex_t lock;
  int known;
  char hex[65];
};

enum { KEY_MAX = 256 };

static eqs_status read_all(int file, torch_archive *a) {
  EQS_TRY(alloc_array(&a->copy, a->n, 1, a->name));
  for (size_t at = 0; at < a->n;) {
    ssize_t got = read(file, (char *)a->copy + at, a->n - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) EQS_FAIL(EQS_ERR_FILE, "%s: cannot read: %s", a->name, strerror(errno));
    if (got == 0) EQS_FAIL(EQS_ERR_FILE, "%s: the file shrank while it was read", a->name);
    at += (size_t)got;
  }
  a->bytes = a->copy;
  return EQS_OK;
}

static eqs_status map_file(const char *path, torch_archive *a) {
  eqs_status status = EQS_OK;
  struct stat info;
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) EQS_FAIL(EQS_ERR_FILE, "%s: cannot open: %s", path, strerror(errno));
  if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
    status = status_fail(EQS_ERR_FILE, "%s: is no regular file", path);
    goto done;
  }
  if (info.st_size <= 0) {
    status = status_fail(EQS_ERR_FORMAT, "%s: the file is empty", path);
    goto done;
  }
  a->n = (size_t)info.st_size;
  void *map = mmap(NULL, a->n, PROT_READ, MAP_PRIVATE, file, 0);
  if (map != MAP_FAILED) {
    a->map = map;
    a->bytes = map;
  } else {
    status = read_all(file, a);
  }
done:
  close(file);
  return status;
}

static int ends_with(const zip_member *m, const char *tail) {
  size_t n = strlen(tail);
  return m->name_length > n && memcmp(m->name + m->name_length - n, tail, n) == 0;
}

static eqs_status find_pickle(torch_archive *a, const zip_member **out) {
  static const char tail[] = "/data.pkl";
  *out = NULL;
  for (size_t i = 0; i < a->zip.n_member; i++) {
    const zip_member *m = &a->zip.member[i];
    if (!ends_with(m, tail)) continue;
    if (*out) EQS_FAIL(EQS_ERR_FORMAT, "two members are called data.pkl");
    *out = m;
  }
  if (!*out) EQS_FAIL(EQS_ERR_FORMAT, "a ZIP file without data.pkl: not written by torch.save");
  a->n_root = (*out)->name_length - (sizeof tail - 2);
  EQS_TRY(alloc_array(&a->key, a->n_root + KEY_MAX + 16, 1, "a member's name"));
  memcpy(a->key, (*out)->name, a->n_root);
  return EQS_OK;
}

/* The member `<root>/<name>`, or NULL. */
static const zip_member *find_member(torch_archive *a, const char *name, size_t n) {
  memcpy(a->key + a->n_root, name, n);
  return zip_find(&a->zip, a->key, a->n_root + n);
}

static eqs_status verify_storage(const void *owner, const torch_storage *s) {
  const torch_archive *a = owner;
  eqs_status status = zip_verify(&a->zip, &a->zip.member[s - a->storage]);
  return status == EQS_OK ? EQS_OK : status_prefix(status, "%s", a->name);
}

static eqs_status find_storage(void *owner, const char *key, size_t n, torch_storage **out) {
  torch_archive *a = owner;
  char name[KEY_MAX] = "data/";
  const zip_member *m = NULL;
  if (n < KEY_MAX - 8) {
    memcpy(name + 5, key, n);
    m = find_member(a, name, n + 5);
  }
  if (!m) EQS_FAIL(EQS_ERR_FORMAT, "the data of tensor storage '%.80s' are missing", key);
  torch_storage *s = &a->storage[m - a->zip.member];
  if (!s->data) {
    s->data = a->bytes + m->data;
    s->n = m->size;
    s->verify = verify_storage;
    s->owner = a;
  }
  *out = s;
  return EQS_OK;
}

static eqs_status check_kind(torch_archive *a) {
  const zip_member *order = find_member(a, "byteorder", 9);
  if (find_member(a, "constants.pkl", 13))
    EQS_FAIL(EQS_ERR_FORMAT, "a compiled TorchScript file: give the model or checkpoint that it "
                             "was made from");
  if (order && (order->size != 6 || memcmp(a->bytes + order->data, "little", 6) != 0))
    EQS_FAIL(EQS_ERR_FORMAT, "written on a big-endian machine: save it again on a usual one");
  return EQS_OK;
}

static eqs_status decode(torch_archive *a) {
  static const unsigned char legacy[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9};
  const zip_member *m = NULL;
  if (a->n >= sizeof legacy && memcmp(a->bytes, legacy, sizeof legacy) == 0)
    EQS_FAIL(EQS_ERR_FORMAT, "written by torch older than 1.6: load and save it with a newer one");
  if (safetensors_is(a->bytes, a->n))
    return model_file_decode(a->bytes, a->n, &a->tree.arena, &a->tree.root, &a->metadata);
  EQS_TRY(zip_open(a->bytes, a->n, &a->zip));
  EQS_TRY(find_pickle(a, &m));
  EQS_TRY(check_kind(a));
  EQS_TRY(zip_verify(&a->zip, m));
  EQS_TRY(alloc_array(&a->storage, a->zip.n_member, sizeof *a->storage, "the tensor storages"));
  eqs_status status = pickle_decode(a->bytes + m->data, m->size, find_storage, a, &a->tree);
  return status == EQS_OK ? EQS_OK : status_prefix(status, "data.pkl");
}

static eqs_status new_archive(const char *name, torch_archive **out) {
  torch_archive *a = calloc(1, sizeof *a);
  if (!a) EQS_FAIL(EQS_ERR_MEMORY, "%s: out of memory", name);
  *out = a;
  a->name = strdup(name);
  a->digest = calloc(1, sizeof *a->digest);
  if (!a->name || !a->digest || pthread_mutex_init(&a->digest->lock, NULL) != 0) {
    free(a->digest);
    a->digest = NULL;
    torch_archive_free(out);
    EQS_FAIL(EQS_ERR_MEMORY, "%s: out of memory", name);
  }
  return EQS_OK;
}

static eqs_status finish_open(torch_archive **out) {
  eqs_status status = decode(*out);
  if (status == EQS_OK) return EQS_OK;
  status = status_prefix(status, "%s", (*out)->name);
  torch_archive_free(out);
  return status;
}

eqs_status torch_archive_open(const char *path, torch_archive **out) {
  *out = NULL;
  EQS_TRY(new_archive(path, out));
  eqs_status status = map_file(path, *out);
  if (status != EQS_OK) {
    torch_archive_free(out);
    return status;
  }
  return finish_open(out);
}

eqs_status torch_archive_open_memory(const void *bytes, size_t n, const char *name,
                                     torch_archive **out) {
  *out = NULL;
  EQS_TRY(new_archive(name, out));
  (*out)->bytes = bytes;
  (*out)->n = n;
  return finish_open(out);
}

void torch_archive_free(torch_archive **out) {
  if (!out || !*out) return;
  torch_archive *a = *out;
  *out = NULL;
  pickle_free(&a->tree);
  free(a->storage);
  free(a->key);
  zip_free(&a->zip);
  if (a->map) munmap(a->map, a->n);
  free(a->copy);
  free(a->name);
  if (a->digest) pthread_mutex_destroy(&a->digest->lock);
  free(a->digest);
  free(a);
}

const torch_value *torch_archive_root(const torch_archive *a) { return a->tree.root; }

const torch_value *torch_archive_metadata(const torch_archive *a) { return a->metadata; }

const char *torch_archive_sha256(const torch_archive *a) {
  struct digest *d = a->digest;
  pthread_mutex_lock(&d->lock);
  if (!d->known) sha256_hex(a->bytes, a->n, d->hex);
  d->known = 1;
  pthread_mutex_unlock(&d->lock);
  return d->hex;
}
