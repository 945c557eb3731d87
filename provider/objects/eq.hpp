// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_eq: a queue of events in software (spec libfabric-api 8, M3).
#pragma once

#include <rdma/fabric.h>
#include <rdma/fi_eq.h>

#include <string>

namespace efa::fi {

int open_eq(fid_fabric* fabric, fi_eq_attr* attributes, fid_eq** eq, void* context);

/// An error that belongs to no operation (spec efa-rdm-protocol 14). Thread-safe. `object`: the
/// endpoint; `error` positive.
void report_to_eq(fid_eq& eq, fid* object, void* context, int error, int provider_errno,
                  const std::string& text);

}  // namespace efa::fi
