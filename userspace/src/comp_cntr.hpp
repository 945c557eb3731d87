// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/// Completion counters: 64-bit words that the device adds to. Their verbs came with rdma-core 65.
#pragma once

#include <infiniband/efadv.h>

#include "context.hpp"

#if EFA_IBVERBS_RELEASE == 65

namespace efa {

struct CompCntr {
  ibv_comp_cntr base;  // first
  // Where the device counts unless the program brought memory of its own.
  alignas(8) std::uint64_t completions;
  alignas(8) std::uint64_t errors;
  // What this process reads; null for DMA buffers that it does not see.
  const std::uint64_t* completions_at;
  const std::uint64_t* errors_at;

  static CompCntr& of(ibv_comp_cntr* counter) { return *reinterpret_cast<CompCntr*>(counter); }
};

ibv_comp_cntr* create_comp_cntr(ibv_context* context, ibv_comp_cntr_init_attr* attr);
ibv_comp_cntr* create_efa_comp_cntr(Context& context, const ibv_comp_cntr_init_attr& attr,
                                    const efadv_comp_cntr_init_attr& efa);
int destroy_comp_cntr(ibv_comp_cntr* counter);
int read_comp_cntr(ibv_comp_cntr* counter, std::uint64_t* value);
int read_err_comp_cntr(ibv_comp_cntr* counter, std::uint64_t* value);

}  // namespace efa

#endif
