// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/domain_extensions.hpp"

#include <rdma/fi_errno.h>

#include <string_view>

#include "catalogue.hpp"
#include "objects/domain.hpp"
#include "objects/gda_operations.hpp"
#include "rdm/atomics.hpp"

namespace efa::fi {
namespace {

constexpr uint64_t kForms = FI_FETCH_ATOMIC | FI_COMPARE_ATOMIC;

rdm::AtomicForm form_of(uint64_t flags) {
  if (flags & FI_COMPARE_ATOMIC) return rdm::AtomicForm::kCompare;
  return flags & FI_FETCH_ATOMIC ? rdm::AtomicForm::kFetch : rdm::AtomicForm::kWrite;
}

}  // namespace

int open_domain_operations(fid* object, const char* name, uint64_t flags, void** found, void*) {
  if (flags || !name || !found) return -FI_EINVAL;
  const bool direct = Domain::of(reinterpret_cast<fid_domain*>(object)).kind == Kind::direct;
  const std::string_view asked = name;
  if (asked == "efa domain ops") {
    *found = direct ? &direct_domain_operations : &protocol_domain_operations;
    return 0;
  }
  if (asked != "efa gda ops") return -FI_EINVAL;
  if (!direct) return -FI_EOPNOTSUPP;
  *found = &gda_operations;
  return 0;
}

int describe_atomic(rdm::AtomicForm form, fi_datatype datatype, fi_op op, size_t mtu,
                    fi_atomic_attr& attributes) {
  if (!rdm::atomic_offered(form, datatype, op)) return -FI_EOPNOTSUPP;
  // Operands travel in one packet, with those to compare with.
  const size_t room = mtu - kAtomicHeader;
  attributes.size = rdm::atomic_size(datatype);
  attributes.count = (form == rdm::AtomicForm::kCompare ? room / 2 : room) / attributes.size;
  return 0;
}

int query_atomic(fid_domain* object, fi_datatype datatype, fi_op op, fi_atomic_attr* attributes,
                 uint64_t flags) {
  // FI_TAGGED and all that is no form of an atomic; both forms at once are none.
  if (!attributes || (flags & ~kForms) || flags == kForms) return -FI_EINVAL;
  return describe_atomic(form_of(flags), datatype, op, Domain::of(object).device.mtu, *attributes);
}

}  // namespace efa::fi
