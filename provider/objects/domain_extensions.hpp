// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// What applications find on a domain besides its table: operations by name (spec libfabric-api
/// 6.4), and which atomics there are (5.7).
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_atomic.h>
#include <rdma/fi_domain.h>

#include <cstddef>

#include "rdm/atomics.hpp"

namespace efa::fi {

/// fi_open_ops().
int open_domain_operations(fid* domain, const char* name, uint64_t flags, void** operations,
                           void* context);

/// Sizes of an atomic operation, for packets of `mtu` bytes. @returns 0, or -FI_EOPNOTSUPP: there
/// is no such one
int describe_atomic(rdm::AtomicForm form, fi_datatype datatype, fi_op op, size_t mtu,
                    fi_atomic_attr& attributes);

/// fi_ops_domain.query_atomic of RDM domains.
int query_atomic(fid_domain* domain, fi_datatype datatype, fi_op op, fi_atomic_attr* attributes,
                 uint64_t flags);

}  // namespace efa::fi
