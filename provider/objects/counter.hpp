// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_cntr (spec libfabric-api 5.5). Reading drives the endpoints bound to it.
#pragma once

#include <rdma/fi_domain.h>

#include "objects/progress.hpp"
#include "rdm/completion.hpp"

namespace efa::fi {

struct Domain;

struct Counter : fid_cntr, rdm::Tally {
  Domain* domain = nullptr;
  bool waits = true;       ///< opened with a wait object
  ProgressList endpoints;  ///< bound to it: fi_close() says -FI_EBUSY

  static Counter& of(fid_cntr* counter) { return *static_cast<Counter*>(counter); }

  /// Drives what is bound. Takes the domain's lock.
  void progress();
};

int open_counter(fid_domain* domain, fi_cntr_attr* attributes, fid_cntr** counter, void* context);

}  // namespace efa::fi
