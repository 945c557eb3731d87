// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Whole tables of an endpoint that has none of their operations (spec libfabric-api 8, M16).
#pragma once

#include <rdma/fi_atomic.h>
#include <rdma/fi_collective.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

namespace efa::fi {

extern fi_ops_msg no_messages;            ///< -FI_ENOSYS
extern fi_ops_tagged no_tagged;           ///< -FI_ENOSYS
extern fi_ops_rma no_rma;                 ///< -FI_ENOSYS
extern fi_ops_atomic no_atomics;          ///< -FI_ENOSYS
extern fi_ops_collective no_collectives;  ///< -FI_ENOSYS

/// For endpoints opened without the capability (spec 5.7): -FI_EOPNOTSUPP.
extern fi_ops_rma rma_without_capability;
extern fi_ops_atomic atomics_without_capability;

/// For endpoints that are not enabled yet: -FI_EOPBADSTATE.
extern fi_ops_msg messages_too_early;
extern fi_ops_rma rma_too_early;
extern fi_ops_tagged tagged_too_early;
extern fi_ops_atomic atomics_too_early;

}  // namespace efa::fi
