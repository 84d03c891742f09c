/* pickle.c -- the pickle machine: a stack, marks and a memo, one function per opcode.
 *
 * Opcodes after Python's Lib/pickletools.py (protocols 2 to 5; the text opcodes of protocol 0 are
 * not written by torch and are refused). An opcode takes at least one byte, so the stack, the memo
 * and the tree are bounded by the pickle's length; the arena enforces it.
 *
 * SPDX-License-Identifier: MIT */
#include "io/pickle.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 400, MARK_MAX = PICKLE_DEPTH_MAX };

typedef struct machine {
  const unsigned char *p;
  size_t n, at; /* bytes, next byte */
  size_t opcode_at;
  pickle_arena *arena;
  torch_value **stack;
  size_t n_stack, cap_stack;
  size_t mark[MARK_MAX];
  size_t n_mark;
  torch_value **memo;
  size_t n_memo, cap_memo, memoized; /* n_memo: one above the highest index in use */
  pickle_find find;
  void *owner;
  torch_value *none, *yes, *no;
  int stopped;
} machine;

static eqs_status take(machine *m, size_t n, const unsigned char **out) {
  if (n > m->n - m->at)
    EQS_FAIL(EQS_ERR_FORMAT, "the pickle ends within the opcode 0x%02x at byte %zu",
             (unsigned)m->p[m->opcode_at], m->opcode_at);
  *out = m->p + m->at;
  m->at += n;
  return EQS_OK;
}

/* An unsigned little-endian number of `width` bytes. */
static eqs_status take_number(machine *m, size_t width, uint64_t *out) {
  const unsigned char *p = NULL;
  EQS_TRY(take(m, width, &p));
  *out = 0;
  for (size_t i = width; i-- > 0;) *out = *out << 8 | p[i];
  return EQS_OK;
}

static eqs_status grow(torch_value ***array, size_t *cap, size_t need) {
  if (need <= *cap) return EQS_OK;
  size_t wanted = need > 2 * *cap ? need : 2 * *cap;
  if (wanted < 64) wanted = 64;
  torch_value **grown = realloc(*array, mul_size(wanted, sizeof(void *)));
  if (!grown) EQS_FAIL(EQS_ERR_MEMORY, "out of memory: %zu values of a pickle", wanted);
  memset(grown + *cap, 0, (wanted - *cap) * sizeof(void *));
  *array = grown;
  *cap = wanted;
  return EQS_OK;
}

static eqs_status push(machine *m, torch_value *v) {
  EQS_TRY(grow(&m->stack, &m->cap_stack, m->n_stack + 1));
  m->stack[m->n_stack++] = v;
  return EQS_OK;
}

/* Values above the last mark. */
static size_t depth_above(const machine *m) {
  return m->n_stack - (m->n_mark ? m->mark[m->n_mark - 1] : 0);
}

static eqs_status need(const machine *m, size_t n) {
  if (depth_above(m) < n)
    EQS_FAIL(EQS_ERR_FORMAT, "the pickle's stack is empty for the opcode 0x%02x at byte %zu",
             (unsigned)m->p[m->opcode_at], m->opcode_at);
  return EQS_OK;
}

static eqs_status pop(machine *m, torch_value **out) {
  EQS_TRY(need(m, 1));
  *out = m->stack[--m->n_stack];
  return EQS_OK;
}

static eqs_status top(const machine *m, torch_value **out) {
  EQS_TRY(need(m, 1));
  *out = m->stack[m->n_stack - 1];
  return EQS_OK;
}

/* Removes the last mark; the values that stood above it stay in place at *items until a push. */
static eqs_status pop_mark(machine *m, torch_value ***items, size_t *n) {
  if (m->n_mark == 0)
    EQS_FAIL(EQS_ERR_FORMAT, "no mark on the pickle's stack for the opcode 0x%02x at byte %zu",
             (unsigned)m->p[m->opcode_at], m->opcode_at);
  size_t from = m->mark[--m->n_mark];
  *n = m->n_stack - from;
  *items = m->stack + from;
  m->n_stack = from;
  return EQS_OK;
}

static eqs_status op_none(machine *m) { return push(m, m->none); }
static eqs_status op_true(machine *m) { return push(m, m->yes); }
static eqs_status op_false(machine *m) { return push(m, m->no); }

static eqs_status push_int(machine *m, int64_t i) {
  torch_value *v = NULL;
  EQS_TRY(pickle_value(m->arena, TORCH_INT, &v));
  v->u.i = i;
  return push(m, v);
}

static eqs_status op_int(machine *m) {
  unsigned char opcode = m->p[m->opcode_at];
  uint64_t x = 0;
  EQS_TRY(take_number(m, opcode == 'J' ? 4 : opcode == 'M' ? 2 : 1, &x));
  return push_int(m, opcode == 'J' ? (int64_t)(int32_t)(uint32_t)x : (int64_t)x);
}

/* Two's complement of any length; what does not fit into 64 bits becomes an inert record. */
static eqs_status op_long(machine *m) {
  uint64_t length = 0, x = 0;
  const unsigned char *p = NULL;
  EQS_TRY(take_number(m, m->p[m->opcode_at] == 0x8a ? 1 : 4, &length));
  if (length > (uint64_t)INT32_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "a number of negative length at byte %zu", m->opcode_at);
  EQS_TRY(take(m, (size_t)length, &p));
  if (length > 8) {
    torch_value *callee = NULL, *args = NULL, *v = NULL;
    EQS_TRY(pickle_text(m->arena, TORCH_GLOBAL, "builtins.int", 12, &callee));
    EQS_TRY(pickle_value(m->arena, TORCH_LIST, &args));
    EQS_TRY(pickle_construct(m->arena, callee, args, &v));
    return push(m, v);
  }
  for (size_t i = (size_t)length; i-- > 0;) x = x << 8 | p[i];
  if (length && length < 8 && p[length - 1] & 0x80) x |= UINT64_MAX << 8 * length;
  int64_t value;
  memcpy(&value, &x, sizeof value);
  return push_int(m, value);
}

/* Big-endian, unlike everything else. */
static eqs_status op_float(machine *m) {
  const unsigned char *p = NULL;
  uint64_t bits = 0;
  torch_value *v = NULL;
  EQS_TRY(take(m, 8, &p));
  for (int i = 0; i < 8; i++) bits = bits << 8 | p[i];
  EQS_TRY(pickle_value(m->arena, TORCH_FLOAT, &v));
  memcpy(&v->u.x, &bits, sizeof v->u.x);
  return push(m, v);
}

/* No overlong forms are told apart: the text only has to be printable as UTF-8. */
static int is_utf8(const unsigned char *p, size_t n) {
  for (size_t i = 0; i < n;) {
    size_t more = p[i] < 0x80       ? 0
                  : p[i] >> 5 == 6  ? 1
                  : p[i] >> 4 == 14 ? 2
                  : p[i] >> 3 == 30 ? 3
                                    : 9;
    if (more > n - i - 1) return 0;
    for (size_t k = 1; k <= more; k++)
      if (p[i + k] >> 6 != 2) return 0;
    i += more + 1;
  }
  return 1;
}

static eqs_status push_text(machine *m, size_t width, int unicode) {
  uint64_t length = 0;
  const unsigned char *p = NULL;
  torch_value *v = NULL;
  EQS_TRY(take_number(m, width, &length));
  if (length > m->n - m->at)
    EQS_FAIL(EQS_ERR_FORMAT, "a string at byte %zu reaches beyond the pickle's end", m->opcode_at);
  EQS_TRY(take(m, (size_t)length, &p));
  if (unicode && !is_utf8(p, (size_t)length))
    EQS_FAIL(EQS_ERR_FORMAT, "the string at byte %zu is no UTF-8", m->opcode_at);
  EQS_TRY(pickle_text(m->arena, TORCH_STRING, p, (size_t)length, &v));
  return push(m, v);
}

static eqs_status op_unicode1(machine *m) { return push_text(m, 1, 1); }
static eqs_status op_unicode4(machine *m) { return push_text(m, 4, 1); }
static eqs_status op_unicode8(machine *m) { return push_text(m, 8, 1); }
static eqs_status op_bytes1(machine *m) { return push_text(m, 1, 0); }
static eqs_status op_bytes4(machine *m) { return push_text(m, 4, 0); }
static eqs_status op_bytes8(machine *m) { return push_text(m, 8, 0); }

static eqs_status push_list(machine *m, torch_kind kind, torch_value **items, size_t n) {
  torch_value *v = NULL;
  EQS_TRY(pickle_value(m->arena, kind, &v));
  EQS_TRY(pickle_append(m->arena, v, items, n));
  return push(m, v);
}

static eqs_status op_empty_list(machine *m) { return push_list(m, TORCH_LIST, NULL, 0); }
static eqs_status op_empty_dict(machine *m) { return push_list(m, TORCH_DICT, NULL, 0); }

static eqs_status op_mark(machine *m) {
  if (m->n_mark == MARK_MAX)
    EQS_FAIL(EQS_ERR_FORMAT, "values are nested more than %d deep at byte %zu", MARK_MAX,
             m->opcode_at);
  m->mark[m->n_mark++] = m->n_stack;
  return EQS_OK;
}

/* TUPLE, LIST, FROZENSET: all above the mark. */
static eqs_status op_marked_list(machine *m) {
  torch_value **items = NULL;
  size_t n = 0;
  EQS_TRY(pop_mark(m, &items, &n));
  return push_list(m, TORCH_LIST, items, n);
}

static eqs_status op_marked_dict(machine *m) {
  torch_value **items = NULL;
  size_t n = 0;
  EQS_TRY(pop_mark(m, &items, &n));
  if (n % 2) EQS_FAIL(EQS_ERR_FORMAT, "a key without a value at byte %zu", m->opcode_at);
  return push_list(m, TORCH_DICT, items, n);
}

static eqs_status op_tuple(machine *m) {
  size_t n = (size_t)(m->p[m->opcode_at] - 0x84); /* TUPLE1 is 0x85 */
  EQS_TRY(need(m, n));
  m->n_stack -= n;
  return push_list(m, TORCH_LIST, m->stack + m->n_stack, n);
}

/* Items for a list, a set, or an instance of a subclass of them. */
static eqs_status add_items(machine *m, torch_value *to, torch_value **items, size_t n) {
  if (to->kind != TORCH_LIST && to->kind != TORCH_OBJECT)
    EQS_FAIL(EQS_ERR_FORMAT, "items are added to what is no list at byte %zu", m->opcode_at);
  return pickle_append(m->arena, to, items, n);
}

static eqs_status op_append(machine *m) {
  torch_value *v = NULL, *to = NULL;
  EQS_TRY(pop(m, &v));
  EQS_TRY(top(m, &to));
  return add_items(m, to, &v, 1);
}

static eqs_status op_appends(machine *m) {
  torch_value **items = NULL, *to = NULL;
  size_t n = 0;
  EQS_TRY(pop_mark(m, &items, &n));
  EQS_TRY(top(m, &to));
  return add_items(m, to, items, n);
}

static eqs_status add_pairs(machine *m, torch_value *to, torch_value **items, size_t n) {
  if (n % 2) EQS_FAIL(EQS_ERR_FORMAT, "a key without a value at byte %zu", m->opcode_at);
  if (to->kind == TORCH_OBJECT) {
    torch_object *o = to->u.object;
    if (!o->entries) EQS_TRY(pickle_value(m->arena, TORCH_DICT, &o->entries));
    EQS_TRY(pickle_append(m->arena, o->entries, items, n));
    return pickle_nest(to, o->entries);
  }
  if (to->kind != TORCH_DICT)
    EQS_FAIL(EQS_ERR_FORMAT, "pairs are added to what is no dict at byte %zu", m->opcode_at);
  return pickle_append(m->arena, to, items, n);
}

static eqs_status op_setitem(machine *m) {
  EQS_TRY(need(m, 3));
  m->n_stack -= 2;
  return add_pairs(m, m->stack[m->n_stack - 1], m->stack + m->n_stack, 2);
}

static eqs_status op_setitems(machine *m) {
  torch_value **items = NULL, *to = NULL;
  size_t n = 0;
  EQS_TRY(pop_mark(m, &items, &n));
  EQS_TRY(top(m, &to));
  return add_pairs(m, to, items, n);
}

static eqs_status op_pop(machine *m) {
  torch_value *v = NULL;
  if (depth_above(m) == 0 && m->n_mark) {
    m->n_mark--;
    return EQS_OK;
  }
  return pop(m, &v);
}

static eqs_status op_pop_mark(machine *m) {
  torch_value **items = NULL;
  size_t n = 0;
  return pop_mark(m, &items, &n);
}

static eqs_status op_dup(machine *m) {
  torch_value *v = NULL;
  EQS_TRY(top(m, &v));
  return push(m, v);
}

static eqs_status memoize(machine *m, uint64_t index) {
  torch_value *v = NULL;
  EQS_TRY(top(m, &v));
  if (index > m->n)
    EQS_FAIL(EQS_ERR_FORMAT, "memo index %llu at byte %zu is too large", (unsigned long long)index,
             m->opcode_at);
  EQS_TRY(grow(&m->memo, &m->cap_memo, (size_t)index + 1));
  if (index >= m->n_memo) m->n_memo = (size_t)index + 1;
  if (!m->memo[index]) m->memoized++;
  m->memo[index] = v;
  return EQS_OK;
}

static eqs_status op_put(machine *m) {
  uint64_t index = 0;
  EQS_TRY(take_number(m, m->p[m->opcode_at] == 'q' ? 1 : 4, &index));
  return memoize(m, index);
}

static eqs_status op_memoize(machine *m) { return memoize(m, m->memoized); }

static eqs_status op_get(machine *m) {
  uint64_t index = 0;
  EQS_TRY(take_number(m, m->p[m->opcode_at] == 'h' ? 1 : 4, &index));
  if (index >= m->n_memo || !m->memo[index])
    EQS_FAIL(EQS_ERR_FORMAT, "memo index %llu at byte %zu was never stored",
             (unsigned long long)index, m->opcode_at);
  return push(m, m->memo[index]);
}

static int is_name(const char *s, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (s[i] <= ' ' || s[i] == 0x7f) return 0; /* identifiers are ASCII here: bytes >= 0x80 too */
  return n > 0 && n <= NAME_MAX_LENGTH;
}

static eqs_status make_global(machine *m, const char *module, size_t n_module, const char *name,
                              size_t n_name, torch_value **out) {
  char joined[2 * NAME_MAX_LENGTH + 2];
  if (!is_name(module, n_module) || !is_name(name, n_name))
    EQS_FAIL(EQS_ERR_FORMAT, "the class name at byte %zu is damaged", m->opcode_at);
  memcpy(joined, module, n_module);
  joined[n_module] = '.';
  memcpy(joined + n_module + 1, name, n_name);
  return pickle_text(m->arena, TORCH_GLOBAL, joined, n_module + 1 + n_name, out);
}

static eqs_status take_line(machine *m, const char **s, size_t *n) {
  const unsigned char *from = m->p + m->at, *end = memchr(from, '\n', m->n - m->at);
  if (!end) EQS_FAIL(EQS_ERR_FORMAT, "the class name at byte %zu is cut off", m->opcode_at);
  *s = (const char *)from;
  *n = (size_t)(end - from);
  m->at += *n + 1;
  return EQS_OK;
}

static eqs_status take_global(machine *m, torch_value **out) {
  const char *module = NULL, *name = NULL;
  size_t n_module = 0, n_name = 0;
  EQS_TRY(take_line(m, &module, &n_module));
  EQS_TRY(take_line(m, &name, &n_name));
  return make_global(m, module, n_module, name, n_name, out);
}

static eqs_status op_global(machine *m) {
  torch_value *v = NULL;
  EQS_TRY(take_global(m, &v));
  return push(m, v);
}

static eqs_status op_stack_global(machine *m) {
  torch_value *name = NULL, *module = NULL, *v = NULL;
  EQS_TRY(pop(m, &name));
  EQS_TRY(pop(m, &module));
  if (name->kind != TORCH_STRING || module->kind != TORCH_STRING)
    EQS_FAIL(EQS_ERR_FORMAT, "the class at byte %zu has no name", m->opcode_at);
  EQS_TRY(make_global(m, module->u.text.s, module->u.text.n, name->u.text.s, name->u.text.n, &v));
  return push(m, v);
}

static eqs_status push_constructed(machine *m, torch_value *callee, torch_value *args) {
  torch_value *v = NULL;
  EQS_TRY(pickle_construct(m->arena, callee, args, &v));
  return push(m, v);
}

/* REDUCE, NEWOBJ: a callable and a tuple of arguments. */
static eqs_status op_construct(machine *m) {
  torch_value *args = NULL, *callee = NULL;
  EQS_TRY(pop(m, &args));
  EQS_TRY(pop(m, &callee));
  return push_constructed(m, callee, args);
}

/* Keyword arguments become the state until a BUILD replaces them. */
static eqs_status op_newobj_ex(machine *m) {
  torch_value *keywords = NULL, *v = NULL;
  EQS_TRY(pop(m, &keywords));
  EQS_TRY(op_construct(m));
  EQS_TRY(top(m, &v));
  if (v->kind != TORCH_OBJECT || keywords->kind != TORCH_DICT) return EQS_OK;
  v->u.object->state = keywords;
  return pickle_nest(v, keywords);
}

static eqs_status op_inst(machine *m) {
  torch_value **items = NULL, *callee = NULL, *args = NULL;
  size_t n = 0;
  EQS_TRY(take_global(m, &callee));
  EQS_TRY(pop_mark(m, &items, &n));
  EQS_TRY(push_list(m, TORCH_LIST, items, n));
  EQS_TRY(pop(m, &args));
  return push_constructed(m, callee, args);
}

static eqs_status op_obj(machine *m) {
  torch_value **items = NULL, *callee = NULL, *args = NULL;
  size_t n = 0;
  EQS_TRY(pop_mark(m, &items, &n));
  if (n == 0) EQS_FAIL(EQS_ERR_FORMAT, "an object without a class at byte %zu", m->opcode_at);
  callee = items[0];
  EQS_TRY(push_list(m, TORCH_LIST, items + 1, n - 1));
  EQS_TRY(pop(m, &args));
  return push_constructed(m, callee, args);
}

/* Sets the state of a record; what is set on a dict, a list or a tensor carries nothing we need. */
static eqs_status op_build(machine *m) {
  torch_value *state = NULL, *v = NULL;
  EQS_TRY(pop(m, &state));
  EQS_TRY(top(m, &v));
  if (v->kind != TORCH_OBJECT) return EQS_OK;
  v->u.object->state = state;
  return pickle_nest(v, state);
}

static eqs_status op_persistent_id(machine *m) {
  torch_value *id = NULL, *v = NULL;
  EQS_TRY(pop(m, &id));
  EQS_TRY(pickle_storage(m->arena, id, m->find, m->owner, &v));
  return push(m, v);
}

static eqs_status op_proto(machine *m) {
  uint64_t version = 0;
  EQS_TRY(take_number(m, 1, &version));
  if (version < 2 || version > 5)
    EQS_FAIL(EQS_ERR_FORMAT, "pickle protocol %u is not one of 2 to 5", (unsigned)version);
  return EQS_OK;
}

static eqs_status op_frame(machine *m) {
  uint64_t length = 0;
  EQS_TRY(take_number(m, 8, &length));
  if (length > m->n - m->at)
    EQS_FAIL(EQS_ERR_FORMAT, "the frame at byte %zu is longer than the pickle", m->opcode_at);
  return EQS_OK;
}

static eqs_status op_stop(machine *m) {
  m->stopped = 1;
  return EQS_OK;
}

typedef eqs_status (*operation)(machine *m);

static const operation operations[256] = {
    [0x80] = op_proto,        [0x95] = op_frame,       ['.'] = op_stop,
    ['N'] = op_none,          [0x88] = op_true,        [0x89] = op_false,
    ['J'] = op_int,           ['K'] = op_int,          ['M'] = op_int,
    [0x8a] = op_long,         [0x8b] = op_long,        ['G'] = op_float,
    ['X'] = op_unicode4,      [0x8c] = op_unicode1,    [0x8d] = op_unicode8,
    ['B'] = op_bytes4,        ['C'] = op_bytes1,       [0x8e] = op_bytes8,
    [0x96] = op_bytes8,       ['T'] = op_bytes4,       ['U'] = op_bytes1,
    [']'] = op_empty_list,    [')'] = op_empty_list,   [0x8f] = op_empty_list,
    ['}'] = op_empty_dict,    ['('] = op_mark,         ['t'] = op_marked_list,
    ['l'] = op_marked_list,   [0x91] = op_marked_list, ['d'] = op_marked_dict,
    [0x85] = op_tuple,        [0x86] = op_tuple,       [0x87] = op_tuple,
    ['a'] = op_append,        ['e'] = op_appends,      [0x90] = op_appends,
    ['s'] = op_setitem,       ['u'] = op_setitems,     ['0'] = op_pop,
    ['1'] = op_pop_mark,      ['2'] = op_dup,          ['q'] = op_put,
    ['r'] = op_put,           [0x94] = op_memoize,     ['h'] = op_get,
    ['j'] = op_get,           ['c'] = op_global,       [0x93] = op_stack_global,
    ['R'] = op_construct,     [0x81] = op_construct,   [0x92] = op_newobj_ex,
    ['i'] = op_inst,          ['o'] = op_obj,          ['b'] = op_build,
    ['Q'] = op_persistent_id,
};

static eqs_status run(machine *m) {
  EQS_TRY(grow(&m->stack, &m->cap_stack, 1)); /* so that it is never NULL */
  EQS_TRY(pickle_value(m->arena, TORCH_NONE, &m->none));
  EQS_TRY(pickle_value(m->arena, TORCH_BOOL, &m->yes));
  EQS_TRY(pickle_value(m->arena, TORCH_BOOL, &m->no));
  m->yes->u.i = 1;
  while (!m->stopped) {
    if (m->at == m->n) EQS_FAIL(EQS_ERR_FORMAT, "the pickle has no end: it is cut off");
    m->opcode_at = m->at++;
    operation op = operations[m->p[m->opcode_at]];
    if (!op)
      EQS_FAIL(EQS_ERR_FORMAT, "unknown pickle opcode 0x%02x at byte %zu",
               (unsigned)m->p[m->opcode_at], m->opcode_at);
    EQS_TRY(op(m));
  }
  if (m->n_stack != 1 || m->n_mark != 0)
    EQS_FAIL(EQS_ERR_FORMAT, "the pickle ends with %zu values instead of one", m->n_stack);
  return EQS_OK;
}

eqs_status pickle_decode(const void *bytes, size_t n, pickle_find find, void *owner,
                         pickle_tree *out) {
  *out = (pickle_tree){0};
  machine *m = calloc(1, sizeof *m);
  if (!m) EQS_FAIL(EQS_ERR_MEMORY, "out of memory for the pickle machine");
  m->p = bytes, m->n = n, m->arena = &out->arena, m->find = find, m->owner = owner;
  out->arena.limit = mul_size(n, 128);
  if (out->arena.limit > SIZE_MAX - 65536) out->arena.limit = SIZE_MAX - 65536;
  out->arena.limit += 65536;
  eqs_status status = run(m);
  if (status == EQS_OK) out->root = m->stack[0];
  if (status != EQS_OK) pickle_free(out);
  free(m->stack);
  free(m->memo);
  free(m);
  return status;
}
