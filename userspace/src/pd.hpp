// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Protection domains, thread domains, and parent domains, which join the two.
#pragma once

#include <atomic>

#include "context.hpp"

namespace efa {

struct Td {
  ibv_td td;  // first
  std::atomic<unsigned> users;

  static Td& of(ibv_td* td) { return *reinterpret_cast<Td*>(td); }
};

/// A protection domain of the kernel, or a parent domain, which lends its user one and adds to it
/// that queues belong to one thread (V24).
struct Pd {
  ibv_pd pd;  // first
  std::uint16_t number;
  std::atomic<unsigned> users;
  Pd* lent;  // by a parent domain, else null
  Td* td;    // of a parent domain, may be null

  bool is_parent() const { return lent != nullptr; }
  Threads threads() const { return td != nullptr ? Threads::kSingle : Threads::kShared; }

  static Pd& of(ibv_pd* pd) { return *reinterpret_cast<Pd*>(pd); }
};

ibv_pd* alloc_pd(ibv_context* context);
int dealloc_pd(ibv_pd* pd);
ibv_td* alloc_td(ibv_context* context, ibv_td_init_attr* attr);
int dealloc_td(ibv_td* td);
ibv_pd* alloc_parent_domain(ibv_context* context, ibv_parent_domain_init_attr* attr);

}  // namespace efa
