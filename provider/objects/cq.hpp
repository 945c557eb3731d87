// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_cq (spec libfabric-api 5.4): a CQ of the device, and for what endpoints make themselves a
/// ring in software. RDM endpoints use the ring only; direct ones and datagrams are read from the
/// device straight into the application's array.
#pragma once

#include <infiniband/verbs.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_eq.h>

#include "objects/progress.hpp"
#include "rdm/completion.hpp"

namespace efa::fi {

struct Domain;

/// Of RDM endpoints.
class RdmCq : public fid_cq {
 public:
  static RdmCq& of(fid_cq* cq) { return *static_cast<RdmCq*>(cq); }

  Domain* domain = nullptr;
  ibv_cq_ex* verbs = nullptr;  ///< single-threaded: the domain's lock is held for every call
  rdm::CompletionRing ring;
  ProgressList endpoints;
};

int open_cq(fid_domain* domain, fi_cq_attr* attributes, fid_cq** cq, void* context);

}  // namespace efa::fi
