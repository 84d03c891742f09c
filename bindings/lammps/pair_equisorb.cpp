/* pair_equisorb.cpp -- a pair style for LAMMPS, loaded by `plugin load equisorbplugin.so`:
 *
 *   pair_style equisorb [precision single|double] [head H] [modal M] [device host] [threads N]
 *   pair_coeff * * MODEL Zn O C H
 *
 * Each process hands its atoms, and LAMMPS' ghosts within one cutoff of them, to
 * eqs_compute_domain. Between layers the engine asks for the features of ghosts: rows of bytes,
 * which travel as LAMMPS' doubles in its own forward and reverse communication. The engine looks
 * for neighbours itself: bonds (special_bonds) and `neigh_modify exclude` cut holes into LAMMPS'
 * lists, and a model is not defined on what is left.
 *
 * This file alone is under the licence of LAMMPS, whose headers it includes.
 * SPDX-License-Identifier: GPL-2.0-only */
#include <atom.h>
#include <comm.h>
#include <equisorb.h>
#include <error.h>
#include <force.h>
#include <group.h>
#include <lammps.h>
#include <memory.h>
#include <neighbor.h>
#include <pair.h>
#include <update.h>
#include <utils.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <utility>
#include <vector>

using namespace LAMMPS_NS;

namespace {

enum { BIT_ALL = 1 }; // of the group "all", which has every atom that exists
enum { WIDEST_PIECE = 256 };

class PairEquisorb : public Pair {
public:
  explicit PairEquisorb(LAMMPS *lmp);
  ~PairEquisorb() override;
  void settings(int narg, char **arg) override;
  void coeff(int narg, char **arg) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int eflag, int vflag) override;
  int pack_forward_comm(int n, int *list, double *buffer, int, int *) override;
  void unpack_forward_comm(int n, int first, double *buffer) override;
  int pack_reverse_comm(int n, int first, double *buffer) override;
  void unpack_reverse_comm(int n, int *list, double *buffer) override;
  double memory_usage() override;

private:
  void allocate();
  void load_model(const char *path);
  void set_numbers();
  int widest_piece(int n_layer, int reverse);
  void warn_of_exclusions();
  void gather_atoms();
  void add_results(double energy, const double *virial);
  void exchange(const eqs_rows *r);
  std::string atom_ids(const std::string &message) const;
  [[noreturn]] void fail_here(const char *what);
  void fail_if(int failed, const char *what);
  static int exchange_from_c(const eqs_rows *r, void *self);

  eqs_precision precision = EQS_SINGLE;
  std::string head, modal;
  int threads = 0; // 0: as many as LAMMPS says
  eqs_context *context = nullptr;
  eqs_model *model = nullptr;
  double cutoff = 0;
  std::vector<int> number_of_type; // atomic numbers from type 1; 0: the model leaves the type out

  // The domain: LAMMPS' atoms, then its ghosts, without those that are left out.
  int n_owned = 0;
  std::vector<int> row; // [nlocal + nghost] of the domain; -1: left out
  std::vector<int> number;
  std::vector<double> position, forces, energies, virials;

  // The piece of the rows that is on its way.
  char *rows = nullptr;
  size_t row_bytes = 0, piece_at = 0, piece_bytes = 0;
  int real_size = 0;
  std::exception_ptr trouble; // met below the engine, which is C
};

PairEquisorb::PairEquisorb(LAMMPS *lmp) : Pair(lmp) {
  single_enable = 0;
  restartinfo = 0;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_NOTAVAIL;
}

PairEquisorb::~PairEquisorb() {
  eqs_model_free(&model);
  eqs_context_free(&context);
  if (copymode || !allocated) return;
  memory->destroy(setflag);
  memory->destroy(cutsq);
}

void PairEquisorb::fail_here(const char *what) {
  error->one(FLERR, "pair_style equisorb: {}: {}", what, atom_ids(eqs_error()));
  throw; // not reached
}

// Ends the run if any process failed; with one message if all did, as for a file that is not there.
void PairEquisorb::fail_if(int failed, const char *what) {
  int n_failed = 0;
  MPI_Allreduce(&failed, &n_failed, 1, MPI_INT, MPI_SUM, world);
  if (n_failed == comm->nprocs) error->all(FLERR, "pair_style equisorb: {}: {}", what, eqs_error());
  if (failed) fail_here(what);
  // The others wait for the end that a failed process brings.
  if (n_failed) MPI_Barrier(world);
}

void PairEquisorb::settings(int narg, char **arg) {
  precision = EQS_SINGLE;
  head.clear();
  modal.clear();
  threads = 0;
  for (int i = 0; i < narg; i += 2) {
    std::string key = arg[i];
    if (i + 1 == narg) error->all(FLERR, "pair_style equisorb: {} needs a value", key);
    std::string value = arg[i + 1];
    if (key == "precision") {
      if (value != "single" && value != "double")
        error->all(FLERR, "pair_style equisorb: precision is single or double, not {}", value);
      precision = value == "double" ? EQS_DOUBLE : EQS_SINGLE;
    } else if (key == "head") {
      head = value;
    } else if (key == "modal") {
      modal = value;
    } else if (key == "device") {
      if (value != "host")
        error->all(FLERR,
                   "pair_style equisorb: device is host; features in a GPU's memory, {}, cannot "
                   "go through LAMMPS' communication yet",
                   value);
    } else if (key == "threads") {
      threads = utils::inumeric(FLERR, value, false, lmp);
      if (threads < 1)
        error->all(FLERR, "pair_style equisorb: threads is at least 1, not {}", value);
    } else {
      error->all(FLERR,
                 "pair_style equisorb: unknown keyword {}; there are precision, head, modal, "
                 "device, threads",
                 key);
    }
  }
}

void PairEquisorb::allocate() {
  int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  map = new int[n];
  allocated = 1;
}

void PairEquisorb::load_model(const char *path) {
  eqs_model_options options = {};
  options.size = sizeof options;
  options.head = head.empty() ? nullptr : head.c_str();
  options.modal = modal.empty() ? nullptr : modal.c_str();
  options.precision = precision;
  eqs_model_free(&model);
  eqs_context_free(&context);
  int n = threads ? threads : std::max(1, comm->nthreads);
  fail_if(eqs_context_open("host", &context) || eqs_context_set_threads(context, n),
          "the host cannot be used");
  fail_if(eqs_model_load(context, path, &options, &model) != EQS_OK, "the model cannot be used");
}

void PairEquisorb::set_numbers() {
  eqs_model_info info = {};
  info.size = sizeof info;
  if (eqs_model_info_get(model, &info)) fail_here("the model cannot be used");
  cutoff = info.cutoff;
  number_of_type.assign((size_t)atom->ntypes + 1, 0);
  for (int t = 1; t <= atom->ntypes; t++) {
    if (map[t] < 0) continue;
    const char *symbol = elements[map[t]];
    int z = 1;
    while (z <= 118 && strcmp(symbol, eqs_element_symbol(z)) != 0) z++;
    if (z > 118)
      error->all(FLERR, "pair_coeff: type {} is to be {}, which is no element (nor NULL)", t,
                 symbol);
    if (std::find(info.elements, info.elements + info.n_element, z) ==
        info.elements + info.n_element)
      error->all(FLERR, "pair_coeff: type {} is {}, an element that the model does not know", t,
                 symbol);
    number_of_type[(size_t)t] = z;
  }
  comm_forward = widest_piece(info.n_layer, 0);
  comm_reverse = widest_piece(info.n_layer, 1);
}

// In doubles. LAMMPS makes buffers of this width for its largest swap, so wide rows go in pieces.
int PairEquisorb::widest_piece(int n_layer, int reverse) {
  size_t widest = 1;
  for (int layer = 2; layer <= n_layer; layer++) {
    size_t bytes = 0;
    if (eqs_domain_row_bytes(model, layer, reverse, &bytes)) fail_here("the model cannot be used");
    widest = std::max(widest, (bytes + 7) / 8);
  }
  return (int)std::min(widest, (size_t)WIDEST_PIECE);
}

void PairEquisorb::coeff(int narg, char **arg) {
  if (!allocated) allocate();
  if (narg < 4)
    error->all(FLERR, "pair_coeff: expected `pair_coeff * * MODEL` and an element for each type");
  map_element2type(narg - 3, arg + 3);
  load_model(arg[2]);
  set_numbers();
}

void PairEquisorb::warn_of_exclusions() {
  int others = neighbor->nex_type + neighbor->nex_mol;
  for (int i = 0; i < neighbor->nex_group; i++)
    others += !strstr(group->names[neighbor->ex1_group[i]], "exclusion_group");
  if (others && comm->me == 0)
    error->warning(FLERR, "neigh_modify exclude does not change what pair_style equisorb computes");
}

void PairEquisorb::init_style() {
  if (strcmp(update->unit_style, "metal") != 0)
    error->all(FLERR, "pair_style equisorb: the units are metal (eV, angstrom), not {}",
               update->unit_style);
  if (!force->newton_pair)
    error->all(FLERR, "pair_style equisorb: ghosts have forces; needs `newton on`");
  if (atom->firstgroupname)
    error->all(FLERR,
               "pair_style equisorb: needs ghosts of all atoms, without `atom_modify first`");
  if (!model) error->all(FLERR, "pair_style equisorb: no model; needs a pair_coeff");
  warn_of_exclusions();
  // Buffers are as wide as the pair style says, which for a hybrid has been asked too early.
  force->pair->comm_forward = std::max(force->pair->comm_forward, comm_forward);
  force->pair->comm_reverse = std::max(force->pair->comm_reverse, comm_reverse);
}

double PairEquisorb::init_one(int, int) { return cutoff; }

// Atoms of types without an element are left out, and so are those that fix gcmc takes away to see
// what the energy is without them: they are still there, but in its exclusion group only.
void PairEquisorb::gather_atoms() {
  int n_all = atom->nlocal + atom->nghost;
  row.resize((size_t)n_all);
  number.clear();
  position.clear();
  for (int i = 0; i < n_all; i++) {
    if (i == atom->nlocal) n_owned = (int)number.size();
    int z = number_of_type[(size_t)atom->type[i]];
    int present = z && (atom->mask[i] & BIT_ALL);
    row[(size_t)i] = present ? (int)number.size() : -1;
    if (!present) continue;
    number.push_back(z);
    position.insert(position.end(), atom->x[i], atom->x[i] + 3);
  }
  if (!atom->nghost) n_owned = (int)number.size();
}

void PairEquisorb::compute(int eflag, int vflag) {
  ev_init(eflag, vflag);
  gather_atoms();
  forces.resize(3 * number.size());
  if (eflag_atom) energies.resize((size_t)n_owned);
  if (vflag_atom) virials.resize(9 * (size_t)n_owned);

  double energy = 0, virial[9] = {0};
  eqs_domain domain = {};
  domain.size = sizeof domain;
  domain.n_owned = n_owned;
  domain.n_ghost = (int)number.size() - n_owned;
  domain.number = number.data();
  domain.position = position.data();
  domain.exchange = exchange_from_c;
  domain.user = this;
  eqs_domain_result result = {};
  result.size = sizeof result;
  result.energy = &energy;
  result.energies = eflag_atom ? energies.data() : nullptr;
  result.forces = forces.data();
  result.virial = vflag_global ? virial : nullptr;
  result.virials = vflag_atom ? virials.data() : nullptr;
  eqs_status status = eqs_compute_domain(context, model, &domain, &result);
  if (trouble) std::rethrow_exception(std::exchange(trouble, nullptr));
  if (status) fail_here("the energy cannot be computed");
  add_results(energy, virial);
}

// LAMMPS' virials have the other sign, and the order xx yy zz xy xz yz.
void add_virial(double *to, const double *v) {
  const int order[6] = {0, 4, 8, 1, 2, 5}, transposed[6] = {0, 4, 8, 3, 6, 7};
  for (int k = 0; k < 6; k++) to[k] -= 0.5 * (v[order[k]] + v[transposed[k]]);
}

void PairEquisorb::add_results(double energy, const double *virial_here) {
  if (eflag_global) eng_vdwl += energy;
  if (vflag_global) add_virial(virial, virial_here);
  for (size_t i = 0; i < row.size(); i++) {
    if (row[i] < 0) continue;
    size_t r = (size_t)row[i];
    for (size_t k = 0; k < 3; k++) atom->f[i][k] += forces[3 * r + k];
    if ((int)i >= atom->nlocal) continue;
    if (eflag_atom) eatom[i] += energies[r];
    if (vflag_atom) add_virial(vatom[i], &virials[9 * r]);
  }
}

// ------------------------------------------------------------------------------ between layers

int PairEquisorb::exchange_from_c(const eqs_rows *r, void *self) {
  PairEquisorb *p = static_cast<PairEquisorb *>(self);
  try {
    p->exchange(r);
    return 0;
  } catch (...) {
    p->trouble = std::current_exception();
    return 1;
  }
}

void PairEquisorb::exchange(const eqs_rows *r) {
  rows = static_cast<char *>(r->rows);
  row_bytes = r->row_bytes;
  real_size = r->real_size;
  size_t widest = (size_t)(r->reverse ? comm_reverse : comm_forward) * sizeof(double);
  for (piece_at = 0; piece_at < row_bytes; piece_at += widest) {
    piece_bytes = std::min(widest, row_bytes - piece_at);
    int n = (int)((piece_bytes + sizeof(double) - 1) / sizeof(double));
    if (r->reverse) comm->reverse_comm(this, n);
    else comm->forward_comm(this, n);
  }
}

// An atom that is left out sends zeros, so that all processes send as much as others expect.
void pack(char *to, const char *from, size_t bytes, size_t width) {
  size_t filled = from ? bytes : 0;
  if (from) memcpy(to, from, bytes);
  memset(to + filled, 0, width - filled);
}

int PairEquisorb::pack_forward_comm(int n, int *list, double *buffer, int, int *) {
  size_t width = (piece_bytes + 7) / 8 * 8;
  char *to = reinterpret_cast<char *>(buffer);
  for (int i = 0; i < n; i++, to += width) {
    int r = row[(size_t)list[i]];
    pack(to, r < 0 ? nullptr : rows + (size_t)r * row_bytes + piece_at, piece_bytes, width);
  }
  return n * (int)(width / 8);
}

void PairEquisorb::unpack_forward_comm(int n, int first, double *buffer) {
  size_t width = (piece_bytes + 7) / 8 * 8;
  const char *from = reinterpret_cast<char *>(buffer);
  for (int i = first; i < first + n; i++, from += width)
    if (row[(size_t)i] >= 0)
      memcpy(rows + (size_t)row[(size_t)i] * row_bytes + piece_at, from, piece_bytes);
}

int PairEquisorb::pack_reverse_comm(int n, int first, double *buffer) {
  size_t width = (piece_bytes + 7) / 8 * 8;
  char *to = reinterpret_cast<char *>(buffer);
  for (int i = first; i < first + n; i++, to += width) {
    int r = row[(size_t)i];
    pack(to, r < 0 ? nullptr : rows + (size_t)r * row_bytes + piece_at, piece_bytes, width);
  }
  return n * (int)(width / 8);
}

template <typename real> void add_reals(char *to, const char *from, size_t bytes) {
  real *sum = reinterpret_cast<real *>(to);
  const real *part = reinterpret_cast<const real *>(from);
  for (size_t k = 0; k < bytes / sizeof(real); k++) sum[k] += part[k];
}

void PairEquisorb::unpack_reverse_comm(int n, int *list, double *buffer) {
  size_t width = (piece_bytes + 7) / 8 * 8;
  const char *from = reinterpret_cast<char *>(buffer);
  for (int i = 0; i < n; i++, from += width) {
    int r = row[(size_t)list[i]];
    if (r < 0) continue;
    char *to = rows + (size_t)r * row_bytes + piece_at;
    if (real_size == 8) add_reals<double>(to, from, piece_bytes);
    else add_reals<float>(to, from, piece_bytes);
  }
}

// ------------------------------------------------------------------------------------ the rest

// The engine counts the atoms of this process; people know them by LAMMPS' IDs.
std::string PairEquisorb::atom_ids(const std::string &message) const {
  int a = 0, b = 0;
  size_t at = message.find("atom");
  if (at == std::string::npos) return message;
  const char *text = message.c_str() + at;
  if (sscanf(text, "atoms %d and %d", &a, &b) < 1 && sscanf(text, "atom %d", &a) < 1)
    return message;
  std::string ids;
  for (int k : {a, b})
    for (size_t i = 0; k > 0 && i < row.size(); i++)
      if (row[i] == k - 1 && atom->tag_enable)
        ids += (ids.empty() ? "" : ", ") + std::to_string(atom->tag[i]);
  return ids.empty() ? message : message + " [atom IDs: " + ids + "]";
}

double PairEquisorb::memory_usage() {
  size_t reals = position.capacity() + forces.capacity() + energies.capacity() + virials.capacity();
  return Pair::memory_usage() + (double)(reals * sizeof(double)) +
         (double)((row.capacity() + number.capacity()) * sizeof(int));
}

// What LAMMPS' lammpsplugin.h declares; packages of LAMMPS do not always install it.
struct lammpsplugin {
  const char *version, *style, *name, *info, *author;
  union {
    void *(*v1)(LAMMPS *);
    void *(*v2)(LAMMPS *, int, char **);
  } creator;
  void *handle;
};

void *create(LAMMPS *lmp) { return new PairEquisorb(lmp); }

} // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *host, void *handle,
                                                                         void *add) {
  LAMMPS *lmp = static_cast<LAMMPS *>(host);
  lammpsplugin p = {};
  // The layout of LAMMPS' classes changes between releases, without a word from the loader.
  if (lmp->num_ver != EQS_LAMMPS_VERSION)
    lmp->error->all(FLERR,
                    "equisorbplugin was built with the headers of LAMMPS {}, this is LAMMPS {}: "
                    "build it again with this one's",
                    EQS_LAMMPS_VERSION, lmp->num_ver);
  p.version = lmp->version;
  p.style = "pair";
  p.name = "equisorb";
  p.info = "Equisorb: machine-learned force fields";
  p.author = "Equisorb";
  p.creator.v1 = create;
  p.handle = handle;
  reinterpret_cast<void (*)(lammpsplugin *, void *)>(add)(&p, host);
}
