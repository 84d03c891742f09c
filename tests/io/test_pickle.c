/* test_pickle.c -- the pickle machine on bytes that Python's pickle wrote, and on hostile ones.
 *
 * The value pickles below are pickle.dumps(value, protocol) of
 *   {'a': 1, 'neg': -5, 'big': 2**40, 'mbig': -2**40, 'huge': 2**70, 'pi': 3.5,
 *    't': (True, False, None), 'l': [1, 2, 300, 70000], 'u': 'e acute', 'b': b'\x00\xff',
 *    's': {7}, 'f': frozenset([8]), 3: 'three', 'e': (), 'd': {}}.
 *
 * SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/pickle.h"

#define BYTES(text) text, sizeof(text) - 1

static const char protocol2[] =
    "\x80\x02}q\x00(X\x01\x00\x00\x00"
    "aq\x01K\x01X\x03\x00\x00\x00negq\x02J\xfb\xff\xff\xffX\x03\x00\x00\x00"
    "bigq\x03\x8a\x06\x00\x00\x00\x00\x00\x01X\x04\x00\x00\x00mbigq\x04\x8a\x06\x00\x00\x00\x00\x00"
    "\xffX\x04\x00\x00\x00hugeq\x05\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@X\x02\x00\x00\x00piq"
    "\x06G@\x0c\x00\x00\x00\x00\x00\x00X\x01\x00\x00\x00tq\x07\x88\x89N\x87q\x08X\x01\x00\x00\x00lq"
    "\x09]q\x0a(K\x01K\x02M,\x01Jp\x11\x01\x00"
    "eX\x01\x00\x00\x00uq\x0bX\x02\x00\x00\x00\xc3\xa9q\x0cX\x01\x00\x00\x00"
    "bq\x0d"
    "c_codecs\x0a"
    "encode\x0aq\x0eX\x03\x00\x00\x00\x00\xc3\xbfq\x0fX\x06\x00\x00\x00latin1q\x10\x86q\x11Rq\x12X"
    "\x01\x00\x00\x00sq\x13"
    "c__builtin__\x0aset\x0aq\x14]q\x15K\x07"
    "a\x85q\x16Rq\x17X\x01\x00\x00\x00"
    "fq\x18"
    "c__builtin__\x0a"
    "frozenset\x0aq\x19]q\x1aK\x08"
    "a\x85q\x1bRq\x1cK\x03X\x05\x00\x00\x00threeq\x1dX\x01\x00\x00\x00"
    "eq\x1e)X\x01\x00\x00\x00"
    "dq\x1f}q u.";

static const char protocol4[] =
    "\x80\x04\x95\xaa\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01"
    "a\x94K\x01\x8c\x03neg\x94J\xfb\xff\xff\xff\x8c\x03"
    "big\x94\x8a\x06\x00\x00\x00\x00\x00\x01\x8c\x04mbig\x94\x8a\x06\x00\x00\x00\x00\x00\xff\x8c"
    "\x04h"
    "uge\x94\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00@\x8c\x02pi\x94G@"
    "\x0c\x00\x00\x00\x00\x00\x00\x8c"
    "\x01t\x94\x88\x89N\x87\x94\x8c\x01l\x94]\x94(K\x01K\x02M,\x01Jp\x11\x01\x00"
    "e\x8c\x01u\x94\x8c\x02\xc3\xa9\x94\x8c\x01"
    "b\x94"
    "C\x02\x00\xff\x94\x8c\x01s\x94\x8f\x94(K\x07\x90\x8c\x01"
    "f\x94(K\x08\x91\x94K\x03\x8c\x05three\x94\x8c\x01"
    "e\x94)\x8c\x01"
    "d\x94}\x94u.";

/* Every storage is the same sixteen bytes: 0, 1, ... 15. */
static eqs_status find_bytes(void *owner, const char *key, size_t n, torch_storage **out) {
  (void)key;
  (void)n;
  *out = owner;
  return EQS_OK;
}

static const unsigned char sixteen[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static eqs_status decode(const char *bytes, size_t n, torch_storage *s, pickle_tree *tree) {
  *s = (torch_storage){.data = sixteen, .n = sizeof sixteen};
  return pickle_decode(bytes, n, find_bytes, s, tree);
}

static int64_t int_of(const torch_value *v, const char *path) {
  int64_t x = 0;
  cr_assert_eq(torch_to_int(torch_get(v, path), path, &x), EQS_OK, "%s", eqs_error());
  return x;
}

static double double_of(const torch_value *v, const char *path) {
  double x = 0;
  cr_assert_eq(torch_to_double(torch_get(v, path), path, &x), EQS_OK, "%s", eqs_error());
  return x;
}

static const char *string_of(const torch_value *v, const char *path) {
  const char *s = NULL;
  cr_assert_eq(torch_to_string(torch_get(v, path), path, &s), EQS_OK, "%s", eqs_error());
  return s;
}

static void check_values(const torch_value *v) {
  cr_assert_eq(torch_value_kind(v), TORCH_DICT);
  cr_assert_eq(torch_length(v), 15);
  cr_assert_eq(int_of(v, "a"), 1);
  cr_assert_eq(int_of(v, "neg"), -5);
  cr_assert_eq(int_of(v, "big"), INT64_C(1) << 40);
  cr_assert_eq(int_of(v, "mbig"), -(INT64_C(1) << 40));
  cr_assert_eq(torch_value_kind(torch_get(v, "huge")), TORCH_OBJECT);
  cr_assert_eq(double_of(v, "pi"), 3.5);
  cr_assert_eq(double_of(v, "neg"), -5.0);
  const torch_value *t = torch_get(v, "t");
  cr_assert_eq(torch_length(t), 3);
  int yes = 0, no = 1;
  cr_assert_eq(torch_to_bool(torch_item(t, 0), "t", &yes), EQS_OK);
  cr_assert_eq(torch_to_bool(torch_item(t, 1), "t", &no), EQS_OK);
  cr_assert(yes && !no);
  cr_assert_eq(torch_value_kind(torch_item(t, 2)), TORCH_NONE);
  cr_assert_null(torch_item(t, 3));
  cr_assert_eq(torch_length(torch_get(v, "l")), 4);
  cr_assert_eq(int_of(v, "l.2"), 300);
  cr_assert_eq(int_of(v, "l.3"), 70000);
  cr_assert_str_eq(string_of(v, "u"), "\xc3\xa9");
  cr_assert_eq(torch_value_kind(torch_get(v, "b")), TORCH_STRING);
  cr_assert_eq(int_of(v, "s.0"), 7);
  cr_assert_eq(int_of(v, "f.0"), 8);
  cr_assert_str_eq(string_of(v, "3"), "three");
  cr_assert_eq(torch_length(torch_get(v, "e")), 0);
  cr_assert_eq(torch_value_kind(torch_get(v, "d")), TORCH_DICT);
  cr_assert_null(torch_get(v, "absent"));
  cr_assert_null(torch_get(v, "a.b.c"));
  cr_assert_null(torch_get(NULL, "a"));
}

Test(pickle, values_of_protocols_2_and_4) {
  torch_storage s;
  pickle_tree t;
  cr_assert_eq(decode(BYTES(protocol2), &s, &t), EQS_OK, "%s", eqs_error());
  check_values(t.root);
  pickle_free(&t);
  cr_assert_eq(decode(BYTES(protocol4), &s, &t), EQS_OK, "%s", eqs_error());
  check_values(t.root);
  pickle_free(&t);
}

/* Each copy is exactly as long as it says, so that a sanitizer sees a read beyond it. */
Test(pickle, any_truncation_is_refused) {
  const char *whole[] = {protocol2, protocol4};
  const size_t length[] = {sizeof protocol2 - 1, sizeof protocol4 - 1};
  for (int k = 0; k < 2; k++)
    for (size_t n = 0; n < length[k]; n++) {
      torch_storage s;
      pickle_tree t;
      char *copy = malloc(n + 1);
      memcpy(copy, whole[k], n);
      cr_assert_eq(decode(copy, n, &s, &t), EQS_ERR_FORMAT, "length %zu", n);
      free(copy);
    }
}

Test(pickle, no_changed_byte_does_harm) {
  const char *whole[] = {protocol2, protocol4};
  const size_t length[] = {sizeof protocol2 - 1, sizeof protocol4 - 1};
  for (int k = 0; k < 2; k++)
    for (size_t at = 0; at < length[k]; at++)
      for (int byte = 0; byte < 256; byte++) {
        torch_storage s;
        pickle_tree t;
        char *copy = malloc(length[k]);
        memcpy(copy, whole[k], length[k]);
        copy[at] = (char)byte;
        eqs_status status = decode(copy, length[k], &s, &t);
        cr_assert(status == EQS_OK || status == EQS_ERR_FORMAT);
        if (status == EQS_OK) pickle_free(&t);
        free(copy);
      }
}

static void refused(const char *bytes, size_t n, const char *reason) {
  torch_storage s;
  pickle_tree t;
  cr_assert_eq(decode(bytes, n, &s, &t), EQS_ERR_FORMAT, "accepted: %s", reason);
  cr_assert_not_null(strstr(eqs_error(), reason), "'%s' lacks '%s'", eqs_error(), reason);
}

Test(pickle, calls_of_foreign_code_are_refused_by_name) {
  refused(BYTES("\x80\x02"
                "cposix\nsystem\nq\x00X\x0a\x00\x00\x00"
                "echo pwnedq\x01\x85q\x02Rq\x03."),
          "posix.system");
  refused(
      BYTES("\x80\x04\x95%\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94"
            "\x8c\x0a"
            "echo pwned\x94\x85\x94R\x94."),
      "posix.system");
  refused(BYTES("\x80\x02"
                "cos\nsystem\nX\x02\x00\x00\x00id\x85R."),
          "os.system");
  refused(BYTES("\x80\x02"
                "csubprocess\nPopen\n)\x81."),
          "subprocess.Popen");
  refused(BYTES("\x80\x02"
                "csubprocess\nPopen\n)}\x92."),
          "subprocess.Popen");
  refused(BYTES("\x80\x02(X\x02\x00\x00\x00idios\nsystem\n."), "os.system");
  refused(BYTES("\x80\x02(cos\nsystem\nX\x02\x00\x00\x00ido."), "os.system");
  refused(BYTES("\x80\x02"
                "c__builtin__\neval\nX\x01\x00\x00\x00"
                "1\x85R."),
          "__builtin__.eval");
  refused(BYTES("\x80\x02"
                "cbuiltins\ngetattr\n)R."),
          "builtins.getattr");
  refused(BYTES("\x80\x02"
                "ctorchx\nTensor\n)R."),
          "torchx.Tensor");
  refused(BYTES("\x80\x02"
                "ccopyreg\n_reconstructor\ncos\nsystem\nN\x86R."),
          "os.system");
}

Test(pickle, naming_a_class_is_harmless) {
  torch_storage s;
  pickle_tree t;
  cr_assert_eq(decode(BYTES("\x80\x02"
                            "cos\nsystem\n."),
                      &s, &t),
               EQS_OK);
  cr_assert_eq(torch_value_kind(t.root), TORCH_GLOBAL);
  cr_assert_str_eq(torch_class(t.root), "os.system");
  cr_assert(torch_is_class(t.root, "system"));
  cr_assert(!torch_is_class(t.root, "os.system"));
  pickle_free(&t);
}

Test(pickle, broken_machines_are_refused) {
  refused(BYTES("\x80\x02\x99."), "opcode 0x99 at byte 2");
  refused(BYTES("\x80\x02P1\n."), "opcode 0x50");
  refused(BYTES("\x80\x02\x82\x01."), "opcode 0x82");
  refused(BYTES("\x80\x01N."), "protocol 1");
  refused(BYTES("\x80\x02."), "0 values");
  refused(BYTES("\x80\x02NN."), "2 values");
  refused(BYTES("\x80\x02(N."), "1 values");
  refused(BYTES("\x80\x02"
                "a."),
          "stack is empty");
  refused(BYTES("\x80\x02N(a."), "stack is empty");
  refused(BYTES("\x80\x02Nt."), "no mark");
  refused(BYTES("\x80\x02NNa."), "no list");
  refused(BYTES("\x80\x02]NNs."), "no dict");
  refused(BYTES("\x80\x02}(Nu."), "without a value");
  refused(BYTES("\x80\x02h\x05."), "memo index 5");
  refused(BYTES("\x80\x02Nr\xff\xff\xff\xff."), "memo index 4294967295");
  refused(BYTES("\x80\x02X\xff\xff\xff\x7f."), "beyond the pickle's end");
  refused(BYTES("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "beyond the pickle's end");
  refused(BYTES("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7fN."), "frame");
  refused(BYTES("\x80\x02\x8b\xff\xff\xff\xff."), "negative length");
  refused(BYTES("\x80\x02X\x01\x00\x00\x00\xff."), "UTF-8");
  refused(BYTES("\x80\x02"
                "cos system."),
          "cut off");
  refused(BYTES("\x80\x02"
                "c\n\n."),
          "class name");
  refused(BYTES("\x80\x02NQ."), "storage");
  refused(BYTES("\x80\x02N)R."), "no class");
}

Test(pickle, deep_nesting_is_refused) {
  enum { DEEP = 100000 };
  char *bytes = malloc(2 * DEEP + 3);
  memset(bytes, ']', DEEP);
  memset(bytes + DEEP, 'a', DEEP - 1);
  bytes[2 * DEEP - 1] = '.';
  refused(bytes, 2 * DEEP, "nested");
  memset(bytes, '(', DEEP);
  refused(bytes, DEEP, "nested");
  bytes[0] = 'N';
  memset(bytes + 1, '\x85', DEEP);
  bytes[DEEP + 1] = '.';
  refused(bytes, DEEP + 2, "nested");
  free(bytes);
}

/* A list of 20000 pairs, made into a dict again and again: each call is five bytes long. */
Test(pickle, amplification_is_refused) {
  enum { PAIRS = 20000, CALLS = 20000 };
  char *bytes = malloc(3 * PAIRS + 8 * CALLS + 100);
  size_t n = 0;
  bytes[n++] = ']', bytes[n++] = 'q', bytes[n++] = 0, bytes[n++] = '(';
  for (int i = 0; i < PAIRS; i++) bytes[n++] = 'N', bytes[n++] = 'N', bytes[n++] = '\x86';
  bytes[n++] = 'e';
  memcpy(bytes + n, "ccollections\nOrderedDict\nq\x01", 27);
  n += 27;
  for (int i = 0; i < CALLS; i++) {
    memcpy(bytes + n, "h\x01h\x00\x85R0", 7);
    n += 7;
  }
  bytes[n++] = '.';
  refused(bytes, n, "far more values");
  free(bytes);
}

Test(pickle, values_that_contain_themselves_do_no_harm) {
  torch_storage s;
  pickle_tree t;
  cr_assert_eq(decode(BYTES("\x80\x02]q\x00h\x00"
                            "a."),
                      &s, &t),
               EQS_OK);
  cr_assert_eq(torch_item(t.root, 0), t.root);
  cr_assert_eq(torch_get(t.root, "0.0.0.0.0"), t.root);
  pickle_free(&t);
  cr_assert_eq(decode(BYTES("\x80\x02}q\x00X\x04\x00\x00\x00selfq\x01h\x00s."), &s, &t), EQS_OK);
  cr_assert_eq(torch_get(t.root, "self.self.self"), t.root);
  cr_assert_null(torch_get(t.root, "self.self.other"));
  pickle_free(&t);
  cr_assert_eq(decode(BYTES("\x80\x02"
                            "ctorch.nn\nModule\n)\x81q\x00h\x00"
                            "b."),
                      &s, &t),
               EQS_OK);
  cr_assert_null(torch_get(t.root, "weight"));
  pickle_free(&t);
}

/* Attributes in the state, in its slots, and in torch's three inner dicts. */
Test(pickle, attributes_of_objects) {
  torch_storage s;
  pickle_tree t;
  cr_assert_eq(
      decode(BYTES("\x80\x02"
                   "cmace.modules.models\nMACE\nK\x07\x85\x81(}(X\x01\x00\x00\x00"
                   "aK\x01X\x08\x00\x00\x00_modules}X\x01\x00\x00\x00mK\x03sX\x08\x00\x00\x00"
                   "_buffers}X\x01\x00\x00\x00zK\x05su}X\x01\x00\x00\x00"
                   "bK\x02stb."),
             &s, &t),
      EQS_OK, "%s", eqs_error());
  cr_assert_eq(torch_value_kind(t.root), TORCH_OBJECT);
  cr_assert_str_eq(torch_class(t.root), "mace.modules.models.MACE");
  cr_assert(torch_is_class(t.root, "MACE"));
  cr_assert(!torch_is_class(t.root, "ACE"));
  cr_assert_eq(torch_length(t.root), 1);
  int64_t argument = 0;
  cr_assert_eq(torch_to_int(torch_item(t.root, 0), "argument", &argument), EQS_OK);
  cr_assert_eq(argument, 7);
  cr_assert_eq(int_of(t.root, "a"), 1);
  cr_assert_eq(int_of(t.root, "b"), 2);
  cr_assert_eq(int_of(t.root, "m"), 3);
  cr_assert_eq(int_of(t.root, "z"), 5);
  cr_assert_eq(int_of(t.root, "_modules.m"), 3);
  cr_assert_null(torch_get(t.root, "c"));
  pickle_free(&t);
}

/* Irreps((_MulIr((8, Irrep((1, -1)))),)): each is a tuple that wraps its items. */
Test(pickle, irreps_give_their_items) {
  torch_storage s;
  pickle_tree t;
  cr_assert_eq(
      decode(BYTES("\x80\x02"
                   "ce3nn.o3._irreps\nIrreps\nce3nn.o3._irreps\n_MulIr\nK\x08"
                   "ce3nn.o3._irreps\nIrrep\nK\x01J\xff\xff\xff\xff\x86\x85\x81\x86\x85\x81"
                   "\x85\x85\x81."),
             &s, &t),
      EQS_OK, "%s", eqs_error());
  cr_assert(torch_is_class(t.root, "Irreps"));
  cr_assert_eq(torch_length(t.root), 1);
  const torch_value *m = torch_item(t.root, 0), *ir = torch_item(m, 1);
  int64_t mul = 0, l = 0, p = 0;
  cr_assert_eq(torch_to_int(torch_item(m, 0), "mul", &mul), EQS_OK);
  cr_assert_eq(torch_to_int(torch_item(ir, 0), "l", &l), EQS_OK);
  cr_assert_eq(torch_to_int(torch_item(ir, 1), "p", &p), EQS_OK);
  cr_assert(mul == 8 && l == 1 && p == -1);
  pickle_free(&t);
}

Test(pickle, keys_that_come_twice_and_dotted_keys) {
  torch_storage s;
  pickle_tree t;
  cr_assert_eq(decode(BYTES("\x80\x02}(X\x01\x00\x00\x00"
                            "aK\x01X\x01\x00\x00\x00"
                            "aK\x02X\x03\x00\x00\x00"
                            "b.cK\x03X\x01\x00\x00\x00"
                            "b}X\x01\x00\x00\x00"
                            "cK\x04sJ\xff\xff\xff\xffK\x05u."),
                      &s, &t),
               EQS_OK);
  cr_assert_eq(int_of(t.root, "a"), 2);
  cr_assert_eq(int_of(t.root, "b.c"), 3);
  cr_assert_eq(int_of(t.root, "-1"), 5);
  pickle_free(&t);
}

/* numpy.float64(2.5), numpy.array([-7], dtype='>i4') and numpy.array([1, 2], dtype='u1'). */
Test(pickle, numbers_of_numpy) {
  torch_storage s;
  pickle_tree t;
  cr_assert_eq(
      decode(BYTES("\x80\x02]("
                   "cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00"
                   "f8\x89\x88\x87R(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff"
                   "\xffK\x00tbc_codecs\nencode\nX\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x04@"
                   "X\x06\x00\x00\x00latin1\x86R\x86R"
                   "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
                   "C\x01"
                   "b\x87R(K\x01K\x01\x85"
                   "cnumpy\ndtype\nX\x02\x00\x00\x00i4\x89\x88\x87R(K\x03X\x01\x00\x00\x00>"
                   "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
                   "C\x04\xff\xff\xff\xf9tb"
                   "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
                   "C\x01"
                   "b\x87R(K\x01K\x02\x85"
                   "cnumpy\ndtype\nX\x02\x00\x00\x00u1\x89\x88\x87R\x89"
                   "C\x02\x01\x02tb"
                   "e."),
             &s, &t),
      EQS_OK, "%s", eqs_error());
  cr_assert_eq(double_of(t.root, "0"), 2.5);
  cr_assert_eq(double_of(t.root, "1"), -7.0);
  cr_assert_eq(int_of(t.root, "1"), -7);
  double x;
  cr_assert_eq(torch_to_double(torch_get(t.root, "2"), "pair", &x), EQS_ERR_FORMAT);
  cr_assert_not_null(strstr(eqs_error(), "pair"));
  pickle_free(&t);
}

Test(pickle, conversions_name_what_they_are_about) {
  torch_storage s;
  pickle_tree t;
  int64_t i;
  int b;
  const char *text;
  double x;
  cr_assert_eq(decode(BYTES("\x80\x02(G?\xe0\x00\x00\x00\x00\x00\x00X\x02\x00\x00\x00"
                            "a\x00K\x02t."),
                      &s, &t),
               EQS_OK);
  cr_assert_eq(torch_to_int(torch_item(t.root, 0), "r_max", &i), EQS_ERR_FORMAT);
  cr_assert_not_null(strstr(eqs_error(), "r_max"));
  cr_assert_eq(torch_to_string(torch_item(t.root, 1), "name", &text), EQS_ERR_FORMAT);
  cr_assert_eq(torch_to_bool(torch_item(t.root, 2), "flag", &b), EQS_ERR_FORMAT);
  cr_assert_eq(torch_to_double(torch_item(t.root, 3), "cutoff", &x), EQS_ERR_FORMAT);
  cr_assert_not_null(strstr(eqs_error(), "'cutoff' is missing"));
  cr_assert_eq(torch_tensor_read(torch_item(t.root, 2), "weight", &x, 1), EQS_ERR_FORMAT);
  cr_assert_eq(torch_tensor_rank(t.root), -1);
  pickle_free(&t);
}
