// cif_gemmi.cpp -- the only C++ of the library: gemmi's CIF parser and space-group tables.
//
// M. Wojdyr, J. Open Source Softw. 7, 4200 (2022). No exception leaves this file. gemmi's own
// checks for duplicate tags are left out: the first value wins.
//
// SPDX-License-Identifier: MIT
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include <gemmi/cif.hpp>
#include <gemmi/symmetry.hpp>

extern "C" {
#include "core/status.h"
#include "io/cif_parts.h"
}

namespace cif = gemmi::cif;

static eqs_status deliver(const cif_sink &sink, int line, const std::vector<std::string> &tags,
                          const std::vector<std::string> &values) {
  bool wanted = false;
  for (const std::string &tag : tags) wanted = wanted || sink.wanted(sink.user, tag.c_str()) != 0;
  if (!wanted) return EQS_OK;
  std::vector<std::string> text;
  std::vector<const char *> tag_pointer, value_pointer;
  text.reserve(values.size());
  for (const std::string &value : values) text.push_back(cif::as_string(value));
  for (const std::string &tag : tags) tag_pointer.push_back(tag.c_str());
  for (const std::string &value : text) value_pointer.push_back(value.c_str());
  return sink.loop(sink.user, line, tags.size(), tag_pointer.data(), values.size(),
                   value_pointer.data());
}

static eqs_status parse(const char *text, size_t n, const cif_sink &sink) {
  cif::Document document;
  tao::pegtl::memory_input<> input(text, n, "");
  cif::parse_input(document, input);
  for (const cif::Block &block : document.blocks) {
    EQS_TRY(sink.block(sink.user, block.name.c_str()));
    for (const cif::Item &item : block.items) {
      if (item.type == cif::ItemType::Pair)
        EQS_TRY(deliver(sink, item.line_number, {item.pair[0]}, {item.pair[1]}));
      else if (item.type == cif::ItemType::Loop)
        EQS_TRY(deliver(sink, item.line_number, item.loop.tags, item.loop.values));
    }
  }
  return EQS_OK;
}

extern "C" eqs_status cif_gemmi_parse(const char *text, size_t n, const cif_sink *sink) {
  try {
    return parse(text, n, *sink);
  } catch (const tao::pegtl::parse_error &e) {
    const std::string what = e.what(); // ":line:column(byte): message", without (byte) in PEGTL 3
    size_t end = what.find(':', 1), message = what.find(": ");
    if (end == std::string::npos || message == std::string::npos)
      return status_fail(EQS_ERR_FORMAT, "%s", what.c_str());
    return status_fail(EQS_ERR_FORMAT, "line %s: %s", what.substr(1, end - 1).c_str(),
                       what.c_str() + message + 2);
  } catch (const std::bad_alloc &) {
    return status_fail(EQS_ERR_MEMORY, "out of memory: %zu bytes of CIF", n);
  } catch (const std::exception &e) {
    return status_fail(EQS_ERR_FORMAT, "%s", e.what());
  } catch (...) { return status_fail(EQS_ERR_FORMAT, "the CIF parser failed"); }
}

static eqs_status operators(const char *hall, const char *name, double alpha, double gamma,
                            void *user, eqs_status (*add)(void *, const char *)) {
  std::string symbol = hall ? hall : "";
  if (!hall) {
    const gemmi::SpaceGroup *group = gemmi::find_spacegroup_by_name(name, alpha, gamma);
    if (!group) EQS_FAIL(EQS_ERR_FORMAT, "unknown space group '%.40s'", name);
    if ((group->ext == '1' || group->ext == '2') && !std::strchr(name, ':'))
      EQS_FAIL(EQS_ERR_UNSUPPORTED,
               "space group '%.40s' has two origin choices: list the symmetry operators", name);
    symbol = group->hall;
  }
  for (gemmi::Op op : gemmi::symops_from_hall(symbol.c_str())) {
    op.wrap();
    EQS_TRY(add(user, op.triplet().c_str()));
  }
  return EQS_OK;
}

extern "C" eqs_status cif_gemmi_operators(const char *hall, const char *name, double alpha,
                                          double gamma, void *user,
                                          eqs_status (*add)(void *user, const char *triplet)) {
  try {
    return operators(hall, name, alpha, gamma, user, add);
  } catch (const std::exception &e) {
    return status_fail(EQS_ERR_FORMAT, "space group '%.40s': %s", hall ? hall : name, e.what());
  } catch (...) {
    return status_fail(EQS_ERR_FORMAT, "space group '%.40s' is unknown", hall ? hall : name);
  }
}
