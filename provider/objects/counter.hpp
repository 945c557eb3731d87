// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// fid_cntr (spec libfabric-api 5.5). Reading drives the endpoints bound to it.
#pragma once

#include <rdma/fi_domain.h>

#include <atomic>
#include <cstdint>

#include "objects/progress.hpp"

namespace efa::fi {

struct Domain;

struct Counter : fid_cntr {
  Domain* domain = nullptr;
  std::atomic<uint64_t> value = 0;
  std::atomic<uint64_t> errors = 0;
  ProgressList endpoints;

  static Counter& of(fid_cntr* counter) { return *static_cast<Counter*>(counter); }

  /// By endpoints, with the domain's lock held: no other writer then but fi_cntr_add() and _set().
  void add() { value.fetch_add(1, std::memory_order_relaxed); }
  void add_error() { errors.fetch_add(1, std::memory_order_relaxed); }
};

int open_counter(fid_domain* domain, fi_cntr_attr* attributes, fid_cntr** counter, void* context);

}  // namespace efa::fi
