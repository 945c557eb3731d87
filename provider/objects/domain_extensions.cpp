// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#include "objects/domain_extensions.hpp"

#include <rdma/fi_errno.h>

#include <cerrno>
#include <cstring>

#include "objects/direct_verbs.hpp"
#include "objects/domain.hpp"

namespace efa::fi {
namespace {

/// As fi_ext_efa.h of libfabric 2 has it, which 1.17 does not.
struct MrPaths {
  uint16_t validity;  ///< EFADV_MR_ATTR_VALIDITY_*
  uint16_t receive;   ///< interconnect ids
  uint16_t rdma_read;
  uint16_t rdma_receive;
};
static_assert(sizeof(MrPaths) == 8);

struct DomainOperations {
  int (*query_mr)(fid_mr* mr, MrPaths* paths);
};

/// @returns 0 or an error as libefa gives it
int query_mr(fid_mr* object, MrPaths* paths) {
  if (!direct_verbs().query_mr) return -FI_ENOSYS;
  efadv_mr_attr attributes{};
  ibv_mr* const verbs = static_cast<Mr*>(object)->verbs;
  if (const int error = direct_verbs().query_mr(verbs, &attributes, sizeof attributes))
    return error;
  *paths = {attributes.ic_id_validity, attributes.recv_ic_id, attributes.rdma_read_ic_id,
            attributes.rdma_recv_ic_id};
  return 0;
}

DomainOperations operations{query_mr};

}  // namespace

int open_domain_operations(fid*, const char* name, uint64_t flags, void** found, void*) {
  if (flags || !name || !found) return -FI_EINVAL;
  if (std::strcmp(name, "efa domain ops") != 0) return -FI_EINVAL;
  *found = &operations;
  return 0;
}

int query_atomic(fid_domain*, fi_datatype, fi_op, fi_atomic_attr*, uint64_t) {
  return -FI_EOPNOTSUPP;
}

}  // namespace efa::fi
